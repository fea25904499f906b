"""What re-screening needs: cases in the order of their changes, and reviewers' clearances.

A revision is history: it repeats what the tables were and imports nothing of what they are.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """One index, one table."""
    op.create_index("cases_by_change", "cases", ["updated_at", "id"])
    op.create_table(
        "clearances",
        sa.Column("subject_id", sa.Text(), sa.ForeignKey("subjects.id"), primary_key=True),
        sa.Column("key", sa.LargeBinary(), primary_key=True),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
    )
