"""What every part of the store has: the database, and the counter that outdates caches.

Holds no subject of its own.
"""

from __future__ import annotations

from sqlalchemy import Connection

from kycgate.store.sql.database import Database
from kycgate.store.tables.log import counters

VERSION = "version"


class Part:
    """One subject's tables. Parts are put together in `SqlStore` and share one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @staticmethod
    def _bump(connection: Connection) -> None:
        """Raise the version. Last in its transaction: every such writer meets at this one row."""
        connection.execute(
            counters.update().where(counters.c.name == VERSION).values(value=counters.c.value + 1)
        )
