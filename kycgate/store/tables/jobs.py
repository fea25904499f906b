"""Jobs, the deployments they started, and refusals that somebody may come back with.

A job stays: it is what keeps the same request from being carried out twice.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Table, Text, text

from kycgate.store.tables import columns as col

jobs = Table(
    "jobs",
    col.metadata,
    col.binary("id", primary_key=True),
    col.text("account"),
    col.binary("fingerprint"),
    Column("idempotency_key", Text),
    col.text("state"),
    col.text("decision_id"),
    col.binary("request"),
    col.time("created_at"),
    col.time("updated_at"),
    Column("deployment", Text),
    Column("answer_status", BigInteger),
    Column("answer_headers", col.Words, nullable=False),
    col.binary("answer_body"),
    col.binary("permit", nullable=True),
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
    col.metadata,
    col.text("deployment", primary_key=True),
    col.text("account"),
    col.binary("job_id"),
    col.time("owned_at"),
    col.time("closed_at", nullable=True),
    Index("deployments_by_account", "account", "owned_at"),
)

refusals = Table(
    "refusals",
    col.metadata,
    col.text("id", primary_key=True),
    col.time("created_at"),
    Column("asked", col.Document, nullable=False),
    Column("codes", col.Words, nullable=False),
    col.text("host"),
)
