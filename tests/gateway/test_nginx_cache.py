"""The example that lets nginx keep decisions: what may be kept, for whom, and for how long."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

import pytest

from kycgate.demo.marketplace import Marketplace
from kycgate.gateway.forward_auth import CONTRACTS, ForwardAuth
from kycgate.gateway.proxy import Proxy
from kycgate.gateway.server import start_in_thread
from tests.gateway import fronts
from tests.gateway.live import OPERATOR_KEY, LiveWorld
from tests.gateway.wire import RawUpstream, get, no_control, status, talk
from tests.gateway.world import CAAS, Renter, deploy
from tests.tools import REPO

EXAMPLES = REPO / "examples" / "nginx"
READ = f"{CAAS}/hardware"


@dataclass
class Cached:
    """nginx with the cache, and everything it asked the gate for."""

    port: int
    world: LiveWorld
    direct: RawUpstream
    asked: list[tuple[str, bytes]] = field(default_factory=list)

    def get(self, renter: Renter | None, path: str, *fields: bytes, method: bytes = b"GET") -> int:
        if renter is not None:
            fields = (*fields, b"x-api-key: " + renter.secret.encode())
        return status(talk(self.port, get(path.encode(), *fields, method=method), seconds=20))

    def questions(self) -> int:
        """How many the gate was asked since the last call."""
        count = len(self.asked)
        self.asked.clear()
        return count


class Counting(ForwardAuth):
    """Reports every question; what it answered before is asked again all the same."""

    def __init__(self, world: LiveWorld, asked: list[tuple[str, bytes]]) -> None:
        super().__init__(
            world.gate,
            CONTRACTS["nginx"],
            peers=[ip_network("127.0.0.1")],
            only=frozenset({"read", "stop"}),
            clock=time.time,
        )
        self._asked = asked
        self.answers.hears = lambda address: False

    async def _answer(self, scope, now):  # type: ignore[no-untyped-def]
        fields = dict(scope["headers"])
        self._asked.append((fields[b"x-original-method"].decode(), fields[b"x-original-uri"]))
        return await super()._answer(scope, now)


@pytest.fixture
def cached(tmp_path: Path) -> Iterator[Cached]:
    if fronts.NGINX is None:
        pytest.skip("nginx is missing: make setup")
    asked: list[tuple[str, bytes]] = []
    with (
        Marketplace(api_key=OPERATOR_KEY) as market,
        RawUpstream() as direct,
        closing(LiveWorld(tmp_path, market.url)) as world,
    ):
        app = Counting(world, asked)
        at = fronts.asking("nginx", tmp_path)
        with start_in_thread(
            Proxy(world.gate, market.url), no_control, beside=(app, at)
        ) as running:
            (port,) = fronts.free_ports(1)
            where = fronts.places(running, at, direct.port)
            with fronts.nginx(tmp_path, where, port, example="kycgate-cache.conf"):
                yield Cached(port, world, direct, asked)


def test_the_example_is_the_other_example_and_more() -> None:
    """Every line of the plain one, in order: what is mended there is mended here."""
    plain = (EXAMPLES / "kycgate.conf").read_text().splitlines()
    rest = iter((EXAMPLES / "kycgate-cache.conf").read_text().splitlines())
    missing = [line for line in plain if "kycgate.conf" not in line and line not in rest]
    assert missing == []


def test_a_read_is_asked_about_once_for_one_key_and_arrives_every_time(cached: Cached) -> None:
    alice = cached.world.renter("alice")
    assert [cached.get(alice, READ) for _ in range(5)] == [200] * 5
    assert 1 <= cached.questions() <= 2  # a second may have passed
    assert len(cached.direct.seen) == 5
    assert {seen.values(b"x-api-key")[0] for seen in cached.direct.seen} == {OPERATOR_KEY.encode()}


def test_another_key_host_target_or_method_is_asked_about_anew(cached: Cached) -> None:
    alice, bob = cached.world.renter("alice"), cached.world.renter("bob")
    for renter, path, fields in (
        (alice, READ, ()),
        (bob, READ, ()),
        (None, READ, ()),
        (alice, f"{READ}?page=2", ()),
        (alice, f"{CAAS}/price", ()),
        (None, READ, (b"authorization: Bearer " + alice.secret.encode(),)),
    ):
        assert cached.get(renter, path, *fields) == 200
        assert cached.questions() == 1, (renter, path)
    request = get(READ.encode(), b"x-api-key: " + alice.secret.encode())
    assert status(talk(cached.port, request.replace(b"gate.test", b"other.test"))) == 200
    assert cached.questions() == 1


def test_one_accounts_yes_is_no_yes_for_anothers_deployment(cached: Cached) -> None:
    alice, mallory = cached.world.renter("alice"), cached.world.renter("mallory")
    cached.world.store.own_deployment("dep-a", alice.account, b"j" * 32, at=int(time.time()))
    path = f"{CAAS}/deployment/dep-a"
    assert cached.get(alice, path) == 200
    for fields in ((), (b"x-api-key: " + alice.secret.encode()[:-1],)):
        assert cached.get(mallory, path, *fields) in (401, 403)
    assert len(cached.direct.seen) == 1


def test_a_refusal_is_asked_about_every_time(cached: Cached) -> None:
    bob = cached.world.renter("bob")
    path = f"{CAAS}/deployment/of-somebody-else"
    for _ in range(3):
        assert cached.get(bob, path) == 403
    assert cached.questions() == 3


def test_a_signed_request_is_neither_kept_nor_answered_from_what_was(cached: Cached) -> None:
    assert cached.get(None, READ) == 200
    cached.questions()
    for _ in range(2):
        answer = cached.get(None, READ, b"signature-input: x=()", b"signature: x=:AA==:")
        assert answer in (401, 403)
    assert cached.questions() == 2


def test_a_revoked_key_is_refused_within_five_seconds(cached: Cached) -> None:
    alice = cached.world.renter("alice")
    for _ in range(3):
        assert cached.get(alice, READ) == 200
    (key,) = cached.world.store.keys_of(alice.account)
    revoked = time.monotonic()
    cached.world.store.revoke_key(alice.account, key.id, at=int(time.time()))
    while cached.get(alice, READ) == 200:
        assert time.monotonic() - revoked < 5
        time.sleep(0.1)
    assert cached.get(alice, READ) == 403


def test_what_rents_or_stops_never_meets_the_cache(cached: Cached) -> None:
    alice = cached.world.renter("alice")
    assert cached.get(alice, READ) == 200
    cached.questions()
    for method, path in (("POST", f"{CAAS}/deploy"), ("DELETE", f"{CAAS}/deployment/dep-1")):
        for _ in range(2):
            assert cached.get(alice, path, b"content-length: 0", method=method.encode()) != 200
    assert cached.questions() == 0  # the gate's proxy decides these
    assert deploy()


@pytest.mark.parametrize(
    "forged",
    [
        b"X-HTTP-Method-Override: DELETE", b"X-HTTP-Method: DELETE", b"X-Method-Override: DELETE",
        b"Kycgate-Level: 3", b"X-Kycgate-Account: forged", b"Kycgate-Assertion: forged",
        b"X-Rewrite-URL: /admin", b"X-Original-URL: /admin", b"X-Api-Key: other",
        b"Connection: x-api-key", b"X-Anything: else", b"Cookie: session=forged",
    ],
)  # fmt: skip
def test_a_kept_yes_carries_no_field_the_gate_has_not_seen(cached: Cached, forged: bytes) -> None:
    alice = cached.world.renter("alice")
    assert cached.get(alice, READ) == 200
    cached.direct.seen.clear()
    cached.get(alice, READ, forged)
    name, _, value = forged.partition(b": ")
    for seen in cached.direct.seen:
        assert value not in seen.values(name), seen.head
