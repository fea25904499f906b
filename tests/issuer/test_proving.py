"""A proof of identity counts once, for one account, and approves only where nothing is in doubt."""

from __future__ import annotations

from typing import Any

import pytest

from kycgate.core.attestation import InvalidAttestation, ValidAttestation
from kycgate.core.claims import Level
from kycgate.errors import Code, Conflict, Malformed, Refused, Unavailable
from kycgate.issuer.proven import Means
from kycgate.issuer.rules import VerificationRules
from kycgate.store.base import Store
from kycgate.store.records.cases import Case, CaseEvent, KeptProof
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
from tests.issuer.proofs import a_proof
from tests.store.racing import race

ADA, BOB, EVE = account(0xADA), account(0xB0B), account(0xE0E)


def prove(office: Office, who: Any = ADA, *, now: int = NOW, **changes: Any) -> Case:
    office.store.note_wallet_proof(who.key, at=now)
    return office.identity.prove(who, a_proof(**changes), now=now)


def again(office: Office, **rules: Any) -> Office:
    """The same operator with other rules."""
    verification = VerificationRules(**rules)
    return an_office(
        office.store, office.log, office.lists, FewCountries(), verification=verification
    )


# -- doubts of the source ------------------------------------------------------------------------


def test_a_proof_its_source_doubts_is_never_approved_by_rules(office: Office) -> None:
    """A credential whose status nobody could tell: neither accepted silently nor revoked."""
    doubt = Code.CREDENTIAL_STATUS_UNKNOWN
    case = prove(office, doubts=(doubt,))
    assert (case.state, case.reason_codes) == ("review", (str(doubt),))
    assert office.identity.attestation(ADA, now=NOW) is None
    assert prove(office, doubts=(doubt,)).state == "review", "the same again changes nothing"
    clear = prove(office, reference="p2")
    assert clear.state == "review", "a person has it now"


# -- automatic approval ------------------------------------------------------------------------


def test_a_clear_proof_alone_opens_and_approves_a_persons_case(office: Office) -> None:
    case = prove(office)
    assert (case.state, case.level, case.country, case.kind) == ("approved", 3, 250, 1)
    signed = office.identity.attestation(ADA, now=NOW)
    assert signed is not None
    valid = office.verify(signed, ADA, NOW)
    assert isinstance(valid, ValidAttestation)
    assert valid.claims.level is Level.HIGH
    view = office.identity.case_view(case.id, reader="mara", now=NOW)
    assert view["details"] == person()


def test_the_rules_approval_is_logged_with_its_reasons_and_names_nobody(office: Office) -> None:
    case = prove(office)
    (entry,) = office.log.of("case_approved")
    assert (entry["reviewer"], entry["level"]) == ("rules", 3)
    view = office.identity.case_view(case.id, reader="mara", now=NOW)
    decision = view["decisions"][-1]
    assert (decision["reviewer"], decision["action"]) == ("rules", "approve")
    assert decision["proof"] == {"source": "openid4vp", "reference": "p1"}
    assert decision["compared"][0]["name"] == "same"
    assert [each["actor"] for each in view["history"]][-1] == "rules"
    assert "Okafor" not in str(office.log.entries)
    assert "12AB34567" not in str(office.log.entries)


def test_a_proof_on_a_handed_in_case_approves_it(office: Office) -> None:
    waiting = open_person(office, ADA)
    assert waiting.state == "submitted"
    case = prove(office, means=Means.PROVIDER, source="sumsub", level=Level.SUBSTANTIAL)
    assert (case.id, case.state, case.level) == (waiting.id, "approved", 2)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": "Eda Okafor"}, "proof_mismatch"),
        ({"birth_date": "1990-02-27"}, "proof_mismatch"),
        ({"country": 156}, "proof_country"),
    ],
)
def test_a_proof_that_disagrees_goes_to_a_person(
    office: Office, changes: dict[str, Any], code: str
) -> None:
    open_person(office, ADA)
    case = prove(office, **changes)
    assert (case.state, case.reason_codes) == ("review", (code,))
    assert office.identity.attestation(ADA, now=NOW) is None
    view = office.identity.case_view(case.id, reader="mara", now=NOW)
    assert view["evidence"]["weighing"][-1]["codes"] == [code]
    assert view["evidence"]["proof"][-1]["name"] == changes.get("name", "Ada Okafor")


def test_a_second_proof_does_not_talk_away_the_one_that_disagreed(office: Office) -> None:
    open_person(office, ADA)
    prove(office, name="Eve Stranger")
    case = prove(office, reference="p2")
    assert (case.state, case.reason_codes) == ("review", ("proof_mismatch",))


def test_the_proven_name_is_screened_beside_the_one_told(office: Office) -> None:
    office.lists.names["Ada Ngozi Okafor"] = "e7"
    open_person(office, ADA)
    case = prove(office, name="Ada Ngozi Okafor")
    assert (case.state, case.reason_codes) == ("review", ("screening_hit_name",))


def test_a_proven_name_listed_later_stops_the_renewal(office: Office) -> None:
    open_person(office, ADA)
    assert prove(office, name="Ada Ngozi Okafor").state == "approved"
    office.lists.names["Ada Ngozi Okafor"] = "e7"
    assert office.identity.attestation(ADA, now=NOW + 20 * 3600) is None
    assert office.identity.pending()[0].reason_codes == ("screening_hit_name",)


def test_nothing_is_approved_by_rules_with_a_hit_or_old_lists(office: Office) -> None:
    office.lists.wallets.add(ADA.address)
    assert prove(office).reason_codes == ("screening_hit_wallet",)
    office.lists.edition = Edition(as_of=NOW - 4 * DAY)
    assert prove(office, BOB, reference="p2", document_number=None).reason_codes == (
        "screening_stale",
    )


def test_an_organisation_goes_to_a_person_although_its_representative_is_proven(
    office: Office,
) -> None:
    office.identity.open_case(ADA, 2, organisation(), refusal_id=None, now=NOW)
    case = prove(office, name="Tan Wei Ling", country=156)
    assert (case.state, case.reason_codes) == ("review", ("authority_unproven",))
    signed = approve(office, case)
    assert isinstance(office.verify(signed, ADA, NOW), ValidAttestation)
    assert office.identity.case(case.id).level == 3


def test_an_organisation_is_approved_by_rules_only_where_the_operator_says_so(
    office: Office,
) -> None:
    bold = again(office, auto_organisations=True)
    bold.identity.open_case(ADA, 2, organisation(), refusal_id=None, now=NOW)
    assert prove(bold, name="Tan Wei Ling").state == "approved"
    open_end = organisation(parent={"name": "Open End Ltd", "country": "US"})
    bold.identity.open_case(BOB, 2, open_end, refusal_id=None, now=NOW)
    case = prove(bold, BOB, reference="p2", name="Tan Wei Ling", document_number=None)
    assert (case.state, case.reason_codes) == ("review", ("ultimate_country_unknown",))


def test_a_document_is_a_persons_to_look_at(office: Office) -> None:
    open_person(office, ADA)
    proof = {"means": Means.DOCUMENT, "source": "documents", "level": Level.LOW}
    assert prove(office, **proof).state == "submitted"


def test_a_proof_without_a_country_asks_for_it(office: Office) -> None:
    case = prove(office, country=0)
    assert case.state == "needs"
    standing = office.identity.standing(case, now=NOW)
    assert [need.item for need in standing.needs] == ["details"]
    case = office.identity.amend(case.id, 1, person(), now=NOW + 5)
    assert (case.state, case.level) == ("approved", 3)


# -- what is no proof --------------------------------------------------------------------------


def test_a_sandbox_proof_never_opens_a_live_gate(office: Office) -> None:
    with pytest.raises(Refused) as refused:
        prove(office, live=False)
    assert refused.value.code is Code.PROOF_SANDBOX
    assert office.store.cases(account=ADA.key) == []
    testing = again(office, live=False)
    with pytest.raises(Refused):
        prove(testing)
    assert prove(testing, live=False).state == "approved"


@pytest.mark.parametrize(
    "changes",
    [
        {"valid_until": NOW},
        {"proven_at": NOW - 731 * DAY},
        {"proven_at": NOW - 181 * DAY, "level": Level.LOW},
    ],
)
def test_an_outdated_proof_is_refused(office: Office, changes: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        prove(office, **changes)
    assert refused.value.code is Code.PROOF_OUTDATED
    assert office.store.subject_of(ADA.key) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"proven_at": NOW + 301},
        {"means": Means.PROVIDER},
        {"means": Means.DOCUMENT, "level": Level.SUBSTANTIAL},
        {"reference": ""},
        {"reference": "x" * 201},
    ],
)
def test_no_source_can_mean_that(office: Office, changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        prove(office, **changes)


def test_the_same_proof_again_changes_nothing(office: Office) -> None:
    case = prove(office)
    entries = len(office.log.entries)
    assert prove(office, now=NOW + 9) == case
    assert len(office.log.entries) == entries
    assert len(office.store.proofs_of(case.id)) == 1


def test_a_proof_of_one_account_is_none_of_another(office: Office) -> None:
    prove(office)
    with pytest.raises(Conflict):
        prove(office, BOB)
    assert office.identity.attestation(BOB, now=NOW) is None


def test_of_two_accounts_racing_with_one_proof_one_is_approved(office: Office) -> None:
    outcomes = race([lambda w=w: prove(office, w) for w in (ADA, BOB)])
    approved = [each for each in outcomes if isinstance(each, Case) and each.state == "approved"]
    assert len(approved) == 1
    attested = [office.identity.attestation(who, now=NOW) for who in (ADA, BOB)]
    assert sum(each is not None for each in attested) == 1


def test_two_proofs_racing_for_one_case_both_end_well(office: Office) -> None:
    open_person(office, ADA)
    weaker = {"means": Means.PROVIDER, "source": "sumsub", "level": Level.SUBSTANTIAL}
    outcomes = race([lambda: prove(office), lambda: prove(office, reference="s1", **weaker)])
    assert [each.state for each in outcomes] == ["approved", "approved"]
    (case,) = office.store.cases(account=ADA.key)
    assert case.level == 3
    assert office.identity.attestation(ADA, now=NOW) is not None


def test_a_proof_cut_short_is_completed_by_its_repetition(office: Office, store: Store) -> None:
    class Dying:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def add_proof(self, proof: KeptProof) -> None:
            store.add_proof(proof)
            raise Unavailable("the process was killed")

    dying: Any = Dying()
    with pytest.raises(Unavailable):
        prove(an_office(dying, office.log, office.lists, FewCountries()))
    assert prove(office).state == "approved"


# -- who comes back ----------------------------------------------------------------------------


def test_a_refused_person_coming_back_with_another_wallet_is_found(office: Office) -> None:
    first = open_person(office, ADA)
    prove(office, name="Ada Oka for")
    office.identity.refuse(first.id, reviewer="mara", reason="forged", now=NOW)
    second = prove(office, EVE, reference="p2", name="Eve Stranger", birth_date="1980-01-01")
    assert (second.state, second.reason_codes) == ("review", ("document_shared",))
    view = office.identity.case_view(second.id, reader="mara", now=NOW)
    assert view["proofs"][0]["same_document"] == [first.id]
    assert office.identity.attestation(EVE, now=NOW) is None


def test_two_racing_wallets_with_one_document_are_not_both_approved(office: Office) -> None:
    outcomes = race(
        [lambda w=w, r=r: prove(office, w, reference=r) for w, r in ((ADA, "p1"), (BOB, "p2"))]
    )
    assert [each.state for each in outcomes].count("approved") < 2


def test_no_rule_overrules_a_reviewer_who_refused(office: Office) -> None:
    office.identity.refuse(open_person(office, ADA).id, reviewer="mara", reason="lies", now=NOW)
    case = prove(office)
    assert (case.state, case.reason_codes) == ("review", ("earlier_decision",))


def test_the_database_alone_does_not_tell_document_numbers(office: Office) -> None:
    case = prove(office)
    (kept,) = office.store.proofs_of(case.id)
    assert kept.document is not None
    assert len(kept.document) == 32
    office.vault.keys.rotate(bytes(range(32, 64)))
    assert prove(office, EVE, reference="p2").reason_codes == ("document_shared",)


def test_a_rotation_leaves_the_operators_secret_readable_under_the_new_key_alone(
    office: Office, store: Store
) -> None:
    from kycgate.issuer.vault import Vault

    digest = office.vault.document_digest("250:1")
    new = bytes(range(32, 64))
    office.vault.keys.rotate(new)
    assert Vault(store, new, log=office.log).document_digest("250:1") == digest


def test_an_erased_subjects_document_is_forgotten(office: Office) -> None:
    case = prove(office)
    office.vault.shred(case.subject_id, now=NOW)
    assert office.store.proofs_of(case.id)[0].document is None


# -- taken back --------------------------------------------------------------------------------


def test_a_proof_taken_back_voids_at_once_and_asks_a_person(office: Office) -> None:
    case = prove(office, means=Means.PROVIDER, source="sumsub", level=Level.SUBSTANTIAL)
    signed = office.identity.attestation(ADA, now=NOW)
    assert signed is not None
    code = Code.PROOF_WITHDRAWN
    back = office.identity.withdraw("sumsub", "p1", code=code, now=NOW + 5)
    assert back is not None
    assert (back.id, back.state, back.reason_codes) == (case.id, "review", ("proof_withdrawn",))
    assert isinstance(office.verify(signed, ADA, NOW + 5), InvalidAttestation)
    assert len(office.store.due("revoke_onchain", now=NOW + 5)) == 1
    assert len(office.store.due("stop_jobs", now=NOW + 5)) == 1
    again = office.identity.withdraw("sumsub", "p1", code=code, now=NOW + 6)
    assert again == back
    assert len(office.store.due("stop_jobs", now=NOW + 6)) == 1
    assert len(office.log.of("proof_withdrawn")) == 1


def test_a_proof_taken_back_before_it_came_never_counts(office: Office) -> None:
    code = Code.PROOF_WITHDRAWN
    for _ in range(2):
        assert office.identity.withdraw("openid4vp", "p1", code=code, now=NOW) is None
    with pytest.raises(Conflict):
        prove(office)
    assert office.identity.attestation(ADA, now=NOW) is None


def test_a_withdrawal_during_the_approval_wins(office: Office) -> None:
    """The source takes the proof back between the rules' look at it and the case's move."""

    class Meanwhile:
        def __getattr__(self, name: str) -> Any:
            return getattr(office.store, name)

        def move_case(self, case: Case, *, from_state: str, event: CaseEvent) -> None:
            if event.action == "approve":
                found = office.identity.withdraw(
                    "openid4vp", "p1", code=Code.PROOF_WITHDRAWN, now=NOW
                )
                assert found is not None
            office.store.move_case(case, from_state=from_state, event=event)

    racing: Any = Meanwhile()
    with pytest.raises(Conflict):
        prove(an_office(racing, office.log, office.lists, FewCountries()))
    assert office.identity.attestation(ADA, now=NOW) is None
    assert office.identity.pending()[0].reason_codes == ("proof_withdrawn",)


def test_a_mark_set_before_the_case_moved_is_seen_after_it(office: Office) -> None:
    class Meanwhile:
        def __getattr__(self, name: str) -> Any:
            return getattr(office.store, name)

        def move_case(self, case: Case, *, from_state: str, event: CaseEvent) -> None:
            if event.action == "approve":
                office.store.withdraw_proof("openid4vp", "p1", at=NOW, code="proof_withdrawn")
            office.store.move_case(case, from_state=from_state, event=event)

    racing: Any = Meanwhile()
    case = prove(an_office(racing, office.log, office.lists, FewCountries()))
    assert (case.state, case.reason_codes) == ("review", ("proof_withdrawn",))
    assert office.identity.attestation(ADA, now=NOW) is None


def test_a_withdrawal_of_a_proof_nothing_stands_on_leaves_the_case(office: Office) -> None:
    weaker = {"means": Means.PROVIDER, "source": "sumsub", "level": Level.SUBSTANTIAL}
    case = prove(office)
    prove(office, reference="s1", **weaker)
    assert office.identity.withdraw("sumsub", "s1", code=Code.PROOF_WITHDRAWN, now=NOW) is None
    assert office.identity.case(case.id).state == "approved"
    assert office.identity.attestation(ADA, now=NOW) is not None


# -- more is asked -----------------------------------------------------------------------------


def test_what_a_reviewer_asks_for_is_told_answered_and_looked_at_by_a_person(
    office: Office,
) -> None:
    case = open_person(office, ADA)
    asked = office.identity.ask(
        case.id, [("document", "The photo is blurred: send it again.")], reviewer="mara", now=NOW
    )
    assert asked.state == "needs"
    (need,) = office.identity.standing(asked, now=NOW).needs
    assert need.text == "The photo is blurred: send it again."
    back = office.identity.amend(case.id, 1, person(), now=NOW + 9)
    assert (back.state, back.reason_codes) == ("review", ("under_review",))
    assert office.identity.standing(back, now=NOW).needs == ()


def test_a_proof_after_a_reviewers_question_goes_to_the_reviewer(office: Office) -> None:
    case = open_person(office, ADA)
    office.identity.ask(case.id, [("proof", "Prove it.")], reviewer="mara", now=NOW)
    case = prove(office, now=NOW + 5)
    assert (case.state, case.reason_codes) == ("review", ("under_review",))


def test_a_source_that_asks_for_more_does_not_end_in_a_review(office: Office) -> None:
    open_person(office, ADA)
    asked = office.identity.need(ADA, [("proof", "Hold it still.")], source="sumsub", now=NOW)
    assert asked is not None
    assert asked.state == "needs"
    assert prove(office, now=NOW + 5).state == "approved"
    assert office.identity.need(ADA, [("proof", "Again.")], source="sumsub", now=NOW) is None
    assert office.identity.need(BOB, [("proof", "Again.")], source="sumsub", now=NOW) is None


def test_what_is_asked_is_sealed_in_its_case(office: Office) -> None:
    case = open_person(office, ADA)
    asked = office.identity.ask(
        case.id, [("details", "Is Okafor spelt so?")], reviewer="mara", now=NOW
    )
    assert asked.needs is not None
    assert b"Okafor" not in asked.needs
    with pytest.raises(Malformed):
        office.vault.open_note(case.subject_id, "another", asked.needs)


def test_a_case_asked_after_approval_keeps_its_attestations_until_somebody_speaks(
    office: Office,
) -> None:
    case = prove(office)
    signed = office.identity.attestation(ADA, now=NOW)
    assert signed is not None
    prove(office, reference="p2", name="Somebody Else", document_number=None)
    office.identity.ask(case.id, [("details", "Who is that?")], reviewer="mara", now=NOW)
    assert isinstance(office.verify(signed, ADA, NOW), ValidAttestation)
    office.identity.revoke(ADA, reviewer="mara", reason="sold", now=NOW)
    assert isinstance(office.verify(signed, ADA, NOW), InvalidAttestation)


@pytest.mark.parametrize(
    "needs", [[], [("proof", "")], [("Proof", "x")], [("a b", "x")], [("proof", "x")] * 9]
)
def test_an_unclear_question_is_refused(office: Office, needs: list[tuple[str, str]]) -> None:
    case = open_person(office, ADA)
    with pytest.raises(Malformed):
        office.identity.ask(case.id, needs, reviewer="mara", now=NOW)


def test_the_office_answers_to_none_of_its_own_names(office: Office) -> None:
    case = open_person(office, ADA)
    for name in ("rules", "renter", "renewal", "rescreening"):
        with pytest.raises(Malformed):
            office.identity.ask(case.id, [("proof", "x")], reviewer=name, now=NOW)


# -- where a proof is required -----------------------------------------------------------------


def test_where_a_proof_is_required_a_case_waits_for_it_as_a_draft(office: Office) -> None:
    strict = again(office, require_proof=True)
    case = open_person(strict, ADA)
    assert case.state == "draft"
    assert strict.identity.pending() == []
    with pytest.raises(Conflict):
        approve(strict, case)
    proven = prove(strict)
    assert (proven.id, proven.state, proven.level) == (case.id, "approved", 3)


def test_a_withdrawn_proof_does_not_count_as_the_one_required(office: Office) -> None:
    strict = again(office, require_proof=True)
    case = prove(strict, country=0)
    strict.identity.withdraw("openid4vp", "p1", code=Code.PROOF_WITHDRAWN, now=NOW)
    case = strict.identity.amend(case.id, 1, person(), now=NOW + 1)
    assert case.state == "needs"
    assert [n.item for n in strict.identity.standing(case, now=NOW).needs] == ["proof"]


# -- time --------------------------------------------------------------------------------------


def lists_of(office: Office, now: int) -> int:
    office.lists.edition = Edition(as_of=now)
    office.store.note_wallet_proof(ADA.key, at=now)
    return now


@pytest.mark.parametrize(
    ("changes", "days"),
    [
        ({}, 730),
        ({"valid_until": NOW + 100 * DAY}, 100),
        ({"proven_at": NOW - 30 * DAY}, 700),
        ({"means": Means.PROVIDER, "level": Level.SUBSTANTIAL}, 365),
    ],
)
def test_nothing_is_renewed_past_the_day_identity_must_be_proven_again(
    office: Office, changes: dict[str, Any], days: int
) -> None:
    case = prove(office, **changes)
    due = NOW + days * DAY
    assert case.re_verify_at == due
    assert office.identity.attestation(ADA, now=lists_of(office, due - 1)) is not None
    assert office.identity.attestation(ADA, now=lists_of(office, due + DAY)) is None


def test_a_reviewers_approval_ages_too(office: Office) -> None:
    case = open_person(office, ADA)
    approve(office, case)
    due = NOW + 180 * DAY
    assert office.identity.case(case.id).re_verify_at == due
    assert office.identity.attestation(ADA, now=lists_of(office, due + DAY)) is None


def test_the_renter_is_told_thirty_days_before(office: Office) -> None:
    case = prove(office)
    due = NOW + 730 * DAY
    early = office.identity.standing(case, now=due - 30 * DAY - 1)
    near = office.identity.standing(case, now=due - 30 * DAY)
    late = office.identity.standing(case, now=due)
    assert (early.valid_until, early.re_verify_at, early.due) == (due, None, False)
    assert (near.re_verify_at, near.due) == (due, False)
    assert late.due is True


def test_a_new_proof_carries_an_approved_case_on(office: Office) -> None:
    case = prove(office)
    later = lists_of(office, NOW + 729 * DAY)
    assert office.identity.attestation(ADA, now=later) is not None
    renewed = prove(office, reference="p2", proven_at=later, now=later)
    assert (renewed.id, renewed.re_verify_at) == (case.id, later + 730 * DAY)
    past = lists_of(office, NOW + 800 * DAY)
    assert office.identity.attestation(ADA, now=past) is not None


def test_a_stronger_proof_raises_the_level_and_a_weaker_one_leaves_it(office: Office) -> None:
    approve(office, open_person(office, ADA))
    raised = prove(office)
    assert (raised.state, raised.level) == ("approved", 3)
    provider = {"means": Means.PROVIDER, "source": "sumsub", "level": Level.SUBSTANTIAL}
    assert prove(office, reference="s1", **provider) == raised


def test_an_old_proof_shown_again_shortens_nothing(office: Office) -> None:
    prove(office, proven_at=NOW - 30 * DAY)
    newer = prove(office, reference="p2", now=NOW + 1)
    assert prove(office, proven_at=NOW - 30 * DAY, now=NOW + 2) == newer


def test_another_persons_proof_on_an_approved_account_asks_a_reviewer(office: Office) -> None:
    prove(office)
    case = prove(office, reference="p2", name="Somebody Else", document_number=None)
    assert (case.state, case.reason_codes) == ("review", ("proof_mismatch",))
