"""Attestations we signed, and everything revoked. Judges none of them: `core.attestation` does."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from kycgate.errors import Unavailable
from kycgate.store.records.attesting import IssuedAttestation, Revocations
from kycgate.store.sql.database import Prepared
from kycgate.store.sql.part import VERSION, Part
from kycgate.store.sql.rows import pick, values
from kycgate.store.tables.attesting import (
    attestations,
    epochs,
    revoked_attestations,
    revoked_issuers,
)
from kycgate.store.tables.log import counters

_VERSION = Prepared(select(counters.c.value).where(counters.c.name == bindparam("name")))
_CURRENT = Prepared(
    pick(IssuedAttestation, attestations)
    .where(attestations.c.account == bindparam("account"))
    .where(attestations.c.expires_at > bindparam("now"))
    .order_by(attestations.c.issued_at.desc(), attestations.c.number.desc())
    .limit(1)
)


class Attestations(Part):
    """What we vouch for, and what we no longer do."""

    def version(self) -> int:
        rows = self._db.hot(_VERSION, name=VERSION)
        if not rows:
            raise Unavailable("the database has lost its version counter")
        return int(rows[0][0])

    def add_attestation(self, attestation: IssuedAttestation) -> None:
        with self._db.write() as connection:
            connection.execute(attestations.insert().values(values(attestation)))
            self._bump(connection)

    def current_attestation(self, account: str, *, now: int) -> IssuedAttestation | None:
        rows = self._db.hot(_CURRENT, account=account, now=now)
        return IssuedAttestation(*rows[0]) if rows else None

    # -- revocation ------------------------------------------------------------------------------

    def epoch(self, account: str) -> int:
        row = self._db.first(select(epochs.c.epoch).where(epochs.c.address == _address(account)))
        return 0 if row is None else int(row[0])

    def revoke_account(self, account: str, *, at: int, reason: str) -> int:
        address = _address(account)
        insert = self._db.insert(epochs).values(
            address=address, epoch=1, revoked_at=at, reason=reason
        )
        raised = {"epoch": epochs.c.epoch + 1, "revoked_at": at, "reason": reason}
        reached = select(epochs.c.epoch).where(epochs.c.address == address)
        with self._db.write() as connection:
            connection.execute(
                insert.on_conflict_do_update(index_elements=["address"], set_=raised)
            )
            epoch = int(connection.execute(reached).scalar_one())
            self._bump(connection)
        return epoch

    def revoke_attestation(
        self, issuer: str, domain: bytes, uid: bytes, *, at: int, reason: str
    ) -> None:
        insert = self._db.insert(revoked_attestations).values(
            issuer=issuer, domain=domain, uid=uid, revoked_at=at, reason=reason
        )
        held = attestations.c
        mark = (
            attestations.update()
            .where(held.issuer == issuer, held.domain == domain, held.uid == uid)
            .where(held.revoked_at.is_(None))
            .values(revoked_at=at)
        )
        with self._db.write() as connection:
            connection.execute(insert.on_conflict_do_nothing())
            connection.execute(mark)
            self._bump(connection)

    def revoke_issuer(self, issuer: str, *, at: int, reason: str) -> None:
        insert = self._db.insert(revoked_issuers).values(
            issuer=issuer, revoked_at=at, reason=reason
        )
        with self._db.write() as connection:
            connection.execute(insert.on_conflict_do_nothing())
            self._bump(connection)

    def revocations(self, *, now: int) -> Revocations:
        # The version first: whatever is revoked while we read raises it again, and is read again.
        version = self.version()
        gone = revoked_attestations.c
        issuers = self._db.rows(select(revoked_issuers.c.issuer))
        uids = self._db.rows(select(gone.issuer, gone.domain, gone.uid))
        lowest = self._db.rows(select(epochs.c.address, epochs.c.epoch))
        return Revocations(
            version=version,
            as_of=now,
            issuers=frozenset(row[0] for row in issuers),
            attestations=frozenset((row[0], row[1], row[2]) for row in uids),
            epochs={row[0]: row[1] for row in lowest},
        )


def _address(account: str) -> str:
    """The address of an account key: revoking it voids attestations on every chain."""
    return account.rpartition(":")[2]
