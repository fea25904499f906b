"""Speaks HTTP/1.1 to the marketplace: sends exactly the bytes it is told, streams what comes back.

Decides nothing, follows no redirect, keeps no cookie, decompresses nothing and adds only framing.
Written here because general clients rewrite targets (`/a/../b`, a bare `?`) after the check, and
cost several times the gate itself.

Invariants:
- a connection returns to the pool only after a whole request and a whole answer; anything else
  closes it, so that no byte of one exchange can be taken for another;
- only a safe request without a body rides a pooled connection, and only such a request is sent
  again, when that connection turns out to be dead: a rent is never sent twice;
- an answer that breaks off raises `Broken`; it never looks whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httptools

from kycgate.errors import Misconfigured
from kycgate.gateway.view import Headers

_BUFFER = 65536
"""Bytes of an answer we hold before we stop reading."""
_HEADER_BYTES = 65536
_IDLE_SECONDS = 30.0
"""How long an unused connection is kept: shorter than common servers keep it (60-75 s)."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long we wait for the marketplace, in seconds, and how many connections we open."""

    connect_seconds: float = 5.0
    answer_seconds: float = 60.0
    """From the start of the request to the answer's header; for a recorded forward, to its end."""
    idle_seconds: float = 300.0
    """Longest silence inside a streamed answer."""
    connections: int = 512


class Broken(Exception):
    """The exchange failed. `sent`: whether a byte of the request may have left."""

    def __init__(self, text: str, *, sent: bool) -> None:
        super().__init__(text)
        self.sent = sent


class Upstream:
    """The marketplace, and our connections to it. Belongs to one event loop."""

    def __init__(self, origin: str, patience: Patience) -> None:
        """`origin`: scheme and authority, nothing after. Raises Misconfigured."""
        parts = urlsplit(origin)
        bare = parts.path in ("", "/") and not parts.query and not parts.fragment
        if (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or parts.username
            or not bare
        ):
            raise Misconfigured(
                (f"upstream {origin!r} must be an origin like https://api.example",)
            )
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._authority = parts.netloc
        self._patience = patience
        self._idle: deque[_Connection] = deque()
        self._slots = asyncio.Semaphore(patience.connections)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().abort()

    async def send(
        self,
        method: str,
        target: bytes,
        headers: Headers,
        body: bytes | AsyncIterator[bytes],
        length: int | None = None,
    ) -> Answer:
        """Send one request and wait for the answer's header.

        `length` is the size of a streamed body, None to send it in chunks. Raises Broken.
        """
        if isinstance(body, bytes):
            length = len(body) if body or method not in _NO_LENGTH else None
        head = self._head(method, target, headers, length, chunked=not isinstance(body, bytes))
        if not body and method in _SAFE:
            while (connection := self._pooled()) is not None:
                with contextlib.suppress(_StaleError):
                    return await connection.exchange(method, head, b"", chunked=False)
        return await (await self._connect()).exchange(method, head, body, chunked=length is None)

    def _head(
        self, method: str, target: bytes, headers: Headers, length: int | None, *, chunked: bool
    ) -> bytes:
        fields = [f"host: {self._authority}", *(f"{name}: {value}" for name, value in headers)]
        if length is not None:
            fields.append(f"content-length: {length}")
        elif chunked:
            fields.append("transfer-encoding: chunked")
        text = "\r\n".join(fields)
        if text.count("\r") != len(fields) - 1 or text.count("\n") != len(fields) - 1:
            raise Broken("a header field holds a line break", sent=False)
        return b"%b %b HTTP/1.1\r\n%b\r\n\r\n" % (method.encode(), target, text.encode("latin-1"))

    def _pooled(self) -> _Connection | None:
        loop = asyncio.get_running_loop()
        while self._idle:
            connection = self._idle.pop()
            if loop.time() - connection.idle_since < _IDLE_SECONDS and connection.alive:
                return connection
            connection.abort()
        return None

    async def _connect(self) -> _Connection:
        try:
            async with asyncio.timeout(self._patience.connect_seconds):
                await self._slots.acquire()
                try:
                    connection = await self._open()
                    if not connection.alive:
                        raise ConnectionError("closed at once")
                except BaseException:
                    self._slots.release()
                    raise
                connection.counted = True
                return connection
        except (OSError, TimeoutError) as e:
            raise Broken(f"no connection to {self._authority}: {e}", sent=False) from e

    async def _open(self) -> _Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: _Connection(loop, self), self._host, self._port, ssl=self._tls
        )
        return connection

    def keep(self, connection: _Connection) -> None:
        if len(self._idle) < self._patience.connections // 2:  # the rest stays free for bodies
            self._idle.append(connection)
        else:
            connection.abort()

    def lost(self, connection: _Connection) -> None:
        if connection.counted:
            self._slots.release()
        with contextlib.suppress(ValueError):
            self._idle.remove(connection)


_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))
"""Asking twice does no harm (RFC 9110 section 9.2.1)."""
_NO_LENGTH = _SAFE | {"DELETE", "TRACE"}
"""For these an absent body is not worth a `content-length: 0`."""


class _StaleError(Exception):
    """A pooled connection died before the first byte of an answer."""


class Answer:
    """An answer whose header has arrived. Always `close` it; a whole one keeps its connection."""

    def __init__(
        self, connection: _Connection, status: int, headers: list[tuple[bytes, bytes]]
    ) -> None:
        self._connection = connection
        self.status = status
        self.headers = headers

    @property
    def whole(self) -> bytes | None:
        """All of the body if it came along with the header, else None."""
        return self._connection.take_whole()

    async def chunks(self, idle_seconds: float) -> AsyncIterator[bytes]:
        """The rest of the body. Raises Broken when it breaks off or goes silent."""
        while (chunk := await self._connection.read(idle_seconds)) is not None:
            yield chunk

    def close(self) -> None:
        self._connection.release()


class _Connection(asyncio.Protocol):
    """One connection, one exchange at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, owner: Upstream) -> None:
        self._loop = loop
        self._owner = owner
        self._writable = asyncio.Event()
        self._writable.set()
        self.alive = True
        self.counted = False
        """Whether it holds one of the owner's slots, to be given back when it is lost."""
        self.idle_since = 0.0
        self._fresh = True
        self._reset("GET")

    def _reset(self, method: str) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._method = method
        self._headers: list[tuple[bytes, bytes]] = []
        self._header_bytes = 0
        self._status = 0
        self._started = False
        self._heard = False
        self._complete = False
        self._until_close = False
        self._keep = False
        self._sent = True
        self._error: str | None = None
        self._chunks: list[bytes] = []
        self._held = 0
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._writer: asyncio.Task[None] | None = None

    # -- one exchange ------------------------------------------------------------------------------
    async def exchange(
        self, method: str, head: bytes, body: bytes | AsyncIterator[bytes], *, chunked: bool
    ) -> Answer:
        reused, self._fresh = not self._fresh, False
        self._reset(method)
        try:
            if isinstance(body, bytes):
                self._transport.write(head + body)
            else:
                self._sent = False
                self._transport.write(head)
                self._writer = self._loop.create_task(self._write(body, chunked=chunked))
            while not self._started:
                self._raise_broken(stale=reused and not self._heard)
                await self._wait()
        except BaseException:
            self.release()
            raise
        return Answer(self, self._status, self._headers)

    async def _write(self, body: AsyncIterator[bytes], *, chunked: bool) -> None:
        try:
            async for chunk in body:
                if not chunk:
                    continue  # in chunks, an empty one would end the body
                self._transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
                if not self._writable.is_set():
                    await self._writable.wait()
                if not self.alive:
                    return
            if chunked:
                self._transport.write(b"0\r\n\r\n")
            self._sent = True
        except Exception as e:  # noqa: BLE001 - whatever the body raised, the exchange has failed
            self._fail(f"the request body broke off: {type(e).__name__}")

    async def read(self, idle_seconds: float) -> bytes | None:
        while not self._chunks:
            if self._complete:
                return None
            self._raise_broken(stale=False)
            try:
                async with asyncio.timeout(idle_seconds):
                    await self._wait()
            except TimeoutError as e:
                raise Broken("the answer went silent", sent=True) from e
        return self._drain()

    def take_whole(self) -> bytes | None:
        return self._drain() if self._complete else None

    def _drain(self) -> bytes:
        whole = b"".join(self._chunks)
        self._chunks.clear()
        self._held = 0
        if self._paused:
            self._paused = False
            if self.alive:
                self._transport.resume_reading()
        return whole

    def release(self) -> None:
        """Back to the pool after a whole exchange, else closed."""
        if self._writer is not None and not self._writer.done():
            self._writer.cancel()
        if not self.alive:
            return
        if self._complete and self._keep and self._sent and self._error is None:
            self.idle_since = self._loop.time()
            self._owner.keep(self)
        else:
            self.abort()

    def abort(self) -> None:
        self._transport.abort()

    def _raise_broken(self, *, stale: bool) -> None:
        if self._error is None:
            return
        if stale:
            raise _StaleError
        raise Broken(self._error, sent=True)

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, text: str) -> None:
        if self._error is None and not self._complete:
            self._error = text
        self._transport.abort()
        self._wake()

    # -- asyncio -----------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.alive = False
        self._owner.lost(self)
        if self._complete or self._error is not None:
            pass
        elif exc is None and self._started and self._until_close:
            self._complete = True
        else:
            self._error = "the marketplace closed the connection"
        self._writable.set()
        self._wake()

    def data_received(self, data: bytes) -> None:
        if self._complete:  # nobody asked: whatever this is, it must not meet the next request
            self._keep = False
            self._transport.abort()
            return
        self._heard = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as e:
            self._keep = False
            self._fail(f"the marketplace's answer is not valid HTTP/1.1: {e}")

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # -- httptools ---------------------------------------------------------------------------------
    def on_message_begin(self) -> None:
        if self._complete:  # an answer nobody asked for: the next request must not meet it
            self._keep = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > _HEADER_BYTES:
            raise ValueError("header too large")
        if not self._started:  # later ones are trailers, which end here
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._complete or status == 101:
            raise ValueError("an answer that was not asked for")
        if status < 200:
            self._headers = []
            return
        self._status = status
        self._started = True
        framed = any(
            name.lower() in (b"content-length", b"transfer-encoding") for name, _ in self._headers
        )
        self._until_close = not framed and status not in (204, 304)
        if self._method == "HEAD":  # llhttp would wait for the body the fields describe
            self._complete = True
        self._wake()

    def on_body(self, body: bytes) -> None:
        if self._complete:
            raise ValueError("a body nobody asked for")
        self._chunks.append(body)
        self._held += len(body)
        if self._held > _BUFFER and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def on_message_complete(self) -> None:
        if self._status and not self._complete:
            self._complete = True
            self._keep = self._parser.should_keep_alive()
            self._wake()
