"""Hand-offs to a phone. Holds hashes of codes, never a code."""

from __future__ import annotations

from kycgate.store.records.signin import Handoff, Session
from kycgate.store.sql.part import Part
from kycgate.store.sql.rows import pick, records, values
from kycgate.store.tables.signin import handoffs, sessions

_OPEN = handoffs.c.claimed_at.is_(None)


class Handoffs(Part):
    """Leave for one phone, once."""

    def add_handoff(self, handoff: Handoff) -> None:
        earlier = handoffs.delete().where(handoffs.c.account == handoff.account, _OPEN)
        with self._db.write() as connection:
            connection.execute(earlier)
            connection.execute(handoffs.insert().values(values(handoff)))

    def handoff(self, handoff_id: str) -> Handoff | None:
        found = self._db.rows(pick(Handoff, handoffs).where(handoffs.c.id == handoff_id))
        return next(iter(records(Handoff, found)), None)

    def open_handoff(self, code_hash: bytes, *, now: int) -> Handoff | None:
        mine = (handoffs.c.code_hash == code_hash, _OPEN, handoffs.c.expires_at > now)
        opened = handoffs.update().where(*mine, handoffs.c.opened_at.is_(None))
        with self._db.write() as connection:
            connection.execute(opened.values(opened_at=now))
            found = connection.execute(pick(Handoff, handoffs).where(*mine)).all()
        return next(iter(records(Handoff, found)), None)

    def claim_handoff(self, code_hash: bytes, session: Session, *, now: int) -> Handoff | None:
        # One update decides: of two racing claims the database lets one find the row unclaimed.
        claim = (
            handoffs.update()
            .where(handoffs.c.code_hash == code_hash, _OPEN, handoffs.c.expires_at > now)
            .where(handoffs.c.account == session.account)
            .values(claimed_at=now, session_hash=session.token_hash, expires_at=session.expires_at)
        )
        with self._db.write() as connection:
            if connection.execute(claim).rowcount != 1:
                return None
            connection.execute(sessions.insert().values(values(session)))
            mine = pick(Handoff, handoffs).where(handoffs.c.code_hash == code_hash)
            found = connection.execute(mine).all()
        return records(Handoff, found)[0]

    def end_handoffs(self, account: str, *, only: str | None = None) -> int:
        mine = [handoffs.c.account == account]
        if only is not None:
            mine.append(handoffs.c.id == only)
        with self._db.write() as connection:
            found = records(Handoff, connection.execute(pick(Handoff, handoffs).where(*mine)).all())
            begun = [each.session_hash for each in found if each.session_hash is not None]
            connection.execute(sessions.delete().where(sessions.c.token_hash.in_(begun)))
            return connection.execute(handoffs.delete().where(*mine)).rowcount
