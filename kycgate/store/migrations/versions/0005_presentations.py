"""What renters' wallets were asked, and where their credentials' status is found.

A revision is history: it repeats what the tables were and imports nothing of what they are.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """One table."""
    op.create_table(
        "presentations",
        sa.Column("id", sa.Text(), primary_key=True, nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("session", sa.LargeBinary(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("kinds", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("keep_until", sa.BigInteger(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("checked_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'received', 'proving', 'accepted', 'refused')",
            name="presentations_state",
        ),
    )
    op.create_index("presentations_by_account", "presentations", ["account"])
    op.create_index(
        "presentations_by_state", "presentations", ["state", "checked_at", "created_at"]
    )
    op.create_index("presentations_by_keeping", "presentations", ["keep_until"])
