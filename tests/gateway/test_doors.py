"""One table of requests, every door: proxy, WSGI and ASGI give the same verdict on each of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn

from kycgate.gateway.asgi import STATE, KycgateASGI
from kycgate.gateway.middleware import IDENTITY, KycgateWSGI
from kycgate.gateway.proxy import Proxy
from kycgate.gateway.server import start_in_thread
from kycgate.gateway.view import Forward, Headers, Reply, RequestView
from tests.gateway.wire import RawUpstream, no_control, status, talk, wait_for
from tests.gateway.world import CAAS, HOST, World, deploy
from tests.web.live import listening

ANSWER = b'{"deployment_id":"dep-1"}'


class Swap:
    """A gate port onto whichever world a test has just made; and its clock."""

    def __init__(self) -> None:
        self.world = World()

    def needs_body(self, view: RequestView) -> int | None:
        return self.world.gate.needs_body(view)

    def quick(self, view: RequestView) -> Forward | Reply | None:
        return self.world.gate.quick(view)

    def check(self, view: RequestView) -> Forward | Reply:
        return self.world.gate.check(view)

    def mark(self) -> object | None:
        return self.world.gate.mark()

    def refresh(self) -> None:
        self.world.gate.refresh()

    def too_many(self, view: RequestView) -> Reply:
        return self.world.gate.too_many(view)

    def too_large(self, view: RequestView) -> Reply:
        return self.world.gate.too_large(view)

    def clock(self) -> int:
        return self.world.now


@dataclass
class Door:
    """A listening front of one gate, and what came through it: (fields, body, account)."""

    gate: Swap
    port: int = 0
    through: list[tuple[dict[str, str], bytes, str | None]] = field(default_factory=list)


@contextmanager
def proxy(door: Door) -> Iterator[None]:
    def answer(sock: Any, seen: Any) -> None:
        rows = (row.decode("latin-1").partition(": ") for row in seen.head.split(b"\r\n")[1:])
        fields = {name.lower(): value for name, _, value in rows if name}
        door.through.append((fields, seen.body, fields.get("kycgate-account")))
        sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(ANSWER) + ANSWER)

    with RawUpstream(answer) as upstream:
        front = Proxy(door.gate, upstream.url, clock=door.gate.clock)
        with start_in_thread(front, no_control) as running:
            door.port = running.gateway_port
            yield


@contextmanager
def wsgi(door: Door) -> Iterator[None]:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        fields = {
            k[5:].replace("_", "-").lower(): v for k, v in environ.items() if k[:5] == "HTTP_"
        }
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        who = environ.get(IDENTITY)
        door.through.append((fields, body, None if who is None else who.account))
        start_response("200 OK", [("Content-Length", str(len(ANSWER)))])
        return [ANSWER]

    with listening(KycgateWSGI(app, door.gate, clock=door.gate.clock)) as origin:
        door.port = int(origin.rpartition(":")[2])
        yield


@contextmanager
def asgi(door: Door) -> Iterator[None]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        fields = {n.decode("latin-1"): v.decode("latin-1") for n, v in scope["headers"]}
        body = (await receive()).get("body", b"")
        who = scope["state"][STATE]
        door.through.append((fields, body, None if who is None else who.account))
        sized = [(b"content-length", b"%d" % len(ANSWER))]
        await send({"type": "http.response.start", "status": 200, "headers": sized})
        await send({"type": "http.response.body", "body": ANSWER})

    config = uvicorn.Config(
        KycgateASGI(app, door.gate, clock=door.gate.clock),
        port=0, lifespan="off", log_config=None, http="httptools", ws="none", proxy_headers=False,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert wait_for(lambda: server.started)
        door.port = server.servers[0].sockets[0].getsockname()[1]
        yield
    finally:
        server.should_exit = True
        thread.join()


DOORS: dict[str, Callable[[Door], AbstractContextManager[None]]] = {
    "proxy": proxy, "wsgi": wsgi, "asgi": asgi,
}  # fmt: skip


@pytest.fixture(scope="module", params=DOORS)
def listener(request: pytest.FixtureRequest) -> Iterator[Door]:
    door = Door(Swap())
    with DOORS[request.param](door):
        yield door


@pytest.fixture
def door(listener: Door) -> Door:
    listener.gate.world = World()
    listener.through.clear()
    return listener


def raw(method: str, target: str, body: bytes | None = None, *fields: tuple[str, str]) -> bytes:
    rows = [f"{method} {target} HTTP/1.1", f"Host: {HOST}", "Connection: close"]
    rows += [f"{name}: {value}" for name, value in fields]
    if body is not None:
        rows.append(f"Content-Length: {len(body)}")
        if "content-type" not in {name.lower() for name, _ in fields}:
            rows.append("Content-Type: application/json")
    return "\r\n".join(rows).encode("latin-1") + b"\r\n\r\n" + (body or b"")


def sent(view: RequestView) -> bytes:
    """A request of the in-memory world as bytes on the wire."""
    skipped = ("host", "content-length")
    fields: Headers = tuple(f for f in view.headers if f[0].lower() not in skipped)
    return raw(view.method, view.target.decode(), view.body, *fields)


def key(world: World, name: str = "alice", **claims: Any) -> tuple[str, str]:
    return ("x-api-key", world.renter(name, **claims).secret)


RENT = json.dumps(deploy()).encode()
TWICE = RENT[:-1] + b', "hardware_id": 7}'
HARDWARE, DEPLOY = f"{CAAS}/hardware", f"{CAAS}/deploy"
PROBLEM = ("Accept", "application/problem+json")

# what is asked: (world → bytes), the status the caller sees, whether it reaches the marketplace
TABLE: dict[str, tuple[Callable[[World], bytes], int, bool]] = {
    "anonymous catalogue": (lambda w: raw("GET", HARDWARE), 200, True),
    "proven catalogue": (lambda w: raw("GET", HARDWARE, None, key(w)), 200, True),
    "catalogue with a query": (lambda w: raw("GET", HARDWARE + "?a=%20b&a", None), 200, True),
    "escaped letter in a path": (lambda w: raw("GET", f"{CAAS}/h%61rdware", None), 403, False),
    "unknown key": (lambda w: raw("GET", HARDWARE, None, ("x-api-key", "kg_no")), 403, False),
    "unknown route": (lambda w: raw("GET", "/admin", None, key(w)), 403, False),
    "unknown change": (lambda w: raw("POST", "/admin", b"{}", key(w)), 403, False),
    "rent unproven": (lambda w: raw("POST", DEPLOY, RENT), 403, False),
    "rent unproven, told as a problem": (lambda w: raw("POST", DEPLOY, RENT, PROBLEM), 401, False),
    "rent unverified": (
        lambda w: raw("POST", DEPLOY, RENT, ("x-api-key", w.stranger("bob").secret)), 403, False),
    "rent": (lambda w: raw("POST", DEPLOY, RENT, key(w)), 200, True),
    "rent signed by the wallet": (
        lambda w: sent(w.renter().signs(w.view("POST", DEPLOY, RENT), nonce="n" * 12)), 200, True),
    "rent below the level": (lambda w: raw("POST", DEPLOY, RENT, key(w, level=1)), 403, False),
    "rent for a restricted parent": (
        lambda w: raw("POST", DEPLOY, RENT, key(w, ultimate="CN")), 403, False),
    "rent with a query": (lambda w: raw("POST", DEPLOY + "?x=1", RENT, key(w)), 400, False),
    "rent with a key twice": (lambda w: raw("POST", DEPLOY, TWICE, key(w)), 400, False),
    "rent as text": (
        lambda w: raw("POST", DEPLOY, RENT, key(w), ("Content-Type", "text/plain")), 400, False),
    "rent compressed": (
        lambda w: raw("POST", DEPLOY, RENT, key(w), ("Content-Encoding", "gzip")), 400, False),
    "another's machine": (
        lambda w: raw("DELETE", f"{CAAS}/deployment/dep-9", b"", key(w)), 404, False),
    "dots": (lambda w: raw("GET", f"{CAAS}/x/../hardware", None), 400, False),
    "escaped dots": (lambda w: raw("GET", f"{CAAS}/x/%2e%2e/hardware", None), 400, False),
    "doubled slash": (lambda w: raw("GET", f"{CAAS}//hardware", None), 400, False),
    "escaped slash": (lambda w: raw("GET", f"{CAAS}/x%2f..%2fhardware", None), 400, False),
    "escaped twice": (lambda w: raw("GET", f"{CAAS}/%252e%252e/hardware", None), 400, False),
    "nul": (lambda w: raw("GET", f"{HARDWARE}%00", None), 400, False),
    "method override": (
        lambda w: raw("GET", HARDWARE, None, ("X-HTTP-Method-Override", "POST")), 400, False),
    "rewritten url": (
        lambda w: raw("GET", HARDWARE, None, ("X-Original-URL", DEPLOY)), 400, False),
    "two keys": (
        lambda w: raw("GET", HARDWARE, None, key(w), key(w, "bob")), 400, False),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_every_door_gives_the_same_verdict(door: Door, name: str) -> None:
    make, expected, reaches = TABLE[name]
    answer = talk(door.port, make(door.gate.world))
    assert status(answer) == expected, answer
    assert len(door.through) == reaches


def test_every_door_hands_on_the_decided_bytes_and_who_it_is(door: Door) -> None:
    alice = door.gate.world.renter()
    forged = (("Kycgate-Account", "forged"), ("Kycgate-Assertion", "forged"))
    answer = talk(door.port, raw("POST", DEPLOY, RENT, ("x-api-key", alice.secret), *forged))
    assert b"kycgate-permit" in answer.lower()
    [(fields, body, account)] = door.through
    assert body == RENT
    assert account == fields["kycgate-account"] == alice.account
    assert fields["kycgate-assertion"].count(".") == 2
    assert "forged" not in str(fields)
    assert alice.secret not in str(fields)


def test_every_door_forwards_a_keyed_rent_once(door: Door) -> None:
    rent = raw("POST", DEPLOY, RENT, key(door.gate.world), ("Idempotency-Key", "one"))
    first, second = (talk(door.port, rent) for _ in range(2))
    assert (status(first), status(second)) == (200, 200)
    assert len(door.through) == 1
