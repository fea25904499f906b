"""Both sides of the sidecar's wire, in h11: a local tool's connection, and one to the marketplace.

Knows neither keys nor accounts. What h11 joins, drops or reads is what goes on: it is written anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import h11

from kycgate.client.origin import gate_origin
from kycgate.client.sidecar.local import NotHeard
from kycgate.client.sidecar.proof import Fields, Outgoing

_HEAD_BYTES: Final = 32 * 1024
_READ_BYTES: Final = 64 * 1024
_HEAD_S: Final = 75.0
"""For a tool's next request on a connection it holds."""
_BODY_S: Final = 60.0
_CONNECT_S: Final = 15.0
_ANSWER_S: Final = 180.0
"""For the marketplace's head; the gate itself gives up after 120."""
_IDLE_S: Final = 300.0
"""Longest silence inside an answer."""
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""
_ANSWER_HOP: Final = frozenset(
    {
        "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding",
        "upgrade",
    }
)  # fmt: skip


class Broken(Exception):
    """The marketplace gave no whole answer. `sent`: a byte of the request may have arrived."""

    def __init__(self, sent: bool) -> None:
        super().__init__()
        self.sent = sent


class Gone(Exception):
    """The tool hung up, or can't be spoken to any more."""


@dataclass(frozen=True, slots=True)
class Head:
    """A tool's request before its body."""

    method: str
    target: str
    fields: Fields


class Tool:
    """The local side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_BYTES)
        self._begun = False
        self._method = "GET"

    async def next_head(self) -> Head | None:
        """None when the tool has no more. Raises h11.RemoteProtocolError, TimeoutError."""
        self._begun = False
        async with asyncio.timeout(_HEAD_S):
            event = await self._event()
        if isinstance(event, h11.ConnectionClosed):
            return None
        assert isinstance(event, h11.Request)
        self._method = event.method.decode("ascii")
        target, fields = event.target.decode("latin-1"), _text(event.headers.raw_items())
        return Head(self._method, target, fields)

    async def body(self, limit: int) -> bytes:
        """The rest of the request. Raises NotHeard, Gone, h11.RemoteProtocolError, TimeoutError."""
        body = bytearray()
        async with asyncio.timeout(_BODY_S):
            if self._h11.they_are_waiting_for_100_continue:
                await self._write(h11.InformationalResponse(status_code=100, headers=[]))
            while not isinstance(event := await self._event(), h11.EndOfMessage):
                if not isinstance(event, h11.Data):
                    raise Gone
                body += event.data
                if len(body) > limit:
                    raise NotHeard(413, f"The body is longer than {limit} bytes.")
        return bytes(body)

    async def _event(self) -> Any:
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            self._h11.receive_data(await self._reader.read(_READ_BYTES))
        if event is h11.PAUSED:
            raise Gone
        return event

    async def begin(self, status: int, fields: Fields) -> None:
        self._begun = True
        await self._write(h11.Response(status_code=status, headers=_octets(fields)))

    async def send(self, chunk: bytes) -> None:
        await self._write(h11.Data(data=chunk))

    async def end(self) -> None:
        await self._write(h11.EndOfMessage())

    async def say(self, status: int, document: dict[str, Any], *, last: bool = False) -> None:
        """The sidecar's own word. Raises Gone when an answer was begun already."""
        if self._begun:
            raise Gone
        body = json.dumps(document).encode()
        fields: Fields = (
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            *((("Connection", "close"),) if last else ()),
        )
        await self.begin(status, fields)
        if self._method != "HEAD":
            await self.send(body)
        await self.end()

    def again(self) -> bool:
        """Whether the connection may carry another request."""
        if self._h11.our_state is not h11.DONE or self._h11.their_state is not h11.DONE:
            return False
        self._h11.start_next_cycle()
        return True

    async def _write(self, event: Any) -> None:
        try:
            data = self._h11.send(event)
        except h11.LocalProtocolError as error:
            raise Gone from error
        if data:
            self._writer.write(data)
            await self._writer.drain()


class Answer:
    """An answer of the marketplace, its body still to come."""

    def __init__(self, status: int, fields: Fields, pull: Callable[[], Awaitable[Any]]) -> None:
        self.status = status
        self.fields = fields
        self._pull = pull

    async def chunk(self) -> bytes | None:
        """The next bytes; None at the end. Raises Broken."""
        event = await self._pull()
        if isinstance(event, h11.Data):
            return bytes(event.data)
        if isinstance(event, h11.EndOfMessage):
            return None
        raise Broken(sent=True)


class Upstream:
    """The marketplace: a connection of its own for each request, none used twice."""

    def __init__(self, origin: str) -> None:
        parts = urlsplit(gate_origin(origin))
        assert parts.hostname is not None
        self._host = parts.hostname
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._authority = parts.netloc

    @contextlib.asynccontextmanager
    async def ask(self, request: Outgoing) -> AsyncIterator[Answer]:
        """Send once. Raises Broken."""
        try:
            async with asyncio.timeout(_CONNECT_S):
                reader, writer = await asyncio.open_connection(
                    self._host, self._port, ssl=self._tls, limit=_HEAD_BYTES
                )
        except (OSError, TimeoutError) as error:
            raise Broken(sent=False) from error
        try:
            yield await self._exchange(request, reader, writer)
        finally:
            writer.transport.abort()

    async def _exchange(
        self, request: Outgoing, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Answer:
        wire = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_BYTES)
        length = (
            (("Content-Length", str(len(request.body))),)
            if request.body or request.method not in SAFE
            else ()
        )
        fields = (("Host", self._authority), *request.fields, *length, ("Connection", "close"))

        async def pull(seconds: float = _IDLE_S) -> Any:
            try:
                async with asyncio.timeout(seconds):
                    while (event := wire.next_event()) is h11.NEED_DATA:
                        wire.receive_data(await reader.read(_READ_BYTES))
            except (OSError, TimeoutError, h11.RemoteProtocolError) as error:
                raise Broken(sent=True) from error
            return event

        try:
            head = wire.send(
                h11.Request(method=request.method, target=request.target, headers=_octets(fields))
            )
        except h11.LocalProtocolError as error:
            raise Broken(sent=False) from error
        try:
            writer.write(head or b"")
            if request.body:
                writer.write(wire.send(h11.Data(data=request.body)) or b"")
            writer.write(wire.send(h11.EndOfMessage()) or b"")
            await writer.drain()
        except OSError as error:
            raise Broken(sent=True) from error
        event = await pull(_ANSWER_S)
        while isinstance(event, h11.InformationalResponse):
            event = await pull(_ANSWER_S)
        if not isinstance(event, h11.Response):
            raise Broken(sent=True)
        return Answer(event.status_code, _passable(_text(event.headers.raw_items())), pull)


def _passable(fields: Fields) -> Fields:
    nominated = {
        part.strip().lower()
        for name, value in fields
        if name.lower() == "connection"
        for part in value.split(",")
    }
    chunked = any(name.lower() == "transfer-encoding" for name, _ in fields)
    return tuple(
        (name, value)
        for name, value in fields
        if (lower := name.lower()) not in _ANSWER_HOP
        and lower not in nominated
        and not (chunked and lower == "content-length")
    )


def _text(items: Any) -> Fields:
    return tuple((bytes(n).decode("latin-1"), bytes(v).decode("latin-1")) for n, v in items)


def _octets(fields: Fields) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
