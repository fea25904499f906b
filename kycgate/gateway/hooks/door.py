"""The listener that schedulers ask: hears named peers who show their secret, answers in their form.

Decides nothing. A secret comes as HTTP Basic and never in the address: dstack and SkyPilot both
show the address they ask to their users when something fails.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import ipaddress
import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from kycgate.errors import KycgateError, NotFound, Unavailable
from kycgate.gateway.hooks.admission import Admissions
from kycgate.gateway.hooks.asking import Nothing, Scheduler
from kycgate.gateway.hooks.linking import Linking, shows_code
from kycgate.gateway.refusing import reasons_of

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Answer = tuple[int, str, bytes]

_READ_SECONDS: Final = 5.0
_UNAVAILABLE: Final = "The gate can't decide right now: nothing was started, try again in a moment."

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HookCaller:
    """One scheduler: its name here, the SHA-256 of its secret, and how it is spoken to."""

    name: str
    secret_hash: bytes
    scheduler: Scheduler
    admissions: Admissions
    linking: Linking


class HookDoor:
    """ASGI application. Runs on `kycgate.gateway.server`, which hands it the raw target."""

    def __init__(
        self,
        callers: Sequence[HookCaller],
        *,
        peers: Sequence[Network],
        body_limit: int,
        clock: Callable[[], float],
        threads: int = 16,
    ) -> None:
        self._callers = {caller.name: caller for caller in callers}
        self._peers = tuple(peers)
        self._body_limit = body_limit
        self._clock = clock
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="hooks")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            status, kind, body = await self._answer(scope, receive)
            headers = [
                (b"content-type", kind.encode()),
                (b"content-length", b"%d" % len(body)),
                (b"cache-control", b"no-store"),
            ]
            if status == 401:
                headers.append((b"www-authenticate", b'Basic realm="kycgate hooks"'))
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._threads.shutdown(wait=True)
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        if not self._hears(scope):
            return _plain(403, "This listener answers its schedulers only.")
        caller = self._caller(scope)
        if caller is None:
            _log.warning("a hook was asked without a scheduler's name and secret")
            return _plain(401, "This listener answers its schedulers only.")
        if scope["method"] != "POST":
            return _plain(405, "A hook is asked with POST.")
        try:
            async with asyncio.timeout(_READ_SECONDS):
                body = await _read(receive, self._body_limit)
        except TimeoutError:
            return _plain(408, "The body took too long.")
        if body is None:
            return _plain(413, f"The question is longer than {self._body_limit} bytes.")
        path = bytes(scope["kycgate.target"]).decode("latin-1")
        loop, now = asyncio.get_running_loop(), int(self._clock())
        return await loop.run_in_executor(self._threads, answer, caller, path, body, now)

    def _hears(self, scope: Scope) -> bool:
        try:
            peer = ipaddress.ip_address(scope["client"][0])
        except (TypeError, ValueError):
            return False
        return any(peer in network for network in self._peers)

    def _caller(self, scope: Scope) -> HookCaller | None:
        shown = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
        if len(shown) != 1:
            return None
        scheme, _, encoded = shown[0].partition(b" ")
        try:
            name, _, secret = base64.b64decode(encoded, validate=True).partition(b":")
        except binascii.Error:
            return None
        caller = self._callers.get(name.decode("latin-1"))
        expected = caller.secret_hash if caller is not None else bytes(32)
        holds = hmac.compare_digest(hashlib.sha256(secret).digest(), expected)
        return caller if holds and scheme.lower() == b"basic" else None


def answer(caller: HookCaller, path: str, body: bytes, now: int) -> Answer:
    """One question of a scheduler that was proven, answered in its form."""
    scheduler = caller.scheduler
    try:
        asked = scheduler.read(path, body)
        if isinstance(asked, Nothing):
            return scheduler.allowed(body)
        if shows_code(asked):
            return scheduler.refused(body, caller.linking.claim(asked, now=now))
        refusal = caller.admissions.ask(asked, now=now)
    except NotFound as error:
        return _plain(404, error.message)
    except Unavailable as error:
        _log.error("a hook could not be answered: %s", error.message)
        return scheduler.refused(body, _UNAVAILABLE)
    except KycgateError as error:
        return scheduler.refused(body, _in_words(error))
    if refusal is None:
        return scheduler.allowed(body)
    return scheduler.refused(body, refusal.body.decode("utf-8"))


def _in_words(error: KycgateError) -> str:
    """What could not be read, and where: the user who wrote it reads this."""
    field = getattr(error, "field", None)
    remedy = getattr(error, "remedy", None)
    text = reasons_of(error)[0].text.rstrip(".")
    place = f"{field}: " if field else ""
    return f"{place}{text}{f' ({remedy})' if remedy else ''}."


def _plain(status: int, text: str) -> Answer:
    return status, "text/plain; charset=utf-8", text.encode()


async def _read(receive: Receive, limit: int) -> bytes | None:
    whole = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        whole += message.get("body", b"")
        if len(whole) > limit:
            return None
        if not message.get("more_body", False):
            return bytes(whole)
