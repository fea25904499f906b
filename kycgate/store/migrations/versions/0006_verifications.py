"""Visits to hosted identity providers, and which of their messages were taken.

A revision is history: it repeats what the tables were and imports nothing of what they are.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Two tables."""
    op.create_table(
        "verifications",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("polled_at", sa.BigInteger(), nullable=False),
        sa.Column("poll_at", sa.BigInteger()),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("busy_until", sa.BigInteger(), nullable=False),
    )
    op.create_index(
        "verifications_open",
        "verifications",
        ["account", "provider"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("verifications_by_reference", "verifications", ["provider", "reference"])
    op.create_index("verifications_by_poll", "verifications", ["poll_at"])
    op.create_index("verifications_by_start", "verifications", ["provider", "started_at"])
    op.create_table(
        "provider_events",
        sa.Column("provider", sa.Text(), primary_key=True),
        sa.Column("event_id", sa.Text(), primary_key=True),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
    )
    op.create_index("provider_events_by_time", "provider_events", ["received_at"])
