"""Our word in other people's forms, taken by their own contracts; and what those leave open."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from kycgate.chain import Artifact, Chain, Reverted
from kycgate.core.attestation import ValidAttestation
from kycgate.core.claims import Address, Digest, Level
from kycgate.core.permit import SignedPermit
from kycgate.core.typed import keccak, word_address
from kycgate.errors import Code, Malformed, Reason, Refused
from kycgate.keys import LocalSigner
from kycgate.settlement.exports import (
    CLAIM_TOPIC,
    AccessToken,
    ClaimData,
    IdentityClaim,
    access_token,
    argument_types,
    identity_claim,
    read_claim,
)
from kycgate.settlement.onchain import LIFE_MOST_S, ChainRevocations
from tests import tools
from tests.chain_world import key
from tests.settlement.conftest import KEYS, World
from tests.settlement.test_onchain import ISSUER, held
from tests.settlement.test_permit_check import high_s

PEERS = tools.REPO / "tests" / "settlement" / "peers"
RENTER, STRANGER, PERMITS = KEYS["renter"], KEYS["stranger"], KEYS["permits"]
VIOLET_ROOT, VIOLET_MIDDLE = key("violet root"), key("violet intermediate")
OPEN = "open(uint8,bytes32,bytes32,uint256,bytes32,uint256,string)"
BEYOND = "a longer text than one word of the call data has room for"


def peers() -> Path:
    found = tools.node_peers()
    if found is None:
        pytest.skip("the peers' contracts are missing: make setup")
    return found


# -- Ethereum Access Token -------------------------------------------------------------------------
@pytest.fixture(scope="session")
def violet() -> dict[str, Artifact]:
    """The contracts of npm's 0.2.0 and one of ours that uses them, compiled now."""
    node, modules = tools.node(), tools.node_modules()
    if node is None or modules is None:
        pytest.skip("Node or its packages are missing: make setup")
    command: list[str | Path] = [node, PEERS / "compile.mjs", modules, peers()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    made = [Artifact.from_json(json.dumps(entry)) for entry in json.loads(done.stdout)]
    return {artifact.name: artifact for artifact in made}


@dataclass
class Violet:
    """A verifier that names our permit key, and two contracts gated by it."""

    world: World
    compiled: dict[str, Artifact]
    verifier: Address
    jobs: Address
    mock: Address

    def token(self, signed: SignedPermit, **changed: Any) -> tuple[AccessToken, bytes]:
        given: dict[str, Any] = {
            "signer": PERMITS,
            "verifier": self.verifier,
            "target": self.jobs,
            "function": OPEN,
            "arguments": [signed.permit.job, 1000, BEYOND],
            "now": self.world.anvil.now,
        }
        return access_token(signed, **(given | changed))

    def send(self, token: AccessToken, signature: bytes, by: LocalSigner = RENTER) -> str | None:
        """The contract's word against it; None: it took the call."""
        try:
            self.world.chain.send(by, token.target, token.call_data(signature))
        except Reverted as refusal:
            return self.compiled["JobConsumer"].error(refusal.data) or refusal.message
        return None

    def renter_of(self, job: Digest) -> str:
        compiled = self.compiled["JobConsumer"]
        answer = self.world.chain.call(self.jobs, compiled.encode("renterOf", job))
        return str(compiled.decode("renterOf", answer)[0])


@pytest.fixture
def eat(world: World, violet: dict[str, Artifact]) -> Violet:
    chain, deployer = world.chain, KEYS["deployer"]
    for signer in (VIOLET_ROOT, VIOLET_MIDDLE):
        world.anvil.fund(signer.address)
    compiled = violet["AccessTokenVerifier"]
    verifier = chain.deploy(deployer, compiled.creation(VIOLET_ROOT.address))
    rotate = compiled.encode("rotateIntermediate", VIOLET_MIDDLE.address)
    chain.send(VIOLET_ROOT, verifier, rotate)
    chain.send(VIOLET_MIDDLE, verifier, compiled.encode("rotateIssuer", PERMITS.address))
    jobs = chain.deploy(deployer, violet["JobConsumer"].creation(verifier))
    mock = chain.deploy(deployer, violet["ConsumerMock"].creation(verifier))
    return Violet(world, violet, verifier, jobs, mock)


def test_the_verifier_accepts_a_token_for_the_permits_job(eat: Violet) -> None:
    signed = eat.world.signed()
    assert eat.send(*eat.token(signed)) is None
    assert eat.renter_of(signed.permit.job) == "0x" + RENTER.address.hex()


PARAMETERS: dict[str, list[Any]] = {
    "singleStringCalldata(uint8,bytes32,bytes32,uint256,string)": [BEYOND],
    "singleBytesMemory(uint8,bytes32,bytes32,uint256,bytes)": [b"\x07" * 70],
    "doubleAddressUint(uint8,bytes32,bytes32,uint256,address,uint256)": [RENTER.address, 7],
    "multipleStringBytesAddressUint256Bytes"
    "(uint8,bytes32,bytes32,uint256,string,bytes,address,uint256,bytes)": [
        BEYOND,
        b"\x01",
        RENTER.address,
        2**256 - 1,
        b"",
    ],
    "noParams(uint8,bytes32,bytes32,uint256)": [],
}


@pytest.mark.parametrize("function", PARAMETERS)
def test_every_shape_of_parameters_is_hashed_as_the_consumer_does(
    eat: Violet, function: str
) -> None:
    """Their own mock names no job, so the token is put together by hand here."""
    types = ["uint8", "bytes32", "bytes32", "uint256", *argument_types(function)]
    data = encode(types, [0, bytes(32), bytes(32), 0, *PARAMETERS[function]])
    selector = keccak(function.encode())[:4]
    token = AccessToken(eat.world.anvil.now + 60, selector, eat.mock, RENTER.address, data[128:])
    digest = token.digest(chain_id=eat.world.at.chain_id, verifier=eat.verifier)
    call = token.call_data(PERMITS.sign_digest(digest))
    assert int.from_bytes(eat.world.chain.call(eat.mock, call, sender=RENTER.address), "big") == 1
    with pytest.raises(Reverted):
        eat.world.chain.call(eat.mock, call, sender=STRANGER.address)


def test_another_caller_is_refused(eat: Violet) -> None:
    token, signature = eat.token(eat.world.signed())
    told = eat.send(token, signature, by=STRANGER)
    assert told is not None
    assert "verification failure" in told
    assert eat.send(replace(token, caller=STRANGER.address), signature, by=STRANGER) is not None


CHANGES: dict[str, Callable[[AccessToken], AccessToken]] = {
    "another job": lambda t: replace(t, parameters=b"\x09" * 32 + t.parameters[32:]),
    "a higher cap": lambda t: replace(
        t, parameters=t.parameters[:32] + b"\xff" * 32 + t.parameters[64:]
    ),
    "a byte more": lambda t: replace(t, parameters=t.parameters + b"\0"),
    "a later end": lambda t: replace(t, expiry=t.expiry + 1),
}


@pytest.mark.parametrize("case", CHANGES)
def test_other_parameters_are_refused(eat: Violet, case: str) -> None:
    token, signature = eat.token(eat.world.signed())
    told = eat.send(CHANGES[case](token), signature)
    assert told is not None
    assert "verification failure" in told


def test_a_token_counts_to_the_permits_last_second_and_not_beyond(eat: Violet) -> None:
    signed = eat.world.signed()
    token, signature = eat.token(signed)
    assert token.expiry == signed.permit.deadline + 1
    call = token.call_data(signature)
    eat.world.anvil.mine_at(signed.permit.deadline)
    eat.world.chain.call(eat.jobs, call, sender=RENTER.address)
    eat.world.anvil.mine_at(signed.permit.deadline + 1)
    told = eat.send(token, signature)
    assert told is not None
    assert "has expired" in told


def test_a_replay_is_refused_by_the_job_and_not_by_the_verifier(eat: Violet) -> None:
    """npm's 0.2.0 keeps no record of tokens: whoever consumes one must."""
    token, signature = eat.token(eat.world.signed())
    assert eat.send(token, signature) is None
    assert eat.send(token, signature) == "JobUsed"
    # The other spelling of the signature passes their verifier, and still opens nothing.
    assert eat.send(token, high_s(signature)) == "JobUsed"


def test_a_token_for_another_verifier_or_chain_is_refused(eat: Violet) -> None:
    signed = eat.world.signed()
    elsewhere = eat.token(signed, verifier=eat.jobs)
    foreign = eat.world.sign(signed.permit, domain=replace(eat.world.domain, chain_id=1))
    for token, signature in (elsewhere, eat.token(foreign)):
        told = eat.send(token, signature)
        assert told is not None
        assert "verification failure" in told


def test_a_replaced_issuer_key_opens_nothing(eat: Violet) -> None:
    token, signature = eat.token(eat.world.signed())
    rotate = eat.compiled["AccessTokenVerifier"].encode("rotateIssuer", STRANGER.address)
    eat.world.chain.send(VIOLET_MIDDLE, eat.verifier, rotate)
    assert eat.send(token, signature) is not None


def test_a_verifier_that_names_no_issuer_yet_passes_anything(eat: Violet) -> None:
    """A defect of npm's 0.2.0: a failed recovery equals the key that is not there."""
    compiled = eat.compiled["AccessTokenVerifier"]
    fresh = eat.world.chain.deploy(KEYS["deployer"], compiled.creation(VIOLET_ROOT.address))
    creation = eat.compiled["JobConsumer"].creation(fresh)
    jobs = eat.world.chain.deploy(KEYS["deployer"], creation)
    token, _ = eat.token(eat.world.signed())
    assert eat.send(token, bytes(65)) is not None
    assert eat.send(replace(token, target=jobs), bytes(65)) is None


def test_no_token_without_a_permit_of_ones_own(eat: Violet) -> None:
    world = eat.world

    def refusal(signed: SignedPermit, **changed: Any) -> Code:
        with pytest.raises(Refused) as told:
            eat.token(signed, **changed)
        return told.value.code

    good = world.signed()
    assert refusal(world.sign(good.permit, by="stranger")) == Code.PERMIT_SIGNER
    assert refusal(replace(good, permit=replace(good.permit, max_value=9))) == Code.PERMIT_SIGNER
    assert refusal(good, now=good.permit.deadline + 1) == Code.PERMIT_EXPIRED
    assert refusal(good, now=good.permit.deadline - 601) == Code.PERMIT_DEADLINE


CALLS: dict[str, tuple[str, list[Any]]] = {
    "names no job": (OPEN, [b"\x05" * 32, 1, ""]),
    "names the job as another type": (
        "open(uint8,bytes32,bytes32,uint256,bytes)",
        [b"the job"],
    ),
    "has no proof in front": ("open(bytes32)", [b"\x05" * 32]),
    "is no signature": ("open", []),
    "is not closed": ("open(uint8,bytes32", []),
    "is an array of calls": (
        "open(uint8,bytes32,bytes32,uint256,bytes32)[]",
        [b"\x05" * 32],
    ),
    "has too few arguments": (OPEN, [b"\x05" * 32]),
    "has an argument out of range": (OPEN, ["JOB", 2**256, ""]),
}


@pytest.mark.parametrize("case", CALLS)
def test_a_call_that_does_not_fit_is_refused_by_name(eat: Violet, case: str) -> None:
    function, arguments = CALLS[case]
    signed = eat.world.signed()
    real = {"JOB": signed.permit.job, b"the job": signed.permit.job}
    given_ = [real.get(value, value) for value in arguments]
    with pytest.raises(Malformed) as told:
        eat.token(signed, function=function, arguments=given_)
    assert told.value.field in ("function", "arguments")


# -- ERC-735 ---------------------------------------------------------------------------------------
def onchain_id(name: str) -> Artifact:
    """A contract as the peer's authors compiled it. GPL-3.0: read here, never shipped."""
    path = peers() / "@onchain-id" / "solidity" / "artifacts" / "contracts" / f"{name}.sol"
    document = json.loads((path / f"{name}.json").read_text("utf-8"))
    entry = {"name": name, "abi": document["abi"], "bytecode": document["bytecode"]}
    return Artifact.from_json(json.dumps(entry))


@dataclass
class Identities:
    """A ClaimIssuer that holds our key, and the renter's identity contract."""

    world: World
    claim_issuer: Address
    identity: Address

    @property
    def chain(self) -> Chain:
        return self.world.chain

    @property
    def revocations(self) -> ChainRevocations:
        return ChainRevocations(self.chain, self.world.at.eas, self.world.at.revoker)

    def claim(
        self, *, epoch: int = 0, life_s: int = 86400, of: ValidAttestation | None = None
    ) -> IdentityClaim:
        return identity_claim(
            of or held(self.world, RENTER.address, epoch=epoch),
            signer=ISSUER,
            identity=self.identity,
            issuer=self.claim_issuer,
            pseudonym=Digest(keccak(b"pseudonym")),
            revocations=self.revocations,
            life_s=life_s,
            now=self.world.anvil.now,
        )

    def add(self, claim: IdentityClaim) -> None:
        self.chain.send(RENTER, self.identity, claim.call_data())

    def valid_there(self, claim: IdentityClaim) -> bool:
        """What their own check says of what the identity keeps."""
        compiled = onchain_id("ClaimIssuer")
        kept = self.kept(claim)
        question = compiled.encode(
            "isClaimValid", self.identity, CLAIM_TOPIC, kept.signature, kept.data
        )
        return bool(
            compiled.decode("isClaimValid", self.chain.call(self.claim_issuer, question))[0]
        )

    def kept(self, claim: IdentityClaim) -> IdentityClaim:
        """The claim as it is read back from the identity."""
        compiled = onchain_id("Identity")
        claim_id = keccak(word_address(self.claim_issuer) + CLAIM_TOPIC.to_bytes(32, "big"))
        answer = self.chain.call(self.identity, compiled.encode("getClaim", claim_id))
        _, _, _, signature, data, _ = compiled.decode("getClaim", answer)
        return replace(claim, signature=signature, data=data)

    def topics(self) -> list[int]:
        """Our topic for each claim of ours that the identity keeps."""
        compiled = onchain_id("Identity")
        question = compiled.encode("getClaimIdsByTopic", CLAIM_TOPIC)
        answer = self.chain.call(self.identity, question)
        return [CLAIM_TOPIC for _ in compiled.decode("getClaimIdsByTopic", answer)[0]]

    def read(self, claim: IdentityClaim, **changed: Any) -> ClaimData | Reason:
        given_: dict[str, Any] = {
            "signers": [ISSUER.address],
            "account": RENTER.address,
            "revocations": self.revocations,
            "now": self.world.anvil.now,
        }
        return read_claim(claim, **(given_ | changed))

    def revoke_there(self, claim: IdentityClaim) -> None:
        data = onchain_id("ClaimIssuer").encode("revokeClaimBySignature", claim.signature)
        self.chain.send(KEYS["deployer"], self.claim_issuer, data)


@pytest.fixture
def identities(world: World) -> Identities:
    deployer = KEYS["deployer"]
    compiled = onchain_id("ClaimIssuer")
    issuer = world.chain.deploy(deployer, compiled.creation(deployer.address))
    ours = keccak(word_address(ISSUER.address))
    world.chain.send(deployer, issuer, compiled.encode("addKey", ours, 3, 1))
    creation = onchain_id("Identity").creation(RENTER.address, False)
    return Identities(world, issuer, world.chain.deploy(RENTER, creation))


def code(found: ClaimData | Reason) -> Code | None:
    return found.code if isinstance(found, Reason) else None


def test_the_identity_takes_our_claim_and_both_sides_find_it_valid(identities: Identities) -> None:
    claim = identities.claim()
    identities.add(claim)
    assert identities.valid_there(claim)
    said = identities.read(identities.kept(claim))
    assert isinstance(said, ClaimData)
    assert (said.account, said.level, said.epoch) == (RENTER.address, Level.SUBSTANTIAL, 0)
    assert said.verified_at % 86400 == 0


def test_a_claim_by_another_key_is_not_taken(identities: Identities) -> None:
    claim = identities.claim()
    forged = replace(claim, signature=STRANGER.sign_digest(claim.digest()))
    with pytest.raises(Reverted):
        identities.add(forged)
    assert code(identities.read(forged)) == Code.ISSUER_UNKNOWN


OTHER_SPELLINGS: dict[str, Callable[[bytes], bytes]] = {
    "v less 27": lambda s: s[:64] + bytes([s[64] - 27]),
    "high s": high_s,
}


@pytest.mark.parametrize("spelling", OTHER_SPELLINGS)
def test_our_revocation_holds_where_theirs_is_passed_by(
    identities: Identities, spelling: str
) -> None:
    """They revoke signature bytes: the holder adds the same claim in another spelling."""
    standing = held(identities.world, RENTER.address)
    claim = identities.claim()
    identities.add(claim)
    identities.revoke_there(claim)
    assert not identities.valid_there(claim)
    respelt = replace(claim, signature=OTHER_SPELLINGS[spelling](claim.signature))
    identities.add(respelt)
    assert identities.valid_there(respelt), "their check is passed by: this is why ours exists"
    assert code(identities.read(identities.kept(respelt))) == Code.SIGNATURE_INVALID
    # Ours is keyed by what was signed: whoever holds whichever spelling, the account is revoked.
    identities.world.revoke(RENTER.address, 0)
    assert code(identities.read(claim)) == Code.REVOKED_EPOCH
    assert identities.revocations.epoch_revoked(RENTER.address, ClaimData.decode(claim.data).epoch)
    with pytest.raises(Refused):
        identities.claim(of=standing)
    assert code(identities.read(identities.claim(epoch=1))) is None


def test_what_the_claim_format_leaves_open_is_checked_here(identities: Identities) -> None:
    claim = identities.claim()
    now = identities.world.anvil.now
    said = ClaimData.decode(claim.data)

    def resigned(data: bytes, **changed: Any) -> IdentityClaim:
        unsigned = replace(claim, data=data, **changed)
        return replace(unsigned, signature=ISSUER.sign_digest(unsigned.digest()))

    assert code(identities.read(claim, now=said.expires_at - 1)) is None
    assert code(identities.read(claim, now=said.expires_at)) == Code.EXPIRED
    assert code(identities.read(claim, account=STRANGER.address)) == Code.RECIPIENT_MISMATCH
    assert code(identities.read(claim, signers=[])) == Code.ISSUER_UNKNOWN
    elsewhere = resigned(replace(said, chain_id=1).encode())
    assert code(identities.read(elsewhere)) == Code.DOMAIN_MISMATCH
    other_revoker = resigned(replace(said, revoker=STRANGER.address).encode())
    assert code(identities.read(other_revoker)) == Code.DOMAIN_MISMATCH
    assert code(identities.read(resigned(claim.data, topic=1))) == Code.SCHEMA_MISMATCH
    assert code(identities.read(resigned(claim.data + b"\0"))) == Code.DATA_MALFORMED
    moved = replace(claim, identity=STRANGER.address)
    assert code(identities.read(moved)) == Code.ISSUER_UNKNOWN
    assert now < said.expires_at


def test_only_a_standing_attestation_becomes_a_claim(identities: Identities) -> None:
    for life_s in (0, LIFE_MOST_S + 1):
        with pytest.raises(Malformed):
            identities.claim(life_s=life_s)
    foreign = held(identities.world, RENTER.address, issuer=STRANGER)
    with pytest.raises(Refused) as told:
        identity_claim(
            foreign,
            signer=ISSUER,
            identity=identities.identity,
            issuer=identities.claim_issuer,
            pseudonym=Digest(bytes(32)),
            revocations=identities.revocations,
            life_s=60,
            now=identities.world.anvil.now,
        )
    assert told.value.code == Code.ISSUER_UNKNOWN


@given(st.binary(max_size=400))
def test_claim_data_is_read_in_one_way_or_refused(data: bytes) -> None:
    try:
        found = ClaimData.decode(data)
    except Malformed:
        return
    assert found.encode() == data


@given(st.integers(0, 8), st.integers(0, 2**256 - 1))
def test_a_word_changed_in_a_claim_never_reads_as_the_same(place: int, word: int) -> None:
    said = ClaimData(
        1, RENTER.address, STRANGER.address, RENTER.address, Digest(b"\1" * 32), Level.LOW, 1, 2, 3
    )
    data = said.encode()
    changed = data[: 32 * place] + word.to_bytes(32, "big") + data[32 * place + 32 :]
    try:
        found = ClaimData.decode(changed)
    except Malformed:
        return
    assert (found == said) == (changed == data)
