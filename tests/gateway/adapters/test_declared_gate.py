"""Described marketplaces through the gate: stops by body, lists, answers that say no with a 200."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from kycgate.errors import Unavailable
from kycgate.gateway.adapters.presets import PRESETS, Upstream
from kycgate.gateway.gate import Gate
from kycgate.gateway.stopping import KIND, JobStopper
from kycgate.gateway.view import Headers, RequestView
from tests.gateway.adapters.market_declared import NODE, CloreMarket, LiumMarket, PrimeMarket
from tests.gateway.world import SHARED_KEY, Renter, World, field_of

MARKETS = {"lium": LiumMarket, "prime": PrimeMarket, "clore": CloreMarket}
CLORE = {"renting_server": 7, "image": "i", "type": "on-demand", "currency": "bitcoin"}
PRIME = {
    "pod": {"name": "k", "cloudId": "gpu_8x_h100", "gpuType": "H100_80GB", "gpuCount": 8},
    "provider": {"type": "runpod"},
}


class DeclaredWorld(World):
    """`World` in front of one described marketplace; its catalogue answers as a small one does."""

    def __init__(self, preset: str) -> None:
        super().__init__()
        self.catalogue_down = False
        self.market = MARKETS[preset]("operator")
        adapter = PRESETS[preset](Upstream(self._fetch, self._search, 6))
        self.parts = replace(self.parts, adapter=adapter)
        self.gate = Gate(self.parts)
        self.upstream.answer = self._answer

    def _fetch(self, path: str) -> bytes:
        if self.catalogue_down:
            raise Unavailable("the marketplace does not answer")
        return json.dumps(self.market.answer("GET", path.partition("?")[0], b"")[1]).encode()

    def _search(self, path: str, question: bytes) -> bytes:
        raise Unavailable("nobody asks this")

    def _answer(self, forward: Any) -> tuple[int, Headers, bytes]:
        path = forward.target.decode().partition("?")[0]
        status, said = self.market.answer(forward.method, path, forward.body or b"")
        return status, (), json.dumps(said).encode()

    def asks(self, renter: Renter, method: str, path: str, body: Any = None) -> RequestView:
        key = self.parts.adapter.with_key((), renter.secret)
        return self.view(method, path, body, *key)


@pytest.fixture
def clore() -> DeclaredWorld:
    return DeclaredWorld("clore")


def ordered(world: DeclaredWorld, renter: Renter, **changes: Any) -> Any:
    return world.send(world.asks(renter, "POST", "/v1/create_order", CLORE | changes))


def test_an_order_is_its_renters_to_see_and_to_cancel(clore: DeclaredWorld) -> None:
    alice, mallory = clore.renter("alice"), clore.renter("mallory")
    assert ordered(clore, alice).status == 200
    assert clore.store.deployments_of(alice.account) == ["101"]
    seen = clore.send(clore.asks(mallory, "GET", "/v1/my_orders?return_completed=false"))
    assert json.loads(seen.body) == {"code": 0, "orders": []}
    own = clore.send(clore.asks(alice, "GET", "/v1/my_orders"))
    assert [order["id"] for order in json.loads(own.body)["orders"]] == [101]
    before = len(clore.upstream.received)
    theirs = clore.send(clore.asks(mallory, "POST", "/v1/cancel_order", {"id": 101}))
    nobodys = clore.send(clore.asks(mallory, "POST", "/v1/cancel_order", {"id": 404}))
    assert theirs.status == nobodys.status == 404
    assert len(clore.upstream.received) == before
    clore.issued.clear()
    clore.pass_time(61)
    gone = clore.send(clore.asks(alice, "POST", "/v1/cancel_order", {"id": 101, "issue": "done"}))
    assert json.loads(gone.body) == {"code": 0}
    assert clore.store.deployments_of(alice.account) == []


def test_a_cancel_that_failed_with_a_200_leaves_the_order_on_the_record(
    clore: DeclaredWorld,
) -> None:
    alice = clore.renter()
    ordered(clore, alice)
    clore.upstream.answer = lambda forward: (200, (), b'{"code": 1, "error": "database"}')
    assert clore.send(clore.asks(alice, "POST", "/v1/cancel_order", {"id": 101})).status == 200
    assert clore.store.deployments_of(alice.account) == ["101"]


def test_an_order_declined_with_a_200_gives_no_permit(clore: DeclaredWorld) -> None:
    clore.upstream.answer = lambda forward: (200, (), b'{"code": 6, "error": "rented"}')
    assert ordered(clore, clore.renter()).status == 200
    assert clore.permits == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda view: replace(view, body=b'{"id": 101, "id": 102}'),
        lambda view: replace(view, body=b'{"id": [101]}'),
        lambda view: replace(view, body=b'{"id": 101, "ids": [102]}'),
        lambda view: replace(view, body=b"[]"),
        lambda view: replace(view, target=b"/v1/cancel_order?id=102"),
        lambda view: replace(view, headers=(*view.headers, ("Content-Encoding", "gzip"))),
        lambda view: replace(
            view,
            headers=tuple(
                (name, "application/x-www-form-urlencoded" if name == "Content-Type" else value)
                for name, value in view.headers
            ),
        ),
    ],
)
def test_a_stop_whose_body_may_name_another_order_is_refused(
    clore: DeclaredWorld, spoil: Callable[[RequestView], RequestView]
) -> None:
    alice = clore.renter()
    ordered(clore, alice)
    before = len(clore.upstream.received)
    view = clore.asks(alice, "POST", "/v1/cancel_order", {"id": 101})
    assert clore.send(spoil(view)).status == 400
    assert len(clore.upstream.received) == before


def test_a_key_in_the_marketplaces_own_field_is_exchanged_and_a_second_one_is_ambiguous(
    clore: DeclaredWorld,
) -> None:
    alice = clore.renter()
    view = clore.asks(alice, "GET", "/v1/marketplace")
    forward = clore.forwarded(view)
    assert field_of(forward.headers, "auth") == SHARED_KEY
    assert alice.secret not in repr(forward.headers)
    twice = replace(view, headers=(*view.headers, ("Auth", "other")))
    assert clore.send(twice).status == 400


def test_an_offer_that_cant_be_learned_counts_as_controlled(clore: DeclaredWorld) -> None:
    low = clore.renter("low", level=1)
    assert ordered(clore, low, renting_server=8).status == 200
    assert ordered(clore, low, renting_server=9).status == 403
    assert ordered(clore, low, renting_server=12345).status == 403
    clore.pass_time(61)
    clore.catalogue_down = True
    assert ordered(clore, low, renting_server=8, image="again").status == 403


@pytest.mark.parametrize(
    "lie",
    [
        {"gpuType": "RTX3090_24GB"},
        {"gpuType": "RTX3090_24GB", "cloudId": "gpu_8x_h100"},
        {"cloudId": "somewhere-else", "gpuType": "RTX3090_24GB"},
    ],
)
def test_a_model_said_beside_an_offer_counts_only_if_the_marketplace_says_it_too(
    lie: dict[str, Any],
) -> None:
    world = DeclaredWorld("prime")
    low = world.renter("low", level=1)
    body = PRIME | {"pod": PRIME["pod"] | lie}  # type: ignore[operator]
    # The small marketplace lists its H100 whatever type is asked for: no row says RTX 3090.
    assert world.send(world.asks(low, "POST", "/api/v1/pods", body)).status == 403
    assert world.market.rented == 0


def test_what_rents_many_or_later_is_refused_with_its_reason() -> None:
    world = DeclaredWorld("lium")
    alice = world.renter()
    for path in ("executors/rent-by-spec", "executors/cluster/rent", "machine-requests"):
        reply = world.send(world.asks(alice, "POST", f"/api/{path}", {"gpu_count": 8}))
        assert reply.status == 400
        assert "rent" in json.loads(reply.body)["detail"]
    assert world.upstream.received == []


def test_a_repeated_idempotency_key_is_answered_from_the_record() -> None:
    world = DeclaredWorld("lium")
    alice = world.renter()
    body = {"pod_name": "k", "user_public_key": [], "gpu_count": 8, "termination_hours": 24}
    view = world.asks(alice, "POST", f"/api/executors/{NODE}/rent", body)
    view = replace(view, headers=(*view.headers, ("Idempotency-Key", "one")))
    first, again = world.send(view), world.send(view)
    assert (first.status, first.body) == (again.status, again.body)
    assert world.market.rented == 1


@pytest.mark.parametrize(
    ("preset", "field", "message"),
    [("lium", "x-api-key", "detail"), ("prime", "authorization", "detail"),
     ("clore", "auth", "message")],
)  # fmt: skip
def test_a_stranger_is_shown_where_to_go_where_each_client_looks(
    preset: str, field: str, message: str
) -> None:
    world = DeclaredWorld(preset)
    rents = {
        "lium": (f"/api/executors/{NODE}/rent", {"pod_name": "k"}),
        "prime": ("/api/v1/pods", PRIME),
        "clore": ("/v1/create_order", CLORE),
    }
    path, body = rents[preset]
    view = world.asks(world.stranger("bob"), "POST", path, body)
    assert field in {name.lower() for name, _ in view.headers}
    reply = world.send(view)
    assert reply.status == 403
    assert "https://kyc.example/r/" in json.loads(reply.body)[message]
    assert world.upstream.received == []


def test_a_revoked_renters_order_is_cancelled_by_body_and_tried_again_where_it_failed(
    clore: DeclaredWorld,
) -> None:
    alice = clore.renter()
    ordered(clore, alice)
    sent: list[tuple[str, str, Headers, bytes]] = []
    answers = [b'{"code": 1}', b'{"code": 0}']

    def send(method: str, target: str, headers: Headers, body: bytes) -> tuple[int, bytes]:
        sent.append((method, target, headers, body))
        return 200, answers.pop(0)

    stopper = JobStopper(
        clore.store, clore.parts.adapter, send=send, upstream_key=lambda account: None,
        shared_upstream_key="operator", asserter=None,
    )  # fmt: skip
    clore.store.enqueue(KIND, {"account": alice.account}, due_at=clore.now)
    assert stopper.run(now=clore.now) == 0
    assert clore.store.deployments_of(alice.account) == ["101"]
    assert stopper.run(now=clore.now + 60) == 1
    assert clore.store.deployments_of(alice.account) == []
    method, target, headers, body = sent[0]
    assert (method, target, json.loads(body)) == ("POST", "/v1/cancel_order", {"id": 101})
    assert field_of(headers, "auth") == "operator"
    assert field_of(headers, "content-type") == "application/json"


def test_a_change_without_a_body_is_decided_on_what_was_rented() -> None:
    world = DeclaredWorld("lium")
    alice = world.renter()
    body = {"pod_name": "k", "user_public_key": [], "gpu_count": 8, "termination_hours": 24}
    rented = world.send(world.asks(alice, "POST", f"/api/executors/{NODE}/rent", body))
    pod = json.loads(rented.body)["pod_id"]
    path = f"/api/pods/{pod}/schedule-removal"
    bare = replace(world.asks(alice, "DELETE", path), body=b"")
    forward = world.forwarded(bare)
    assert forward.body == b""
    line = world.decisions()[-1]
    assert (line["action"], line["granted"]) == ("extend", True)
    world.issued.clear()
    world.pass_time(61)
    assert world.send(bare).status == 403
    announced = replace(bare, headers=(*bare.headers, ("Content-Type", "text/plain")))
    assert world.send(announced).status == 400
    assert world.send(world.asks(alice, "DELETE", path, b"x")).status == 400


def test_a_rental_without_a_body_is_refused(clore: DeclaredWorld) -> None:
    bare = replace(clore.asks(clore.renter(), "POST", "/v1/create_order"), body=b"")
    assert clore.send(bare).status == 400
    assert clore.upstream.received == []
