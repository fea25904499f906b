"""Who signed these 32 bytes: one strict answer, by libsecp256k1.

Trusts nobody: whether the signer counts is the trust list's matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coincurve import PublicKey

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
_RECOVERY_ID: Final = {27: b"\x00", 28: b"\x01"}


def _no(text: str) -> Invalid:
    return Invalid(Reason(Code.SIGNATURE_INVALID, text))


def recover(digest: bytes, signature: bytes) -> Valid | Invalid:
    """Recover the signer of `digest` from r‖s‖v.

    Accepts 65 bytes, v 27 or 28, 0 < r < n, 0 < s <= n/2 only: every other spelling of the same
    signature is refused, so that a signature has exactly one form.
    """
    if len(signature) != 65 or len(digest) != 32:
        return _no("a signature has 65 bytes over a digest of 32")
    recovery_id = _RECOVERY_ID.get(signature[64])
    if recovery_id is None:
        return _no("v is neither 27 nor 28")
    if not _ZERO < signature[:32] < _ORDER:
        return _no("r is out of range")
    if not _ZERO < signature[32:64] <= _HALF_ORDER:
        return _no("s is out of range or high")
    try:
        key = PublicKey.from_signature_and_message(signature[:64] + recovery_id, digest, None)
    except ValueError:
        return _no("no key could have made this signature")
    address = Address(keccak(key.format(False)[1:])[12:])
    if address == ZERO_ADDRESS:
        return _no("the zero address signs nothing")
    return Valid(address)
