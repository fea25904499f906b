"""Transactions sent, and rentals as their escrows tell of them.

Where a row and its chain differ, the chain is right.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Table

from kycgate.store.tables import columns as col

sent_transactions = Table(
    "sent_transactions",
    col.metadata,
    Column("chain_id", BigInteger, primary_key=True, autoincrement=False),
    col.text("sender", primary_key=True),
    Column("nonce", BigInteger, primary_key=True, autoincrement=False),
    Column("attempt", BigInteger, primary_key=True, autoincrement=False),
    col.binary("hash"),
    col.binary("raw"),
    col.binary("to"),
    col.binary("data"),
    col.number("gas"),
    col.number("max_fee"),
    col.number("tip"),
    Column("items", col.Words, nullable=False),
    col.time("sent_at"),
)

rentals = Table(
    "rentals",
    col.metadata,
    Column("chain_id", BigInteger, primary_key=True, autoincrement=False),
    col.text("escrow", primary_key=True),
    col.binary("job", primary_key=True),
    col.text("state"),
    col.text("renter"),
    col.text("provider"),
    col.text("token"),
    col.number("epoch"),
    col.time("start"),
    col.time("end"),
    col.time("held_at"),
    Column("total", col.Amount, nullable=False),
    Column("settled", col.Amount, nullable=False),
    Column("returned", col.Amount, nullable=False),
    col.text("event"),
    col.number("block"),
    col.time("seen_at"),
    Index("rentals_by_job", "job"),
    Index("rentals_by_block", "chain_id", "escrow", "block"),
)
