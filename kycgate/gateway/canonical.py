"""One reading of a request: either every party reads it the same way, or it is refused.

Knows no marketplace and no account. Nothing is repaired: what passes goes upstream byte for byte.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from kycgate.errors import Code, Malformed
from kycgate.gateway.view import Headers, RequestView

MAX_TARGET = 8192
"""Bytes of request-target."""
MAX_FIELDS = 100
MAX_FIELD_BYTES = 32 * 1024
"""All names and values together."""

# RFC 3986 pchar. Escapes of printable ASCII only, and not of "%", "/" or "\": an upstream that
# decodes twice, takes %2f for a separator or folds overlong UTF-8 would see another path than we.
_ESCAPE = rb"%(?!2[fF]|5[cC]|25|7[fF])[2-7][0-9A-Fa-f]"
_PCHAR = rb"[A-Za-z0-9\-._~!$&'()*+,;=:@]"
# "." and ".." raw or encoded, also before ";" (path parameters some servers cut off).
_NO_DOTS = rb"(?!(?:\.|%2[eE]){1,2}(?:[/?;]|\Z))"
_SEGMENT = _NO_DOTS + rb"(?:" + _PCHAR + rb"|" + _ESCAPE + rb")+"
_PATH = rb"/(?:" + _SEGMENT + rb"(?:/" + _SEGMENT + rb")*/?)?"
_QUERY = rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?\[\]]|%(?!00|0[aAdD])[0-9A-Fa-f]{2})*"
_ORIGIN_FORM = re.compile(rb"(" + _PATH + rb")(?:\?(" + _QUERY + rb"))?")
_ABSOLUTE_FORM = re.compile(rb"(?i:https?)://([^/?#]*)(.*)", re.DOTALL)

_METHOD = re.compile(r"[A-Z]{1,16}")
_AUTHORITY = re.compile(r"(?:[A-Za-z0-9.\-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_NAME = re.compile(r"[A-Za-z0-9\-]{1,64}")
_BAD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]")

KEY_FIELDS = frozenset({"authorization", "x-api-key", "api-key", "auth", "x-auth-token"})
"""Where marketplaces look for a caller's key."""

SINGLE = KEY_FIELDS | {
    "host", "content-type", "content-length", "content-encoding", "content-digest",
    "transfer-encoding", "signature", "signature-input", "idempotency-key", "expect",
}  # fmt: skip
"""Fields of which two would let us and the upstream each believe another one."""

_HOP_BY_HOP = frozenset(
    {
        "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding",
        "upgrade", "proxy-authenticate", "proxy-authorization", "http2-settings",
    }
)  # fmt: skip
# The door's own framing, and what a caller may not tell the upstream about itself.
_NOT_ONWARD = _HOP_BY_HOP | {
    "host", "content-length", "expect", "signature", "signature-input",
    "forwarded", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip",
}  # fmt: skip
# Fields that make an upstream act on another method or path than the one that was decided.
_OVERRIDES = frozenset(
    {
        "x-http-method-override", "x-http-method", "x-method-override", "x-original-url",
        "x-original-uri", "x-original-method", "x-rewrite-url",
    }
)  # fmt: skip


_KEY_NAMES = frozenset({b"api_key", b"api-key", b"apikey", b"x-api-key", b"access_token"})


@dataclass(frozen=True, slots=True)
class CleanRequest:
    """A request with one meaning. `target` is in origin form, its bytes as received."""

    method: str
    target: bytes
    path: str
    query: str | None
    authority: str
    fields: dict[str, str]
    """The fields of `SINGLE` that were present, by lower-case name, and `accept`."""
    onward: Headers
    """What of the caller's fields may travel on: no hop-by-hop, framing, proof or Kycgate field."""
    view: RequestView


def canonical(view: RequestView) -> CleanRequest:
    """Read `view` in the only way it can be read.

    Raises `Malformed` with code `ambiguous_request` where two readings are thinkable: dot segments,
    doubled slashes, encoded separators, bad escapes, control bytes, a foreign authority, repeated
    single-valued fields, field names with anything but letters, digits and dashes (an upstream may
    fold `_` or `.` into `-`: such a field is refused, never silently dropped), method overrides.
    """
    if _METHOD.fullmatch(view.method) is None or view.method in ("CONNECT", "TRACE"):
        raise _ambiguous("method", "The request method is not one this gate passes on.")
    if _AUTHORITY.fullmatch(view.authority) is None:
        raise _ambiguous("Host", "The Host field is missing or not a host name.")
    target, path, query = _target(view)
    fields, onward = _fields(view)
    return CleanRequest(
        method=view.method,
        target=target,
        path=path,
        query=query,
        authority=view.authority.lower(),
        fields=fields,
        onward=onward,
        view=view,
    )


def answer_fields(headers: Headers) -> Headers:
    """An upstream's answer fields fit for the caller: no hop-by-hop, framing or Kycgate field."""
    nominated = _nominated(headers)
    return tuple(
        (name, value)
        for name, value in headers
        if (lower := name.lower()) not in _HOP_BY_HOP
        and lower not in nominated
        and lower not in ("content-length", "date")
        and not _is_ours(lower)
    )


def _ambiguous(field: str, message: str) -> Malformed:
    return Malformed(message, field=field, code=Code.AMBIGUOUS_REQUEST)


def _target(view: RequestView) -> tuple[bytes, str, str | None]:
    target = view.target
    if len(target) > MAX_TARGET:
        raise _ambiguous("target", f"The request target is longer than {MAX_TARGET} bytes.")
    absolute = _ABSOLUTE_FORM.fullmatch(target)
    if absolute is not None:
        if absolute[1].lower() != view.authority.lower().encode("ascii"):
            raise _ambiguous("target", "The request target names another host than the Host field.")
        target = absolute[2] or b"/"
    origin = _ORIGIN_FORM.fullmatch(target)
    if origin is None:
        raise _ambiguous(
            "target",
            "The request target can be read in more than one way: send the plain path, without dot"
            " segments, doubled slashes, encoded separators or control bytes.",
        )
    query = origin[2]
    if query is not None and _names_key(query):
        raise Malformed(
            "A key in the address ends up in logs: send it in a header field.", field="query"
        )
    return target, origin[1].decode("ascii"), None if query is None else query.decode("ascii")


def _names_key(query: bytes) -> bool:
    """Whether a query carries a credential, which would also decide whose request it is."""
    names = (pair.partition(b"=")[0] for pair in re.split(rb"[&;]", query))
    return any(
        unquote_to_bytes(name.replace(b"+", b" ")).strip().lower() in _KEY_NAMES for name in names
    )


def _fields(view: RequestView) -> tuple[dict[str, str], Headers]:
    headers = view.headers
    if len(headers) > MAX_FIELDS:
        raise _ambiguous("headers", f"More than {MAX_FIELDS} header fields.")
    single: dict[str, str] = {}
    onward: list[tuple[str, str]] = []
    size = 0
    connection = False
    for field in headers:
        name, value = field
        size += len(name) + len(value)
        lower, travels = _name(name)
        if _BAD_VALUE.search(value) is not None:
            raise _ambiguous(name, f"The header field {name} holds a control character.")
        if lower in SINGLE:
            if lower in single:
                raise _ambiguous(name, f"The header field {name} is repeated.")
            single[lower] = value
        elif lower == "accept":
            single[lower] = value
        elif lower == "connection":
            connection = True
        if travels:
            onward.append(field)
    if size > MAX_FIELD_BYTES:
        raise _ambiguous("headers", f"Header fields of more than {MAX_FIELD_BYTES} bytes.")
    _check_framing(single, view)
    if connection:
        return single, _without_nominated(headers, onward)
    return single, tuple(onward)


@lru_cache(maxsize=1024)
def _name(name: str) -> tuple[str, bool]:
    """Lower-case spelling of a field name, and whether such a field travels on."""
    if _NAME.fullmatch(name) is None:
        raise _ambiguous(
            "headers", "A header field name holds something else than letters, digits and dashes."
        )
    lower = name.lower()
    if lower in _OVERRIDES:
        raise _ambiguous(name, f"The header field {name} would change what the request means.")
    stays = lower in _NOT_ONWARD or lower.startswith("x-forwarded-") or _is_ours(lower)
    return lower, not stays


def _is_ours(lower: str) -> bool:
    folded = lower.replace("_", "-").replace(".", "-")
    return folded.startswith(("kycgate-", "x-kycgate-"))


def _check_framing(single: dict[str, str], view: RequestView) -> None:
    if single.get("host", "").lower() != view.authority.lower():
        raise _ambiguous("Host", "The Host field is missing or differs from the request's host.")
    length = single.get("content-length")
    coding = single.get("transfer-encoding")
    if length is not None and (coding is not None or not (length.isascii() and length.isdigit())):
        raise _ambiguous(
            "Content-Length", "The length of the request body is stated twice or oddly."
        )
    if coding is not None and coding.strip().lower() != "chunked":
        raise _ambiguous(
            "Transfer-Encoding", "The only transfer coding this gate reads is chunked."
        )


def _nominated(headers: Headers) -> frozenset[str]:
    return frozenset(
        token.strip().lower()
        for name, value in headers
        if name.lower() == "connection"
        for token in value.split(",")
    )


def _without_nominated(headers: Headers, onward: list[tuple[str, str]]) -> Headers:
    nominated = _nominated(headers)
    # Taking a field away that the decision was made on would change the request after the decision.
    decisive = nominated & (SINGLE - {"transfer-encoding"})
    if decisive:
        raise _ambiguous("Connection", f"Connection may not name {min(decisive)}.")
    return tuple(field for field in onward if field[0].lower() not in nominated)
