"""An answer given again is the answer that would be given now, and nobody else gets it."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from kycgate.core.claims import Action, JobRequest
from kycgate.core.policy import Mode
from kycgate.core.trust import TrustedIssuer, TrustList
from kycgate.errors import Unavailable
from kycgate.gateway.forward_auth import CONTRACTS, ForwardAuth
from kycgate.gateway.gate import Gate
from kycgate.gateway.proxy import Proxy
from kycgate.gateway.server import Running, start_in_thread
from kycgate.gateway.standing import QUESTION, StandingAnswers
from kycgate.gateway.strict import Limits
from kycgate.gateway.view import Reply
from tests.gateway.live import LiveWorld
from tests.gateway.wire import RawUpstream, no_control, status, talk, wait_for
from tests.gateway.world import CAAS, EAS_DOMAIN, HOST, ISSUER, NOW, Renter, World

POLL_S = 1
UNNAMED = {"kycgate-assertion", "kycgate-refusal", "kycgate-request"}
"""Drawn anew for each answer: they name a request, and decide nothing."""


# -- never an answer that would not be given now ---------------------------------------------------


class Told(dict[str, Any]):
    """A front's answer, without what names the single request."""


def ask(app: ForwardAuth, question: bytes) -> Told:
    """Through the application, as a front that asks for the first time."""
    secret, _, target = question.decode().partition(" ")
    own = [(b"x-api-key", secret.encode())] if secret else []
    scope = {
        "type": "http",
        "method": "GET",
        "kycgate.target": b"/auth",
        "scheme": "http",
        "client": ("127.0.0.1", 1),
        QUESTION: question,
        "headers": [
            (b"host", HOST.encode()),
            (b"x-original-method", b"GET"),
            (b"x-original-uri", target.encode()),
            (b"x-original-host", HOST.encode()),
            (b"x-forwarded-proto", b"https"),
            (b"x-forwarded-for", b"192.0.2.7"),
            *own,
        ],
    }
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    asyncio.run(app(scope, receive, send))
    fields = {name.decode(): value.decode("latin-1") for name, value in sent[0]["headers"]}
    return Told(status=sent[0]["status"], **fields)


def again(answer: bytes) -> Told:
    head, *rows = answer.decode("latin-1").split("\r\n")
    fields = dict(row.split(": ", 1) for row in rows if row)
    return Told(status=int(head.split()[1]), **fields)


def same(one: Told, other: Told) -> bool:
    named = ({k: v for k, v in each.items() if k not in UNNAMED} for each in (one, other))
    return next(named) == next(named)


JOB = JobRequest("ionet", Action.RENT, "RTX 3090", 1, 24, 100, None, None)


class CachedAnswersAreUncachedAnswers(RuleBasedStateMachine):
    """Any sequence of what can change an answer: what stands is what a new gate would say.

    A change in the store may go unnoticed for `POLL_S`. Everything else counts at once.
    """

    NAMES = ("alice", "bob", "carol")

    @initialize()
    def begin(self) -> None:
        self.world = World()
        self.noticed_by = self.world.ticks
        self.renters = {name: self.world.renter(name) for name in self.NAMES}
        key = self.world.store.keys_of(self.renters["carol"].account)[0]
        self.world.memory._keys[key.id] = replace(key, expires_at=NOW + 70)
        for name, renter in self.renters.items():
            self.world.store.own_deployment(f"dep-{name}", renter.account, b"j" * 32, at=NOW)
        self.app = self._app(self.world.gate)

    def _app(self, gate: Gate) -> ForwardAuth:
        return ForwardAuth(
            gate,
            CONTRACTS["nginx"],
            peers=[ip_network("127.0.0.0/8")],
            only=frozenset({"read", "stop"}),
            clock=lambda: self.world.now,
            threads=1,
        )

    def _changed(self) -> None:
        self.noticed_by = self.world.ticks + POLL_S

    @rule(name=st.sampled_from(NAMES))
    def revoke_a_key(self, name: str) -> None:
        account = self.renters[name].account
        (key,) = self.world.store.keys_of(account)
        self.world.store.revoke_key(account, key.id, at=self.world.now)
        self._changed()

    @rule(name=st.sampled_from(NAMES))
    def revoke_an_account(self, name: str) -> None:
        account = self.renters[name].account
        self.world.store.revoke_account(account, at=self.world.now, reason="test")
        self._changed()

    @rule(mode=st.sampled_from([Mode.OBSERVE, Mode.ENFORCE]))
    def another_policy(self, mode: Mode) -> None:
        self.world.policy = replace(self.world.policy, mode=mode)

    @rule(kind=st.sampled_from(["ours", "another's", "none"]))
    def another_trust_list(self, kind: str) -> None:
        issuer = ISSUER.address if kind == "ours" else EAS_DOMAIN.eas
        trusted = TrustedIssuer(issuer, "1.3.0", 1, EAS_DOMAIN.eas, NOW - 10**6, None)
        self.world.trust = None if kind == "none" else replace(
            TrustList.pinned(trusted), sequence=self.world.now
        )  # fmt: skip

    @rule(seconds=st.sampled_from([1, 5, 19, 20, 50, 61, 3600]))
    def time_passes(self, seconds: int) -> None:
        self.world.pass_time(seconds)

    @rule(seconds=st.sampled_from([-30, -1, 30]))
    def the_clock_is_set(self, seconds: int) -> None:
        self.world.now += seconds

    @rule()
    def the_gate_looks(self) -> None:
        self.world.gate.refresh()
        self.noticed_by = self.world.ticks

    @rule(name=st.sampled_from([*NAMES, ""]), path=st.sampled_from(["hardware", *NAMES]))
    def ask(self, name: str, path: str) -> None:
        target = f"{CAAS}/hardware" if path == "hardware" else f"{CAAS}/deployment/dep-{path}"
        secret = self.renters[name].secret if name else ""
        question = f"{secret} {target}".encode()
        standing = self.app.answers.get(question)
        told = ask(self.app, question) if standing is None else again(standing)
        if self.world.ticks >= self.noticed_by:
            fresh = ask(self._app(Gate(self.world.parts)), question)
            assert same(told, fresh), (told, fresh)

    @rule(name=st.sampled_from(NAMES))
    def explain(self, name: str) -> None:
        """What is decided about a rental is of this very moment, whatever is remembered."""
        account, now = self.renters[name].wallet.account, self.world.now
        said: list[Any] = []
        for gate in (self.world.gate, Gate(self.world.parts)):
            try:
                decision = gate.explain(account, JOB, now=now)
                said.append((type(decision), [str(each.code) for each in decision.reasons]))
            except Unavailable:
                said.append(None)
        assert said[0] == said[1]


TestCachedAnswersAreUncachedAnswers = CachedAnswersAreUncachedAnswers.TestCase
TestCachedAnswersAreUncachedAnswers.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None
)


@pytest.fixture
def machine() -> CachedAnswersAreUncachedAnswers:
    made = CachedAnswersAreUncachedAnswers()
    made.begin()
    return made


def standing(machine: CachedAnswersAreUncachedAnswers, name: str, path: str) -> bool:
    question = f"{machine.renters[name].secret} {CAAS}/{path}".encode()
    return machine.app.answers.get(question) is not None


def test_a_read_stands_and_ends_with_its_time(machine: CachedAnswersAreUncachedAnswers) -> None:
    for _ in range(2):  # the first look at the store is the first question's
        machine.ask("alice", "hardware")
        machine.world.gate.refresh()
    machine.ask("alice", "hardware")
    assert standing(machine, "alice", "hardware")
    machine.world.now += 19
    assert standing(machine, "alice", "hardware")
    machine.world.now += 1
    assert not standing(machine, "alice", "hardware")


def test_nothing_stands_once_the_key_is_revoked(machine: CachedAnswersAreUncachedAnswers) -> None:
    machine.the_gate_looks()
    machine.ask("alice", "hardware")
    assert standing(machine, "alice", "hardware")
    machine.revoke_a_key("alice")
    machine.the_gate_looks()
    assert not standing(machine, "alice", "hardware")


def test_nothing_stands_while_a_look_at_the_store_is_due(
    machine: CachedAnswersAreUncachedAnswers,
) -> None:
    machine.the_gate_looks()
    machine.ask("alice", "hardware")
    machine.world.ticks += POLL_S
    assert not standing(machine, "alice", "hardware")


def test_nothing_stands_before_it_was_said(machine: CachedAnswersAreUncachedAnswers) -> None:
    machine.the_gate_looks()
    machine.ask("alice", "hardware")
    machine.world.now -= 1
    assert not standing(machine, "alice", "hardware")


def test_nothing_stands_under_another_policy(machine: CachedAnswersAreUncachedAnswers) -> None:
    machine.the_gate_looks()
    machine.ask("", "hardware")
    question = f" {CAAS}/hardware".encode()
    assert machine.app.answers.get(question) is not None
    machine.another_policy(Mode.OBSERVE)
    assert machine.app.answers.get(question) is None


def test_a_refusal_a_stop_a_list_and_a_signed_read_never_stand(
    machine: CachedAnswersAreUncachedAnswers,
) -> None:
    machine.the_gate_looks()
    alice, world = machine.renters["alice"], machine.world
    views = [
        alice.asks("DELETE", f"{CAAS}/deployment/dep-alice"),
        alice.asks("GET", f"{CAAS}/deployments"),
        alice.asks("OPTIONS", f"{CAAS}/hardware"),
        alice.signs(alice.asks("GET", f"{CAAS}/hardware"), nonce="only-once"),
        alice.asks("GET", f"{CAAS}/hardware", b"{}"),
    ]
    for view in views:
        verdict = world.gate.check(replace(view, only=None))
        assert isinstance(verdict, Reply) or verdict.until == 0, view
    machine.ask("alice", "bob")
    assert not standing(machine, "alice", "deployment/dep-bob")


def test_a_deployment_nobody_recorded_is_asked_about_every_time(
    machine: CachedAnswersAreUncachedAnswers,
) -> None:
    """It may be recorded as somebody's at any moment, and that moves no version."""
    alice, world = machine.renters["alice"], machine.world
    world.upstream_keys[alice.account] = "alice's own"
    forward = world.forwarded(alice.asks("GET", f"{CAAS}/deployment/dep-new"))
    assert forward.until == 0


def test_what_was_decided_under_an_older_mark_is_not_kept() -> None:
    mark = [object()]
    answers = StandingAnswers(lambda: mark[0], lambda: 10.0, lambda peer: True)
    before = mark[0]
    mark[0] = object()
    answers.keep(b"q", b"a", since=10, until=20, mark=before, charge=lambda: True)
    assert answers.get(b"q") is None


def test_a_flood_of_questions_holds_little() -> None:
    mark = object()
    answers = StandingAnswers(lambda: mark, lambda: 10.0, lambda peer: True)
    for n in range(10_000):
        answers.keep(b"%d" % n, b"a", since=10, until=20, mark=mark, charge=lambda: True)
    answers.keep(b"x" * 5000, b"a", since=10, until=20, mark=mark, charge=lambda: True)
    held = [n for n in range(10_000) if answers.get(b"%d" % n) is not None]
    assert held == list(range(10_000 - 8192, 10_000))
    assert answers.get(b"x" * 5000) is None


# -- on the wire -----------------------------------------------------------------------------------


@dataclass
class Listener:
    """The real listener for nginx's questions, in front of a gate whose every check is counted."""

    world: LiveWorld
    running: Running
    app: ForwardAuth

    @property
    def port(self) -> int:
        assert self.running.beside_port is not None
        return self.running.beside_port

    def question(self, renter: Renter, path: str = f"{CAAS}/hardware", *fields: str) -> bytes:
        rows = [
            "GET /auth HTTP/1.1", "Host: gate.test", "X-Original-Method: GET",
            f"X-Original-URI: {path}", "X-Original-Host: gate.test", "X-Forwarded-Proto: http",
            "X-Forwarded-For: 192.0.2.7", f"x-api-key: {renter.secret}", *fields,
        ]  # fmt: skip
        return ("\r\n".join(rows) + "\r\n\r\n").encode()


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    with (
        RawUpstream() as market,
        closing(LiveWorld(tmp_path, market.url)) as world,
    ):
        app = ForwardAuth(
            world.gate,
            CONTRACTS["nginx"],
            peers=[ip_network("127.0.0.1")],
            only=frozenset({"read", "stop"}),
            clock=time.time,
        )
        beside = (app, ("127.0.0.1", 0))
        with start_in_thread(Proxy(world.gate, market.url), no_control, beside=beside) as running:
            yield Listener(world, running, app)


def answer(sock: socket.socket) -> bytes:
    got = b""
    while b"\r\n\r\n" not in got:
        piece = sock.recv(65536)
        assert piece, got
        got += piece
    return got


def test_the_same_question_is_answered_in_the_same_bytes_without_being_read(
    listener: Listener,
) -> None:
    question = listener.question(listener.world.renter("alice"))
    with socket.create_connection(("127.0.0.1", listener.port)) as sock:
        told = []
        for _ in range(4):
            sock.sendall(question)
            told.append(answer(sock))
    assert [status(each) for each in told] == [200] * 4
    assert wait_for(lambda: listener.app.answers.get(question) == told[-1])
    assert len(set(told)) == 1


def test_a_question_in_pieces_or_behind_another_is_read_as_ever(listener: Listener) -> None:
    alice, bob = listener.world.renter("alice"), listener.world.stranger("bob")
    question = listener.question(alice)
    with socket.create_connection(("127.0.0.1", listener.port)) as sock:
        for _ in range(3):
            sock.sendall(question)
            assert status(answer(sock)) == 200
        # A known question as the rest of an unfinished header is a part of that header.
        start = listener.question(bob, f"{CAAS}/deployment/dep-1")[:-2]
        sock.sendall(start)
        time.sleep(0.05)
        sock.sendall(question)
        assert status(answer(sock)) == 400
    with socket.create_connection(("127.0.0.1", listener.port)) as sock:
        sock.sendall(question + question)  # two at once: never run, as everywhere
        assert b"HTTP/1.1" not in answer(sock).partition(b"\r\n\r\n")[2]


def test_a_revoked_key_is_refused_on_the_wire_within_the_bound(listener: Listener) -> None:
    alice = listener.world.renter("alice")
    question = listener.question(alice)
    with socket.create_connection(("127.0.0.1", listener.port)) as sock:
        for _ in range(3):
            sock.sendall(question)
            assert status(answer(sock)) == 200
        (key,) = listener.world.store.keys_of(alice.account)
        listener.world.store.revoke_key(alice.account, key.id, at=int(time.time()))

        def refused() -> bool:
            sock.sendall(question)
            return status(answer(sock)) == 403

        assert wait_for(refused, seconds=5)


def test_a_busy_connection_outlives_the_header_and_idle_clocks(tmp_path: Path) -> None:
    """They end connections on which nothing happens; questions answered again are something."""
    limits = Limits(header_seconds=0.4, keep_alive_seconds=1)
    with RawUpstream() as market, closing(LiveWorld(tmp_path, market.url)) as world:
        app = ForwardAuth(
            world.gate,
            CONTRACTS["nginx"],
            peers=[ip_network("127.0.0.1")],
            only=frozenset({"read", "stop"}),
            clock=time.time,
        )
        beside = (app, ("127.0.0.1", 0))
        proxy = Proxy(world.gate, market.url)
        with start_in_thread(proxy, no_control, beside=beside, limits=limits) as running:
            listener = Listener(world, running, app)
            question = listener.question(world.renter("alice"))
            for _ in range(2):
                with socket.create_connection(("127.0.0.1", listener.port)) as sock:
                    for _ in range(8):
                        sock.sendall(question)
                        assert status(answer(sock)) == 200
                        time.sleep(0.2)
                    sock.settimeout(5)
                    assert sock.recv(1) == b""  # and then the idle clock ends it


def test_another_peer_hears_nothing_even_with_a_known_question(listener: Listener) -> None:
    answers = listener.app.answers
    question = listener.question(listener.world.renter("alice"))
    with socket.create_connection(("127.0.0.1", listener.port)) as sock:
        for _ in range(3):
            sock.sendall(question)
            assert status(answer(sock)) == 200
    answers.hears = lambda address: False
    listener.app._peers = ()
    assert (
        status(talk(listener.port, question.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")))
        == 403
    )
    with socket.create_connection(("127.0.0.1", listener.port)) as sock:
        sock.sendall(question)
        assert status(answer(sock)) == 403
