"""What each table holds, column by column, the same on SQLite and PostgreSQL.

Creates nothing: the migrations do, and a test keeps the two in step. Columns that mirror a record
of `base` bear its field names.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

REVISION = "0009"
"""The migration these tables describe. A database already there needs no Alembic at start."""

metadata = MetaData()

# A number PostgreSQL counts in 64 bits and SQLite takes as its row number.
Serial = BigInteger().with_variant(Integer, "sqlite")


def _frozen(value: Any) -> Any:
    return tuple(_frozen(each) for each in value) if isinstance(value, list) else value


class Words(TypeDecorator[Any]):
    """A tuple of strings, or of tuples of strings, kept as JSON text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        return json.dumps(value, separators=(",", ":"))

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return read_words(value)


class Document(TypeDecorator[Any]):
    """A JSON object kept as text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        return json.dumps(value, separators=(",", ":"), allow_nan=False)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return json.loads(value)


class Amount(TypeDecorator[Any]):
    """A whole number of up to 256 bits, which no database counts in, kept as decimal text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        return str(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return int(value)


@lru_cache(maxsize=512)
def read_words(value: str) -> Any:
    """The tuple behind a `Words` column, for reads that bypass the column types."""
    return _frozen(json.loads(value))


def _text(name: str, **options: Any) -> Column[Any]:
    return Column(name, Text, nullable=False, **options)


def _time(name: str, *, nullable: bool = False) -> Column[Any]:
    """Unix seconds UTC."""
    return Column(name, BigInteger, nullable=nullable)


def _number(name: str) -> Column[Any]:
    return Column(name, BigInteger, nullable=False)


def _bytes(name: str, *, nullable: bool = False, **options: Any) -> Column[Any]:
    return Column(name, LargeBinary, nullable=nullable, **options)


counters = Table("counters", metadata, _text("name", primary_key=True), _number("value"))

# -- sign-in -----------------------------------------------------------------------------------

nonces = Table(
    "nonces",
    metadata,
    _text("nonce", primary_key=True),
    _text("purpose"),
    _bytes("binding"),
    _time("expires_at"),
    Index("nonces_by_expiry", "expires_at"),
)

# `digest` is SHA-256 over scope and nonce: callers choose nonces in any length and alphabet.
claimed_nonces = Table(
    "claimed_nonces",
    metadata,
    _bytes("digest", primary_key=True),
    _time("expires_at"),
    Index("claimed_nonces_by_expiry", "expires_at"),
)

sessions = Table(
    "sessions",
    metadata,
    _bytes("token_hash", primary_key=True),
    _text("account"),
    _text("scope"),
    _time("created_at"),
    _time("expires_at"),
    Index("sessions_by_expiry", "expires_at"),
)

handoffs = Table(
    "handoffs",
    metadata,
    _text("id", primary_key=True),
    _bytes("code_hash", unique=True),
    _text("account"),
    _text("match"),
    _time("created_at"),
    _time("expires_at"),
    _time("opened_at", nullable=True),
    _time("claimed_at", nullable=True),
    _bytes("session_hash", nullable=True),
    Index("handoffs_by_account", "account"),
    Index("handoffs_by_expiry", "expires_at"),
)

keys = Table(
    "keys",
    metadata,
    _text("id", primary_key=True),
    _bytes("secret_hash", unique=True),
    _text("account"),
    _text("label"),
    Column("scope", Words, nullable=False),
    _text("prefix"),
    _time("created_at"),
    _time("expires_at"),
    _time("revoked_at", nullable=True),
    _time("last_used_at", nullable=True),
    Index("keys_by_account", "account"),
)

user_links = Table(
    "user_links",
    metadata,
    _text("id", primary_key=True),
    _text("account"),
    _bytes("code_hash", unique=True),
    _time("code_expires_at"),
    _time("created_at"),
    _text("scheduler"),
    _text("user"),
    _time("linked_at", nullable=True),
    _time("expires_at"),
    Index("user_links_by_user", "scheduler", "user"),
    Index("user_links_by_account", "account"),
)

# -- accounts, subjects, cases -----------------------------------------------------------------

wallet_proofs = Table(
    "wallet_proofs", metadata, _text("account", primary_key=True), _time("proved_at")
)

upstream_keys = Table(
    "upstream_keys", metadata, _text("account", primary_key=True), _bytes("sealed")
)

subjects = Table(
    "subjects",
    metadata,
    _text("id", primary_key=True),
    _bytes("pseudonym", unique=True),
    _number("kind"),
    _time("created_at"),
    _bytes("wrapped_key"),
    _time("restricted_until", nullable=True),
)

account_links = Table(
    "account_links",
    metadata,
    _text("account", primary_key=True),
    Column("subject_id", Text, ForeignKey("subjects.id"), nullable=False),
    _time("linked_at"),
    Index("account_links_by_subject", "subject_id"),
)

OPEN = "state IN ('draft', 'submitted', 'needs', 'review', 'approved')"
"""Of these a subject has one at a time."""

cases = Table(
    "cases",
    metadata,
    _text("id", primary_key=True),
    Column("subject_id", Text, ForeignKey("subjects.id"), nullable=False),
    _text("account"),
    _number("kind"),
    _text("state"),
    _time("opened_at"),
    _time("updated_at"),
    Column("refusal_id", Text),
    _number("level"),
    _number("country"),
    _number("ultimate_country"),
    _time("verified_at"),
    _time("screened_at"),
    Column("reason_codes", Words, nullable=False),
    _text("proof_source", server_default=""),
    _text("proof_reference", server_default=""),
    _time("re_verify_at", nullable=True),
    _bytes("needs", nullable=True),
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
    metadata,
    Column("number", Serial, primary_key=True, autoincrement=True),
    Column("case_id", Text, ForeignKey("cases.id"), nullable=False),
    _time("at"),
    _text("actor"),
    _text("action"),
    _text("from_state"),
    _text("to_state"),
    _text("note"),
    Index("case_events_by_case", "case_id", "number"),
)

evidence = Table(
    "evidence",
    metadata,
    _text("id", primary_key=True),
    Column("case_id", Text, ForeignKey("cases.id"), nullable=False),
    Column("subject_id", Text, ForeignKey("subjects.id"), nullable=False),
    _text("kind"),
    _bytes("sealed"),
    _bytes("commitment"),
    _time("created_at"),
    Index("evidence_by_case", "case_id", "created_at"),
)

clearances = Table(
    "clearances",
    metadata,
    Column("subject_id", Text, ForeignKey("subjects.id"), primary_key=True, nullable=False),
    _bytes("key", primary_key=True),
    _text("case_id"),
    _text("reviewer"),
    _time("decided_at"),
)

blobs = Table(
    "blobs",
    metadata,
    _text("id", primary_key=True),
    Column("case_id", Text, ForeignKey("cases.id"), nullable=False),
    Column("subject_id", Text, ForeignKey("subjects.id"), nullable=False),
    _text("kind"),
    _text("media"),
    _number("size"),
    _bytes("sealed"),
    _time("created_at"),
    Index("blobs_by_case", "case_id", "created_at"),
    Index("blobs_by_subject", "subject_id"),
)

holds = Table(
    "holds",
    metadata,
    _text("id", primary_key=True),
    Column("subject_id", Text, ForeignKey("subjects.id"), nullable=False),
    _time("until"),
    _bytes("reason"),
    _text("placed_by"),
    _time("placed_at"),
    _time("released_at", nullable=True),
    Index("holds_by_subject", "subject_id", "placed_at"),
)

# Without foreign keys: a source may take back what never came.
proofs = Table(
    "proofs",
    metadata,
    _text("source", primary_key=True),
    _text("reference", primary_key=True),
    _text("case_id"),
    _text("subject_id"),
    _text("account"),
    _text("means"),
    _number("level"),
    _time("kept_at"),
    _time("proven_at"),
    _time("valid_until", nullable=True),
    _bytes("document", nullable=True),
    _text("evidence_id"),
    _time("withdrawn_at", nullable=True),
    _text("withdrawn_code"),
    Index("proofs_by_case", "case_id", "kept_at"),
    Index("proofs_by_document", "document"),
    Index("proofs_by_subject", "subject_id"),
)

# -- attestations and revocation ---------------------------------------------------------------

attestations = Table(
    "attestations",
    metadata,
    Column("number", Serial, primary_key=True, autoincrement=True),
    _text("issuer"),
    _bytes("domain"),
    _bytes("uid"),
    _text("account"),
    _text("subject_id"),
    _text("case_id"),
    _number("epoch"),
    _time("issued_at"),
    _time("expires_at"),
    _bytes("wire"),
    _time("revoked_at", nullable=True),
    UniqueConstraint("issuer", "domain", "uid", name="attestations_by_identity"),
    Index("attestations_by_account", "account", "issued_at", "number"),
)

# By address, not by account: an attestation names an address and counts on every chain.
epochs = Table(
    "epochs",
    metadata,
    _text("address", primary_key=True),
    _number("epoch"),
    _time("revoked_at"),
    _text("reason"),
)

revoked_attestations = Table(
    "revoked_attestations",
    metadata,
    _text("issuer", primary_key=True),
    _bytes("domain", primary_key=True),
    _bytes("uid", primary_key=True),
    _time("revoked_at"),
    _text("reason"),
)

revoked_issuers = Table(
    "revoked_issuers",
    metadata,
    _text("issuer", primary_key=True),
    _time("revoked_at"),
    _text("reason"),
)

# -- jobs, deployments, refusals ---------------------------------------------------------------

jobs = Table(
    "jobs",
    metadata,
    _bytes("id", primary_key=True),
    _text("account"),
    _bytes("fingerprint"),
    Column("idempotency_key", Text),
    _text("state"),
    _text("decision_id"),
    _bytes("request"),
    _time("created_at"),
    _time("updated_at"),
    Column("deployment", Text),
    Column("answer_status", BigInteger),
    Column("answer_headers", Words, nullable=False),
    _bytes("answer_body"),
    _bytes("permit", nullable=True),
    CheckConstraint("state IN ('decided', 'forwarded', 'answered', 'unknown')", name="jobs_state"),
    Index(
        "jobs_by_idempotency_key",
        "account",
        "idempotency_key",
        unique=True,
        sqlite_where=text("idempotency_key IS NOT NULL"),
        postgresql_where=text("idempotency_key IS NOT NULL"),
    ),
    Index("jobs_by_fingerprint", "account", "fingerprint", "created_at"),
    Index("jobs_by_account", "account", "created_at"),
)

deployments = Table(
    "deployments",
    metadata,
    _text("deployment", primary_key=True),
    _text("account"),
    _bytes("job_id"),
    _time("owned_at"),
    _time("closed_at", nullable=True),
    Index("deployments_by_account", "account", "owned_at"),
)

refusals = Table(
    "refusals",
    metadata,
    _text("id", primary_key=True),
    _time("created_at"),
    Column("asked", Document, nullable=False),
    Column("codes", Words, nullable=False),
    _text("host"),
)

# -- settlement --------------------------------------------------------------------------------

sent_transactions = Table(
    "sent_transactions",
    metadata,
    Column("chain_id", BigInteger, primary_key=True, autoincrement=False),
    _text("sender", primary_key=True),
    Column("nonce", BigInteger, primary_key=True, autoincrement=False),
    Column("attempt", BigInteger, primary_key=True, autoincrement=False),
    _bytes("hash"),
    _bytes("raw"),
    _bytes("to"),
    _bytes("data"),
    _number("gas"),
    _number("max_fee"),
    _number("tip"),
    Column("items", Words, nullable=False),
    _time("sent_at"),
)

rentals = Table(
    "rentals",
    metadata,
    Column("chain_id", BigInteger, primary_key=True, autoincrement=False),
    _text("escrow", primary_key=True),
    _bytes("job", primary_key=True),
    _text("state"),
    _text("renter"),
    _text("provider"),
    _text("token"),
    _number("epoch"),
    _time("start"),
    _time("end"),
    _time("held_at"),
    Column("total", Amount, nullable=False),
    Column("settled", Amount, nullable=False),
    Column("returned", Amount, nullable=False),
    _text("event"),
    _number("block"),
    _time("seen_at"),
    Index("rentals_by_job", "job"),
    Index("rentals_by_block", "chain_id", "escrow", "block"),
)

# -- owners ------------------------------------------------------------------------------------

standings = Table(
    "standings",
    metadata,
    Column("case_id", Text, ForeignKey("cases.id"), primary_key=True),
    _time("made_at"),
    _bytes("body"),
)

decision_facts = Table(
    "decision_facts",
    metadata,
    _text("decision_id", primary_key=True),
    _time("at"),
    _bytes("body"),
    Index("decision_facts_by_time", "at"),
)

# -- presentations of credentials ------------------------------------------------------------------

presentations = Table(
    "presentations",
    metadata,
    _text("id", primary_key=True),
    _text("account"),
    _bytes("session"),
    _text("mode"),
    Column("kinds", Words, nullable=False),
    _text("state"),
    _bytes("sealed"),
    _time("created_at"),
    _time("expires_at"),
    _time("keep_until"),
    _bytes("code_hash"),
    _text("reason"),
    _time("checked_at"),
    CheckConstraint(
        "state IN ('waiting', 'received', 'proving', 'accepted', 'refused')",
        name="presentations_state",
    ),
    Index("presentations_by_account", "account"),
    Index("presentations_by_state", "state", "checked_at", "created_at"),
    Index("presentations_by_keeping", "keep_until"),
)

# -- hosted identity providers -----------------------------------------------------------------

verifications = Table(
    "verifications",
    metadata,
    _text("id", primary_key=True),
    _text("account"),
    _text("provider"),
    _text("reference"),
    _text("state"),
    _time("started_at"),
    _time("expires_at"),
    _time("polled_at"),
    Column("poll_at", BigInteger),
    Column("ended_at", BigInteger),
    _text("note"),
    _time("busy_until"),
    # One open visit per account and provider, whatever races with whatever.
    Index(
        "verifications_open",
        "account",
        "provider",
        unique=True,
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
    Index("verifications_by_reference", "provider", "reference"),
    Index("verifications_by_poll", "poll_at"),
    Index("verifications_by_start", "provider", "started_at"),
)

provider_events = Table(
    "provider_events",
    metadata,
    _text("provider", primary_key=True),
    _text("event_id", primary_key=True),
    _time("received_at"),
    _bytes("digest"),
    Index("provider_events_by_time", "received_at"),
)

# -- decision log, outbox, settings ------------------------------------------------------------

log = Table(
    "log",
    metadata,
    Column("seq", Serial, primary_key=True, autoincrement=False),
    _time("at"),
    _text("kind"),
    _bytes("body"),
    _bytes("prev_hash"),
    _bytes("hash"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    _text("kind"),
    Column("payload", Document, nullable=False),
    _time("due_at"),
    _number("attempts"),
    Index("outbox_by_due", "kind", "due_at", "id"),
    # Without it SQLite gives a finished item's number to the next: a slow worker would finish that.
    sqlite_autoincrement=True,
)

settings = Table("settings", metadata, _text("name", primary_key=True), _text("value"))
