"""What was sent is known until it is forgotten; a rental's last state stands."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kycgate.errors import Conflict
from kycgate.store import Store
from tests.store.samples import ALICE, BOB, NOW, RENTAL, SENT


def test_what_was_sent_is_known_to_every_replica(store: Store, replica: Store) -> None:
    store.add_sent(SENT)
    assert replica.sent(SENT.chain_id, ALICE) == [SENT]
    assert replica.sent(SENT.chain_id, BOB) == []
    assert replica.sent(1, ALICE) == []


def test_one_number_and_attempt_is_taken_once(store: Store, replica: Store) -> None:
    store.add_sent(SENT)
    with pytest.raises(Conflict):
        replica.add_sent(replace(SENT, hash=b"x" * 32))
    assert replica.sent(SENT.chain_id, ALICE) == [SENT]
    replica.add_sent(replace(SENT, chain_id=1))


def test_what_was_sent_comes_by_number_then_attempt(store: Store) -> None:
    wanted = [replace(SENT, nonce=n, attempt=a) for n, a in ((7, 0), (7, 1), (7, 10), (10, 0))]
    for one in reversed(wanted):
        store.add_sent(one)
    assert store.sent(SENT.chain_id, ALICE) == wanted


def test_forgetting_a_number_forgets_its_attempts_and_no_other(store: Store) -> None:
    other = replace(SENT, nonce=8)
    for one in (SENT, replace(SENT, attempt=1), other):
        store.add_sent(one)
    for _ in range(2):
        store.forget_sent(SENT.chain_id, ALICE, SENT.nonce)
        assert store.sent(SENT.chain_id, ALICE) == [other]


def test_a_rentals_last_state_stands_in_full(store: Store, replica: Store) -> None:
    assert store.rental_state(RENTAL.job) is None
    closed = replace(RENTAL, state="closed", returned=2**127, event="Closed", block=120)
    for state in (RENTAL, closed):
        store.put_rentals([state])
        assert replica.rental_state(RENTAL.job) == state


def test_of_two_escrows_the_later_start_is_shown(store: Store) -> None:
    later = replace(RENTAL, chain_id=1, start=NOW + 1)
    store.put_rentals([later, RENTAL])
    assert store.rental_state(RENTAL.job) == later


def test_rentals_read_above_a_block_are_those_of_that_escrow(store: Store) -> None:
    above = replace(RENTAL, job=b"k" * 32, block=101)
    elsewhere = replace(above, escrow=BOB), replace(above, chain_id=1)
    store.put_rentals([RENTAL, above, *elsewhere])
    assert store.rentals_after(RENTAL.chain_id, RENTAL.escrow, 100) == [above]
    assert store.rentals_after(RENTAL.chain_id, RENTAL.escrow, 99) == [RENTAL, above]
    assert store.rentals_after(RENTAL.chain_id, RENTAL.escrow, 101) == []


def test_no_rentals_are_no_change(store: Store) -> None:
    store.put_rentals([])
    assert store.rentals_after(RENTAL.chain_id, RENTAL.escrow, -1) == []
