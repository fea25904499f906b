"""Revocation is never lost, never undone, and seen by every replica through the version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from kycgate.errors import Conflict
from kycgate.store import Store
from tests.store.racing import race
from tests.store.samples import ALICE, ATTESTATION, BOB, ISSUER, NOW

DOMAIN, UID = ATTESTATION.domain, ATTESTATION.uid


def test_the_newest_unexpired_attestation_is_the_current_one(store: Store) -> None:
    newer = replace(ATTESTATION, uid=b"2" * 32, issued_at=NOW + 5, expires_at=NOW + 50)
    for each in (newer, ATTESTATION):
        store.add_attestation(each)
    assert store.current_attestation(ALICE, now=NOW + 49) == newer
    assert store.current_attestation(ALICE, now=NOW + 50) == ATTESTATION
    assert store.current_attestation(ALICE, now=NOW + 86400) is None
    assert store.current_attestation(BOB, now=NOW) is None


def test_of_two_attestations_of_one_second_the_later_added_is_current(store: Store) -> None:
    later = replace(ATTESTATION, uid=b"\x00" * 32)
    store.add_attestation(ATTESTATION)
    store.add_attestation(later)
    assert store.current_attestation(ALICE, now=NOW) == later


def test_an_attestation_is_added_once(store: Store) -> None:
    store.add_attestation(ATTESTATION)
    with pytest.raises(Conflict):
        store.add_attestation(replace(ATTESTATION, account=BOB))
    # The same uid under another domain is another attestation: the uid does not cover it.
    store.add_attestation(replace(ATTESTATION, domain=b"e" * 32))


def test_revoking_an_account_starts_the_next_epoch(store: Store) -> None:
    assert store.epoch(ALICE) == 0
    assert store.revoke_account(ALICE, at=NOW, reason="screening") == 1
    assert store.revoke_account(ALICE, at=NOW, reason="screening") == 2
    assert (store.epoch(ALICE), store.epoch(BOB)) == (2, 0)
    assert store.revocations(now=NOW).epochs == {ALICE: 2}


def test_a_contract_account_is_revoked_by_its_address(store: Store) -> None:
    store.revoke_account(f"eip155:8453:{ALICE}", at=NOW, reason="screening")
    assert store.epoch(f"eip155:1:{ALICE}") == 1
    assert store.revocations(now=NOW).epochs == {ALICE: 1}


def test_racing_revocations_each_count(store: Store, replica: Store) -> None:
    calls = [
        lambda by=by: by.revoke_account(ALICE, at=NOW, reason="r") for by in (store, replica) * 3
    ]
    assert sorted(race(calls)) == [1, 2, 3, 4, 5, 6]


def test_a_revoked_attestation_is_in_the_view_and_marked(store: Store) -> None:
    store.add_attestation(ATTESTATION)
    store.revoke_attestation(ISSUER, DOMAIN, UID, at=NOW + 1, reason="mistake")
    store.revoke_attestation(ISSUER, DOMAIN, UID, at=NOW + 9, reason="again")
    assert store.revocations(now=NOW).attestations == {(ISSUER, DOMAIN, UID)}
    assert store.current_attestation(ALICE, now=NOW) == replace(ATTESTATION, revoked_at=NOW + 1)


def test_an_attestation_we_do_not_hold_can_be_revoked(store: Store) -> None:
    store.revoke_attestation(ISSUER, DOMAIN, b"9" * 32, at=NOW, reason="key theft")
    assert store.revocations(now=NOW).attestations == {(ISSUER, DOMAIN, b"9" * 32)}


def test_a_revoked_issuer_is_in_the_view(store: Store) -> None:
    for _ in range(2):
        store.revoke_issuer(ISSUER, at=NOW, reason="key theft")
    view = store.revocations(now=NOW + 7)
    assert view.issuers == {ISSUER}
    assert (view.as_of, view.version) == (NOW + 7, store.version())


@pytest.mark.parametrize(
    "change",
    [
        lambda store: store.add_attestation(ATTESTATION),
        lambda store: store.revoke_account(ALICE, at=NOW, reason="r"),
        lambda store: store.revoke_attestation(ISSUER, DOMAIN, UID, at=NOW, reason="r"),
        lambda store: store.revoke_issuer(ISSUER, at=NOW, reason="r"),
    ],
    ids=["issued", "account", "attestation", "issuer"],
)
def test_every_replica_sees_the_version_rise(
    store: Store, replica: Store, change: Callable[[Store], object]
) -> None:
    before = replica.version()
    change(store)
    assert replica.version() > before
    assert replica.revocations(now=NOW).version == replica.version()


def test_a_change_that_fails_leaves_the_version(store: Store) -> None:
    store.add_attestation(ATTESTATION)
    before = store.version()
    with pytest.raises(Conflict):
        store.add_attestation(ATTESTATION)
    assert store.version() == before
