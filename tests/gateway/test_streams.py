"""Long answers flow as they come, are few, and end with the clearance or the key behind them."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from kycgate.core.policy import Mode
from kycgate.core.trust import TrustedIssuer, TrustList
from kycgate.errors import Unavailable
from kycgate.gateway.lanes import Lane, Lanes
from kycgate.gateway.proxy import Proxy
from kycgate.gateway.server import Running, start_in_thread
from kycgate.gateway.view import Forward, Reply
from tests.gateway.live import LiveWorld
from tests.gateway.wire import RawUpstream, Seen, body_of, drain, get, no_control, status
from tests.gateway.world import CAAS, EAS_DOMAIN, NOW, Renter, World

LOG = f"{CAAS}/deployment/dep-1/log/container-1"
BOUND_S = 5
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"


# -- the gate --------------------------------------------------------------------------------------


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def alice(world: World) -> Renter:
    renter = world.renter("alice")
    world.store.own_deployment("dep-1", renter.account, b"j" * 32, at=NOW)
    return renter


def opened(world: World, renter: Renter) -> Forward:
    forward = world.forwarded(renter.asks("GET", LOG))
    assert forward.goes_on is not None
    return forward


def test_a_long_answer_has_a_lane_of_its_own_and_is_asked_about_again(
    world: World, alice: Renter
) -> None:
    forward = opened(world, alice)
    assert (forward.lane, forward.until) == ("long", 0)
    assert forward.identity is not None
    assert forward.identity.expires_at == NOW + 86_400  # the attestation, before the key
    assert world.gate.quick(alice.asks("GET", LOG)) is None  # never from memory alone


def test_it_goes_on_while_the_attestation_is_renewed(world: World, alice: Renter) -> None:
    forward = opened(world, alice)
    assert forward.goes_on is not None
    world.pass_time(80_000)
    world.attest(alice)
    assert forward.goes_on(world.now) == world.now + 86_400


def test_it_ends_with_the_attestation_that_is_not_renewed(world: World, alice: Renter) -> None:
    forward = opened(world, alice)
    assert forward.goes_on is not None
    assert forward.goes_on(NOW + 86_399) == NOW + 86_400
    assert forward.goes_on(NOW + 86_400) == 0


def revoke_account(world: World, alice: Renter) -> None:
    world.store.revoke_account(alice.account, at=world.now, reason="test")


def revoke_key(world: World, alice: Renter) -> None:
    (key,) = world.store.keys_of(alice.account)
    world.store.revoke_key(alice.account, key.id, at=world.now)


def revoke_issuer(world: World, alice: Renter) -> None:
    signed = world.issued[alice.wallet.account]
    world.store.revoke_issuer("0x" + signed.signer.hex(), at=world.now, reason="test")


def distrust(world: World, alice: Renter) -> None:
    other = TrustedIssuer(EAS_DOMAIN.eas, "1.3.0", 1, EAS_DOMAIN.eas, NOW - 10**6, None)
    world.trust = replace(TrustList.pinned(other), sequence=9)


@pytest.mark.parametrize("ends", [revoke_account, revoke_key, revoke_issuer, distrust])
def test_it_ends_with_what_it_stood_on(world: World, alice: Renter, ends: object) -> None:
    forward = opened(world, alice)
    assert forward.goes_on is not None
    ends(world, alice)  # type: ignore[operator]
    world.ticks += 1
    assert forward.goes_on(world.now) == 0
    assert isinstance(world.gate.check(alice.asks("GET", LOG)), Reply)  # nor does it begin again


def test_a_signed_request_opens_one_for_as_long_as_the_account_is_cleared(
    world: World, alice: Renter
) -> None:
    """Its signature was for a minute, and was spent on opening it."""
    forward = world.forwarded(alice.signs(alice.asks("GET", LOG), nonce="only-once"))
    assert forward.goes_on is not None
    assert forward.goes_on(NOW + 600) == NOW + 86_400
    revoke_account(world, alice)
    world.ticks += 1
    assert forward.goes_on(NOW + 600) == 0


def test_while_nobody_knows_the_last_answer_stands(world: World, alice: Renter) -> None:
    forward = opened(world, alice)
    assert forward.goes_on is not None
    world.trust = None
    with pytest.raises(Unavailable):
        forward.goes_on(NOW)


def test_the_uncleared_open_none_and_read_everything_else(world: World) -> None:
    bob = world.stranger("bob")
    world.store.own_deployment("dep-1", bob.account, b"j" * 32, at=NOW)
    reply = world.gate.check(bob.asks("GET", LOG))
    assert isinstance(reply, Reply)
    assert "not verified yet" in json.loads(reply.body)["error"]
    assert isinstance(world.gate.check(bob.asks("GET", f"{CAAS}/deployment/dep-1")), Forward)


def test_observing_cuts_nobody(world: World) -> None:
    world.policy = replace(world.policy, mode=Mode.OBSERVE)
    bob = world.stranger("bob")
    world.store.own_deployment("dep-1", bob.account, b"j" * 32, at=NOW)
    assert opened(world, bob).lane == "long"


def test_a_door_that_can_not_cut_it_off_does_not_pass_it(world: World, alice: Renter) -> None:
    blind = replace(alice.asks("GET", LOG), only=frozenset({"read", "stop"}))
    reply = world.gate.check(blind)
    assert isinstance(reply, Reply)
    assert b"own proxy" in reply.body


# -- on the wire -----------------------------------------------------------------------------------


class Talking:
    """An upstream that says something ten times a second until it is hung up on."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.ended = threading.Event()
        self.upstream = RawUpstream(self._talk)

    def _talk(self, sock: socket.socket, seen: Seen) -> None:
        try:
            sock.sendall(HEAD)
            while not self.over.wait(0.1):
                sock.sendall(b"data: tick\n\n")
        except OSError:
            self.ended.set()


@pytest.fixture
def talking() -> Iterator[Talking]:
    market = Talking()
    with market.upstream:
        yield market
        market.over.set()


@pytest.fixture
def live(tmp_path: Path, talking: Talking) -> Iterator[tuple[LiveWorld, Running]]:
    with closing(LiveWorld(tmp_path, talking.upstream.url)) as world:
        proxy = Proxy(world.gate, talking.upstream.url, lanes=Lanes(long=Lane(2, 3)))
        with start_in_thread(proxy, no_control) as running:
            yield world, running


def renter(world: LiveWorld, name: str) -> tuple[Renter, bytes]:
    who = world.renter(name)
    world.store.own_deployment(f"dep-{name}", who.account, b"j" * 32, at=int(time.time()))
    path = f"{CAAS}/deployment/dep-{name}/log/c".encode()
    return who, get(path, b"x-api-key: " + who.secret.encode())


def listen(running: Running, request: bytes) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", running.gateway_port), timeout=BOUND_S + 5)
    sock.sendall(request)
    return sock


def test_it_flows_as_it_comes(live: tuple[LiveWorld, Running]) -> None:
    world, running = live
    _, request = renter(world, "alice")
    with listen(running, request) as sock:
        seen = []
        for _ in range(4):
            sock.recv(65536)
            seen.append(time.monotonic())
        assert seen[-1] - seen[0] < 2


@pytest.mark.parametrize("what", ["account", "key"])
def test_it_is_cut_off_within_the_bound_once_revoked(
    live: tuple[LiveWorld, Running], talking: Talking, what: str
) -> None:
    world, running = live
    alice, request = renter(world, "alice")
    with listen(running, request) as sock:
        assert status(sock.recv(65536)) == 200
        revoked = time.monotonic()
        (revoke_account if what == "account" else revoke_key)(world, alice)
        rest = drain(sock)
        assert time.monotonic() - revoked < BOUND_S
        assert not rest.endswith(b"0\r\n\r\n")  # nobody takes it for whole
        assert talking.ended.wait(5)


def test_it_is_cut_off_when_its_time_is_up(live: tuple[LiveWorld, Running]) -> None:
    world, running = live
    alice, request = renter(world, "alice")
    world.now = int(time.time())
    world.attest(alice, life_s=3)
    with listen(running, request) as sock:
        begun = time.monotonic()
        assert status(drain(sock)) == 200
        assert time.monotonic() - begun < BOUND_S


def test_a_few_per_account_and_in_all_and_reads_go_on(live: tuple[LiveWorld, Running]) -> None:
    world, running = live
    _, alices = renter(world, "alice")
    _, bobs = renter(world, "bob")
    held = []
    for request in (alices, alices, bobs):
        held.append(listen(running, request))
        assert status(held[-1].recv(65536)) == 200
    for request in (alices, bobs):
        with listen(running, request) as one_more:
            answer = drain(one_more)
            assert status(answer) == 429
            assert b"still running" in body_of(answer)
    held[0].close()
    end = time.monotonic() + 5
    while True:
        again = listen(running, bobs)
        if status(again.recv(65536)) == 200:
            break
        again.close()
        assert time.monotonic() < end
        time.sleep(0.1)
    for each in (*held[1:], again):
        each.close()
