"""What a status says, now or later, and what an outage leaves undone: nothing goes in silence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kycgate.core.claims import Account
from kycgate.demo.trial_wallet import Wallet
from kycgate.errors import Code, Reason, Refused, Unavailable
from kycgate.issuer.credentials.presentations import (
    RECHECK_S,
)
from kycgate.issuer.credentials.safe import Safe
from kycgate.issuer.credentials.statuslist import Status
from tests.fakes import MemoryStore
from tests.issuer.credentials.showing import (
    LISTED,
    accepted,
    begin,
    dc_answer,
    respond,
)
from tests.issuer.credentials.world import (
    ALICE,
    DAY,
    MDL,
    NOW,
    PID,
    PID_SD,
    WALLET,
    World,
    build,
)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def world(store: MemoryStore) -> World:
    return build(store)


@pytest.fixture
def listed() -> Wallet:
    return LISTED


# -- status ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "status, reason",
    [(Status.REVOKED, "credential_revoked"), (Status.SUSPENDED, "credential_suspended")],
)
@pytest.mark.parametrize("kind", [PID_SD, PID, MDL])
def test_a_revoked_or_suspended_credential_is_refused(
    world: World, listed: Wallet, kind: Any, status: Status, reason: str
) -> None:
    world.statuses.answers = status
    begun = begin(world)
    told = respond(world, begun, dc_answer(begun, Wallet({kind: listed.credentials[kind]})))
    assert (told.state, told.reason) == ("refused", reason)
    assert world.office.proofs == []
    [at] = world.statuses.asked
    assert (at.uri, at.index) == ("https://status.example/1", 3)


def test_a_status_nobody_can_tell_goes_to_a_person(world: World, listed: Wallet) -> None:
    world.statuses.answers = Status.UNKNOWN
    begun = begin(world)
    assert respond(world, begun, dc_answer(begun, listed)).state == "accepted"
    [(_, proven)] = world.office.proofs
    assert proven.doubts == (Code.CREDENTIAL_STATUS_UNKNOWN,)
    assert world.office.withdrawn == []


def test_an_office_that_approves_over_a_doubt_is_corrected(world: World, listed: Wallet) -> None:
    class Careless:
        """Approves whatever it is shown."""

        def __init__(self) -> None:
            self.withdrawn: list[Code] = []

        def prove(self, account: Account, proven: Any, *, now: int) -> Any:
            return world.office.prove(account, replace(proven, doubts=()), now=now)

        def withdraw(self, source: str, reference: str, *, code: Code, now: int) -> None:
            self.withdrawn.append(code)

    careless: Any = Careless()
    world.service._office = careless
    world.statuses.answers = Status.UNKNOWN
    begun = begin(world)
    told = respond(world, begun, dc_answer(begun, listed))
    assert (told.state, told.reason) == ("refused", "credential_status_unknown")
    assert careless.withdrawn == [Code.CREDENTIAL_STATUS_UNKNOWN]


@pytest.mark.parametrize("status", [Status.REVOKED, Status.SUSPENDED])
def test_a_later_revocation_takes_the_proof_back(
    world: World, listed: Wallet, status: Status
) -> None:
    begun = accepted(world, listed)
    assert world.service.recheck(now=NOW + RECHECK_S) == 0
    world.statuses.answers = status
    assert world.service.recheck(now=NOW + RECHECK_S) == 0, "not asked again within the hour"
    assert world.service.recheck(now=NOW + RECHECK_S + 1) == 1
    code = Code.CREDENTIAL_REVOKED if status is Status.REVOKED else Code.CREDENTIAL_SUSPENDED
    assert world.office.withdrawn == [("openid4vp", begun.presentation.id, code)]
    assert world.service.recheck(now=NOW + 9 * RECHECK_S) == 0
    assert len(world.office.withdrawn) == 1


def test_a_later_silence_takes_nothing_back_and_is_asked_again_soon(
    world: World, listed: Wallet
) -> None:
    accepted(world, listed)
    world.statuses.answers = Status.UNKNOWN
    later = NOW + RECHECK_S + 1
    assert world.service.recheck(now=later) == 0
    asked = len(world.statuses.asked)
    assert world.service.recheck(now=later + 299) == 0
    assert len(world.statuses.asked) == asked
    assert world.service.recheck(now=later + 301) == 0
    assert len(world.statuses.asked) == asked + 1
    assert world.office.withdrawn == []


def test_a_withdrawal_the_office_could_not_take_is_tried_again(
    world: World, listed: Wallet
) -> None:
    accepted(world, listed)
    world.statuses.answers = Status.REVOKED
    world.office.down = True
    assert world.service.recheck(now=NOW + RECHECK_S + 1) == 0
    world.office.down = False
    assert world.service.recheck(now=NOW + RECHECK_S + 2) == 1


def test_without_a_status_nothing_is_asked_or_remembered(world: World) -> None:
    begun = accepted(world, WALLET)
    assert world.service.recheck(now=NOW + 99 * RECHECK_S) == 0
    assert world.statuses.asked == []
    assert world.service.look(ALICE, begun.presentation.id).sealed == b""


def test_a_change_of_the_vault_key_loses_no_watch(
    world: World, store: MemoryStore, listed: Wallet
) -> None:
    accepted(world, listed)
    later = NOW + RECHECK_S + 1
    both = build(store)
    both.service._safe = Safe(b"n" * 32, also=(b"k" * 32,))
    assert both.service.recheck(now=later) == 0
    fresh = build(store)
    fresh.service._safe = Safe(b"n" * 32)
    fresh.statuses.answers = Status.REVOKED
    assert fresh.service.recheck(now=later + RECHECK_S + 1) == 1


# -- when things fail ------------------------------------------------------------------------------


def test_an_answer_is_not_lost_when_the_office_is_away(world: World) -> None:
    begun = begin(world)
    world.office.down = True
    with pytest.raises(Unavailable):
        respond(world, begun)
    assert world.service.look(ALICE, begun.presentation.id).state == "proving"
    world.office.down = False
    world.service.run(now=NOW + 20)
    assert world.office.proofs == [], "still in the hands of the request that brought it"
    world.service.run(now=NOW + DAY)
    assert world.service.look(ALICE, begun.presentation.id).state == "accepted"
    [(_, proven)] = world.office.proofs
    assert proven.proven_at == NOW


def test_one_that_can_not_be_completed_does_not_hold_up_the_others(world: World) -> None:
    world.office.down = True
    for _ in range(2):
        with pytest.raises(Unavailable):
            respond(world, begin(world))
    world.service.run(now=NOW + 60)
    assert len(world.store.presentations_proving(before=NOW + 60)) == 2
    world.office.down = False
    world.service.run(now=NOW + 61)
    assert world.store.presentations_proving(before=NOW + 99) == []


def test_what_the_office_refuses_is_refused(world: World) -> None:
    class Strict:
        """Takes no test credentials."""

        def prove(self, account: Account, proven: Any, *, now: int) -> Any:
            raise Refused("no", reasons=(Reason(Code.CASE_REFUSED, "no"),))

    strict: Any = Strict()
    world.service._office = strict
    told = respond(world, begin(world))
    assert (told.state, told.reason) == ("refused", "case_refused")


def test_a_lost_store_is_unavailable_and_changes_nothing(world: World, store: MemoryStore) -> None:
    begun = begin(world)
    response = dc_answer(begun)
    store.lose()
    with pytest.raises(Unavailable):
        respond(world, begun, response)
    store.restore()
    assert respond(world, begun, response).state == "accepted"
