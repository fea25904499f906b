"""What a door hands to the gate and what it gets back: a request as received, one of two answers.

Decides nothing and parses nothing: these are the values both sides agree on. A door (proxy,
middleware) does four things in this order:

1. build a `RequestView` from what it received, altering nothing, duplicates kept, `body=None`;
2. ask `needs_body`; if it names a limit, read the whole body (more than the limit: answer
   `too_large`) and put it in the view; a request without a body has `b""`;
3. ask `quick` if it runs on an event loop, and `check` (in a worker thread) when `quick` says None;
4. send the `Reply` as it stands, or carry out the `Forward` exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

Headers = tuple[tuple[str, str], ...]
"""Header fields in order, names as received, values as latin-1 text, duplicates kept."""


@dataclass(frozen=True, slots=True)
class RequestView:
    """One request as a door received it; nothing in it is trusted."""

    method: str
    target: bytes
    """The request-target of the request line, byte for byte, percent-encoding untouched."""
    authority: str
    """What the Host field said (also present in `headers`)."""
    scheme: str
    headers: Headers
    body: bytes | None
    """None: not read (it streams past the gate)."""
    client_ip: str
    now: int
    """Unix seconds UTC, read once by the door."""
    door: str
    """Which front it came through ("proxy", "wsgi"): for the log."""
    only: frozenset[str] | None = None
    """Set by a door that sees neither body nor upstream's answer: the scopes it may pass. What is
    decided, or must be read on its way back, never passes such a door."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of ours. `headers` hold everything but Content-Length and Date."""

    status: int
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a forwarded request belongs to; doors put it where a caller can't write."""

    account: str
    """`Account.key`"""
    decision_id: str | None
    """Set on renting routes."""
    job_id: bytes | None
    level: int
    """Of the verified attestation; 0 when the account has none (reads and stops need none)."""
    expires_at: int | None
    """When the proof behind this request ends: a door closes long streams then."""


@dataclass(frozen=True, slots=True)
class Forward:
    """Permission to send exactly this upstream, once.

    The door adds nothing but framing (Host of the upstream, Content-Length or Transfer-Encoding),
    never follows redirects and never re-sends. If `finish` is set the door reads the whole answer
    (at most `answer_limit` bytes; more counts as `failed(True)`) and sends what `finish` returns;
    else it streams the answer, minus hop-by-hop fields. If no complete answer arrives the door
    sends what `failed` returns.
    """

    method: str
    target: bytes
    headers: Headers
    """Complete for upstream: hop-by-hop, Host and Content-Length gone."""
    body: bytes | None
    """None: stream the caller's own body."""
    failed: Callable[[bool], Reply]
    """Called with True when any byte of the request may have left. May touch the store."""
    finish: Callable[[int, Headers, bytes], Reply] | None = None
    """Called at most once with the upstream's status, headers, body. May touch the store."""
    answer_limit: int = 4 * 1024 * 1024
    identity: Identity | None = None
    charge: Callable[[], bool] | None = None
    """Takes one more request like this from what its caller may ask; false: none was left."""
    lane: Literal["usual", "stop", "long"] = "usual"
    """Which of a door's bounds on what is under way at once it counts against."""
    goes_on: Callable[[int], int] | None = None
    """For a long answer: given the time, until when (Unix seconds) it may go on as things stand; 0
    or less than now: cut it off. To be asked every few seconds. May wait; raises Unavailable when
    nobody knows, and then the last answer stands."""
    until: int = 0
    """Last second + 1 in which the same question gets this very answer, while `GatePort.mark`
    stays the same; 0: it must be asked every time."""


class GatePort(Protocol):
    """The gate as doors see it. Thread-safe; nothing a caller sends makes a method raise."""

    def needs_body(self, view: RequestView) -> int | None:
        """The most bytes to read before `check`; None: the body streams past. Never blocks."""

    def quick(self, view: RequestView) -> Forward | Reply | None:
        """The answer if it can be given from memory alone, else None. Never blocks."""

    def check(self, view: RequestView) -> Forward | Reply:
        """The answer. May wait for store, chain or catalogue: not for an event loop."""

    def mark(self) -> object | None:
        """Under which mark answers are given now: a Forward with `until` stands while this is the
        same object. None: something may have changed. Take it before asking. Never blocks."""

    def refresh(self) -> None:
        """Look whether anything has changed, so that no request has to. May wait."""

    def too_large(self, view: RequestView) -> Reply:
        """The answer when the body exceeds the limit `needs_body` gave. Never blocks."""

    def too_many(self, view: RequestView) -> Reply:
        """The answer when the door has too much under way already. Never blocks."""
