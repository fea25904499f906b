"""Visits to somebody who proves identity: a wallet's credential, a hosted provider.

What was proven there stands in the case.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Table, text

from kycgate.store.tables import columns as col

presentations = Table(
    "presentations",
    col.metadata,
    col.text("id", primary_key=True),
    col.text("account"),
    col.binary("session"),
    col.text("mode"),
    Column("kinds", col.Words, nullable=False),
    col.text("state"),
    col.binary("sealed"),
    col.time("created_at"),
    col.time("expires_at"),
    col.time("keep_until"),
    col.binary("code_hash"),
    col.text("reason"),
    col.time("checked_at"),
    CheckConstraint(
        "state IN ('waiting', 'received', 'proving', 'accepted', 'refused')",
        name="presentations_state",
    ),
    Index("presentations_by_account", "account"),
    Index("presentations_by_state", "state", "checked_at", "created_at"),
    Index("presentations_by_keeping", "keep_until"),
)

verifications = Table(
    "verifications",
    col.metadata,
    col.text("id", primary_key=True),
    col.text("account"),
    col.text("provider"),
    col.text("reference"),
    col.text("state"),
    col.time("started_at"),
    col.time("expires_at"),
    col.time("polled_at"),
    Column("poll_at", BigInteger),
    Column("ended_at", BigInteger),
    col.text("note"),
    col.time("busy_until"),
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
    col.metadata,
    col.text("provider", primary_key=True),
    col.text("event_id", primary_key=True),
    col.time("received_at"),
    col.binary("digest"),
    Index("provider_events_by_time", "received_at"),
)
