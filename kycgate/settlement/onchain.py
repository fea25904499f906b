"""The public form for those who want it: offered by the issuer, sent and paid for by the renter.

Writes no record itself; what it sends is revocations. Who trusts a record reads it here, against
every rule, and not by EAS' own `isAttestationValid`, which says only that it exists.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from kycgate.chain import Chain, Receipt, TransactionSigner
from kycgate.core.attestation import ValidAttestation
from kycgate.core.claims import ZERO_DIGEST, Address, Digest
from kycgate.core.typed import word_address
from kycgate.errors import Code, Malformed, Reason, Refused
from kycgate.keys import Signer
from kycgate.settlement.compiled import artifact
from kycgate.settlement.onchain_form import (
    PUBLIC_SCHEMA_UID,
    Delegate,
    Offer,
    PublicClaims,
    Withdrawal,
    account_pseudonym,
    address,
    ask,
)
from kycgate.settlement.revocations import revocation_key

LIFE_MOST_S: Final = 30 * 86400
"""Seconds a public statement may live, as long as a wallet proof; revocation ends it early."""

OFFER_S: Final = 3600
"""Seconds a renter has to send what the issuer signed."""

_CLOCKS_S: Final = 60
"""How far a chain's clock may run behind ours."""

_EAS = artifact("EAS")
_RECORD = (
    "uid",
    "schema",
    "time",
    "expirationTime",
    "revocationTime",
    "refUID",
    "recipient",
    "attester",
    "revocable",
    "data",
)


@dataclass(frozen=True, slots=True)
class Published:
    """A public statement that holds."""

    uid: Digest
    account: Address
    claims: PublicClaims
    time: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class NotPublished:
    """No public statement, or one that does not hold, and why."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class ChainRevocations:
    """What EAS itself says was revoked: implements `core.attestation.RevocationView`.

    Every question goes to the chain; raises Unavailable when it does not answer.
    """

    chain: Chain
    eas: Address
    revoker: Address

    def revoked(
        self, *, issuer: Address, domain: bytes, uid: bytes, account: Address, epoch: int
    ) -> Code | None:
        if self.epoch_revoked(account, epoch):
            return Code.REVOKED_EPOCH
        return Code.REVOKED_ATTESTATION if self._since(issuer, uid) else None

    def epoch_revoked(self, account: Address, epoch: int) -> bool:
        """Whether the revoker published this account's epoch."""
        return self._since(self.revoker, revocation_key(account, epoch)) != 0

    def _since(self, by: Address, mark: bytes) -> int:
        return int(ask(self.chain, self.eas, "getRevokeOffchain", by, mark))


def require_standing(
    held: ValidAttestation, issuer: Address, revocations: ChainRevocations, *, now: int
) -> None:
    """Raises Refused when the attestation is another issuer's, has ended or is revoked on chain."""
    if held.issuer != issuer:
        raise _refused(Code.ISSUER_UNKNOWN, "another issuer's attestation is not ours to publish")
    if now >= held.expires_at:
        raise _refused(Code.EXPIRED, "the attestation has expired")
    code = revocations.revoked(
        issuer=held.issuer,
        domain=held.domain,
        uid=held.uid,
        account=held.account,
        epoch=held.claims.epoch,
    )
    if code is not None:
        raise _refused(code, "revoked on chain")


class PublicRecords:
    """One issuer's records on one chain. `revoker` is whose account revocations count there."""

    def __init__(
        self, chain: Chain, delegate: Delegate, *, issuer: Address, revoker: Address
    ) -> None:
        self.chain = chain
        self.delegate = delegate
        self.issuer = issuer
        self.revocations = ChainRevocations(chain, delegate.eas, revoker)

    def read(self, uid: Digest, *, now: int) -> Published | NotPublished:
        """Hold a record of EAS against every rule of ours. `now` Unix seconds UTC."""
        record = self.record(uid)
        if record["uid"] != uid:
            return _no(Code.ATTESTATION_MISSING, "EAS has no such record")
        if not self._ours(record):
            return _no(Code.ISSUER_UNKNOWN, "not by this issuer")
        for wrong, code, text in (
            (record["schema"] != PUBLIC_SCHEMA_UID, Code.SCHEMA_MISMATCH, "another schema"),
            (not record["revocable"], Code.NOT_REVOCABLE, "irrevocable"),
            (record["refUID"] != ZERO_DIGEST, Code.REF_UID_SET, "refers to another record"),
            (not _lives(record), Code.LIFE_TOO_LONG, "lives for ever, or too long"),
            (now >= record["expirationTime"], Code.EXPIRED, "expired"),
            (record["revocationTime"] != 0, Code.REVOKED_ATTESTATION, "revoked"),
        ):
            if wrong:
                return _no(code, text)
        return self._claimed(uid, record)

    def _claimed(self, uid: Digest, record: dict[str, Any]) -> Published | NotPublished:
        account = address(record["recipient"])
        try:
            claims = PublicClaims.decode(record["data"])
        except Malformed as e:
            return _no(Code.DATA_MALFORMED, e.message)
        if self.revocations.epoch_revoked(account, claims.epoch):
            return _no(Code.REVOKED_EPOCH, "the account is revoked")
        return Published(uid, account, claims, record["time"], record["expirationTime"])

    def of_account(self, account: Address | None, *, from_block: int) -> Iterator[Digest]:
        """UIDs of this issuer's records about an account (None: all), from a block on."""
        # Attested(address indexed recipient, address indexed attester, bytes32 uid, indexed schema)
        topics = [
            _topic(_EAS.topic("Attested")),
            None if account is None else _topic(word_address(account)),
            _topic(word_address(self._attester_in_eas())),
            _topic(PUBLIC_SCHEMA_UID),
        ]
        for log in self.chain.logs(self.delegate.eas, from_block=from_block, topics=topics):
            event = _EAS.event(log.topics, log.data)
            if event is not None and self._ours(self.record(event.fields["uid"])):
                yield Digest(event.fields["uid"])

    def stale(self, *, from_block: int) -> Iterator[Digest]:
        """UIDs of records that still stand though their account's epoch was revoked."""
        for uid in self.of_account(None, from_block=from_block):
            record = self.record(uid)
            # An irrevocable record would fail for ever and hold up all behind it.
            if record["revocable"] and not record["revocationTime"] and self._void(record):
                yield uid

    def nonce(self) -> int | None:
        """The number under which the issuer's next statement lands; None: in any order."""
        if not self.delegate.in_order:
            return None
        return int(ask(self.chain, self.delegate.eas, "getNonce", self.issuer))

    def record(self, uid: Digest) -> dict[str, Any]:
        """What EAS keeps under a UID; all zero when it keeps nothing."""
        values = ask(self.chain, self.delegate.eas, "getAttestation", uid)
        return dict(zip(_RECORD, values, strict=True))

    def _void(self, record: dict[str, Any]) -> bool:
        try:
            epoch = PublicClaims.decode(record["data"]).epoch
        except Malformed:
            return False
        return self.revocations.epoch_revoked(address(record["recipient"]), epoch)

    def _attester_in_eas(self) -> Address:
        return self.issuer if self.delegate.in_order else self.delegate.contract

    def _ours(self, record: dict[str, Any]) -> bool:
        """Whoever signs may attest through the proxy: EAS' attester alone proves nothing there."""
        if address(record["attester"]) != self._attester_in_eas():
            return False
        if self.delegate.in_order:
            return True
        signer = ask(self.chain, self.delegate.contract, "getAttester", record["uid"])
        return address(signer) == self.issuer


class PublicStatements:
    """Signs offers for `records`' issuer. `secret`, 32 bytes, makes the pseudonyms."""

    def __init__(self, records: PublicRecords, *, signer: Signer, secret: bytes) -> None:
        self.records = records
        self._signer = _issuer_of(records, signer)
        self._secret = secret

    def offer(self, held: ValidAttestation, *, life_s: int, now: int) -> Offer:
        """Sign the public form of an attestation that holds, for its renter to send in an hour.

        Raises Refused when the attestation is another issuer's, has ended, or is revoked on chain.
        With EAS itself as the delegate, an offer is void as soon as another one lands: ask again.
        """
        if not 0 < life_s <= LIFE_MOST_S:
            raise Malformed(f"a life has 1 to {LIFE_MOST_S} seconds", field="life_s")
        require_standing(held, self.records.issuer, self.records.revocations, now=now)
        unsigned = Offer(
            delegate=self.records.delegate,
            attester=self.records.issuer,
            recipient=held.account,
            claims=self._claims(held),
            expires_at=now + life_s,
            deadline=now + min(OFFER_S, life_s),
            nonce=self.records.nonce(),
        )
        return replace(unsigned, signature=self._signer.sign_digest(unsigned.digest()))

    def _claims(self, held: ValidAttestation) -> PublicClaims:
        said = held.claims
        pseudonym = account_pseudonym(
            self._secret,
            subject=said.subject,
            account=held.account,
            chain_id=self.records.chain.chain_id,
        )
        return PublicClaims(pseudonym, said.level, said.verified_at, said.epoch)


class PublicRevocations:
    """Revokes `records` with their issuer's key."""

    def __init__(self, records: PublicRecords, *, signer: Signer) -> None:
        self.records = records
        self._signer = _issuer_of(records, signer)

    def revoke(self, payer: TransactionSigner, uid: Digest, *, now: int) -> Receipt | None:
        """Revoke one record; None when it was revoked before. The issuer signs, `payer` pays."""
        records = self.records
        if records.record(uid)["revocationTime"]:
            return None
        deadline, nonce = now + OFFER_S, records.nonce()
        unsigned = Withdrawal(records.delegate, records.issuer, uid, deadline, nonce)
        signed = replace(unsigned, signature=self._signer.sign_digest(unsigned.digest()))
        return records.chain.send(payer, records.delegate.contract, signed.call_data())

    def sweep(self, payer: TransactionSigner, *, from_block: int, now: int) -> tuple[Digest, ...]:
        """Revoke every record whose account epoch EAS shows as revoked; those that were new.

        Keeps no state: killed at any point and started again, it goes on. A block `LIFE_MOST_S` ago
        is early enough, older records have ended by themselves.
        """
        stale = self.records.stale(from_block=from_block)
        return tuple(uid for uid in stale if self.revoke(payer, uid, now=now) is not None)


def _issuer_of(records: PublicRecords, signer: Signer) -> Signer:
    if signer.address != records.issuer:
        raise ValueError("the signer is not the issuer of these records")
    return signer


def _lives(record: dict[str, Any]) -> bool:
    return bool(0 < record["expirationTime"] <= record["time"] + LIFE_MOST_S + _CLOCKS_S)


def _topic(word: bytes) -> str:
    return "0x" + word.hex()


def _no(code: Code, text: str) -> NotPublished:
    return NotPublished(Reason(code, text))


def _refused(code: Code, text: str) -> Refused:
    return Refused(text, reasons=(Reason(code, text),))
