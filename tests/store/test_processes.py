"""Several processes share one store, start together, and may be killed at any moment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kycgate.audit import Verified, verify_log
from kycgate.audit.export import entries_of
from kycgate.store import Store, open_store
from tests.store.conftest import Database
from tests.store.samples import KEY, entry

ROOT = Path(__file__).parents[2]


class Writer:
    """`tests.store.writer` in a process of its own, waiting to be started."""

    def __init__(self, url: str, count: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.store.writer", url, str(count)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin, self.process.stdout

    def wait(self) -> Writer:
        assert self.stdout.readline() == "ready\n"
        return self

    def start(self) -> None:
        self.stdin.write("go\n")
        self.stdin.flush()

    def end(self) -> list[int]:
        """The numbers promised and not yet read; one half told does not count."""
        promised = [int(line) for line in self.stdout.read().split("\n")[:-1]]
        self.stdin.close()
        self.stdout.close()
        self.process.wait()
        return promised


def write_together(url: str, count: int) -> list[int]:
    """Two processes open the store and write at the same time; the numbers both promised."""
    writers = [Writer(url, count), Writer(url, count)]
    for each in writers:
        each.wait()
    for each in writers:
        each.start()
    promised = [number for each in writers for number in each.end()]
    assert [each.process.returncode for each in writers] == [0, 0]
    return sorted(promised)


def test_two_processes_write_one_chain(database: Database, store: Store) -> None:
    assert write_together(database.url, 50) == list(range(1, 101))
    assert verify_log(entries_of(store)) == Verified(100, store.log_entries(after=99)[0].hash)


def test_what_was_promised_survives_kill_9(database: Database) -> None:
    writer = Writer(database.url, 100_000)
    writer.wait().start()
    promised = [int(writer.stdout.readline()) for _ in range(20)]
    writer.process.kill()
    promised += writer.end()
    store = open_store(database.url)
    verdict = verify_log(entries_of(store))
    assert isinstance(verdict, Verified)
    # At most one entry was written and not yet told.
    assert promised[-1] <= verdict.count <= promised[-1] + 1
    assert store.append_log(entry).seq == verdict.count + 1
    store.close()


def test_two_processes_may_make_the_tables_at_once(database: Database, tmp_path: Path) -> None:
    if database.server is None:
        url = f"sqlite:///{tmp_path}/new.sqlite3"
    else:
        empty = f"{database.name}_empty"
        database.administer(f"CREATE DATABASE {empty}")
        url = database.url.replace(database.name, empty)
    assert write_together(url, 5) == list(range(1, 11))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_does_not_share_its_parents_connection(store: Store) -> None:
    store.add_key(KEY)
    child = os.fork()
    if child == 0:
        # Whatever happens, this copy of the test run must end here.
        try:
            known = store.key_by_hash(KEY.secret_hash) == KEY
            appended = [store.append_log(entry).seq for _ in range(5)]
            os._exit(0 if known and appended else 1)
        finally:
            os._exit(2)
    for _ in range(5):
        store.append_log(entry)
    assert os.waitpid(child, 0)[1] == 0
    assert store.key_by_hash(KEY.secret_hash) == KEY
    assert [each.seq for each in store.log_entries()] == list(range(1, 11))
