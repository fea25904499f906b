"""Which signature algorithms count, and whether a signature holds: the same for COSE and JOSE.

Chooses no key and reads no message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One algorithm: its curve fixes hash and length, so that none can be taken for another."""

    name: str
    curve: type[ec.EllipticCurve] | None
    """None: Ed25519"""
    hash: hashes.HashAlgorithm | None
    size: int
    """bytes of one coordinate"""


ES256: Final = Algorithm("ES256", ec.SECP256R1, hashes.SHA256(), 32)
ES384: Final = Algorithm("ES384", ec.SECP384R1, hashes.SHA384(), 48)
ES512: Final = Algorithm("ES512", ec.SECP521R1, hashes.SHA512(), 66)
EDDSA: Final = Algorithm("EdDSA", None, None, 32)

JOSE: Final = {each.name: each for each in (ES256, ES384, ES512, EDDSA)} | {"Ed25519": EDDSA}
"""RFC 7518, RFC 8037, RFC 9864. `none`, HMAC and RSA are not here, so they can't be meant."""
COSE: Final = {
    -7: ES256,
    -9: ES256,
    -35: ES384,
    -51: ES384,
    -36: ES512,
    -52: ES512,
    -8: EDDSA,
    -19: EDDSA,
}
"""RFC 9053, and the fully specified numbers of RFC 9864."""
CURVES: Final = {"P-256": ES256, "P-384": ES384, "P-521": ES512}


def holds(key: PublicKey, algorithm: Algorithm, message: bytes, signature: bytes) -> bool:
    """Whether this key made this signature, written as r‖s, with exactly this algorithm."""
    if len(signature) != 2 * algorithm.size:
        return False
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            if algorithm is not EDDSA:
                return False
            key.verify(signature, message)
            return True
        if algorithm.hash is None or not isinstance(key.curve, algorithm.curve or ()):
            return False
        r = int.from_bytes(signature[: algorithm.size])
        s = int.from_bytes(signature[algorithm.size :])
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(algorithm.hash))
        return True
    except InvalidSignature:
        return False


def sign(key: PrivateKey, message: bytes) -> bytes:
    """r‖s, by the one algorithm this key has."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(message)
    algorithm = algorithm_of(key.public_key())
    assert algorithm.hash is not None
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(algorithm.hash)))
    return r.to_bytes(algorithm.size) + s.to_bytes(algorithm.size)


def algorithm_of(key: Any) -> Algorithm:
    """The one algorithm of this key. Raises ValueError for a key of another kind."""
    if isinstance(key, ed25519.Ed25519PublicKey):
        return EDDSA
    for algorithm in (ES256, ES384, ES512):
        if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(
            key.curve, algorithm.curve or ()
        ):
            return algorithm
    raise ValueError("neither P-256, P-384, P-521 nor Ed25519")


def point(algorithm: Algorithm, x: bytes, y: bytes) -> PublicKey:
    """The public key of these coordinates. Raises ValueError off the curve or of another length."""
    if len(x) != algorithm.size:
        raise ValueError("a coordinate of another length")
    if algorithm.curve is None:
        return ed25519.Ed25519PublicKey.from_public_bytes(x)
    if len(y) != algorithm.size:
        raise ValueError("a coordinate of another length")
    numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), algorithm.curve())
    return numbers.public_key()
