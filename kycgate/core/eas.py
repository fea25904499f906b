"""The form our attestations share with the Ethereum Attestation Service: off-chain, version 2.

Hashes, reads and writes that form to the byte; whether it counts is `attestation`'s matter.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from kycgate.core import wire
from kycgate.core.claims import UINT256_MAX, Address, Digest, checksum, parse_address
from kycgate.core.typed import domain_separator, keccak, typed_digest
from kycgate.errors import Malformed, TooLarge

DOMAIN_NAME = "EAS Attestation"
VERSION = 2

LIMIT = 16 * 1024
"""Bytes of an attestation on the wire, at most; ours has about 1,700."""

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
    """The EAS deployment under whose name an issuer signs. `version` is the contract's own."""

    version: str
    chain_id: int
    eas: Address

    @property
    def separator(self) -> bytes:
        """EIP-712 domain separator; remembered per domain."""
        return domain_separator(
            name=DOMAIN_NAME,
            version=self.version,
            chain_id=self.chain_id,
            contract=self.eas,
        )


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


class Parts(NamedTuple):
    """What one EAS document holds; nothing of it is checked against the rest."""

    attestation: Attestation
    domain: Domain
    signer: Address | None
    signature: bytes
    uid: Digest


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

# Strings of a bare document whose numbers are numbers: its member names, the types block, and the
# text values uid, primaryType, domain name, version and contract, schema, recipient, refUID, data,
# salt, r and s.
_STRINGS = len(_DOCUMENT) + len(_DOMAIN) + len(_MESSAGE) + len(_SIGNATURE) + 12
_QUOTES = 2 * _STRINGS + json.dumps(_TYPES).count('"')

_decode = json.JSONDecoder().decode


def read(data: bytes) -> Parts:
    """Read what the EAS SDK writes: its signed object, bare or inside `{sig, signer}`.

    Big numbers may be numbers or decimal text. Raises Malformed, TooLarge.
    """
    document, quotes = _load(data)
    signer = None
    if "sig" in document:
        package = _members(document, _PACKAGE, "document")
        document, signer = package["sig"], _known_address(package["signer"], "signer")
        quotes -= 6
    _members(document, _DOCUMENT, "document")
    domain = _members(document["domain"], _DOMAIN, "domain")
    message = _members(document["message"], _MESSAGE, "message")
    signature = _members(document["signature"], _SIGNATURE, "signature")
    big_numbers = (domain["chainId"], message["time"], message["expirationTime"])
    parts = Parts(
        _read_message(document, message),
        _read_domain(document, domain),
        signer,
        _read_signature(signature),
        Digest(_fixed(document["uid"], 32, "uid")),
    )
    # Every string that is left was looked at above, and none holds an escape: more quotes than
    # they need means that a key stood twice and the parser dropped one.
    if quotes != _QUOTES + 2 * [type(number) for number in big_numbers].count(str):
        raise Malformed("a key stands twice in one object", field="document")
    return parts


def write(parts: Parts) -> bytes:
    """The bare document, in the SDK's member order; big numbers as decimal text."""
    said, domain = parts.attestation, parts.domain
    document = {
        "version": said.version,
        "uid": "0x" + parts.uid.hex(),
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
            "v": parts.signature[64],
            "r": "0x" + parts.signature[:32].hex(),
            "s": "0x" + parts.signature[32:64].hex(),
        },
    }
    return wire.write_object(document)


def _load(data: bytes) -> tuple[dict[str, Any], int]:
    """The object and how many quotes its text has."""
    if len(data) > LIMIT:
        raise TooLarge(f"longer than {LIMIT} bytes", field="document")
    if b"\\" in data:
        raise Malformed("escaped characters have no place here", field="document")
    try:
        document = _decode(data.decode())
    except RecursionError as e:
        raise Malformed("nested too deep", field="document") from e
    except ValueError as e:
        raise Malformed(f"not JSON: {e}", field="document") from e
    if type(document) is not dict:
        raise Malformed("not a JSON object", field="document")
    return document, data.count(b'"')


def _members(value: Any, names: frozenset[str], field: str) -> dict[str, Any]:
    if type(value) is dict and value.keys() == names:
        return value
    return wire.members(value, names, field=field)


def _read_message(document: dict[str, Any], message: dict[str, Any]) -> Attestation:
    if document["primaryType"] != "Attest" or document["types"] != _TYPES:
        raise Malformed("not the type of an EAS off-chain attestation, v2", field="types")
    version, revocable = message["version"], message["revocable"]
    if type(version) is not int or version != document["version"] or not 0 <= version < 2**16:
        raise Malformed("the two versions differ or are not numbers", field="version")
    if type(revocable) is not bool:
        raise Malformed("not true or false", field="message.revocable")
    schema = _fixed(message["schema"], 32, "message.schema")
    # The UID hashes the text as written: two spellings would give one signature two UIDs.
    if message["schema"] != "0x" + schema.hex():
        raise Malformed("hex digits in upper case", field="message.schema", remedy="lower case")
    return Attestation(
        Digest(schema),
        parse_address(message["recipient"], field="message.recipient"),
        wire.uint(message["time"], field="message.time"),
        wire.uint(message["expirationTime"], field="message.expirationTime"),
        revocable,
        Digest(_fixed(message["refUID"], 32, "message.refUID")),
        wire.hex_bytes(message["data"], field="message.data", most=LIMIT // 2),
        Digest(_fixed(message["salt"], 32, "message.salt")),
        version,
    )


def _read_domain(document: dict[str, Any], domain: dict[str, Any]) -> Domain:
    if domain["name"] != DOMAIN_NAME:
        raise Malformed(f"not {DOMAIN_NAME!r}", field="domain.name")
    return Domain(
        wire.text(domain["version"], field="domain.version", most=32),
        wire.uint(domain["chainId"], field="domain.chainId", most=UINT256_MAX),
        _known_address(domain["verifyingContract"], "domain.verifyingContract"),
    )


def _read_signature(signature: dict[str, Any]) -> bytes:
    v = signature["v"]
    if type(v) is not int or not 0 <= v <= 255:
        raise Malformed("not a byte", field="signature.v")
    r = _fixed(signature["r"], 32, "signature.r")
    return r + _fixed(signature["s"], 32, "signature.s") + v.to_bytes(1, "big")


@lru_cache(maxsize=64)
def _known_address(text: str, field: str) -> Address:
    """Issuers and their domains are few: their checksum is computed once, not per attestation."""
    return parse_address(text, field=field)


def _fixed(value: Any, size: int, field: str) -> bytes:
    content = wire.hex_bytes(value, field=field, most=size)
    if len(content) != size:
        raise Malformed(f"not {size} bytes", field=field, remedy=f"0x and {2 * size} hex digits")
    return content
