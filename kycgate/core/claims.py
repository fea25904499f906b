"""What an attestation says about an account, and what a job asks for, as exact values.

Signs nothing and judges nothing: it only reads and writes these values, one way each.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NewType

import rfc8785

from kycgate.core.typed import keccak
from kycgate.errors import Malformed

Address = NewType("Address", bytes)
Digest = NewType("Digest", bytes)

ZERO_ADDRESS = Address(bytes(20))
ZERO_DIGEST = Digest(bytes(32))

UINT64_MAX = 2**64 - 1
UINT256_MAX = 2**256 - 1

_ADDRESS_TEXT = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
_ACCOUNT_KEY = re.compile(r"(?:eip155:([1-9][0-9]{0,77}):)?(0x[0-9a-f]{40})", re.ASCII)

# Bit masks over 40 ASCII hex digits taken as one number: 0x40 marks a letter, 0x08 marks 8 and 9,
# 0x20 is the bit that makes a letter lower case.
_LETTER = int.from_bytes(b"\x40" * 40, "big")
_EIGHT_NINE = int.from_bytes(b"\x08" * 40, "big")


def checksum_digits(lower: bytes) -> bytes:
    """EIP-55 over 40 lower-case hex digits: a letter is upper case where its hash digit is >= 8."""
    plain = int.from_bytes(lower, "big")
    hashed = int.from_bytes(keccak(lower)[:20].hex().encode(), "big")
    high = ((hashed & _EIGHT_NINE) << 2) | ((hashed & _LETTER) >> 1)
    return (plain ^ ((plain & _LETTER) >> 1 & high)).to_bytes(40, "big")


def checksum(address: Address) -> str:
    """The EIP-55 text of an address."""
    return "0x" + checksum_digits(address.hex().encode()).decode()


def parse_address(text: str, *, field: str = "address") -> Address:
    """Read `0x` and 40 hex digits; mixed case must carry the right EIP-55 checksum.

    Raises Malformed naming `field`.
    """
    if type(text) is not str or not _ADDRESS_TEXT.fullmatch(text):
        raise Malformed("not an address", field=field, remedy="0x and 40 hex digits")
    digits = text[2:]
    address = bytes.fromhex(digits)
    lower = address.hex()
    mixed = digits != lower and digits != digits.upper()
    if mixed and checksum_digits(lower.encode()) != digits.encode():
        raise Malformed(
            "the address fails its EIP-55 checksum",
            field=field,
            remedy="copy it again, or write it in lower case",
        )
    return Address(address)


@dataclass(frozen=True, slots=True)
class Account:
    """A wallet. `chain_id` None: a key pair, good on every chain; else a contract on that chain."""

    address: Address
    chain_id: int | None = None

    @property
    def key(self) -> str:
        """The one text by which stores and logs know this account."""
        plain = "0x" + self.address.hex()
        return plain if self.chain_id is None else f"eip155:{self.chain_id}:{plain}"

    def caip10(self, chain_id: int) -> str:
        """CAIP-10 text on the account's own chain, or on `chain_id` for a key pair."""
        chain = chain_id if self.chain_id is None else self.chain_id
        return f"eip155:{chain}:{checksum(self.address)}"

    @classmethod
    def from_key(cls, key: str) -> Account:
        """The inverse of `key`. Raises Malformed."""
        found = _ACCOUNT_KEY.fullmatch(key)
        if found is None:
            raise Malformed("not an account key", field="account", remedy="0x… in lower case")
        chain = found[1]
        return cls(Address(bytes.fromhex(found[2][2:])), int(chain) if chain else None)


class Kind(IntEnum):
    """What the subject is."""

    PERSON = 1
    ORGANISATION = 2


class Level(IntEnum):
    """How well the subject was verified, modelled on the eIDAS levels."""

    LOW = 1
    SUBSTANTIAL = 2
    HIGH = 3


_KINDS = {int(kind): kind for kind in Kind}
_LEVELS = {int(level): level for level in Level}

SCHEMA_TEXT = (
    "bytes32 subject,uint8 kind,uint8 level,uint16 country,uint16 ultimateCountry,"
    "uint64 verifiedAt,uint64 screenedAt,uint64 epoch,bytes32 policy,bytes32 evidence"
)
# As EAS' SchemaRegistry names it: keccak256(abi.encodePacked(text, resolver 0, revocable true)).
SCHEMA_UID = Digest(keccak(SCHEMA_TEXT.encode() + ZERO_ADDRESS + b"\x01"))

_CLAIMS = struct.Struct(">32s31xB31xB30xH30xH24xQ24xQ24xQ32s32s")
_COUNTRY_MAX = 999


@dataclass(frozen=True, slots=True)
class Claims:
    """The statement itself, ABI-encoded in `SCHEMA_TEXT` order.

    `subject` is a pairwise pseudonym; countries are ISO 3166-1 numeric, 0 unknown; times are Unix
    seconds UTC; `epoch` rises to revoke everything of an account; `policy` names the verification
    rules; `evidence` commits to the evidence record under a fresh salt.
    """

    subject: Digest
    kind: Kind
    level: Level
    country: int
    ultimate_country: int
    verified_at: int
    screened_at: int
    epoch: int
    policy: Digest
    evidence: Digest

    def encode(self) -> bytes:
        """The 320 bytes of `abi.encode`. Raises Malformed when a field is out of its range."""
        if {len(self.subject), len(self.policy), len(self.evidence)} != {32}:
            raise Malformed("subject, policy and evidence have 32 bytes each", field="claims")
        if not (0 <= self.country <= _COUNTRY_MAX and 0 <= self.ultimate_country <= _COUNTRY_MAX):
            raise Malformed("countries are ISO 3166-1 numeric", field="claims.country")
        try:
            return _CLAIMS.pack(
                self.subject,
                self.kind,
                self.level,
                self.country,
                self.ultimate_country,
                self.verified_at,
                self.screened_at,
                self.epoch,
                self.policy,
                self.evidence,
            )
        except struct.error as e:
            raise Malformed(f"a number is out of range: {e}", field="claims") from e

    @classmethod
    def decode(cls, data: bytes) -> Claims:
        """Read exactly 320 bytes with clean padding and known values. Raises Malformed."""
        if len(data) != _CLAIMS.size:
            raise Malformed(f"claims have {_CLAIMS.size} bytes", field="data")
        fields = _CLAIMS.unpack(data)
        # Packing writes zero padding: equality proves that no hidden bits rode along.
        if _CLAIMS.pack(*fields) != data:
            raise Malformed("padding is not zero", field="data")
        subject, kind, level, country, ultimate, verified, screened, epoch, policy, evidence = (
            fields
        )
        if kind not in _KINDS or level not in _LEVELS:
            raise Malformed("unknown kind or level", field="data")
        if country > _COUNTRY_MAX or ultimate > _COUNTRY_MAX:
            raise Malformed("countries are ISO 3166-1 numeric", field="data")
        return cls(
            subject,
            _KINDS[kind],
            _LEVELS[level],
            country,
            ultimate,
            verified,
            screened,
            epoch,
            policy,
            evidence,
        )


class Action(StrEnum):
    """What a renter asks of the marketplace."""

    RENT = "rent"
    EXTEND = "extend"
    MODIFY = "modify"


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A marketplace request, normalised.

    `gpu_count` devices; `hours` None is open-ended; `value` token base units; `resource` is the
    deployment concerned; `end_user` whoever the renter says it rents for.
    """

    marketplace: str
    action: Action
    gpu_model: str | None
    gpu_count: int | None
    hours: int | None
    value: int | None
    resource: str | None
    end_user: str | None

    def canonical(self) -> bytes:
        """RFC 8785 form, all eight members always present, integers only.

        `value` is written as a decimal string: token base units pass 2**53, the end of JSON's
        exact integers.
        """
        return rfc8785.dumps(
            {
                "action": str(self.action),
                "end_user": self.end_user,
                "gpu_count": _whole(self.gpu_count, "gpu_count"),
                "gpu_model": self.gpu_model,
                "hours": _whole(self.hours, "hours"),
                "marketplace": self.marketplace,
                "resource": self.resource,
                "value": None if self.value is None else str(_whole(self.value, "value")),
            }
        )

    def digest(self) -> Digest:
        """keccak256 of the canonical form: the `request` of a permit's terms."""
        return Digest(keccak(self.canonical()))


def _whole(number: int | None, field: str) -> int | None:
    if number is None:
        return None
    limit = UINT256_MAX if field == "value" else 2**53 - 1
    if type(number) is not int or not 0 <= number <= limit:
        raise Malformed("not a whole number in range", field=field)
    return number
