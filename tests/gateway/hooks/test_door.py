"""The listener itself: only named peers that show their secret, in a header, are answered."""

from __future__ import annotations

import http.client
import ipaddress
import json
import logging
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace

import pytest

from kycgate.gateway.hooks import HookDoor
from kycgate.gateway.server import start_in_thread
from tests.gateway.hooks.conftest import RUN, SECRET, Hooks, run, task
from tests.gateway.test_fronts import no_control

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")


def door(hooks: Hooks, *, peers: tuple[ipaddress.IPv4Network, ...] = (LOOPBACK,)) -> HookDoor:
    return HookDoor(
        [hooks.caller("main"), replace(hooks.caller("sky"), secret_hash=b"o" * 32)],
        peers=peers,
        body_limit=64 * 1024,
        clock=lambda: hooks.world.now,
    )


@pytest.fixture
def port(hooks: Hooks) -> Iterator[int]:
    app = door(hooks)
    with start_in_thread(app, no_control, further=[(app, ("127.0.0.1", 0))]) as running:
        yield running.ports[-1]


def basic(name: str = "main", secret: str = SECRET) -> str:
    return "Basic " + b64encode(f"{name}:{secret}".encode()).decode()


def ask(
    port: int, *auth: str, path: str = RUN, body: bytes | None = None, method: str = "POST"
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    body = json.dumps(run()).encode() if body is None else body
    connection.putrequest(method, path)
    for value in auth:
        connection.putheader("Authorization", value)
    connection.putheader("Content-Length", str(len(body)))
    connection.putheader("Content-Type", "application/json")
    connection.endheaders(body)
    reply = connection.getresponse()
    said = reply.status, reply.read()
    connection.close()
    return said


def test_a_scheduler_that_shows_its_secret_is_answered(hooks: Hooks, port: int) -> None:
    hooks.link(hooks.world.renter())
    status, said = ask(port, basic())
    assert (status, json.loads(said)["error"]) == (200, None)


@pytest.mark.parametrize(
    "auth",
    [
        (),
        ("Basic",),
        ("Basic !!",),
        (basic(secret=""),),
        (basic(secret=SECRET[:-1]),),
        (basic(name="other"),),
        (basic(name="sky"),),
        ("Bearer " + basic().split()[1],),
        (basic(), basic()),
        (basic(), basic(secret="x")),
    ],
)
def test_whoever_does_not_show_it_is_told_nothing(port: int, auth: tuple[str, ...]) -> None:
    status, said = ask(port, *auth)
    assert status == (401 if len(auth) < 2 else 400)
    assert b"spec" not in said


def test_a_secret_in_the_address_opens_nothing(port: int) -> None:
    """Both schedulers show the address they ask to their users when something fails."""
    assert ask(port, path=f"/{SECRET}{RUN}")[0] == 401
    assert ask(port, path=f"{RUN}?secret={SECRET}")[0] == 401


def test_one_scheduler_does_not_speak_for_another_kind(hooks: Hooks, port: int) -> None:
    body = json.dumps(json.dumps(task("run: x"))).encode()
    assert ask(port, basic(), path="/policy", body=body)[0] == 404


def test_a_stranger_on_the_network_is_not_heard(hooks: Hooks) -> None:
    app = door(hooks, peers=(ipaddress.ip_network("10.9.0.0/16"),))
    with start_in_thread(app, no_control, further=[(app, ("127.0.0.1", 0))]) as running:
        assert ask(running.ports[-1], basic())[0] == 403


def test_a_body_too_long_or_another_method_is_refused(port: int) -> None:
    assert ask(port, basic(), body=b" " * (64 * 1024 + 1))[0] == 413
    assert ask(port, basic(), method="PUT")[0] == 405


def test_no_secret_reaches_the_log(port: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        ask(port, basic(name="other"))
        ask(port, basic())
        ask(port, path=f"/{SECRET}{RUN}")
    assert "a hook was asked" in caplog.text
    assert SECRET not in caplog.text
    assert basic().split()[1] not in caplog.text
