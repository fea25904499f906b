"""A hand-off is claimed once, in time, for its own account, and ends with all it began."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kycgate.errors import Conflict
from kycgate.store import Handoff, Session, Store
from tests.store.racing import race
from tests.store.samples import ALICE, BOB, NOW

HANDOFF = Handoff("h1", b"c" * 32, ALICE, "47", NOW, NOW + 600)
PHONE = Session(b"p" * 32, ALICE, "hand-off", NOW, NOW + 3600)


def test_a_handoff_comes_back_as_it_was_added(store: Store) -> None:
    store.add_handoff(HANDOFF)
    assert store.handoff("h1") == HANDOFF
    assert store.handoff("h2") is None


def test_opening_notes_the_first_moment_only(store: Store) -> None:
    store.add_handoff(HANDOFF)
    assert store.open_handoff(HANDOFF.code_hash, now=NOW + 5) == replace(HANDOFF, opened_at=NOW + 5)
    assert store.open_handoff(HANDOFF.code_hash, now=NOW + 9) == replace(HANDOFF, opened_at=NOW + 5)
    assert store.open_handoff(b"x" * 32, now=NOW) is None
    assert store.open_handoff(HANDOFF.code_hash, now=NOW + 600) is None


def test_a_claim_counts_once_and_begins_the_session(store: Store) -> None:
    store.add_handoff(HANDOFF)
    claimed = store.claim_handoff(HANDOFF.code_hash, PHONE, now=NOW + 7)
    assert claimed == replace(
        HANDOFF, claimed_at=NOW + 7, session_hash=PHONE.token_hash, expires_at=PHONE.expires_at
    )
    assert store.session(PHONE.token_hash, now=NOW + 8) == PHONE
    again = replace(PHONE, token_hash=b"q" * 32)
    assert store.claim_handoff(HANDOFF.code_hash, again, now=NOW + 8) is None
    assert store.session(again.token_hash, now=NOW + 8) is None
    assert store.open_handoff(HANDOFF.code_hash, now=NOW + 8) is None


@pytest.mark.parametrize(
    ("code_hash", "account", "now"),
    [(b"x" * 32, ALICE, NOW), (b"c" * 32, BOB, NOW), (b"c" * 32, ALICE, NOW + 600)],
)
def test_another_code_account_or_age_claims_nothing(
    store: Store, code_hash: bytes, account: str, now: int
) -> None:
    store.add_handoff(HANDOFF)
    assert store.claim_handoff(code_hash, replace(PHONE, account=account), now=now) is None
    assert store.session(PHONE.token_hash, now=NOW) is None
    assert store.handoff("h1") == HANDOFF


def test_of_racing_phones_one_wins(store: Store, replica: Store) -> None:
    for turn in range(8):
        handoff = replace(HANDOFF, id=f"h{turn}", code_hash=bytes([turn]) * 32)
        store.add_handoff(handoff)

        def claim(by: Store, n: int, code: bytes = handoff.code_hash, turn: int = turn) -> bool:
            session = replace(PHONE, token_hash=bytes([turn, n]) * 16)
            return by.claim_handoff(code, session, now=NOW) is not None

        pairs = enumerate((store, replica, store, replica))
        won = race([lambda by=by, n=n: claim(by, n) for n, by in pairs])
        assert sorted(won) == [False, False, False, True]


def test_a_new_code_takes_the_place_of_the_unclaimed_one(store: Store) -> None:
    store.add_handoff(HANDOFF)
    store.add_handoff(replace(HANDOFF, id="h2", code_hash=b"d" * 32))
    assert store.open_handoff(HANDOFF.code_hash, now=NOW) is None
    assert store.claim_handoff(b"d" * 32, PHONE, now=NOW) is not None
    store.add_handoff(replace(HANDOFF, id="h3", code_hash=b"e" * 32))
    assert store.handoff("h2") is not None, "a phone at work is not cut off by a new code"


def test_a_code_is_never_two_accounts(store: Store) -> None:
    store.add_handoff(HANDOFF)
    with pytest.raises(Conflict):
        store.add_handoff(replace(HANDOFF, id="h2", account=BOB))


def test_ending_ends_the_sessions_too_and_only_ones_own(store: Store) -> None:
    store.add_handoff(HANDOFF)
    store.claim_handoff(HANDOFF.code_hash, PHONE, now=NOW)
    store.add_handoff(replace(HANDOFF, id="h2", code_hash=b"d" * 32, account=BOB))
    assert store.end_handoffs(BOB, only="h1") == 0
    assert store.session(PHONE.token_hash, now=NOW) == PHONE
    assert store.end_handoffs(ALICE, only="h1") == 1
    assert store.session(PHONE.token_hash, now=NOW) is None
    assert store.handoff("h1") is None
    assert store.end_handoffs(ALICE) == 0
    assert store.end_handoffs(BOB) == 1


def test_sweeping_forgets_handoffs_an_hour_past_their_end(store: Store) -> None:
    store.add_handoff(replace(HANDOFF, expires_at=NOW - 3601))
    store.add_handoff(replace(HANDOFF, id="h2", code_hash=b"d" * 32, account=BOB))
    assert store.sweep(now=NOW) == 1
    assert store.handoff("h1") is None
    assert store.handoff("h2") is not None
