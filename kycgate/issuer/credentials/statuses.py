"""Asks an issuer's status list whether a credential still counts, and remembers lists for a while.

Decides nothing: a list that can't be had, read or believed is `UNKNOWN`, neither good nor revoked.
Only hosts the operator named are ever asked, by https and without following a redirect: a
credential's own word must not choose what this machine connects to.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlsplit

import requests

from kycgate.errors import Malformed
from kycgate.issuer.credentials.chain import Trust
from kycgate.issuer.credentials.statuslist import (
    CWT_TYPE,
    JWT_TYPE,
    TOKEN_MOST,
    Status,
    StatusList,
    read,
)
from kycgate.issuer.credentials.verdict import StatusAt, Untrue

_log = logging.getLogger("kycgate.credentials")
_TIMEOUT_S: Final = (3.05, 5)
_WHOLE_S: Final = 10
"""For the whole of one list: a server that trickles is given up."""
_FRESH_S: Final = 3600
"""How long a list without `ttl` is believed."""
_FRESH_MOST_S: Final = 12 * 3600
_LISTS_MOST: Final = 64


class Statuses(Protocol):
    """Where the standing of credentials is asked. Never raises; thread-safe."""

    def look(self, at: StatusAt, trust: Trust, *, now: int) -> Status:
        """What the list at this place says, believed only under these roots."""


@dataclass(frozen=True, slots=True)
class _Kept:
    listed: StatusList
    trust: Trust
    until: int


class FetchedStatuses:
    """`Statuses` over https. `hosts` may be asked and no others: `host` or `host:port`."""

    def __init__(
        self, hosts: frozenset[str], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._hosts = hosts
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def look(self, at: StatusAt, trust: Trust, *, now: int) -> Status:
        try:
            return self._list(at.uri, trust, now).of(at.index)
        except (Untrue, Malformed, requests.RequestException, OSError) as e:
            _log.warning("a status list gave no answer: %s", e)
            return Status.UNKNOWN

    def _list(self, uri: str, trust: Trust, now: int) -> StatusList:
        with self._lock:
            kept = self._kept.get(uri)
        # Believed under these very roots only: two kinds of credential may not share a list.
        if kept is not None and kept.trust == trust and now < kept.until:
            return kept.listed
        body, media_type = self._fetched(uri)
        listed = read(body, media_type, uri=uri, trust=trust, now=now)
        until = now + min(listed.ttl or _FRESH_S, _FRESH_MOST_S)
        if listed.expires_at is not None:
            until = min(until, listed.expires_at)
        with self._lock:
            while len(self._kept) >= _LISTS_MOST:
                self._kept.pop(next(iter(self._kept)))
            self._kept[uri] = _Kept(listed, trust, until)
        return listed

    def _fetched(self, uri: str) -> tuple[bytes, str]:
        parts = urlsplit(uri)
        if parts.scheme != "https" or parts.netloc.lower() not in self._hosts:
            raise Malformed("is at a host the operator did not name", field="status_list.uri")
        accept = {"Accept": f"{JWT_TYPE}, {CWT_TYPE}"}
        deadline = self._clock() + _WHOLE_S
        with requests.get(
            uri, headers=accept, timeout=_TIMEOUT_S, allow_redirects=False, stream=True
        ) as answer:
            if answer.status_code != 200:
                raise Malformed(f"answered {answer.status_code}", field="status_list.uri")
            body = b""
            for piece in answer.iter_content(65_536):
                body += piece
                if len(body) > TOKEN_MOST or self._clock() > deadline:
                    raise Malformed("is too large or too slow", field="status_list.uri")
            media_type = answer.headers.get("Content-Type", "").split(";")[0].strip().lower()
            return body, media_type
