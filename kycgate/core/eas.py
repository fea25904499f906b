"""The form our attestations share with the Ethereum Attestation Service: off-chain, version 2.

Hashes, reads and writes that form to the byte; whether it counts is `attestation`'s matter.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from kycgate.core import wire
from kycgate.core.claims import (
    UINT256_MAX,
    Address,
    Digest,
    checksum,
    checksum_digits,
    parse_address,
)
from kycgate.core.typed import domain_separator, keccak, typed_digest
from kycgate.errors import Malformed

DOMAIN_NAME = "EAS Attestation"
VERSION = 2

LIMIT = 16 * 1024
"""Bytes of an attestation on the wire, at most; ours has about 1,800."""

# keccak("Attest(uint16 version,bytes32 schema,address recipient,uint64 time,uint64 expirationTime,"
#        "bool revocable,bytes32 refUID,bytes data,bytes32 salt)")
ATTEST_TYPEHASH = bytes.fromhex("258b757fc37a6699a984f4be01258122f834200374b34b4457b6db0dd0f71132")

# abi.encode of the struct: typehash, version, schema, recipient, time, expirationTime, revocable,
# refUID, keccak(data), salt.
_STRUCT = struct.Struct(">32s30xH32s12x20s24xQ24xQ31x?32s32s32s")
# abi.encodePacked of the UID's fields before and after `data`. EAS puts the schema in as the UTF-8
# of its hex text, and the zero address where an on-chain attestation has its attester.
_UID_HEAD = struct.Struct(">H66s20s20xQQ?32s")
_UID_TAIL = bytes(4)


@dataclass(frozen=True, slots=True)
class Domain:
    """The EAS deployment under whose name an issuer signs. `version` is the contract's own.

    `separator` is the EIP-712 domain separator.
    """

    version: str
    chain_id: int
    eas: Address
    separator: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        separator = domain_separator(
            name=DOMAIN_NAME,
            version=self.version,
            chain_id=self.chain_id,
            contract=self.eas,
        )
        object.__setattr__(self, "separator", separator)


@dataclass(frozen=True, slots=True)
class Attestation:
    """The signed message. Times are Unix seconds UTC; `data` is opaque here."""

    schema: Digest
    recipient: Address
    time: int
    expiration_time: int
    revocable: bool
    ref_uid: Digest
    data: bytes
    salt: Digest
    version: int = VERSION

    def struct_hash(self) -> bytes:
        """EIP-712 hashStruct of `Attest`."""
        return keccak(
            _STRUCT.pack(
                ATTEST_TYPEHASH,
                self.version,
                self.schema,
                self.recipient,
                self.time,
                self.expiration_time,
                self.revocable,
                self.ref_uid,
                keccak(self.data),
                self.salt,
            )
        )

    def uid(self) -> Digest:
        """The UID as the EAS SDK computes it. It covers neither issuer nor domain."""
        head = _UID_HEAD.pack(
            self.version,
            b"0x" + self.schema.hex().encode(),
            self.recipient,
            self.time,
            self.expiration_time,
            self.revocable,
            self.ref_uid,
        )
        return Digest(keccak(head + self.data + self.salt + _UID_TAIL))

    def digest(self, domain: Domain) -> Digest:
        """What the issuer signs."""
        return Digest(typed_digest(domain.separator, self.struct_hash()))


@dataclass(frozen=True, slots=True)
class SignedAttestation:
    """An attestation as it travels.

    `signer` is what the sender claims, None where the form has no place for it; only `verify`
    says who signed. `uid` is what the sender wrote, likewise to be checked.
    """

    attestation: Attestation
    domain: Domain
    signer: Address | None
    signature: bytes
    uid: Digest

    @classmethod
    def seal(
        cls,
        attestation: Attestation,
        domain: Domain,
        *,
        signer: Address,
        sign: Callable[[bytes], bytes],
    ) -> SignedAttestation:
        """Sign with an issuer key's `sign_digest`."""
        signature = sign(attestation.digest(domain))
        return cls(attestation, domain, signer, signature, attestation.uid())

    @classmethod
    def from_wire(cls, data: bytes) -> SignedAttestation:
        """Read what the EAS SDK writes: its signed object, bare or inside `{sig, signer}`.

        Big numbers may be numbers or decimal text. Raises Malformed, TooLarge.
        """
        return _read_usual(data) or _read_any(data)

    def to_wire(self) -> bytes:
        """Write what the EAS SDK reads: its own member order, canonical, byte-stable."""
        return wire.write_object(_document(self))


# -- as text: the SDK's JSON ---------------------------------------------------------------------
_TYPES = {
    "Attest": [
        {"name": "version", "type": "uint16"},
        {"name": "schema", "type": "bytes32"},
        {"name": "recipient", "type": "address"},
        {"name": "time", "type": "uint64"},
        {"name": "expirationTime", "type": "uint64"},
        {"name": "revocable", "type": "bool"},
        {"name": "refUID", "type": "bytes32"},
        {"name": "data", "type": "bytes"},
        {"name": "salt", "type": "bytes32"},
    ]
}
_PACKAGE = frozenset({"sig", "signer"})
_DOCUMENT = frozenset({"version", "uid", "domain", "primaryType", "message", "types", "signature"})
_DOMAIN = frozenset({"name", "version", "chainId", "verifyingContract"})
_MESSAGE = frozenset(field["name"] for field in _TYPES["Attest"])
_SIGNATURE = frozenset({"v", "r", "s"})


def _document(signed: SignedAttestation) -> dict[str, Any]:
    """The bare document, in the SDK's member order; big numbers as decimal text."""
    said, domain = signed.attestation, signed.domain
    return {
        "version": said.version,
        "uid": "0x" + signed.uid.hex(),
        "domain": {
            "name": DOMAIN_NAME,
            "version": domain.version,
            "chainId": str(domain.chain_id),
            "verifyingContract": checksum(domain.eas),
        },
        "primaryType": "Attest",
        "message": {
            "version": said.version,
            "schema": "0x" + said.schema.hex(),
            "recipient": checksum(said.recipient),
            "time": str(said.time),
            "expirationTime": str(said.expiration_time),
            "revocable": said.revocable,
            "refUID": "0x" + said.ref_uid.hex(),
            "data": "0x" + said.data.hex(),
            "salt": "0x" + said.salt.hex(),
        },
        "types": _TYPES,
        "signature": {
            "v": signed.signature[64],
            "r": "0x" + signed.signature[:32].hex(),
            "s": "0x" + signed.signature[32:64].hex(),
        },
    }


# -- the usual document ------------------------------------------------------------------------
# Our own attestations, as `write` and as the SDK put them, are the same bytes but for the values:
# they are read by place, three times as fast as by parsing. Every other byte is compared, so that
# whatever differs (member order, spaces, a key too many) is left to the parser, which decides.
_BEFORE_DOMAIN = b'{"version":2,"uid":"0x%b","domain":'
_AFTER_DOMAIN = (
    (b',"primaryType":"Attest","message":{"version":2,"schema":"0x', 64),
    (b'","recipient":"0x', 40),
    (b'","time":"', 10),
    (b'","expirationTime":"', 10),
    (b'","revocable":true,"refUID":"0x', 64),
    (b'","data":"0x', 640),
    (b'","salt":"0x', 64),
    (b'"},"types":%b,"signature":{"v":' % wire.write_object(_TYPES), 2),
    (b',"r":"0x', 64),
    (b'","s":"0x', 64),
    (b'"}}', 0),
)
_UID = slice(22, 86)
_HEAD_SIZE = len(_BEFORE_DOMAIN % bytes(64))
_LITERALS = tuple(literal for literal, _ in _AFTER_DOMAIN)
_TAIL = struct.Struct("".join(f"{len(literal)}s{size}s" for literal, size in _AFTER_DOMAIN))


def _read_usual(data: bytes) -> SignedAttestation | None:
    """The parts of a document in the usual layout; None for every other, right or wrong."""
    end_of_domain = len(data) - _TAIL.size
    uid = data[_UID]
    if not (_HEAD_SIZE < end_of_domain < LIMIT and data.startswith(_BEFORE_DOMAIN % uid)):
        return None
    pieces = _TAIL.unpack_from(data, end_of_domain)
    if pieces[::2] != _LITERALS:
        return None
    schema, recipient, time, expiration, ref_uid, said, salt, v, r, s, _ = pieces[1::2]
    try:
        content = bytes.fromhex((uid + schema + recipient + ref_uid + said + salt + r + s).decode())
    except ValueError:
        return None
    # `fromhex` skips white space; the length shows whether it did.
    if len(content) != 532 or not (time + expiration + v).isdigit() or schema != schema.lower():
        return None
    if b"0" in (time[:1], expiration[:1], v[:1]):
        return None
    address = Address(content[64:84])
    if checksum_digits(address.hex().encode()) != recipient:
        return None
    attestation = Attestation(
        Digest(content[32:64]),
        address,
        int(time),
        int(expiration),
        True,
        Digest(content[84:116]),
        content[116:436],
        Digest(content[436:468]),
    )
    domain = _usual_domain(data[_HEAD_SIZE:end_of_domain])
    signature = content[468:] + bytes((int(v),))
    return SignedAttestation(attestation, domain, None, signature, Digest(content[:32]))


@lru_cache(maxsize=64)
def _usual_domain(text: bytes) -> Domain:
    """Issuers are few, and so are their domains: each is read and hashed once."""
    return _read_domain(wire.read_object(text, limit=LIMIT, field="domain"))


# -- any document ------------------------------------------------------------------------------
def _read_any(data: bytes) -> SignedAttestation:
    document = wire.read_object(data, limit=LIMIT, field="document")
    signer = None
    if "sig" in document:
        package = wire.members(document, _PACKAGE, field="document")
        document, signer = package["sig"], parse_address(package["signer"], field="signer")
    document = wire.members(document, _DOCUMENT, field="document")
    if document["types"] != _TYPES or document["primaryType"] != "Attest":
        raise Malformed("not the type of an EAS off-chain attestation, v2", field="types")
    message = wire.members(document["message"], _MESSAGE, field="message")
    version = document["version"]
    if type(version) is not int or version != message["version"]:
        raise Malformed("the two versions differ or are not numbers", field="version")
    return SignedAttestation(
        _read_message(message),
        _read_domain(document["domain"]),
        signer,
        _read_signature(document["signature"]),
        wire.digest(document["uid"], field="uid"),
    )


def _read_message(message: dict[str, Any]) -> Attestation:
    schema, revocable, version = message["schema"], message["revocable"], message["version"]
    if type(revocable) is not bool:
        raise Malformed("not true or false", field="message.revocable")
    if type(version) is not int or not 0 <= version < 2**16:
        raise Malformed("not a uint16", field="message.version")
    schema_bytes = wire.digest(schema, field="message.schema")
    # The UID hashes the text as written: two spellings would give one signature two UIDs.
    if schema != schema.lower():
        raise Malformed("hex digits in upper case", field="message.schema", remedy="lower case")
    return Attestation(
        schema_bytes,
        parse_address(message["recipient"], field="message.recipient"),
        wire.uint(message["time"], field="message.time"),
        wire.uint(message["expirationTime"], field="message.expirationTime"),
        revocable,
        wire.digest(message["refUID"], field="message.refUID"),
        wire.hex_bytes(message["data"], field="message.data", most=LIMIT // 2),
        wire.digest(message["salt"], field="message.salt"),
        version,
    )


def _read_domain(value: Any) -> Domain:
    domain = wire.members(value, _DOMAIN, field="domain")
    if domain["name"] != DOMAIN_NAME:
        raise Malformed(f"not {DOMAIN_NAME!r}", field="domain.name")
    return Domain(
        wire.text(domain["version"], field="domain.version", most=32),
        wire.uint(domain["chainId"], field="domain.chainId", most=UINT256_MAX),
        parse_address(domain["verifyingContract"], field="domain.verifyingContract"),
    )


def _read_signature(value: Any) -> bytes:
    signature = wire.members(value, _SIGNATURE, field="signature")
    v = signature["v"]
    if type(v) is not int or not 0 <= v <= 255:
        raise Malformed("not a byte", field="signature.v")
    r = wire.digest(signature["r"], field="signature.r")
    return r + wire.digest(signature["s"], field="signature.s") + bytes((v,))
