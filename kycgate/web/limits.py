"""How much one address may ask of the control plane: changes less often than everything else.

Decides nothing about anybody, and stands before the application: what is refused here costs neither
a session look-up nor a nonce in the database.
"""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from kycgate.gateway.limits import Buckets, Rate, neighbourhood
from kycgate.web.problem import MEDIA_TYPE

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_READS = frozenset({"GET", "HEAD"})
_SIGNED = "/v1/webhooks/"
"""Providers send whatever waited at once, from few addresses, and switch off who refuses them; what
is unsigned costs one HMAC and nothing kept."""


class PerAddress:
    """A WSGI application that hands on to `app` what an address may still ask."""

    def __init__(
        self,
        app: WSGIApplication,
        *,
        every: Rate,
        changes: Rate,
        fronts: Sequence[Network] = (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`every` request, and those that may change something (challenges, sign-ins, details);
        behind one of the `fronts` the address is the last one it wrote down."""
        self._app = app
        self._every = Buckets(every, monotonic)
        self._changes = Buckets(changes, monotonic)
        self._fronts = tuple(fronts)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        who = neighbourhood(self._address(environ))
        buckets = [self._every.of(who)]
        signed = environ.get("PATH_INFO", "").startswith(_SIGNED)
        if environ["REQUEST_METHOD"] not in _READS and not signed:
            buckets.append(self._changes.of(who))
        wait = max(bucket.wait_s() for bucket in buckets)
        if wait:
            return _refused(wait, start_response)
        for bucket in buckets:
            bucket.take()
        return self._app(environ, start_response)

    def _address(self, environ: WSGIEnvironment) -> str:
        peer = str(environ.get("REMOTE_ADDR", ""))
        if not any(_within(peer, front) for front in self._fronts):
            return peer
        return str(environ.get("HTTP_X_FORWARDED_FOR", peer)).rpartition(",")[2].strip()


def _within(text: str, network: Network) -> bool:
    try:
        return ipaddress.ip_address(text) in network
    except ValueError:
        return False


def _refused(wait_s: int, start_response: StartResponse) -> Iterable[bytes]:
    body = json.dumps(
        {
            "type": "urn:kycgate:rate_limited",
            "title": "Too many requests",
            "status": 429,
            "detail": "Too many requests from your address.",
            "code": "rate_limited",
            "field": None,
            "remedy": f"wait {wait_s} seconds",
        }
    ).encode()
    fields = [
        ("Content-Type", MEDIA_TYPE),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("Retry-After", str(wait_s)),
    ]
    start_response("429 Too Many Requests", fields)
    return [body]
