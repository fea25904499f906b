"""Nonces are spent once, sessions expire, keys are found by their hash and revoked for good."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kycgate.errors import Conflict, Malformed
from kycgate.store import Store
from tests.store.racing import race
from tests.store.samples import ALICE, BOB, KEY, NOW, SESSION

BINDING = b"cookie" * 5


def add_nonce(store: Store, nonce: str = "n1", expires_at: int = NOW + 300) -> None:
    store.add_nonce(nonce, purpose="siwe", binding=BINDING, expires_at=expires_at)


def test_a_nonce_is_spent_exactly_once(store: Store) -> None:
    add_nonce(store)
    assert store.spend_nonce("n1", purpose="siwe", binding=BINDING, now=NOW) is True
    assert store.spend_nonce("n1", purpose="siwe", binding=BINDING, now=NOW) is False


@pytest.mark.parametrize(
    "nonce, purpose, binding, now",
    [
        ("n2", "siwe", BINDING, NOW),
        ("n1", "key", BINDING, NOW),
        ("n1", "siwe", b"another cookie", NOW),
        ("n1", "siwe", BINDING, NOW + 300),
    ],
)
def test_a_nonce_of_another_kind_or_age_is_not_spent(
    store: Store, nonce: str, purpose: str, binding: bytes, now: int
) -> None:
    add_nonce(store)
    assert store.spend_nonce(nonce, purpose=purpose, binding=binding, now=now) is False
    # The wrong try of a stranger costs the owner nothing.
    assert store.spend_nonce("n1", purpose="siwe", binding=BINDING, now=NOW + 299) is True


def test_a_nonce_can_not_be_added_twice(store: Store) -> None:
    add_nonce(store)
    with pytest.raises(Conflict):
        add_nonce(store)


def test_of_racing_spenders_one_wins(store: Store, replica: Store) -> None:
    for turn in range(10):
        add_nonce(store, f"n{turn}")

        def spend(by: Store, nonce: str = f"n{turn}") -> bool:
            return by.spend_nonce(nonce, purpose="siwe", binding=BINDING, now=NOW)

        won = race([lambda by=by: spend(by) for by in (store, replica, store, replica)])
        assert sorted(won) == [False, False, False, True]


def test_a_claimed_nonce_is_seen_once_in_its_scope(store: Store) -> None:
    claims = [("a", "n"), ("a", "n"), ("b", "n"), ("a", "m"), ("an", ""), ("", "an")]
    seen = [store.claim_nonce(*each, expires_at=NOW + 60, now=NOW) for each in claims]
    assert seen == [True, False, True, True, True, True]


def test_a_claimed_nonce_is_remembered_past_its_expiry(store: Store) -> None:
    assert store.claim_nonce("a", "n", expires_at=NOW + 60, now=NOW)
    assert not store.claim_nonce("a", "n", expires_at=NOW + 600, now=NOW + 120)


@pytest.mark.parametrize("nonce", ["", "\x00", "\ud800", "x" * 100_000, "'; DROP TABLE nonces"])
def test_callers_may_choose_any_nonce(store: Store, nonce: str) -> None:
    assert store.claim_nonce("a", nonce, expires_at=NOW + 60, now=NOW)
    assert not store.claim_nonce("a", nonce, expires_at=NOW + 60, now=NOW)


def test_of_racing_claimants_one_wins(store: Store, replica: Store) -> None:
    for turn in range(10):

        def claim(by: Store, nonce: str = f"n{turn}") -> bool:
            return by.claim_nonce("a", nonce, expires_at=NOW + 60, now=NOW)

        won = race([lambda by=by: claim(by) for by in (store, replica, store, replica)])
        assert sorted(won) == [False, False, False, True]


def test_sweeping_forgets_what_expired_an_hour_ago_and_nothing_else(store: Store) -> None:
    add_nonce(store, "old", NOW - 3601)
    add_nonce(store, "new", NOW + 1)
    store.claim_nonce("a", "old", expires_at=NOW - 3601, now=NOW - 9999)
    store.claim_nonce("a", "just now", expires_at=NOW - 3600, now=NOW - 9999)
    store.add_session(replace(SESSION, expires_at=NOW - 3601))
    assert store.sweep(now=NOW) == 3
    assert not store.claim_nonce("a", "just now", expires_at=NOW, now=NOW)
    assert store.spend_nonce("new", purpose="siwe", binding=BINDING, now=NOW)


def test_a_session_is_kept_until_it_expires(store: Store) -> None:
    store.add_session(SESSION)
    assert store.session(SESSION.token_hash, now=NOW + 59) == SESSION
    assert store.session(SESSION.token_hash, now=NOW + 60) is None
    assert store.session(b"x" * 32, now=NOW) is None


def test_an_ended_session_is_gone_and_ending_it_again_is_fine(store: Store) -> None:
    store.add_session(SESSION)
    for _ in range(2):
        store.end_session(SESSION.token_hash)
        assert store.session(SESSION.token_hash, now=NOW) is None


def test_a_token_can_not_have_two_sessions(store: Store) -> None:
    store.add_session(SESSION)
    with pytest.raises(Conflict):
        store.add_session(replace(SESSION, account=BOB))
    found = store.session(SESSION.token_hash, now=NOW)
    assert found is not None
    assert found.account == ALICE


def test_a_key_comes_back_as_it_was_added(store: Store) -> None:
    store.add_key(KEY)
    assert store.key_by_hash(KEY.secret_hash) == KEY
    assert store.key_by_hash(b"x" * 32) is None
    assert store.keys_of(ALICE) == [KEY]
    assert store.keys_of(BOB) == []


@pytest.mark.parametrize("same", [{"id": KEY.id}, {"secret_hash": KEY.secret_hash}])
def test_two_keys_never_share_an_id_or_a_secret(store: Store, same: dict[str, bytes]) -> None:
    store.add_key(KEY)
    with pytest.raises(Conflict):
        store.add_key(replace(KEY, **({"id": "key-2", "secret_hash": b"x" * 32} | same)))


def test_keys_are_listed_newest_first(store: Store) -> None:
    older = replace(KEY, id="key-0", secret_hash=b"0" * 32, created_at=NOW - 9)
    store.add_key(older)
    store.add_key(KEY)
    assert store.keys_of(ALICE) == [KEY, older]


def test_only_the_owner_revokes_a_key_and_only_once(store: Store) -> None:
    store.add_key(KEY)
    assert store.revoke_key(BOB, KEY.id, at=NOW) is False
    assert store.revoke_key(ALICE, "key-9", at=NOW) is False
    assert store.key_by_hash(KEY.secret_hash) == KEY
    assert store.revoke_key(ALICE, KEY.id, at=NOW + 1) is True
    assert store.revoke_key(ALICE, KEY.id, at=NOW + 2) is False
    assert store.key_by_hash(KEY.secret_hash) == replace(KEY, revoked_at=NOW + 1)


def test_a_key_revoked_on_one_replica_is_revoked_on_the_other(store: Store, replica: Store) -> None:
    store.add_key(KEY)
    before = replica.version()
    assert replica.key_by_hash(KEY.secret_hash) == KEY
    store.revoke_key(ALICE, KEY.id, at=NOW)
    assert replica.version() > before
    assert replica.key_by_hash(KEY.secret_hash) == replace(KEY, revoked_at=NOW)


def test_the_use_of_a_key_is_kept_to_the_minute(store: Store) -> None:
    store.add_key(KEY)
    kept = []
    for at in (NOW, NOW + 59, NOW + 60, NOW + 10):
        store.touch_keys({KEY.id: at, "no such key": at})
        found = store.key_by_hash(KEY.secret_hash)
        assert found is not None
        kept.append(found.last_used_at)
    assert kept == [NOW, NOW, NOW + 60, NOW + 60]


@pytest.mark.parametrize("label, at", [("\ud800", NOW), ("fine", 2**63)])
def test_a_value_no_column_can_hold_is_malformed(store: Store, label: str, at: int) -> None:
    with pytest.raises(Malformed):
        store.add_key(replace(KEY, label=label, created_at=at))
    assert store.key_by_hash(KEY.secret_hash) is None
