"""One decision starts at most one job, and an answer once given is final."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kycgate.errors import Code, Conflict, NotFound
from kycgate.store import Job, Store
from tests.store.racing import race
from tests.store.samples import ALICE, BOB, JOB, NOW, REFUSAL

WINDOW = 60
KEYED = replace(JOB, idempotency_key="deploy-1")
ANSWER = (("Content-Type", "application/json"), ("Set-Cookie", "a"), ("Set-Cookie", "b"))


def again(job: Job, *, after: int = 0, **changes: object) -> Job:
    """The same request sent again: a new id, drawn anew."""
    at = job.created_at + after
    return replace(job, id=b"r" * 32, created_at=at, updated_at=at, **changes)  # type: ignore[arg-type]


def finish(store: Store, job: Job, state: str) -> None:
    """Bring a begun job to a state."""
    if state != "decided":
        store.mark_forwarded(job.id, at=NOW + 1)
    if state in ("answered", "unknown"):
        store.finish_job(job.id, state=state, at=NOW + 2)  # type: ignore[arg-type]


def test_a_first_request_is_fresh_and_kept(store: Store) -> None:
    begun = store.begin_job(JOB, repeat_window_s=WINDOW)
    assert (begun.fresh, begun.job) == (True, JOB)
    assert store.job(JOB.id) == JOB
    assert store.job(b"9" * 32) is None


@pytest.mark.parametrize("state", ["decided", "forwarded", "unknown"])
def test_a_repeat_joins_the_job_that_has_no_final_answer(store: Store, state: str) -> None:
    store.begin_job(JOB, repeat_window_s=WINDOW)
    finish(store, JOB, state)
    begun = store.begin_job(again(JOB, after=WINDOW - 1), repeat_window_s=WINDOW)
    assert (begun.fresh, begun.job.id, begun.job.state) == (False, JOB.id, state)


def test_a_repeat_of_an_answered_request_is_a_new_decision(store: Store) -> None:
    store.begin_job(JOB, repeat_window_s=WINDOW)
    finish(store, JOB, "answered")
    assert store.begin_job(again(JOB), repeat_window_s=WINDOW).fresh


def test_a_repeat_past_the_window_is_a_new_decision(store: Store) -> None:
    store.begin_job(JOB, repeat_window_s=WINDOW)
    assert store.begin_job(again(JOB, after=WINDOW), repeat_window_s=WINDOW).fresh


@pytest.mark.parametrize("changes", [{"fingerprint": b"g" * 32}, {"account": BOB}])
def test_another_request_or_account_joins_nothing(store: Store, changes: dict[str, object]) -> None:
    store.begin_job(JOB, repeat_window_s=WINDOW)
    assert store.begin_job(again(JOB, **changes), repeat_window_s=WINDOW).fresh


@pytest.mark.parametrize("state", ["decided", "forwarded", "unknown", "answered"])
def test_a_repeated_key_is_answered_from_the_record_for_ever(store: Store, state: str) -> None:
    store.begin_job(KEYED, repeat_window_s=WINDOW)
    finish(store, KEYED, state)
    begun = store.begin_job(again(KEYED, after=10**6), repeat_window_s=WINDOW)
    assert (begun.fresh, begun.job.id, begun.job.state) == (False, KEYED.id, state)


def test_a_repeated_key_with_another_body_gives_the_record_to_compare(store: Store) -> None:
    store.begin_job(KEYED, repeat_window_s=WINDOW)
    begun = store.begin_job(again(KEYED, fingerprint=b"g" * 32), repeat_window_s=WINDOW)
    assert (begun.fresh, begun.job.fingerprint) == (False, KEYED.fingerprint)


def test_a_key_is_the_accounts_own(store: Store) -> None:
    store.begin_job(KEYED, repeat_window_s=WINDOW)
    assert store.begin_job(again(KEYED, account=BOB), repeat_window_s=WINDOW).fresh


def test_a_job_id_is_never_used_twice(store: Store) -> None:
    store.begin_job(JOB, repeat_window_s=WINDOW)
    with pytest.raises(Conflict):
        store.begin_job(replace(JOB, fingerprint=b"g" * 32), repeat_window_s=WINDOW)
    assert store.job(JOB.id) == JOB


@pytest.mark.parametrize("key", [None, "deploy-1"])
def test_of_racing_requests_one_starts_the_job(
    store: Store, replica: Store, key: str | None
) -> None:
    for turn in range(5):
        base = replace(JOB, fingerprint=bytes([turn]) * 32, idempotency_key=key and f"{key}-{turn}")
        jobs = [replace(base, id=bytes([turn, each]) * 16) for each in range(4)]
        calls = [
            lambda by=by, job=job: by.begin_job(job, repeat_window_s=WINDOW)
            for by, job in zip((store, replica) * 2, jobs, strict=True)
        ]
        begun = race(calls)
        assert sorted(each.fresh for each in begun) == [False, False, False, True]
        assert len({each.job.id for each in begun}) == 1


def test_an_answer_is_kept_as_it_was_given(store: Store) -> None:
    store.begin_job(JOB, repeat_window_s=WINDOW)
    store.mark_forwarded(JOB.id, at=NOW + 1)
    store.finish_job(
        JOB.id,
        state="answered",
        at=NOW + 2,
        status=201,
        headers=list(ANSWER),
        body=b"\x00\xff",
        deployment="d-1",
        permit=b"permit",
    )
    assert store.job(JOB.id) == replace(
        JOB,
        state="answered",
        updated_at=NOW + 2,
        deployment="d-1",
        answer_status=201,
        answer_headers=ANSWER,
        answer_body=b"\x00\xff",
        permit=b"permit",
    )


def test_an_unknown_outcome_may_become_known(store: Store) -> None:
    store.begin_job(JOB, repeat_window_s=WINDOW)
    finish(store, JOB, "unknown")
    store.set_permit(JOB.id, b"permit")
    store.finish_job(JOB.id, state="answered", at=NOW + 9, status=200)
    found = store.job(JOB.id)
    assert found is not None
    assert (found.state, found.answer_status, found.permit) == ("answered", 200, b"permit")


def test_a_final_answer_is_not_replaced_or_reopened(store: Store) -> None:
    store.begin_job(JOB, repeat_window_s=WINDOW)
    store.finish_job(JOB.id, state="answered", at=NOW, status=201)
    before = store.job(JOB.id)
    with pytest.raises(Conflict):
        store.finish_job(JOB.id, state="unknown", at=NOW + 9)
    with pytest.raises(Conflict):
        store.finish_job(JOB.id, state="answered", at=NOW + 9, status=500)
    with pytest.raises(Conflict):
        store.mark_forwarded(JOB.id, at=NOW + 9)
    assert store.job(JOB.id) == before


def test_a_job_that_is_not_there_is_said_so(store: Store) -> None:
    with pytest.raises(NotFound):
        store.mark_forwarded(JOB.id, at=NOW)
    with pytest.raises(NotFound):
        store.finish_job(JOB.id, state="answered", at=NOW)
    with pytest.raises(NotFound):
        store.set_permit(JOB.id, b"permit")


def test_a_permit_is_replaced_by_a_later_one(store: Store) -> None:
    store.begin_job(JOB, repeat_window_s=WINDOW)
    for permit in (b"one", b"two"):
        store.set_permit(JOB.id, permit)
        assert store.job(JOB.id) == replace(JOB, permit=permit)


def test_jobs_are_listed_newest_first_for_their_account_only(store: Store) -> None:
    later = again(JOB, after=1, fingerprint=b"g" * 32)
    others = replace(JOB, id=b"o" * 32, account=BOB)
    for each in (JOB, later, others):
        store.begin_job(each, repeat_window_s=WINDOW)
    assert store.jobs_of(ALICE) == [later, JOB]
    assert store.jobs_of(ALICE, limit=1) == [later]


def test_a_deployment_has_one_owner_for_ever(store: Store) -> None:
    store.own_deployment("d-1", ALICE, JOB.id, at=NOW)
    store.own_deployment("d-1", ALICE, JOB.id, at=NOW + 1)
    with pytest.raises(Conflict) as refused:
        store.own_deployment("d-1", BOB, JOB.id, at=NOW)
    assert refused.value.code == Code.NOT_OWNER
    assert store.deployment_owner("d-1") == ALICE
    assert store.deployment_owner("d-2") is None
    assert store.deployments_of(BOB) == []


def test_of_two_accounts_racing_for_a_deployment_one_owns_it(store: Store, replica: Store) -> None:
    outcomes = race(
        [
            lambda: store.own_deployment("d-1", ALICE, JOB.id, at=NOW),
            lambda: replica.own_deployment("d-1", BOB, JOB.id, at=NOW),
        ]
    )
    assert sorted(type(each) is Conflict for each in outcomes) == [False, True]


def test_a_closed_deployment_is_not_running_but_still_owned(store: Store) -> None:
    for number, name in enumerate(("d-2", "d-1")):
        store.own_deployment(name, ALICE, JOB.id, at=NOW + number)
    assert store.deployments_of(ALICE) == ["d-2", "d-1"]
    store.close_deployment("d-2", at=NOW)
    store.close_deployment("d-2", at=NOW)
    store.close_deployment("d-9", at=NOW)
    assert store.deployments_of(ALICE) == ["d-1"]
    assert store.deployment_owner("d-2") == ALICE


def test_a_refusal_comes_back_as_it_was_added(store: Store) -> None:
    store.add_refusal(REFUSAL)
    assert store.refusal(REFUSAL.id) == REFUSAL
    assert store.refusal("refusal-9") is None
    with pytest.raises(Conflict):
        store.add_refusal(REFUSAL)


# -- payment first -------------------------------------------------------------------------------


def test_a_job_answered_with_a_price_may_be_sent_once_more(store: Store) -> None:
    store.begin_job(KEYED, repeat_window_s=WINDOW)
    store.finish_job(KEYED.id, state="answered", at=NOW + 2, status=402)
    assert store.reopen_unpaid(KEYED.id, at=NOW + 3) is True
    assert store.reopen_unpaid(KEYED.id, at=NOW + 3) is False
    store.finish_job(KEYED.id, state="answered", at=NOW + 4, status=200, body=b"done")
    job = store.job(KEYED.id)
    assert job is not None
    assert (job.answer_status, job.answer_body) == (200, b"done")
    assert store.reopen_unpaid(KEYED.id, at=NOW + 5) is False


@pytest.mark.parametrize("status", [200, 400, 403, 409, None])
def test_no_other_answer_is_reopened(store: Store, status: int | None) -> None:
    store.begin_job(JOB, repeat_window_s=WINDOW)
    store.finish_job(JOB.id, state="answered", at=NOW + 2, status=status)
    assert store.reopen_unpaid(JOB.id, at=NOW + 3) is False


def test_of_racing_payers_one_goes_on(store: Store, replica: Store) -> None:
    store.begin_job(JOB, repeat_window_s=WINDOW)
    store.finish_job(JOB.id, state="answered", at=NOW + 2, status=402)
    won = race(
        [
            lambda by=by: by.reopen_unpaid(JOB.id, at=NOW + 3)  # type: ignore[misc]
            for by in (store, replica, store, replica)
        ]
    )
    assert sorted(won) == [False, False, False, True]
