"""The gate's answer to fronts that ask before they forward: nginx, Caddy, Traefik, Envoy.

Decides nothing and forwards nothing: the front shows a request's head, the gate decides, and what
the front must send upstream (credential, identity) stands in the header of the answer. Neither body
nor the marketplace's answer passes here, so routes that need one of them are refused (by the gate:
see `RequestView.only`) and belong on the proxy.

One listener speaks one contract: a field that means something in another contract is the caller's
own here. Whoever may connect can write every field, so only named peers are heard, and whoever the
file system lets connect to a socket in it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from kycgate.gateway.listening import LOCAL
from kycgate.gateway.standing import QUESTION, StandingAnswers
from kycgate.gateway.view import Forward, GatePort, Reply, RequestView
from kycgate.gateway.watching import watching

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
RawHeaders = Sequence[tuple[bytes, bytes]]

PATH = b"/auth"
"""Where a front asks; under Envoy, what stands before the request's own target."""

MANAGED = (
    "authorization", "cookie", "x-api-key", "kycgate-account", "kycgate-decision", "kycgate-job",
)  # fmt: skip
"""Fields the front takes from our answer. All are always answered, empty where nothing is to be
sent: a field left out would let a careless front keep the caller's own."""
_OURS = ("kycgate-", "x-kycgate-")
REFUSAL = "Kycgate-Refusal"
"""For a front that drops the body of our answer: the whole refusal, on one line."""
KEEP = ("x-accel-expires", "1")
"""nginx counts whole seconds, the last one included: for less than two."""
_REFUSAL_BYTES = 3000
"""nginx reads an answer's header into 4 KiB unless told otherwise."""
_FRAMING = frozenset({"host", "content-length", "transfer-encoding", "connection"})


@dataclass(frozen=True, slots=True)
class Contract:
    """How one front shows a request: the field each part stands in, by lower-case name."""

    name: str
    method: str | None
    """None: the method of the question is the method asked about."""
    target: str | None
    """None: the target of the question, after `PATH`."""
    host: str
    scheme: str = "x-forwarded-proto"
    client: str = "x-forwarded-for"
    relays: bool = True
    """Whether the caller sees our refusal as we wrote it."""

    fields: frozenset[str] = field(init=False)
    """All of them: in this contract they are the front's, not the caller's."""

    def __post_init__(self) -> None:
        named = (self.method, self.target, self.host, self.scheme, self.client)
        fields = frozenset(each for each in named if each is not None)
        object.__setattr__(self, "fields", fields)


_FORWARDED = ("x-forwarded-method", "x-forwarded-uri", "x-forwarded-host")
CONTRACTS = {
    each.name: each
    for each in (
        Contract("nginx", "x-original-method", "x-original-uri", "x-original-host", relays=False),
        Contract("caddy", *_FORWARDED),
        Contract("traefik", *_FORWARDED),
        Contract("envoy", None, None, "host"),
    )
}


class _UnclearError(Exception):
    """The question does not follow the contract. The text says where."""


class ForwardAuth:
    """ASGI application. Runs on `kycgate.gateway.server`, which hands it the raw target."""

    def __init__(
        self,
        gate: GatePort,
        contract: Contract,
        *,
        peers: Sequence[Network],
        only: frozenset[str],
        clock: Callable[[], float],
        threads: int = 16,
    ) -> None:
        """`peers` may ask over the network; `only` names the scopes of the routes that may pass."""
        self._gate = gate
        self._contract = contract
        self._peers = tuple(peers)
        self._only = only
        self._clock = clock
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="forward-auth")
        self.answers = StandingAnswers(gate.mark, clock, self._hears)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            reply = await self._answer(scope, int(self._clock()))
            await _send(reply, send, head=scope["method"] == "HEAD")

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        async with watching(self._gate, self._threads):
            await receive()
        self._threads.shutdown(wait=True)
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Scope, now: int) -> Reply:
        if not (scope["client"] and self._hears(scope["client"][0])):
            return _plain("This listener answers its front only.")
        try:
            view = read(self._contract, scope, now=now, only=self._only)
        except _UnclearError as error:
            return self._refused(_plain(f"Not a question of {self._contract.name}: {error}."))
        mark = self._gate.mark()
        verdict = self._gate.quick(view)
        if verdict is None:
            loop = asyncio.get_running_loop()
            verdict = await loop.run_in_executor(self._threads, self._gate.check, view)
        if isinstance(verdict, Reply):
            return self._refused(verdict)
        reply = _allowed(verdict)
        if verdict.until > now:
            # Where the front is told to keep answers (examples/nginx), it may keep this one.
            reply = replace(reply, headers=(*reply.headers, KEEP))
        if verdict.until and QUESTION in scope:
            self.answers.keep(
                scope[QUESTION],
                _wire(reply),
                since=now,
                until=verdict.until,
                mark=mark,
                charge=verdict.charge or (lambda: True),
            )
        return reply

    def _hears(self, address: str) -> bool:
        if address == LOCAL:
            return True  # the socket's own mode let it in
        peer = _address(address)
        return peer is not None and any(peer in network for network in self._peers)

    def _refused(self, reply: Reply) -> Reply:
        if 200 <= reply.status < 300:
            # The gate's own pages: said to a front, a 200 would mean "send it on".
            reply = _plain("This page is the gate's own: send it to the gate's proxy.")
        return reply if self._contract.relays else _in_header(reply)


# -- the question ----------------------------------------------------------------------------------


def read(contract: Contract, scope: Scope, *, now: int, only: frozenset[str]) -> RequestView:
    """The request a front asks about. Raises _UnclearError: nothing is guessed or defaulted."""
    said, own = _parted(contract, scope["headers"])
    authority = said[contract.host]
    if said[contract.scheme] not in ("http", "https"):
        raise _UnclearError(f"{contract.scheme} is neither http nor https")
    return RequestView(
        method=_method(contract, scope, said),
        target=_target(contract, scope, said),
        authority=authority,
        scheme=said[contract.scheme],
        headers=(("host", authority), *own),
        body=None,
        client_ip=_client(contract, said),
        now=now,
        door=f"forward-auth/{contract.name}",
        only=only,
    )


def _parted(contract: Contract, raw: RawHeaders) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The fields that are the front's words, and those that are the caller's."""
    said: dict[str, str] = {}
    own: list[tuple[str, str]] = []
    for raw_name, raw_value in raw:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        lower = name.lower()
        if lower in contract.fields:
            if lower in said:
                raise _UnclearError(f"{lower} is there twice")
            said[lower] = value
        elif lower.startswith(_OURS) and lower not in MANAGED:
            # The gate drops all of these, but it is the front that forwards: it knows only some.
            raise _UnclearError(f"the caller sent {lower}, which is not its to send")
        elif lower not in _FRAMING:
            own.append((name, value))
    for name in contract.fields:
        if not said.get(name):
            raise _UnclearError(f"{name} is missing")
    return said, own


def _method(contract: Contract, scope: Scope, said: dict[str, str]) -> str:
    if contract.method is None:
        return str(scope["method"])
    if scope["method"] != "GET":
        raise _UnclearError("it is asked with GET")
    return said[contract.method]


def _target(contract: Contract, scope: Scope, said: dict[str, str]) -> bytes:
    asked: bytes = scope["kycgate.target"]
    if contract.target is None:
        if not asked.startswith(PATH + b"/"):
            raise _UnclearError(f"it is asked under {PATH.decode()}/")
        return asked[len(PATH) :]
    if asked != PATH:
        raise _UnclearError(f"it is asked at {PATH.decode()}")
    target = said[contract.target]
    if not target.startswith("/"):
        raise _UnclearError(f"{contract.target} is no path")
    return target.encode("latin-1")


def _client(contract: Contract, said: dict[str, str]) -> str:
    """The address the front itself saw: fronts append, so what comes before is hearsay."""
    last = said[contract.client].rpartition(",")[2].strip()
    address = _address(last)
    if address is None:
        raise _UnclearError(f"{contract.client} does not end in an address")
    return str(address)


@lru_cache(maxsize=1024)
def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


# -- the answer ------------------------------------------------------------------------------------


def _allowed(forward: Forward) -> Reply:
    found = dict.fromkeys(MANAGED, "")
    for name, value in forward.headers:
        lower = name.lower()
        if lower in found or lower.startswith(_OURS):
            found[lower] = value
    return Reply(200, (*found.items(), ("cache-control", "no-store")), b"")


def _plain(message: str) -> Reply:
    body = json.dumps({"status": "failed", "error": message}).encode()
    return Reply(403, (("content-type", "application/json"), ("cache-control", "no-store")), body)


def _in_header(reply: Reply) -> Reply:
    """nginx knows 401 and 403, turns every other refusal into a 500 and drops the body."""
    text = reply.body.decode("latin-1")
    if not (text.isascii() and text.isprintable() and len(text) <= _REFUSAL_BYTES):
        text = _plain("This request was refused.").body.decode()
    status = 401 if reply.status == 401 else 403
    kept = tuple(field for field in reply.headers if field[0].lower() != "content-type")
    return Reply(status, (*kept, (REFUSAL, text)), b"")


def _wire(reply: Reply) -> bytes:
    """The answer as `_send` and the server write it."""
    fields = "".join(f"{name.lower()}: {value}\r\n" for name, value in reply.headers)
    return f"HTTP/1.1 200 OK\r\n{fields}content-length: 0\r\n\r\n".encode("latin-1")


async def _send(reply: Reply, send: Send, *, head: bool) -> None:
    headers = [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in reply.headers]
    headers.append((b"content-length", b"%d" % len(reply.body)))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else reply.body})
