"""Reads HTTP/1.1 from strangers and refuses every request that two readers could take differently.

Decides nothing about who may rent: it only makes sure that what the gate judges is, byte for byte,
what the marketplace would see. llhttp already refuses broken framing (two lengths, length and
chunks together, folded lines, bare line feeds); here stands what it lets pass.

Held here and nowhere else:
- one answer per request at a time: a request sent before the last answer is never run (pipelining
  would let a stranger queue bodies in our memory behind a slow answer);
- trailers are dropped: a field after the body can't become a field of the request;
- the request-target reaches the application untouched, as `scope["kycgate.target"]`.
"""

from __future__ import annotations

import json
import re
from asyncio import TimerHandle, Transport
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from kycgate.errors import Code
from kycgate.gateway.limits import Counts, neighbourhood
from kycgate.gateway.listening import LOCAL, is_local

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Limits:
    """What one caller may cost us. Bytes, counts and seconds."""

    target_bytes: int = 8192
    header_bytes: int = 32768
    """Names and values of one request together, trailers included."""
    header_count: int = 100
    header_seconds: float = 10.0
    """From the first byte (or the connection) to the end of the header."""
    body_seconds: float = 30.0
    """Longest silence inside a body we are waiting for."""
    write_seconds: float = 60.0
    """Longest a caller may leave our answer unread."""
    keep_alive_seconds: int = 75
    drain_bytes: int = 16 * 1024 * 1024
    """Body bytes read and thrown away after an early answer, before the connection is closed."""
    body_bytes_per_second: int = 256
    """Slowest body, on average over `body_seconds`: below it, each byte costs us more than it
    brings."""
    connections: int = 4096
    connections_per_address: int = 256
    """From one address (IPv6: one /64)."""
    fronts: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    """Whoever connects for many: not counted per address."""
    grace_seconds: int = 10
    """How long running requests may finish after a stop."""


class StrictConfig(uvicorn.Config):
    """uvicorn's settings and ours in one value, the only thing a protocol is given."""

    limits: Limits = Limits()
    neighbours: Counts
    """Connections per address; one for all listeners of a server."""
    answers: object | None = None
    """What the application may say again (`standing.StandingAnswers`)."""


class _Fault(Exception):
    """This request can't be read one way only. Ends the connection."""

    def __init__(
        self, text: str, *, status: int = 400, code: Code = Code.AMBIGUOUS_REQUEST
    ) -> None:
        super().__init__(text)
        self.text = text
        self.status = status
        self.code = code


_NAME = re.compile(rb"[A-Za-z0-9-]+")
_VALUE = re.compile(rb"[\t\x20-\x7e]*")
_TARGET = re.compile(rb"[!\"$-\[\]-~]+")
"""Printable ASCII without space, `#` (fragments never travel) and `\\` (some read it as `/`)."""
_HOST = re.compile(rb"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_LENGTH = re.compile(rb"[0-9]{1,15}")
_ONCE = frozenset(
    b"host content-length transfer-encoding content-type content-encoding content-digest "
    b"authorization proxy-authorization expect user-agent referer date from origin range "
    b"max-forwards idempotency-key x-api-key".split()
)
"""Fields with one value; sent twice, each reader picks another one."""


class StrictProtocol(HttpToolsProtocol):
    """One connection from outside."""

    config: StrictConfig

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.client is None and is_local(transport.get_extra_info("socket")):
            self.client = (LOCAL, 0)
        self._limits = self.config.limits
        self._counted: str | None = None
        self._fault: _Fault | None = None
        self._closed_to_input = False
        self._in_message = False
        self._in_body = False
        self._header_bytes = 0
        self._header_count = 0
        self._drained = 0
        self._heard_at = 0.0
        self._heard_bytes = 0
        self._body_timer: TimerHandle | None = None
        self._write_timer: TimerHandle | None = None
        self._header_timer: TimerHandle | None = None
        if not self._has_room():
            self._close()
            return
        self._await_header()

    def _has_room(self) -> bool:
        if self.client is None or _is_front(self.client[0], self._limits.fronts):
            return True
        key = neighbourhood(self.client[0])
        if not self.config.neighbours.enter(key):
            return False
        self._counted = key
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._header_timer, self._body_timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        if self._counted is not None:
            self.config.neighbours.leave(self._counted)
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    # -- bytes in --------------------------------------------------------------------------------
    def data_received(self, data: bytes) -> None:
        if self._closed_to_input or self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        if self._header_timer is None and not self._in_body:
            self._await_header()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(_Fault("this server does not switch protocols"))
        except httptools.HttpParserError as e:
            self._refuse(self._fault or _Fault(f"not valid HTTP/1.1: {e}", code=Code.MALFORMED))

    def on_message_begin(self) -> None:
        if self.cycle is not None and not self._answered(self.cycle):
            self._raise("a request was sent before the last one was answered")
        super().on_message_begin()
        self._in_message = True
        self._header_bytes = self._header_count = self._drained = 0

    @staticmethod
    def _answered(cycle: RequestResponseCycle) -> bool:
        """Whether the caller has the whole answer: the application may hear of it a moment later,
        and a request sent in between is no pipelining."""
        if cycle.response_complete:
            return True
        return bool(
            cycle.response_started
            and cycle.expected_content_length == 0
            and not cycle.chunked_encoding
        )

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self._limits.target_bytes:
            self._raise("the request-target is too long", status=414, code=Code.TOO_LARGE)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_count += 1
        self._header_bytes += len(name) + len(value)
        limits = self._limits
        if self._header_bytes > limits.header_bytes or self._header_count > limits.header_count:
            self._raise("the header is too large", status=431, code=Code.TOO_LARGE)
        if not _NAME.fullmatch(name):
            self._raise("a header name holds a character other than letters, digits and '-'")
        if not _VALUE.fullmatch(value):
            self._raise("a header value holds a control or non-ASCII character")
        if not self._in_body:
            super().on_header(name, value.strip(b" \t"))

    def on_headers_complete(self) -> None:
        try:
            target = _check(
                self.parser.get_http_version(), self.parser.get_method(), self.url, self.headers
            )
        except _Fault as fault:
            self._fault = fault
            raise
        self._cancel_header_timer()
        self._in_body = True
        self.url = target
        self.scope["kycgate.target"] = target  # type: ignore[typeddict-unknown-key]
        super().on_headers_complete()
        if self.expect_100_continue:
            # The caller may or may not send the body after our answer: end the connection with
            # it, so that no byte of a body can be taken for a request or the other way round.
            self.cycle.keep_alive = False
        if any(name in (b"content-length", b"transfer-encoding") for name, _ in self.headers):
            self._await_body()

    def on_body(self, body: bytes) -> None:
        self._heard_at = self.loop.time()
        self._heard_bytes += len(body)
        if self.cycle.response_complete:
            self._drained += len(body)
            if self._drained > self._limits.drain_bytes:
                self._close()
            return
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_message = self._in_body = False
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None
        super().on_message_complete()
        if self.cycle.response_complete and not self.transport.is_closing():
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    # -- refusing --------------------------------------------------------------------------------
    def _raise(self, text: str, *, status: int = 400, code: Code = Code.AMBIGUOUS_REQUEST) -> None:
        self._fault = _Fault(text, status=status, code=code)
        raise self._fault

    def _refuse(self, fault: _Fault) -> None:
        cycle = self.cycle
        self._closed_to_input = True
        if cycle is None or (cycle.response_complete and not self._in_body):
            self._answer(fault)
        elif cycle.response_complete:  # it had its answer, and gets no second one
            self._close()
        elif self._in_body:  # this very request is broken: it must never look whole to the gate
            if not cycle.response_started:
                self._answer(fault)
            cycle.disconnected = True
            cycle.message_event.set()
            self._close()
        else:  # the request before it is sound: it gets its answer, and then the connection ends
            self._cancel_header_timer()
            cycle.keep_alive = False

    def _answer(self, fault: _Fault) -> None:
        body = json.dumps({"code": fault.code, "error": fault.text}).encode()
        self.transport.write(
            STATUS_LINE[fault.status]
            + b"content-type: application/json\r\nconnection: close\r\ncontent-length: "
            + str(len(body)).encode()
            + b"\r\n\r\n"
            + body
        )
        self._close()

    def _close(self) -> None:
        self._closed_to_input = True
        self.transport.close()

    # -- clocks ----------------------------------------------------------------------------------
    def _await_header(self) -> None:
        self._header_timer = self.loop.call_later(self._limits.header_seconds, self._header_late)

    def _cancel_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _header_late(self) -> None:
        self._header_timer = None
        if self.cycle is not None and not self.cycle.response_complete:
            return  # stray line ends while we are the ones who owe an answer
        if self._in_message:
            self._refuse(_Fault("the header took too long", status=408, code=Code.MALFORMED))
        else:
            self._close()

    def _await_body(self) -> None:
        self._heard_at = self.loop.time()
        self._heard_bytes = 0
        self._body_timer = self.loop.call_later(self._limits.body_seconds, self._body_late)

    def _body_late(self) -> None:
        limits, silence = self._limits, self.loop.time() - self._heard_at
        enough = limits.body_bytes_per_second * limits.body_seconds
        talking = self._heard_bytes >= enough and silence < limits.body_seconds
        if self.flow.read_paused or talking:  # paused: we stopped listening, not the caller
            self._await_body()
        else:
            self._refuse(_Fault("the body took too long", status=408, code=Code.MALFORMED))

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(
                self._limits.write_seconds, self.transport.abort
            )

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None


@lru_cache(maxsize=1024)
def _is_front(address: str, fronts: tuple[Network, ...]) -> bool:
    if address == LOCAL:
        return True
    try:
        return any(ip_address(address) in network for network in fronts)
    except ValueError:
        return False


def _check(version: str, method: bytes, target: bytes, headers: list[tuple[bytes, bytes]]) -> bytes:
    """The request-target in origin form, or a `_Fault` (RFC 9112 sections 2.3, 3.2, 6)."""
    if version != "1.1":
        raise _Fault("only HTTP/1.1 is spoken here (nginx: proxy_http_version 1.1)", status=505)
    if method == b"CONNECT":
        raise _Fault("CONNECT is not offered here", status=405)
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _ONCE and name in fields:
            raise _Fault(f"{name.decode()} is sent twice")
        fields[name] = value
    if b"upgrade" in fields:
        raise _Fault("this server does not switch protocols")
    _check_framing(fields)
    return _origin_form(target, fields.get(b"host", b""))


def _check_framing(fields: dict[bytes, bytes]) -> None:
    length, coding = fields.get(b"content-length"), fields.get(b"transfer-encoding")
    if length is not None and not _LENGTH.fullmatch(length):
        raise _Fault("Content-Length is not a plain number")
    if coding is not None and (coding.lower() != b"chunked" or length is not None):
        raise _Fault("Transfer-Encoding must be 'chunked', alone and without Content-Length")
    if fields.get(b"expect", b"100-continue").lower() != b"100-continue":
        raise _Fault("Expect can only be 100-continue", status=417)


def _origin_form(target: bytes, host: bytes) -> bytes:
    if not _HOST.fullmatch(host):
        raise _Fault("Host must be there once and name one host")
    if not _TARGET.fullmatch(target):
        raise _Fault("the request-target holds a character that must be percent-encoded")
    if target.startswith(b"/"):
        return target
    scheme, mark, rest = target.partition(b"://")
    authority, slash, path = rest.partition(b"/")
    if not (mark and scheme.lower() in (b"http", b"https") and authority.lower() == host.lower()):
        raise _Fault("the request-target must be a path, or a URL with the authority of Host")
    return slash + path or b"/"
