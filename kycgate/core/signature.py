"""Who signed these 32 bytes: one strict answer, by libsecp256k1.

Trusts nobody: whether the signer counts is the trust list's matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coincurve import GLOBAL_CONTEXT
from coincurve._libsecp256k1 import ffi, lib

from kycgate.core.claims import ZERO_ADDRESS, Address
from kycgate.core.typed import keccak
from kycgate.errors import Code, Reason


@dataclass(frozen=True, slots=True)
class Valid:
    """The signature holds, and this key made it."""

    signer: Address


@dataclass(frozen=True, slots=True)
class Invalid:
    """The signature does not hold."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Undecided:
    """Neither yes nor no from here: `needs` says what would decide it."""

    needs: str


Verdict = Valid | Invalid | Undecided

# SEC 2: the order of secp256k1, and its half (EIP-2). Equal lengths: bytes compare as numbers.
_ORDER: Final = bytes.fromhex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")
_HALF_ORDER: Final = bytes.fromhex(
    "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0"
)
_ZERO: Final = bytes(32)

# coincurve's binding is called directly: its key object and its formatting cost a twentieth of a
# whole verification. A test holds the answers against coincurve's public ones.
_CONTEXT: Final = GLOBAL_CONTEXT.ctx
_SIGNATURE: Final = ffi.typeof("secp256k1_ecdsa_recoverable_signature *")
_PUBLIC_KEY: Final = ffi.typeof("secp256k1_pubkey *")
_POINT: Final = ffi.typeof("unsigned char[65]")
_LENGTH: Final = ffi.typeof("size_t *")
_UNCOMPRESSED: Final = lib.SECP256K1_EC_UNCOMPRESSED


def recover(digest: bytes, signature: bytes) -> Valid | Invalid:
    """Recover the signer of `digest` from r‖s‖v.

    Accepts 65 bytes, v 27 or 28, 0 < r < n, 0 < s <= n/2 only: every other spelling of the same
    signature is refused, so that a signature has exactly one form.
    """
    signer = signer_of(digest, signature)
    return Invalid(signer) if isinstance(signer, Reason) else Valid(signer)


def signer_of(digest: bytes, signature: bytes) -> Address | Reason:
    """As `recover`: the address, or the reason why there is none."""
    if len(signature) != 65 or len(digest) != 32:
        return _no("a signature has 65 bytes over a digest of 32")
    if signature[64] not in (27, 28):
        return _no("v is neither 27 nor 28")
    if not _ZERO < signature[:32] < _ORDER:
        return _no("r is out of range")
    if not _ZERO < signature[32:64] <= _HALF_ORDER:
        return _no("s is out of range or high")
    parsed, key = ffi.new(_SIGNATURE), ffi.new(_PUBLIC_KEY)
    if not (
        lib.secp256k1_ecdsa_recoverable_signature_parse_compact(
            _CONTEXT, parsed, signature, signature[64] - 27
        )
        and lib.secp256k1_ecdsa_recover(_CONTEXT, key, parsed, digest)
    ):
        return _no("no key could have made this signature")
    point = ffi.new(_POINT)
    lib.secp256k1_ec_pubkey_serialize(_CONTEXT, point, ffi.new(_LENGTH, 65), key, _UNCOMPRESSED)
    address = Address(keccak(ffi.buffer(point)[1:])[12:])
    if address == ZERO_ADDRESS:
        return _no("the zero address signs nothing")
    return address


def _no(text: str) -> Reason:
    return Reason(Code.SIGNATURE_INVALID, text)
