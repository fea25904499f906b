"""The shipped front configurations in the real programs, with the real gate behind them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import pytest

from kycgate.demo.marketplace import Marketplace
from kycgate.gateway.forward_auth import CONTRACTS, ForwardAuth
from kycgate.gateway.proxy import Proxy
from kycgate.gateway.server import Running, start_in_thread
from tests.gateway import fronts
from tests.gateway.live import OPERATOR_KEY, LiveWorld
from tests.gateway.wire import RawUpstream, body_of, get, no_control, status, talk
from tests.gateway.world import CAAS, PUBLIC_URL, Renter, deploy

Starter = Callable[[Path, dict[int, int], int], AbstractContextManager[None]]
FRONTS = {
    "nginx": (fronts.nginx, fronts.NGINX),
    "caddy": (fronts.caddy, fronts.CADDY),
    "traefik": (fronts.traefik, fronts.TRAEFIK),
    "envoy": (fronts.envoy, fronts.ENVOY),
}


@dataclass
class Fronted:
    """A front, the gate behind it, and two marketplaces: one that works, one that listens."""

    name: str
    port: int
    world: LiveWorld
    market: Marketplace
    direct: RawUpstream
    """Where the front sends what it forwards itself."""
    running: Running

    def asks(
        self, renter: Renter | None, method: str, path: str, *fields: bytes, body: object = None
    ) -> bytes:
        if renter is not None:
            fields = (*fields, b"x-api-key: " + renter.secret.encode())
        data = b""
        if body is not None:
            data = json.dumps(body).encode()
            fields = (*fields, b"content-length: %d" % len(data), b"content-type: application/json")
        request = get(path.encode("latin-1"), *fields, method=method.encode()) + data
        return talk(self.port, request, seconds=20)

    def rents(self, renter: Renter) -> str:
        answer = self.asks(renter, "POST", f"{CAAS}/deploy", body=deploy())
        assert status(answer) == 200, answer
        return str(json.loads(body_of(answer))["deployment_id"])


@pytest.fixture(params=sorted(FRONTS))
def fronted(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Fronted]:
    start, program = FRONTS[request.param]
    if program is None:
        pytest.skip(f"{request.param} is missing: make setup")
    with (
        Marketplace(api_key=OPERATOR_KEY) as market,
        RawUpstream() as direct,
        closing(LiveWorld(tmp_path, market.url)) as world,
    ):
        asked = ForwardAuth(
            world.gate,
            CONTRACTS[request.param],
            peers=[ip_network("127.0.0.1")],
            only=frozenset({"read", "stop"}),
            clock=time.time,
        )
        at = fronts.asking(request.param, tmp_path)
        proxy = Proxy(world.gate, market.url)
        with start_in_thread(proxy, no_control, beside=(asked, at)) as running:
            (port,) = fronts.free_ports(1)
            with start(tmp_path, fronts.places(running, at, direct.port), port):
                yield Fronted(request.param, port, world, market, direct, running)


def test_a_known_caller_passes_under_the_operators_key_and_its_own_account(
    fronted: Fronted,
) -> None:
    alice = fronted.world.renter("alice")
    path = f"{CAAS}/deployment/{fronted.rents(alice)}"
    assert status(fronted.asks(alice, "GET", path)) == 200
    (seen,) = fronted.direct.seen
    assert seen.target == path.encode()
    assert seen.values(b"x-api-key") == [OPERATOR_KEY.encode()]
    assert seen.values(b"kycgate-account") == [alice.account.encode()]


def test_a_stranger_reads_where_to_go_in_the_marketplaces_own_shape(fronted: Fronted) -> None:
    answer = fronted.asks(None, "GET", f"{CAAS}/deployment/dep-1")
    assert status(answer) == 403
    said = json.loads(body_of(answer))
    assert said["status"] == "failed"
    assert f"{PUBLIC_URL}/r/" in said["error"]
    assert fronted.direct.seen == []


def test_our_own_client_gets_its_challenge(fronted: Fronted) -> None:
    accept = b"accept: application/problem+json"
    answer = fronted.asks(None, "GET", f"{CAAS}/deployment/dep-1", accept)
    assert status(answer) == 401
    assert b"kycgate realm=" in answer.lower()
    assert json.loads(body_of(answer))["code"] == "missing:wallet_proof"


def test_renting_goes_through_the_proxy_and_is_decided_on_its_body(fronted: Fronted) -> None:
    deployment = fronted.rents(fronted.world.renter("alice"))
    assert deployment in fronted.market.deployments
    refused = fronted.asks(fronted.world.stranger("bob"), "POST", f"{CAAS}/deploy", body=deploy())
    assert status(refused) == 403
    assert len(fronted.market.deployments) == 1
    assert fronted.direct.seen == []


def test_lists_and_stops_go_through_the_proxy(fronted: Fronted) -> None:
    alice, bob = fronted.world.renter("alice"), fronted.world.renter("bob")
    deployment = fronted.rents(alice)
    assert deployment.encode() in body_of(fronted.asks(alice, "GET", f"{CAAS}/deployments?page=1"))
    assert deployment.encode() not in body_of(fronted.asks(bob, "GET", f"{CAAS}/deployments"))
    assert status(fronted.asks(bob, "DELETE", f"{CAAS}/deployment/{deployment}")) in (403, 404)
    assert status(fronted.asks(alice, "DELETE", f"{CAAS}/deployment/{deployment}")) == 200
    assert fronted.market.deployments[deployment].status == "terminated"
    assert fronted.direct.seen == []


FORGED = [
    b"Kycgate-Account: eip155:1:0xforged", b"kycgate-account: forged", b"KYCGATE-JOB: forged",
    b"Kycgate-Decision: forged", b"Kycgate_Account: forged", b"Kycgate.Account: forged",
    b"X-Kycgate-Account: forged", b"Kycgate-Assertion: forged", b"Cookie: forged=1",
    b"Authorization: Basic forged", b"X_Api_Key: forged", b"Forwarded: for=forged",
    b"X-Forwarded-For: 203.0.113.99", b"X-Real-IP: 203.0.113.99",
]  # fmt: skip


@pytest.mark.parametrize("public", [True, False])
def test_what_a_caller_forges_is_cleared_or_refused(fronted: Fronted, public: bool) -> None:
    alice = None if public else fronted.world.renter("alice")
    path = f"{CAAS}/hardware" if alice is None else f"{CAAS}/deployment/{fronted.rents(alice)}"
    for field in FORGED:
        answer = fronted.asks(alice, "GET", path, field, b"Connection: kycgate-account, close")
        for seen in fronted.direct.seen:
            assert b"forged" not in seen.head, (field, seen.head)
            assert b"203.0.113.99" not in seen.head, (field, seen.head)
            account = [] if alice is None else [alice.account.encode()]
            assert [each for each in seen.values(b"kycgate-account") if each] == account, field
        assert bool(fronted.direct.seen) == (status(answer) == 200), (field, answer)
        fronted.direct.seen.clear()


@pytest.mark.parametrize(
    "field",
    [
        f"X-Original-URI: {CAAS}/hardware", "X-Original-Method: GET", "X-Rewrite-URL: /x",
        f"X-Forwarded-Uri: {CAAS}/hardware", "X-Forwarded-Method: GET",
        "X-Original-Host: other.example", "X-Forwarded-Host: other.example",
        "X-HTTP-Method-Override: GET",
    ],
)  # fmt: skip
def test_a_caller_can_not_write_the_fronts_question(fronted: Fronted, field: str) -> None:
    alice, mallory = fronted.world.renter("alice"), fronted.world.renter("mallory")
    path = f"{CAAS}/deployment/{fronted.rents(alice)}"
    answer = fronted.asks(mallory, "GET", path, field.encode())
    assert status(answer) in (400, 403, 404)
    assert fronted.direct.seen == []


@pytest.mark.parametrize(
    "path",
    [
        f"{CAAS}/hardware/../deployments", f"{CAAS}/%2e%2e/caas/deployments",
        f"{CAAS}//deployments", f"//{CAAS}/deployments", f"{CAAS}/./deployments",
        f"{CAAS}/deployments%2f", f"{CAAS}/%64eployments", f"{CAAS}/deployments;x",
        f"{CAAS.upper()}/deployments", f"{CAAS}\\deployments", f"{CAAS}/deployments%00",
        f"{CAAS}/deployments#x", f"{CAAS}/\xff", f"{CAAS}/deployments/",
        f"http://gate.test{CAAS}/deployments", f"http://other{CAAS}/hardware",
    ],
)  # fmt: skip
def test_a_path_game_reaches_no_marketplace_unread(fronted: Fronted, path: str) -> None:
    """Refused, or what arrives is exactly what was decided."""
    answer = fronted.asks(fronted.world.renter("alice"), "GET", path)
    assert status(answer) in (200, 400, 403, 404)
    if path.startswith("http://") and fronted.direct.seen:
        assert [each.target.decode() for each in fronted.direct.seen] == [f"{CAAS}/hardware"]
    else:
        assert fronted.direct.seen == []


def test_what_is_forwarded_is_byte_for_byte_what_was_decided(fronted: Fronted) -> None:
    path = f"{CAAS}/hardware?q=%20a%2Fb&x=1%2b2&y=[z]"
    assert status(fronted.asks(None, "GET", path)) == 200
    assert [each.target.decode() for each in fronted.direct.seen] == [path]


def test_a_body_behind_a_read_never_arrives(fronted: Fronted) -> None:
    fronted.asks(None, "GET", f"{CAAS}/hardware", body={"gpus": 8})
    head = get(f"{CAAS}/hardware".encode(), b"transfer-encoding: chunked")
    talk(fronted.port, head + b"b\r\n" + b'{"gpus": 8}' + b"\r\n0\r\n\r\n")
    assert [each.body for each in fronted.direct.seen if each.body] == []


def test_a_double_key_is_refused_not_broken(fronted: Fronted) -> None:
    alice = fronted.world.renter("alice")
    answer = fronted.asks(alice, "GET", f"{CAAS}/hardware", b"x-api-key: other")
    assert status(answer) in (400, 401, 403)
    assert fronted.direct.seen == []


def test_without_the_gate_nothing_passes(fronted: Fronted) -> None:
    fronted.running.stop()
    answer = fronted.asks(None, "GET", f"{CAAS}/hardware")
    says = {"nginx": 403, "caddy": 502, "traefik": 500, "envoy": 403}
    assert status(answer) == says[fronted.name]
    assert fronted.direct.seen == []
