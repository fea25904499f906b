"""What was sent to chains and what became of rentals there. Speaks to no chain."""

from __future__ import annotations

from collections.abc import Sequence

from kycgate.store.records.settling import RentalState, SentTransaction
from kycgate.store.sql.part import Part
from kycgate.store.sql.rows import pick, record, records, values
from kycgate.store.tables.settling import rentals as kept
from kycgate.store.tables.settling import sent_transactions


class Settling(Part):
    """The publisher's transactions and the follower's rentals."""

    # -- transactions ----------------------------------------------------------------------------

    def add_sent(self, sent: SentTransaction) -> None:
        with self._db.write() as connection:
            connection.execute(sent_transactions.insert().values(values(sent)))

    def sent(self, chain_id: int, sender: str) -> list[SentTransaction]:
        held = sent_transactions.c
        mine = pick(SentTransaction, sent_transactions).where(
            held.chain_id == chain_id, held.sender == sender
        )
        return records(SentTransaction, self._db.rows(mine.order_by(held.nonce, held.attempt)))

    def forget_sent(self, chain_id: int, sender: str, nonce: int) -> None:
        held = sent_transactions.c
        gone = sent_transactions.delete().where(
            held.chain_id == chain_id, held.sender == sender, held.nonce == nonce
        )
        with self._db.write() as connection:
            connection.execute(gone)

    # -- rentals ---------------------------------------------------------------------------------

    def put_rentals(self, rentals: Sequence[RentalState]) -> None:
        with self._db.write() as connection:
            for rental in rentals:
                row = values(rental)
                insert = self._db.insert(kept).values(row)
                key = ["chain_id", "escrow", "job"]
                rest = {name: value for name, value in row.items() if name not in key}
                connection.execute(insert.on_conflict_do_update(index_elements=key, set_=rest))

    def rental_state(self, job: bytes) -> RentalState | None:
        of_job = pick(RentalState, kept).where(kept.c.job == job)
        row = self._db.first(of_job.order_by(kept.c.start.desc(), kept.c.chain_id).limit(1))
        return None if row is None else record(RentalState, row)

    def rentals_after(self, chain_id: int, escrow: str, block: int) -> list[RentalState]:
        held = kept.c
        later = pick(RentalState, kept).where(
            held.chain_id == chain_id, held.escrow == escrow, held.block > block
        )
        return records(RentalState, self._db.rows(later.order_by(held.job)))
