"""Hand-offs to a phone: one row for each code that was made.

A revision is history: it repeats what the tables were and imports nothing of what they are.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """One table, two indexes."""
    op.create_table(
        "handoffs",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("match", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", sa.BigInteger()),
        sa.Column("claimed_at", sa.BigInteger()),
        sa.Column("session_hash", sa.LargeBinary()),
    )
    op.create_index("handoffs_by_account", "handoffs", ["account"])
    op.create_index("handoffs_by_expiry", "handoffs", ["expires_at"])
