"""The stand-alone reverse proxy: takes a marketplace request, asks the gate, carries out the answer.

Decides nothing and reads no body it need not: what the gate allows travels upstream byte for byte,
and streams in both directions with back-pressure.

Three rules that hold here:
- a request with a body never rides a pooled connection: a marketplace that closes it at that
  moment would leave us not knowing whether a machine was rented;
- a forward with `finish` runs to its end even if the caller hangs up, because its record must say
  what happened; every other forward is dropped with its caller;
- an answer that breaks off upstream breaks off here too, and never ends as if it were whole.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from kycgate.errors import Misconfigured
from kycgate.gateway.view import Forward, GatePort, Headers, Reply, RequestView

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
RawHeaders = list[tuple[bytes, bytes]]
T = TypeVar("T")

_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer "
    b"transfer-encoding upgrade".split()
)
_OURS = (b"kycgate-", b"x-kycgate-")
"""Names only we may say to a caller."""
_BODILESS = frozenset((204, 304))
_POOL_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))
_AUTO = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")
"""What aiohttp would add on its own."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long we wait for others, in seconds, and how many at once."""

    connect_seconds: float = 5.0
    answer_seconds: float = 60.0
    """From the last byte sent to the answer's header; for a `finish` forward to its last byte."""
    idle_seconds: float = 300.0
    """Longest silence inside a streamed answer."""
    watch_seconds: float = 0.25
    """A request older than this is dropped when its caller hangs up."""
    threads: int = 16
    """Gate checks that may wait for store or chain at the same time."""
    connections: int = 512
    """Open connections to the marketplace."""


class Proxy:
    """ASGI application. Must run on a server that gives the raw target (`kycgate.gateway.server`)."""

    def __init__(
        self,
        gate: GatePort,
        upstream: str,
        *,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`upstream` is an origin: scheme and authority, nothing after. Raises Misconfigured."""
        self._gate = gate
        self._origin = _origin(upstream)
        self._patience = patience or Patience()
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            caller = _Caller(scope, receive, send)
            try:
                await self._serve(_view(scope, int(self._clock())), caller)
            except _GoneError:
                return
            except asyncio.CancelledError:
                if not caller.gone:
                    raise
            finally:
                caller.release()

    async def _live(self, receive: Receive, send: Send) -> None:
        """Opens what needs a running loop, and closes it again."""
        patience = self._patience
        await receive()
        self._threads = ThreadPoolExecutor(patience.threads, thread_name_prefix="gate")
        async with _session(patience, pooled=True) as pooled, _session(patience, pooled=False) as fresh:
            self._pooled, self._fresh = pooled, fresh
            await send({"type": "lifespan.startup.complete"})
            await receive()
        self._threads.shutdown(wait=True)
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, view: RequestView, caller: _Caller) -> None:
        limit = self._gate.needs_body(view)
        if limit is not None:
            body = await caller.read(limit)
            if body is None:
                await caller.reply(self._gate.too_large(view), view.now)
                return
            view = replace(view, body=body)
        answer = self._gate.quick(view) or await self._wait(self._gate.check, view)
        if isinstance(answer, Reply):
            await caller.reply(answer, view.now)
        elif answer.finish is not None:
            await caller.reply(await self._whole(answer, answer.finish, view, caller), view.now)
        else:
            await self._stream(answer, view, caller)

    async def _wait(self, call: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *args)

    # -- a forward whose answer the gate must see --------------------------------------------------
    async def _whole(
        self,
        forward: Forward,
        finish: Callable[[int, Headers, bytes], Reply],
        view: RequestView,
        caller: _Caller,
    ) -> Reply:
        plain = tuple((n, v) for n, v in forward.headers if n.lower() != "accept-encoding")
        forward = replace(forward, headers=(*plain, ("accept-encoding", "identity")))
        try:
            async with asyncio.timeout(self._patience.answer_seconds):
                answer = await self._send(forward, view, caller)
                async with answer:
                    body = await _read(answer.content.iter_any(), forward.answer_limit)
        except (aiohttp.ClientError, OSError, TimeoutError, _GoneError) as e:
            return await self._wait(forward.failed, _may_have_left(e))
        if body is None:
            return await self._wait(forward.failed, True)
        headers = tuple(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in _passable(answer.raw_headers)
            if name.lower() != b"content-length"
        )
        return await self._wait(finish, answer.status, headers, body)

    # -- a forward whose answer flows past ---------------------------------------------------------
    async def _stream(self, forward: Forward, view: RequestView, caller: _Caller) -> None:
        caller.watch_after(self._patience.watch_seconds)
        try:
            async with asyncio.timeout(self._patience.answer_seconds):
                answer = await self._send(forward, view, caller)
        except (aiohttp.ClientError, OSError, TimeoutError) as e:
            caller.raise_if_gone()
            await caller.reply(await self._wait(forward.failed, _may_have_left(e)), view.now)
            return
        try:
            await caller.start(answer.status, _passable(answer.raw_headers))
            async with asyncio.timeout(_seconds_left(forward, view)):
                async for chunk in answer.content.iter_any():
                    await caller.send_body(chunk)
            await caller.end()
        except (aiohttp.ClientError, OSError, TimeoutError):
            return  # without an end: the server closes the connection, the caller sees the break
        finally:
            answer.close()

    async def _send(
        self, forward: Forward, view: RequestView, caller: _Caller
    ) -> aiohttp.ClientResponse:
        headers = CIMultiDict(forward.headers)
        body: bytes | AsyncIterator[bytes] | None
        body = forward.body if forward.body is not None else view.body
        if body is None and caller.has_body:
            body = caller.chunks()
            if caller.content_length is not None:
                headers["Content-Length"] = caller.content_length
        pooled = not body and forward.method in _POOL_SAFE
        session = self._pooled if pooled else self._fresh
        return await session.request(
            forward.method,
            URL(self._origin + forward.target.decode("ascii"), encoded=True),
            headers=headers,
            data=body or None,
            allow_redirects=False,
        )


class _GoneError(Exception):
    """The caller hung up."""


class _Caller:
    """The side of one request that faces outward."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._asgi_send = send
        self._head = scope["method"] == "HEAD"
        self.content_length: str | None = None
        self.has_body = False
        for name, value in scope["headers"]:
            if name == b"content-length":
                self.content_length = value.decode("ascii")
                self.has_body = self.has_body or int(value) > 0
            elif name == b"transfer-encoding":
                self.has_body = True
        self.gone = False
        self._uploading = False
        self._timer: asyncio.TimerHandle | None = None
        self._watcher: asyncio.Task[None] | None = None

    # -- the request's body
    async def read(self, limit: int) -> bytes | None:
        """The whole body, or None when it is longer than `limit` bytes."""
        if not self.has_body:
            return b""
        if self.content_length is not None and int(self.content_length) > limit:
            return None
        return await _read(self.chunks(), limit)

    async def chunks(self) -> AsyncIterator[bytes]:
        self._uploading = True
        try:
            while True:
                message = await self._receive()
                if message["type"] == "http.disconnect":
                    self.gone = True
                    raise _GoneError
                if message.get("body"):
                    yield message["body"]
                if not message.get("more_body", False):
                    return
        finally:
            self._uploading = False

    # -- our answer
    async def reply(self, reply: Reply, now: int) -> None:
        headers = [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in reply.headers]
        headers.append((b"date", formatdate(now, usegmt=True).encode()))
        if reply.status not in _BODILESS:
            headers.append((b"content-length", b"%d" % len(reply.body)))
        await self.start(reply.status, headers)
        await self.end(reply.body)

    async def start(self, status: int, headers: RawHeaders) -> None:
        await self._asgi_send({"type": "http.response.start", "status": status, "headers": headers})

    async def send_body(self, chunk: bytes) -> None:
        await self._asgi_send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def end(self, body: bytes = b"") -> None:
        await self._asgi_send(
            {"type": "http.response.body", "body": b"" if self._head else body, "more_body": False}
        )

    # -- hanging up
    def raise_if_gone(self) -> None:
        if self.gone:
            raise _GoneError

    def watch_after(self, seconds: float) -> None:
        """Cancel the current task when the caller hangs up. Late, because most requests are over by then."""
        task = asyncio.current_task()
        assert task is not None
        self._timer = asyncio.get_running_loop().call_later(seconds, self._watch, task, seconds)

    def _watch(self, task: asyncio.Task[Any], seconds: float) -> None:
        loop = asyncio.get_running_loop()
        if self._uploading:  # the upload reads the same channel, and notices by itself
            self._timer = loop.call_later(seconds, self._watch, task, seconds)
        else:
            self._watcher = loop.create_task(self._await_hangup(task))

    async def _await_hangup(self, task: asyncio.Task[Any]) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        task.cancel()

    def release(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()


def _view(scope: Scope, now: int) -> RequestView:
    headers = tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"])
    return RequestView(
        method=scope["method"],
        target=scope["kycgate.target"],
        authority=next(value for name, value in headers if name == "host"),
        scheme=scope["scheme"],
        headers=headers,
        body=None,
        client_ip=scope["client"][0] if scope["client"] else "",
        now=now,
        door="proxy",
    )


def _origin(upstream: str) -> str:
    parts = urlsplit(upstream)
    bare = parts.path in ("", "/") and not parts.query and not parts.fragment
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or not bare:
        raise Misconfigured((f"upstream {upstream!r} must be an origin like https://api.example",))
    return f"{parts.scheme}://{parts.netloc}"


def _session(patience: Patience, *, pooled: bool) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=patience.connections, force_close=not pooled),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=_AUTO,
        auto_decompress=False,
        max_line_size=32768,
        max_field_size=32768,
        timeout=aiohttp.ClientTimeout(
            total=None,
            connect=patience.connect_seconds,
            sock_read=patience.idle_seconds,
        ),
    )


def _passable(headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
    """An answer's fields without those that end at us, and without those only we may say."""
    headers = list(headers)
    drop = _HOP
    chunked = False
    for name, value in headers:
        lower = name.lower()
        if lower == b"connection":
            drop = drop | {token.strip().lower() for token in value.split(b",")}
        chunked = chunked or lower == b"transfer-encoding"
    if chunked:
        drop = drop | {b"content-length"}
    return [
        (name, value)
        for name, value in headers
        if name.lower() not in drop and not name.lower().startswith(_OURS)
    ]


async def _read(chunks: AsyncIterator[bytes], limit: int) -> bytes | None:
    whole = bytearray()
    async for chunk in chunks:
        whole += chunk
        if len(whole) > limit:
            return None
    return bytes(whole)


def _may_have_left(error: BaseException) -> bool:
    return not isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)


def _seconds_left(forward: Forward, view: RequestView) -> float | None:
    """Until the proof behind a stream ends (a long log must not outlive it)."""
    if forward.identity is None or forward.identity.expires_at is None:
        return None
    return float(max(0, forward.identity.expires_at - view.now))
