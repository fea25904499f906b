"""Vast.ai's captured requests through the gate; refused renters stop, strangers see nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kycgate.errors import Unavailable
from kycgate.gateway.adapters.vast import Vast
from kycgate.gateway.gate import Gate
from kycgate.gateway.view import Forward, Reply, RequestView
from tests.gateway.adapters.market import OFFERS
from tests.gateway.world import SHARED_KEY, Renter, World

CAPTURES = Path(__file__).parent.parent / "captures"
ASK = "/api/v0/asks/384826/"
"""Eight H100: controlled."""
SMALL = "/api/v0/asks/5/"
"""One RTX 3090: not controlled."""
RENT = {"client_id": "me", "image": "nginx", "price": None}


class VastWorld(World):
    """`World` in front of Vast.ai; without `offers_known`, its offers can't be asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.offers_known = True
        self.parts = replace(self.parts, adapter=Vast(search=self._search))
        self.gate = Gate(self.parts)
        said = b'{"success": true, "new_contract": 7835610}'
        self.upstream.answer = lambda forward: (200, (), said)

    def _search(self, path: str, question: bytes) -> bytes:
        if not self.offers_known:
            raise Unavailable("the marketplace does not answer")
        wanted = json.loads(question)["id"]["eq"]
        return json.dumps({"offers": [row for row in OFFERS if row["id"] == wanted]}).encode()


@pytest.fixture
def world() -> VastWorld:
    return VastWorld()


def asks(renter: Renter, method: str, path: str, body: Any = None) -> RequestView:
    bearer = ("Authorization", f"Bearer {renter.secret}")
    return renter.world.view(method, path, body, bearer)


def rented(world: World, renter: Renter) -> None:
    assert world.send(asks(renter, "PUT", ASK, RENT)).status == 200


def captured(name: str) -> list[dict[str, Any]]:
    requests = json.loads((CAPTURES / name).read_text())
    return [r | {"path": r["path"].removeprefix("/g/tok_abc")} for r in requests]


def replayed(world: World, request: dict[str, Any], key: str) -> RequestView:
    """As it crossed the wire, but for the dummy key and the body's spacing."""
    body = b"" if request["body"] is None else json.dumps(request["body"]).encode()
    own = {"Authorization": f"Bearer {key}", "Content-Length": str(len(body))}
    fields = tuple((name, own.get(name, value)) for name, value in request["headers"])
    return RequestView(
        request["method"], request["path"].encode(), dict(fields)["Host"], "http", fields, body,
        "127.0.0.1", world.now, "test",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["vastai_cli.json", "vastai_sdk.json"])
def test_unmodified_client_of_a_verified_renter_gets_every_answer(world: World, name: str) -> None:
    alice = world.renter()
    world.upstream_keys[alice.account] = "alices-own"
    for request in captured(name):
        said = json.dumps(request["stub_response"]).encode()
        world.upstream.answer = lambda forward, said=said: (200, (), said)
        reply = world.send(replayed(world, request, alice.secret))
        assert (reply.status, reply.body) == (200, said), request["path"]
    (line,) = world.decisions()
    assert line["granted"] is True
    keys = [dict(forward.headers).get("Authorization") for forward in world.upstream.received]
    assert set(keys) <= {None, "Bearer alices-own"}


def test_unmodified_client_of_a_stranger_is_shown_where_to_go(world: World) -> None:
    (request,) = captured("vastai_cli_denied.json")
    reply = world.send(replayed(world, request, world.stranger("bob").secret))
    said = json.loads(reply.body)
    assert reply.status == request["stub_status"] == 403
    assert set(said) == set(request["stub_response"])
    assert (said["success"], said["error"]) == (False, "missing:attestation")
    assert "https://kyc.example/r/" in said["msg"]
    assert world.upstream.received == []


def test_an_offer_that_cant_be_learned_counts_as_controlled(world: VastWorld) -> None:
    low = world.renter("low", level=1)
    assert world.send(asks(low, "PUT", SMALL, RENT)).status == 200
    other = world.renter("other", level=1)
    world.pass_time(61)
    world.offers_known = False
    refused = world.send(asks(other, "PUT", SMALL, RENT | {"label": "again"}))
    assert refused.status == 403
    assert len(world.upstream.received) == 1


def test_a_refused_renter_stops_and_destroys_what_it_rented(world: World) -> None:
    alice = world.renter()
    rented(world, alice)
    world.issued.clear()
    world.pass_time(61)
    path = "/api/v0/instances/7835610/"
    assert world.send(asks(alice, "PUT", path, {"state": "running"})).status == 403
    assert world.send(asks(alice, "PUT", path, {"state": "stopped"})).status == 200
    assert world.store.deployments_of(alice.account) == ["7835610"]
    assert world.send(asks(alice, "DELETE", path, {})).status == 200
    assert world.store.deployments_of(alice.account) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda view: replace(view, headers=(*view.headers, ("Content-Encoding", "gzip"))),
        lambda view: replace(view, target=view.target + b"?state=running"),
        lambda view: replace(view, body=b'{"state": "stopped", "state": "running"}'),
        lambda view: replace(
            view,
            headers=tuple(
                (name, "text/plain" if name == "Content-Type" else value)
                for name, value in view.headers
            ),
        ),
    ],
)
def test_a_stop_that_might_be_read_as_a_start_is_refused(
    world: World, spoil: Callable[[RequestView], RequestView]
) -> None:
    alice = world.renter()
    rented(world, alice)
    before = len(world.upstream.received)
    view = asks(alice, "PUT", "/api/v0/instances/7835610/", {"state": "stopped"})
    assert world.send(spoil(view)).status == 400
    assert len(world.upstream.received) == before


def test_a_strangers_instance_can_be_neither_seen_nor_stopped_nor_started(world: World) -> None:
    alice, mallory = world.renter("alice"), world.renter("mallory")
    rented(world, alice)
    path = "/api/v0/instances/7835610/"
    for method, body in (
        ("GET", None), ("DELETE", {}), ("PUT", {"state": "stopped"}), ("PUT", {"state": "running"}),
    ):  # fmt: skip
        assert world.send(asks(mallory, method, path, body)).status == 404
    listing = b'{"instances": [{"id": 7835610}], "total_instances": 1}'
    world.upstream.answer = lambda forward: (200, (), listing)
    seen = world.send(asks(mallory, "GET", "/api/v1/instances/"))
    assert json.loads(seen.body)["instances"] == []
    own = world.send(asks(alice, "GET", "/api/v1/instances/?limit=25"))
    assert json.loads(own.body)["instances"] == [{"id": 7835610}]


@pytest.mark.parametrize("name", ["api_key", "API_KEY", "%61pi_key", "a=1&api_key", "a;api-key"])
@pytest.mark.parametrize("path", ["/api/v1/instances/", "/api/v0/gpu_names/unique/"])
def test_a_key_in_the_address_is_refused(world: World, path: str, name: str) -> None:
    reply = world.send(asks(world.renter(), "GET", f"{path}?{name}=secret"))
    assert reply.status == 400
    assert "header" in json.loads(reply.body)["msg"]
    assert world.upstream.received == []


def test_bulk_rentals_and_standing_orders_are_refused_with_their_reason(world: World) -> None:
    alice = world.renter()
    for method, path in (
        ("POST", "/api/v0/asks/bulk/"), ("POST", "/api/v0/endptjobs/"), ("PUT", "/api/v0/cluster/"),
        ("DELETE", "/api/v0/instances/"),
    ):  # fmt: skip
        reply = world.send(asks(alice, method, path, {"ids": [5]}))
        assert reply.status == 400
        assert "one" in json.loads(reply.body)["msg"]
    assert world.upstream.received == []


def test_the_marketplaces_own_key_is_no_proof(world: World) -> None:
    view = world.view("PUT", SMALL, RENT, ("Authorization", f"Bearer {SHARED_KEY}"))
    reply = world.send(view)
    assert isinstance(reply, Reply)
    assert (reply.status, json.loads(reply.body)["error"]) == (403, "key_unknown")


def test_anybody_may_search_without_a_key(world: World) -> None:
    verdict = world.gate.check(world.view("POST", "/api/v0/bundles/", {"gpu_name": {"eq": "x"}}))
    assert isinstance(verdict, Forward)
    assert "authorization" not in {name.lower() for name, _ in verdict.headers}
