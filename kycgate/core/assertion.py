"""What the gate tells the marketplace about a request it let through, signed and good for a minute.

Decides nothing about renters and draws no key: it writes the statement, and it reads one back in
the only form it is ever written in.

A compact JWS (RFC 7515) with EdDSA over Ed25519 (RFC 8037) or ES256 (RFC 7518 3.4). Each key has
one algorithm and one header, byte for byte: a header names its key or nothing, so there is no
`none`, no algorithm to be talked into, and no header parameter to be read.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

from kycgate.core import wire
from kycgate.errors import Code, KycgateError, Malformed, Reason

HEADER = "Kycgate-Assertion"
JWKS_PATH = "/.well-known/kycgate/jwks.json"
EDDSA, ES256 = "EdDSA", "ES256"
LIFE_S = 60
"""Seconds an assertion lives, at most."""
SKEW_S = 15
"""Seconds the marketplace's clock may be behind the gate's."""
LIMIT = 16 * 1024
"""Characters of an assertion: a request target may have 8,192 bytes."""
JWKS_LIMIT = 64 * 1024
EMPTY = hashlib.sha256(b"").digest()
"""The digest of no body."""
_TYPE = "kycgate-assertion+jwt"
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_SEGMENT = re.compile(r"[A-Za-z0-9_-]+")
_FIELDS = frozenset(
    {"iss", "aud", "iat", "exp", "jti", "job", "method", "target", "body", "account"}
)


@dataclass(frozen=True, slots=True)
class AssertionKey:
    """A public key: Ed25519, 32 bytes, or a P-256 point, 65 bytes uncompressed."""

    alg: str
    public: bytes

    def __post_init__(self) -> None:
        _opened(self)

    @property
    def kid(self) -> str:
        """The key's RFC 7638 thumbprint."""
        required = json.dumps(self._required(), separators=(",", ":"), sort_keys=True)
        return _b64(hashlib.sha256(required.encode()).digest())

    def jwk(self) -> dict[str, str]:
        """RFC 7517, for publication."""
        return {**self._required(), "alg": self.alg, "use": "sig", "kid": self.kid}

    def _required(self) -> dict[str, str]:
        if self.alg == EDDSA:
            return {"kty": "OKP", "crv": "Ed25519", "x": _b64(self.public)}
        x, y = self.public[1:33], self.public[33:]
        return {"kty": "EC", "crv": "P-256", "x": _b64(x), "y": _b64(y)}

    @property
    def header(self) -> str:
        """The one first segment that assertions of this key have."""
        return _header(self)

    def accepts(self, signature: bytes, message: bytes) -> bool:
        """Whether these 64 bytes are this key's signature."""
        if len(signature) != 64:
            return False
        key = _opened(self)
        try:
            if isinstance(key, ed25519.Ed25519PublicKey):
                key.verify(signature, message)
            else:
                r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
                der = utils.encode_dss_signature(r, s)
                key.verify(der, message, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


@lru_cache(maxsize=64)
def _opened(key: AssertionKey) -> ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey:
    """Raises Malformed for what is no key of a kind we use."""
    try:
        if key.alg == EDDSA:
            return ed25519.Ed25519PublicKey.from_public_bytes(key.public)
        if key.alg == ES256 and len(key.public) == 65:
            return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key.public)
    except ValueError as e:
        raise Malformed("not a public key", field="key") from e
    raise Malformed("not a key of a kind used here", field="key", remedy="Ed25519 or P-256")


@lru_cache(maxsize=64)
def _header(key: AssertionKey) -> str:
    return _b64(wire.write_object({"alg": key.alg, "typ": _TYPE, "kid": key.kid}))


@dataclass(frozen=True, slots=True)
class AssertionKeys:
    """The keys that count, as the gate publishes them."""

    keys: tuple[AssertionKey, ...]

    def named(self, header: str) -> AssertionKey | None:
        """The key whose header this is."""
        return next((key for key in self.keys if key.header == header), None)

    def to_jwks(self) -> bytes:
        """RFC 7517 JWK Set."""
        return json.dumps({"keys": [key.jwk() for key in self.keys]}).encode()

    @classmethod
    def from_jwks(cls, data: bytes) -> AssertionKeys:
        """Read a JWK Set of this gate's own. Raises Malformed, TooLarge."""
        document = wire.read_object(data, limit=JWKS_LIMIT, field="jwks")
        listed = wire.members(document, frozenset({"keys"}), field="jwks")["keys"]
        if type(listed) is not list:
            raise Malformed("not a list", field="jwks.keys")
        return cls(tuple(_read_jwk(each) for each in listed))


def _read_jwk(jwk: Any) -> AssertionKey:
    names = {"kty", "crv", "x", "alg", "use", "kid"}
    curve = type(jwk) is dict and jwk.get("kty") == "EC"
    found = wire.members(jwk, frozenset(names | {"y"} if curve else names), field="jwk")
    x = _unb64(found["x"], field="jwk.x")
    public = b"\x04" + x + _unb64(found["y"], field="jwk.y") if curve else x
    key = AssertionKey(ES256 if curve else EDDSA, public)
    # Everything else a JWK says follows from the key: what differs is another kind of key.
    if key.jwk() != found:
        raise Malformed("not a key this gate publishes", field="jwk")
    return key


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """One request that passed the gate. Times are Unix seconds UTC."""

    issuer: str
    """Origin of the gate's marketplace listener."""
    audience: str
    """Origin of the upstream it is meant for."""
    issued_at: int
    expires_at: int
    id: str
    """Of this passage; for decided requests the decision's id."""
    job: bytes | None
    """Set on renting requests."""
    method: str
    target: str
    """The request-target forwarded, character for character."""
    body: bytes | None
    """SHA-256 of the body; None on a read whose body streams past the gate."""
    account: str
    """`Account.key`."""

    def to_jws(self, key: AssertionKey, sign: Callable[[bytes], bytes]) -> str:
        """`sign` takes the message and gives the 64 bytes of `key`'s signature."""
        claims = {
            "iss": self.issuer,
            "aud": self.audience,
            "iat": self.issued_at,
            "exp": self.expires_at,
            "jti": self.id,
            "job": None if self.job is None else "0x" + self.job.hex(),
            "method": self.method,
            "target": self.target,
            "body": None if self.body is None else "0x" + self.body.hex(),
            "account": self.account,
        }
        message = f"{key.header}.{_b64(wire.write_object(claims))}"
        return f"{message}.{_b64(sign(message.encode()))}"


@dataclass(frozen=True, slots=True)
class ValidAssertion:
    """The gate said this, about exactly this request, within the last minute."""

    assertion: Assertion


@dataclass(frozen=True, slots=True)
class InvalidAssertion:
    """It proves nothing, and why: the first ground that was met."""

    reason: Reason


class _No(Exception):
    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.reason = Reason(code, text)


def verify(
    token: str | None,
    *,
    keys: AssertionKeys,
    issuer: str,
    audience: str,
    method: str,
    target: bytes,
    body: bytes,
    now: int,
) -> ValidAssertion | InvalidAssertion:
    """Hold what stood in `Kycgate-Assertion` against the request it came with.

    `issuer` and `audience` are the origins of the gate and of this upstream, `target` the
    request-target as received, `body` all of it, `now` Unix seconds UTC. Refuse the request unless
    this returns a `ValidAssertion`; keep its `id` until it expires to notice a replay.
    """
    try:
        said = _read(_signed(token, keys))
        _check_place_and_time(said, issuer, audience, now)
        _check_request(said, method, target, body)
    except _No as no:
        return InvalidAssertion(no.reason)
    except KycgateError as error:
        return InvalidAssertion(Reason(error.code, error.message))
    return ValidAssertion(said)


def _signed(token: str | None, keys: AssertionKeys) -> bytes:
    """The payload, once a known key is seen to have signed it."""
    if not token:
        raise _No(Code.ASSERTION_MISSING, "the request did not come through the gate")
    segments = token.split(".")
    if len(token) > LIMIT or not token.isascii() or len(segments) != 3:
        raise _No(Code.MALFORMED, "not a compact JWS")
    header, payload, signature = segments
    key = keys.named(header)
    if key is None:
        raise _No(Code.ASSERTION_KEY, "the header is that of no key this gate publishes")
    if not key.accepts(_unb64(signature, field="signature"), f"{header}.{payload}".encode()):
        raise _No(Code.SIGNATURE_INVALID, "the key it names did not sign this")
    return _unb64(payload, field="payload")


def _check_place_and_time(said: Assertion, issuer: str, audience: str, now: int) -> None:
    if said.issuer != issuer:
        raise _No(Code.ASSERTION_ISSUER, "another gate said it")
    if said.audience != audience:
        raise _No(Code.ASSERTION_AUDIENCE, "meant for another upstream")
    if not said.issued_at < said.expires_at <= said.issued_at + LIFE_S:
        raise _No(Code.LIFE_TOO_LONG, f"lives longer than {LIFE_S} seconds, or not at all")
    if said.issued_at > now + SKEW_S:
        raise _No(Code.NOT_YET_VALID, "issued in the future")
    if now >= said.expires_at:
        raise _No(Code.EXPIRED, "expired")


def _check_request(said: Assertion, method: str, target: bytes, body: bytes) -> None:
    if said.method != method:
        raise _No(Code.ASSERTION_REQUEST, "made for another method")
    if said.target.encode() != target:
        raise _No(Code.ASSERTION_REQUEST, "made for another target")
    if said.body is None and method not in _READS:
        raise _No(Code.ASSERTION_REQUEST, "does not cover the body")
    if said.body is not None and said.body != hashlib.sha256(body).digest():
        raise _No(Code.ASSERTION_REQUEST, "made for another body")


def _read(payload: bytes) -> Assertion:
    document = wire.read_object(payload, limit=LIMIT, field="claims")
    claims = wire.members(document, _FIELDS, field="claims")

    def text(name: str, most: int = 512) -> str:
        return wire.text(claims[name], field=name, most=most)

    def digest(name: str) -> bytes | None:
        return None if claims[name] is None else wire.digest(claims[name], field=name)

    return Assertion(
        issuer=text("iss"),
        audience=text("aud"),
        issued_at=wire.uint(claims["iat"], field="iat"),
        expires_at=wire.uint(claims["exp"], field="exp"),
        id=text("jti", 128),
        job=digest("job"),
        method=text("method", 16),
        target=text("target", 8192),
        body=digest("body"),
        account=text("account", 128),
    )


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: Any, *, field: str) -> bytes:
    """Unpadded base64url in its one spelling (RFC 7515 section 2)."""
    if type(text) is str and _SEGMENT.fullmatch(text) and len(text) % 4 != 1:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        if _b64(data) == text:
            return data
    raise Malformed("not base64url", field=field)
