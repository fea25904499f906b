"""What the marketplace is told, signed, and that it acts on nothing else."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from kycgate.core.assertion import (
    EMPTY,
    HEADER,
    JWKS_PATH,
    LIFE_S,
    Assertion,
    AssertionKeys,
    ValidAssertion,
    verify,
)
from kycgate.errors import Unavailable
from kycgate.gateway.asserted import ASSERTION, PinnedKeys, PublishedKeys, RequireAssertion
from kycgate.gateway.gate import Gate
from kycgate.gateway.view import Forward, Reply
from tests.gateway.test_middleware import App, call, environ
from tests.gateway.world import ASSERTER, CAAS, HOST, NOW, UPSTREAM, World, deploy, field_of

GATE = f"https://{HOST}"
KEYS = AssertionKeys((ASSERTER.public,))


def said(forward: Forward, *, body: bytes | None = None, now: int = NOW) -> Assertion:
    """What the upstream reads from a forward; fails unless it verifies."""
    verdict = verify(
        field_of(forward.headers, HEADER),
        keys=KEYS,
        issuer=GATE,
        audience=UPSTREAM,
        method=forward.method,
        target=forward.target,
        body=forward.body or b"" if body is None else body,
        now=now,
    )
    assert isinstance(verdict, ValidAssertion), verdict
    return verdict.assertion


# -- what the gate says ----------------------------------------------------------------------------


def test_a_rental_is_asserted_with_its_decision_job_and_body(world: World) -> None:
    alice = world.renter()
    forward = world.forwarded(alice.rents())
    assertion = said(forward)
    [job] = world.store.jobs_of(alice.account)
    assert (assertion.id, assertion.job) == (job.decision_id, job.id)
    assert assertion.account == alice.account
    assert assertion.body == hashlib.sha256(forward.body or b"").digest()
    assert assertion.expires_at - assertion.issued_at == LIFE_S


def test_a_read_of_a_proven_caller_is_asserted_with_an_id_of_its_own(world: World) -> None:
    renters = {name: world.renter(name) for name in ("alice", "bob")}
    reads = [
        said(world.forwarded(renters[name].asks("GET", f"{CAAS}/{path}")))
        for name, path in (("alice", "hardware"), ("bob", "hardware"), ("alice", "price"))
    ]
    assert [each.job for each in reads] == [None] * 3
    assert [each.body for each in reads] == [EMPTY] * 3
    assert len({each.id for each in reads}) == 3


def test_the_same_read_is_asserted_in_the_same_words_while_they_are_young(world: World) -> None:
    """The oldest is told with two thirds of its life left, and never after a clock went back."""
    alice = world.renter()
    ids = []
    for seconds in (0, 19, 1, 19, 1, -5):
        world.now += seconds
        assertion = said(world.forwarded(alice.asks("GET", f"{CAAS}/hardware")), now=world.now)
        assert world.now - 20 < assertion.issued_at <= world.now
        ids.append(assertion.id)
    assert ids[0] == ids[1] != ids[2] == ids[3] != ids[4] != ids[5]


def test_what_may_change_something_is_asserted_anew_each_time(world: World) -> None:
    alice = world.renter()
    deployment = json.loads(world.send(alice.rents()).body)["deployment_id"]
    stops = [
        world.forwarded(alice.asks("DELETE", f"{CAAS}/deployment/{deployment}")) for _ in range(2)
    ]
    tokens = {field_of(forward.headers, HEADER) for forward in stops}
    assert len(tokens) == 2


def test_a_read_whose_body_streams_past_is_asserted_without_its_digest(world: World) -> None:
    fields = (("x-api-key", world.renter().secret), ("Content-Length", "5"))
    view = world.view("GET", f"{CAAS}/hardware", None, *fields)
    assert said(world.forwarded(view), body=b"12345").body is None


def test_a_stop_is_read_whole_and_asserted_with_its_body(world: World) -> None:
    alice = world.renter()
    world.send(alice.rents())
    [deployment] = world.store.deployments_of(alice.account)
    key = ("x-api-key", alice.secret)
    view = world.view("DELETE", f"{CAAS}/deployment/{deployment}", None, key)
    assert world.gate.needs_body(view) is not None
    assert said(world.forwarded(replace(view, body=b""))).body == EMPTY


def test_an_anonymous_read_carries_no_assertion(world: World) -> None:
    forward = world.forwarded(world.view("GET", f"{CAAS}/hardware"))
    assert field_of(forward.headers, HEADER) is None


@pytest.mark.parametrize(
    "name",
    ["Kycgate-Assertion", "kycgate-assertion", "KYCGATE-ASSERTION", "X-Kycgate-Assertion",
     "Kycgate_Assertion", "kycgate.assertion", "Kycgate-_Assertion"],
)  # fmt: skip
@pytest.mark.parametrize("proven", [True, False])
def test_an_assertion_sent_by_the_caller_never_reaches_upstream(
    world: World, name: str, proven: bool
) -> None:
    proof = (("x-api-key", world.renter().secret),) if proven else ()
    forged = (name, "forged"), (name, "forged")
    verdict = world.gate.check(world.view("GET", f"{CAAS}/hardware", None, *proof, *forged))
    if isinstance(verdict, Reply):
        assert verdict.status == 400
        return
    assert "forged" not in str(verdict.headers)
    assert (field_of(verdict.headers, HEADER) is not None) is proven


def test_connection_can_not_take_the_assertion_away(world: World) -> None:
    fields = (("x-api-key", world.renter().secret), ("Connection", "Kycgate-Assertion"))
    said(world.forwarded(world.view("GET", f"{CAAS}/hardware", None, *fields)))


def test_the_gate_publishes_its_keys_to_anybody(world: World) -> None:
    reply = world.send(world.view("GET", JWKS_PATH))
    assert reply.status == 200
    assert AssertionKeys.from_jwks(reply.body) == KEYS
    assert world.upstream.received == []


def test_a_gate_without_an_assertion_key_signs_nothing(world: World) -> None:
    world.gate = Gate(replace(world.parts, asserter=None, jwks=AssertionKeys(()).to_jwks()))
    forward = world.forwarded(world.renter().rents())
    assert field_of(forward.headers, HEADER) is None
    assert json.loads(world.send(world.view("GET", JWKS_PATH)).body) == {"keys": []}


# -- what the marketplace does with it -------------------------------------------------------------


@pytest.fixture
def app() -> App:
    return App()


def guarded(app: Any, keys: Any = None, now: int = NOW) -> RequireAssertion:
    pinned = keys or PinnedKeys(KEYS)
    return RequireAssertion(app, gate=GATE, audience=UPSTREAM, keys=pinned, clock=lambda: now)


def arriving(forward: Forward, body: bytes | None = None) -> dict[str, Any]:
    """A forward as the marketplace's server shows it to the application."""
    content = forward.body or b"" if body is None else body
    named = {f"HTTP_{key.upper().replace('-', '_')}": value for key, value in forward.headers}
    return environ(forward.method, forward.target.decode(), content) | named


def test_a_rental_from_the_gate_reaches_the_application_once(world: World, app: App) -> None:
    alice = world.renter()
    forward = world.forwarded(alice.rents())
    door = guarded(app)
    assert call(door, arriving(forward))[0] == 200
    assert app.seen[0][ASSERTION].account == alice.account
    assert json.loads(app.bodies[0]) == deploy()
    status, _, told = call(door, arriving(forward))
    assert (status, json.loads(told)["code"]) == (403, "assertion_replayed")
    assert len(app.seen) == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "BREW"])
def test_a_change_that_did_not_pass_the_gate_is_refused(app: App, method: str) -> None:
    env = environ(method, f"{CAAS}/deploy", b"{}", **{ASSERTION: "forged"})
    status, _, told = call(guarded(app), env)
    assert (status, json.loads(told)["code"]) == (403, "assertion_missing")
    assert app.seen == []


def test_another_body_path_or_minute_under_a_real_assertion_is_refused(
    world: World, app: App
) -> None:
    forward = world.forwarded(world.renter().rents())
    assert call(guarded(app), arriving(forward, b'{"gpus": 800}'))[0] == 403
    assert call(guarded(app), arriving(forward) | {"RAW_URI": f"{CAAS}/x"})[0] == 403
    assert call(guarded(app), arriving(forward) | {"REQUEST_METHOD": "PUT"})[0] == 403
    assert call(guarded(app, now=NOW + LIFE_S), arriving(forward))[0] == 403
    assert app.seen == []


def test_a_read_may_come_without_one_but_not_with_a_false_one(app: App) -> None:
    read = environ("GET", f"{CAAS}/hardware", **{ASSERTION: "forged"})
    assert call(guarded(app), dict(read))[0] == 200
    assert ASSERTION not in app.seen[0]
    assert call(guarded(app), read | {"HTTP_KYCGATE_ASSERTION": "a.b.c"})[0] == 403
    assert len(app.seen) == 1


def test_a_body_over_the_limit_is_refused(world: World, app: App) -> None:
    door = RequireAssertion(
        app, gate=GATE, audience=UPSTREAM, keys=PinnedKeys(KEYS), body_limit=8, clock=lambda: NOW
    )
    assert call(door, arriving(world.forwarded(world.renter().rents())))[0] == 413


# -- keys fetched from the gate --------------------------------------------------------------------


class Published:
    """A gate's key page."""

    def __init__(self) -> None:
        self.keys: AssertionKeys | None = KEYS
        self.asked: list[str] = []

    def __call__(self, url: str) -> bytes:
        self.asked.append(url)
        if self.keys is None:
            raise Unavailable("down")
        return self.keys.to_jwks()


def test_keys_are_fetched_once_and_again_when_a_new_one_signs(world: World, app: App) -> None:
    page = Published()
    page.keys = AssertionKeys(())
    source = PublishedKeys(GATE, fetch=page)
    forward = world.forwarded(world.renter().rents())
    assert call(guarded(app, source), arriving(forward))[0] == 403
    page.keys = KEYS
    assert call(guarded(app, source, NOW + 5), arriving(forward))[0] == 403
    assert page.asked == [f"{GATE}{JWKS_PATH}"]
    assert call(guarded(app, source, NOW + 10), arriving(forward))[0] == 200
    assert len(page.asked) == 2


def test_a_key_no_longer_published_counts_five_minutes_and_silence_is_no_key() -> None:
    page = Published()
    source = PublishedKeys(GATE, fetch=page)
    assert source.current(NOW) == KEYS
    page.keys = None
    assert source.current(NOW + 299) == KEYS
    with pytest.raises(Unavailable):
        source.current(NOW + 300)


def test_without_keys_a_change_is_refused_as_unavailable(world: World, app: App) -> None:
    page = Published()
    page.keys = None
    door = guarded(app, PublishedKeys(GATE, fetch=page))
    assert call(door, arriving(world.forwarded(world.renter().rents())))[0] == 503
    assert app.seen == []


def test_a_chunked_body_the_server_can_not_end_is_taken_for_none(world: World) -> None:
    seen: list[bytes] = []

    def app(env: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        seen.append(env["wsgi.input"].read())
        start_response("200 OK", [])
        return [b""]

    forward = world.forwarded(world.renter().rents())
    env = arriving(forward) | {"CONTENT_LENGTH": "", "wsgi.input": io.BytesIO(b"hidden")}
    assert call(guarded(app), env)[0] == 403
    assert seen == []
