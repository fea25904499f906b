"""How much one caller may ask: others are served meanwhile, and stopping is always possible."""

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
from hypothesis import given
from hypothesis import strategies as st

from kycgate.demo.marketplace import Marketplace
from kycgate.errors import Busy
from kycgate.gateway.adapters.vast import Vast
from kycgate.gateway.gate import Gate
from kycgate.gateway.lanes import Lane, Lanes
from kycgate.gateway.limits import Bucket, Buckets, Counts, Rate, Rates, neighbourhood, require
from kycgate.gateway.proxy import Proxy
from kycgate.gateway.server import start_in_thread
from kycgate.gateway.strict import Limits
from kycgate.gateway.view import Forward, Reply, RequestView
from tests.gateway.live import OPERATOR_KEY, LiveWorld
from tests.gateway.wire import (
    RawUpstream,
    ScriptedGate,
    Seen,
    body_of,
    drain,
    get,
    no_control,
    serving,
    status,
    talk,
    wait_for,
)
from tests.gateway.world import CAAS, Renter, World, deploy, field_of

TIGHT = Rates(address=Rate(1, 12), account=Rate(1, 4), unproven=Rate(1, 3), stops=Rate(1, 5))
READ = f"{CAAS}/hardware"


def bounded(rates: Rates = TIGHT) -> World:
    world = World()
    world.parts = replace(world.parts, rates=rates)
    world.gate = Gate(world.parts)
    return world


def refused_for_rate(reply: Forward | Reply) -> bool:
    return isinstance(reply, Reply) and b"Too many requests in a short time" in reply.body


# -- buckets ---------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.floats(0, 10), st.integers(1, 20)), max_size=30),
    st.integers(1, 50),
    st.integers(1, 50),
)
def test_in_no_stretch_of_time_is_more_taken_than_burst_and_rate_allow(
    arrivals: list[tuple[float, int]], per_s: int, burst: int
) -> None:
    now = [0.0]
    bucket = Bucket(Rate(per_s, burst), lambda: now[0])
    taken: list[float] = []
    for pause, count in arrivals:
        now[0] += pause
        taken += [now[0] for _ in range(count) if bucket.take()]
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            allowed = burst + per_s * (taken[last] - taken[first])
            assert last - first + 1 <= allowed + 1e-6


def test_an_empty_bucket_says_when_to_come_back_and_means_it() -> None:
    now = [0.0]
    bucket = Bucket(Rate(0.5, 1), lambda: now[0])
    assert bucket.take()
    with pytest.raises(Busy) as busy:
        require(bucket)
    now[0] += busy.value.retry_after_s
    require(bucket)


def test_a_clock_that_goes_back_gives_nothing() -> None:
    now = [100.0]
    bucket = Bucket(Rate(1, 1), lambda: now[0])
    assert bucket.take()
    now[0] = 0.0
    assert not bucket.take()


def test_a_flood_of_addresses_holds_little_and_forgets_the_silent_first() -> None:
    buckets = Buckets(Rate(1, 1), lambda: 0.0, keys=100)
    busy = buckets.of("busy")
    for n in range(1000):
        buckets.of(str(n))
        assert buckets.of("busy") is busy
    assert len(buckets._held) == 100


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("", "no address", True),
    ],
)
def test_ipv6_neighbours_count_as_one(one: str, other: str, same: bool) -> None:
    assert (neighbourhood(one) == neighbourhood(other)) is same


def test_what_is_under_way_is_counted_per_key_and_in_all() -> None:
    counts = Counts(2, 3)
    assert [counts.enter(key) for key in "aaabb"] == [True, True, False, True, False]
    counts.leave("a")
    assert counts.enter("b")
    for key in "abb":
        counts.leave(key)
    assert (counts.all, counts._held) == (0, {})


# -- the gate --------------------------------------------------------------------------------------


def test_one_abusive_account_does_not_block_another() -> None:
    world = bounded()
    alice, bob = world.renter("alice"), world.renter("bob")
    answers = [world.gate.check(alice.asks("GET", READ)) for _ in range(6)]
    assert [refused_for_rate(each) for each in answers] == [False] * 4 + [True] * 2
    assert isinstance(world.gate.check(bob.asks("GET", READ)), Forward)
    world.pass_time(1)
    assert isinstance(world.gate.check(alice.asks("GET", READ)), Forward)


def test_one_abusive_address_does_not_block_another() -> None:
    world = bounded()
    stranger = world.view("GET", READ)
    for _ in range(12):
        assert isinstance(world.gate.check(stranger), Forward)
    assert refused_for_rate(world.gate.check(stranger))
    assert isinstance(world.gate.check(replace(stranger, client_ip="198.51.100.1")), Forward)


def test_an_answer_from_memory_and_one_that_waits_are_charged_once_each() -> None:
    world = bounded()
    alice = world.renter()
    view = alice.asks("GET", READ)
    passed = 0
    for _ in range(6):
        answer = world.gate.quick(view)
        passed += isinstance(answer or world.gate.check(view), Forward)
    assert passed == 4


def test_failed_proofs_stop_before_keys_are_looked_up_and_signatures_checked() -> None:
    """Strangers can burn neither the database nor the processor."""
    world = bounded()
    alice, carol = world.renter("alice"), world.renter("carol")
    assert isinstance(world.gate.check(alice.asks("GET", READ)), Forward)
    guess = world.view("GET", READ, None, ("x-api-key", "kg_" + "x" * 40))
    for _ in range(3):
        assert not refused_for_rate(world.gate.check(guess))
    looked_up: list[bytes] = []
    real = world.store.key_by_hash
    world.store.key_by_hash = lambda digest: looked_up.append(digest) or real(digest)  # type: ignore
    assert refused_for_rate(world.gate.check(guess))
    signed = alice.signs(alice.asks("GET", READ), nonce="never-checked")
    assert refused_for_rate(world.gate.check(signed))
    assert refused_for_rate(world.gate.check(carol.asks("GET", READ)))  # not known here yet
    assert looked_up == []
    # Who is known already goes on, from the same address.
    assert isinstance(world.gate.check(alice.asks("GET", READ)), Forward)
    world.pass_time(1)
    assert isinstance(world.gate.check(carol.asks("GET", READ)), Forward)


def test_nothing_else_a_renter_or_its_neighbours_ask_keeps_it_from_stopping() -> None:
    world = bounded()
    alice = world.renter()
    deployment = json.loads(world.send(alice.rents()).body)["deployment_id"]
    for _ in range(20):
        world.gate.check(world.view("GET", READ, None, ("x-api-key", "kg_" + "x" * 40)))
        world.gate.check(alice.asks("GET", READ))
    assert refused_for_rate(world.gate.check(alice.asks("GET", READ)))
    fresh = Gate(world.parts)  # not even remembered
    for gate in (world.gate, fresh):
        stop = gate.check(alice.asks("DELETE", f"{CAAS}/deployment/{deployment}"))
        assert isinstance(stop, Forward)
        assert stop.lane == "stop"


def test_a_renting_request_beyond_the_rate_leaves_no_job() -> None:
    world = bounded()
    alice = world.renter()
    for _ in range(4):
        world.send(alice.rents())
    jobs = len(world.store.jobs_of(alice.account))
    assert refused_for_rate(world.send(alice.rents()))
    assert len(world.store.jobs_of(alice.account)) == jobs


def test_too_much_is_said_in_the_marketplaces_shape_and_429_only_where_it_is_heeded() -> None:
    for adapter, expected in ((None, 429), (Vast(search=lambda path, body: b"{}"), 403)):
        world = bounded(replace(TIGHT, address=Rate(1, 1)))
        if adapter is not None:
            world.parts = replace(world.parts, adapter=adapter)
            world.gate = Gate(world.parts)
        view = world.view("GET", READ)
        world.gate.check(view)
        reply = world.gate.check(view)
        assert isinstance(reply, Reply)
        assert reply.status == expected
        assert (field_of(reply.headers, "Retry-After") is not None) is (expected == 429)
        ours = replace(view, headers=(*view.headers[:1], ("Accept", "application/problem+json")))
        problem = world.gate.check(ours)
        assert isinstance(problem, Reply)
        assert problem.status == 429
        assert field_of(problem.headers, "Retry-After") == "1"
        assert json.loads(problem.body)["code"] == "rate_limited"


def test_refusals_for_asking_too_much_are_counted_not_written_one_by_one() -> None:
    world = bounded()
    view = world.view("GET", READ)
    for _ in range(40):
        world.gate.check(view)
    assert world.log.lines == []
    world.pass_time(61)
    world.gate.refresh()
    ((kind, said),) = world.log.lines
    assert kind == "refusals"
    assert said["counts"] == {"rate_limited": 28}


def test_an_answer_that_stands_is_charged_like_any_other() -> None:
    """Known questions are cheap, not free: an account's own limit holds for them."""
    world = bounded()
    alice = world.renter()
    forward = world.forwarded(alice.asks("GET", READ))
    assert forward.charge is not None
    assert [forward.charge() for _ in range(5)] == [True] * 3 + [False] * 2


# -- the running gate ------------------------------------------------------------------------------


class SlowMarket:
    """An upstream whose answers wait until they are let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.upstream = RawUpstream(self._answer)

    def _answer(self, sock: socket.socket, seen: Seen) -> None:
        self.go.wait(10)
        sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")


@pytest.fixture
def market() -> Iterator[SlowMarket]:
    slow = SlowMarket()
    with slow.upstream:
        yield slow
        slow.go.set()


def ask(port: int, renter: Renter, path: str = READ, method: bytes = b"GET") -> bytes:
    key = b"x-api-key: " + renter.secret.encode()
    return talk(port, get(path.encode(), key, method=method), seconds=15)


def test_what_one_account_has_under_way_leaves_room_for_others_and_for_its_own_stops(
    tmp_path: Path, market: SlowMarket
) -> None:
    lanes = Lanes(usual=Lane(3, 100), stop=Lane(3, 100))
    with (
        closing(LiveWorld(tmp_path, market.upstream.url)) as world,
        start_in_thread(Proxy(world.gate, market.upstream.url, lanes=lanes), no_control) as running,
    ):
        alice, bob = world.renter("alice"), world.renter("bob")
        world.store.own_deployment("dep-1", alice.account, b"j" * 32, at=int(time.time()))
        port = running.gateway_port
        answers: list[bytes] = []

        def send(*args: object) -> threading.Thread:
            thread = threading.Thread(target=lambda: answers.append(ask(port, *args)))  # type: ignore
            thread.start()
            return thread

        threads = [send(alice) for _ in range(3)]
        assert wait_for(lambda: len(market.upstream.seen) == 3)
        full = ask(port, alice)
        assert status(full) == 429
        assert b"still running" in body_of(full)
        threads += [send(bob), send(alice, f"{CAAS}/deployment/dep-1", b"DELETE")]
        assert wait_for(lambda: len(market.upstream.seen) == 5)
        market.go.set()
        for thread in threads:
            thread.join()
        assert [status(each) for each in answers] == [200] * 5
        assert status(ask(port, alice)) == 200  # and the room is free again


def test_a_rental_that_finds_no_room_is_on_record_as_never_sent(tmp_path: Path) -> None:
    with (
        Marketplace(api_key=OPERATOR_KEY) as market,
        closing(LiveWorld(tmp_path, market.url)) as world,
        start_in_thread(
            Proxy(world.gate, market.url, lanes=Lanes(usual=Lane(0, 0))), no_control
        ) as running,
    ):
        alice = world.renter("alice")
        body = json.dumps(deploy()).encode()
        head = get(
            f"{CAAS}/deploy".encode(),
            b"x-api-key: " + alice.secret.encode(),
            b"content-type: application/json",
            b"content-length: %d" % len(body),
            method=b"POST",
        )
        assert status(talk(running.gateway_port, head + body)) == 403
        (job,) = world.store.jobs_of(alice.account)
        assert job.state == "answered"
        assert market.deployments == {}


def test_one_address_can_not_take_every_connection() -> None:
    limits = Limits(connections_per_address=3, fronts=())
    with RawUpstream() as upstream, serving(ScriptedGate(), upstream.url, limits=limits) as running:
        held = [socket.create_connection(("127.0.0.1", running.gateway_port)) for _ in range(3)]
        time.sleep(0.1)
        with socket.create_connection(("127.0.0.1", running.gateway_port), timeout=5) as one_more:
            assert drain(one_more) == b""
        other = socket.create_connection(
            ("127.0.0.1", running.gateway_port), source_address=("127.0.0.2", 0), timeout=5
        )
        with other:
            other.sendall(get(b"/"))
            assert status(drain(other)) == 200
        for each in held:
            each.close()
        assert wait_for(lambda: status(talk(running.gateway_port, get(b"/"))) == 200)


def test_a_front_may_hold_many_connections() -> None:
    limits = Limits(connections_per_address=1)
    with RawUpstream() as upstream, serving(ScriptedGate(), upstream.url, limits=limits) as running:
        held = [socket.create_connection(("127.0.0.1", running.gateway_port)) for _ in range(5)]
        assert status(talk(running.gateway_port, get(b"/"))) == 200
        for each in held:
            each.close()


def test_a_body_that_drips_in_is_cut_off_though_it_never_falls_silent() -> None:
    limits = Limits(body_seconds=0.5, body_bytes_per_second=100)
    with RawUpstream() as upstream, serving(ScriptedGate(), upstream.url, limits=limits) as running:
        with socket.create_connection(("127.0.0.1", running.gateway_port), timeout=5) as sock:
            sock.sendall(b"PUT / HTTP/1.1\r\nHost: g.test\r\nContent-Length: 1000\r\n\r\n")
            with pytest.raises(ConnectionError):
                _drip(sock, times=100)
        assert upstream.seen == []


def _drip(sock: socket.socket, *, times: int) -> None:
    for _ in range(times):
        sock.sendall(b"x")
        time.sleep(0.05)


def test_a_steady_body_is_read_however_long_it_takes() -> None:
    limits = Limits(body_seconds=0.3, body_bytes_per_second=100)
    with RawUpstream() as upstream, serving(ScriptedGate(), upstream.url, limits=limits) as running:
        with socket.create_connection(("127.0.0.1", running.gateway_port), timeout=5) as sock:
            sock.sendall(b"PUT / HTTP/1.1\r\nHost: g.test\r\nConnection: close\r\n")
            sock.sendall(b"Content-Length: 400\r\n\r\n")
            for _ in range(20):
                sock.sendall(b"x" * 20)
                time.sleep(0.05)
            assert status(drain(sock)) == 200
        assert [seen.body for seen in upstream.seen] == [b"x" * 400]


def test_a_view_of_nobody_gets_an_answer_too() -> None:
    """A door that knows no address (a Unix socket) puts everybody there into one bucket."""
    world = bounded()
    view: RequestView = replace(world.view("GET", READ), client_ip="")
    answers = [world.gate.check(view) for _ in range(13)]
    assert [refused_for_rate(each) for each in answers] == [False] * 12 + [True]
