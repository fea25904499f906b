"""Records made elsewhere: held against the real EAS contracts, kept as evidence, passing nobody.

anvil stands in for Base, under its chain id: EAS' own code at its predeploy address, the schema
records under the numbers Coinbase Verifications has there. Coinbase's indexer is not published as
a package: `INDEXER` answers its one question out of a mapping.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from kycgate.chain import Chain
from kycgate.core.attestation import Domain, SignedAttestation
from kycgate.core.claims import ZERO_DIGEST, Account, Address, Digest, checksum
from kycgate.core.eas import Attestation
from kycgate.core.typed import keccak
from kycgate.errors import Code, Conflict, Malformed, Unavailable
from kycgate.issuer import foreign
from kycgate.issuer.foreign import VERIFIED_ACCOUNT, VERIFIED_COUNTRY, Pinned
from kycgate.issuer.imports import IMPORT, MOST, Imports, Source
from kycgate.keys import LocalSigner
from kycgate.settlement.compiled import artifact
from kycgate.store import Store
from tests.chain_world import Anvil, free_port, key
from tests.issuer.conftest import FewCountries, Lines, Lists, Office, an_office, open_person

BASE = 8453
EAS = Address(bytes.fromhex("4200000000000000000000000000000000000021"))
INDEXER = Address(bytes.fromhex("2c7ee1e5f416dff40054c27a62f7b357c4e8619c"))
# key = keccak(calldata[4:68]); with more calldata, keep the next word there, else return it.
_INDEXER_CODE = bytes.fromhex(
    "6040600460003760406000206044361160 1c57 5460005260206000f3 5b604435905500".replace(" ", "")
)
COINBASE, STRANGER = key("coinbase"), key("stranger")
ALICE, BOB = key("alice").address, key("bob").address
TRUE, FALSE = (1).to_bytes(32), bytes(32)
OTHER_SCHEMA = Digest(keccak(b"another schema"))
_EAS = artifact("EAS")


def word(number: int) -> bytes:
    return number.to_bytes(32)


def letters(code: bytes) -> bytes:
    return word(32) + word(len(code)) + code.ljust(32, b"\0")


@dataclass
class Base:
    """A chain with EAS where Base has it."""

    anvil: Anvil

    @property
    def chain(self) -> Chain:
        return self.anvil.chain

    @property
    def now(self) -> int:
        return self.anvil.now

    def attest(self, *, by: LocalSigner = COINBASE, **changed: Any) -> Digest:
        """A record as Coinbase writes it; `changed` fields differ."""
        said = {
            "schema": VERIFIED_ACCOUNT,
            "to": ALICE,
            "expires": 0,
            "revocable": True,
            "data": TRUE,
        } | changed
        request = (said["to"], said["expires"], said["revocable"], ZERO_DIGEST, said["data"], 0)
        call = _EAS.encode("attest", (said["schema"], request))
        receipt = self.chain.send(by, EAS, call)
        return Digest(receipt.logs[0].data)

    def revoke(self, uid: Digest, schema: Digest = VERIFIED_ACCOUNT) -> None:
        self.chain.send(COINBASE, EAS, _EAS.encode("revoke", (schema, (uid, 0))))

    def index(self, uid: Digest, *, to: Address = ALICE, schema: Digest = VERIFIED_ACCOUNT) -> None:
        self.chain.send(COINBASE, INDEXER, bytes(4) + bytes(12) + to + schema + uid)

    def source(self, **changed: Any) -> Source:
        pinned = Pinned(
            "coinbase",
            BASE,
            EAS,
            frozenset({COINBASE.address}),
            frozenset({VERIFIED_ACCOUNT, VERIFIED_COUNTRY}),
        )
        return replace(Source(pinned, self.chain, INDEXER, "1.4.0"), **changed)

    def signed(self, *, by: LocalSigner = COINBASE, **changed: Any) -> SignedAttestation:
        """The same, off chain: EAS version 2, as its SDK signs it."""
        said = Attestation(
            schema=VERIFIED_ACCOUNT,
            recipient=ALICE,
            time=self.now - 60,
            expiration_time=0,
            revocable=True,
            ref_uid=ZERO_DIGEST,
            data=TRUE,
            salt=Digest(keccak(b"salt")),
        )
        domain = changed.pop("domain", Domain("1.4.0", BASE, EAS))
        return SignedAttestation.seal(
            replace(said, **changed), domain, signer=by.address, sign=by.sign_digest
        )


@pytest.fixture(scope="module")
def started() -> Iterator[Anvil]:
    anvil = Anvil(chain_id=BASE)
    for signer in (COINBASE, STRANGER):
        anvil.fund(signer.address)
    registry = anvil.chain.deploy(COINBASE, artifact("SchemaRegistry").creation())
    built = anvil.chain.deploy(COINBASE, _EAS.creation(registry))
    anvil.set_code(EAS, anvil.chain.code(built))
    anvil.set_code(INDEXER, _INDEXER_CODE)
    for schema in (VERIFIED_ACCOUNT, VERIFIED_COUNTRY, OTHER_SCHEMA):
        # SchemaRecord {uid, resolver, revocable, text} in the registry's mapping at slot 0.
        place = int.from_bytes(keccak(schema + word(0)))
        for offset, value in ((0, bytes(schema)), (1, word(1 << 160))):
            where, what = hex(place + offset), "0x" + value.hex()
            anvil.chain.ask("anvil_setStorageAt", checksum(registry), where, what)
    yield anvil
    anvil.close()


@pytest.fixture
def base(started: Anvil) -> Iterator[Base]:
    snapshot = started.chain.ask("evm_snapshot")
    yield Base(started)
    started.chain.ask("evm_revert", snapshot)


@pytest.fixture
def office(store: Store, log: Lines) -> Office:
    return an_office(store, log, Lists(), FewCountries())


@pytest.fixture
def imports(base: Base, office: Office) -> Imports:
    office.lists.edition = replace(office.lists.edition, as_of=base.now)
    open_person(office, Account(ALICE), now=base.now)
    return Imports(office.identity.book, [base.source()])


def kept(office: Office, now: int) -> list[dict[str, Any]]:
    """What a reviewer sees."""
    [case] = office.store.cases(account=Account(ALICE).key)
    found: dict[str, Any] = office.identity.case_view(case.id, reader="mara", now=now)
    return list(found["evidence"].get(IMPORT, []))


def refusal(imports: Imports, uid: Digest, now: int, who: Address = ALICE) -> Code:
    with pytest.raises(Malformed) as wrong:
        imports.take(Account(who), uid, now=now)
    assert wrong.value.field == "uid"
    assert wrong.value.remedy
    return wrong.value.code


# -- on chain ------------------------------------------------------------------------------------


def test_a_record_that_holds_is_evidence_a_reviewer_sees(
    base: Base, office: Office, imports: Imports
) -> None:
    uid = base.attest()
    taken = imports.take(Account(ALICE), uid, now=base.now)
    assert (taken.source, taken.uid, taken.fresh) == ("coinbase", uid, True)
    [seen] = kept(office, base.now)
    assert seen["says"] == {"verified_account": True}
    assert seen["uid"] == "0x" + uid.hex()
    assert seen["attester"] == "0x" + COINBASE.address.hex()
    assert (seen["chain_id"], seen["where"]) == (BASE, "on chain")
    assert "approves nothing" in seen["weight"]


def test_an_imported_record_changes_no_level_no_state_and_approves_nobody(
    base: Base, office: Office, imports: Imports
) -> None:
    who = Account(ALICE)
    [before] = office.store.cases(account=who.key)
    imports.take(who, base.attest(), now=base.now)
    country = base.attest(schema=VERIFIED_COUNTRY, data=letters(b"SG"))
    imports.take(who, country, now=base.now)
    imports.take_signed(who, base.signed().to_wire(), now=base.now)
    assert office.store.cases(account=who.key) == [before]
    assert office.identity.attestation(who, now=base.now) is None
    assert [each["says"] for each in kept(office, base.now)][1] == {"verified_country": "SG"}


def test_the_indexer_finds_records_by_account(base: Base, office: Office, imports: Imports) -> None:
    assert imports.find(Account(ALICE), now=base.now) == []
    country = base.attest(schema=VERIFIED_COUNTRY, data=letters(b"SG"))
    base.index(base.attest())
    base.index(country, schema=VERIFIED_COUNTRY)
    found = imports.find(Account(ALICE), now=base.now)
    assert {each.schema for each in found} == {VERIFIED_ACCOUNT, VERIFIED_COUNTRY}
    assert len(kept(office, base.now)) == 2


def test_an_indexer_is_not_believed_about_what_it_points_to(
    base: Base, office: Office, imports: Imports
) -> None:
    for uid in (base.attest(to=BOB), base.attest(by=STRANGER), Digest(b"\x77" * 32)):
        base.index(uid)
        assert imports.find(Account(ALICE), now=base.now) == []
    assert kept(office, base.now) == []


def test_the_same_record_is_kept_once(base: Base, office: Office, imports: Imports) -> None:
    uid = base.attest()
    fresh = [imports.take(Account(ALICE), uid, now=base.now).fresh for _ in range(3)]
    assert fresh == [True, False, False]
    assert len(kept(office, base.now)) == 1


def test_a_renter_can_not_bury_a_reviewer_in_records(
    base: Base, office: Office, imports: Imports
) -> None:
    for _ in range(MOST):
        imports.take(Account(ALICE), base.attest(), now=base.now)
    with pytest.raises(Conflict):
        imports.take(Account(ALICE), base.attest(), now=base.now)
    assert len(kept(office, base.now)) == MOST


def test_a_record_that_does_not_exist_is_refused(base: Base, imports: Imports) -> None:
    for uid in (Digest(b"\x77" * 32), ZERO_DIGEST):
        assert refusal(imports, uid, base.now) == Code.NOT_FOUND


def test_another_accounts_record_is_refused(base: Base, office: Office, imports: Imports) -> None:
    open_person(office, Account(BOB), now=base.now, name="Bob")
    uid = base.attest(to=ALICE)
    assert refusal(imports, uid, base.now, BOB) == Code.RECIPIENT_MISMATCH


def test_a_strangers_record_is_refused(base: Base, imports: Imports) -> None:
    assert refusal(imports, base.attest(by=STRANGER), base.now) == Code.ISSUER_UNKNOWN


def test_a_record_under_another_schema_is_refused(base: Base, imports: Imports) -> None:
    assert refusal(imports, base.attest(schema=OTHER_SCHEMA), base.now) == Code.SCHEMA_MISMATCH


def test_a_revoked_record_is_refused(base: Base, imports: Imports) -> None:
    uid = base.attest()
    base.revoke(uid)
    assert refusal(imports, uid, base.now) == Code.REVOKED_ATTESTATION


def test_an_expired_record_is_refused(base: Base, imports: Imports) -> None:
    expires = base.now + 3600
    uid = base.attest(expires=expires)
    assert imports.take(Account(ALICE), uid, now=expires - 1).fresh
    assert refusal(imports, uid, expires) == Code.EXPIRED


def test_a_record_that_nobody_can_revoke_is_refused(base: Base, imports: Imports) -> None:
    assert refusal(imports, base.attest(revocable=False), base.now) == Code.NOT_REVOCABLE


def test_a_record_of_the_future_is_refused(base: Base, imports: Imports) -> None:
    uid = base.attest()
    assert refusal(imports, uid, base.now - foreign.CLOCKS_S - 60) == Code.NOT_YET_VALID


@pytest.mark.parametrize(
    ("schema", "data"),
    [
        (VERIFIED_ACCOUNT, FALSE),
        (VERIFIED_ACCOUNT, b""),
        (VERIFIED_ACCOUNT, TRUE + TRUE),
        (VERIFIED_ACCOUNT, word(2)),
        (VERIFIED_COUNTRY, letters(b"sg")),
        (VERIFIED_COUNTRY, letters(b"SGP")),
        (VERIFIED_COUNTRY, letters(b"SG") + word(0)),
        (VERIFIED_COUNTRY, letters("é".encode())),
        (VERIFIED_COUNTRY, b"SG"),
    ],
)
def test_a_record_that_does_not_say_so_in_its_one_form_is_refused(
    base: Base, imports: Imports, schema: Digest, data: bytes
) -> None:
    assert refusal(imports, base.attest(schema=schema, data=data), base.now) == Code.DATA_MALFORMED


def test_a_contract_account_counts_on_its_own_chain_only(base: Base, office: Office) -> None:
    """The same address on another chain may be anybody's."""
    office.lists.edition = replace(office.lists.edition, as_of=base.now)
    uid = base.attest()
    imports = Imports(office.identity.book, [base.source()])
    for chain, taken in ((BASE, True), (1, False)):
        who = Account(ALICE, chain)
        open_person(office, who, now=base.now)
        if taken:
            assert imports.take(who, uid, now=base.now).fresh
        else:
            with pytest.raises(Malformed):
                imports.take(who, uid, now=base.now)


def test_without_an_open_case_there_is_nothing_to_add_to(base: Base, office: Office) -> None:
    imports = Imports(office.identity.book, [base.source()])
    with pytest.raises(Conflict):
        imports.take(Account(ALICE), base.attest(), now=base.now)


def test_where_nothing_is_pinned_nothing_is_taken(base: Base, office: Office) -> None:
    office.lists.edition = replace(office.lists.edition, as_of=base.now)
    open_person(office, Account(ALICE), now=base.now)
    imports = Imports(office.identity.book, [])
    assert refusal(imports, base.attest(), base.now) == Code.ISSUER_UNKNOWN
    assert imports.find(Account(ALICE), now=base.now) == []


# -- silence -------------------------------------------------------------------------------------


def ways(imports: Imports, base: Base) -> list[Any]:
    who, now = Account(ALICE), base.now
    wire = base.signed().to_wire()
    return [
        lambda: imports.find(who, now=now),
        lambda: imports.take(who, Digest(b"\x77" * 32), now=now),
        lambda: imports.take_signed(who, wire, now=now),
    ]


def test_a_silent_node_is_neither_yes_nor_no(base: Base, office: Office, imports: Imports) -> None:
    nobody = Chain([f"http://127.0.0.1:{free_port()}"], BASE, timeout_s=0.5)
    deaf = Imports(office.identity.book, [base.source(chain=nobody)])
    for way in ways(deaf, base):
        with pytest.raises(Unavailable):
            way()
    assert kept(office, base.now) == []
    nobody.close()


def test_a_node_of_another_chain_could_not_tell(
    base: Base, office: Office, imports: Imports
) -> None:
    other = Chain([base.anvil.url], 10)
    asked = Imports(office.identity.book, [base.source(chain=other)])
    uid = base.attest()
    with pytest.raises(Unavailable):
        asked.take(Account(ALICE), uid, now=base.now)
    other.close()


def test_an_address_without_eas_could_not_tell(
    base: Base, office: Office, imports: Imports
) -> None:
    empty = Address(b"\x0e" * 20)
    pinned = replace(base.source().pinned, eas=empty)
    asked = Imports(office.identity.book, [base.source(pinned=pinned, indexer=empty)])
    for way in ways(asked, base)[:2]:
        with pytest.raises(Unavailable):
            way()


# -- off chain -----------------------------------------------------------------------------------


def signed_refusal(imports: Imports, signed: SignedAttestation, now: int) -> Code:
    with pytest.raises(Malformed) as wrong:
        imports.take_signed(Account(ALICE), signed.to_wire(), now=now)
    assert wrong.value.field == "attestation"
    return wrong.value.code


def test_a_signed_record_of_a_pinned_issuer_is_evidence(
    base: Base, office: Office, imports: Imports
) -> None:
    signed = base.signed()
    assert imports.take_signed(Account(ALICE), signed.to_wire(), now=base.now).fresh
    [seen] = kept(office, base.now)
    assert (seen["where"], seen["uid"]) == ("off chain", "0x" + signed.uid.hex())


def test_a_signed_record_its_issuer_took_back_on_chain_is_refused(
    base: Base, imports: Imports
) -> None:
    signed = base.signed()
    base.chain.send(COINBASE, EAS, _EAS.encode("revokeOffchain", signed.uid))
    assert signed_refusal(imports, signed, base.now) == Code.REVOKED_ATTESTATION


def test_a_strangers_revocation_takes_nothing_back(base: Base, imports: Imports) -> None:
    signed = base.signed()
    base.chain.send(STRANGER, EAS, _EAS.encode("revokeOffchain", signed.uid))
    assert imports.take_signed(Account(ALICE), signed.to_wire(), now=base.now).fresh


def test_a_signed_record_that_breaks_a_rule_is_refused(base: Base, imports: Imports) -> None:
    now = base.now
    wrong = {
        Code.ISSUER_UNKNOWN: base.signed(by=STRANGER),
        Code.RECIPIENT_MISMATCH: base.signed(recipient=BOB),
        Code.SCHEMA_MISMATCH: base.signed(schema=OTHER_SCHEMA),
        Code.EXPIRED: base.signed(expiration_time=now - 1),
        Code.NOT_YET_VALID: base.signed(time=now + 3600),
        Code.NOT_REVOCABLE: base.signed(revocable=False),
        Code.DOMAIN_MISMATCH: base.signed(domain=Domain("1.4.0", 1, EAS)),
        Code.UID_MISMATCH: replace(base.signed(), uid=Digest(b"\x01" * 32)),
        Code.DATA_MALFORMED: base.signed(data=FALSE),
    }
    found = {code: signed_refusal(imports, signed, now) for code, signed in wrong.items()}
    assert found == {code: code for code in wrong}


def test_signed_records_are_taken_only_where_the_operator_says_so(
    base: Base, office: Office, imports: Imports
) -> None:
    asked = Imports(office.identity.book, [base.source(version=None)])
    assert signed_refusal(asked, base.signed(), base.now) == Code.ISSUER_UNKNOWN


def test_bytes_that_are_no_attestation_are_refused(base: Base, imports: Imports) -> None:
    for junk in (b"", b"{}", b"[" * 100, b"\xff", base.signed().to_wire()[:-1]):
        with pytest.raises(Malformed):
            imports.take_signed(Account(ALICE), junk, now=base.now)
