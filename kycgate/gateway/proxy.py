"""The stand-alone reverse proxy: takes a marketplace request, asks the gate, does what it says.

Decides nothing and reads no body it need not: what the gate allows travels upstream byte for byte,
and streams in both directions with back-pressure.

Two rules that hold here:
- a forward with `finish` runs to its end even if the caller hangs up, because its record must say
  what happened; every other forward is dropped with its caller;
- an answer that breaks off upstream breaks off here too, and never ends as if it were whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email.utils import formatdate
from typing import Any, TypeVar

from kycgate.errors import Malformed
from kycgate.gateway.fronts import NOBODY, Fronts
from kycgate.gateway.lanes import Lanes, UnderWay
from kycgate.gateway.streams import lifetime
from kycgate.gateway.upstream import Answer, Broken, Patience, Upstream
from kycgate.gateway.view import Forward, GatePort, Headers, Reply, RequestView
from kycgate.gateway.watching import watching

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
_WATCH_SECONDS = 0.25
"""A request older than this is dropped when its caller hangs up."""

_READ_SECONDS = 60.0
"""For the whole of a body the gate must see: one that drips in may not hold us longer."""
_TOO_SLOW = Reply(
    408, (("content-type", "application/json"),), b'{"error": "The body took too long."}'
)


class Proxy:
    """ASGI application. Runs on `kycgate.gateway.server`, which hands it the raw target."""

    def __init__(
        self,
        gate: GatePort,
        upstream: str,
        *,
        patience: Patience | None = None,
        threads: int = 16,
        clock: Callable[[], float] = time.time,
        fronts: Fronts = NOBODY,
        lanes: Lanes | None = None,
    ) -> None:
        """`upstream` is an origin; `threads` gate checks may wait at once; `fronts` say where their
        requests came from. Raises Misconfigured.
        """
        self._under_way = UnderWay(lanes or Lanes())
        self._gate = gate
        self._patience = patience or Patience()
        self._upstream = Upstream(upstream, self._patience)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="gate")
        self._clock = clock
        self._fronts = fronts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            caller = _Caller(scope, receive, send)
            try:
                now = int(self._clock())
                try:
                    view = _view(scope, now, self._fronts)
                except Malformed as error:
                    await caller.reply(_unplaced(error), now)
                    return
                await self._serve(view, caller)
            except _GoneError:
                return
            except asyncio.CancelledError:
                if not caller.gone:
                    raise
            finally:
                caller.release()

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        async with watching(self._gate, self._threads):
            await receive()
        self._upstream.close()
        self._threads.shutdown(wait=True)
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, view: RequestView, caller: _Caller) -> None:
        limit = self._gate.needs_body(view)
        if limit is not None:
            try:
                async with asyncio.timeout(_READ_SECONDS):
                    body = await caller.read(limit)
            except TimeoutError:
                await caller.reply(_TOO_SLOW, view.now)
                return
            if body is None:
                await caller.reply(self._gate.too_large(view), view.now)
                return
            view = replace(view, body=body)
        answer = self._gate.quick(view)
        if answer is None:
            answer = await self._wait(self._gate.check, view)
        if isinstance(answer, Reply):
            await caller.reply(answer, view.now)
            return
        with self._under_way.one_more(answer, view.client_ip) as room:
            if not room:
                await caller.reply(await self._no_room(answer, view), view.now)
            elif answer.finish is not None:
                await caller.reply(await self._whole(answer, answer.finish, view, caller), view.now)
            else:
                await self._stream(answer, view, caller)

    async def _no_room(self, forward: Forward, view: RequestView) -> Reply:
        if forward.finish is not None:  # it is on record, and so must be that it never left
            return await self._wait(forward.failed, False)
        return self._gate.too_many(view)

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
        try:
            async with asyncio.timeout(self._patience.answer_seconds):
                answer = await self._send(forward, view, caller)
                with contextlib.closing(answer):
                    body = await _read(self._body(answer), forward.answer_limit)
        except (Broken, TimeoutError) as e:
            return await self._wait(forward.failed, _may_have_left(e))
        if body is None:
            return await self._wait(forward.failed, True)
        headers = tuple(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in _passable(answer.headers)
            if name.lower() != b"content-length"
        )
        return await self._wait(finish, answer.status, headers, body)

    # -- a forward whose answer flows past ---------------------------------------------------------
    async def _stream(self, forward: Forward, view: RequestView, caller: _Caller) -> None:
        caller.watch_after(_WATCH_SECONDS)
        try:
            async with asyncio.timeout(self._patience.answer_seconds):
                answer = await self._send(forward, view, caller)
        except (Broken, TimeoutError) as e:
            caller.raise_if_gone()
            await caller.reply(await self._wait(forward.failed, _may_have_left(e)), view.now)
            return
        with contextlib.closing(answer):
            headers = _passable(answer.headers)
            if answer.status in _BODILESS:  # the length of a body that does not follow
                headers = [pair for pair in headers if pair[0].lower() != b"content-length"]
            if forward.lane == "long":
                headers.append((b"x-accel-buffering", b"no"))  # to nginx in front, which drops it
            await caller.start(answer.status, headers)
            whole = answer.whole
            if whole is not None:
                await caller.end(whole)
                return
            try:
                async with lifetime(forward, view, clock=self._clock, threads=self._threads):
                    async for chunk in self._body(answer):
                        await caller.send_body(chunk)
            except (Broken, TimeoutError):
                return  # without an end: the server closes, and the caller sees the break
            await caller.end()

    def _body(self, answer: Answer) -> AsyncIterator[bytes]:
        return answer.chunks(self._patience.idle_seconds)

    async def _send(self, forward: Forward, view: RequestView, caller: _Caller) -> Answer:
        body = forward.body if forward.body is not None else view.body
        if body is not None or not caller.has_body:
            return await self._upstream.send(
                forward.method, forward.target, forward.headers, body or b""
            )
        return await self._upstream.send(
            forward.method, forward.target, forward.headers, caller.chunks(), caller.length
        )


class _GoneError(Exception):
    """The caller hung up."""


class _Caller:
    """The side of one request that faces outward."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._asgi_send = send
        self._head = scope["method"] == "HEAD"
        self.length: int | None = None
        self.has_body = False
        for name, value in scope["headers"]:
            if name == b"content-length":
                self.length = int(value)
                self.has_body = self.length > 0
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
        if self.length is not None and self.length > limit:
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
        """Cancel the current task when the caller hangs up; most requests are over by then."""
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


def _unplaced(error: Malformed) -> Reply:
    """The front's own fault, said before anybody is asked about the request."""
    body = json.dumps({"status": "failed", "error": error.message}).encode()
    return Reply(400, (("content-type", "application/json"), ("cache-control", "no-store")), body)


def _view(scope: Scope, now: int, fronts: Fronts) -> RequestView:
    headers = tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"])
    return RequestView(
        method=scope["method"],
        target=scope["kycgate.target"],
        authority=next(value for name, value in headers if name == "host"),
        scheme=scope["scheme"],
        headers=headers,
        body=None,
        client_ip=fronts.caller(scope["client"][0] if scope["client"] else "", scope["headers"]),
        now=now,
        door="proxy",
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


def _may_have_left(error: Broken | TimeoutError) -> bool:
    return not isinstance(error, Broken) or error.sent
