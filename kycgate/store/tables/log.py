"""The decision log, the outbox, and the few values that are one of a kind.

What stands in the log is neither changed nor removed.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Table

from kycgate.store.tables import columns as col

log = Table(
    "log",
    col.metadata,
    Column("seq", col.Serial, primary_key=True, autoincrement=False),
    col.time("at"),
    col.text("kind"),
    col.binary("body"),
    col.binary("prev_hash"),
    col.binary("hash"),
)

outbox = Table(
    "outbox",
    col.metadata,
    Column("id", col.Serial, primary_key=True, autoincrement=True),
    col.text("kind"),
    Column("payload", col.Document, nullable=False),
    col.time("due_at"),
    col.number("attempts"),
    Index("outbox_by_due", "kind", "due_at", "id"),
    # Without it SQLite gives a finished item's number to the next: a slow worker would finish that.
    sqlite_autoincrement=True,
)

settings = Table("settings", col.metadata, col.text("name", primary_key=True), col.text("value"))

counters = Table("counters", col.metadata, col.text("name", primary_key=True), col.number("value"))
