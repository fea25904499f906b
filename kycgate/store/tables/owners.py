"""What was known of a case's owners, and what a decision stood on.

Bodies are kept as they were written, never read by a query.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table, Text

from kycgate.store.tables import columns as col

standings = Table(
    "standings",
    col.metadata,
    Column("case_id", Text, ForeignKey("cases.id"), primary_key=True),
    col.time("made_at"),
    col.binary("body"),
)

decision_facts = Table(
    "decision_facts",
    col.metadata,
    col.text("decision_id", primary_key=True),
    col.time("at"),
    col.binary("body"),
    Index("decision_facts_by_time", "at"),
)
