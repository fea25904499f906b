"""When a part of the world is gone: renting is refused, reads pass, nothing cached is extended."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from kycgate.core.policy import Mode
from kycgate.errors import Unavailable
from kycgate.gateway.gate import Gate
from kycgate.gateway.view import Forward, RequestView
from tests.gateway.world import CAAS, ISSUER, World, deploy, error


def problem(world: World, view: RequestView) -> tuple[int, str]:
    headers = tuple(f for f in view.headers if f[0] != "Accept")
    accept = ("Accept", "application/problem+json")
    reply = world.send(replace(view, headers=(*headers, accept)))
    return reply.status, str(json.loads(reply.body)["code"])


def test_lost_database_refuses_renting_as_403_to_clients_and_503_to_ours(world: World) -> None:
    alice = world.renter()
    world.send(alice.asks("GET", f"{CAAS}/hardware"))
    world.memory.lose()
    reply = world.send(alice.rents())
    assert reply.status == 403
    assert "can't decide right now" in error(reply)
    assert problem(world, alice.rents()) == (503, "dependency")
    assert world.upstream.received[1:] == []


def test_reads_go_on_without_the_database_but_nothing_cached_is_extended(world: World) -> None:
    alice = world.renter()
    read = alice.asks("GET", f"{CAAS}/hardware")
    assert isinstance(world.gate.check(read), Forward)
    world.memory.lose()
    world.pass_time(30)
    assert isinstance(world.gate.check(replace(read, now=world.now)), Forward)
    world.pass_time(31)
    assert world.send(replace(read, now=world.now)).status == 403
    world.memory.restore()
    world.pass_time(2)
    assert isinstance(world.gate.check(replace(read, now=world.now)), Forward)


def test_unknown_caller_is_refused_while_the_database_is_lost(world: World) -> None:
    alice = world.renter()
    world.memory.lose()
    assert world.send(alice.asks("GET", f"{CAAS}/hardware")).status == 403


def test_anonymous_catalogue_needs_no_database(world: World) -> None:
    world.memory.lose()
    assert isinstance(world.gate.check(world.view("GET", f"{CAAS}/hardware")), Forward)


def test_unwritable_log_refuses_renting_and_frees_the_repeat(world: World) -> None:
    alice = world.renter()
    whole = world.log
    world.log.lose()
    assert problem(world, alice.rents()) == (503, "dependency")
    assert world.upstream.received == []
    world.log = type(whole)()
    world.gate = Gate(replace(world.parts, log=world.log))
    assert world.send(alice.rents()).status == 200


def test_trust_list_out_of_force_refuses_renting(world: World) -> None:
    alice = world.renter()
    world.trust = None
    assert problem(world, alice.rents()) == (503, "dependency")


def test_stale_screening_lists_refuse_controlled_gpus_as_unavailable(world: World) -> None:
    alice = world.renter()
    world.lists = tuple(replace(entry, as_of=world.now - 80 * 3600) for entry in world.lists)
    assert problem(world, alice.rents()) == (503, "screening_stale")
    assert world.send(alice.rents(hardware=7)).status == 200


@pytest.mark.parametrize("port", ["attestations", "upstream_key", "policy", "lists"])
def test_every_port_that_does_not_answer_refuses_renting(world: World, port: str) -> None:
    alice = world.renter()

    class Silent:
        def __call__(self, *args: Any) -> Any:
            raise Unavailable("no answer")

        current = __call__

    world.gate = Gate(replace(world.parts, **{port: Silent()}))
    assert problem(world, alice.rents()) == (503, "dependency")


def test_account_without_any_upstream_key_is_not_forwarded(world: World) -> None:
    world.gate = Gate(replace(world.parts, shared_upstream_key=None))
    assert problem(world, world.renter().rents()) == (503, "dependency")


def test_permit_that_can_not_be_signed_does_not_hide_the_machine(world: World) -> None:
    def permit_for(*_: Any) -> bytes:
        raise Unavailable("the signer does not answer")

    world.gate = Gate(replace(world.parts, permit_for=permit_for))
    reply = world.send(world.renter().rents())
    assert reply.status == 200
    assert "Kycgate-Permit" not in dict(reply.headers)


def test_answer_that_can_not_be_recorded_still_reaches_its_renter(world: World) -> None:
    alice = world.renter()
    forward = world.forwarded(alice.rents())
    assert forward.finish is not None
    world.memory.lose()
    assert forward.finish(200, (), b'{"deployment_id":"dep-1"}').status == 200
    world.memory.restore()
    assert problem(world, alice.rents()) == (409, "in_progress")


# -- revocation within its bound ----------------------------------------------------------------


def revoke(world: World, renter: Any, how: str) -> None:
    signed = world.issued[renter.wallet.account]
    issuer = "0x" + ISSUER.address.hex()
    at, reason = world.now, "test"
    if how == "key":
        world.store.revoke_key(renter.account, renter.secret[-12:], at=at)
    elif how == "account":
        world.store.revoke_account(renter.account, at=at, reason=reason)
    elif how == "attestation":
        world.store.revoke_attestation(
            issuer, signed.domain.separator, signed.uid, at=at, reason=reason
        )
    else:
        world.store.revoke_issuer(issuer, at=at, reason=reason)


@pytest.mark.parametrize("how", ["key", "account", "attestation", "issuer"])
def test_whatever_is_revoked_rents_nothing_from_the_next_request_on(world: World, how: str) -> None:
    alice = world.renter()
    assert world.send(alice.rents()).status == 200
    revoke(world, alice, how)
    assert world.send(alice.rents()).status == 403
    assert len(world.upstream.received) == 1


def test_revoked_key_reads_nothing_after_a_second(world: World) -> None:
    alice = world.renter()
    read = alice.asks("GET", f"{CAAS}/hardware")
    assert isinstance(world.gate.check(read), Forward)
    revoke(world, alice, "key")
    world.ticks += world.parts.limits.poll_s
    assert world.gate.quick(read) is None
    assert world.send(read).status == 403


def test_attestation_is_not_used_from_memory_past_its_expiry(world: World) -> None:
    alice = world.stranger("alice")
    world.attest(alice, life_s=20)
    assert world.send(alice.rents()).status == 200
    world.pass_time(20)
    assert problem(world, replace(alice.rents(), now=world.now)) == (403, "missing:attestation")


def test_issuer_dropped_from_the_trust_list_counts_no_more_at_once(world: World) -> None:
    alice = world.renter()
    assert world.send(alice.rents()).status == 200
    assert world.trust is not None
    world.trust = replace(world.trust, sequence=world.trust.sequence + 1, issuers=())
    assert world.send(alice.rents()).status == 403


def test_many_unknown_keys_do_not_grow_the_memory(world: World) -> None:
    for number in range(50):
        key = "kg_" + str(number).rjust(40, "0")
        world.send(world.view("GET", f"{CAAS}/hardware", None, ("x-api-key", key)))
    assert world.gate.quick(world.renter().asks("GET", f"{CAAS}/hardware")) is None


# -- observe mode -------------------------------------------------------------------------------


@pytest.fixture
def watching(world: World) -> World:
    world.policy = replace(world.policy, mode=Mode.OBSERVE)
    return world


def test_observing_lets_a_request_without_gate_proof_pass_as_it_came(watching: World) -> None:
    mine = ("x-api-key", "io-v2-mine")
    view = watching.view("POST", f"{CAAS}/deploy", deploy(), mine, ("Cookie", "c=1"))
    forward = watching.forwarded(view)
    assert mine in forward.headers
    assert ("Cookie", "c=1") in forward.headers
    assert forward.finish is None
    line = watching.decisions()[0]
    assert (line["granted"], line["mode"], line["account"]) == (False, "observe", None)
    assert isinstance(watching.gate.check(watching.view("PUT", "/unknown", {}, mine)), Forward)


def test_observing_logs_the_would_be_denial_and_forwards_without_a_permit(watching: World) -> None:
    bob = watching.stranger("bob")
    reply = watching.send(bob.rents())
    assert reply.status == 200
    assert "Kycgate-Permit" not in dict(reply.headers)
    line = watching.decisions()[0]
    assert (line["granted"], line["mode"]) == (False, "observe")
    assert "attestation_missing" in line["reason_codes"]


def test_observing_still_refuses_ambiguity_bad_keys_and_others_machines(watching: World) -> None:
    alice, bob = watching.renter("alice"), watching.renter("bob")
    deployment = json.loads(watching.send(alice.rents()).body)["deployment_id"]
    assert watching.send(bob.asks("GET", f"{CAAS}/deployment/{deployment}")).status == 404
    assert watching.send(bob.asks("GET", f"{CAAS}//hardware")).status == 400
    bad = watching.view("GET", f"{CAAS}/hardware", None, ("x-api-key", "kg_" + "b" * 40))
    assert watching.send(bad).status == 403
