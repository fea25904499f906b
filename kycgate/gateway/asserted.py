"""On the marketplace's own side: what did not come through the gate changes nothing there.

Decides nothing about renters: the gate did. It only checks that the gate said so, in
`Kycgate-Assertion`, of this very request.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Protocol

from kycgate.core.assertion import (
    JWKS_LIMIT,
    JWKS_PATH,
    AssertionKeys,
    InvalidAssertion,
    ValidAssertion,
    verify,
)
from kycgate.errors import Code, KycgateError, Reason, Unavailable
from kycgate.gateway.middleware import read_body, send_reply, target_of
from kycgate.gateway.view import Reply

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

ASSERTION = "kycgate.assertion"
"""Where the application finds a `core.assertion.Assertion` (absent: a read without one)."""
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_KEYS_LIVE_S = 300
"""A key the gate no longer publishes counts this long at most."""
_ASK_EVERY_S = 10
"""Strangers' headers can't make us ask the gate more often."""
_FETCH_S = 5

_log = logging.getLogger(__name__)


class KeySource(Protocol):
    """Where the gate's keys come from. Thread-safe; raises Unavailable when there are none."""

    def current(self, now: int) -> AssertionKeys: ...
    def renewed(self, now: int) -> AssertionKeys:
        """Asked again because a header was that of no key: a new one may have been published."""


class PinnedKeys:
    """Keys from the operator's own hand: nothing is fetched."""

    def __init__(self, keys: AssertionKeys) -> None:
        self._keys = keys

    def current(self, now: int) -> AssertionKeys:
        return self._keys

    def renewed(self, now: int) -> AssertionKeys:
        return self._keys


class PublishedKeys:
    """The keys that a gate publishes, fetched when first needed and every five minutes."""

    def __init__(self, gate: str, *, fetch: Callable[[str], bytes] | None = None) -> None:
        """`gate` is the origin of the gate's marketplace listener; `fetch` gives a URL's body."""
        self._url = gate + JWKS_PATH
        self._fetch = fetch or _get
        self._lock = threading.Lock()
        self._keys: AssertionKeys | None = None
        self._fetched_at = self._asked_at = 0

    def current(self, now: int) -> AssertionKeys:
        with self._lock:
            if self._keys is None or now >= self._fetched_at + _KEYS_LIVE_S:
                self._ask(now)
            return self._standing(now)

    def renewed(self, now: int) -> AssertionKeys:
        with self._lock:
            self._ask(now)
            return self._standing(now)

    def _ask(self, now: int) -> None:
        if now < self._asked_at + _ASK_EVERY_S:
            return
        self._asked_at = now
        try:
            self._keys = AssertionKeys.from_jwks(self._fetch(self._url))
            self._fetched_at = now
        except KycgateError as error:
            _log.error("the gate's keys could not be fetched: %s", error.message)

    def _standing(self, now: int) -> AssertionKeys:
        if self._keys is None or now >= self._fetched_at + _KEYS_LIVE_S:
            raise Unavailable("the gate's keys are not known")
        return self._keys


def _get(url: str) -> bytes:
    import requests
    from urllib3.exceptions import HTTPError

    try:
        with requests.get(url, timeout=_FETCH_S, allow_redirects=False, stream=True) as answer:
            body = answer.raw.read(JWKS_LIMIT + 1, decode_content=True)
    except (requests.RequestException, HTTPError, OSError) as error:
        # The body is read from urllib3 itself, whose errors are no RequestException.
        raise Unavailable(f"{url} did not answer") from error
    if answer.status_code != 200:
        raise Unavailable(f"{url} answered {answer.status_code}")
    return bytes(body)


class RequireAssertion:
    """A WSGI application that lets through to `app` what `gate` said passed it.

    What may change something (any method but GET, HEAD, OPTIONS) needs an assertion of exactly its
    method, target and body, and counts once in this process. A read may come without one; one it
    brings must hold. `body_limit` in bytes: at least the gate's own.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        gate: str,
        audience: str,
        keys: KeySource | None = None,
        body_limit: int = 2**20,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`gate` and `audience` are the origins of the gate's listener and of this application, as
        the gate's configuration spells them (`gate.gateway_url`, `marketplace.upstream`)."""
        self._app = app
        self._gate = gate
        self._audience = audience
        self._keys = keys or PublishedKeys(gate)
        self._body_limit = body_limit
        self._clock = clock
        self._spent = _Spent()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ.pop(ASSERTION, None)
        token, method = environ.get("HTTP_KYCGATE_ASSERTION"), environ["REQUEST_METHOD"]
        if token is None and method in _READS:
            return self._app(environ, start_response)
        body = read_body(environ, self._body_limit)
        if body is None:
            return send_reply(_refusal(413, Code.TOO_LARGE), start_response)
        try:
            verdict = self._check(token, method, target_of(environ), body)
        except Unavailable:
            return send_reply(_refusal(503, Code.DEPENDENCY), start_response)
        if isinstance(verdict, InvalidAssertion):
            _log.warning("refused: %s (%s)", verdict.reason.code, verdict.reason.text)
            return send_reply(_refusal(403, verdict.reason.code), start_response)
        environ[ASSERTION] = verdict.assertion
        environ["wsgi.input"] = BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        return self._app(environ, start_response)

    def _check(
        self, token: str | None, method: str, target: bytes, body: bytes
    ) -> ValidAssertion | InvalidAssertion:
        now = int(self._clock())

        def against(keys: AssertionKeys) -> ValidAssertion | InvalidAssertion:
            return verify(
                token,
                keys=keys,
                issuer=self._gate,
                audience=self._audience,
                method=method,
                target=target,
                body=body,
                now=now,
            )

        verdict = against(self._keys.current(now))
        if isinstance(verdict, InvalidAssertion) and verdict.reason.code is Code.ASSERTION_KEY:
            verdict = against(self._keys.renewed(now))
        if isinstance(verdict, InvalidAssertion) or method in _READS:
            return verdict
        said = verdict.assertion
        if self._spent.first(said.id, said.expires_at, now):
            return verdict
        return InvalidAssertion(Reason(Code.ASSERTION_REPLAYED, "it was used before"))


class _Spent:
    """Ids of assertions that changed something, until they expire."""

    def __init__(self) -> None:
        self._until: dict[str, int] = {}
        self._swept_at = 0
        self._lock = threading.Lock()

    def first(self, id: str, expires_at: int, now: int) -> bool:  # noqa: A002
        with self._lock:
            if now != self._swept_at:
                self._swept_at = now
                self._until = {each: end for each, end in self._until.items() if end > now}
            if id in self._until:
                return False
            self._until[id] = expires_at
            return True


def _refusal(status: int, code: Code) -> Reply:
    said = {"error": "Changes reach this marketplace through its gate only.", "code": str(code)}
    fields = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))
    return Reply(status, fields, json.dumps(said).encode())
