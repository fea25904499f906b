"""What each table holds, column by column, the same on SQLite and PostgreSQL.

Creates nothing: the migrations do, and a test keeps the two in step. Columns that mirror a record
of `base` bear its field names.
"""

from kycgate.store.tables import attesting, cases, jobs, log, owners, settling, signin, visits
from kycgate.store.tables.columns import metadata

__all__ = [
    "REVISION",
    "attesting",
    "cases",
    "jobs",
    "log",
    "metadata",
    "owners",
    "settling",
    "signin",
    "visits",
]

REVISION = "0009"
"""The migration these tables describe. A database already there needs no Alembic at start."""
