"""The public form: signed by the issuer, paid by the renter, revoked with the account."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from kycgate.chain import Reverted
from kycgate.core.attestation import (
    Domain,
    SignedAttestation,
    UnsafeAnyRecipient,
    ValidAttestation,
    compose,
    verify,
)
from kycgate.core.claims import (
    SCHEMA_UID,
    ZERO_ADDRESS,
    Address,
    Claims,
    Digest,
    Kind,
    Level,
    checksum,
)
from kycgate.core.trust import TrustedIssuer, TrustList
from kycgate.core.typed import keccak, word_uint
from kycgate.errors import Code, Malformed, Misconfigured, Refused
from kycgate.keys import LocalSigner
from kycgate.settlement.compiled import artifact
from kycgate.settlement.onchain import (
    LIFE_MOST_S,
    OFFER_S,
    ChainRevocations,
    NotPublished,
    PublicRecords,
    PublicRevocations,
    PublicStatements,
    Published,
)
from kycgate.settlement.onchain_form import (
    PUBLIC_SCHEMA_TEXT,
    PUBLIC_SCHEMA_UID,
    Delegate,
    Offer,
    PublicClaims,
    account_pseudonym,
    find_delegate,
)
from tests import tools
from tests.chain_world import extra, key
from tests.settlement.conftest import KEYS, World

ISSUER = key("issuer")
SECRET = keccak(b"the operator's pseudonym secret")
RENTER, OTHER = KEYS["renter"], KEYS["relayer"]
SUBJECT = Digest(keccak(b"the person behind both wallets"))
DAY_S = 86400
_EAS = artifact("EAS")


@dataclass
class Public:
    """The world with the public schema, and one way of attesting in it."""

    world: World
    delegate: Delegate

    @property
    def now(self) -> int:
        return self.world.anvil.now

    def records(self, issuer: LocalSigner = ISSUER) -> PublicRecords:
        revoker = self.world.at.revoker
        return PublicRecords(
            self.world.chain, self.delegate, issuer=issuer.address, revoker=revoker
        )

    def statements(self, issuer: LocalSigner = ISSUER) -> PublicStatements:
        return PublicStatements(self.records(issuer), signer=issuer, secret=SECRET)

    def revocations(self, issuer: LocalSigner = ISSUER) -> PublicRevocations:
        return PublicRevocations(self.records(issuer), signer=issuer)

    def held(
        self, account: Address = RENTER.address, *, epoch: int = 0, issuer: LocalSigner = ISSUER
    ) -> ValidAttestation:
        return held(self.world, account, epoch=epoch, issuer=issuer)

    def offer(self, account: Address = RENTER.address, *, epoch: int = 0) -> Offer:
        attestation = self.held(account, epoch=epoch)
        return self.statements().offer(attestation, life_s=7 * DAY_S, now=self.now)

    def send(self, offer: Offer, payer: LocalSigner = RENTER) -> Digest:
        """The renter sends the offer; its uid."""
        receipt = self.world.chain.send(payer, offer.delegate.contract, offer.call_data())
        events = [_EAS.event(log.topics, log.data) for log in receipt.logs]
        [uid] = [event.fields["uid"] for event in events if event and event.name == "Attested"]
        return Digest(uid)

    def refused(self, offer: Offer, payer: LocalSigner = RENTER) -> str | None:
        """The contract's own word for why it did not take an offer."""
        with pytest.raises(Reverted) as told:
            self.world.chain.send(payer, offer.delegate.contract, offer.call_data())
        data = told.value.data
        return artifact("EIP712Proxy").error(data) or _EAS.error(data)


def held(
    world: World, account: Address, *, epoch: int = 0, issuer: LocalSigner = ISSUER
) -> ValidAttestation:
    """A real attestation of the account, verified against the chain's own revocations."""
    now = world.anvil.now
    domain = Domain(world.at.eas_version, world.at.chain_id, world.at.eas)
    said = Claims(
        SUBJECT, Kind.PERSON, Level.SUBSTANTIAL, 702, 156, now, now, epoch, SUBJECT, SUBJECT
    )
    attestation = compose(said, recipient=account, time=now, life_s=DAY_S, salt=bytes(32))
    signed = SignedAttestation.seal(
        attestation, domain, signer=issuer.address, sign=issuer.sign_digest
    )
    pinned = TrustedIssuer(
        issuer.address, domain.version, domain.chain_id, domain.eas, now - 1, None
    )
    found = verify(
        signed,
        trust=TrustList.pinned(pinned),
        revocations=ChainRevocations(world.chain, world.at.eas, world.at.revoker),
        recipient=UnsafeAnyRecipient(),
        schema=SCHEMA_UID,
        now=now,
    )
    assert isinstance(found, ValidAttestation)
    return found


def with_schema(world: World) -> World:
    registry = artifact("SchemaRegistry")
    data = registry.encode("register", PUBLIC_SCHEMA_TEXT, ZERO_ADDRESS, True)
    world.chain.send(KEYS["deployer"], world.at.schema_registry, data)
    found = registry.decode(
        "getSchema",
        world.chain.call(world.at.schema_registry, registry.encode("getSchema", PUBLIC_SCHEMA_UID)),
    )
    assert found[0][0] == PUBLIC_SCHEMA_UID
    return world


def proxy_of(world: World) -> Address:
    creation = artifact("EIP712Proxy").creation(world.at.eas, "EIP712Proxy")
    return world.chain.deploy(KEYS["deployer"], creation)


@pytest.fixture(params=["EAS itself", "its proxy"])
def public(request: pytest.FixtureRequest, world: World) -> Public:
    with_schema(world)
    contract = world.at.eas if request.param == "EAS itself" else proxy_of(world)
    return Public(world, find_delegate(world.chain, contract))


@pytest.fixture
def proxied(world: World) -> Public:
    with_schema(world)
    return Public(world, find_delegate(world.chain, proxy_of(world)))


@pytest.fixture
def direct(world: World) -> Public:
    with_schema(world)
    return Public(world, find_delegate(world.chain, world.at.eas))


# -- attesting -------------------------------------------------------------------------------------
def test_the_renter_pays_and_the_statement_reads_back(public: Public) -> None:
    """The issuer has no coins here: whatever lands, somebody else paid for."""
    offer = public.offer()
    uid = public.send(offer)
    assert public.world.chain.balance(ISSUER.address) == 0
    found = public.records().read(uid, now=public.now)
    assert isinstance(found, Published)
    assert (found.uid, found.account, found.claims) == (uid, RENTER.address, offer.claims)
    assert (found.claims.level, found.claims.epoch) == (Level.SUBSTANTIAL, 0)
    assert found.expires_at == offer.expires_at


def test_anybody_may_pay_for_a_renter(public: Public) -> None:
    uid = public.send(public.offer(), OTHER)
    found = public.records().read(uid, now=public.now)
    assert isinstance(found, Published)
    assert found.account == RENTER.address


def test_no_country_kind_or_subject_is_published(public: Public) -> None:
    """The attestation says Singapore (702) and a parent in China (156): neither leaves."""
    offer = public.offer()
    data = offer.call_data()
    published = offer.claims.encode()
    assert published in data
    words = {published[i : i + 32] for i in range(0, len(published), 32)}
    assert SUBJECT not in data
    assert words.isdisjoint({word_uint(702), word_uint(156)})
    assert len(published) == 4 * 32
    assert offer.claims.verified_at % DAY_S == 0


def test_a_subjects_accounts_can_not_be_linked(public: Public) -> None:
    mine, other = public.offer(), public.offer(OTHER.address)
    assert mine.claims.pseudonym != other.claims.pseudonym
    again = account_pseudonym(
        SECRET, subject=SUBJECT, account=RENTER.address, chain_id=public.world.at.chain_id
    )
    assert mine.claims.pseudonym == again
    for changed in ({"account": OTHER.address}, {"chain_id": 1}, {"subject": Digest(bytes(32))}):
        terms = {"subject": SUBJECT, "account": RENTER.address, "chain_id": 31337} | changed
        assert account_pseudonym(SECRET, **terms) != again  # type: ignore[arg-type]


def test_version_and_name_are_read_from_the_contract(world: World) -> None:
    proxy = proxy_of(world)
    eas, proxied = find_delegate(world.chain, world.at.eas), find_delegate(world.chain, proxy)
    assert (eas.name, eas.version, eas.in_order) == ("EAS", world.at.eas_version, True)
    assert (proxied.name, proxied.eas, proxied.in_order) == ("EIP712Proxy", world.at.eas, False)


def test_another_contract_is_no_delegate(world: World) -> None:
    for contract in (world.at.escrow, world.at.token, KEYS["stranger"].address):
        with pytest.raises(Misconfigured) as told:
            find_delegate(world.chain, contract)
        assert checksum(contract) in told.value.problems[0]


def test_an_eas_that_signs_otherwise_is_no_delegate(world: World) -> None:
    """Older deployments have other structs, and a version string alone proves no domain."""
    [typehash] = artifact("EAS").decode(
        "getAttestTypeHash",
        world.chain.call(world.at.eas, _EAS.encode("getAttestTypeHash")),
    )
    for told, separator in ((keccak(b"Attest(bytes32 schema)"), bytes(32)), (typehash, bytes(32))):
        creation = extra("OtherDelegate").creation(told, separator)
        other = world.chain.deploy(KEYS["deployer"], creation)
        with pytest.raises(Misconfigured):
            find_delegate(world.chain, other)


def test_an_offer_lands_once(public: Public) -> None:
    offer = public.offer()
    public.send(offer)
    assert public.refused(offer) in ("UsedSignature", "InvalidSignature")


def test_an_offer_changed_by_its_renter_is_refused(public: Public) -> None:
    offer = public.offer()
    better = replace(offer.claims, level=Level.HIGH)
    for changed in (
        replace(offer, claims=better),
        replace(offer, recipient=OTHER.address),
        replace(offer, expires_at=offer.expires_at + 1),
        replace(offer, deadline=offer.deadline + 1),
        replace(offer, attester=RENTER.address),
    ):
        assert public.refused(changed) == "InvalidSignature"


def test_a_late_offer_is_refused(public: Public) -> None:
    offer = public.offer()
    public.world.anvil.mine_at(offer.deadline + 1)
    assert public.refused(offer) == "DeadlineExpired"


def test_the_proxy_takes_statements_in_any_order(proxied: Public) -> None:
    first, second = proxied.offer(), proxied.offer(OTHER.address)
    for offer in (second, first):
        uid = proxied.send(offer)
        assert isinstance(proxied.records().read(uid, now=proxied.now), Published)


def test_eas_itself_takes_one_of_two_and_the_other_is_asked_for_again(direct: Public) -> None:
    first, second = direct.offer(), direct.offer(OTHER.address)
    direct.send(first)
    assert direct.refused(second, OTHER) == "InvalidSignature"
    uid = direct.send(direct.offer(OTHER.address), OTHER)
    assert isinstance(direct.records().read(uid, now=direct.now), Published)


def test_only_a_standing_attestation_of_this_issuer_is_published(public: Public) -> None:
    statements, attestation = public.statements(), public.held()
    foreign = public.held(issuer=key("another issuer"))
    now = public.now

    def refusal(given: ValidAttestation, at: int) -> Code:
        with pytest.raises(Refused) as told:
            statements.offer(given, life_s=DAY_S, now=at)
        return told.value.code

    assert refusal(foreign, now) == Code.ISSUER_UNKNOWN
    assert refusal(attestation, attestation.expires_at) == Code.EXPIRED
    marked = public.held(OTHER.address)
    public.world.anvil.fund(ISSUER.address)
    mark = _EAS.encode("revokeOffchain", marked.uid)
    public.world.chain.send(ISSUER, public.world.at.eas, mark)
    assert refusal(marked, now) == Code.REVOKED_ATTESTATION
    public.world.revoke(RENTER.address, 0)
    assert refusal(attestation, now) == Code.REVOKED_EPOCH


def test_a_public_life_has_bounds(public: Public) -> None:
    for life_s in (0, -1, LIFE_MOST_S + 1):
        with pytest.raises(Malformed):
            public.statements().offer(public.held(), life_s=life_s, now=public.now)


# -- what is refused on reading --------------------------------------------------------------------
def reason(found: Published | NotPublished) -> Code | None:
    return found.reason.code if isinstance(found, NotPublished) else None


def test_a_record_ends_at_its_last_second(public: Public) -> None:
    offer = public.offer()
    uid = public.send(offer)
    assert reason(public.records().read(uid, now=offer.expires_at - 1)) is None
    assert reason(public.records().read(uid, now=offer.expires_at)) == Code.EXPIRED


def test_a_uid_that_nobody_attested_is_missing(public: Public) -> None:
    found = public.records().read(Digest(keccak(b"nothing")), now=public.now)
    assert reason(found) == Code.ATTESTATION_MISSING


def test_a_stranger_through_the_same_door_is_not_the_issuer(public: Public) -> None:
    """Through the proxy EAS' own attester field names the proxy for everybody."""
    stranger = KEYS["stranger"]
    attestation = public.held(issuer=stranger)
    forged = public.statements(stranger).offer(attestation, life_s=DAY_S, now=public.now)
    uid = public.send(forged)
    assert reason(public.records().read(uid, now=public.now)) == Code.ISSUER_UNKNOWN
    assert list(public.records().of_account(RENTER.address, from_block=0)) == []


STATEMENTS = {
    "another schema": ({"schema": SCHEMA_UID}, Code.SCHEMA_MISMATCH),
    "irrevocable": ({"revocable": False}, Code.NOT_REVOCABLE),
    "for ever": ({"expires": 0}, Code.LIFE_TOO_LONG),
    "for years": ({"expires": 10**10}, Code.LIFE_TOO_LONG),
    "padded": ({"data": b"\x01" * 128}, Code.DATA_MALFORMED),
    "cut": ({"data": bytes(127)}, Code.DATA_MALFORMED),
    "of no level": ({"data": bytes(128)}, Code.DATA_MALFORMED),
}


@pytest.mark.parametrize("case", STATEMENTS)
def test_a_record_of_the_issuers_in_another_shape_is_refused(direct: Public, case: str) -> None:
    """The issuer's key may have attested other things on EAS, by hand."""
    changed, code = STATEMENTS[case]
    claims = PublicClaims(Digest(bytes(32)), Level.LOW, 0, 0)
    given = {
        "schema": PUBLIC_SCHEMA_UID,
        "revocable": True,
        "expires": direct.now + DAY_S,
        "data": claims.encode(),
    } | changed
    data = (RENTER.address, given["expires"], given["revocable"], bytes(32), given["data"], 0)
    direct.world.anvil.fund(ISSUER.address)
    call = _EAS.encode("attest", (given["schema"], data))
    receipt = direct.world.chain.send(ISSUER, direct.world.at.eas, call)
    [event] = [_EAS.event(log.topics, log.data) for log in receipt.logs]
    assert event is not None
    assert reason(direct.records().read(Digest(event.fields["uid"]), now=direct.now)) == code


def test_a_record_that_refers_to_another_is_refused(direct: Public) -> None:
    first = direct.send(direct.offer())
    direct.world.anvil.fund(ISSUER.address)
    claims = PublicClaims(Digest(bytes(32)), Level.LOW, 0, 0)
    data = (RENTER.address, direct.now + DAY_S, True, first, claims.encode(), 0)
    call = _EAS.encode("attest", (PUBLIC_SCHEMA_UID, data))
    receipt = direct.world.chain.send(ISSUER, direct.world.at.eas, call)
    [event] = [_EAS.event(log.topics, log.data) for log in receipt.logs]
    assert event is not None
    found = direct.records().read(Digest(event.fields["uid"]), now=direct.now)
    assert reason(found) == Code.REF_UID_SET


def test_public_claims_read_only_what_they_write() -> None:
    claims = PublicClaims(Digest(b"\x01" * 32), Level.HIGH, 86400, 7)
    assert PublicClaims.decode(claims.encode()) == claims
    with pytest.raises(Malformed):
        PublicClaims.decode(claims.encode() + b"\0")


# -- revoking --------------------------------------------------------------------------------------
def test_a_revoked_record_is_refused_and_revoking_again_sends_nothing(public: Public) -> None:
    uid = public.send(public.offer())
    assert public.revocations().revoke(OTHER, uid, now=public.now) is not None
    assert reason(public.records().read(uid, now=public.now)) == Code.REVOKED_ATTESTATION
    assert public.revocations().revoke(OTHER, uid, now=public.now) is None
    record = public.world.chain.call(public.world.at.eas, _EAS.encode("getAttestation", uid))
    [fields] = _EAS.decode("getAttestation", record)
    assert fields[4] == public.now, "every EAS tool sees it"


def test_an_account_revocation_counts_before_anything_else_is_sent(public: Public) -> None:
    uid = public.send(public.offer())
    public.world.revoke(RENTER.address, 0)
    assert reason(public.records().read(uid, now=public.now)) == Code.REVOKED_EPOCH


def test_the_sweep_revokes_what_belongs_to_revoked_accounts_and_nothing_else(
    public: Public,
) -> None:
    mine, others = public.send(public.offer()), public.send(public.offer(OTHER.address))
    revocations, records = public.revocations(), public.records()
    assert revocations.sweep(OTHER, from_block=0, now=public.now) == ()
    public.world.revoke(RENTER.address, 0)
    assert revocations.sweep(OTHER, from_block=0, now=public.now) == (mine,)
    assert reason(records.read(mine, now=public.now)) == Code.REVOKED_ATTESTATION
    assert reason(records.read(others, now=public.now)) is None
    assert revocations.sweep(OTHER, from_block=0, now=public.now) == ()


def test_the_next_epoch_may_be_published_after_a_revocation(public: Public) -> None:
    old = public.send(public.offer())
    public.world.revoke(RENTER.address, 0)
    uid = public.send(public.offer(epoch=1))
    assert public.revocations().sweep(OTHER, from_block=0, now=public.now) == (old,)
    assert reason(public.records().read(uid, now=public.now)) is None


def test_nobody_but_the_issuer_revokes(public: Public) -> None:
    uid = public.send(public.offer())
    stranger = public.revocations(KEYS["stranger"])
    with pytest.raises(Reverted):
        stranger.revoke(OTHER, uid, now=public.now)
    assert reason(public.records().read(uid, now=public.now)) is None


def test_our_proxy_is_the_published_one() -> None:
    modules = tools.node_modules()
    if modules is None:
        pytest.skip("npm packages are missing: make setup")
    name = "artifacts/contracts/eip712/proxy/EIP712Proxy.sol/EIP712Proxy.json"
    path: Path = modules / "@ethereum-attestation-service" / "eas-contracts" / name
    published = json.loads(path.read_text("utf-8"))
    assert artifact("EIP712Proxy").bytecode.hex() == published["bytecode"][2:]


def test_an_offer_is_short_lived(public: Public) -> None:
    offer = public.offer()
    assert offer.deadline - public.now <= OFFER_S


def test_an_irrevocable_record_holds_up_no_other(direct: Public) -> None:
    """Made by hand with the issuer's key: EAS would refuse its revocation for ever."""
    direct.world.anvil.fund(ISSUER.address)
    claims = PublicClaims(Digest(bytes(32)), Level.LOW, 0, 0)
    data = (RENTER.address, direct.now + DAY_S, False, bytes(32), claims.encode(), 0)
    call = _EAS.encode("attest", (PUBLIC_SCHEMA_UID, data))
    direct.world.chain.send(ISSUER, direct.world.at.eas, call)
    uid = direct.send(direct.offer())
    direct.world.revoke(RENTER.address, 0)
    assert direct.revocations().sweep(OTHER, from_block=0, now=direct.now) == (uid,)


def test_a_signer_of_another_issuer_is_a_mistake_at_once(public: Public) -> None:
    with pytest.raises(ValueError, match="not the issuer"):
        PublicStatements(public.records(), signer=KEYS["stranger"], secret=SECRET)
    with pytest.raises(ValueError, match="not the issuer"):
        PublicRevocations(public.records(), signer=KEYS["stranger"])
