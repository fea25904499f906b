"""Fronts that ask before they forward: each contract has one reading, and only a yes is a 2xx."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kycgate.core.policy import Mode
from kycgate.gateway.forward_auth import CONTRACTS, MANAGED, ForwardAuth
from tests.gateway.world import CAAS, HOST, PUBLIC_URL, SHARED_KEY, Renter, World

LOOPBACK = (ip_network("127.0.0.0/8"),)
READ = f"{CAAS}/hardware"
Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Told:
    """What a front got."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> str:
        """The refusal, wherever this contract carries it."""
        text = self.headers.get("kycgate-refusal") or self.body.decode()
        return str(json.loads(text).get("error"))


@dataclass
class Front:
    """A front of one contract, saying what that front says."""

    world: World
    contract: str
    only: frozenset[str] = frozenset({"read", "stop"})
    peer: str = "127.0.0.1"

    def asks(self, method: str, target: str, *own: tuple[str, str]) -> Told:
        said: Fields = (("x-forwarded-proto", "https"), ("x-forwarded-for", "192.0.2.7"))
        if self.contract == "nginx":
            said += (
                ("host", HOST),
                ("x-original-method", method),
                ("x-original-uri", target),
                ("x-original-host", HOST),
            )
        elif self.contract == "envoy":
            return self.says(method, f"/auth{target}", (*said, ("host", HOST), *own))
        else:
            said += (
                ("host", HOST),
                ("x-forwarded-method", method),
                ("x-forwarded-uri", target),
                ("x-forwarded-host", HOST),
            )
        return self.says("GET", "/auth", (*said, *own))

    def says(self, method: str, target: str, headers: Fields) -> Told:
        app = ForwardAuth(
            self.world.gate,
            CONTRACTS[self.contract],
            peers=LOOPBACK,
            only=self.only,
            clock=lambda: self.world.now,
            threads=1,
        )
        scope = {
            "type": "http",
            "method": method,
            "kycgate.target": target.encode("latin-1"),
            "scheme": "http",
            "headers": [(n.encode(), v.encode("latin-1")) for n, v in headers],
            "client": (self.peer, 1),
        }
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            raise AssertionError("a front's body is never read")

        asyncio.run(app(scope, receive, send))
        fields = {n.decode(): v.decode("latin-1") for n, v in sent[0]["headers"]}
        assert len(fields) == len(sent[0]["headers"])
        return Told(sent[0]["status"], fields, sent[1]["body"])


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(params=sorted(CONTRACTS))
def front(world: World, request: pytest.FixtureRequest) -> Front:
    return Front(world, request.param)


def key(renter: Renter) -> tuple[str, str]:
    return ("x-api-key", renter.secret)


def rented(world: World, renter: Renter) -> str:
    answer = world.send(renter.rents())
    return str(json.loads(answer.body)["deployment_id"])


def test_a_known_caller_passes_with_the_upstreams_key_and_its_own_account(front: Front) -> None:
    alice = front.world.renter()
    deployment = rented(front.world, alice)
    told = front.asks("GET", f"{CAAS}/deployment/{deployment}", key(alice))
    assert told.status == 200
    assert told.headers["x-api-key"] == SHARED_KEY
    assert told.headers["kycgate-account"] == alice.account


def test_every_field_the_front_copies_is_answered_even_when_empty(front: Front) -> None:
    told = front.asks("GET", READ)
    assert told.status == 200
    assert {name: told.headers[name] for name in MANAGED} == dict.fromkeys(MANAGED, "")


def test_a_stranger_is_refused_and_told_where_to_go(front: Front) -> None:
    told = front.asks("GET", f"{CAAS}/deployment/dep-1", ("x-api-key", "somebody"))
    assert told.status == 403
    assert PUBLIC_URL in told.message


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"{CAAS}/deploy"),
        ("POST", f"{CAAS}/deployment/dep-1/extend"),
        ("PATCH", f"{CAAS}/deployment/dep-1"),
    ],
)
def test_a_renting_route_is_refused_whoever_asks(front: Front, method: str, path: str) -> None:
    alice = front.world.renter()
    rented(front.world, alice)
    front.only = frozenset({"read", "stop", "rent"})
    told = front.asks(method, path, key(alice), ("content-type", "application/json"))
    assert told.status == 403
    assert "own proxy" in told.message
    assert len(front.world.upstream.received) == 1


def test_a_listing_under_the_shared_key_is_refused_and_with_an_own_key_passes(
    front: Front,
) -> None:
    alice = front.world.renter()
    told = front.asks("GET", f"{CAAS}/deployments", key(alice))
    assert told.status == 403
    assert "own proxy" in told.message
    bob = front.world.renter("bob")
    front.world.upstream_keys[bob.account] = "bobs-own"
    told = front.asks("GET", f"{CAAS}/deployments", key(bob))
    assert (told.status, told.headers["x-api-key"]) == (200, "bobs-own")


def test_another_renters_deployment_is_neither_read_nor_stopped(front: Front) -> None:
    deployment = rented(front.world, front.world.renter())
    mallory = front.world.renter("mallory")
    for method in ("GET", "DELETE"):
        told = front.asks(method, f"{CAAS}/deployment/{deployment}", key(mallory))
        assert told.status in (403, 404)
        assert "No such deployment" in told.message


def test_an_owner_stops_through_it_unless_the_operator_kept_stops_on_the_proxy(
    front: Front,
) -> None:
    alice = front.world.renter()
    path = f"{CAAS}/deployment/{rented(front.world, alice)}"
    assert front.asks("DELETE", path, key(alice)).status == 200
    front.only = frozenset({"read"})
    told = front.asks("DELETE", path, key(alice))
    assert told.status == 403
    assert "own proxy" in told.message


def test_observing_does_not_let_a_renting_route_through(front: Front) -> None:
    front.world.policy = replace(front.world.policy, mode=Mode.OBSERVE)
    assert front.asks("POST", f"{CAAS}/deploy", ("x-api-key", "theirs")).status == 403
    told = front.asks("GET", READ, ("x-api-key", "theirs"))
    assert (told.status, told.headers["x-api-key"]) == (200, "theirs")


def test_the_gates_own_page_is_no_permission_to_forward(front: Front) -> None:
    told = front.asks("GET", "/.well-known/kycgate/configuration")
    assert told.status == 403
    assert "gate's own" in told.message


@pytest.mark.parametrize(
    "target",
    [
        f"{CAAS}/../caas/deploy", f"{CAAS}/%2e%2e/x", f"{CAAS}//deployments", "//evil/x",
        f"{CAAS}/deployment%2fdep-1", f"{CAAS}/hardware;x/..;/deploy", f"{CAAS}/./hardware",
        f"{CAAS}/hardware%00", f"{CAAS}/hardware%zz", f"{CAAS}/\xff", f"{CAAS}\\deploy",
    ],
)  # fmt: skip
def test_a_path_with_two_readings_is_refused(front: Front, target: str) -> None:
    told = front.asks("GET", target, key(front.world.renter()))
    assert told.status in (400, 403)
    assert front.contract != "nginx" or told.status == 403


@pytest.mark.parametrize("name", ["kycgate-assertion", "X-Kycgate-Subject"])
def test_an_identity_field_no_front_knows_to_clear_is_refused(front: Front, name: str) -> None:
    told = front.asks("GET", READ, (name, "forged"))
    assert told.status == 403
    assert name.lower() in told.message


def test_a_callers_identity_and_cookie_are_replaced(front: Front) -> None:
    alice = front.world.renter()
    forged = (("kycgate-account", "eip155:1:0xforged"), ("kycgate-job", "1"), ("cookie", "admin=1"))
    path = f"{CAAS}/deployment/{rented(front.world, alice)}"
    told = front.asks("GET", path, key(alice), *forged)
    assert told.headers["kycgate-account"] == alice.account
    assert (told.headers["kycgate-job"], told.headers["cookie"]) == ("", "")


def test_only_named_peers_are_heard(front: Front) -> None:
    front.peer = "192.0.2.9"
    told = front.asks("GET", READ)
    assert told.status == 403
    assert "its front only" in told.message


@pytest.mark.parametrize(
    "field", ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-original-uri"]
)
def test_a_part_said_twice_or_by_another_contracts_name_is_refused(
    front: Front, field: str
) -> None:
    told = front.asks("GET", READ, (field, "/elsewhere"))
    counts = field in CONTRACTS[front.contract].fields
    # What is no part of this contract is the caller's own, and changes nothing or is refused.
    assert told.status in ((403,) if counts or field == "x-original-uri" else (200,)) or (
        field == "x-original-uri" and told.status == 400
    )


@pytest.mark.parametrize("contract", sorted(CONTRACTS))
def test_a_missing_part_is_refused(world: World, contract: str) -> None:
    asked = CONTRACTS[contract]
    whole = {
        "host": HOST, "x-forwarded-for": "192.0.2.7", "x-forwarded-proto": "https",
        "x-original-method": "GET", "x-original-uri": READ, "x-original-host": HOST,
        "x-forwarded-method": "GET", "x-forwarded-uri": READ, "x-forwarded-host": HOST,
    }  # fmt: skip
    said = {name: whole[name] for name in asked.fields | {"host"}}
    target = f"/auth{READ}" if asked.target is None else "/auth"
    front = Front(world, contract)
    assert front.says("GET", target, tuple(said.items())).status == 200
    for name in asked.fields:
        less = tuple(field for field in said.items() if field[0] != name)
        assert front.says("GET", target, less).status == 403, name
    assert front.says("GET", "/authority", tuple(said.items())).status == 403


def test_the_address_is_the_last_one_in_the_list(world: World) -> None:
    seen: list[str] = []

    class Spy:
        def mark(self) -> None:
            return None

        def quick(self, view: Any) -> Any:
            seen.append(view.client_ip)
            return world.gate.check(view)

    front = Front(replace_gate(world, Spy()), "traefik")
    said = {
        "host": HOST, "x-forwarded-proto": "https", "x-forwarded-for": "10.9.9.9, 192.0.2.7",
        "x-forwarded-method": "GET", "x-forwarded-uri": READ, "x-forwarded-host": HOST,
    }  # fmt: skip
    assert front.says("GET", "/auth", tuple(said.items())).status == 200
    assert seen == ["192.0.2.7"]


def replace_gate(world: World, gate: Any) -> Any:
    class Other:
        now = world.now

    Other.gate = gate  # type: ignore[attr-defined]
    return Other()


def test_nginx_hears_nothing_but_200_401_and_403(world: World) -> None:
    front = Front(world, "nginx")
    problem = ("accept", "application/problem+json")
    unproven = front.asks("GET", f"{CAAS}/deployment/dep-1", problem)
    assert unproven.status == 401
    assert "www-authenticate" in unproven.headers
    alice = key(world.renter())
    assert front.asks("GET", f"{CAAS}/deployment/nobodys", alice, problem).status == 403  # 404
    assert front.asks("GET", f"{CAAS}//x", alice).status == 403  # 400
    world.memory.down = True
    dependency = front.asks("GET", f"{CAAS}/deployment/dep-2", ("x-api-key", "kg_" + "a" * 64))
    assert dependency.status == 403


@given(
    st.sampled_from(sorted(CONTRACTS)),
    st.lists(
        st.tuples(
            st.sampled_from(
                [*sorted(CONTRACTS["nginx"].fields | CONTRACTS["caddy"].fields), "host"]
            ),
            st.text(st.characters(max_codepoint=255), max_size=20),
        ),
        max_size=8,
    ),
)
def test_no_question_that_breaks_the_contract_is_a_yes(contract: str, said: list[Any]) -> None:
    told = Front(World(), contract).says("GET", "/auth", tuple(said))
    assert told.status in (401, 403)
