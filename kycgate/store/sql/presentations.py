"""Presentations of credentials, from the request to the outcome. Opens nothing that is sealed."""

from __future__ import annotations

from sqlalchemy import func, select

from kycgate.errors import Conflict
from kycgate.store.records.visits import Presentation
from kycgate.store.sql.part import Part
from kycgate.store.sql.rows import pick, record, records, values
from kycgate.store.tables.visits import presentations as kept


class Presentations(Part):
    """What renters' wallets were asked."""

    def add_presentation(self, presentation: Presentation) -> None:
        with self._db.write() as connection:
            connection.execute(kept.insert().values(values(presentation)))

    def presentation(self, presentation_id: str) -> Presentation | None:
        row = self._db.first(pick(Presentation, kept).where(kept.c.id == presentation_id))
        return None if row is None else record(Presentation, row)

    def presentations_of(self, account: str, *, limit: int = 100) -> list[Presentation]:
        found = pick(Presentation, kept).where(kept.c.account == account)
        newest = found.order_by(kept.c.created_at.desc(), kept.c.id).limit(limit)
        return records(Presentation, self._db.rows(newest))

    def presentations_waiting(self, account: str, *, now: int) -> int:
        waiting = select(func.count()).where(
            kept.c.account == account, kept.c.state == "waiting", kept.c.expires_at > now
        )
        row = self._db.first(waiting)
        return 0 if row is None else int(row[0])

    def move_presentation(self, presentation: Presentation, *, from_state: str) -> None:
        move = (
            kept.update()
            .where(kept.c.id == presentation.id, kept.c.state == from_state)
            .values(values(presentation))
        )
        with self._db.write() as connection:
            if connection.execute(move).rowcount != 1:
                raise Conflict("the presentation is in another state, or gone")

    def presentations_proving(self, *, before: int, limit: int = 100) -> list[Presentation]:
        found = pick(Presentation, kept).where(
            kept.c.state == "proving", kept.c.checked_at < before
        )
        oldest = found.order_by(kept.c.created_at, kept.c.id).limit(limit)
        return records(Presentation, self._db.rows(oldest))

    def presentations_to_check(self, *, before: int, limit: int = 100) -> list[Presentation]:
        found = pick(Presentation, kept).where(
            kept.c.state == "accepted", kept.c.checked_at > 0, kept.c.checked_at < before
        )
        longest = found.order_by(kept.c.checked_at, kept.c.id).limit(limit)
        return records(Presentation, self._db.rows(longest))

    def forget_presentations(self, account: str) -> int:
        with self._db.write() as connection:
            gone = connection.execute(kept.delete().where(kept.c.account == account))
            return gone.rowcount
