"""A visit from its beginning to its end, whatever arrives twice, late, in the wrong order, or not
at all.
"""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import requests
import responses

from kycgate.core.claims import Account, Address, Level
from kycgate.errors import (
    Code,
    Conflict,
    Malformed,
    NotFound,
    Reason,
    Refused,
    Unauthenticated,
    Unavailable,
)
from kycgate.issuer.proven import Means
from kycgate.issuer.providers.service import WORK, Verifications
from kycgate.issuer.providers.visit import LIFE_S, STANDING_S, Limits, State
from kycgate.store.base import Store
from tests.issuer.providers.stand_in import (
    ALICE,
    BOB,
    NAMES,
    NOW,
    REFERENCES,
    RETURN,
    World,
    event,
    make,
    signed,
)

DAY = 86_400
every = pytest.mark.parametrize("name", NAMES)


def begin(world: World, name: str, who: Account = ALICE, *, now: int = NOW) -> str:
    visit, link = world.visits.start(who, name, now=now)
    assert link.url.startswith("https://")
    return visit.id


def state(world: World, visit: str) -> str:
    found = world.store.verification(visit)
    assert found is not None
    return found.state


def tell(world: World, name: str, outcome: str, *, n: int, now: int = NOW) -> None:
    """The provider decides, says so, and the background hears it."""
    world.says(name, outcome)
    world.heard(name, n=n, at=now)
    world.visits.run(now=now)


# -- the straight way ----------------------------------------------------------------------------


@every
def test_a_pass_is_fetched_from_the_provider_and_ends_in_the_office(
    world: World, name: str
) -> None:
    visit = begin(world, name)
    assert state(world, visit) == State.OPEN
    tell(world, name, "passed", n=1)
    assert state(world, visit) == State.APPROVED
    [(who, proven)] = world.office.proven
    assert who == ALICE
    assert (proven.means, proven.source, proven.reference) == (
        Means.PROVIDER,
        name,
        REFERENCES[name],
    )
    assert (proven.level, proven.live, proven.birth_date) == (Level.SUBSTANTIAL, True, "1989-07-16")


@every
def test_a_webhook_is_kept_and_nothing_else_is_done_while_it_waits(world: World, name: str) -> None:
    """Acknowledged within a second: the provider is asked afterwards, in the background."""
    begin(world, name)
    world.says(name, "passed")
    asked = len(world.asked)
    assert world.heard(name)
    assert len(world.asked) == asked
    assert world.office.proven == []
    assert len(world.store.due(WORK, now=NOW)) == 1


def test_nothing_personal_is_in_events_visits_or_the_outbox(world: World, store: Store) -> None:
    visit = begin(world, "sumsub")
    world.says("sumsub", "passed")
    world.heard("sumsub")
    kept = repr(store.verification(visit)) + repr(store.due(WORK, now=NOW))
    world.visits.run(now=NOW)
    kept += repr(store.verification(visit))
    for personal in ("Zo", "rensen", "1989", "LGXX"):
        assert personal not in kept


def test_the_content_of_a_webhook_is_never_believed(world: World) -> None:
    """A rightly signed GREEN, while the provider itself says the renter has not finished."""
    visit = begin(world, "sumsub")
    world.heard("sumsub")
    world.visits.run(now=NOW)
    assert world.office.proven == []
    assert state(world, visit) == State.OPEN


@every
def test_a_forged_webhook_leaves_no_trace(world: World, name: str) -> None:
    begin(world, name)
    body = event(name)
    with pytest.raises(Unauthenticated):
        world.visits.receive(name, signed(name, body, secret="guessed"), body, now=NOW)
    assert world.store.due(WORK, now=NOW) == []
    assert world.heard(name), "the event's name was not used up by the forger"


def test_a_webhook_for_a_provider_that_is_not_configured_is_no_such_thing(world: World) -> None:
    service = world.service(("stripe",))
    body = event("sumsub")
    with pytest.raises(NotFound):
        service.receive("sumsub", signed("sumsub", body), body, now=NOW)
    with pytest.raises(Malformed, match="provider"):
        service.start(ALICE, "sumsub", now=NOW)


# -- twice, late, in the wrong order -------------------------------------------------------------


@every
def test_a_replayed_webhook_is_heard_once(world: World, name: str) -> None:
    begin(world, name)
    world.says(name, "passed")
    assert [world.heard(name), world.heard(name)] == [True, False]
    world.visits.run(now=NOW)
    asked = len(world.asked)
    assert world.heard(name) is False
    world.visits.run(now=NOW)
    assert len(world.asked) == asked
    assert len(world.office.proven) == 1


def test_an_event_id_used_again_for_another_body_is_still_looked_into(world: World) -> None:
    begin(world, "stripe")
    body, other = event("stripe"), event("stripe") + b" "
    for each in (body, other):
        assert world.visits.receive("stripe", signed("stripe", each), each, now=NOW)


@every
def test_a_pass_that_turns_into_a_no_is_taken_back(world: World, name: str) -> None:
    visit = begin(world, name)
    tell(world, name, "passed", n=1)
    tell(world, name, "refused", n=2, now=NOW + DAY)
    assert world.office.withdrawn == [(name, REFERENCES[name], Code.PROOF_WITHDRAWN)]
    assert state(world, visit) == State.WITHDRAWN


def test_green_then_red_in_the_wrong_order_ends_red(world: World) -> None:
    """Both messages arrive reversed: each only asks what is so now."""
    visit = begin(world, "sumsub")
    tell(world, "sumsub", "passed", n=1)
    world.says("sumsub", "refused")
    world.heard("sumsub", n=3)
    world.heard("sumsub", n=2)
    world.visits.run(now=NOW)
    assert state(world, visit) == State.WITHDRAWN
    assert len(world.office.withdrawn) == 1


def test_a_red_that_turns_green_late_passes(world: World) -> None:
    visit = begin(world, "sumsub")
    tell(world, "sumsub", "refused", n=1)
    assert state(world, visit) == State.REFUSED
    assert world.office.proven == []
    tell(world, "sumsub", "passed", n=2, now=NOW + 2 * DAY)
    assert state(world, visit) == State.APPROVED
    assert len(world.office.proven) == 1


def test_what_was_taken_back_is_given_again_by_a_reviewer_only(world: World) -> None:
    visit = begin(world, "sumsub")
    for n, outcome in enumerate(("passed", "refused", "passed")):
        tell(world, "sumsub", outcome, n=n, now=NOW + n)
    assert state(world, visit) == State.WITHDRAWN
    assert len(world.office.proven) == 1


@every
def test_a_second_look_or_a_deletion_over_there_takes_nothing_back(world: World, name: str) -> None:
    visit = begin(world, name)
    tell(world, name, "passed", n=1)
    tell(world, name, "checking", n=2)
    tell(world, name, "gone", n=3)
    world.down[name] = 404
    world.heard(name, n=4)
    world.visits.run(now=NOW)
    assert world.office.withdrawn == []
    assert state(world, visit) == State.APPROVED


def test_a_crash_between_the_proof_and_its_record_loses_no_revocation(world: World) -> None:
    """The office has the proof, the visit was never put: a no must still reach the office."""
    visit = begin(world, "sumsub")
    world.says("sumsub", "passed")
    put = world.store.put_verification
    world.store.put_verification = lambda found: (  # type: ignore[method-assign]
        put(found) if found.state != State.APPROVED else crash()
    )
    world.heard("sumsub", n=1)
    with pytest.raises(KeyboardInterrupt):
        world.visits.run(now=NOW)
    world.store.put_verification = put  # type: ignore[method-assign]
    assert (state(world, visit), len(world.office.proven)) == (State.PROVING, 1)
    tell(world, "sumsub", "refused", n=2, now=NOW + 300)
    assert [each[1] for each in world.office.withdrawn] == [REFERENCES["sumsub"]]
    assert state(world, visit) == State.WITHDRAWN


def crash() -> None:
    raise KeyboardInterrupt


def test_a_crash_before_the_proof_loses_no_approval(world: World) -> None:
    visit = begin(world, "sumsub")
    world.says("sumsub", "passed")
    world.office.trouble = KeyboardInterrupt()
    world.heard("sumsub", n=1)
    with pytest.raises(KeyboardInterrupt):
        world.visits.run(now=NOW)
    world.office.trouble = None
    assert state(world, visit) == State.PROVING
    world.visits.run(now=NOW + 300)
    assert (state(world, visit), len(world.office.proven)) == (State.APPROVED, 1)


def test_two_workers_follow_one_answer_at_a_time(world: World) -> None:
    visit = begin(world, "sumsub")
    world.says("sumsub", "passed")
    world.heard("sumsub")
    assert world.store.claim_verification(visit, until=NOW + 60, now=NOW)
    world.visits.run(now=NOW)
    assert world.office.proven == [], "somebody else is at it"
    world.visits.run(now=NOW + 60)
    assert len(world.office.proven) == 1


# -- more is needed, or no -----------------------------------------------------------------------


def test_a_retry_tells_the_renter_what_to_mend_and_keeps_the_visit(world: World) -> None:
    visit = begin(world, "sumsub")
    tell(world, "sumsub", "retry", n=1)
    found = world.visits.of(ALICE, visit)
    assert found.state == State.NEEDS
    assert found.note == "We do not accept screenshots. Upload an original photo."
    assert world.office.needed == [(ALICE, "sumsub", "proof", found.note)]
    tell(world, "sumsub", "retry", n=2)
    assert len(world.office.needed) == 1, "told once"
    assert begin(world, "sumsub") == visit
    tell(world, "sumsub", "passed", n=3)
    assert world.visits.of(ALICE, visit).note == ""
    assert state(world, visit) == State.APPROVED


@every
def test_a_final_no_is_told_and_no_second_visit_begun(world: World, name: str) -> None:
    visit = begin(world, name)
    tell(world, name, "refused", n=1)
    [(who, source, _, text)] = world.office.needed
    assert (who, source) == (ALICE, name)
    assert "another way" in text
    with pytest.raises(Refused) as refusal:
        begin(world, name)
    assert refusal.value.code == Code.IDENTITY_REFUSED
    assert state(world, visit) == State.REFUSED
    later = NOW + LIFE_S + 1
    world.says(name, "open")
    assert begin(world, name, now=later) != visit
    assert state(world, visit) == State.REFUSED


def test_an_inquiry_that_failed_is_told_and_another_may_begin(world: World) -> None:
    """Persona closes an inquiry after too many tries: what to do stands in the case."""
    first = begin(world, "persona")
    tell(world, "persona", "gone", n=1)
    [(who, source, _, text)] = world.office.needed
    assert (who, source) == (ALICE, "persona")
    assert text.startswith("The check did not succeed.")
    assert begin(world, "persona") != first


# -- links ---------------------------------------------------------------------------------------


@every
def test_coming_back_gets_a_fresh_link_into_the_same_visit(world: World, name: str) -> None:
    visit = begin(world, name)
    for hours in (1, 30, 100):
        world.says(name, "expired" if name == "persona" else "open")
        assert begin(world, name, now=NOW + hours * 3600) == visit


@every
def test_a_visit_that_can_not_go_on_makes_room_for_another(world: World, name: str) -> None:
    first = begin(world, name)
    world.says(name, "gone")
    second = begin(world, name, now=NOW + 60)
    assert second != first
    assert state(world, first) == State.FAILED


def test_while_the_provider_looks_there_is_nothing_to_do(world: World) -> None:
    visit = begin(world, "stripe")
    world.says("stripe", "checking")
    with pytest.raises(Conflict):
        begin(world, "stripe")
    world.heard("stripe")
    world.visits.run(now=NOW)
    assert state(world, visit) == State.CHECKING
    with pytest.raises(Conflict):
        begin(world, "stripe")


@every
def test_after_its_time_a_visit_ends_and_another_may_begin(world: World, name: str) -> None:
    visit = begin(world, name)
    world.visits.run(now=NOW + LIFE_S)
    assert state(world, visit) == State.EXPIRED
    assert begin(world, name, now=NOW + LIFE_S + 1) != visit


def test_a_provider_that_fails_at_the_start_is_asked_again_for_the_same_visit(world: World) -> None:
    world.down["stripe"] = 503
    with pytest.raises(Unavailable):
        begin(world, "stripe")
    del world.down["stripe"]
    begin(world, "stripe")
    keys = [each.headers.get("Idempotency-Key") for each in world.asked if each.method == "POST"]
    assert len(keys) == 2
    assert len(set(keys)) == 1


# -- limits --------------------------------------------------------------------------------------


def test_an_account_can_begin_three_visits_a_day(world: World) -> None:
    for n, name in enumerate(NAMES):
        begin(world, name, now=NOW + n)
        world.says(name, "gone")
    with pytest.raises(Refused) as refusal:
        begin(world, "stripe", now=NOW + 60)
    assert refusal.value.code == Code.VERIFICATION_LIMIT
    asked = len([each for each in world.asked if each.method == "POST"])
    with pytest.raises(Refused):
        begin(world, "sumsub", now=NOW + 61)
    assert len([each for each in world.asked if each.method == "POST"]) == asked
    begin(world, "stripe", now=NOW + DAY + 60)


def test_many_wallets_can_not_run_up_the_operators_bill(store: Store, world: World) -> None:
    world.limits = Limits(everybody=2)
    service = world.service()
    for n in range(2):
        service.start(Account(Address(n.to_bytes(20, "big"))), "stripe", now=NOW)
    with pytest.raises(Refused):
        service.start(BOB, "stripe", now=NOW)
    service.start(BOB, "sumsub", now=NOW)


def test_racing_clicks_begin_one_visit(world: World) -> None:
    with ThreadPoolExecutor(4) as pool:
        visits = set(pool.map(lambda _: begin(world, "stripe"), range(8)))
    assert len(visits) == 1


# -- somebody else's -----------------------------------------------------------------------------


def test_another_renters_visit_and_none_look_the_same(world: World) -> None:
    visit = begin(world, "sumsub")
    assert world.visits.of(ALICE, visit).id == visit
    errors = []
    for who, which in ((BOB, visit), (ALICE, "0" * 32)):
        with pytest.raises(NotFound) as nothing:
            world.visits.of(who, which)
        errors.append(nothing.value.message)
    assert len(set(errors)) == 1


@every
def test_a_provider_that_answers_with_another_reference_proves_nobody(
    world: World, name: str
) -> None:
    visit = begin(world, name)
    world.says(name, "passed", ours="f" * 32)
    world.heard(name)
    world.visits.run(now=NOW)
    assert world.office.proven == []
    assert state(world, visit) == State.OPEN


@every
def test_a_provider_that_answers_about_another_object_proves_nobody(
    world: World, name: str
) -> None:
    begin(world, name)
    world.says(name, "passed")
    said = world.state[name]
    other = {"sumsub": "6" * 24, "persona": "inq_Another12345", "stripe": "vs_another12345"}[name]
    if name == "persona":
        said["data"]["id"] = other
    else:
        said["id"] = other
    world.heard(name)
    world.visits.run(now=NOW)
    assert world.office.proven == []


def test_a_webhook_about_anothers_reference_proves_only_whose_it_is(world: World) -> None:
    """Signed by the provider, naming Alice's check while Mallory waits: Alice's is looked at."""
    alices = begin(world, "sumsub")
    world.says("sumsub", "passed")
    mallorys = event("sumsub", ours="f" * 32)
    world.visits.receive("sumsub", signed("sumsub", mallorys), mallorys, now=NOW)
    world.visits.run(now=NOW)
    assert [who for who, _ in world.office.proven] == [ALICE]
    assert state(world, alices) == State.APPROVED


def test_a_webhook_about_a_strangers_reference_is_forgotten(world: World) -> None:
    begin(world, "sumsub")
    asked = len(world.asked)
    assert world.heard("sumsub", reference="9" * 24)
    for second in range(0, 60, 5):
        world.visits.run(now=NOW + second)
    assert world.store.due(WORK, now=NOW + DAY) == []
    assert len(world.asked) == asked


def test_a_webhook_that_overtakes_the_answer_to_our_own_request_is_not_lost(world: World) -> None:
    visit = begin(world, "stripe")
    found = world.store.verification(visit)
    assert found is not None
    world.store.put_verification(replace(found, reference=""))
    world.says("stripe", "passed")
    world.heard("stripe")
    world.visits.run(now=NOW)
    world.store.put_verification(found)
    world.visits.run(now=NOW + 10)
    assert len(world.office.proven) == 1


# -- environments --------------------------------------------------------------------------------


@every
@pytest.mark.parametrize("live", [True, False])
def test_a_provider_of_the_other_environment_is_refused_at_the_start(
    world: World, name: str, live: bool
) -> None:
    with pytest.raises(Malformed, match="another environment") as problem:
        Verifications(
            world.store,
            world.office,
            [make(name, live=live)],
            return_url=RETURN,
            live=not live,
            limits=Limits(),
        )
    assert problem.value.field == f"{name}.environment"


def test_a_sandbox_approval_can_not_mint_a_live_attestation(world: World) -> None:
    """Right key, right reference, verified, but Stripe itself says it was test mode."""
    visit = begin(world, "stripe")
    world.says("stripe", "passed")
    world.state["stripe"]["livemode"] = False
    world.heard("stripe")
    world.visits.run(now=NOW)
    assert world.office.proven == []
    assert state(world, visit) == State.REFUSED


def test_a_live_approval_in_a_test_gate_proves_nobody_either(store: Store, world: World) -> None:
    world.live = False
    world.visits = world.service()
    visit, _ = world.visits.start(ALICE, "stripe", now=NOW)
    world.says("stripe", "passed")
    world.visits.run(now=NOW + 60)
    assert world.office.proven == []
    assert state(world, visit.id) == State.REFUSED


@every
def test_a_sandbox_pass_in_a_test_gate_says_that_it_is_one(
    store: Store, world: World, name: str
) -> None:
    world.live = False
    world.visits = world.service()
    world.visits.start(ALICE, name, now=NOW)
    world.says(name, "passed")
    if name == "stripe":
        world.state[name]["livemode"] = False
        world.state[name]["last_verification_report"]["livemode"] = False
    world.visits.run(now=NOW + 60)
    assert [proven.live for _, proven in world.office.proven] == [False]


# -- silence -------------------------------------------------------------------------------------


@every
def test_without_any_webhook_polling_finds_the_result(world: World, name: str) -> None:
    visit = begin(world, name)
    world.says(name, "passed")
    world.visits.run(now=NOW + 59)
    assert world.office.proven == []
    world.visits.run(now=NOW + 60)
    assert len(world.office.proven) == 1
    assert state(world, visit) == State.APPROVED


def test_polls_grow_apart_and_end_with_the_visit(world: World) -> None:
    visit = begin(world, "stripe")
    moments = [NOW]
    while (found := world.store.verification(visit)) is not None and found.poll_at is not None:
        world.visits.run(now=found.poll_at - 1)
        asked = len(world.asked)
        world.visits.run(now=found.poll_at)
        assert len(world.asked) == asked + 1
        moments.append(found.poll_at)
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert gaps[:-1] == sorted(gaps[:-1])
    assert (gaps[0], max(gaps)) == (60, 6 * 3600)
    assert len(moments) < 50
    assert moments[-1] == NOW + LIFE_S
    assert state(world, visit) == State.EXPIRED


def test_a_no_whose_message_was_lost_is_found_by_the_daily_look(world: World) -> None:
    """Sumsub turns webhooks off after failures: a pass is still looked at once a day."""
    visit = begin(world, "sumsub")
    tell(world, "sumsub", "passed", n=1)
    world.says("sumsub", "refused")
    world.visits.run(now=NOW + DAY - 1)
    assert world.office.withdrawn == []
    world.visits.run(now=NOW + DAY)
    assert len(world.office.withdrawn) == 1
    assert state(world, visit) == State.WITHDRAWN


def test_a_pass_is_looked_at_daily_for_three_months_and_then_no_more(world: World) -> None:
    begin(world, "stripe")
    tell(world, "stripe", "passed", n=1)
    for day in range(1, 100):
        world.visits.run(now=NOW + day * DAY)
    assert world.store.due_verifications(now=NOW + 2 * STANDING_S) == []


@every
@pytest.mark.parametrize("trouble", [500, 503, 429, 401, "silence"])
def test_while_a_provider_is_down_nothing_is_lost(
    world: World, name: str, trouble: int | str
) -> None:
    begin(world, name)
    world.says(name, "passed")
    world.down[name] = requests.ReadTimeout() if trouble == "silence" else int(trouble)
    world.heard(name)
    for minute in range(0, 24 * 60, 10):
        world.visits.run(now=NOW + 60 * minute)
    assert world.office.proven == []
    del world.down[name]
    world.visits.run(now=NOW + DAY + 3600)
    assert len(world.office.proven) == 1


def test_a_silent_provider_is_asked_once_a_round_and_holds_up_no_other(world: World) -> None:
    begin(world, "sumsub")
    begin(world, "stripe", BOB)
    world.says("stripe", "passed")
    world.down["sumsub"] = requests.ReadTimeout()
    for n in range(6):
        world.heard("sumsub", n=n)
    world.heard("stripe")
    asked = len([each for each in world.asked if "sumsub" in str(each.url)])
    world.visits.run(now=NOW)
    assert len([each for each in world.asked if "sumsub" in str(each.url)]) == asked + 1
    assert [who for who, _ in world.office.proven] == [BOB]


@pytest.mark.parametrize("trouble", [Unavailable("the store is away"), Conflict("case is refused")])
def test_while_the_office_takes_no_proof_it_is_offered_again(
    world: World, trouble: Exception
) -> None:
    visit = begin(world, "stripe")
    world.says("stripe", "passed")
    world.office.trouble = trouble
    world.heard("stripe")
    world.visits.run(now=NOW)
    assert state(world, visit) == State.PROVING
    world.office.trouble = None
    world.visits.run(now=NOW + 60)
    assert len(world.office.proven) == 1
    assert state(world, visit) == State.APPROVED


def test_a_proof_the_office_refuses_tells_the_renter_and_makes_room(world: World) -> None:
    """The document has expired by the operator's rules, whatever the provider accepts."""
    visit = begin(world, "stripe")
    reason = Reason(Code.PROOF_OUTDATED, "the document has expired")
    world.office.trouble = Refused("no", reasons=(reason,))
    tell(world, "stripe", "passed", n=1)
    found = world.visits.of(ALICE, visit)
    assert found.state == State.FAILED
    assert "expired" in found.note
    assert [text for *_, text in world.office.needed] == [found.note]
    world.says("stripe", "open")
    assert begin(world, "stripe") != visit


def test_a_withdrawal_the_office_could_not_take_is_offered_again(world: World) -> None:
    visit = begin(world, "sumsub")
    tell(world, "sumsub", "passed", n=1)
    world.office.trouble = Unavailable("the store is away")
    tell(world, "sumsub", "refused", n=2)
    assert state(world, visit) == State.APPROVED
    world.office.trouble = None
    world.visits.run(now=NOW + 60)
    assert len(world.office.withdrawn) == 1


def test_a_message_that_fails_for_days_is_left_to_polling(world: World) -> None:
    begin(world, "stripe")
    world.heard("stripe")
    world.down["stripe"] = 503
    for hour in range(60):
        for minute in (0, 20, 40):
            world.visits.run(now=NOW + 3600 * hour + 60 * minute)
    assert world.store.due(WORK, now=NOW + 10 * DAY) == []
    del world.down["stripe"]
    world.says("stripe", "passed")
    world.visits.run(now=NOW + 4 * DAY)
    assert len(world.office.proven) == 1


def test_a_provider_taken_out_of_the_configuration_waits(world: World) -> None:
    begin(world, "sumsub")
    world.says("sumsub", "passed")
    world.heard("sumsub")
    world.service(("stripe",)).run(now=NOW + 60)
    assert world.office.proven == []
    world.visits.run(now=NOW + 3600)
    assert len(world.office.proven) == 1


def test_a_provider_that_breaks_holds_up_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One written elsewhere, with a fault of its own."""
    begin(world, "sumsub")
    begin(world, "stripe", BOB)
    world.says("stripe", "passed")
    broken = world.visits.providers[0]
    monkeypatch.setattr(broken, "fetch", lambda reference, *, now: {}["x"])
    for name in ("sumsub", "stripe"):
        world.heard(name)
    world.visits.run(now=NOW)
    assert [who for who, _ in world.office.proven] == [BOB]
    assert len(world.store.due(WORK, now=NOW + DAY)) == 1


def test_a_pass_that_names_nobody_waits_for_a_person(world: World) -> None:
    visit = begin(world, "stripe")
    world.says("stripe", "passed")
    world.state["stripe"]["verified_outputs"] = {}
    world.heard("stripe")
    world.visits.run(now=NOW)
    assert world.office.proven == []
    assert state(world, visit) == State.CHECKING


def test_names_of_old_events_are_forgotten(world: World) -> None:
    begin(world, "stripe")
    world.heard("stripe")
    assert world.visits.sweep(now=NOW + 29 * DAY) == 0
    assert world.visits.sweep(now=NOW + 31 * DAY) == 1


def test_an_erased_renters_visit_leads_nowhere(world: World, store: Store) -> None:
    visit = begin(world, "sumsub")
    tell(world, "sumsub", "passed", n=1)
    store.forget_verifications(ALICE.key)
    world.says("sumsub", "refused")
    world.heard("sumsub", n=2)
    world.visits.run(now=NOW + 2 * DAY)
    assert world.office.withdrawn == []
    with pytest.raises(NotFound):
        world.visits.of(ALICE, visit)


def test_an_erasure_while_the_provider_answers_leaves_nobody_behind(world: World) -> None:
    visit = begin(world, "stripe")
    world.says("stripe", "passed")
    provider = world.visits.providers[-1]
    fetch = provider.fetch

    def erased_meanwhile(reference: str, *, now: int) -> Any:
        world.store.forget_verifications(ALICE.key)
        return fetch(reference, now=now)

    provider.fetch = erased_meanwhile  # type: ignore[method-assign]
    world.visits.run(now=NOW + 60)
    assert world.office.proven == []
    left = world.store.verification(visit)
    assert left is not None
    assert (left.account, left.reference) == ("", "")


def test_every_answer_of_a_stand_in_was_asked_for_with_a_time_limit(world: World) -> None:
    begin(world, "stripe")
    sent = [call for call in world.http.calls if isinstance(call, responses.Call)]
    assert sent
    for call in sent:
        assert call.request.req_kwargs["timeout"] == (3.0, 8.0)  # type: ignore[attr-defined]
        assert call.request.req_kwargs["stream"] is True  # type: ignore[attr-defined]
