"""Verification done elsewhere, taken into a case as evidence: EAS records on chain and off.

Passes nobody: a record changes no level, no state and no approval, a reviewer sees it beside the
rest. Coinbase itself says of its records that nobody may rely on them for compliance.

A chain that does not answer is "could not tell", never yes and never no.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from kycgate.chain import Artifact, Reverted
from kycgate.core.attestation import (
    InvalidAttestation,
    SignedAttestation,
    UnsafeAnySchema,
    verify_foreign,
)
from kycgate.core.claims import UINT64_MAX, ZERO_ADDRESS, ZERO_DIGEST, Account, Address, Digest
from kycgate.core.trust import TrustedIssuer, TrustList
from kycgate.errors import Code, Conflict, Malformed, Reason, Unavailable
from kycgate.issuer import foreign
from kycgate.issuer.casebook import CaseBook
from kycgate.issuer.foreign import Pinned, Record
from kycgate.store.records.cases import Case

IMPORT: Final = "import"
"""The kind of evidence a record becomes, and who reads what is there already."""
MOST: Final = 10
"""Records in one case: a renter could make many, and a reviewer must read them."""
_CLOSED: Final = frozenset({"refused", "revoked"})
_NUMBER_MOST: Final = 2**53 - 1

_ATTESTATION: Final = tuple(
    {"name": name, "type": kind}
    for name, kind in (
        ("uid", "bytes32"),
        ("schema", "bytes32"),
        ("time", "uint64"),
        ("expirationTime", "uint64"),
        ("revocationTime", "uint64"),
        ("refUID", "bytes32"),
        ("recipient", "address"),
        ("attester", "address"),
        ("revocable", "bool"),
        ("data", "bytes"),
    )
)


def _function(name: str, takes: Sequence[str], gives: dict[str, Any]) -> dict[str, Any]:
    inputs = [{"name": "", "type": each} for each in takes]
    return {"type": "function", "name": name, "inputs": inputs, "outputs": [gives]}


_EAS: Final = Artifact(
    "EAS",
    (
        _function("getAttestation", ["bytes32"], {"type": "tuple", "components": _ATTESTATION}),
        _function("getRevokeOffchain", ["address", "bytes32"], {"type": "uint64"}),
    ),
    b"",
)
_INDEXER: Final = Artifact(
    "AttestationIndexer",
    (_function("getAttestationUid", ["address", "bytes32"], {"type": "bytes32"}),),
    b"",
)


class Calls(Protocol):
    """A chain as it is read here. Raises Unavailable, Reverted."""

    @property
    def chain_id(self) -> int: ...
    def call(self, to: Address, data: bytes) -> bytes:
        """`eth_call` on the newest block."""


@dataclass(frozen=True, slots=True)
class Source:
    """One pinned issuer, and how its records are reached.

    `indexer` finds a record by account (Coinbase's AttestationIndexer); `version` is the EAS
    contract's own, under which off-chain records are signed.
    """

    pinned: Pinned
    chain: Calls
    indexer: Address | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """A record that is now in a case, or was already."""

    case_id: str
    source: str
    uid: Digest
    schema: Digest
    fresh: bool


class Imports:
    """Takes records into cases. Thread-safe."""

    def __init__(self, book: CaseBook, sources: Sequence[Source]) -> None:
        self._book = book
        self._sources = tuple(sources)

    # -- taking ----------------------------------------------------------------------------------

    def find(self, account: Account, *, now: int) -> list[Imported]:
        """Every record that pinned issuers' indexers know of the account. Raises Unavailable."""
        case = self._case(account)
        found = []
        for source in self._sources:
            if source.indexer is None or not _same_chain(account, source):
                continue
            for schema in sorted(source.pinned.schemas):
                uid = self._indexed(source, source.indexer, account, schema)
                if uid != ZERO_DIGEST:
                    record = self._read(source, uid)
                    if foreign.check(record, uid, source.pinned, account.address, now=now) is None:
                        found.append(self._keep(case, source, record, "on chain", now))
        return found

    def take(self, account: Account, uid: Digest, *, now: int) -> Imported:
        """The record of this uid, from the chain of a pinned issuer.

        Raises Malformed with the rule it breaks, Conflict without an open case, Unavailable.
        """
        case = self._case(account)
        reason = Reason(Code.ISSUER_UNKNOWN, "this operator takes no such records")
        for source in self._sources:
            if not _same_chain(account, source):
                continue
            record = self._read(source, uid)
            broken = foreign.check(record, uid, source.pinned, account.address, now=now)
            if broken is None:
                return self._keep(case, source, record, "on chain", now)
            if reason.code in (Code.ISSUER_UNKNOWN, Code.NOT_FOUND):
                reason = broken
        raise _wrong("uid", reason)

    def take_signed(self, account: Account, document: bytes, *, now: int) -> Imported:
        """An EAS off-chain attestation, version 2, as the EAS SDK writes it. Raises as `take`."""
        case = self._case(account)
        signed = SignedAttestation.from_wire(document)
        reason = Reason(Code.ISSUER_UNKNOWN, "its issuer is not pinned by this operator")
        for source in self._sources:
            if source.version is None or not _same_chain(account, source):
                continue
            held = self._signed(source, signed, account, now)
            if isinstance(held, Record):
                return self._keep(case, source, held, "off chain", now)
            if reason.code is Code.ISSUER_UNKNOWN:
                reason = held
        raise _wrong("attestation", reason)

    def _case(self, account: Account) -> Case:
        subject = self._book.subject_id(account)
        cases = self._book.of_subject(subject) if subject else []
        case = next((each for each in cases if each.state not in _CLOSED), None)
        if case is None:
            raise Conflict("there is no open case to add this to: open one first")
        return case

    # -- a signed document -----------------------------------------------------------------------

    def _signed(
        self, source: Source, signed: SignedAttestation, account: Account, now: int
    ) -> Record | Reason:
        pinned, said = source.pinned, signed.attestation
        trusted = tuple(
            TrustedIssuer(each, source.version or "", pinned.chain_id, pinned.eas, 0, None)
            for each in sorted(pinned.issuers)
        )
        found = verify_foreign(
            signed,
            trust=TrustList(0, 0, UINT64_MAX, trusted, (), ZERO_ADDRESS),
            revocations=_OnChain(self, source),
            recipient=account.address,
            # Whose schemas count is checked below; ours is not among them.
            schema=UnsafeAnySchema(),
            now=now,
        )
        if isinstance(found, InvalidAttestation):
            return found.reason
        record = Record(
            found.uid,
            said.schema,
            said.time,
            said.expiration_time,
            0,
            said.ref_uid,
            said.recipient,
            found.issuer,
            said.revocable,
            said.data,
        )
        return foreign.check(record, found.uid, pinned, account.address, now=now) or record

    def revoked_at(self, source: Source, issuer: Address, uid: Digest) -> int:
        """When the issuer published the revocation of an off-chain record; 0 never."""
        return int(
            self._ask(source, source.pinned.eas, _EAS, "getRevokeOffchain", (issuer, bytes(uid)))
        )

    # -- a chain ---------------------------------------------------------------------------------

    def _read(self, source: Source, uid: Digest) -> Record:
        found = self._ask(source, source.pinned.eas, _EAS, "getAttestation", (bytes(uid),))
        known, schema, time, expires, revoked, ref, recipient, attester, revocable, data = found
        return Record(
            Digest(known),
            Digest(schema),
            time,
            expires,
            revoked,
            Digest(ref),
            _address(recipient),
            _address(attester),
            revocable,
            data,
        )

    def _indexed(
        self, source: Source, indexer: Address, account: Account, schema: Digest
    ) -> Digest:
        asked = (bytes(account.address), bytes(schema))
        return Digest(self._ask(source, indexer, _INDEXER, "getAttestationUid", asked))

    def _ask(
        self, source: Source, to: Address, contract: Artifact, function: str, asked: Any
    ) -> Any:
        silent = f"the chain of {source.pinned.name} could not tell"
        try:
            answer = source.chain.call(to, contract.encode(function, *asked))
        except Reverted as error:
            raise Unavailable(silent) from error
        try:
            # A chain without the contract answers with nothing at all.
            [found] = contract.decode(function, answer)
        except Malformed as error:
            raise Unavailable(silent) from error
        return found

    # -- keeping ---------------------------------------------------------------------------------

    def _keep(self, case: Case, source: Source, record: Record, where: str, now: int) -> Imported:
        says = foreign.said(record.schema, record.data)
        assert not isinstance(says, Reason), "checked before it is kept"
        uid = "0x" + record.uid.hex()
        there = [each for each in self._book.evidence(case) if each.kind == IMPORT]
        known = [self._book.open(each, reader=IMPORT, now=now) for each in there]
        same = (source.pinned.name, uid)
        fresh = same not in [(each["source"], each["uid"]) for each in known]
        if fresh:
            if len(there) >= MOST:
                raise Conflict(f"this case holds {MOST} records already: they are enough")
            self._book.keep(case, IMPORT, _document(source, record, says, where, now), now)
        return Imported(case.id, source.pinned.name, record.uid, record.schema, fresh)


@dataclass(frozen=True, slots=True)
class _OnChain:
    """Revocations of off-chain records, as their issuers publish them on EAS."""

    imports: Imports
    source: Source

    def revoked(
        self, *, issuer: Address, domain: bytes, uid: bytes, account: Address, epoch: int
    ) -> Code | None:
        """Raises Unavailable when the chain does not tell."""
        at = self.imports.revoked_at(self.source, issuer, Digest(uid))
        return Code.REVOKED_ATTESTATION if at else None


def _document(
    source: Source, record: Record, says: dict[str, Any], where: str, now: int
) -> dict[str, Any]:
    """What a reviewer reads."""
    pinned = source.pinned
    return {
        "source": pinned.name,
        "where": where,
        "uid": "0x" + record.uid.hex(),
        "schema": "0x" + record.schema.hex(),
        "attester": "0x" + record.attester.hex(),
        "chain_id": pinned.chain_id,
        "eas": "0x" + pinned.eas.hex(),
        "account": "0x" + record.recipient.hex(),
        "time": record.time,
        "expires_at": min(record.expires_at, _NUMBER_MOST) or None,
        "says": says,
        "checked_at": now,
        "weight": "evidence only: changes no level and approves nothing",
    }


def _same_chain(account: Account, source: Source) -> bool:
    """A contract account counts only on its own chain: elsewhere it may be somebody else's."""
    return account.chain_id in (None, source.pinned.chain_id)


def _address(text: object) -> Address:
    return Address(bytes.fromhex(str(text).removeprefix("0x")))


def _wrong(field: str, reason: Reason) -> Malformed:
    remedy = "a record about this account, by an issuer this operator names, that holds today"
    return Malformed(reason.text, field=field, remedy=remedy, code=reason.code)
