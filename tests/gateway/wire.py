"""Raw sockets on both sides of the proxy, and a gate that does what a test tells it."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from kycgate.gateway.proxy import Proxy
from kycgate.gateway.server import Running, start_in_thread
from kycgate.gateway.strict import Limits
from kycgate.gateway.upstream import Patience
from kycgate.gateway.view import Forward, Headers, Reply, RequestView

HOP = {"host", "content-length", "transfer-encoding", "connection", "expect", "te", "keep-alive"}


@dataclass
class Seen:
    """One request as it arrived upstream."""

    head: bytes
    body: bytes
    connection: int

    @property
    def line(self) -> bytes:
        return self.head.split(b"\r\n")[0]

    @property
    def target(self) -> bytes:
        return self.line.split(b" ")[1]

    def values(self, name: bytes) -> list[bytes]:
        rows = (row.partition(b":") for row in self.head.split(b"\r\n")[1:])
        return [value.strip() for key, _, value in rows if key.lower() == name.lower()]


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
Answer = bytes | Callable[[socket.socket, Seen], None]


class RawUpstream:
    """Reads whole requests off a socket, keeps their bytes, and answers with scripted bytes.

    The answer is bytes (connection kept) or a function that writes what it likes; after the
    function the connection is closed.
    """

    def __init__(
        self,
        answer: Answer = OK,
        *,
        read_body: bool = True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.answer = answer
        self.seen: list[Seen] = []
        self.connections = 0
        self._read_body = read_body
        self._tls = tls
        self._sock = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._sock.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._sock.accept()
            except OSError:
                return
            if self._tls is not None:
                try:
                    sock = self._tls.wrap_socket(sock, server_side=True)
                except OSError:
                    sock.close()
                    continue
            self.connections += 1
            self._open.add(sock)
            thread = threading.Thread(target=self._talk, args=(sock, self.connections))
            self._threads.append(thread)
            thread.start()

    def _talk(self, sock: socket.socket, number: int) -> None:
        with (
            contextlib.ExitStack() as stack,
            contextlib.suppress(OSError),
            sock,
            sock.makefile("rb") as stream,
        ):
            stack.callback(self._open.discard, sock)
            while True:
                head = _read_head(stream)
                if not head:
                    break
                seen = Seen(head, b"", number)
                if self._read_body:
                    seen.body = _read_body(stream, seen)
                self.seen.append(seen)
                if callable(self.answer):
                    self.answer(sock, seen)
                    break
                sock.sendall(self.answer)
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> RawUpstream:
        return self

    def drop_connections(self) -> None:
        """Close every idle connection, as a server does that restarts."""
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def __exit__(self, *_: object) -> None:
        self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        self._accepting.join()
        self.drop_connections()


def _read_head(stream: object) -> bytes:
    lines = []
    while line := stream.readline():  # type: ignore[attr-defined]
        if line == b"\r\n":
            return b"".join(lines)
        lines.append(line)
    return b""


def _read_body(stream: object, seen: Seen) -> bytes:
    read, readline = stream.read, stream.readline  # type: ignore[attr-defined]
    if seen.values(b"content-length"):
        length = int(seen.values(b"content-length")[0])
        body = read(length)
        if len(body) < length:
            raise ConnectionError("the body is not whole")
        return body
    if seen.values(b"transfer-encoding") != [b"chunked"]:
        return b""
    body = b""
    while size := readline():
        if int(size, 16) == 0:
            readline()
            return body
        body += read(int(size, 16))
        readline()
    raise ConnectionError("the body is not whole")


@dataclass
class ScriptedGate:
    """Lets everything through unless told otherwise; remembers every view it saw."""

    body_limit: int | None = None
    outcome: Callable[[RequestView], Forward | Reply] | None = None
    slow: bool = True
    """Whether `quick` never knows, so that `check` runs in a thread."""
    views: list[RequestView] = field(default_factory=list)
    failures: list[bool] = field(default_factory=list)

    def needs_body(self, view: RequestView) -> int | None:
        return self.body_limit

    def quick(self, view: RequestView) -> Forward | Reply | None:
        return None if self.slow else self.check(view)

    def check(self, view: RequestView) -> Forward | Reply:
        self.views.append(view)
        return self.outcome(view) if self.outcome else self.forward(view)

    def mark(self) -> object | None:
        return None

    def refresh(self) -> None:
        pass

    def too_many(self, view: RequestView) -> Reply:
        return Reply(403, (("content-type", "application/json"),), b'{"error":"too many"}')

    def too_large(self, view: RequestView) -> Reply:
        return Reply(413, (("content-type", "application/json"),), b'{"error":"too large"}')

    def forward(
        self,
        view: RequestView,
        finish: Callable[[int, Headers, bytes], Reply] | None = None,
        body: bytes | None = None,
    ) -> Forward:
        headers = tuple((n, v) for n, v in view.headers if n not in HOP)
        return Forward(
            method=view.method,
            target=view.target,
            headers=headers,
            body=body,
            failed=self._failed,
            finish=finish,
        )

    def _failed(self, sent: bool) -> Reply:
        self.failures.append(sent)
        return Reply(403, (("content-type", "application/json"),), b'{"error":"unreachable"}')


def no_control(environ: dict[str, object], start: Callable[..., object]) -> list[bytes]:
    start("404 Not Found", [("content-length", "0")])
    return [b""]


@contextlib.contextmanager
def serving(
    gate: ScriptedGate,
    upstream: str,
    *,
    patience: Patience | None = None,
    limits: Limits | None = None,
) -> Iterator[Running]:
    proxy = Proxy(gate, upstream, patience=patience)
    with start_in_thread(proxy, no_control, limits=limits) as running:
        yield running


def talk(port: int, data: bytes, *, seconds: float = 5.0) -> bytes:
    """Send bytes, return everything that comes back until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as sock:
        sock.sendall(data)
        return drain(sock)


def drain(sock: socket.socket) -> bytes:
    got = b""
    with contextlib.suppress(ConnectionError):
        while chunk := sock.recv(65536):
            got += chunk
    return got


def get(target: bytes, *fields: bytes, method: bytes = b"GET") -> bytes:
    """A well-formed request that asks for the connection to be closed."""
    rows = [b"%b %b HTTP/1.1" % (method, target), b"Host: gate.test", b"Connection: close", *fields]
    return b"\r\n".join(rows) + b"\r\n\r\n"


def status(answer: bytes) -> int:
    found = re.match(rb"HTTP/1\.1 (\d{3})", answer)
    return int(found[1]) if found else 0


def body_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def wait_for(condition: Callable[[], object], seconds: float = 5.0) -> bool:
    """Poll until the condition holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False
