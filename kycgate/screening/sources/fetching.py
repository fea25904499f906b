"""Fetches list files over HTTP: only what is new, never more than may be, with their SHA-256.

Reads no list and keeps none. Addresses may carry an operator's token: they stand in no message.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import requests

from kycgate.errors import TooLarge, Unavailable

TIMEOUT_S = (10, 120)
"""Seconds for the connection, and between two pieces of the answer."""
_PIECE = 2**16
_AGENT = "kycgate"


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that was fetched. `answer`: the server's marks of its version, to ask with again."""

    path: Path
    sha256: str
    answer: Mapping[str, str]

    @property
    def modified_at(self) -> int | None:
        """When the server says the file was last changed, Unix seconds UTC."""
        try:
            return int(parsedate_to_datetime(self.answer["last_modified"]).timestamp())
        except (KeyError, ValueError, TypeError, OverflowError):
            return None


def fetch(
    session: requests.Session,
    url: str,
    into: Path,
    *,
    limit: int,
    seen: Mapping[str, str] | None = None,
) -> Fetched | None:
    """Fetch one file; None when the server says it is the one `seen` before.

    Raises Unavailable when the server is not there, errs, breaks off or leads from HTTPS to
    plain HTTP; TooLarge above `limit` bytes, packed or unpacked.
    """
    place = urlsplit(url).hostname or "the publisher"
    headers = {"User-Agent": _AGENT, **_conditions(seen or {})}
    try:
        with session.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
            if url.startswith("https:") and not response.url.startswith("https:"):
                raise Unavailable(f"{place} leads to an address without TLS")
            if response.status_code == requests.codes.not_modified and seen:
                return None
            if response.status_code != requests.codes.ok:
                raise Unavailable(f"{place} answers {response.status_code}")
            return _save(response, into, limit, place)
    except (requests.RequestException, OSError) as e:
        # Not chained: the text of the cause holds the whole address, token included.
        raise Unavailable(f"{place} did not give the whole file ({type(e).__name__})") from None


def _conditions(seen: Mapping[str, str]) -> dict[str, str]:
    headers = {}
    if "etag" in seen:
        headers["If-None-Match"] = seen["etag"]
    if "last_modified" in seen:
        headers["If-Modified-Since"] = seen["last_modified"]
    return headers


def _save(response: requests.Response, into: Path, limit: int, place: str) -> Fetched:
    announced = response.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise TooLarge(f"{place} announces {announced} bytes of at most {limit}", field=into.name)
    hasher, size = hashlib.sha256(), 0
    with into.open("wb") as file:
        for piece in response.iter_content(_PIECE):
            size += len(piece)
            if size > limit:
                raise TooLarge(f"{place} sends more than {limit} bytes", field=into.name)
            hasher.update(piece)
            file.write(piece)
    marks = {"etag": "ETag", "last_modified": "Last-Modified"}
    answer = {
        key: response.headers[name] for key, name in marks.items() if name in response.headers
    }
    return Fetched(into, hasher.hexdigest(), answer)
