"""Which place a URL leads to: the unit that credentials are bound to.

Contacts nobody.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from kycgate.errors import Malformed

_PORTS: Final = {"http": 80, "https": 443}
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def origin_of(url: str) -> str:
    """`scheme://host[:port]` in lower case, the scheme's own port left out. Raises Malformed."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _not_an_origin() from error
    if parts.scheme not in _PORTS or not host or parts.username is not None:
        raise _not_an_origin()
    shown = f"[{host}]" if ":" in host else host
    usual = port in (None, _PORTS[parts.scheme])
    return f"{parts.scheme}://{shown}" + ("" if usual else f":{port}")


def gate_origin(url: str) -> str:
    """The origin of a gate. Plain http only on this machine: tokens leak on a wire."""
    origin = origin_of(url)
    if origin.startswith("http://") and urlsplit(origin).hostname not in _LOOPBACK:
        raise Malformed("not https", field="gate", remedy="use https:// for any other machine")
    if urlsplit(url).path.strip("/") or urlsplit(url).query:
        raise Malformed("more than an origin", field="gate", remedy=f"give {origin}")
    return origin


def _not_an_origin() -> Malformed:
    return Malformed("not an http(s) address", field="gate", remedy="give https://host")
