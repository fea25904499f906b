"""Under a shared upstream key the gate itself keeps one renter's machines from another's hands."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from kycgate.gateway.view import Forward
from tests.gateway.world import CAAS, SHARED_KEY, VMAAS, Renter, World, error, field_of

ROUTES = [
    ("GET", f"{CAAS}/deployment/{{}}", None),
    ("GET", f"{CAAS}/deployment/{{}}/containers", None),
    ("GET", f"{CAAS}/deployment/{{}}/log/c1", None),
    ("GET", f"{VMAAS}/deployment/{{}}/vms", None),
    ("DELETE", f"{CAAS}/deployment/{{}}", None),
    ("DELETE", f"{VMAAS}/deployment/{{}}", None),
    ("POST", f"{CAAS}/deployment/{{}}/extend", {"duration_hours": 1}),
    ("PATCH", f"{CAAS}/deployment/{{}}", {"image_url": "x"}),
]


def rented(world: World, renter: Renter) -> str:
    reply = world.send(renter.rents())
    assert reply.status == 200
    return str(json.loads(reply.body)["deployment_id"])


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_stranger_can_not_read_stop_or_extend_anothers_machine(
    world: World, method: str, path: str, body: Any
) -> None:
    alice, mallory = world.renter("alice"), world.renter("mallory")
    deployment = rented(world, alice)
    world.upstream.received.clear()
    theirs = world.send(mallory.asks(method, path.format(deployment), body))
    nobodys = world.send(mallory.asks(method, path.format("dep-404"), body))
    assert theirs.status == nobodys.status == 404
    assert error(theirs).split(" (")[0] == error(nobodys).split(" (")[0]
    assert world.upstream.received == []


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_owner_reaches_the_machine(world: World, method: str, path: str, body: Any) -> None:
    alice = world.renter("alice")
    deployment = rented(world, alice)
    forward = world.forwarded(alice.asks(method, path.format(deployment), body))
    assert field_of(forward.headers, "x-api-key") == SHARED_KEY


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_own_upstream_key_does_not_open_what_is_recorded_for_another(
    world: World, method: str, path: str, body: Any
) -> None:
    alice, mallory = world.renter("alice"), world.renter("mallory")
    deployment = rented(world, alice)
    world.upstream_keys[mallory.account] = "mallorys-own"
    assert world.send(mallory.asks(method, path.format(deployment), body)).status == 404


def test_own_upstream_key_reaches_machines_rented_before_the_gate(world: World) -> None:
    alice = world.renter("alice")
    world.upstream_keys[alice.account] = "alices-own"
    forward = world.forwarded(alice.asks("GET", f"{CAAS}/deployment/from-before"))
    assert field_of(forward.headers, "x-api-key") == "alices-own"


@pytest.mark.parametrize("renter", ["unverified", "revoked"])
def test_refused_renter_can_still_read_and_stop_paying(world: World, renter: str) -> None:
    alice = world.renter("alice")
    deployment = rented(world, alice)
    if renter == "revoked":
        world.store.revoke_account(alice.account, at=world.now, reason="hit")
    else:
        world.issued.clear()
        world.pass_time(61)
    assert world.send(alice.rents(gpus=4)).status == 403
    assert world.send(alice.asks("GET", f"{CAAS}/deployment/{deployment}")).status == 200
    assert world.send(alice.asks("DELETE", f"{CAAS}/deployment/{deployment}")).status == 200
    assert world.store.deployments_of(alice.account) == []


def test_stop_refused_upstream_leaves_the_deployment_open(world: World) -> None:
    alice = world.renter("alice")
    deployment = rented(world, alice)
    world.upstream.answer = lambda forward: (500, (), b"")
    assert world.send(alice.asks("DELETE", f"{CAAS}/deployment/{deployment}")).status == 500
    assert world.store.deployments_of(alice.account) == [deployment]


@pytest.mark.parametrize(
    ("scope", "method", "allowed"),
    [(("read",), "GET", True), (("read",), "DELETE", False), (("stop",), "DELETE", True),
     (("stop",), "GET", False), (("rent",), "DELETE", False)],
)  # fmt: skip
def test_key_does_only_what_its_scope_says(
    world: World, scope: tuple[str, ...], method: str, allowed: bool
) -> None:
    alice = world.renter("alice")
    deployment = rented(world, alice)
    world.add_key("kg_" + "s" * 40, alice.account, scope=scope)
    view = world.view(
        method, f"{CAAS}/deployment/{deployment}", None, ("x-api-key", "kg_" + "s" * 40)
    )
    assert isinstance(world.gate.check(view), Forward) is allowed


def test_list_under_the_shared_key_shows_only_ones_own(world: World) -> None:
    alice, bob = world.renter("alice"), world.renter("bob")
    mine, theirs = rented(world, alice), rented(world, bob)
    rows = [{"id": mine}, {"id": theirs}, {"id": "operators-own"}]
    listing = json.dumps({"data": {"deployments": rows, "total": 3, "statuses": []}}).encode()
    world.upstream.answer = lambda forward: (200, (("X-Total", "3"),), listing)
    reply = world.send(
        alice.asks("GET", f"{CAAS}/deployments?page=1", None, ("Range", "bytes=0-9"))
    )
    assert json.loads(reply.body) == {"data": {"deployments": [{"id": mine}], "total": 1}}
    assert field_of(reply.headers, "X-Total") is None
    asked = world.upstream.received[-1]
    assert field_of(asked.headers, "Accept-Encoding") == "identity"
    assert field_of(asked.headers, "Range") is None


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"\x1f\x8b"), (200, b"{}"), (206, b"[]"), (500, b"operator is broke")],
)
def test_list_that_can_not_be_filtered_is_withheld(world: World, status: int, body: bytes) -> None:
    world.upstream.answer = lambda forward: (status, (), body)
    reply = world.send(world.renter().asks("GET", f"{CAAS}/deployments"))
    assert reply.status == 502
    assert body not in reply.body


def test_list_under_ones_own_key_streams_through(world: World) -> None:
    alice = world.renter("alice")
    world.upstream_keys[alice.account] = "alices-own"
    assert world.forwarded(alice.asks("GET", f"{CAAS}/deployments")).finish is None


def test_private_pools_of_the_operator_are_nobodys_to_list(world: World) -> None:
    alice = world.renter("alice")
    view = alice.asks("GET", f"{CAAS}/node-pools")
    assert world.send(view).status == 404
    world.upstream_keys[alice.account] = "alices-own"
    world.pass_time(61)
    assert isinstance(world.gate.check(replace(view, now=world.now)), Forward)


def test_upstream_can_not_hand_one_renters_machine_to_another(world: World) -> None:
    alice, mallory = world.renter("alice"), world.renter("mallory")
    deployment = rented(world, alice)
    same = json.dumps({"deployment_id": deployment}).encode()
    world.upstream.answer = lambda forward: (200, (), same)
    world.send(mallory.rents())
    assert world.store.deployment_owner(deployment) == alice.account
    assert world.store.jobs_of(mallory.account)[0].deployment is None


def test_extension_is_decided_on_what_is_running(world: World) -> None:
    alice = world.renter("alice", level=2)
    deployment = rented(world, alice)
    extend = alice.asks("POST", f"{CAAS}/deployment/{deployment}/extend", {"duration_hours": 12})
    assert world.send(extend).status == 200
    allow, paid = world.permits[-1]
    rental = next(j for j in world.store.jobs_of(alice.account) if b'"rent"' in j.request)
    assert paid == rental.id
    assert (allow.job.gpu_model, allow.job.gpu_count, allow.job.hours) == ("H100 PCIe", 8, 36)
    again = alice.asks("POST", f"{CAAS}/deployment/{deployment}/extend", {"duration_hours": 4})
    assert world.send(again).status == 200
    assert world.permits[-1][0].job.hours == 40
    assert world.permits[-1][0].job.value == 2_190_000 * 8 * 40
    world.attest(alice, level=1)
    world.pass_time(61)
    assert world.send(replace(again, now=world.now)).status == 403


def test_image_change_is_decided_too_and_brings_no_permit(world: World) -> None:
    alice = world.renter("alice")
    deployment = rented(world, alice)
    change = alice.asks("PATCH", f"{CAAS}/deployment/{deployment}", {"image_url": "b"})
    reply = world.send(change)
    assert reply.status == 200
    assert field_of(reply.headers, "Kycgate-Permit") is None
    world.store.revoke_account(alice.account, at=world.now, reason="hit")
    assert world.send(change).status == 403
