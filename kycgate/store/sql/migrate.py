"""Brings a database to the newest revision; any number of processes may start at once.

Knows no table; the revisions stand in `store/migrations/versions`.
"""

from __future__ import annotations

import time
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from kycgate.errors import Misconfigured
from kycgate.store.sql.database import WAIT_S, Database
from kycgate.store.tables import REVISION

_MIGRATIONS = Path(__file__).parents[1] / "migrations"


def migrate(database: Database) -> None:
    """Bring the database to `REVISION`.

    Raises Misconfigured when a newer kycgate has been at it, Unavailable when it does not answer.
    """
    if database.is_sqlite:
        _use_wal(database)
    with database.write(lock="kycgate migrations") as connection:
        found = _revision(connection)
        if found != REVISION:
            _upgrade(connection, found)


def _use_wal(database: Database) -> None:
    # SQLite answers "locked" at once, without its usual wait, when two processes switch together.
    deadline = time.monotonic() + WAIT_S
    while not database.set_wal():
        if time.monotonic() > deadline:
            raise Misconfigured(
                ("database: SQLite can't keep a write-ahead log there; name a local disk",)
            )
        time.sleep(0.02)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection, found: str | None) -> None:
    # Imported here: a database already up to date needs no Alembic at start.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, REVISION)
    except CommandError as error:
        problem = f"database: is at revision {found}, unknown to this kycgate; use a newer one"
        raise Misconfigured((problem,)) from error
