"""One open visit per account and provider, counted per day; a provider's message counts once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from kycgate.errors import NotFound
from kycgate.store import ProviderEvent, Store, Verification
from tests.store.samples import ALICE, BOB, NOW

DAY = 86_400
VISIT = Verification(
    id="0f" * 16,
    account=ALICE,
    provider="sumsub",
    reference="",
    state="open",
    started_at=NOW,
    expires_at=NOW + 7 * DAY,
    polled_at=0,
    poll_at=NOW + 60,
)
EVENT = ProviderEvent("stripe", "evt_1", NOW, b"d" * 32)


def begin(store: Store, visit: Verification, *, most: int = 3, most_of_all: int = 100) -> object:
    return store.begin_verification(
        visit, since=visit.started_at - DAY, most=most, most_of_all=most_of_all
    )


def other(n: int, **changed: object) -> Verification:
    return replace(VISIT, id=f"{n:032x}", **changed)  # type: ignore[arg-type]


def take(store: Store, event: ProviderEvent) -> bool:
    return store.take_provider_event(event, kind="look", payload={"r": "vs_1"}, due_at=NOW)


def test_an_open_visit_is_joined_and_a_new_one_begun_once_it_has_ended(store: Store) -> None:
    assert begin(store, VISIT) == VISIT
    assert begin(store, other(1, started_at=NOW + 1)) == VISIT
    store.put_verification(replace(VISIT, ended_at=NOW + 2, state="expired"))
    second = other(2, started_at=NOW + 3)
    assert begin(store, second) == second
    assert store.verification(VISIT.id) == replace(VISIT, ended_at=NOW + 2, state="expired")
    assert store.verification(f"{1:032x}") is None


def test_another_provider_or_account_is_another_visit(store: Store) -> None:
    for visit in (VISIT, other(1, provider="stripe"), other(2, account=BOB)):
        assert begin(store, visit) == visit


def test_an_account_begins_so_many_a_day_with_all_providers_together(store: Store) -> None:
    assert begin(store, VISIT, most=2)
    assert begin(store, other(1, provider="stripe"), most=2)
    assert begin(store, other(2, provider="persona"), most=2) is None
    assert begin(store, other(3, account=BOB), most=2) is not None
    tomorrow = other(4, provider="persona", started_at=NOW + DAY)
    assert begin(store, tomorrow, most=2) == tomorrow


def test_many_accounts_together_begin_so_many_a_day(store: Store) -> None:
    for number in range(3):
        account = f"0x{number:040x}"
        begun = begin(store, other(number, account=account), most_of_all=2)
        assert (begun is None) == (number == 2)


def test_racing_requests_begin_one_visit(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        begun = set(pool.map(lambda n: begin(store, other(n)), range(16)))
    assert len(begun) == 1


def test_a_visit_is_found_by_the_providers_id_and_its_own_provider_only(store: Store) -> None:
    begin(store, VISIT)
    known = replace(VISIT, reference="vs_1")
    store.put_verification(known)
    assert store.verification_by_reference("sumsub", "vs_1") == known
    assert store.verification_by_reference("stripe", "vs_1") is None
    with pytest.raises(NotFound):
        store.put_verification(other(9))


def test_who_is_due_is_asked_in_turn_and_by_one_worker(store: Store) -> None:
    later = other(1, provider="stripe", poll_at=NOW + 90)
    never = other(2, provider="persona", poll_at=None)
    for visit in (VISIT, later, never):
        begin(store, visit)
    assert store.due_verifications(now=NOW + 59) == []
    assert store.due_verifications(now=NOW + 90) == [VISIT, later]
    assert store.due_verifications(now=NOW + 90, limit=1) == [VISIT]
    claims = [
        store.claim_verification(VISIT.id, until=NOW + 150, now=NOW + at) for at in (90, 149, 150)
    ]
    assert claims == [True, False, True]
    assert store.due_verifications(now=NOW + 149) == [later]
    assert not store.claim_verification("none", until=NOW, now=NOW)


def test_a_message_counts_once_and_its_work_is_never_lost(store: Store) -> None:
    assert [take(store, EVENT), take(store, EVENT)] == [True, False]
    assert [item.payload for item in store.due("look", now=NOW)] == [{"r": "vs_1"}]
    assert take(store, replace(EVENT, provider="persona"))
    assert take(store, replace(EVENT, digest=b"e" * 32)), "another body is news"
    assert len(store.due("look", now=NOW)) == 3


def test_old_messages_are_forgotten(store: Store) -> None:
    take(store, EVENT)
    assert store.forget_provider_events(before=NOW) == 0
    assert store.forget_provider_events(before=NOW + 1) == 1
    assert take(store, EVENT)


def test_a_forgotten_visit_is_about_nobody_and_still_counts(store: Store) -> None:
    begin(store, VISIT)
    store.put_verification(replace(VISIT, reference="vs_1", note="the photo is blurred"))
    assert (store.forget_verifications(ALICE), store.forget_verifications(ALICE)) == (1, 0)
    left = store.verification(VISIT.id)
    assert left is not None
    assert (left.account, left.reference, left.note, left.poll_at) == ("", "", "", None)
    assert store.verification_by_reference("sumsub", "vs_1") is None
    assert begin(store, other(1, account=BOB), most_of_all=1) is None
    with pytest.raises(NotFound):
        store.put_verification(replace(VISIT, reference="vs_1", state="approved"))
    assert store.verification(VISIT.id) == left
