"""Whether a webhook came from who it says: HMACs over its raw bytes, in constant time.

Parses no body and knows no provider. A missing secret or header is a no, never a "not configured".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Final

from kycgate.issuer.providers.base import TOLERANCE_S

_HEADER_MOST: Final = 2048
_TIME: Final = re.compile(r"[0-9]{1,12}", re.ASCII)


def hex_hmac(secret: str, message: bytes, algorithm: str = "sha256") -> str:
    """Lower-case hex HMAC."""
    return hmac.new(secret.encode(), message, getattr(hashlib, algorithm)).hexdigest()


def plain(secrets: Sequence[str], body: bytes, given: str | None, algorithm: str) -> bool:
    """Whether any of the secrets made this hex HMAC of the body."""
    if not given or not given.isascii() or len(given) > _HEADER_MOST:
        return False
    matches = [hmac.compare_digest(hex_hmac(each, body, algorithm), given) for each in secrets]
    return any(matches)


def stamped(secrets: Sequence[str], body: bytes, header: str | None, *, now: int) -> bool:
    """Whether a `t=…,v1=…` header signs `t.body` with one of the secrets, at about `now`.

    Several v1 stand side by side while a key rotates; Persona repeats the whole pair after a space.
    """
    if not header or not header.isascii() or len(header) > _HEADER_MOST:
        return False
    return any(_one_stamp(secrets, body, pair, now) for pair in header.split(" ") if pair)


def _one_stamp(secrets: Sequence[str], body: bytes, pair: str, now: int) -> bool:
    items = [item.partition("=")[::2] for item in pair.split(",")]
    times = [value for name, value in items if name == "t"]
    # Two moments in one stamp could be read two ways.
    if len(times) != 1 or not _TIME.fullmatch(times[0]):
        return False
    message = times[0].encode() + b"." + body
    given = [value for name, value in items if name == "v1"]
    expected = [hex_hmac(secret, message) for secret in secrets]
    found = [hmac.compare_digest(ours, theirs) for ours in expected for theirs in given]
    return any(found) and abs(now - int(times[0])) <= TOLERANCE_S
