"""Nonces, sessions and gate API keys. Holds hashes of secrets, never a secret."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from sqlalchemy import bindparam, or_

from kycgate.store.records.signin import TOUCH_S, Key, Session
from kycgate.store.sql.database import Prepared
from kycgate.store.sql.part import Part
from kycgate.store.sql.rows import pick, records, values
from kycgate.store.tables.columns import read_words
from kycgate.store.tables.signin import claimed_nonces, handoffs, keys, nonces, sessions
from kycgate.store.tables.visits import presentations

GRACE_S = 3600
"""How long past its expiry a nonce is still remembered, should the clock be set back a little."""

_SESSION = Prepared(
    pick(Session, sessions)
    .where(sessions.c.token_hash == bindparam("token_hash"))
    .where(sessions.c.expires_at > bindparam("now"))
)
_KEY_BY_HASH = Prepared(pick(Key, keys).where(keys.c.secret_hash == bindparam("secret_hash")))


class SignIn(Part):
    """What proves a caller."""

    # -- nonces ----------------------------------------------------------------------------------

    def add_nonce(self, nonce: str, *, purpose: str, binding: bytes, expires_at: int) -> None:
        with self._db.write() as connection:
            connection.execute(
                nonces.insert().values(
                    nonce=nonce, purpose=purpose, binding=binding, expires_at=expires_at
                )
            )

    def spend_nonce(self, nonce: str, *, purpose: str, binding: bytes, now: int) -> bool:
        # Spent means gone: of two racing deletes the database lets one find the row.
        spent = (
            nonces.delete()
            .where(nonces.c.nonce == nonce, nonces.c.purpose == purpose)
            .where(nonces.c.binding == binding, nonces.c.expires_at > now)
        )
        with self._db.write() as connection:
            return connection.execute(spent).rowcount == 1

    def claim_nonce(self, scope: str, nonce: str, *, expires_at: int, now: int) -> bool:
        claim = (
            self._db.insert(claimed_nonces)
            .values(digest=_claim_digest(scope, nonce), expires_at=expires_at)
            .on_conflict_do_nothing()
            # Drivers count an INSERT's rows only when asked to.
            .execution_options(preserve_rowcount=True)
        )
        with self._db.write() as connection:
            return connection.execute(claim).rowcount == 1

    def sweep(self, *, now: int) -> int:
        swept = 0
        with self._db.write() as connection:
            for table in (nonces, claimed_nonces, sessions, handoffs):
                old = table.delete().where(table.c.expires_at < now - GRACE_S)
                swept += connection.execute(old).rowcount
            done = presentations.delete().where(presentations.c.keep_until < now)
            swept += connection.execute(done).rowcount
        return swept

    # -- sessions --------------------------------------------------------------------------------

    def add_session(self, session: Session) -> None:
        with self._db.write() as connection:
            connection.execute(sessions.insert().values(values(session)))

    def session(self, token_hash: bytes, *, now: int) -> Session | None:
        rows = self._db.hot(_SESSION, token_hash=token_hash, now=now)
        return Session(*rows[0]) if rows else None

    def end_session(self, token_hash: bytes) -> None:
        with self._db.write() as connection:
            connection.execute(sessions.delete().where(sessions.c.token_hash == token_hash))

    # -- gate API keys ---------------------------------------------------------------------------

    def add_key(self, key: Key) -> None:
        with self._db.write() as connection:
            connection.execute(keys.insert().values(values(key)))

    def key_by_hash(self, secret_hash: bytes) -> Key | None:
        rows = self._db.hot(_KEY_BY_HASH, look=False, secret_hash=secret_hash)
        if not rows:
            return None
        ident, hashed, account, label, scope, *rest = rows[0]
        return Key(ident, hashed, account, label, read_words(scope), *rest)

    def keys_of(self, account: str) -> list[Key]:
        statement = pick(Key, keys).where(keys.c.account == account)
        newest_first = statement.order_by(keys.c.created_at.desc(), keys.c.id)
        return records(Key, self._db.rows(newest_first))

    def revoke_key(self, account: str, key_id: str, *, at: int) -> bool:
        revoke = (
            keys.update()
            .where(keys.c.id == key_id, keys.c.account == account, keys.c.revoked_at.is_(None))
            .values(revoked_at=at)
        )
        with self._db.write() as connection:
            revoked = connection.execute(revoke).rowcount == 1
            if revoked:
                self._bump(connection)
        return revoked

    def touch_keys(self, used: Mapping[str, int]) -> None:
        last, at = keys.c.last_used_at, bindparam("at", type_=keys.c.last_used_at.type)
        touch = (
            keys.update()
            .where(keys.c.id == bindparam("ident"), or_(last.is_(None), last + TOUCH_S <= at))
            .values(last_used_at=at)
        )
        with self._db.write() as connection:
            connection.execute(touch, [{"ident": key, "at": when} for key, when in used.items()])


def _claim_digest(scope: str, nonce: str) -> bytes:
    """A fixed-length stand-in for what a caller chose, unambiguous in where the scope ends."""
    parts = (text.encode("utf-8", "surrogatepass") for text in (scope, nonce))
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()
