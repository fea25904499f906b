"""The first tables.

A revision is history: it repeats what the tables were and imports nothing of what they are.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make every table, the version counter, and the log's guard."""
    _sign_in()
    _subjects_and_cases()
    _attestations()
    _jobs()
    _log_and_outbox()
    counters = op.create_table("counters", _text("name", primary_key=True), _number("value"))
    op.bulk_insert(counters, [{"name": "version", "value": 1}])
    _guard_log()


def _text(name: str, *, nullable: bool = False, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=nullable, **options)


def _points(name: str, to: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), sa.ForeignKey(to), nullable=False)


def _number(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def _bytes(name: str, *, nullable: bool = False, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.LargeBinary(), nullable=nullable, **options)


def _serial(name: str) -> sa.Column[Any]:
    return sa.Column(name, _SERIAL, primary_key=True, autoincrement=True)


def _sign_in() -> None:
    op.create_table(
        "nonces",
        _text("nonce", primary_key=True),
        _text("purpose"),
        _bytes("binding"),
        _number("expires_at"),
    )
    op.create_index("nonces_by_expiry", "nonces", ["expires_at"])
    op.create_table("claimed_nonces", _bytes("digest", primary_key=True), _number("expires_at"))
    op.create_index("claimed_nonces_by_expiry", "claimed_nonces", ["expires_at"])
    op.create_table(
        "sessions",
        _bytes("token_hash", primary_key=True),
        _text("account"),
        _text("scope"),
        _number("created_at"),
        _number("expires_at"),
    )
    op.create_index("sessions_by_expiry", "sessions", ["expires_at"])
    op.create_table(
        "keys",
        _text("id", primary_key=True),
        _bytes("secret_hash", unique=True),
        _text("account"),
        _text("label"),
        _text("scope"),
        _text("prefix"),
        _number("created_at"),
        _number("expires_at"),
        _number("revoked_at", nullable=True),
        _number("last_used_at", nullable=True),
    )
    op.create_index("keys_by_account", "keys", ["account"])


def _subjects_and_cases() -> None:
    op.create_table("wallet_proofs", _text("account", primary_key=True), _number("proved_at"))
    op.create_table("upstream_keys", _text("account", primary_key=True), _bytes("sealed"))
    op.create_table(
        "subjects",
        _text("id", primary_key=True),
        _bytes("pseudonym", unique=True),
        _number("kind"),
        _number("created_at"),
        _bytes("wrapped_key"),
    )
    op.create_table(
        "account_links",
        _text("account", primary_key=True),
        _points("subject_id", "subjects.id"),
        _number("linked_at"),
    )
    op.create_index("account_links_by_subject", "account_links", ["subject_id"])
    op.create_table(
        "cases",
        _text("id", primary_key=True),
        _points("subject_id", "subjects.id"),
        _text("account"),
        _number("kind"),
        _text("state"),
        _number("opened_at"),
        _number("updated_at"),
        _text("refusal_id", nullable=True),
        _number("level"),
        _number("country"),
        _number("ultimate_country"),
        _number("verified_at"),
        _number("screened_at"),
        _text("reason_codes"),
    )
    op.create_index("cases_by_account", "cases", ["account", "opened_at"])
    op.create_index("cases_by_state", "cases", ["state", "opened_at"])
    op.create_table(
        "case_events",
        _serial("number"),
        _points("case_id", "cases.id"),
        _number("at"),
        _text("actor"),
        _text("action"),
        _text("from_state"),
        _text("to_state"),
        _text("note"),
    )
    op.create_index("case_events_by_case", "case_events", ["case_id", "number"])
    op.create_table(
        "evidence",
        _text("id", primary_key=True),
        _points("case_id", "cases.id"),
        _points("subject_id", "subjects.id"),
        _text("kind"),
        _bytes("sealed"),
        _bytes("commitment"),
        _number("created_at"),
    )
    op.create_index("evidence_by_case", "evidence", ["case_id", "created_at"])


def _attestations() -> None:
    op.create_table(
        "attestations",
        _serial("number"),
        _text("issuer"),
        _bytes("domain"),
        _bytes("uid"),
        _text("account"),
        _text("subject_id"),
        _text("case_id"),
        _number("epoch"),
        _number("issued_at"),
        _number("expires_at"),
        _bytes("wire"),
        _number("revoked_at", nullable=True),
        sa.UniqueConstraint("issuer", "domain", "uid", name="attestations_by_identity"),
    )
    op.create_index("attestations_by_account", "attestations", ["account", "issued_at", "number"])
    op.create_table(
        "epochs",
        _text("address", primary_key=True),
        _number("epoch"),
        _number("revoked_at"),
        _text("reason"),
    )
    op.create_table(
        "revoked_attestations",
        _text("issuer", primary_key=True),
        _bytes("domain", primary_key=True),
        _bytes("uid", primary_key=True),
        _number("revoked_at"),
        _text("reason"),
    )
    op.create_table(
        "revoked_issuers",
        _text("issuer", primary_key=True),
        _number("revoked_at"),
        _text("reason"),
    )


def _jobs() -> None:
    op.create_table(
        "jobs",
        _bytes("id", primary_key=True),
        _text("account"),
        _bytes("fingerprint"),
        _text("idempotency_key", nullable=True),
        _text("state"),
        _text("decision_id"),
        _bytes("request"),
        _number("created_at"),
        _number("updated_at"),
        _text("deployment", nullable=True),
        _number("answer_status", nullable=True),
        _text("answer_headers"),
        _bytes("answer_body"),
        _bytes("permit", nullable=True),
        sa.CheckConstraint(
            "state IN ('decided', 'forwarded', 'answered', 'unknown')", name="jobs_state"
        ),
    )
    op.create_index(
        "jobs_by_idempotency_key",
        "jobs",
        ["account", "idempotency_key"],
        unique=True,
        sqlite_where=sa.text("idempotency_key IS NOT NULL"),
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
    )
    op.create_index("jobs_by_fingerprint", "jobs", ["account", "fingerprint", "created_at"])
    op.create_index("jobs_by_account", "jobs", ["account", "created_at"])
    op.create_table(
        "deployments",
        _text("deployment", primary_key=True),
        _text("account"),
        _bytes("job_id"),
        _number("owned_at"),
        _number("closed_at", nullable=True),
    )
    op.create_index("deployments_by_account", "deployments", ["account", "owned_at"])
    op.create_table(
        "refusals",
        _text("id", primary_key=True),
        _number("created_at"),
        _text("asked"),
        _text("codes"),
        _text("host"),
    )


def _log_and_outbox() -> None:
    op.create_table(
        "log",
        sa.Column("seq", _SERIAL, primary_key=True, autoincrement=False),
        _number("at"),
        _text("kind"),
        _bytes("body"),
        _bytes("prev_hash"),
        _bytes("hash"),
    )
    op.create_table(
        "outbox",
        _serial("id"),
        _text("kind"),
        _text("payload"),
        _number("due_at"),
        _number("attempts"),
        sqlite_autoincrement=True,
    )
    op.create_index("outbox_by_due", "outbox", ["kind", "due_at", "id"])
    op.create_table("settings", _text("name", primary_key=True), _text("value"))


def _guard_log() -> None:
    # Against our own mistakes. Against whoever owns the database there is the chain.
    refusal = "the decision log is only appended to"
    if op.get_bind().dialect.name == "sqlite":
        for action in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER log_no_{action.lower()} BEFORE {action} ON log "
                f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION log_only_grows() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{refusal}' USING ERRCODE = 'integrity_constraint_violation'; "
        "END $$"
    )
    op.execute(
        "CREATE TRIGGER log_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON log "
        "FOR EACH STATEMENT EXECUTE FUNCTION log_only_grows()"
    )
