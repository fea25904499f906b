"""The Store on SQLAlchemy Core: SQLite inside the container, PostgreSQL when replicas share state.

Holds no rules: each part keeps the records of its subject and the promises of `base.Store`.
"""

from __future__ import annotations

from sqlalchemy import exc, literal, select
from sqlalchemy.engine import URL, make_url

from kycgate.errors import Misconfigured
from kycgate.store.base import Store
from kycgate.store.sql.accounts import Accounts
from kycgate.store.sql.attestations import Attestations
from kycgate.store.sql.database import Database
from kycgate.store.sql.handoffs import Handoffs
from kycgate.store.sql.jobs import Jobs
from kycgate.store.sql.keeping import Keeping
from kycgate.store.sql.log import Log
from kycgate.store.sql.migrate import migrate
from kycgate.store.sql.outbox import Outbox
from kycgate.store.sql.owners import Owners
from kycgate.store.sql.presentations import Presentations
from kycgate.store.sql.proving import Proving
from kycgate.store.sql.settling import Settling
from kycgate.store.sql.signin import SignIn
from kycgate.store.sql.users import Users
from kycgate.store.sql.verifications import Verifications

_PING = select(literal(1))


class SqlStore(
    SignIn,
    Handoffs,
    Users,
    Accounts,
    Proving,
    Presentations,
    Verifications,
    Keeping,
    Owners,
    Attestations,
    Jobs,
    Settling,
    Log,
    Outbox,
):
    """Every part over one database."""

    def ping(self) -> None:
        """Raises Unavailable unless the database answers."""
        self._db.rows(_PING)

    @property
    def brief_reads(self) -> bool:
        """SQLite in WAL mode: readers wait for no writer."""
        return self._db.is_sqlite

    def sweep(self, *, now: int) -> int:
        """What every part forgets by itself."""
        return SignIn.sweep(self, now=now) + Users.sweep(self, now=now)

    def close(self) -> None:
        """Close every connection. Later calls are Unavailable."""
        self._db.close()


def open_sql_store(url: str) -> Store:
    """`store.open_store`, with SQLAlchemy loaded."""
    database = Database(_database_url(url))
    try:
        migrate(database)
    except BaseException:
        database.close()
        raise
    return SqlStore(database)


def _database_url(text: str) -> URL:
    try:
        url = make_url(text)
    except exc.ArgumentError as error:
        raise Misconfigured(("database: is no URL; sqlite:///PATH or postgresql://…",)) from error
    if url.drivername == "sqlite":
        if url.database in (None, "", ":memory:") or url.query:
            raise Misconfigured(("database: sqlite:///PATH, a file: memory forgets",))
        return url
    if url.drivername == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    raise Misconfigured((f"database: {url.drivername} is not known; sqlite or postgresql",))
