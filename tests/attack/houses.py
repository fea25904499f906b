"""Every front and server the gate runs behind or inside here, each with a marketplace that writes
down what reached it and a gate that writes down what it judged.

One world in each: `alice` is verified, `bob` has a key and no attestation. Both journals are files,
so that a server in a process of its own is read like one in a thread.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import uvicorn

from kycgate.gateway.asgi import STATE, KycgateASGI
from kycgate.gateway.forward_auth import CONTRACTS, ForwardAuth
from kycgate.gateway.middleware import IDENTITY, KycgateWSGI
from kycgate.gateway.proxy import Proxy
from kycgate.gateway.server import start_in_thread
from kycgate.gateway.view import Forward, GatePort, Reply, RequestView
from tests.gateway import fronts
from tests.gateway.wire import RawUpstream, Seen, no_control, talk, wait_for
from tests.gateway.world import World
from tests.tools import REPO

ANSWER = b'{"deployment_id":"dep-1","data":{"deployments":[],"total":0}}'
"""A rental and a listing at once, so that every route is answered as its adapter reads it."""
OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(ANSWER),
    ANSWER,
)


@dataclass(frozen=True)
class Arrived:
    """One request as the marketplace read it."""

    method: str
    target: bytes
    fields: tuple[tuple[str, str], ...]
    body: bytes
    account: str | None

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key.lower() == name]


@dataclass(frozen=True)
class Judged:
    """One request as the gate read it, and whether it let it through."""

    method: str
    target: bytes
    body: bytes | None
    forwarded: bool


class Journal:
    """What happened, a line each, appended whole: threads and processes may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0

    def write(self, *row: Any) -> None:
        with self._path.open("ab", buffering=0) as out:
            out.write(json.dumps(row).encode() + b"\n")

    def take(self) -> list[list[Any]]:
        """What is new since the last call."""
        if not self._path.exists():
            return []
        data = self._path.read_bytes()
        fresh, self._read = data[self._read :], len(data)
        return [json.loads(line) for line in fresh.splitlines()]


class Watched:
    """A gate port that writes down every verdict it gives."""

    def __init__(self, gate: GatePort, journal: Journal) -> None:
        self._gate = gate
        self._journal = journal

    def needs_body(self, view: RequestView) -> int | None:
        return self._gate.needs_body(view)

    def quick(self, view: RequestView) -> Forward | Reply | None:
        return self._note(view, self._gate.quick(view))

    def check(self, view: RequestView) -> Forward | Reply:
        verdict = self._note(view, self._gate.check(view))
        assert verdict is not None
        return verdict

    def mark(self) -> object | None:
        return self._gate.mark()

    def refresh(self) -> None:
        self._gate.refresh()

    def too_many(self, view: RequestView) -> Reply:
        return self._gate.too_many(view)

    def too_large(self, view: RequestView) -> Reply:
        return self._gate.too_large(view)

    def _note(self, view: RequestView, verdict: Forward | Reply | None) -> Forward | Reply | None:
        if isinstance(verdict, Forward):
            return self._let_through(verdict)
        if verdict is not None:
            self._journal.write(view.method, view.target.decode("latin-1"), None, False)
        return verdict

    def _let_through(self, verdict: Forward) -> Forward:
        """What a door lets through again, because it stands, is written down again."""
        body = None if verdict.body is None else verdict.body.hex()

        def note() -> None:
            self._journal.write(verdict.method, verdict.target.decode("latin-1"), body, True)

        def again() -> bool:
            note()
            return verdict.charge is None or verdict.charge()

        note()
        return replace(verdict, charge=again)


@dataclass
class House:
    """One combination, running."""

    name: str
    folder: Path
    world: World = field(default_factory=World)
    port: int = 0
    says: frozenset[int] = frozenset()
    """answers of this house's own beside those every house may give"""

    def __post_init__(self) -> None:
        self.arrivals = Journal(self.folder / "arrived")
        self.verdicts = Journal(self.folder / "judged")
        self.gate = Watched(self.world.gate, self.verdicts)
        self.alice = self.world.renter("alice")
        self.bob = self.world.stranger("bob")

    def clock(self) -> int:
        return self.world.now

    def send(self, data: bytes, *, seconds: float = 5.0) -> bytes:
        return talk(self.port, data, seconds=seconds)

    def arrived(self) -> list[Arrived]:
        return [
            Arrived(m, t.encode("latin-1"), tuple(map(tuple, f)), bytes.fromhex(b), who)
            for m, t, f, b, who in self.arrivals.take()
        ]

    def judged(self) -> list[Judged]:
        return [
            Judged(m, t.encode("latin-1"), None if b is None else bytes.fromhex(b), ok)
            for m, t, b, ok in self.verdicts.take()
        ]


# -- marketplaces that write down what they read ---------------------------------------------------


@contextmanager
def _upstream(house: House) -> Iterator[RawUpstream]:
    def answer(sock: Any, seen: Seen) -> None:
        rows = (row.decode("latin-1").partition(":") for row in seen.head.split(b"\r\n")[1:])
        fields = [(name, value.strip()) for name, _, value in rows if name]
        who = next((v for n, v in fields if n.lower() == "kycgate-account" and v), None)
        method, target = seen.line.decode("latin-1").split(" ")[:2]
        house.arrivals.write(method, target, fields, seen.body.hex(), who)
        sock.sendall(OK)

    with RawUpstream(answer) as upstream:
        yield upstream


def wsgi_app(house: House) -> Any:
    """The marketplace's own WSGI application behind the middleware."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        fields = [
            (k[5:].replace("_", "-").lower(), v) for k, v in environ.items() if k[:5] == "HTTP_"
        ]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        target = environ.get("RAW_URI") or environ.get("REQUEST_URI") or environ["PATH_INFO"]
        who = environ.get(IDENTITY)
        house.arrivals.write(
            environ["REQUEST_METHOD"], target, fields, body.hex(), who and who.account
        )
        start_response("200 OK", [("Content-Length", str(len(ANSWER)))])
        return [ANSWER]

    return KycgateWSGI(app, house.gate, clock=house.clock)


def asgi_app(house: House) -> Any:
    """The marketplace's own ASGI application behind the middleware."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        fields = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"]]
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        query = scope["query_string"]
        target = (scope["raw_path"] + (b"?" + query if query else b"")).decode("latin-1")
        who = scope["state"][STATE]
        house.arrivals.write(scope["method"], target, fields, body.hex(), who and who.account)
        sized = [(b"content-length", b"%d" % len(ANSWER))]
        await send({"type": "http.response.start", "status": 200, "headers": sized})
        await send({"type": "http.response.body", "body": ANSWER})

    return KycgateASGI(app, house.gate, clock=house.clock)


# -- the combinations ------------------------------------------------------------------------------


@contextmanager
def stand_alone(house: House) -> Iterator[None]:
    with _upstream(house) as upstream:
        front = Proxy(house.gate, upstream.url, clock=house.clock)
        with start_in_thread(front, no_control) as running:
            house.port = running.gateway_port
            yield


def _front(name: str) -> Callable[[House], AbstractContextManager[None]]:
    @contextmanager
    def start(house: House) -> Iterator[None]:
        asked = ForwardAuth(
            house.gate,
            CONTRACTS[name],
            peers=[ip_network("127.0.0.1")],
            only=frozenset({"read", "stop"}),
            clock=house.clock,
        )
        with _upstream(house) as upstream:
            proxy = Proxy(house.gate, upstream.url, clock=house.clock)
            at = fronts.asking(name, house.folder)
            with start_in_thread(proxy, no_control, beside=(asked, at)) as running:
                (port,) = fronts.free_ports(1)
                where = fronts.places(running, at, upstream.port)
                # What a caller's body that can't be read is to them.
                house.says = frozenset({"caddy": (502,), "traefik": (500,)}.get(name, ()))
                with getattr(fronts, name)(house.folder, where, port):
                    house.port = port
                    yield

    return start


@contextmanager
def wsgi_gunicorn(house: House) -> Iterator[None]:
    """gunicorn forks and owns its process: this module is its application."""
    (house.port,) = fronts.free_ports(1)
    command = [
        sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{house.port}", "--threads", "4",
        "--no-control-socket", "tests.attack.houses:in_a_process()",
    ]  # fmt: skip
    environment = {**os.environ, "ATTACK_FOLDER": str(house.folder)}
    said = (house.folder / "gunicorn.log").open("wb")
    with (
        said,
        subprocess.Popen(command, cwd=REPO, env=environment, stdout=said, stderr=said) as process,
    ):
        try:
            assert wait_for(lambda: _listens(house.port), 20), (
                house.folder / "gunicorn.log"
            ).read_text()
            yield
        finally:
            process.terminate()


def in_a_process() -> Any:
    return wsgi_app(House("wsgi", Path(os.environ["ATTACK_FOLDER"])))


@contextmanager
def wsgi_waitress(house: House) -> Iterator[None]:
    from waitress.server import create_server

    server = create_server(wsgi_app(house), host="127.0.0.1", port=0, threads=4)
    house.port = int(server.effective_port)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield
    finally:
        server.close()
        thread.join()


def _asgi_uvicorn(parser: Any) -> Callable[[House], AbstractContextManager[None]]:
    @contextmanager
    def start(house: House) -> Iterator[None]:
        config = uvicorn.Config(
            asgi_app(house), port=0, lifespan="off", log_config=None, http=parser, ws="none",
            proxy_headers=False,
        )  # fmt: skip
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            assert wait_for(lambda: server.started)
            house.port = server.servers[0].sockets[0].getsockname()[1]
            yield
        finally:
            server.should_exit = True
            thread.join()

    return start


@contextmanager
def asgi_hypercorn(house: House) -> Iterator[None]:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    house.says = frozenset({101})  # it speaks h2c itself: each request there is judged on its own
    (house.port,) = fronts.free_ports(1)
    config = Config()
    config.bind = [f"127.0.0.1:{house.port}"]
    config.accesslog = config.errorlog = None
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    def run() -> None:
        loop.run_until_complete(serve(asgi_app(house), config, shutdown_trigger=stop.wait))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert wait_for(lambda: _listens(house.port), 20)
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def _listens(port: int) -> bool:
    import socket

    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


HOUSES: dict[str, Callable[[House], AbstractContextManager[None]]] = {
    "stand-alone": stand_alone,
    "nginx": _front("nginx"),
    "caddy": _front("caddy"),
    "traefik": _front("traefik"),
    "envoy": _front("envoy"),
    "wsgi gunicorn": wsgi_gunicorn,
    "wsgi waitress": wsgi_waitress,
    "asgi uvicorn httptools": _asgi_uvicorn("httptools"),
    "asgi uvicorn h11": _asgi_uvicorn("h11"),
    "asgi hypercorn": asgi_hypercorn,
}
"""granian, uWSGI, bjoern and werkzeug's own server are left out: the documentation says never to
run the gate under them, and why."""

NEEDS = {
    "nginx": fronts.NGINX,
    "caddy": fronts.CADDY,
    "traefik": fronts.TRAEFIK,
    "envoy": fronts.ENVOY,
}
"""What a house can't stand without; None where it is missing."""


def secret_of(name: str) -> str:
    """The gate key of one of the world's people."""
    return f"kg_{hashlib.sha256(name.encode()).hexdigest()}"
