"""The log grows by one entry at a time, in order, and by nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import create_engine, text

from kycgate.errors import Malformed
from kycgate.store import LogEntry, Store
from kycgate.store.records.log import LOG_GENESIS
from tests.store.conftest import Database
from tests.store.racing import race
from tests.store.samples import entry


def test_entries_follow_one_another_from_the_genesis(store: Store) -> None:
    assert store.log_head() is None
    assert store.log_entries() == []
    first, second = store.append_log(entry), store.append_log(entry)
    assert (first.seq, first.prev_hash) == (1, LOG_GENESIS)
    assert (second.seq, second.prev_hash) == (2, first.hash)
    assert store.log_entries() == [first, second]
    assert store.log_head() == second


def test_entries_are_read_a_page_at_a_time(store: Store) -> None:
    written = [store.append_log(entry) for _ in range(5)]
    assert store.log_entries(limit=2) == written[:2]
    assert store.log_entries(after=2, limit=2) == written[2:4]
    assert store.log_entries(after=5) == []


def test_racing_writers_leave_no_gap_and_no_fork(store: Store, replica: Store) -> None:
    race([lambda by=by: [by.append_log(entry) for _ in range(10)] for by in (store, replica) * 2])
    entries = store.log_entries()
    assert [each.seq for each in entries] == list(range(1, 41))
    assert [each.prev_hash for each in entries[1:]] == [each.hash for each in entries[:-1]]


def test_an_entry_that_can_not_be_built_is_not_stored(store: Store) -> None:
    def refuse(seq: int, prev_hash: bytes) -> LogEntry:
        raise Malformed("no", field="body")

    with pytest.raises(Malformed):
        store.append_log(refuse)
    assert store.log_head() is None
    assert store.append_log(entry).seq == 1


@pytest.mark.parametrize("changes", [{"seq": 7}, {"prev_hash": b"x" * 32}])
def test_an_entry_that_does_not_continue_the_log_is_not_stored(
    store: Store, changes: dict[str, int]
) -> None:
    with pytest.raises(ValueError, match="continue"):
        store.append_log(lambda seq, prev: replace(entry(seq, prev), **changes))
    assert store.log_head() is None


@pytest.mark.parametrize("sql", ["UPDATE log SET kind = 'x'", "DELETE FROM log"])
def test_the_database_itself_refuses_to_change_the_log(
    database: Database, store: Store, sql: str
) -> None:
    written = store.append_log(entry)
    engine = create_engine(database.url.replace("postgresql:", "postgresql+psycopg:"))
    with (
        engine.connect() as connection,
        pytest.raises(Exception, match="the decision log is only appended to"),
    ):
        connection.execute(text(sql))
    engine.dispose()
    assert store.log_entries() == [written]
