"""The gate inside a marketplace's own ASGI application (FastAPI, Starlette): no second process.

Decides nothing and buffers nothing but what the gate asks to read. Who the caller is stands in
`scope["state"]["kycgate"]`, which no request header can reach.

Two rules that hold here:
- an answer the gate must record runs to its end even if the caller hangs up;
- nothing but HTTP gets in: a WebSocket is closed before the application hears of it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import quote_from_bytes, unquote_to_bytes

from kycgate.gateway.streams import lifetime
from kycgate.gateway.view import Forward, GatePort, Headers, Reply, RequestView

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
T = TypeVar("T")

STATE = "kycgate"
"""Where in `scope["state"]` the application finds a `view.Identity` (None: anonymous read)."""
_PATH_SAFE = "/-._~!$&'()*+,;=:@"
_READ_SECONDS = 60.0
_TOO_SLOW = Reply(
    408, (("Content-Type", "application/json"),), b'{"error": "The body took too long."}'
)
_FRAMING = frozenset((b"content-length", b"transfer-encoding"))

_log = logging.getLogger(__name__)


class _Gone(Exception):
    """The caller hung up."""


class KycgateASGI:
    """An ASGI application that lets through to `app` what `gate` lets through.

    `app` must act on the path and body it is given (it gets exactly those decided on). Run it
    under a server that refuses header names with `_` or leaves them apart, as uvicorn does.
    """

    def __init__(
        self,
        app: AsgiApp,
        gate: GatePort,
        *,
        clock: Callable[[], float] = time.time,
        threads: int = 16,
    ) -> None:
        """`threads` gate checks may wait at once."""
        self._app = app
        self._gate = gate
        self._clock = clock
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="gate")
        self._recorded: set[asyncio.Task[Reply]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            try:
                await self._serve(scope, receive, send)
            except _Gone:
                return
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            raise RuntimeError(f"no gate for {scope['type']}")

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        view = _view(scope, int(self._clock()))
        limit = self._gate.needs_body(view)
        if limit is not None:
            try:
                async with asyncio.timeout(_READ_SECONDS):
                    body = await _read(scope, receive, limit)
            except TimeoutError:
                await _reply(_TOO_SLOW, send)
                return
            if body is None:
                await _reply(self._gate.too_large(view), send)
                return
            view = replace(view, body=body)
        answer = self._gate.quick(view)
        if answer is None:
            answer = await self._wait(self._gate.check, view)
        if isinstance(answer, Reply):
            await _reply(answer, send)
            return
        onward = _onward(scope, answer)
        if answer.finish is not None:
            await _reply(await self._to_its_end(onward, answer), send)
            return
        inner = receive if answer.body is None else _Given(answer.body, then=receive)
        alive = lifetime(answer, view, clock=self._clock, threads=self._threads)
        await self._stream(onward, inner, send, alive)

    async def _stream(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        alive: AbstractAsyncContextManager[asyncio.Timeout],
    ) -> None:
        ending: asyncio.Timeout | None = None
        try:
            async with alive as ending:
                await self._app(scope, receive, send)
        except TimeoutError:
            # Cut off without an end: the server closes, and the caller sees the break.
            if ending is None or not ending.expired():
                raise

    async def _wait(self, call: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *args)

    async def _to_its_end(self, scope: Scope, forward: Forward) -> Reply:
        """Not even a server that cancels us when the caller hangs up ends what is recorded."""
        task = asyncio.create_task(self._whole(scope, forward))
        self._recorded.add(task)
        task.add_done_callback(self._recorded.discard)
        return await asyncio.shield(task)

    async def _whole(self, scope: Scope, forward: Forward) -> Reply:
        assert forward.finish is not None
        answer = _Answer(forward.answer_limit)
        try:
            await self._app(scope, _Given(forward.body or b""), answer)
        except Exception:  # noqa: BLE001 - whatever broke: what the app did is not known
            _log.exception("the application broke off an answer")
            return await self._wait(forward.failed, True)
        if not answer.whole:
            return await self._wait(forward.failed, True)
        return await self._wait(forward.finish, answer.status, answer.headers, bytes(answer.body))


class _Given:
    """`receive` of a request whose body was read already."""

    def __init__(self, body: bytes, *, then: Receive | None = None) -> None:
        self._body: bytes | None = body
        self._then = then

    async def __call__(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        if self._then is not None:
            return await self._then()
        # A recorded answer is never told that its caller hung up: it would stop half-way.
        never: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        return await never


class _Answer:
    """`send` of an answer that the gate sees before the caller does."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._ended = False
        self.status = 0
        self.headers: Headers = ()
        self.body = bytearray()

    @property
    def whole(self) -> bool:
        return self._ended and self.status >= 200 and len(self.body) <= self._limit

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = _text(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            if len(self.body) <= self._limit:
                self.body += message.get("body", b"")
            self._ended = not message.get("more_body", False)


def _view(scope: Scope, now: int) -> RequestView:
    headers = _text(scope["headers"])
    client = scope.get("client")
    return RequestView(
        method=scope["method"],
        target=_target(scope),
        authority=next((value for name, value in headers if name.lower() == "host"), ""),
        scheme=scope.get("scheme", "http"),
        headers=headers,
        body=None,
        client_ip=client[0] if client else "",
        now=now,
        door="asgi",
    )


def _target(scope: Scope) -> bytes:
    """The request target as sent, provided the application will read the same path from it.

    An empty target, which the gate refuses as ambiguous, when the server's own decoding or
    normalisation made the path something else.
    """
    path = str(scope["path"]).encode("utf-8", "surrogateescape")
    raw = scope.get("raw_path") or quote_from_bytes(path, safe=_PATH_SAFE).encode("ascii")
    query = bytes(scope.get("query_string", b""))
    if unquote_to_bytes(raw) != path or b"?" in raw:
        return b""
    return bytes(raw) + b"?" + query if query else bytes(raw)


def _text(headers: Any) -> Headers:
    return tuple(
        (bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in headers
    )


async def _read(scope: Scope, receive: Receive, limit: int) -> bytes | None:
    """The whole body; None when it is longer than `limit`."""
    stated = next((v for n, v in scope["headers"] if n.lower() == b"content-length"), b"0")
    if not stated.isdigit() or len(stated) > 18 or int(stated) > limit:
        return None
    whole = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        whole += message.get("body", b"")
        if len(whole) > limit:
            return None
        if not message.get("more_body", False):
            return bytes(whole)


def _onward(scope: Scope, forward: Forward) -> Scope:
    """What the application sees: the fields the gate lets through, and the caller's identity."""
    framing = [
        (name.lower(), value)
        for name, value in scope["headers"]
        if name.lower() == b"host" or (forward.body is None and name.lower() in _FRAMING)
    ]
    if forward.body is not None:
        framing.append((b"content-length", b"%d" % len(forward.body)))
    passed = [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in forward.headers]
    state = {**scope.get("state", {}), STATE: forward.identity}
    return {**scope, "headers": [*framing, *passed], "state": state}


async def _reply(reply: Reply, send: Send) -> None:
    headers = [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in reply.headers]
    if reply.status not in (204, 304):
        headers.append((b"content-length", b"%d" % len(reply.body)))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body, "more_body": False})
