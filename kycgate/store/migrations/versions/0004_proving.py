"""What proofs of identity need, and what keeping and forgetting people's data needs.

A revision is history: it repeats what the tables were and imports nothing of what they are.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_OPEN = "state IN ('draft', 'submitted', 'needs', 'review', 'approved')"


def upgrade() -> None:
    """Five columns, three tables, and what keeps a subject's cases apart."""
    op.add_column("subjects", sa.Column("restricted_until", sa.BigInteger()))
    for column in (
        sa.Column("proof_source", sa.Text(), nullable=False, server_default=""),
        sa.Column("proof_reference", sa.Text(), nullable=False, server_default=""),
        sa.Column("re_verify_at", sa.BigInteger()),
        sa.Column("needs", sa.LargeBinary()),
    ):
        op.add_column("cases", column)
    _close_doubles()
    op.create_index(
        "cases_open_of_subject",
        "cases",
        ["subject_id"],
        unique=True,
        sqlite_where=sa.text(_OPEN),
        postgresql_where=sa.text(_OPEN),
    )
    op.create_table(
        "proofs",
        sa.Column("source", sa.Text(), primary_key=True),
        sa.Column("reference", sa.Text(), primary_key=True),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("means", sa.Text(), nullable=False),
        sa.Column("level", sa.BigInteger(), nullable=False),
        sa.Column("kept_at", sa.BigInteger(), nullable=False),
        sa.Column("proven_at", sa.BigInteger(), nullable=False),
        sa.Column("valid_until", sa.BigInteger()),
        sa.Column("document", sa.LargeBinary()),
        sa.Column("evidence_id", sa.Text(), nullable=False),
        sa.Column("withdrawn_at", sa.BigInteger()),
        sa.Column("withdrawn_code", sa.Text(), nullable=False),
    )
    op.create_index("proofs_by_case", "proofs", ["case_id", "kept_at"])
    op.create_index("proofs_by_document", "proofs", ["document"])
    op.create_index("proofs_by_subject", "proofs", ["subject_id"])
    op.create_table(
        "blobs",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("case_id", sa.Text(), sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("subject_id", sa.Text(), sa.ForeignKey("subjects.id"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("media", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("blobs_by_case", "blobs", ["case_id", "created_at"])
    op.create_index("blobs_by_subject", "blobs", ["subject_id"])
    op.create_table(
        "holds",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("subject_id", sa.Text(), sa.ForeignKey("subjects.id"), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("placed_by", sa.Text(), nullable=False),
        sa.Column("placed_at", sa.BigInteger(), nullable=False),
        sa.Column("released_at", sa.BigInteger()),
    )
    op.create_index("holds_by_subject", "holds", ["subject_id", "placed_at"])


def _close_doubles() -> None:
    """Of a subject's open cases, which a race could once make, the approved or else the newest
    stays; what was attested on another stands on that one as well.
    """
    connection = op.get_bind()
    best_first = (
        f"SELECT id, subject_id FROM cases WHERE {_OPEN} ORDER BY subject_id,"  # noqa: S608
        " CASE state WHEN 'approved' THEN 0 ELSE 1 END, opened_at DESC, id"
    )
    kept: set[str] = set()
    for case_id, subject_id in connection.execute(sa.text(best_first)).all():
        if subject_id in kept:
            close = sa.text("UPDATE cases SET state = 'closed' WHERE id = :id")
            connection.execute(close, {"id": case_id})
        kept.add(subject_id)
