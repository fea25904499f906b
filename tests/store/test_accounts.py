"""Accounts belong to one subject; a case moves only from the state it was thought to be in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kycgate.errors import Conflict, NotFound
from kycgate.store import Clearance, Store
from tests.store.racing import race
from tests.store.samples import ALICE, BOB, CASE, EVIDENCE, NOW, OPENED, SUBJECT

OTHER = replace(SUBJECT, id="subject-2", pseudonym=b"2" * 32)
APPROVED = replace(CASE, state="approved", updated_at=NOW + 5, level=2, reason_codes=())
APPROVAL = replace(OPENED, at=NOW + 5, actor="reviewer", action="approve", to_state="approved")


@pytest.fixture
def opened(store: Store) -> Store:
    store.add_subject(SUBJECT)
    store.add_case(CASE, OPENED)
    return store


def test_the_latest_wallet_proof_stands_whatever_arrives_last(store: Store) -> None:
    assert store.wallet_proof_at(ALICE) is None
    for at in (NOW, NOW + 10, NOW + 5):
        store.note_wallet_proof(ALICE, at=at)
    assert store.wallet_proof_at(ALICE) == NOW + 10
    assert store.wallet_proof_at(BOB) is None


def test_an_upstream_key_is_replaced_and_removed(store: Store) -> None:
    assert store.upstream_key(ALICE) is None
    assert store.any_upstream_key() is False
    for sealed in (b"one", b"two"):
        store.set_upstream_key(ALICE, sealed)
        assert store.upstream_key(ALICE) == sealed
        assert store.any_upstream_key() is True
    for _ in range(2):
        store.set_upstream_key(ALICE, None)
        assert store.upstream_key(ALICE) is None
    assert store.any_upstream_key() is False


def test_a_subject_comes_back_as_it_was_added(store: Store) -> None:
    store.add_subject(SUBJECT)
    assert store.subject(SUBJECT.id) == SUBJECT
    assert store.subject("subject-9") is None
    assert store.subject_of(ALICE) is None


@pytest.mark.parametrize("same", [{"id": SUBJECT.id}, {"pseudonym": SUBJECT.pseudonym}])
def test_two_subjects_never_share_an_id_or_a_pseudonym(store: Store, same: dict[str, str]) -> None:
    store.add_subject(SUBJECT)
    with pytest.raises(Conflict):
        store.add_subject(replace(OTHER, **same))


def test_a_subject_has_every_account_linked_to_it(store: Store) -> None:
    store.add_subject(SUBJECT)
    store.link_account(BOB, SUBJECT.id, at=NOW)
    store.link_account(ALICE, SUBJECT.id, at=NOW + 1)
    store.link_account(ALICE, SUBJECT.id, at=NOW + 2)
    assert store.accounts_of(SUBJECT.id) == [BOB, ALICE]
    assert store.subject_of(ALICE) == SUBJECT


def test_an_account_is_never_taken_by_another_subject(store: Store) -> None:
    store.add_subject(SUBJECT)
    store.add_subject(OTHER)
    store.link_account(ALICE, SUBJECT.id, at=NOW)
    with pytest.raises(Conflict):
        store.link_account(ALICE, OTHER.id, at=NOW)
    assert store.subject_of(ALICE) == SUBJECT
    assert store.accounts_of(OTHER.id) == []


def test_an_account_is_not_linked_to_a_subject_that_is_not_there(store: Store) -> None:
    with pytest.raises(Conflict):
        store.link_account(ALICE, "subject-9", at=NOW)
    assert store.subject_of(ALICE) is None


def test_of_two_subjects_racing_for_an_account_one_gets_it(store: Store, replica: Store) -> None:
    store.add_subject(SUBJECT)
    store.add_subject(OTHER)
    outcomes = race(
        [
            lambda: store.link_account(ALICE, SUBJECT.id, at=NOW),
            lambda: replica.link_account(ALICE, OTHER.id, at=NOW),
        ]
    )
    assert sorted(type(each) is Conflict for each in outcomes) == [False, True]


def test_a_subject_key_is_rewrapped_and_can_be_shredded(store: Store) -> None:
    store.add_subject(SUBJECT)
    for wrapped in (b"rewrapped", b""):
        store.rewrap_subject_key(SUBJECT.id, wrapped)
        assert store.subject(SUBJECT.id) == replace(SUBJECT, wrapped_key=wrapped)
    with pytest.raises(NotFound):
        store.rewrap_subject_key("subject-9", b"x")


def test_a_case_and_its_history_come_back_as_added(opened: Store) -> None:
    assert opened.case(CASE.id) == CASE
    assert opened.case("case-9") is None
    assert opened.case_events(CASE.id) == [OPENED]
    assert opened.case_events("case-9") == []


def test_a_case_of_nobody_is_refused_with_its_event(store: Store) -> None:
    with pytest.raises(Conflict):
        store.add_case(CASE, OPENED)
    assert store.case_events(CASE.id) == []


def test_cases_are_found_by_account_and_state_newest_first(opened: Store) -> None:
    later = replace(CASE, id="case-2", state="refused", opened_at=NOW + 1)
    opened.add_subject(OTHER)
    others = replace(CASE, id="case-3", account=BOB, state="approved", opened_at=NOW + 2)
    others = replace(others, subject_id=OTHER.id)
    for each in (later, others):
        opened.add_case(each, replace(OPENED, case_id=each.id))
    assert opened.cases() == [others, later, CASE]
    assert opened.cases(account=ALICE) == [later, CASE]
    assert opened.cases(state="approved") == [others]
    assert opened.cases(account=ALICE, state="approved") == []
    assert opened.cases(limit=1) == [others]


def test_a_decided_case_is_written_with_its_event_and_raises_the_version(opened: Store) -> None:
    before = opened.version()
    opened.move_case(APPROVED, from_state="submitted", event=APPROVAL)
    assert opened.case(CASE.id) == APPROVED
    assert opened.case_events(CASE.id) == [OPENED, APPROVAL]
    assert opened.version() > before


def test_a_case_that_moved_meanwhile_is_not_moved_again(opened: Store) -> None:
    opened.move_case(APPROVED, from_state="submitted", event=APPROVAL)
    before = opened.version()
    refused = replace(CASE, state="refused")
    with pytest.raises(Conflict):
        opened.move_case(refused, from_state="submitted", event=replace(APPROVAL, action="refuse"))
    assert opened.case(CASE.id) == APPROVED
    assert opened.case_events(CASE.id) == [OPENED, APPROVAL]
    assert opened.version() == before


def test_of_two_reviewers_deciding_at_once_one_decides(opened: Store, replica: Store) -> None:
    refused, refusal = replace(CASE, state="refused"), replace(APPROVAL, to_state="refused")
    outcomes = race(
        [
            lambda: opened.move_case(APPROVED, from_state="submitted", event=APPROVAL),
            lambda: replica.move_case(refused, from_state="submitted", event=refusal),
        ]
    )
    assert sorted(type(each) is Conflict for each in outcomes) == [False, True]
    found = opened.case(CASE.id)
    assert found is not None
    assert [each.to_state for each in opened.case_events(CASE.id)] == ["submitted", found.state]


def test_evidence_comes_back_byte_for_byte_and_is_never_replaced(opened: Store) -> None:
    opened.add_evidence(EVIDENCE)
    with pytest.raises(Conflict):
        opened.add_evidence(replace(EVIDENCE, sealed=b"other"))
    assert opened.evidence_of(CASE.id) == [EVIDENCE]
    assert opened.evidence_of("case-9") == []


@pytest.mark.parametrize("state", ["draft", "submitted", "needs", "review", "approved"])
def test_a_subject_has_one_open_case_at_a_time(opened: Store, state: str) -> None:
    second = replace(CASE, id="case-2", state=state)
    with pytest.raises(Conflict):
        opened.add_case(second, replace(OPENED, case_id="case-2"))
    assert opened.case("case-2") is None
    closed = replace(APPROVED, state="refused")
    opened.move_case(closed, from_state=CASE.state, event=APPROVAL)
    opened.add_case(second, replace(OPENED, case_id="case-2"))
    assert opened.case("case-2") == second


# -- what re-screening asks ------------------------------------------------------------------------


def test_changed_cases_are_read_in_the_order_of_their_changes(opened: Store) -> None:
    for number in range(4):
        case = replace(CASE, id=f"case-{9 - number}", state="refused", updated_at=NOW + 10)
        opened.add_case(case, replace(OPENED, case_id=case.id))
    opened.move_case(APPROVED, from_state=CASE.state, event=APPROVAL)
    first = opened.cases_changed(since=NOW + 5, limit=2)
    assert [each.id for each in first] == [APPROVED.id, "case-6"]
    rest = opened.cases_changed(since=NOW + 5, after=(first[-1].updated_at, first[-1].id))
    assert [each.id for each in rest] == ["case-7", "case-8", "case-9"]
    assert opened.cases_changed(since=NOW + 11) == []


CLEARED = Clearance(SUBJECT.id, b"c" * 32, CASE.id, "mara", NOW)


def test_a_clearance_is_remembered_for_its_subject_alone(opened: Store) -> None:
    opened.add_subject(OTHER)
    opened.add_clearance(CLEARED)
    opened.add_clearance(replace(CLEARED, key=b"d" * 32))
    assert opened.clearances_of(SUBJECT.id) == {b"c" * 32, b"d" * 32}
    assert opened.clearances_of(OTHER.id) == frozenset()


def test_clearing_again_is_no_change_and_an_unknown_subject_is_a_conflict(opened: Store) -> None:
    for reviewer in ("mara", "noor"):
        opened.add_clearance(replace(CLEARED, reviewer=reviewer))
    assert opened.clearances_of(SUBJECT.id) == {CLEARED.key}
    with pytest.raises(Conflict):
        opened.add_clearance(replace(CLEARED, subject_id="subject-9"))


def test_another_upstream_key_is_noticed_by_whoever_remembers_the_old_one(opened: Store) -> None:
    for sealed in (b"one", b"two", None):
        before = opened.version()
        opened.set_upstream_key(ALICE, sealed)
        assert opened.version() > before
