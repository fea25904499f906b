"""COSE_Sign1 and COSE_Key (RFC 9052, 9053), as far as ISO/IEC 18013-5 and status lists use them.

Trusts no key: whose it is, the caller knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cbor2

from kycgate.errors import Code, Malformed
from kycgate.issuer.credentials import cbor
from kycgate.issuer.credentials.signing import (
    COSE,
    EDDSA,
    ES256,
    ES384,
    ES512,
    Algorithm,
    PublicKey,
    holds,
    point,
)
from kycgate.issuer.credentials.verdict import Untrue

ALG: Final = 1
CRIT: Final = 2
TYP: Final = 16
X5CHAIN: Final = 33
_KTY, _CRV, _X, _Y, _D = 1, -1, -2, -3, -4
_CURVES: Final[dict[tuple[Any, Any], Algorithm]] = {
    (2, 1): ES256,
    (2, 2): ES384,
    (2, 3): ES512,
    (1, 6): EDDSA,
}


@dataclass(frozen=True, slots=True)
class Sign1:
    """A COSE_Sign1 as read. `payload` is None where it is detached."""

    protected: bytes
    signed_headers: dict[Any, Any]
    open_headers: dict[Any, Any]
    payload: bytes | None
    signature: bytes

    def chain(self, *, field: str) -> tuple[bytes, ...]:
        """The certificates of `x5chain`, DER, the signer's first. Which map holds it is all one:
        the path to a pinned root vouches for it.
        """
        value = self.open_headers.get(X5CHAIN, self.signed_headers.get(X5CHAIN))
        certificates = [value] if isinstance(value, bytes) else value
        if not isinstance(certificates, list) or not certificates:
            raise Malformed("no x5chain", field=field)
        if not all(isinstance(each, bytes) for each in certificates):
            raise Malformed("not a certificate", field=field)
        return tuple(certificates)


def sign1(value: Any, *, field: str) -> Sign1:
    """The four parts. Raises Malformed."""
    if not isinstance(value, list) or len(value) != 4:
        raise Malformed("not a COSE_Sign1", field=field)
    protected, unprotected, payload, signature = value
    if not isinstance(protected, bytes) or not isinstance(signature, bytes):
        raise Malformed("not a COSE_Sign1", field=field)
    if not isinstance(unprotected, dict) or not isinstance(payload, bytes | None):
        raise Malformed("not a COSE_Sign1", field=field)
    headers = cbor.read(protected, field=f"{field}.protected") if protected else {}
    if not isinstance(headers, dict):
        raise Malformed("not a map", field=f"{field}.protected")
    # RFC 9052, 3: no label stands in both, and what we don't know must not be critical.
    if headers.keys() & unprotected.keys() or ALG in unprotected:
        raise Malformed("a header in both maps, or unsigned `alg`", field=field)
    if CRIT in headers or CRIT in unprotected:
        raise Malformed("critical headers are not known here", field=field)
    return Sign1(protected, headers, unprotected, payload, signature)


def require(signed: Sign1, key: PublicKey, payload: bytes, *, code: Code, what: str) -> None:
    """Raises Untrue(code) unless this key signed this payload with a known algorithm."""
    number = signed.signed_headers.get(ALG)
    algorithm = COSE.get(number) if type(number) is int else None
    if algorithm is None:
        raise Untrue(code, f"{what}: the algorithm {number!a:.40} is not among those that count")
    # Sig_structure, RFC 9052, 4.4.
    message = cbor2.dumps(["Signature1", signed.protected, b"", payload])
    if not holds(key, algorithm, message, signed.signature):
        raise Untrue(code, f"{what}: the signature does not hold")


def key(value: Any, *, field: str) -> PublicKey:
    """The public key in a COSE_Key. Raises Malformed, for a private one too."""
    if not isinstance(value, dict) or _D in value:
        raise Malformed("not a public COSE_Key", field=field)
    kind = (value.get(_KTY), value.get(_CRV))
    algorithm = _CURVES.get(kind) if all(type(each) is int for each in kind) else None
    x, y = value.get(_X), value.get(_Y, b"")
    if algorithm is None or not isinstance(x, bytes) or not isinstance(y, bytes):
        raise Malformed("not a key on P-256, P-384, P-521 or Ed25519", field=field)
    try:
        return point(algorithm, x, y)
    except ValueError as e:
        raise Malformed(f"no such key: {e}", field=field) from e
