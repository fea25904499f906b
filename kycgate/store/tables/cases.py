"""Accounts, the subjects behind them, their cases and everything sealed for them.

A renter's name, documents and pictures stand here only as the vault has sealed them.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table, Text, text

from kycgate.store.tables import columns as col

wallet_proofs = Table(
    "wallet_proofs", col.metadata, col.text("account", primary_key=True), col.time("proved_at")
)

upstream_keys = Table(
    "upstream_keys", col.metadata, col.text("account", primary_key=True), col.binary("sealed")
)

subjects = Table(
    "subjects",
    col.metadata,
    col.text("id", primary_key=True),
    col.binary("pseudonym", unique=True),
    col.number("kind"),
    col.time("created_at"),
    col.binary("wrapped_key"),
    col.time("restricted_until", nullable=True),
)

account_links = Table(
    "account_links",
    col.metadata,
    col.text("account", primary_key=True),
    Column("subject_id", Text, ForeignKey("subjects.id"), nullable=False),
    col.time("linked_at"),
    Index("account_links_by_subject", "subject_id"),
)

OPEN = "state IN ('draft', 'submitted', 'needs', 'review', 'approved')"
"""Of these a subject has one at a time."""

cases = Table(
    "cases",
    col.metadata,
    col.text("id", primary_key=True),
    Column("subject_id", Text, ForeignKey("subjects.id"), nullable=False),
    col.text("account"),
    col.number("kind"),
    col.text("state"),
    col.time("opened_at"),
    col.time("updated_at"),
    Column("refusal_id", Text),
    col.number("level"),
    col.number("country"),
    col.number("ultimate_country"),
    col.time("verified_at"),
    col.time("screened_at"),
    Column("reason_codes", col.Words, nullable=False),
    col.text("proof_source", server_default=""),
    col.text("proof_reference", server_default=""),
    col.time("re_verify_at", nullable=True),
    col.binary("needs", nullable=True),
    # Two open cases of one subject, and revoking one would leave the other to be renewed.
    Index(
        "cases_open_of_subject",
        "subject_id",
        unique=True,
        sqlite_where=text(OPEN),
        postgresql_where=text(OPEN),
    ),
    Index("cases_by_account", "account", "opened_at"),
    Index("cases_by_state", "state", "opened_at"),
    Index("cases_by_change", "updated_at", "id"),
)

case_events = Table(
    "case_events",
    col.metadata,
    Column("number", col.Serial, primary_key=True, autoincrement=True),
    Column("case_id", Text, ForeignKey("cases.id"), nullable=False),
    col.time("at"),
    col.text("actor"),
    col.text("action"),
    col.text("from_state"),
    col.text("to_state"),
    col.text("note"),
    Index("case_events_by_case", "case_id", "number"),
)

evidence = Table(
    "evidence",
    col.metadata,
    col.text("id", primary_key=True),
    Column("case_id", Text, ForeignKey("cases.id"), nullable=False),
    Column("subject_id", Text, ForeignKey("subjects.id"), nullable=False),
    col.text("kind"),
    col.binary("sealed"),
    col.binary("commitment"),
    col.time("created_at"),
    Index("evidence_by_case", "case_id", "created_at"),
)

clearances = Table(
    "clearances",
    col.metadata,
    Column("subject_id", Text, ForeignKey("subjects.id"), primary_key=True, nullable=False),
    col.binary("key", primary_key=True),
    col.text("case_id"),
    col.text("reviewer"),
    col.time("decided_at"),
)

blobs = Table(
    "blobs",
    col.metadata,
    col.text("id", primary_key=True),
    Column("case_id", Text, ForeignKey("cases.id"), nullable=False),
    Column("subject_id", Text, ForeignKey("subjects.id"), nullable=False),
    col.text("kind"),
    col.text("media"),
    col.number("size"),
    col.binary("sealed"),
    col.time("created_at"),
    Index("blobs_by_case", "case_id", "created_at"),
    Index("blobs_by_subject", "subject_id"),
)

holds = Table(
    "holds",
    col.metadata,
    col.text("id", primary_key=True),
    Column("subject_id", Text, ForeignKey("subjects.id"), nullable=False),
    col.time("until"),
    col.binary("reason"),
    col.text("placed_by"),
    col.time("placed_at"),
    col.time("released_at", nullable=True),
    Index("holds_by_subject", "subject_id", "placed_at"),
)

# Without foreign keys: a source may take back what never came.
proofs = Table(
    "proofs",
    col.metadata,
    col.text("source", primary_key=True),
    col.text("reference", primary_key=True),
    col.text("case_id"),
    col.text("subject_id"),
    col.text("account"),
    col.text("means"),
    col.number("level"),
    col.time("kept_at"),
    col.time("proven_at"),
    col.time("valid_until", nullable=True),
    col.binary("document", nullable=True),
    col.text("evidence_id"),
    col.time("withdrawn_at", nullable=True),
    col.text("withdrawn_code"),
    Index("proofs_by_case", "case_id", "kept_at"),
    Index("proofs_by_document", "document"),
    Index("proofs_by_subject", "subject_id"),
)
