"""Clients re-send rent calls: one decision starts at most one job, whatever is re-sent and when."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace

import pytest

from kycgate.gateway.gate import Gate
from kycgate.gateway.parts import Limits
from kycgate.gateway.view import Forward, Reply
from tests.gateway.world import CAAS, World, deploy, error, field_of

KEY = ("Idempotency-Key", "order-1")


def code(world: World, view: object) -> str:
    """The stable code of what `view` is answered, asked as our own client would."""
    headers = tuple(f for f in view.headers if f[0] != "Accept")  # type: ignore[attr-defined]
    accept = ("Accept", "application/problem+json")
    reply = world.send(replace(view, headers=(*headers, accept)))  # type: ignore[type-var]
    return str(json.loads(reply.body)["code"])


def test_repeat_while_the_first_is_under_way_is_not_forwarded(world: World) -> None:
    alice = world.renter()
    world.forwarded(alice.rents())
    reply = world.send(alice.rents())
    assert reply.status == 403
    assert "still being carried out" in error(reply)
    assert code(world, alice.rents()) == "in_progress"
    assert world.upstream.received == []


def test_repeat_waits_for_the_first_and_gets_its_answer(world: World) -> None:
    alice = world.renter()
    first = world.forwarded(alice.rents())
    assert first.finish is not None
    finish = first.finish

    def pause(seconds: float) -> None:
        world.pause(seconds)
        finish(200, (("X-From", "first"),), b'{"deployment_id":"dep-9"}')

    gate = Gate(replace(world.parts, pause=pause))
    reply = gate.check(alice.rents())
    assert isinstance(reply, Reply)
    assert (reply.status, reply.body) == (200, b'{"deployment_id":"dep-9"}')
    assert field_of(reply.headers, "Kycgate-Permit") is not None


@pytest.mark.parametrize("headers", [(), (KEY,)])
def test_of_many_at_once_one_reaches_upstream(headers: tuple[tuple[str, str], ...]) -> None:
    world = World(limits=Limits(joiners=32))
    alice = world.renter()
    parts = replace(world.parts, monotonic=time.monotonic, pause=time.sleep)
    world.gate = Gate(parts)
    slow = world.upstream.handle

    def handle(forward: Forward) -> tuple[int, tuple[tuple[str, str], ...], bytes] | None:
        answer = slow(forward)
        time.sleep(0.2)
        return answer

    world.upstream.handle = handle  # type: ignore[method-assign]
    replies: list[Reply] = []
    threads = [
        threading.Thread(target=lambda: replies.append(world.send(alice.rents(*headers))))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(world.upstream.received) == 1
    assert {(reply.status, reply.body) for reply in replies} == {(200, replies[0].body)}
    assert len(world.store.jobs_of(alice.account)) == 1


def test_waiting_repeats_do_not_take_every_thread(world: World) -> None:
    alice = world.renter()
    world.forwarded(alice.rents())
    gate = Gate(replace(world.parts, limits=Limits(joiners=1, join_wait_s=1)))
    held: list[Reply] = []

    def pause(seconds: float) -> None:
        # While one waits, another comes: there is no seat, so it is told at once.
        inner = gate.check(alice.rents())
        assert isinstance(inner, Reply)
        held.append(inner)
        world.pause(2)

    gate = Gate(replace(world.parts, limits=Limits(joiners=1, join_wait_s=1), pause=pause))
    assert isinstance(gate.check(alice.rents()), Reply)
    assert len(held) == 1


def test_idempotency_key_is_answered_from_the_record_for_ever(world: World) -> None:
    alice = world.renter()
    first = world.send(alice.rents(KEY))
    world.pass_time(3600)
    view = replace(alice.rents(KEY), now=world.now)
    assert world.send(view) == first
    assert len(world.upstream.received) == 1


def test_idempotency_key_for_another_request_is_refused(world: World) -> None:
    alice = world.renter()
    world.send(alice.rents(KEY))
    other = alice.rents(KEY, gpus=4)
    assert world.send(other).status == 403
    assert code(world, other) == "idempotency_mismatch"
    assert len(world.upstream.received) == 1


def test_idempotency_keys_of_two_renters_do_not_meet(world: World) -> None:
    alice, bob = world.renter("alice"), world.renter("bob")
    assert world.send(alice.rents(KEY)).body != world.send(bob.rents(KEY)).body
    assert len(world.upstream.received) == 2


def test_same_idempotency_key_is_the_same_job_number(world: World) -> None:
    alice = world.renter()
    world.send(alice.rents(KEY))
    number = world.store.jobs_of(alice.account)[0].id
    again = World()
    again.send(again.renter().rents(KEY))
    assert again.store.jobs_of(alice.account)[0].id == number


@pytest.mark.parametrize("key", ["", "k" * 256, "a\tb"])
def test_unusable_idempotency_key_is_refused(world: World, key: str) -> None:
    assert world.send(world.renter().rents(("Idempotency-Key", key))).status == 400


def test_after_a_final_answer_the_same_request_is_a_new_decision(world: World) -> None:
    alice = world.renter()
    first, second = world.send(alice.rents()), world.send(alice.rents())
    assert first.body != second.body
    assert len(world.upstream.received) == 2


def test_revoked_renter_does_not_get_the_recorded_answer_again(world: World) -> None:
    alice = world.renter()
    world.send(alice.rents(KEY))
    world.store.revoke_account(alice.account, at=world.now, reason="hit")
    assert world.send(alice.rents(KEY)).status == 403


@pytest.mark.parametrize("headers", [(), (KEY,)])
@pytest.mark.parametrize("answer", [None, (500, (), b"?"), (504, (), b"?"), (408, (), b"?")])
def test_unknown_outcome_is_never_forwarded_again(
    world: World,
    headers: tuple[tuple[str, str], ...],
    answer: tuple[int, tuple[()], bytes] | None,
) -> None:
    alice = world.renter()
    world.upstream.answer = lambda forward: answer
    reply = world.send(alice.rents(*headers))
    assert reply.status in (403, 500, 504, 408)
    assert code(world, alice.rents(*headers)) == "outcome_unknown"
    world.pass_time(200)
    assert code(world, replace(alice.rents(*headers), now=world.now)) == "outcome_unknown"
    assert len(world.upstream.received) == 1


@pytest.mark.parametrize("headers", [(), (KEY,)])
def test_job_whose_process_was_killed_counts_as_unknown(
    world: World, headers: tuple[tuple[str, str], ...]
) -> None:
    alice = world.renter()
    world.forwarded(alice.rents(*headers))
    survivor = Gate(world.parts)
    world.gate = survivor
    assert code(world, alice.rents(*headers)) == "in_progress"
    world.pass_time(world.parts.limits.upstream_s)
    assert code(world, replace(alice.rents(*headers), now=world.now)) == "outcome_unknown"
    assert world.upstream.received == []


def test_upstream_that_was_never_reached_may_be_asked_again(world: World) -> None:
    alice = world.renter()
    reply = world.forwarded(alice.rents()).failed(False)
    assert reply.status == 403
    assert "nothing was sent" in error(reply)
    assert world.send(alice.rents()).status == 200


def test_answer_of_the_marketplace_saying_no_is_passed_and_final(world: World) -> None:
    alice = world.renter()
    world.upstream.answer = lambda forward: (422, (), b'{"detail":"sold out"}')
    reply = world.send(alice.rents(KEY))
    assert (reply.status, reply.body) == (422, b'{"detail":"sold out"}')
    assert world.send(alice.rents(KEY)) == reply
    assert world.permits == []


def test_different_body_is_a_different_job(world: World) -> None:
    alice = world.renter()
    world.forwarded(alice.rents(gpus=8))
    spaced = json.dumps(deploy(), indent=1).encode()
    assert isinstance(world.gate.check(alice.asks("POST", f"{CAAS}/deploy", spaced)), Forward)


# -- payment first (x402) ------------------------------------------------------------------------

PRICE = (402, (("PAYMENT-REQUIRED", "price"),), b"{}")
PAID = ("PAYMENT-SIGNATURE", "payment")


def test_a_request_told_its_price_may_pay_under_the_same_key(world: World) -> None:
    alice = world.renter()
    world.upstream.answer = lambda forward: PRICE
    told = world.send(alice.rents(KEY))
    assert told.status == 402
    assert field_of(told.headers, "PAYMENT-REQUIRED") == "price"
    assert field_of(told.headers, "Kycgate-Permit") is None
    world.upstream.answer = None
    assert world.send(alice.rents(KEY, PAID)).status == 200
    assert field_of(world.upstream.received[-1].headers, "PAYMENT-SIGNATURE") == "payment"
    assert len(world.store.jobs_of(alice.account)) == 1


def test_what_was_paid_and_done_is_answered_from_the_record_whoever_pays_again(
    world: World,
) -> None:
    alice = world.renter()
    world.upstream.answer = lambda forward: PRICE
    world.send(alice.rents(KEY))
    world.upstream.answer = None
    first = world.send(alice.rents(KEY, PAID))
    again = world.send(alice.rents(KEY, ("PAYMENT-SIGNATURE", "another payment")))
    assert again == first
    assert len(world.upstream.received) == 2


def test_a_renter_refused_meanwhile_pays_nothing(world: World) -> None:
    alice = world.renter()
    world.upstream.answer = lambda forward: PRICE
    world.send(alice.rents(KEY))
    world.store.revoke_account(alice.account, at=world.now, reason="test")
    world.pass_time(2)
    assert world.send(alice.rents(KEY, PAID)).status == 403
    assert len(world.upstream.received) == 1


def test_another_request_under_the_key_of_an_unpaid_one_is_refused(world: World) -> None:
    alice = world.renter()
    world.upstream.answer = lambda forward: PRICE
    world.send(alice.rents(KEY))
    assert code(world, alice.rents(KEY, PAID, gpus=4)) == "idempotency_mismatch"
    assert len(world.upstream.received) == 1
