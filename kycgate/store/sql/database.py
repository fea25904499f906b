"""One door to the database: connections, transactions, and one translation of what can go wrong.

Knows no table. Connections run in autocommit, so that a read costs one statement; a write is one
explicit transaction. Each thread keeps its own connection, handed back when the thread ends.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Executable, Select, Table, create_engine, event, exc
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.pool import QueuePool

from kycgate.errors import Conflict, KycgateError, Malformed, Misconfigured, Unavailable

_T = TypeVar("_T")

WAIT_S = 5
"""How long a connection or a lock may keep us waiting before the answer is Unavailable."""

_SQLITE_PRAGMAS = (
    f"PRAGMA busy_timeout = {WAIT_S * 1000}",
    "PRAGMA foreign_keys = ON",
    # In WAL mode anything less than FULL may lose the last commits in a power cut.
    "PRAGMA synchronous = FULL",
)

_POSTGRES_OPTIONS = (
    f"-c statement_timeout={2 * WAIT_S}s -c lock_timeout={WAIT_S}s "
    # A crash between BEGIN and COMMIT on our side must not hold the log's lock for ever.
    f"-c idle_in_transaction_session_timeout={4 * WAIT_S}s "
    # A replica or a pooler may have turned this off; a write has reached the disk when it returns.
    "-c synchronous_commit=on"
)


LOOK_EVERY_S = 0.1
"""How long the read of a caller's key may rely on the last look at SQLite's file."""

_forks = 0
"""How often this process was forked off, counted in the child: cheaper to ask than its number."""


def _count_fork() -> None:
    global _forks
    _forks += 1


os.register_at_fork(after_in_child=_count_fork)


@dataclass(frozen=True, slots=True)
class _DriverText:
    """A statement as one driver wants it: its text, and its arguments by position or by name."""

    sql: str
    order: tuple[str, ...] | None
    fixed: dict[str, Any]

    def arguments(self, values: dict[str, Any]) -> Any:
        named = {**self.fixed, **values} if self.fixed else values
        return named if self.order is None else [named[name] for name in self.order]


class Prepared:
    """A read compiled once and run straight on the driver: for the few statements of the hot path.

    Every value is a named bindparam; columns come back as the driver has them, JSON as text.
    """

    def __init__(self, statement: Select[Any]) -> None:
        self._statement = statement
        self._texts: dict[str, _DriverText] = {}

    def text(self, dialect: Any) -> _DriverText:
        """The statement for this dialect."""
        found = self._texts.get(dialect.name)
        if found is None:
            compiled: Any = self._statement.compile(dialect=dialect)
            order = tuple(compiled.positiontup) if compiled.positional else None
            fixed = {name: value for name, value in compiled.params.items() if value is not None}
            found = self._texts[dialect.name] = _DriverText(str(compiled), order, fixed)
        return found


class _Lease:
    """A thread's hold on a connection, ended with the thread."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._forks = _forks

    @property
    def driver(self) -> Any:
        return self.connection.connection.driver_connection

    def end(self) -> None:
        """Hand the connection back. In a forked child it is the parent's, and stays untouched."""
        if self._forks == _forks:
            self.connection.close()

    __del__ = end


class _Held(threading.local):
    lease: _Lease | None = None


class Database:
    """Connections to one database. Safe for many threads, several processes, and across a fork."""

    def __init__(self, url: URL) -> None:
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self._file = _DatabaseFile(str(url.database)) if self.is_sqlite else None
        self._engine = _engine(url)
        self._dialect = self._engine.dialect
        self._driver_error: type[Exception] = self._dialect.loaded_dbapi.Error
        self._known = (exc.SQLAlchemyError, self._driver_error, UnicodeEncodeError, OverflowError)
        self._closed = False
        self._start()

    def _start(self) -> None:
        self._forks = _forks
        self._held = _Held()
        self._leases: weakref.WeakSet[_Lease] = weakref.WeakSet()
        self._leasing = threading.Lock()
        # SQLite has one writer at a time; a lock of our own spares threads its sleep-and-retry.
        self._writer = threading.Lock() if self.is_sqlite else None

    # -- connections ---------------------------------------------------------------------------

    def _lease(self, *, look: bool = True) -> _Lease:
        """This thread's lease, opened at its first use; `look`: at SQLite's file, in any case."""
        if self._closed:
            raise Unavailable("the store is closed")
        if self._forks != _forks:
            # After a fork: the parent's connections must be neither used nor closed here.
            self._inherited = (self._held, list(self._leases))
            self._engine.dispose(close=False)
            self._start()
        if self._file is not None and (look or self._file.is_due()):
            self._file.check()
        if self._held.lease is None:
            self._held.lease = _Lease(self._engine.connect())
            with self._leasing:
                self._leases.add(self._held.lease)
        return self._held.lease

    def _drop(self) -> None:
        """Forget this thread's connection; the next call opens another."""
        lease, self._held.lease = self._held.lease, None
        if lease is not None:
            lease.connection.invalidate()
            lease.end()

    def _lost(self, error: Exception) -> bool:
        """Whether the error means that the connection itself is gone."""
        if isinstance(error, exc.DBAPIError):
            return error.connection_invalidated
        lease = self._held.lease
        if lease is None or lease.connection.invalidated:
            return True
        return self._dialect.is_disconnect(error, lease.driver, None)  # type: ignore[arg-type]

    def close(self) -> None:
        """Close every thread's connection. Later calls are Unavailable."""
        self._closed = True
        with self._leasing:
            leases = list(self._leases)
        for lease in leases:
            lease.end()
        self._engine.dispose()

    def set_wal(self) -> bool:
        """Put an SQLite file into WAL mode, for good. False while another process is in the way."""
        with self._translated():
            try:
                mode = (
                    self._lease().connection.exec_driver_sql("PRAGMA journal_mode = WAL").scalar()
                )
            except exc.OperationalError:
                return False
            return bool(mode == "wal")

    # -- reading -------------------------------------------------------------------------------

    def rows(self, statement: Executable) -> Sequence[Any]:
        """Every row of a read."""
        return self._read(lambda lease: lease.connection.execute(statement).all())

    def first(self, statement: Executable) -> Any | None:
        """The first row of a read, or None when there truly is none."""
        rows = self.rows(statement)
        return rows[0] if rows else None

    def hot(self, prepared: Prepared, *, look: bool = True, **values: Any) -> Sequence[Any]:
        """Every row of a prepared read, at little more than the driver's own cost.

        Without `look`, SQLite's file is looked at only if the last look is too old.
        """
        text = prepared.text(self._dialect)
        arguments = text.arguments(values)

        # fetchall, always: a half-read statement would pin SQLite's snapshot.
        return self._read(
            lambda lease: lease.driver.execute(text.sql, arguments).fetchall(), look=look
        )

    def _read(self, work: Callable[[_Lease], Sequence[_T]], *, look: bool = True) -> Sequence[_T]:
        """Run a read. A connection that died while idle is replaced once.

        One that dies inside a write is closed thereby, and the write fails at its next statement.
        """
        try:
            try:
                return work(self._lease(look=look))
            except (exc.DBAPIError, self._driver_error) as error:
                if not self._lost(error):
                    raise
            self._drop()
            return work(self._lease())
        except self._known as error:
            raise _meaning(error) from error

    # -- writing -------------------------------------------------------------------------------

    @contextmanager
    def write(self, *, lock: str | None = None) -> Iterator[Connection]:
        """One durable transaction; nothing of it happened if it raises.

        `lock` names what must not change meanwhile: SQLite has one writer anyway, PostgreSQL takes
        an advisory lock on the name until the transaction ends.
        """
        with self._turn(), self._translated():
            connection = self._begin()
            try:
                if lock is not None and not self.is_sqlite:
                    number = int.from_bytes(hashlib.sha256(lock.encode()).digest()[:8], signed=True)
                    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (number,))
                yield connection
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                self._roll_back(connection)
                raise

    def _begin(self) -> Connection:
        begin = "BEGIN IMMEDIATE" if self.is_sqlite else "BEGIN"
        lease = self._lease()
        try:
            lease.connection.exec_driver_sql(begin)
        except exc.DBAPIError as error:
            if not self._lost(error):
                raise
            # It died while idle, and nothing has been done on it yet.
            self._drop()
            lease = self._lease()
            lease.connection.exec_driver_sql(begin)
        return lease.connection

    def _roll_back(self, connection: Connection) -> None:
        try:
            connection.exec_driver_sql("ROLLBACK")
        except exc.SQLAlchemyError:
            self._drop()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if self._writer is None:
            yield
            return
        if not self._writer.acquire(timeout=WAIT_S):
            raise Unavailable("the database is busy: no turn to write came")
        try:
            yield
        finally:
            self._writer.release()

    def insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT that knows ON CONFLICT, which is no common SQL."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    # -- what can go wrong ---------------------------------------------------------------------

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._known as error:
            raise _meaning(error) from error


def _meaning(error: Exception) -> KycgateError:
    """What a driver's error means to us. PEP 249 names the classes alike in every driver."""
    error = getattr(error, "orig", None) or error
    names = {kind.__name__ for kind in type(error).__mro__}
    if "IntegrityError" in names:
        return Conflict("the record exists already, or something it points to does not")
    if names & {"DataError", "UnicodeEncodeError", "OverflowError"}:
        return Malformed("no database column can hold this value", field="value")
    # The driver's own words may name hosts and values: they stay in the chained exception.
    return Unavailable(f"the database did not answer ({type(error).__name__})")


class _DatabaseFile:
    """SQLite's file: made private, and watched, for SQLite itself goes on in a deleted file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._looked_at = float("-inf")
        try:
            # SQLite gives its journal files the mode of this one.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            os.chmod(path, 0o600)
            self._identity = self._look()
        except OSError as error:
            problem = (
                f"database {path}: can't be opened ({error.strerror}); name a file we may write"
            )
            raise Misconfigured((problem,)) from error

    def _look(self) -> tuple[int, int]:
        found = os.stat(self._path)
        return found.st_dev, found.st_ino

    def is_due(self) -> bool:
        """Whether the last look is too old for anybody."""
        return time.monotonic() - self._looked_at >= LOOK_EVERY_S

    def check(self) -> None:
        """Raises Unavailable unless the path still leads to the file we opened."""
        try:
            same = self._look() == self._identity
        except OSError as error:
            raise Unavailable("the database file is gone") from error
        if not same:
            raise Unavailable("the database file was replaced while in use; start again")
        self._looked_at = time.monotonic()


def _engine(url: URL) -> Engine:
    # Overflow is unbounded because each thread has at most one connection; idle ones above the
    # pool's size are closed.
    pool: dict[str, Any] = {"poolclass": QueuePool, "pool_size": 5, "max_overflow": -1}
    common: dict[str, Any] = {"isolation_level": "AUTOCOMMIT", "hide_parameters": True, **pool}
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, connect_args={"timeout": WAIT_S}, **common)
        event.listen(engine, "connect", _set_pragmas)
        return engine
    reach = {"connect_timeout": WAIT_S, "tcp_user_timeout": 2 * WAIT_S * 1000}
    return create_engine(url, connect_args={"options": _POSTGRES_OPTIONS, **reach}, **common)


def _set_pragmas(driver: Any, _record: Any) -> None:
    for pragma in _SQLITE_PRAGMAS:
        driver.execute(pragma).close()
