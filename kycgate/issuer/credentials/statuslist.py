"""Whether a status list token is its issuer's, and what it says of one credential.

Fetches nothing and caches nothing: `statuses` does. Clauses are of the IETF's Token Status List
(draft-ietf-oauth-status-list); the other mechanisms (Bitstring Status List, identifier lists) are
not read.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from kycgate.errors import Code, Malformed
from kycgate.issuer.credentials import cbor, cose, jose
from kycgate.issuer.credentials.chain import Trust, Use, follow
from kycgate.issuer.credentials.verdict import StatusAt, Untrue

TOKEN_MOST: Final = 2 * 2**20
"""Bytes of a token as fetched."""
LIST_MOST: Final = 4 * 2**20
"""Bytes of a list unpacked: 32 million credentials at one bit each."""
JWT_TYPE: Final = "application/statuslist+jwt"
CWT_TYPE: Final = "application/statuslist+cwt"
_SUB, _EXP, _IAT, _TTL, _LIST = 2, 4, 6, 65534, 65533
_CWT_NAMES: Final = {_SUB: "sub", _EXP: "exp", _IAT: "iat", _TTL: "ttl", _LIST: "status_list"}
_SKEW_S: Final = 60
_COSE_SIGN1: Final = 18
_ADDRESS: Final = re.compile(r"https://[a-z0-9.-]+(:[0-9]{1,5})?(/[!-~]*)?", re.IGNORECASE)
_WHAT: Final = "the status list"


class Status(StrEnum):
    """What is known of a credential's standing. `UNKNOWN` is neither yes nor no."""

    VALID = "valid"
    REVOKED = "revoked"
    SUSPENDED = "suspended"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class StatusList:
    """One list, unpacked, and until when it may be believed (Unix seconds UTC)."""

    bits: int
    data: bytes
    ttl: int | None
    expires_at: int | None

    def of(self, index: int) -> Status:
        """What the list says of this entry (5.1, 7.1). Beyond its end it says nothing."""
        per_byte = 8 // self.bits
        if index >= len(self.data) * per_byte:
            return Status.UNKNOWN
        shift = index % per_byte * self.bits
        value = self.data[index // per_byte] >> shift & ((1 << self.bits) - 1)
        return _VALUES.get(value, Status.UNKNOWN)


_VALUES: Final = {0: Status.VALID, 1: Status.REVOKED, 2: Status.SUSPENDED}


def reference(status: Any, *, field: str) -> StatusAt | None:
    """Where a credential's `status` claim points (6.2, 6.3); None when there is none.

    Raises Malformed for a mechanism that is not read here: to ignore it would be to call every
    revoked credential good.
    """
    if status is None:
        return None
    entry = status.get("status_list") if isinstance(status, dict) else None
    if not isinstance(entry, dict):
        raise Malformed("no `status_list`; other status mechanisms are not read", field=field)
    uri, index = entry.get("uri"), entry.get("idx")
    if type(index) is not int or not 0 <= index < 2**32:
        raise Malformed("not an index", field=f"{field}.idx")
    if not isinstance(uri, str) or len(uri) > 1024 or not _ADDRESS.fullmatch(uri):
        raise Malformed("not a plain https address", field=f"{field}.uri")
    return StatusAt(uri, index)


def read(body: bytes, media_type: str, *, uri: str, trust: Trust, now: int) -> StatusList:
    """The list in a token fetched from `uri`. Raises Untrue or Malformed (8.3)."""
    if len(body) > TOKEN_MOST:
        raise Malformed(f"longer than {TOKEN_MOST} bytes", field="status list")
    if media_type == JWT_TYPE:
        claims = _from_jwt(body, trust, now)
    elif media_type == CWT_TYPE:
        claims = _from_cwt(body, trust, now)
    else:
        raise Malformed(f"unknown media type {media_type!a:.60}", field="status list")
    if claims.get("sub") != uri:
        raise Untrue(Code.CREDENTIAL_ISSUER, f"{_WHAT} is another one than was asked for")
    issued, expires, ttl = (claims.get(name) for name in ("iat", "exp", "ttl"))
    if type(issued) is not int or issued > now + _SKEW_S:
        raise Untrue(Code.CREDENTIAL_SIGNATURE, f"{_WHAT} is not issued yet")
    if expires is not None and (type(expires) is not int or expires <= now):
        raise Untrue(Code.CREDENTIAL_EXPIRED, f"{_WHAT} has expired")
    if ttl is not None and (type(ttl) is not int or ttl <= 0):
        raise Malformed("not a number of seconds", field="status list.ttl")
    return _unpacked(claims.get("status_list"), ttl, expires)


def _from_jwt(body: bytes, trust: Trust, now: int) -> dict[str, Any]:
    try:
        token = body.decode("ascii").strip()
    except UnicodeDecodeError as e:
        raise Malformed("not a JWT", field="status list") from e
    jws = jose.read(token, most=TOKEN_MOST, field="status list")
    signer = follow(jws.chain(field="status list"), trust, use=Use.STATUS, now=now)
    kind = frozenset({"statuslist+jwt"})
    jose.require(jws, signer.key, typ=kind, code=Code.CREDENTIAL_SIGNATURE, what=_WHAT)
    claims = jws.claims(most=TOKEN_MOST, field="status list")
    entry = claims.get("status_list")
    if isinstance(entry, dict) and isinstance(entry.get("lst"), str):
        claims["status_list"] = entry | {"lst": jose.unb64(entry["lst"], field="status list.lst")}
    return claims


def _from_cwt(body: bytes, trust: Trust, now: int) -> dict[str, Any]:
    item = cbor.read_sequence_tagged(body, _COSE_SIGN1, field="status list", most=TOKEN_MOST)
    signed = cose.sign1(item, field="status list")
    if signed.signed_headers.get(cose.TYP) != CWT_TYPE or signed.payload is None:
        raise Malformed("not a status list token", field="status list")
    signer = follow(signed.chain(field="status list"), trust, use=Use.STATUS, now=now)
    code = Code.CREDENTIAL_SIGNATURE
    cose.require(signed, signer.key, signed.payload, code=code, what=_WHAT)
    claims = cbor.read(signed.payload, field="status list", most=TOKEN_MOST)
    if not isinstance(claims, dict):
        raise Malformed("not a map", field="status list")
    return {_CWT_NAMES[key]: value for key, value in claims.items() if key in _CWT_NAMES}


def _unpacked(entry: Any, ttl: int | None, expires: int | None) -> StatusList:
    bits = entry.get("bits") if isinstance(entry, dict) else None
    packed = entry.get("lst") if isinstance(entry, dict) else None
    if type(bits) is not int or bits not in (1, 2, 4, 8) or not isinstance(packed, bytes):
        raise Malformed("not a status list", field="status list")
    inflate = zlib.decompressobj()
    try:
        # One byte more than allowed is enough to know; the rest of a bomb is never unpacked.
        data = inflate.decompress(packed, LIST_MOST + 1)
    except zlib.error as e:
        raise Malformed("not ZLIB", field="status list.lst") from e
    if len(data) > LIST_MOST:
        raise Malformed(f"unpacks to more than {LIST_MOST} bytes", field="status list.lst")
    if not inflate.eof or inflate.unused_data:
        raise Malformed("not one whole ZLIB stream", field="status list.lst")
    return StatusList(bits, data, ttl, expires)
