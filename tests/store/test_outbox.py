"""Work stays in the outbox until it is done; settings keep their last value."""

from __future__ import annotations

from kycgate.store import OutboxItem, Store
from tests.store.samples import NOW

PAYLOAD = {"account": "0xab", "epoch": 3, "nested": {"words": ["а", "b"]}}


def test_an_item_is_due_from_its_time_until_it_is_done(store: Store) -> None:
    number = store.enqueue("publish", PAYLOAD, due_at=NOW)
    item = OutboxItem(id=number, kind="publish", payload=PAYLOAD, due_at=NOW)
    assert store.due("publish", now=NOW - 1) == []
    assert store.due("stop", now=NOW) == []
    for _ in range(2):
        assert store.due("publish", now=NOW) == [item]
    for _ in range(2):
        store.done(number)
        assert store.due("publish", now=NOW) == []


def test_a_failed_item_comes_back_later_with_its_attempts(store: Store) -> None:
    number = store.enqueue("publish", PAYLOAD, due_at=NOW)
    for attempt in (1, 2):
        store.retry(number, due_at=NOW + attempt)
        assert store.due("publish", now=NOW + attempt - 1) == []
        assert [each.attempts for each in store.due("publish", now=NOW + attempt)] == [attempt]


def test_the_longest_due_comes_first(store: Store) -> None:
    late, early, tied = (store.enqueue("stop", {}, due_at=NOW + at) for at in (5, 1, 5))
    assert [each.id for each in store.due("stop", now=NOW + 5)] == [early, late, tied]
    assert [each.id for each in store.due("stop", now=NOW + 5, limit=1)] == [early]


def test_a_number_is_never_given_to_a_second_item(store: Store) -> None:
    first = store.enqueue("stop", {}, due_at=NOW)
    store.done(first)
    assert store.enqueue("stop", {}, due_at=NOW) != first


def test_a_setting_keeps_its_last_value(store: Store, replica: Store) -> None:
    assert store.setting("trust_sequence") is None
    for value in ("1", "2"):
        store.set_setting("trust_sequence", value)
        assert replica.setting("trust_sequence") == value
