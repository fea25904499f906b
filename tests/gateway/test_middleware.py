"""The gate inside somebody's application: same verdicts, nothing buffered, nothing to forge."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from typing import Any

import pytest
from flask import Flask, jsonify

from kycgate.gateway.flask import Kycgate, identity
from kycgate.gateway.middleware import IDENTITY, KycgateWSGI
from kycgate.gateway.view import Identity
from tests.gateway.world import CAAS, HOST, NOW, Renter, World, deploy


class App:
    """A WSGI application that notes what reached it."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        self.answer: Iterable[bytes] = [b'{"deployment_id":"dep-1"}']

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.seen.append(environ)
        length = environ.get("CONTENT_LENGTH")
        self.bodies.append(environ["wsgi.input"].read(int(length)) if length else b"")
        start_response("200 OK", [("Content-Type", "application/json")])
        return self.answer


def environ(method: str, path: str, body: bytes = b"", **extra: Any) -> dict[str, Any]:
    raw, _, query = path.partition("?")
    return {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": raw,
        "QUERY_STRING": query,
        "RAW_URI": path,
        "HTTP_HOST": HOST,
        "REMOTE_ADDR": "192.0.2.7",
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(body),
        "CONTENT_LENGTH": str(len(body)) if body else "",
        "CONTENT_TYPE": "application/json" if body else "",
    } | extra


def call(app: Any, env: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    said: list[Any] = []
    parts = app(env, lambda status, headers, exc=None: said.append((status, headers)))
    body = b"".join(parts)
    status, headers = said[-1]
    return int(status.split()[0]), dict(headers), body


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def guarded(world: World, app: App) -> KycgateWSGI:
    return KycgateWSGI(app, world.gate, clock=lambda: world.now)


def rental(renter: Renter, **extra: Any) -> dict[str, Any]:
    body = json.dumps(deploy()).encode()
    return environ("POST", f"{CAAS}/deploy", body, HTTP_X_API_KEY=renter.secret, **extra)


def test_application_gets_the_decided_bytes_and_who_it_is(
    world: World, app: App, guarded: KycgateWSGI
) -> None:
    alice = world.renter()
    status, headers, _ = call(guarded, rental(alice, HTTP_KYCGATE_ACCOUNT="forged"))
    assert status == 200
    assert "Kycgate-Permit" in headers
    seen = app.seen[0]
    who = seen[IDENTITY]
    assert isinstance(who, Identity)
    assert (who.account, who.level) == (alice.account, 2)
    assert seen["HTTP_KYCGATE_ACCOUNT"] == alice.account
    assert alice.secret not in str(seen)
    assert json.loads(app.bodies[0]) == deploy()


def test_stranger_never_reaches_the_application(app: App, guarded: KycgateWSGI) -> None:
    body = json.dumps(deploy()).encode()
    status, headers, said = call(guarded, environ("POST", f"{CAAS}/deploy", body))
    assert status == 403
    assert headers["Content-Length"] == str(len(said))
    assert app.seen == []


def test_identity_can_not_be_set_by_a_header(app: App, guarded: KycgateWSGI) -> None:
    env = environ("GET", f"{CAAS}/hardware", **{IDENTITY: "forged"})
    assert call(guarded, env)[0] == 200
    assert IDENTITY not in app.seen[0]


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/public/../hardware", f"{CAAS}/hardware"),
        (f"{CAAS}/x%2f..%2fhardware", f"{CAAS}/x/../hardware"),
        (f"/{CAAS}/hardware", f"{CAAS}/hardware"),
        (f"{CAAS}/hardware", f"{CAAS}/deployments"),
        (f"http://{HOST}{CAAS}/hardware", f"{CAAS}/deployments"),
    ],
)
def test_path_the_server_read_differently_is_refused(
    app: App, guarded: KycgateWSGI, raw: str, path: str
) -> None:
    status, _, _ = call(guarded, environ("GET", path, RAW_URI=raw))
    assert status == 400
    assert app.seen == []


@pytest.mark.parametrize(
    ("path", "status"),
    [(f"{CAAS}/hardware", 200), (f"{CAAS}/x/../hardware", 400), (f"/{CAAS}/hardware", 400),
     (f"{CAAS}/hardware\x00", 400), (f"{CAAS}/hard\\ware", 400)],
)  # fmt: skip
def test_without_the_raw_target_the_decoded_path_is_held_to_the_same_rules(
    app: App, guarded: KycgateWSGI, path: str, status: int
) -> None:
    env = environ("GET", path)
    del env["RAW_URI"]
    assert call(guarded, env)[0] == status
    assert len(app.seen) == (status == 200)


@pytest.mark.parametrize("key", ["HTTP_X_API_KEY", "HTTP_AUTHORIZATION", "HTTP_HOST"])
def test_repeated_field_joined_by_the_server_is_still_two(
    world: World, app: App, guarded: KycgateWSGI, key: str
) -> None:
    alice = world.renter()
    env = rental(alice)
    env[key] = f"{env.get(key, 'Bearer a')}, b"
    assert call(guarded, env)[0] == 400
    assert app.seen == []


def test_body_over_the_limit_is_refused_unread(
    world: World, app: App, guarded: KycgateWSGI
) -> None:
    class Unread(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise AssertionError("the body was read")

    env = rental(world.renter(), CONTENT_LENGTH="99999999")
    env["wsgi.input"] = Unread()
    assert call(guarded, env)[0] == 413
    env["CONTENT_LENGTH"] = "9" * 400
    assert call(guarded, env)[0] == 413
    assert app.seen == []


def test_chunked_body_over_the_limit_is_refused(world: World, guarded: KycgateWSGI) -> None:
    env = rental(world.renter(), CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked")
    env["wsgi.input"] = io.BytesIO(b" " * 300_000)
    env["wsgi.input_terminated"] = True
    assert call(guarded, env)[0] == 413


def test_reads_stream_part_by_part(world: World, app: App, guarded: KycgateWSGI) -> None:
    pulled: list[int] = []

    def parts() -> Iterable[bytes]:
        for number in range(3):
            pulled.append(number)
            yield b"x"

    app.answer = parts()
    env = environ("GET", f"{CAAS}/hardware", HTTP_X_API_KEY=world.renter().secret)
    answer = iter(guarded(env, lambda *_: lambda _: None))
    assert next(answer) == b"x"
    assert pulled == [0]


def test_application_that_breaks_leaves_an_unknown_outcome(world: World, app: App) -> None:
    def broken(environ: Any, start_response: Any) -> Iterable[bytes]:
        raise RuntimeError("boom")

    alice = world.renter()
    guarded = KycgateWSGI(broken, world.gate, clock=lambda: world.now)
    status, _, said = call(guarded, rental(alice))
    assert status == 403
    assert b"boom" not in said
    assert world.store.jobs_of(alice.account)[0].state == "unknown"


def test_flask_application_is_guarded_by_one_line(world: World) -> None:
    flask = Flask(__name__)

    @flask.post(f"{CAAS}/deploy")
    def rent() -> Any:
        who = identity()
        assert who is not None
        return jsonify(deployment_id="dep-7", renter=who.account)

    Kycgate(flask, gate=world.gate, clock=lambda: NOW)
    alice = world.renter()
    client = flask.test_client()
    url = f"http://{HOST}{CAAS}/deploy"
    assert client.post(url, json=deploy()).status_code == 403
    reply = client.post(url, json=deploy(), headers={"x-api-key": alice.secret})
    assert reply.status_code == 200
    assert reply.json == {"deployment_id": "dep-7", "renter": alice.account}
    assert world.store.deployment_owner("dep-7") == alice.account
