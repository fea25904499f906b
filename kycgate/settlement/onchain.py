"""The little that may stand on a public chain about an account: that it was verified, and no more.

The issuer signs, the renter sends and pays; only revocations are sent from here. No country, kind,
evidence or name goes on chain, and the pseudonym differs for each account and chain.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from kycgate.chain import Chain, Receipt, Reverted, TransactionSigner
from kycgate.core.attestation import ValidAttestation
from kycgate.core.claims import ZERO_ADDRESS, ZERO_DIGEST, Address, Digest, Level, checksum
from kycgate.core.typed import domain_separator, keccak, typed_digest, word_address, word_uint
from kycgate.errors import Code, Malformed, Misconfigured, Reason, Refused
from kycgate.keys import Signer
from kycgate.settlement.compiled import artifact
from kycgate.settlement.revocations import revocation_key

PUBLIC_SCHEMA_TEXT: Final = "bytes32 pseudonym,uint8 level,uint64 verifiedAt,uint64 epoch"
# As EAS' SchemaRegistry names it: keccak256(abi.encodePacked(text, resolver 0, revocable true)).
PUBLIC_SCHEMA_UID: Final = Digest(keccak(PUBLIC_SCHEMA_TEXT.encode() + ZERO_ADDRESS + b"\x01"))

LIFE_MOST_S: Final = 30 * 86400
"""Seconds a public statement may live, as long as a wallet proof; revocation ends it early."""

OFFER_S: Final = 3600
"""Seconds a renter has to send what the issuer signed."""

_CLOCKS_S: Final = 60
"""How far a chain's clock may run behind ours."""

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
_DAY_S: Final = 86400
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
        typehash = bytes(_ask(chain, contract, "getAttestTypeHash"))
        if typehash not in (_ATTEST, _ATTEST_PROXY):
            raise Malformed("it takes statements of another form", field="getAttestTypeHash")
        eas = contract if typehash == _ATTEST else _address(_ask(chain, contract, "getEAS"))
        name, version = (str(_ask(chain, contract, part)) for part in ("getName", "version"))
        found = Delegate(chain.chain_id, contract, eas, name, version)
        # The contract's own separator is the proof: a version string alone says nothing.
        if found._separator() != _ask(chain, contract, "getDomainSeparator"):
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
        request = (PUBLIC_SCHEMA_UID, data, _vrs(self.signature), self.attester, self.deadline)
        return _EAS.encode("attestByDelegation", request)


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
        return int(_ask(self.chain, self.eas, "getRevokeOffchain", by, mark))


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


class PublicStatements:
    """One issuer's statements on one chain. `secret` makes the pseudonyms; `revoker` is whose
    account revocations count there."""

    def __init__(
        self, chain: Chain, delegate: Delegate, *, issuer: Signer, revoker: Address, secret: bytes
    ) -> None:
        self._chain = chain
        self._delegate = delegate
        self._issuer = issuer
        self._secret = secret
        self._revocations = ChainRevocations(chain, delegate.eas, revoker)

    # -- signing ---------------------------------------------------------------------------------
    def offer(self, held: ValidAttestation, *, life_s: int, now: int) -> Offer:
        """Sign the public form of an attestation that holds, for its renter to send in an hour.

        Raises Refused when the attestation is another issuer's, has ended, or is revoked on chain.
        With EAS itself as the delegate, an offer is void as soon as another one lands: ask again.
        """
        if not 0 < life_s <= LIFE_MOST_S:
            raise Malformed(f"a life has 1 to {LIFE_MOST_S} seconds", field="life_s")
        require_standing(held, self._issuer.address, self._revocations, now=now)
        unsigned = Offer(
            delegate=self._delegate,
            attester=self._issuer.address,
            recipient=held.account,
            claims=self._claims(held),
            expires_at=now + life_s,
            deadline=now + min(OFFER_S, life_s),
            nonce=self._nonce(),
        )
        return _signed(unsigned, self._issuer)

    def _claims(self, held: ValidAttestation) -> PublicClaims:
        said = held.claims
        pseudonym = account_pseudonym(
            self._secret, subject=said.subject, account=held.account, chain_id=self._chain.chain_id
        )
        day = said.verified_at - said.verified_at % _DAY_S
        return PublicClaims(pseudonym, said.level, day, said.epoch)

    # -- reading ---------------------------------------------------------------------------------
    def read(self, uid: Digest, *, now: int) -> Published | NotPublished:
        """Hold a record of EAS against every rule of ours. `now` Unix seconds UTC."""
        record = self._record(uid)
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
        account = _address(record["recipient"])
        try:
            claims = PublicClaims.decode(record["data"])
        except Malformed as e:
            return _no(Code.DATA_MALFORMED, e.message)
        if self._revocations.epoch_revoked(account, claims.epoch):
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
        for log in self._chain.logs(self._delegate.eas, from_block=from_block, topics=topics):
            event = _EAS.event(log.topics, log.data)
            if event is not None and self._ours(self._record(event.fields["uid"])):
                yield Digest(event.fields["uid"])

    # -- revoking --------------------------------------------------------------------------------
    def revoke(self, payer: TransactionSigner, uid: Digest, *, now: int) -> Receipt | None:
        """Revoke one record; None when it was revoked before. The issuer signs, `payer` pays."""
        if self._record(uid)["revocationTime"]:
            return None
        deadline, nonce = now + OFFER_S, self._nonce()
        said = (
            (_REVOKE_PROXY if nonce is None else _REVOKE)
            + word_address(self._issuer.address)
            + PUBLIC_SCHEMA_UID
            + uid
            + word_uint(0)
            + (b"" if nonce is None else word_uint(nonce))
            + word_uint(deadline)
        )
        signature = self._issuer.sign_digest(self._delegate.digest(keccak(said)))
        request = (PUBLIC_SCHEMA_UID, (uid, 0), _vrs(signature), self._issuer.address, deadline)
        data = _EAS.encode("revokeByDelegation", request)
        return self._chain.send(payer, self._delegate.contract, data)

    def sweep(self, payer: TransactionSigner, *, from_block: int, now: int) -> tuple[Digest, ...]:
        """Revoke every record whose account epoch EAS shows as revoked; those that were new.

        Keeps no state: killed at any point and started again, it goes on. A block `LIFE_MOST_S` ago
        is early enough, older records have ended by themselves.
        """
        return tuple(
            uid
            for uid in self.of_account(None, from_block=from_block)
            if self._stale(uid) and self.revoke(payer, uid, now=now) is not None
        )

    def _stale(self, uid: Digest) -> bool:
        record = self._record(uid)
        try:
            epoch = PublicClaims.decode(record["data"]).epoch
        except Malformed:
            return False
        return self._revocations.epoch_revoked(_address(record["recipient"]), epoch)

    # -- inside ----------------------------------------------------------------------------------
    def _nonce(self) -> int | None:
        if not self._delegate.in_order:
            return None
        return int(_ask(self._chain, self._delegate.eas, "getNonce", self._issuer.address))

    def _attester_in_eas(self) -> Address:
        return self._issuer.address if self._delegate.in_order else self._delegate.contract

    def _ours(self, record: dict[str, Any]) -> bool:
        """Whoever signs may attest through the proxy: EAS' attester alone proves nothing there."""
        if _address(record["attester"]) != self._attester_in_eas():
            return False
        if self._delegate.in_order:
            return True
        signer = _ask(self._chain, self._delegate.contract, "getAttester", record["uid"])
        return _address(signer) == self._issuer.address

    def _record(self, uid: Digest) -> dict[str, Any]:
        values = _ask(self._chain, self._delegate.eas, "getAttestation", uid)
        return dict(zip(_RECORD, values, strict=True))


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


def _lives(record: dict[str, Any]) -> bool:
    return bool(0 < record["expirationTime"] <= record["time"] + LIFE_MOST_S + _CLOCKS_S)


def _signed(unsigned: Offer, issuer: Signer) -> Offer:
    return replace(unsigned, signature=issuer.sign_digest(unsigned.digest()))


def _vrs(signature: bytes) -> tuple[int, bytes, bytes]:
    return signature[64], signature[:32], signature[32:64]


def _ask(chain: Chain, contract: Address, function: str, *arguments: Any) -> Any:
    compiled = _PROXY if function in ("getEAS", "getAttester") else _EAS
    answer = chain.call(contract, compiled.encode(function, *arguments))
    return compiled.decode(function, answer)[0]


def _address(text: str) -> Address:
    return Address(bytes.fromhex(text[2:]))


def _topic(word: bytes) -> str:
    return "0x" + word.hex()


def _no(code: Code, text: str) -> NotPublished:
    return NotPublished(Reason(code, text))


def _refused(code: Code, text: str) -> Refused:
    return Refused(text, reasons=(Reason(code, text),))
