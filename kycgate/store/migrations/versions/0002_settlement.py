"""What was sent to chains, and what became of rentals there."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def _key(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True, nullable=False, autoincrement=False)


def _many(kind: Any, *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False) for name in names]


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "sent_transactions",
        _key("chain_id", sa.BigInteger()),
        _key("sender", sa.Text()),
        _key("nonce", sa.BigInteger()),
        _key("attempt", sa.BigInteger()),
        *_many(sa.LargeBinary(), "hash", "raw", "to", "data"),
        *_many(sa.BigInteger(), "gas", "max_fee", "tip", "sent_at"),
        *_many(sa.Text(), "items"),
    )
    op.create_table(
        "rentals",
        _key("chain_id", sa.BigInteger()),
        _key("escrow", sa.Text()),
        _key("job", sa.LargeBinary()),
        *_many(sa.Text(), "state", "renter", "provider", "token", "event"),
        *_many(sa.Text(), "total", "settled", "returned"),
        *_many(sa.BigInteger(), "epoch", "start", "end", "held_at", "block", "seen_at"),
    )
    op.create_index("rentals_by_job", "rentals", ["job"])
    op.create_index("rentals_by_block", "rentals", ["chain_id", "escrow", "block"])
