"""The bytes of the public form: what little stands on a chain about an account, and who takes it.

Signs and sends nothing. No country, kind, evidence or name is in it, and the pseudonym differs for
each account and chain.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import dataclass
from typing import Any, Final

from kycgate.chain import Chain, Reverted
from kycgate.core.claims import ZERO_ADDRESS, ZERO_DIGEST, Address, Digest, Level, checksum
from kycgate.core.typed import domain_separator, keccak, typed_digest, word_address, word_uint
from kycgate.errors import Malformed, Misconfigured
from kycgate.settlement.compiled import artifact

PUBLIC_SCHEMA_TEXT: Final = "bytes32 pseudonym,uint8 level,uint64 verifiedAt,uint64 epoch"
# As EAS' SchemaRegistry names it: keccak256(abi.encodePacked(text, resolver 0, revocable true)).
PUBLIC_SCHEMA_UID: Final = Digest(keccak(PUBLIC_SCHEMA_TEXT.encode() + ZERO_ADDRESS + b"\x01"))

# keccak("Attest(address attester,bytes32 schema,address recipient,uint64 expirationTime,"
#        "bool revocable,bytes32 refUID,bytes data,uint256 value,uint256 nonce,uint64 deadline)")
_ATTEST: Final = bytes.fromhex("feb2925a02bae3dae48d424a0437a2b6ac939aa9230ddc55a1a76f065d988076")
# The same without `nonce`, as EAS' EIP712Proxy takes it.
_ATTEST_PROXY: Final = bytes.fromhex(
    "ea02ffba7dcb45f6fc649714d23f315eef12e3b27f9a7735d8d8bf41eb2b1af1"
)
# keccak("Revoke(address revoker,bytes32 schema,bytes32 uid,uint256 value,uint256 nonce,"
#        "uint64 deadline)"), and without `nonce`.
_REVOKE: Final = bytes.fromhex("b5d556f07587ec0f08cf386545cc4362c702a001650c2058002615ee5c9d1e75")
_REVOKE_PROXY: Final = bytes.fromhex(
    "78a69a78c1a55cdff5cbf949580b410778cd9e4d1ecbe6f06a7fa8dc2441b57d"
)

_CLAIMS: Final = struct.Struct(">32s31xB24xQ24xQ")
_EAS = artifact("EAS")
_PROXY = artifact("EIP712Proxy")


def account_pseudonym(secret: bytes, *, subject: Digest, account: Address, chain_id: int) -> Digest:
    """The name of an account's subject on one chain: only the holder of `secret` can link two.

    `secret` has 32 random bytes, the operator's; HMAC-SHA256 over subject, account and chain.
    """
    if len(secret) != 32:
        raise ValueError("the pseudonym secret has 32 bytes")
    said = b"kycgate public pseudonym 1" + subject + word_address(account) + word_uint(chain_id)
    return Digest(hmac.new(secret, said, hashlib.sha256).digest())


@dataclass(frozen=True, slots=True)
class PublicClaims:
    """What stands on chain, ABI-encoded in `PUBLIC_SCHEMA_TEXT` order. `verified_at` is a day."""

    pseudonym: Digest
    level: Level
    verified_at: int
    epoch: int

    def encode(self) -> bytes:
        """The 128 bytes of `abi.encode`."""
        return _CLAIMS.pack(self.pseudonym, self.level, self.verified_at, self.epoch)

    @classmethod
    def decode(cls, data: bytes) -> PublicClaims:
        """Read exactly 128 bytes with clean padding and a known level. Raises Malformed."""
        if len(data) != _CLAIMS.size:
            raise Malformed(f"public claims have {_CLAIMS.size} bytes", field="data")
        fields = _CLAIMS.unpack(data)
        if _CLAIMS.pack(*fields) != data:
            raise Malformed("padding is not zero", field="data")
        pseudonym, level, verified_at, epoch = fields
        try:
            return cls(Digest(pseudonym), Level(level), verified_at, epoch)
        except ValueError as e:
            raise Malformed("unknown level", field="data") from e


@dataclass(frozen=True, slots=True)
class Delegate:
    """The contract that takes an issuer's signed statements: EAS itself, or its EIP712Proxy.

    EAS counts an issuer's statements one by one, so that of two signed at the same moment only one
    can ever land; the proxy takes them in any order, and stands as the attester in EAS' records.
    """

    chain_id: int
    contract: Address
    eas: Address
    name: str
    version: str

    @property
    def in_order(self) -> bool:
        """Whether statements must land in the order they were signed in."""
        return self.contract == self.eas

    def digest(self, struct_hash: bytes) -> bytes:
        """What the issuer signs for this contract."""
        return typed_digest(self._separator(), struct_hash)

    def _separator(self) -> bytes:
        return domain_separator(
            name=self.name, version=self.version, chain_id=self.chain_id, contract=self.contract
        )


def find_delegate(chain: Chain, contract: Address) -> Delegate:
    """Ask the contract what it is, and under which name and version it checks signatures.

    Raises Misconfigured when it is neither EAS nor its proxy, or of a version that signs otherwise.
    """
    try:
        typehash = bytes(ask(chain, contract, "getAttestTypeHash"))
        if typehash not in (_ATTEST, _ATTEST_PROXY):
            raise Malformed("it takes statements of another form", field="getAttestTypeHash")
        eas = contract if typehash == _ATTEST else address(ask(chain, contract, "getEAS"))
        name, version = (str(ask(chain, contract, part)) for part in ("getName", "version"))
        found = Delegate(chain.chain_id, contract, eas, name, version)
        # The contract's own separator is the proof: a version string alone says nothing.
        if found._separator() != ask(chain, contract, "getDomainSeparator"):
            raise Malformed("its signing domain is not the usual one", field="getDomainSeparator")
    except (Malformed, Reverted) as e:
        text = f"{checksum(contract)} is no EAS contract that kycgate can sign for: {e.message}"
        raise Misconfigured((text,)) from e
    return found


@dataclass(frozen=True, slots=True)
class Offer:
    """A statement signed by the issuer, for the renter to send.

    `deadline` is the last second it lands, `expires_at` when the statement itself ends, both Unix
    seconds; `nonce` is the issuer's count in EAS, None for the proxy.
    """

    delegate: Delegate
    attester: Address
    recipient: Address
    claims: PublicClaims
    expires_at: int
    deadline: int
    nonce: int | None
    signature: bytes = b""

    def digest(self) -> bytes:
        """EIP-712, in the form that the delegate takes."""
        proxied = self.nonce is None
        said = (
            (_ATTEST_PROXY if proxied else _ATTEST)
            + word_address(self.attester)
            + PUBLIC_SCHEMA_UID
            + word_address(self.recipient)
            + word_uint(self.expires_at)
            + word_uint(1)
            + ZERO_DIGEST
            + keccak(self.claims.encode())
            + word_uint(0)
            + (b"" if self.nonce is None else word_uint(self.nonce))
            + word_uint(self.deadline)
        )
        return self.delegate.digest(keccak(said))

    def call_data(self) -> bytes:
        """What anybody, usually the renter, sends to the delegate's contract, with no coins."""
        data = (self.recipient, self.expires_at, True, ZERO_DIGEST, self.claims.encode(), 0)
        request = (PUBLIC_SCHEMA_UID, data, vrs(self.signature), self.attester, self.deadline)
        return _EAS.encode("attestByDelegation", request)


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """The issuer's signed word that a record no longer holds, for anybody to send."""

    delegate: Delegate
    issuer: Address
    uid: Digest
    deadline: int
    nonce: int | None
    signature: bytes = b""

    def digest(self) -> bytes:
        """EIP-712, in the form that the delegate takes."""
        said = (
            (_REVOKE_PROXY if self.nonce is None else _REVOKE)
            + word_address(self.issuer)
            + PUBLIC_SCHEMA_UID
            + self.uid
            + word_uint(0)
            + (b"" if self.nonce is None else word_uint(self.nonce))
            + word_uint(self.deadline)
        )
        return self.delegate.digest(keccak(said))

    def call_data(self) -> bytes:
        """What anybody sends to the delegate's contract."""
        proof = vrs(self.signature)
        request = (PUBLIC_SCHEMA_UID, (self.uid, 0), proof, self.issuer, self.deadline)
        return _EAS.encode("revokeByDelegation", request)


def vrs(signature: bytes) -> tuple[int, bytes, bytes]:
    """A signature as EAS' `Signature` argument."""
    return signature[64], signature[:32], signature[32:64]


def ask(chain: Chain, contract: Address, function: str, *arguments: Any) -> Any:
    """One value from EAS or its proxy. Raises Malformed when the answer is none."""
    compiled = _PROXY if function in ("getEAS", "getAttester") else _EAS
    answer = chain.call(contract, compiled.encode(function, *arguments))
    return compiled.decode(function, answer)[0]


def address(text: str) -> Address:
    """An address as the ABI decoder gives it."""
    return Address(bytes.fromhex(text[2:]))
