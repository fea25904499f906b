"""A scheduler's user is linked by a code shown once; a later code takes the earlier one's place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kycgate.errors import Conflict
from kycgate.store import Store
from tests.store.racing import race
from tests.store.samples import ALICE, BOB, NOW, USER_CODE

CODE = USER_CODE
BOBS = replace(CODE, id="l2", account=BOB, code_hash=b"d" * 32)


def claim(store: Store, code_hash: bytes = b"c" * 32, *, now: int = NOW, **who: str) -> object:
    named = {"scheduler": "main", "user": "ann"} | who
    return store.claim_user_code(code_hash, **named, expires_at=now + 86_400, now=now)


def test_a_code_links_the_user_that_shows_it_to_its_account(store: Store) -> None:
    store.add_user_code(CODE)
    assert store.linked_user("main", "ann", now=NOW) is None
    linked = replace(CODE, scheduler="main", user="ann", linked_at=NOW, expires_at=NOW + 86_400)
    assert claim(store) == linked
    assert store.linked_user("main", "ann", now=NOW) == linked
    assert store.user_links_of(ALICE) == [linked]


def test_a_code_links_once(store: Store) -> None:
    store.add_user_code(CODE)
    assert claim(store) is not None
    assert claim(store, user="mallory") is None
    assert store.linked_user("main", "mallory", now=NOW) is None


def test_a_code_that_has_expired_or_was_never_drawn_links_nobody(store: Store) -> None:
    store.add_user_code(CODE)
    assert claim(store, now=NOW + 900) is None
    assert claim(store, b"x" * 32) is None


def test_of_racing_users_one_is_linked(store: Store, replica: Store) -> None:
    store.add_user_code(CODE)
    won = race(
        [
            lambda by=by, user=f"u{n}": claim(by, user=user) is not None  # type: ignore[misc]
            for n, by in enumerate((store, replica, store, replica))
        ]
    )
    assert sorted(won) == [False, False, False, True]


def test_the_same_name_at_another_scheduler_is_somebody_else(store: Store) -> None:
    store.add_user_code(CODE)
    claim(store)
    assert store.linked_user("other", "ann", now=NOW) is None


def test_a_later_code_takes_the_earlier_ones_place(store: Store) -> None:
    store.add_user_code(CODE)
    store.add_user_code(BOBS)
    claim(store)
    claim(store, b"d" * 32)
    found = store.linked_user("main", "ann", now=NOW)
    assert found is not None
    assert found.account == BOB
    (ended,) = store.user_links_of(ALICE)
    assert ended.expires_at == NOW


def test_a_link_ends_when_it_expires(store: Store) -> None:
    store.add_user_code(CODE)
    claim(store)
    assert store.linked_user("main", "ann", now=NOW + 86_399) is not None
    assert store.linked_user("main", "ann", now=NOW + 86_400) is None


def test_a_link_is_ended_by_its_account_alone(store: Store) -> None:
    store.add_user_code(CODE)
    claim(store)
    assert store.end_user_link(BOB, "l1", at=NOW + 5) is False
    assert store.linked_user("main", "ann", now=NOW + 5) is not None
    assert store.end_user_link(ALICE, "l1", at=NOW + 5) is True
    assert store.linked_user("main", "ann", now=NOW + 5) is None
    assert store.end_user_link(ALICE, "l1", at=NOW + 6) is False


def test_it_is_known_for_a_while_whose_link_has_ended(store: Store) -> None:
    """Or a renter about to be revoked would end the link, and what runs would run on."""
    store.add_user_code(CODE)
    claim(store)
    store.end_user_link(ALICE, "l1", at=NOW + 5)
    store.sweep(now=NOW + 5 + 90 * 86_400)
    (ended,) = store.user_links_of(ALICE)
    assert (ended.scheduler, ended.user, ended.expires_at) == ("main", "ann", NOW + 5)
    store.sweep(now=NOW + 6 + 90 * 86_400)
    assert store.user_links_of(ALICE) == []


def test_a_code_nobody_showed_is_gone_when_withdrawn(store: Store) -> None:
    store.add_user_code(CODE)
    assert store.end_user_link(ALICE, "l1", at=NOW) is True
    assert store.user_links_of(ALICE) == []
    assert claim(store) is None


def test_an_accounts_links_are_forgotten_and_nobody_elses(store: Store) -> None:
    store.add_user_code(CODE)
    store.add_user_code(BOBS)
    claim(store)
    assert store.forget_user_links(ALICE) == 1
    assert store.user_links_of(ALICE) == []
    assert store.linked_user("main", "ann", now=NOW) is None
    assert len(store.user_links_of(BOB)) == 1


def test_two_codes_are_never_the_same(store: Store) -> None:
    store.add_user_code(CODE)
    with pytest.raises(Conflict):
        store.add_user_code(replace(CODE, id="l3"))


def test_codes_and_links_long_expired_are_swept(store: Store) -> None:
    store.add_user_code(CODE)
    store.add_user_code(BOBS)
    claim(store, b"d" * 32)
    store.sweep(now=NOW + 900 + 3601)
    assert store.user_links_of(ALICE) == []
    assert store.linked_user("main", "ann", now=NOW + 900 + 3601) is not None
    store.sweep(now=NOW + 91 * 86_400 + 1)
    assert store.user_links_of(BOB) == []
