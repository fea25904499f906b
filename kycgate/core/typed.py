"""How a statement becomes the 32 bytes that a wallet or an issuer signs (EIP-712, EIP-191).

Knows no statement: each room lays out its own struct, word by word, so that nothing here walks a
type description given from outside.
"""

from __future__ import annotations

import sha3

_keccak_256 = sha3.keccak_256


def keccak(data: bytes) -> bytes:
    """Keccak-256 as Ethereum uses it (not the later SHA3-256)."""
    digest: bytes = _keccak_256(data).digest()
    return digest


# keccak("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
DOMAIN_TYPEHASH = bytes.fromhex("8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f")


def word_uint(n: int) -> bytes:
    """A uint of any width as one ABI word. Raises OverflowError outside 0..2**256-1."""
    return n.to_bytes(32, "big")


def word_address(a: bytes) -> bytes:
    """An address as one ABI word: twelve zero bytes before it."""
    if len(a) != 20:
        raise ValueError("an address has 20 bytes")
    return bytes(12) + a


def domain_separator(*, name: str, version: str, chain_id: int, contract: bytes) -> bytes:
    """EIP-712 hashStruct of the four-field domain."""
    return keccak(
        DOMAIN_TYPEHASH
        + keccak(name.encode())
        + keccak(version.encode())
        + word_uint(chain_id)
        + word_address(contract)
    )


def typed_digest(separator: bytes, struct_hash: bytes) -> bytes:
    """EIP-712 `encode(domainSeparator, message)`, hashed."""
    return keccak(b"\x19\x01" + separator + struct_hash)


def personal_digest(message: bytes) -> bytes:
    """EIP-191 version 0x45: what `personal_sign` signs."""
    return keccak(b"\x19Ethereum Signed Message:\n%d%b" % (len(message), message))
