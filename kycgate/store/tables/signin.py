"""What proves a caller: nonces, sessions, keys, and users linked to an account.

Of tokens, codes and keys it keeps hashes only.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Table

from kycgate.store.tables import columns as col

nonces = Table(
    "nonces",
    col.metadata,
    col.text("nonce", primary_key=True),
    col.text("purpose"),
    col.binary("binding"),
    col.time("expires_at"),
    Index("nonces_by_expiry", "expires_at"),
)

# `digest` is SHA-256 over scope and nonce: callers choose nonces in any length and alphabet.
claimed_nonces = Table(
    "claimed_nonces",
    col.metadata,
    col.binary("digest", primary_key=True),
    col.time("expires_at"),
    Index("claimed_nonces_by_expiry", "expires_at"),
)

sessions = Table(
    "sessions",
    col.metadata,
    col.binary("token_hash", primary_key=True),
    col.text("account"),
    col.text("scope"),
    col.time("created_at"),
    col.time("expires_at"),
    Index("sessions_by_expiry", "expires_at"),
)

handoffs = Table(
    "handoffs",
    col.metadata,
    col.text("id", primary_key=True),
    col.binary("code_hash", unique=True),
    col.text("account"),
    col.text("match"),
    col.time("created_at"),
    col.time("expires_at"),
    col.time("opened_at", nullable=True),
    col.time("claimed_at", nullable=True),
    col.binary("session_hash", nullable=True),
    Index("handoffs_by_account", "account"),
    Index("handoffs_by_expiry", "expires_at"),
)

keys = Table(
    "keys",
    col.metadata,
    col.text("id", primary_key=True),
    col.binary("secret_hash", unique=True),
    col.text("account"),
    col.text("label"),
    Column("scope", col.Words, nullable=False),
    col.text("prefix"),
    col.time("created_at"),
    col.time("expires_at"),
    col.time("revoked_at", nullable=True),
    col.time("last_used_at", nullable=True),
    Index("keys_by_account", "account"),
)

user_links = Table(
    "user_links",
    col.metadata,
    col.text("id", primary_key=True),
    col.text("account"),
    col.binary("code_hash", unique=True),
    col.time("code_expires_at"),
    col.time("created_at"),
    col.text("scheduler"),
    col.text("user"),
    col.time("linked_at", nullable=True),
    col.time("expires_at"),
    Index("user_links_by_user", "scheduler", "user"),
    Index("user_links_by_account", "account"),
)
