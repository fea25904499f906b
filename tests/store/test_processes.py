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


def writer(url: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.store.writer", url, str(count)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_two_processes_write_one_chain(database: Database, store: Store) -> None:
    with writer(database.url, 50) as one, writer(database.url, 50) as two:
        promised = [int(line) for each in (one, two) for line in each.communicate()[0].split()]
    assert (one.returncode, two.returncode) == (0, 0)
    assert sorted(promised) == list(range(1, 101))
    assert verify_log(entries_of(store)) == Verified(100, store.log_entries(after=99)[0].hash)


def test_what_was_promised_survives_kill_9(database: Database) -> None:
    with writer(database.url, 100_000) as process:
        assert process.stdout is not None
        promised = [int(process.stdout.readline()) for _ in range(20)]
        process.kill()
        promised += [int(line) for line in process.stdout.read().split("\n")[:-1]]
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
    with writer(url, 5) as one, writer(url, 5) as two:
        promised = [int(line) for each in (one, two) for line in each.communicate()[0].split()]
    assert (one.returncode, two.returncode) == (0, 0)
    assert sorted(promised) == list(range(1, 11))


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
