"""The gate's word in other people's forms: Violet's Ethereum Access Token, and ERC-735 claims.

Loosens nothing: a token is made out of a permit and a claim out of an attestation, each held to its
own rules first; what those forms can't express (revocation above all) is said where it is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from eth_abi.abi import decode, encode
from eth_abi.exceptions import ABITypeError, DecodingError, EncodingError, ParseError
from eth_abi.grammar import TupleType, parse

from kycgate.core.attestation import ValidAttestation
from kycgate.core.claims import Address, Digest, Level
from kycgate.core.permit import InvalidPermit, SignedPermit, verify
from kycgate.core.signature import Invalid, recover
from kycgate.core.trust import PermitSigner
from kycgate.core.typed import (
    domain_separator,
    keccak,
    personal_digest,
    typed_digest,
    word_address,
    word_uint,
)
from kycgate.errors import Code, Malformed, Reason, Refused
from kycgate.keys import Signer
from kycgate.settlement.onchain import LIFE_MOST_S, ChainRevocations, require_standing

# -- Ethereum Access Token -------------------------------------------------------------------------
_EAT_NAME, _EAT_VERSION = "Ethereum Access Token", "1"
_CALL_TYPE: Final = (
    b"FunctionCall(bytes4 functionSignature,address target,address caller,bytes parameters)"
)
_CALL_TYPEHASH: Final = keccak(_CALL_TYPE)
_TOKEN_TYPEHASH: Final = keccak(
    b"AccessToken(uint256 expiry,FunctionCall functionCall)" + _CALL_TYPE
)

_PROOF: Final = ("uint8", "bytes32", "bytes32", "uint256")
"""What every gated function takes first: v, r, s, expiry."""
_PROOF_END: Final = 4 + 4 * 32


@dataclass(frozen=True, slots=True)
class AccessToken:
    """Leave for one caller to make one call of one contract. `expiry` Unix seconds, exclusive.

    `parameters` is the call data behind selector and proof, offsets as they stand there.
    """

    expiry: int
    selector: bytes
    target: Address
    caller: Address
    parameters: bytes

    def digest(self, *, chain_id: int, verifier: Address) -> Digest:
        """What the issuer named in the AccessTokenVerifier signs."""
        call = keccak(
            _CALL_TYPEHASH
            + self.selector.ljust(32, b"\0")
            + word_address(self.target)
            + word_address(self.caller)
            + keccak(self.parameters)
        )
        said = keccak(_TOKEN_TYPEHASH + word_uint(self.expiry) + call)
        separator = domain_separator(
            name=_EAT_NAME, version=_EAT_VERSION, chain_id=chain_id, contract=verifier
        )
        return Digest(typed_digest(separator, said))

    def call_data(self, signature: bytes) -> bytes:
        """What `caller` sends to `target`."""
        proof = word_uint(signature[64]) + signature[:64] + word_uint(self.expiry)
        return self.selector + proof + self.parameters


def access_token(
    signed: SignedPermit,
    *,
    signer: Signer,
    verifier: Address,
    target: Address,
    function: str,
    arguments: Sequence[Any],
    now: int,
) -> tuple[AccessToken, bytes]:
    """The permit as an Ethereum Access Token for one call, and its signature.

    `function` is the gated function's full signature, proof first; `arguments` what follows the
    proof. A token can't say which job it is for, so the job must stand among the arguments: the
    contract that takes it marks that job as used, as the verifier keeps no record of tokens.
    Nothing revokes a token before its expiry, the permit's last second.

    Raises Refused unless `signer` itself signed the permit and it is in time; Malformed when the
    call can't be encoded or names another job.
    """
    permit = signed.permit
    _require_own(signed, signer, now)
    selector, parameters = _call(function, arguments)
    named = zip(argument_types(function), arguments, strict=True)
    if ("bytes32", permit.job) not in named:
        raise Malformed("the permit's job is not among the arguments", field="arguments")
    token = AccessToken(permit.deadline + 1, selector, target, permit.renter, parameters)
    digest = token.digest(chain_id=signed.domain.chain_id, verifier=verifier)
    return token, signer.sign_digest(digest)


def _require_own(signed: SignedPermit, signer: Signer, now: int) -> None:
    permit = signed.permit
    found = verify(
        signed,
        signers=[PermitSigner(signer.address, 0, None)],
        domain=signed.domain,
        renter=permit.renter,
        escrow=permit.escrow,
        job=permit.job,
        terms=permit.terms,
        value=0,
        now=now,
    )
    if isinstance(found, InvalidPermit):
        raise Refused("the permit does not hold", reasons=found.reasons)


def argument_types(function: str) -> list[str]:
    """The types behind the proof of a gated function's signature. Raises Malformed."""
    name, bracket, rest = function.partition("(")
    if not (name.isidentifier() and name.isascii() and bracket):
        raise Malformed("not a function signature", field="function", remedy="name(type,…)")
    try:
        parsed = parse(bracket + rest)
    except ParseError as e:
        raise Malformed("not a function signature", field="function") from e
    types = [part.to_type_str() for part in parsed.components] if _is_plain(parsed) else []
    if tuple(types[:4]) != _PROOF:
        remedy = f"{name}({','.join(_PROOF)},…)"
        raise Malformed("not gated by an access token", field="function", remedy=remedy)
    return types[4:]


def _is_plain(parsed: Any) -> bool:
    return isinstance(parsed, TupleType) and parsed.arrlist is None


def _call(function: str, arguments: Sequence[Any]) -> tuple[bytes, bytes]:
    """(selector, parameters): encoded with an empty proof in front, so that offsets come right."""
    types = argument_types(function)
    canonical = f"{function.partition('(')[0]}({','.join((*_PROOF, *types))})"
    try:
        data = encode([*_PROOF, *types], [0, bytes(32), bytes(32), 0, *arguments])
    except (EncodingError, ABITypeError, ValueError, TypeError) as e:
        raise Malformed(f"the arguments do not fit: {e}", field="arguments") from e
    return keccak(canonical.encode())[:4], data[_PROOF_END - 4 :]


# -- ERC-735 claims --------------------------------------------------------------------------------
CLAIM_TOPIC: Final = int.from_bytes(keccak(b"kycgate.verified.1"), "big")
"""The topic under which an identity keeps our claim."""

_ECDSA_SCHEME = 1
_CLAIM_TYPES: Final = (
    "uint256",
    "address",
    "address",
    "address",
    "bytes32",
    "uint8",
    "uint64",
    "uint64",
    "uint64",
)
# ERC-735; the identity's owner sends it.
_ADD_CLAIM: Final = keccak(b"addClaim(uint256,uint256,address,bytes,bytes,string)")[:4]


@dataclass(frozen=True, slots=True)
class ClaimData:
    """What the claim says. ERC-735 itself binds no chain and no end, so the data does.

    `eas` and `revoker` say where a revocation of (account, epoch) is read; times Unix seconds.
    """

    chain_id: int
    eas: Address
    revoker: Address
    account: Address
    pseudonym: Digest
    level: Level
    verified_at: int
    epoch: int
    expires_at: int

    def encode(self) -> bytes:
        """`abi.encode` of the nine fields in order."""
        return encode(
            _CLAIM_TYPES,
            [
                self.chain_id,
                self.eas,
                self.revoker,
                self.account,
                self.pseudonym,
                int(self.level),
                self.verified_at,
                self.epoch,
                self.expires_at,
            ],
        )

    @classmethod
    def decode(cls, data: bytes) -> ClaimData:
        """The inverse of `encode`, nothing else. Raises Malformed."""
        try:
            values = list(decode(_CLAIM_TYPES, data))
            values[1:4] = [Address(bytes.fromhex(text[2:])) for text in values[1:4]]
            values[5] = Level(values[5])
        except (DecodingError, ValueError, OverflowError) as e:
            raise Malformed(f"no claim of ours: {e}", field="data") from e
        found = cls(*values)
        if found.encode() != data:
            raise Malformed("bytes beyond the claim", field="data")
        return found


@dataclass(frozen=True, slots=True)
class IdentityClaim:
    """A claim on an ONCHAINID identity. `issuer` is the ClaimIssuer contract that holds our key."""

    identity: Address
    topic: int
    issuer: Address
    data: bytes
    signature: bytes = b""

    def digest(self) -> Digest:
        """EIP-191 over keccak256(abi.encode(identity, topic, data))."""
        said = encode(["address", "uint256", "bytes"], [self.identity, self.topic, self.data])
        return Digest(personal_digest(keccak(said)))

    def call_data(self) -> bytes:
        """`addClaim`, for the identity's owner to send to the identity."""
        values = [self.topic, _ECDSA_SCHEME, self.issuer, self.signature, self.data, ""]
        return _ADD_CLAIM + encode(
            ["uint256", "uint256", "address", "bytes", "bytes", "string"], values
        )


def identity_claim(
    held: ValidAttestation,
    *,
    signer: Signer,
    identity: Address,
    issuer: Address,
    pseudonym: Digest,
    revocations: ChainRevocations,
    life_s: int,
    now: int,
) -> IdentityClaim:
    """An attestation that holds, as a signed ERC-735 claim.

    Raises Refused when the attestation is another issuer's, has ended, or is revoked on chain.
    """
    if not 0 < life_s <= LIFE_MOST_S:
        raise Malformed(f"a life has 1 to {LIFE_MOST_S} seconds", field="life_s")
    require_standing(held, signer.address, revocations, now=now)
    said = held.claims
    data = ClaimData(
        chain_id=revocations.chain.chain_id,
        eas=revocations.eas,
        revoker=revocations.revoker,
        account=held.account,
        pseudonym=pseudonym,
        level=said.level,
        verified_at=said.verified_at,
        epoch=said.epoch,
        expires_at=now + life_s,
    )
    unsigned = IdentityClaim(identity, CLAIM_TOPIC, issuer, data.encode())
    return replace(unsigned, signature=signer.sign_digest(unsigned.digest()))


def read_claim(
    claim: IdentityClaim,
    *,
    signers: Iterable[Address],
    account: Address,
    revocations: ChainRevocations,
    now: int,
) -> ClaimData | Reason:
    """Hold a claim against our rules: what ONCHAINID's own check leaves out is looked at here.

    Only the one spelling of a signature counts, the chain, the account and the end are checked, and
    revocation is read from EAS by account and epoch: the signature's bytes identify nothing.
    """
    verdict = recover(claim.digest(), claim.signature)
    if isinstance(verdict, Invalid):
        return verdict.reason
    try:
        said = ClaimData.decode(claim.data)
    except Malformed as e:
        return Reason(Code.DATA_MALFORMED, e.message)
    here = (revocations.chain.chain_id, revocations.eas, revocations.revoker)
    for wrong, code, text in (
        (verdict.signer not in set(signers), Code.ISSUER_UNKNOWN, "not by a key of ours"),
        (claim.topic != CLAIM_TOPIC, Code.SCHEMA_MISMATCH, "another topic"),
        ((said.chain_id, said.eas, said.revoker) != here, Code.DOMAIN_MISMATCH, "another chain"),
        (said.account != account, Code.RECIPIENT_MISMATCH, "about another account"),
        (now >= said.expires_at, Code.EXPIRED, "expired"),
    ):
        if wrong:
            return Reason(code, text)
    if revocations.epoch_revoked(said.account, said.epoch):
        return Reason(Code.REVOKED_EPOCH, "the account is revoked")
    return said
