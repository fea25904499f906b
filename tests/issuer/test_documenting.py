"""Documents are sealed, compared, and left to a person; and a person's word is level 1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kycgate.core.attestation import ValidAttestation
from kycgate.core.claims import Level
from kycgate.errors import Code, Conflict, Malformed, NotFound, Refused
from kycgate.issuer.documenting import MOST
from kycgate.issuer.rules import VerificationRules
from tests.issuer.conftest import (
    DAY,
    NOW,
    Edition,
    FewCountries,
    Office,
    account,
    an_office,
    approve,
    open_person,
    organisation,
    person,
)
from tests.issuer.pictures import a_jpeg, a_telling_jpeg
from tests.issuer.proofs import a_proof
from tests.issuer.test_mrz import TD3, check_digit

ADA, BOB = account(0xADA), account(0xB0B)


def zone(
    names: str = "OKAFOR<<ADA", number: str = "12AB34567", expiry: str = "310101"
) -> tuple[str, str]:
    """Ada's French passport."""
    birth = "900228"
    body = number + str(check_digit(number)) + "FRA" + birth + str(check_digit(birth)) + "F"
    body += expiry + str(check_digit(expiry)) + "<" * 15
    return (
        ("P<FRA" + names).ljust(44, "<"),
        body + str(check_digit(body[:10] + body[13:20] + body[21:43])),
    )


def handed_in(office: Office, who: Any = ADA, *, now: int = NOW, **changes: Any) -> Any:
    office.identity.add_picture(who, "front", a_jpeg(), now=now)
    office.identity.type_mrz(who, zone(**changes), now=now)
    return office.identity.hand_in_documents(who, now=now)


def test_documents_wait_for_a_person_and_give_level_one(office: Office) -> None:
    open_person(office, ADA)
    case = handed_in(office)
    assert (case.state, case.reason_codes) == ("submitted", ())
    valid = office.verify(approve(office, case), ADA, NOW)
    assert isinstance(valid, ValidAttestation)
    assert valid.claims.level is Level.LOW
    approved = office.identity.case(case.id)
    assert (approved.proof_source, approved.re_verify_at) == ("documents", NOW + 180 * DAY)


def test_a_documents_end_comes_before_the_levels(office: Office) -> None:
    open_person(office, ADA)
    case = handed_in(office, expiry="260901")
    approve(office, case)
    due = office.identity.case(case.id).re_verify_at
    assert due is not None
    assert NOW < due < NOW + 60 * DAY


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"names": "OKAFOR<<EDA"}, "proof_mismatch"), ({"names": "STRANGER<<EVE"}, "proof_mismatch")],
)
def test_a_zone_that_disagrees_is_flagged(office: Office, changes: Any, code: str) -> None:
    open_person(office, ADA)
    case = handed_in(office, **changes)
    assert (case.state, case.reason_codes) == ("review", (code,))


def test_the_renter_is_told_what_differs_before_they_hand_it_in(office: Office) -> None:
    open_person(office, ADA)
    typed = office.identity.type_mrz(ADA, zone("STRANGER<<EVE"), now=NOW)
    assert typed.compared == {"name": "different", "birth_date": "same", "country": "same"}


def test_a_document_refused_once_is_known_again(office: Office) -> None:
    case = open_person(office, ADA)
    handed_in(office)
    office.identity.refuse(case.id, reviewer="mara", reason="forged", now=NOW)
    office.identity.open_case(BOB, 1, person("Eve Stranger"), refusal_id=None, now=NOW)
    second = handed_in(office, BOB, names="STRANGER<<EVE")
    assert second.reason_codes == ("document_shared",)
    # And whoever reads it, a wallet or the renter, it is the same document.
    third = account(3)
    office.store.note_wallet_proof(third.key, at=NOW)
    proven = office.identity.prove(
        third, a_proof("w1", name="Nobody Else", document_number="250:12AB34567"), now=NOW
    )
    assert proven.reason_codes == ("document_shared",)


def test_an_expired_document_is_refused(office: Office) -> None:
    open_person(office, ADA)
    with pytest.raises(Refused) as refused:
        handed_in(office, expiry="260724")
    assert refused.value.code is Code.PROOF_OUTDATED


def test_where_a_proof_is_required_documents_are_one(office: Office) -> None:
    strict = an_office(
        office.store,
        office.log,
        office.lists,
        FewCountries(),
        verification=VerificationRules(require_proof=True),
    )
    case = open_person(strict, ADA)
    assert case.state == "draft"
    assert handed_in(strict).state == "submitted"


def test_a_representatives_document_is_weighed_for_an_organisation(office: Office) -> None:
    office.identity.open_case(ADA, 2, organisation(), refusal_id=None, now=NOW)
    case = handed_in(office, names="TAN<<WEI<LING")
    assert case.reason_codes == ("authority_unproven",)


def test_nothing_is_handed_in_without_a_picture(office: Office) -> None:
    open_person(office, ADA)
    office.identity.type_mrz(ADA, zone(), now=NOW)
    with pytest.raises(Conflict):
        office.identity.hand_in_documents(ADA, now=NOW)


def test_documents_belong_to_a_case_that_takes_them(office: Office) -> None:
    with pytest.raises(Conflict):
        office.identity.add_picture(ADA, "front", a_jpeg(), now=NOW)
    approve(office, open_person(office, ADA))
    for call in (
        lambda: office.identity.add_picture(ADA, "front", a_jpeg(), now=NOW),
        lambda: office.identity.type_mrz(ADA, TD3, now=NOW),
        lambda: office.identity.hand_in_documents(ADA, now=NOW),
    ):
        with pytest.raises(Conflict):
            call()


def test_nobody_fills_the_disk_with_pictures(office: Office) -> None:
    open_person(office, ADA)
    for _ in range(MOST):
        office.identity.add_picture(ADA, "other", a_jpeg(), now=NOW)
    with pytest.raises(Conflict):
        office.identity.add_picture(ADA, "other", a_jpeg(), now=NOW)
    assert len(office.identity.documents(ADA)) == MOST


def test_a_renter_whose_time_is_near_verifies_again_by_documents(office: Office) -> None:
    case = open_person(office, ADA)
    handed_in(office)
    approve(office, case)
    later = NOW + 170 * DAY
    office.lists.edition = Edition(as_of=later)
    office.store.note_wallet_proof(ADA.key, at=later)
    again = handed_in(office, now=later)
    assert (again.state, again.reason_codes) == ("review", ("verification_due",))
    approve(office, again, now=later)
    assert office.identity.case(case.id).re_verify_at == later + 180 * DAY


def test_pictures_are_sealed_and_each_reading_is_logged(database: Path, office: Office) -> None:
    case = open_person(office, ADA)
    office.identity.add_picture(ADA, "front", a_telling_jpeg(b"Perpetua Quillon"), now=NOW)
    (kept,) = office.identity.pictures(case.id)
    office.log.entries.clear()
    whole = b"".join(office.identity.picture(case.id, kept.id, reader="mara", now=NOW))
    assert whole.startswith(b"\xff\xd8\xff")
    assert len(whole) == kept.size
    (read,) = office.log.of("evidence_read")
    assert (read["reader"], read["case"], read["evidence"]) == ("mara", case.id, kept.id)
    office.store.close()
    files = b"".join(path.read_bytes() for path in database.parent.iterdir())
    assert whole[:200] not in files
    assert b"Quillon" not in files


def test_a_picture_is_found_only_in_its_own_case(office: Office) -> None:
    first, second = open_person(office, ADA), open_person(office, BOB)
    kept = office.identity.add_picture(ADA, "front", a_jpeg(), now=NOW)
    with pytest.raises(NotFound):
        office.identity.picture(second.id, kept.id, reader="mara", now=NOW)
    for reader in ("renter", "rules", ""):
        with pytest.raises(Malformed):
            office.identity.picture(first.id, kept.id, reader=reader, now=NOW)


def test_an_unknown_side_is_refused(office: Office) -> None:
    open_person(office, ADA)
    with pytest.raises(Malformed):
        office.identity.add_picture(ADA, "inside", a_jpeg(), now=NOW)
