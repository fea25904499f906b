"""Asking a provider's API: bounded in time and size, no redirect followed, no proxy picked up.

Knows no provider. What goes wrong is told without the request, the answer, or the key.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import requests

from kycgate.core import wire
from kycgate.errors import Conflict, Malformed, NotFound, Unavailable

_MOST: Final = 2**20
"""Bytes of an answer; an applicant has about ten thousand."""
_TIMEOUT_S: Final = (3.0, 8.0)
_WHOLE_S: Final = 15.0
"""From asking to the last byte: a slow drip must not hold a worker."""
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. `body` is what is sent, to the byte."""

    method: str
    target: str
    """path and query"""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


class Http:
    """One provider's API origin. Threads may share it."""

    def __init__(
        self, name: str, origin: str, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._origin = origin
        self._monotonic = monotonic
        self._local = threading.local()

    @property
    def loopback(self) -> bool:
        """True where a stand-in on this machine answers, which may then use plain http."""
        return urlsplit(self._origin).hostname in _LOOPBACK

    def ask(self, asked: Ask) -> dict[str, Any]:
        """The JSON object answered with a 2xx.

        Raises NotFound (404), Conflict (409), Unavailable for everything else: neither yes nor no.
        """
        start = self._monotonic()
        try:
            with self._session().request(
                asked.method,
                self._origin + asked.target,
                headers={"Accept": "application/json", **asked.headers},
                data=asked.body or None,
                timeout=_TIMEOUT_S,
                allow_redirects=False,
                stream=True,
            ) as answer:
                status = answer.status_code
                body = self._read(answer, start) if 200 <= status < 300 else b""
        except requests.RequestException as error:
            # Without `from`: the cause quotes the address, which names the visit.
            raise self._silent(type(error).__name__) from None
        return self._object(status, body)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.trust_env = False
        return session

    def _read(self, answer: requests.Response, start: float) -> bytes:
        parts, size = [], 0
        for part in answer.iter_content(64 * 1024):
            size += len(part)
            if size > _MOST:
                raise self._silent("an answer larger than any real one")
            if self._monotonic() - start > _WHOLE_S:
                raise self._silent("an answer that does not end")
            parts.append(part)
        return b"".join(parts)

    def _object(self, status: int, body: bytes) -> dict[str, Any]:
        if status == 404:
            raise NotFound(f"{self._name} knows no such thing")
        if status == 409:
            raise Conflict(f"{self._name} has that already")
        if status in (401, 403):
            raise self._silent(f"{status}: check the key and what it may do")
        if not 200 <= status < 300:
            raise self._silent(str(status))
        try:
            return wire.read_object(body, limit=_MOST, field=self._name)
        except Malformed:
            raise self._silent("an answer that can't be read") from None

    def hosted(self, url: object, domains: tuple[str, ...]) -> str:
        """The address a renter is sent to, if it is the provider's own. Raises Unavailable."""
        if isinstance(url, str) and len(url) <= 2048 and url.isascii() and url.isprintable():
            parts = urlsplit(url)
            host = parts.hostname or ""
            own = any(host == each or host.endswith("." + each) for each in domains)
            if parts.username is None and parts.scheme == "https" and own and "\\" not in url:
                return url
            if self.loopback and host in _LOOPBACK:
                return url
        raise self._silent("a link that is not its own")

    def _silent(self, why: str) -> Unavailable:
        return Unavailable(f"{self._name} gave no answer that can be used ({why})")
