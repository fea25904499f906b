"""Compact JWS and JWK (RFC 7515, 7517), read strictly: one spelling, one algorithm per key.

Trusts no key: whose it is, the caller knows. A key in a header is never used by itself.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kycgate.core import wire
from kycgate.errors import Code, Malformed
from kycgate.issuer.credentials.signing import (
    CURVES,
    EDDSA,
    JOSE,
    PrivateKey,
    PublicKey,
    algorithm_of,
    holds,
    point,
    sign,
)
from kycgate.issuer.credentials.verdict import Untrue

_ALPHABET: Final = re.compile(r"[A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Jws:
    """A compact JWS as read. Nothing in it is believed before `require` returned."""

    header: dict[str, Any]
    payload: bytes
    signed: bytes
    signature: bytes

    def claims(self, *, most: int, field: str) -> dict[str, Any]:
        """The payload as a JSON object."""
        return wire.read_object(self.payload, limit=most, field=field)

    def chain(self, *, field: str) -> tuple[bytes, ...]:
        """The certificates of `x5c`, DER, the signer's first."""
        value = self.header.get("x5c")
        if not isinstance(value, list) or not value:
            raise Malformed("no x5c", field=field)
        try:
            # RFC 7515, 4.1.6: base64 here, not base64url.
            return tuple(base64.b64decode(each, validate=True) for each in value)
        except (TypeError, ValueError) as e:
            raise Malformed("not a certificate", field=field) from e


def read(token: str, *, most: int, field: str) -> Jws:
    """Header, payload and signature. Raises Malformed, also for a header that asks for more."""
    parts = token.split(".")
    if len(token) > most or len(parts) != 3:
        raise Malformed(f"not a JWS of at most {most} characters", field=field)
    header = wire.read_object(unb64(parts[0], field=field), limit=most, field=f"{field} header")
    if "crit" in header or "b64" in header:
        raise Malformed("critical headers are not known here", field=f"{field} header")
    payload, signature = (unb64(part, field=field) for part in parts[1:])
    return Jws(header, payload, f"{parts[0]}.{parts[1]}".encode(), signature)


def require(jws: Jws, key: PublicKey, *, typ: frozenset[str], code: Code, what: str) -> None:
    """Raises Untrue(code) unless this key signed it, as this type, with a known algorithm."""
    if not isinstance(jws.header.get("typ"), str) or jws.header["typ"] not in typ:
        raise Untrue(code, f"{what}: its `typ` is not {' or '.join(sorted(typ))}")
    name = jws.header.get("alg")
    algorithm = JOSE.get(name) if isinstance(name, str) else None
    if algorithm is None:
        raise Untrue(code, f"{what}: the algorithm {name!a:.40} is not among those that count")
    if not holds(key, algorithm, jws.signed, jws.signature):
        raise Untrue(code, f"{what}: the signature does not hold")


def write(header: dict[str, Any], claims: dict[str, Any], key: PrivateKey) -> str:
    """A signed compact JWS; `alg` follows from the key."""
    headed = {"alg": algorithm_of(key.public_key()).name, **header}
    parts = (b64(wire.write_object(headed)), b64(wire.write_object(claims)))
    signed = ".".join(parts)
    return f"{signed}.{b64(sign(key, signed.encode()))}"


def key(value: Any, *, field: str) -> PublicKey:
    """The public key in a JWK. Raises Malformed, for a private or symmetric one too."""
    if not isinstance(value, dict) or {"d", "k"} & value.keys():
        raise Malformed("not a public JWK", field=field)
    kind, curve = value.get("kty"), value.get("crv")
    algorithm = CURVES.get(str(curve)) if kind == "EC" else None
    if (kind, curve) == ("OKP", "Ed25519"):
        algorithm = EDDSA
    x, y = value.get("x"), value.get("y", "")
    if algorithm is None or not isinstance(x, str) or not isinstance(y, str):
        raise Malformed("not a key on P-256, P-384, P-521 or Ed25519", field=field)
    try:
        return point(algorithm, unb64(x, field=field), unb64(y, field=field))
    except ValueError as e:
        raise Malformed(f"no such key: {e}", field=field) from e


def jwk(public: PublicKey) -> dict[str, str]:
    """The JWK of a public key, its required members only (RFC 7638), in their order."""
    if isinstance(public, ed25519.Ed25519PublicKey):
        x = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return {"crv": "Ed25519", "kty": "OKP", "x": b64(x)}
    assert isinstance(public, ec.EllipticCurvePublicKey)
    size, numbers = algorithm_of(public).size, public.public_numbers()
    name = next(name for name, each in CURVES.items() if each.size == size)
    x, y = numbers.x.to_bytes(size), numbers.y.to_bytes(size)
    return {"crv": name, "kty": "EC", "x": b64(x), "y": b64(y)}


def b64(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str, *, field: str) -> bytes:
    """Reverse of `b64`, of its one spelling only: no padding, no white space, no stray bits."""
    if not isinstance(text, str) or not _ALPHABET.fullmatch(text):
        raise Malformed("not base64url", field=field, remedy="no padding, no white space")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as e:
        raise Malformed("not base64url", field=field) from e
    if b64(data) != text:
        raise Malformed("not base64url: stray bits at the end", field=field)
    return data
