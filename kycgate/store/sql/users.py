"""Which user of a scheduler stands for which account. Holds hashes of codes, never a code."""

from __future__ import annotations

from sqlalchemy import and_, or_

from kycgate.store.records.signin import LINK_KEPT_S, UserLink
from kycgate.store.sql.part import Part
from kycgate.store.sql.rows import pick, record, records, values
from kycgate.store.tables.signin import user_links as links

FORGOTTEN_S = 3600
"""How long past its expiry a code is kept, as with nonces."""


class Users(Part):
    """Who a scheduler's users are."""

    def add_user_code(self, link: UserLink) -> None:
        with self._db.write() as connection:
            connection.execute(links.insert().values(values(link)))

    def claim_user_code(
        self, code_hash: bytes, *, scheduler: str, user: str, expires_at: int, now: int
    ) -> UserLink | None:
        linked = {
            "scheduler": scheduler,
            "user": user,
            "linked_at": now,
            "expires_at": expires_at,
        }
        claim = (
            links.update()
            .where(links.c.code_hash == code_hash, links.c.linked_at.is_(None))
            .where(links.c.code_expires_at > now)
            .values(linked)
        )
        with self._db.write() as connection:
            # Of two racing updates the database lets one find the row unlinked.
            if connection.execute(claim).rowcount != 1:
                return None
            found = connection.execute(pick(UserLink, links).where(links.c.code_hash == code_hash))
            link = record(UserLink, found.one())
            earlier = links.update().where(
                links.c.scheduler == scheduler,
                links.c.user == user,
                links.c.id != link.id,
                links.c.expires_at > now,
            )
            connection.execute(earlier.values(expires_at=now))
        return link

    def linked_user(self, scheduler: str, user: str, *, now: int) -> UserLink | None:
        wanted = (
            pick(UserLink, links)
            .where(links.c.scheduler == scheduler, links.c.user == user)
            .where(links.c.linked_at.is_not(None), links.c.expires_at > now)
            # Two codes shown in the same instant leave two rows: the later one counts.
            .order_by(links.c.linked_at.desc(), links.c.id)
        )
        row = self._db.first(wanted)
        return None if row is None else record(UserLink, row)

    def user_links_of(self, account: str) -> list[UserLink]:
        wanted = pick(UserLink, links).where(links.c.account == account)
        newest_first = wanted.order_by(links.c.created_at.desc(), links.c.id)
        return records(UserLink, self._db.rows(newest_first))

    def end_user_link(self, account: str, link_id: str, *, at: int) -> bool:
        mine = and_(links.c.id == link_id, links.c.account == account)
        withdrawn = links.delete().where(mine, links.c.linked_at.is_(None))
        ended = links.update().where(mine, links.c.expires_at > at).values(expires_at=at)
        with self._db.write() as connection:
            if connection.execute(withdrawn).rowcount == 1:
                return True
            return connection.execute(ended).rowcount == 1

    def forget_user_links(self, account: str) -> int:
        with self._db.write() as connection:
            return connection.execute(links.delete().where(links.c.account == account)).rowcount

    def sweep(self, *, now: int) -> int:
        over = links.delete().where(
            or_(
                and_(links.c.linked_at.is_(None), links.c.code_expires_at < now - FORGOTTEN_S),
                and_(links.c.linked_at.is_not(None), links.c.expires_at < now - LINK_KEPT_S),
            )
        )
        with self._db.write() as connection:
            return connection.execute(over).rowcount
