"""What was attested, and what was revoked of it.

Signs nothing: the attestation stands here as it was signed.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, UniqueConstraint

from kycgate.store.tables import columns as col

attestations = Table(
    "attestations",
    col.metadata,
    Column("number", col.Serial, primary_key=True, autoincrement=True),
    col.text("issuer"),
    col.binary("domain"),
    col.binary("uid"),
    col.text("account"),
    col.text("subject_id"),
    col.text("case_id"),
    col.number("epoch"),
    col.time("issued_at"),
    col.time("expires_at"),
    col.binary("wire"),
    col.time("revoked_at", nullable=True),
    UniqueConstraint("issuer", "domain", "uid", name="attestations_by_identity"),
    Index("attestations_by_account", "account", "issued_at", "number"),
)

# By address, not by account: an attestation names an address and counts on every chain.
epochs = Table(
    "epochs",
    col.metadata,
    col.text("address", primary_key=True),
    col.number("epoch"),
    col.time("revoked_at"),
    col.text("reason"),
)

revoked_attestations = Table(
    "revoked_attestations",
    col.metadata,
    col.text("issuer", primary_key=True),
    col.binary("domain", primary_key=True),
    col.binary("uid", primary_key=True),
    col.time("revoked_at"),
    col.text("reason"),
)

revoked_issuers = Table(
    "revoked_issuers",
    col.metadata,
    col.text("issuer", primary_key=True),
    col.time("revoked_at"),
    col.text("reason"),
)
