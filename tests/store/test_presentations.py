"""A presentation moves once from each state, on whatever replica, and is forgotten in time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kycgate.errors import Conflict
from kycgate.store import Presentation, Store
from tests.store.racing import race
from tests.store.samples import ALICE, BOB, NOW

ASKED = Presentation(
    id="5c" * 16,
    account=ALICE,
    session=b"s" * 32,
    mode="dc",
    kinds=("pid-sd-jwt", "mdl"),
    state="waiting",
    sealed=b"sealed\x00",
    created_at=NOW,
    expires_at=NOW + 600,
    keep_until=NOW + 90_000,
)


def test_a_presentation_comes_back_as_it_was_added(store: Store, replica: Store) -> None:
    store.add_presentation(ASKED)
    assert replica.presentation(ASKED.id) == ASKED
    assert store.presentation("another") is None
    with pytest.raises(Conflict):
        store.add_presentation(ASKED)


def test_a_presentation_moves_only_from_the_state_it_is_in(store: Store) -> None:
    store.add_presentation(ASKED)
    received = replace(ASKED, state="received", code_hash=b"c" * 32)
    store.move_presentation(received, from_state="waiting")
    assert store.presentation(ASKED.id) == received
    with pytest.raises(Conflict):
        store.move_presentation(replace(ASKED, state="refused"), from_state="waiting")
    with pytest.raises(Conflict):
        store.move_presentation(replace(ASKED, id="none"), from_state="waiting")
    assert store.presentation(ASKED.id) == received


def test_of_racing_answers_one_is_taken(store: Store, replica: Store) -> None:
    for turn in range(10):
        asked = replace(ASKED, id=f"p{turn}")
        store.add_presentation(asked)

        def take(by: Store, asked: Presentation = asked) -> bool:
            try:
                by.move_presentation(replace(asked, state="proving"), from_state="waiting")
            except Conflict:
                return False
            return True

        won = race([lambda by=by: take(by) for by in (store, replica, store, replica)])
        assert sorted(won) == [False, False, False, True]


def test_those_to_complete_and_to_check_are_found_oldest_first(store: Store) -> None:
    for name, state, checked_at in (
        ("late", "proving", NOW + 5),
        ("old", "proving", NOW + 1),
        ("asked", "accepted", NOW + 1),
        ("unasked", "accepted", 0),
        ("first", "accepted", NOW),
        ("refused", "refused", NOW),
    ):
        held = replace(ASKED, id=name, state=state, checked_at=checked_at)  # type: ignore[arg-type]
        store.add_presentation(held)
    assert [p.id for p in store.presentations_proving(before=NOW + 5)] == ["old"]
    assert [p.id for p in store.presentations_proving(before=NOW + 6)] == ["late", "old"]
    assert [p.id for p in store.presentations_to_check(before=NOW + 2)] == ["first", "asked"]
    assert [p.id for p in store.presentations_to_check(before=NOW + 2, limit=1)] == ["first"]


def test_those_that_wait_are_counted_per_account(store: Store) -> None:
    for name, changes in (
        ("a", {}),
        ("b", {"account": BOB}),
        ("c", {"state": "refused"}),
        ("d", {"expires_at": NOW}),
        ("e", {"expires_at": NOW + 1}),
    ):
        store.add_presentation(replace(ASKED, id=name, **changes))  # type: ignore[arg-type]
    assert store.presentations_waiting(ALICE, now=NOW) == 2
    assert store.presentations_waiting("0x" + "00" * 20, now=NOW) == 0


def test_an_accounts_presentations_are_listed_newest_first(store: Store) -> None:
    newer, other = replace(ASKED, id="n", created_at=NOW + 1), replace(ASKED, id="o", account=BOB)
    for each in (ASKED, newer, other):
        store.add_presentation(each)
    assert store.presentations_of(ALICE) == [newer, ASKED]
    assert store.presentations_of(ALICE, limit=1) == [newer]


def test_an_accounts_presentations_are_forgotten_at_its_wish(store: Store) -> None:
    for name, account in (("a", ALICE), ("b", ALICE), ("c", BOB)):
        store.add_presentation(replace(ASKED, id=name, account=account))
    assert store.forget_presentations(ALICE) == 2
    assert store.forget_presentations(ALICE) == 0
    assert store.presentation("a") is None
    assert store.presentation("c") is not None


def test_sweeping_forgets_what_need_not_be_kept(store: Store) -> None:
    store.add_presentation(replace(ASKED, id="old", keep_until=NOW - 1))
    store.add_presentation(replace(ASKED, id="new", keep_until=NOW))
    assert store.sweep(now=NOW) == 1
    assert store.presentation("old") is None
    assert store.presentation("new") is not None
