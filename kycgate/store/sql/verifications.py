"""Visits to hosted identity providers and their messages. Holds no personal data."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select

from kycgate.errors import NotFound
from kycgate.store.records.visits import ProviderEvent, Verification
from kycgate.store.sql.part import Part
from kycgate.store.sql.rows import pick, record, records, values
from kycgate.store.tables.log import outbox
from kycgate.store.tables.visits import provider_events, verifications

_V = verifications.c


class Verifications(Part):
    """Who is where with whom, and what was heard of it."""

    def begin_verification(
        self, verification: Verification, *, since: int, most: int, most_of_all: int
    ) -> Verification | None:
        open_one = (
            pick(Verification, verifications)
            .where(_V.account == verification.account, _V.provider == verification.provider)
            .where(_V.ended_at.is_(None))
        )
        # The counts must hold while we insert: on PostgreSQL nothing else keeps others out.
        with self._db.write(lock="verifications begin") as connection:
            found = connection.execute(open_one).first()
            if found is not None:
                return record(Verification, found)
            own = _begun(connection, since, _V.account == verification.account)
            if own >= most:
                return None
            if _begun(connection, since, _V.provider == verification.provider) >= most_of_all:
                return None
            connection.execute(verifications.insert().values(values(verification)))
        return verification

    def verification(self, verification_id: str) -> Verification | None:
        row = self._db.first(pick(Verification, verifications).where(_V.id == verification_id))
        return None if row is None else record(Verification, row)

    def verification_by_reference(self, provider: str, reference: str) -> Verification | None:
        statement = pick(Verification, verifications).where(
            _V.provider == provider, _V.reference == reference
        )
        row = self._db.first(statement)
        return None if row is None else record(Verification, row)

    def due_verifications(self, *, now: int, limit: int = 100) -> list[Verification]:
        due = pick(Verification, verifications).where(_V.poll_at <= now, _V.busy_until <= now)
        longest_first = due.order_by(_V.poll_at, _V.id).limit(limit)
        return records(Verification, self._db.rows(longest_first))

    def claim_verification(self, verification_id: str, *, until: int, now: int) -> bool:
        claim = (
            verifications.update()
            .where(_V.id == verification_id, _V.busy_until <= now)
            .values(busy_until=until)
        )
        with self._db.write() as connection:
            return connection.execute(claim).rowcount == 1

    def put_verification(self, verification: Verification) -> None:
        # The account as well: whoever was forgotten meanwhile must not come back with a late word.
        update = verifications.update().where(
            _V.id == verification.id, _V.account == verification.account
        )
        with self._db.write() as connection:
            if connection.execute(update.values(values(verification))).rowcount != 1:
                raise NotFound("no such verification")

    def forget_verifications(self, account: str) -> int:
        # The row stays, about nobody: what all accounts cost in a day is counted from it.
        blank = {"account": "", "reference": "", "note": "", "poll_at": None}
        ended = func.coalesce(_V.ended_at, _V.started_at)
        forget = verifications.update().where(_V.account == account)
        with self._db.write() as connection:
            return connection.execute(forget.values(**blank, ended_at=ended)).rowcount

    def take_provider_event(
        self, event: ProviderEvent, *, kind: str, payload: dict[str, Any], due_at: int
    ) -> bool:
        insert = (
            self._db.insert(provider_events)
            .values(values(event))
            .on_conflict_do_nothing()
            # Drivers count an INSERT's rows only when asked to.
            .execution_options(preserve_rowcount=True)
        )
        known = select(provider_events.c.digest).where(
            provider_events.c.provider == event.provider,
            provider_events.c.event_id == event.event_id,
        )
        work = outbox.insert().values(kind=kind, payload=payload, due_at=due_at, attempts=0)
        with self._db.write() as connection:
            fresh = connection.execute(insert).rowcount == 1
            # Another body under a known name is news: at worst the provider is asked once more.
            if not fresh and bytes(connection.execute(known).scalar_one()) == event.digest:
                return False
            connection.execute(work)
        return True

    def forget_provider_events(self, *, before: int) -> int:
        old = provider_events.delete().where(provider_events.c.received_at < before)
        with self._db.write() as connection:
            return connection.execute(old).rowcount


def _begun(connection: Connection, since: int, whose: Any) -> int:
    count = select(func.count()).select_from(verifications).where(_V.started_at > since, whose)
    return int(connection.execute(count).scalar_one())
