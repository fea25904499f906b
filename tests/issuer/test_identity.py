"""From "who are you" to an attestation, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kycgate.audit import DecisionLog, Verified, verify_log
from kycgate.core.attestation import InvalidAttestation, ValidAttestation
from kycgate.core.claims import Kind, Level
from kycgate.errors import Code, Conflict, Malformed, NotFound, Refused, Unavailable
from kycgate.keys import LocalSigner
from kycgate.store.base import Store
from kycgate.store.records.attesting import IssuedAttestation
from kycgate.store.records.signin import UserLink
from tests.issuer.conftest import (
    DAY,
    NOW,
    POLICY,
    FewCountries,
    Lines,
    Lists,
    Office,
    account,
    an_office,
    approve,
    open_person,
    organisation,
    person,
)

ADA, BOB = account(0xADA), account(0xB0B)


# -- opening -----------------------------------------------------------------------------------


def test_a_clear_case_waits_for_a_reviewer(office: Office) -> None:
    case = open_person(office, ADA)
    assert (case.state, case.reason_codes, case.country) == ("submitted", (), 250)
    assert office.identity.pending() == [case]
    assert office.identity.attestation(ADA, now=NOW) is None


def test_a_wrong_form_leaves_nothing_behind(office: Office) -> None:
    with pytest.raises(Malformed):
        office.identity.open_case(ADA, 1, {"name": "Ada"}, refusal_id=None, now=NOW)
    assert office.store.subject_of(ADA.key) is None
    assert office.log.entries == []


@pytest.mark.parametrize("kind", [0, 3, "1", True, None])
def test_an_unknown_kind_is_refused(office: Office, kind: Any) -> None:
    with pytest.raises(Malformed) as refused:
        office.identity.open_case(ADA, kind, person(), refusal_id=None, now=NOW)
    assert refused.value.field == "kind"


def test_a_draft_takes_new_details_until_it_is_submitted(office: Office) -> None:
    identity = office.identity
    first = identity.draft(ADA, 1, person("Ada"), refusal_id="r1", now=NOW)
    second = identity.draft(ADA, 2, organisation(), refusal_id=None, now=NOW)
    assert (first.id, first.state) == (second.id, "draft")
    case = identity.submit(first.id, now=NOW)
    assert (case.kind, case.country, case.refusal_id) == (2, 702, "r1")
    view = identity.case_view(case.id, reader="mara", now=NOW)
    assert view["details"] == organisation()
    with pytest.raises(Conflict):
        identity.submit(case.id, now=NOW)


def test_one_account_has_one_open_case(office: Office) -> None:
    case = open_person(office, ADA)
    with pytest.raises(Conflict):
        open_person(office, ADA)
    approve(office, case)
    with pytest.raises(Conflict):
        open_person(office, ADA)


def test_an_unknown_parent_sends_the_case_to_review(office: Office) -> None:
    form = organisation(parent={"name": "Open End Ltd", "country": "US"})
    case = office.identity.open_case(ADA, 2, form, refusal_id=None, now=NOW)
    assert case.state == "review"
    assert case.reason_codes == ("ultimate_country_unknown",)
    assert case.ultimate_country == 0


# -- approving ---------------------------------------------------------------------------------


def test_approval_issues_an_attestation_with_exactly_these_claims(office: Office) -> None:
    form = organisation(parent={"name": "Shenzhen Parent Co", "country": "CN", "parent": None})
    case = office.identity.open_case(ADA, 2, form, refusal_id=None, now=NOW)
    signed = approve(office, case, now=NOW + 60)
    valid = office.verify(signed, ADA, NOW + 60)
    assert isinstance(valid, ValidAttestation)
    claims = valid.claims
    assert (claims.kind, claims.level) == (Kind.ORGANISATION, Level.LOW)
    assert (claims.country, claims.ultimate_country) == (702, 156)
    assert claims.verified_at == NOW - NOW % DAY
    assert claims.screened_at == NOW + 60
    assert (claims.epoch, claims.policy) == (0, POLICY)
    assert valid.expires_at - valid.time == DAY
    assert valid.issuer == office.signer.address
    subject = office.store.subject_of(ADA.key)
    assert subject is not None
    assert claims.subject == subject.pseudonym


def test_a_reviewer_can_give_level_two_but_never_three(office: Office) -> None:
    case = open_person(office, ADA)
    for level in (0, 3, "2", True):
        with pytest.raises(Malformed) as refused:
            approve(office, case, level=level)
        assert refused.value.field == "level"
    valid = office.verify(approve(office, case, level=2), ADA, NOW)
    assert isinstance(valid, ValidAttestation)
    assert valid.claims.level is Level.SUBSTANTIAL


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ({"reason": ""}, "reason"),
        ({"reason": "x" * 2001}, "reason"),
        ({"reason": "fine\x1b[2J"}, "reason"),
        ({"reviewer": ""}, "reviewer"),
        ({"reviewer": "mara\nbob"}, "reviewer"),
        ({"reviewer": "renewal"}, "reviewer"),
        ({"reviewer": "renter"}, "reviewer"),
    ],
)
def test_a_decision_needs_a_reviewer_and_a_reason(
    office: Office, words: dict[str, Any], field: str
) -> None:
    case = open_person(office, ADA)
    with pytest.raises(Malformed) as refused:
        approve(office, case, **words)
    assert refused.value.field == field
    assert office.identity.case(case.id).state == "submitted"


def test_every_account_of_the_subject_is_attested(office: Office) -> None:
    case = open_person(office, ADA)
    office.store.link_account(BOB.key, case.subject_id, at=NOW)
    _, issued = office.identity.approve(case.id, reviewer="mara", reason="seen", now=NOW)
    assert {each.attestation.recipient for each in issued} == {ADA.address, BOB.address}
    assert all(
        isinstance(office.verify(signed, who, NOW), ValidAttestation)
        for signed, who in zip(issued, (ADA, BOB), strict=True)
    )
    assert office.identity.attestation(BOB, now=NOW) is not None


def test_two_attestations_of_one_subject_share_no_salt_and_no_commitment(office: Office) -> None:
    case = open_person(office, ADA)
    office.store.link_account(BOB.key, case.subject_id, at=NOW)
    case, issued = office.identity.approve(case.id, reviewer="mara", reason="seen", now=NOW)
    first, second = (office.verify(s, w, NOW) for s, w in zip(issued, (ADA, BOB), strict=True))
    assert isinstance(first, ValidAttestation)
    assert isinstance(second, ValidAttestation)
    assert first.claims.evidence != second.claims.evidence
    assert issued[0].attestation.salt != issued[1].attestation.salt
    again = office.issuer.commitment(case, issued[0].attestation.salt, at=first.time)
    assert again == first.claims.evidence


def test_a_commitment_covers_every_piece_of_evidence(office: Office) -> None:
    case = open_person(office, ADA)
    signed = approve(office, case)
    salt = signed.attestation.salt
    before = office.issuer.commitment(case, salt, at=NOW)
    extra = office.vault.seal(case.subject_id, "details", person("Eve"), case_id=case.id, now=NOW)
    office.store.add_evidence(extra)
    assert office.issuer.commitment(case, salt, at=NOW) != before


def test_nothing_is_approved_with_old_lists(office: Office) -> None:
    case = open_person(office, ADA)
    later = NOW + 4 * DAY
    with pytest.raises(Unavailable) as refused:
        approve(office, case, now=later)
    assert refused.value.code is Code.SCREENING_STALE
    assert office.identity.attestation(ADA, now=later) is None


def test_an_unwritable_log_signs_nothing(store: Store, office: Office) -> None:
    case = open_person(office, ADA)

    class Full(Lines):
        def append(self, kind: str, body: dict[str, Any], *, now: int) -> None:
            if kind in ("case_approved", "attestation_issued"):
                raise Unavailable("disk full")

    full = an_office(store, Full(), Lists(), FewCountries())
    with pytest.raises(Unavailable):
        approve(full, case)
    assert full.identity.case(case.id).state == "submitted"
    assert store.current_attestation(ADA.key, now=NOW) is None


def test_an_approval_cut_short_is_completed_by_the_next_visit(office: Office, store: Store) -> None:
    case = open_person(office, ADA)

    class Dying:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def add_attestation(self, attestation: IssuedAttestation) -> None:
            raise Unavailable("the process was killed")

    dying: Any = Dying()
    with pytest.raises(Unavailable):
        approve(an_office(dying, office.log, office.lists, FewCountries()), case)
    signed = office.identity.attestation(ADA, now=NOW + 5)
    assert signed is not None
    assert isinstance(office.verify(signed, ADA, NOW + 5), ValidAttestation)


def test_the_longest_waiting_case_is_never_cut_off_the_list(office: Office) -> None:
    opened = [open_person(office, account(number), now=NOW + number) for number in (1, 2, 3)]
    assert office.identity.pending(limit=2) == opened[:2]


# -- hits --------------------------------------------------------------------------------------


def test_a_listed_wallet_is_never_approved(office: Office) -> None:
    office.lists.wallets.add(ADA.address)
    case = open_person(office, ADA)
    assert (case.state, case.reason_codes) == ("review", ("screening_hit_wallet",))
    for despite in (None, "it is a mistake"):
        with pytest.raises(Refused) as refused:
            approve(office, case, despite_hit=despite)
        assert refused.value.code is Code.SCREENING_HIT_WALLET
    assert office.identity.attestation(ADA, now=NOW) is None


def test_any_listed_wallet_of_the_subject_stops_all_of_them(office: Office) -> None:
    case = open_person(office, ADA)
    office.store.link_account(BOB.key, case.subject_id, at=NOW)
    office.lists.wallets.add(BOB.address)
    with pytest.raises(Refused):
        approve(office, case, despite_hit="no")
    assert office.identity.case(case.id).state == "review"


@pytest.mark.parametrize("role", ["subject", "parent", "parent.parent", "representative"])
def test_every_name_in_a_case_is_screened(office: Office, role: str) -> None:
    parent = {"name": "P", "country": "AE", "parent": {"name": "PP", "country": "US"}}
    names = {"parent": "P", "parent.parent": "PP", "representative": "Tan Wei Ling"}
    office.lists.names = {names.get(role, "Merlion Compute Pte. Ltd."): "e7"}
    form = organisation(parent=parent)
    case = office.identity.open_case(ADA, 2, form, refusal_id=None, now=NOW)
    assert case.state == "review"
    assert "screening_hit_name" in case.reason_codes
    (screening,) = office.identity.case_view(case.id, reader="mara", now=NOW)["screenings"]
    assert [(each["role"], each["entry"]) for each in screening["findings"]] == [(role, "e7")]


def test_a_name_listed_since_submission_is_found_at_approval(office: Office) -> None:
    case = open_person(office, ADA)
    office.lists.names["Ada Okafor"] = "e7"
    with pytest.raises(Refused) as refused:
        approve(office, case)
    assert refused.value.code is Code.SCREENING_HIT_NAME
    assert "Okafor" not in refused.value.message
    assert office.identity.case(case.id).reason_codes == ("screening_hit_name",)


def test_a_name_hit_is_passed_over_only_with_a_logged_reason(office: Office) -> None:
    office.lists.names["Ada Okafor"] = "e7"
    case = open_person(office, ADA)
    with pytest.raises(Malformed):
        approve(office, case, despite_hit=" ")
    signed = approve(office, case, despite_hit="born 1990, the listed one 1952")
    assert isinstance(office.verify(signed, ADA, NOW), ValidAttestation)
    (entry,) = office.log.of("case_approved")
    assert entry["reason_codes"] == ["screening_hit_name"]
    view = office.identity.case_view(case.id, reader="mara", now=NOW)
    assert view["decisions"][-1]["despite_hit"] == "born 1990, the listed one 1952"
    assert view["decisions"][-1]["cleared"] == [["TEST", "e7", "ADA OKAFOR"]]


# -- refusing, revoking, trying again ----------------------------------------------------------


def test_a_refused_renter_may_try_again_in_a_new_case(office: Office) -> None:
    first = open_person(office, ADA)
    refused = office.identity.refuse(first.id, reviewer="mara", reason="blurred", now=NOW)
    assert (refused.state, refused.reason_codes) == ("refused", ("case_refused",))
    second = open_person(office, ADA, now=NOW + 5)
    assert second.id != first.id
    assert second.subject_id == first.subject_id
    assert office.identity.case(first.id).state == "refused"


def test_a_verified_person_cannot_come_back_as_an_organisation(office: Office) -> None:
    approve(office, open_person(office, ADA))
    office.identity.revoke(ADA, reviewer="mara", reason="sold the wallet", now=NOW)
    with pytest.raises(Conflict):
        office.identity.open_case(ADA, 2, organisation(), refusal_id=None, now=NOW)


def test_revocation_voids_every_account_at_once(office: Office) -> None:
    case = open_person(office, ADA)
    office.store.link_account(BOB.key, case.subject_id, at=NOW)
    _, issued = office.identity.approve(case.id, reviewer="mara", reason="seen", now=NOW)
    revoked = office.identity.revoke(BOB, reviewer="mara", reason="fraud", now=NOW + 9)
    assert (revoked.id, revoked.state) == (case.id, "revoked")
    for signed, who in zip(issued, (ADA, BOB), strict=True):
        verdict = office.verify(signed, who, NOW + 9)
        assert isinstance(verdict, InvalidAttestation)
        assert verdict.reason.code is Code.REVOKED_EPOCH
        assert office.identity.attestation(who, now=NOW + 9) is None
        assert office.store.epoch(who.key) == 1


def test_revocation_sends_the_revoked_epoch_to_the_chain_and_stops_jobs(office: Office) -> None:
    case = open_person(office, ADA)
    approve(office, case)
    office.identity.revoke(case.subject_id, reviewer="mara", reason="fraud", now=NOW)
    published = [item.payload for item in office.store.due("revoke_onchain", now=NOW)]
    stopped = [item.payload for item in office.store.due("stop_jobs", now=NOW)]
    assert published == [{"account": ADA.key, "epoch": 0}]
    assert stopped == [{"account": ADA.key}]
    assert [entry["case"] for entry in office.log.of("case_revoked")] == [case.id]


def test_revocation_names_the_users_who_place_or_placed_work_as_the_account(
    office: Office,
) -> None:
    """A link that its renter ended just before counts for what was started under it."""
    case = open_person(office, ADA)
    approve(office, case)
    for n, user in enumerate(("ann", "ann2", "ann", "")):
        office.store.add_user_code(UserLink(f"l{n}", ADA.key, b"%d" % n * 32, NOW + 900, NOW + n))
        if user:
            office.store.claim_user_code(
                b"%d" % n * 32, scheduler="main", user=user, expires_at=NOW + DAY, now=NOW + n
            )
    office.store.end_user_link(ADA.key, "l2", at=NOW + 5)
    office.identity.revoke(case.subject_id, reviewer="mara", reason="fraud", now=NOW + 9)
    (order,) = office.store.due("stop_runs", now=NOW + 9)
    users = [["main", "ann", NOW + 5], ["main", "ann2", NOW + DAY]]
    assert order.payload == {"account": ADA.key, "users": users}


def test_who_was_linked_to_no_scheduler_has_no_runs_to_stop(office: Office) -> None:
    approve(office, open_person(office, ADA))
    office.identity.revoke(ADA, reviewer="mara", reason="fraud", now=NOW)
    assert office.store.due("stop_runs", now=NOW) == []


def test_after_revocation_a_new_approval_stands_under_the_next_epoch(office: Office) -> None:
    old = approve(office, open_person(office, ADA))
    office.identity.revoke(ADA, reviewer="mara", reason="mistake", now=NOW)
    new = approve(office, open_person(office, ADA, now=NOW + 1), now=NOW + 1)
    valid = office.verify(new, ADA, NOW + 1)
    assert isinstance(valid, ValidAttestation)
    assert valid.claims.epoch == 1
    assert isinstance(office.verify(old, ADA, NOW + 1), InvalidAttestation)


def test_what_was_never_approved_cannot_be_revoked(office: Office) -> None:
    with pytest.raises(NotFound):
        office.identity.revoke(ADA, reviewer="mara", reason="?", now=NOW)
    open_person(office, ADA)
    with pytest.raises(Conflict):
        office.identity.revoke(ADA, reviewer="mara", reason="?", now=NOW)
    assert office.store.epoch(ADA.key) == 0


def test_a_second_revocation_is_a_conflict(office: Office) -> None:
    approve(office, open_person(office, ADA))
    office.identity.revoke(ADA, reviewer="mara", reason="fraud", now=NOW)
    with pytest.raises(Conflict):
        office.identity.revoke(ADA, reviewer="mara", reason="fraud", now=NOW)
    assert office.store.epoch(ADA.key) == 1


def test_a_revocation_cut_short_is_finished_by_repeating_it(office: Office, store: Store) -> None:
    case = open_person(office, ADA)
    signed = approve(office, case)

    class Dying:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def revoke_account(self, account: str, *, at: int, reason: str) -> int:
            raise Unavailable("the process was killed")

    dying: Any = Dying()
    with pytest.raises(Unavailable):
        an_office(dying, Lines(), Lists(), FewCountries()).identity.revoke(
            ADA, reviewer="mara", reason="fraud", now=NOW
        )
    assert office.identity.attestation(ADA, now=NOW) is None
    office.identity.revoke(ADA, reviewer="mara", reason="fraud", now=NOW)
    assert isinstance(office.verify(signed, ADA, NOW), InvalidAttestation)


# -- what is known, and to whom ----------------------------------------------------------------


def test_no_name_stands_in_the_database_the_log_or_an_error(database: Path, store: Store) -> None:
    log = DecisionLog(store, LocalSigner(b"\x33" * 32))
    office = an_office(store, log, Lists(), FewCountries())
    secrets = ["Quillon", "Zhenhua", "Brightwater", "201912345K", "1987-06-05", "Marigold"]
    office.lists.names = {"Zhenhua Holdings": "e9"}
    form = organisation(
        name="Brightwater Compute Ltd",
        parent={"name": "Zhenhua Holdings", "country": "CN", "parent": None},
        representative={"name": "Perpetua Quillon"},
    )
    case = office.identity.open_case(ADA, 2, form, refusal_id=None, now=NOW)
    errors = []
    try:
        approve(office, case)
    except Refused as refused:
        errors.append(str(refused) + str(refused.reasons))
    approve(office, case, reason="Perpetua Quillon called", despite_hit="Zhenhua is another")
    office.identity.revoke(ADA, reviewer="mara", reason="Quillon asked", now=NOW)
    other = {"name": "Marigold Zhenhua", "country": "FR", "birth_date": "1987-06-05"}
    office.identity.open_case(BOB, 1, other, refusal_id=None, now=NOW)
    office.identity.case_view(case.id, reader="mara", now=NOW)
    entries = store.log_entries()
    assert isinstance(verify_log(entries), Verified)
    store.close()
    files = b"".join(path.read_bytes() for path in database.parent.iterdir())
    told = str(entries) + str(errors)
    assert errors
    assert len(files) > 10_000
    for secret in secrets:
        assert secret.encode() not in files
        assert secret.encode().lower() not in files.lower()
        assert secret.encode("utf-16-le") not in files
        assert secret.lower() not in told.lower()


def test_the_view_shows_a_tired_reviewer_everything_and_logs_each_opening(office: Office) -> None:
    case = open_person(office, ADA)
    approve(office, case)
    office.log.entries.clear()
    view = office.identity.case_view(case.id, reader="noor", now=NOW)
    assert view["details"]["name"] == "Ada Okafor"
    assert [event["to"] for event in view["history"]] == ["draft", "submitted", "approved"]
    assert view["attestations"][0]["expires_at"] == NOW + DAY
    kept = {each.id for each in office.store.evidence_of(case.id)}
    read = office.log.of("evidence_read")
    assert {entry["evidence"] for entry in read} == kept
    assert {entry["reader"] for entry in read} == {"noor"}


def test_evidence_of_a_kind_unknown_here_is_shown_too(office: Office) -> None:
    case = open_person(office, ADA)
    found = {"provider": "sumsub", "result": "green"}
    office.store.add_evidence(
        office.vault.seal(case.subject_id, "provider", found, case_id=case.id, now=NOW)
    )
    view = office.identity.case_view(case.id, reader="noor", now=NOW)
    assert view["evidence"] == {"provider": [found]}


def test_an_erased_subject_has_nothing_to_show_and_is_not_renewed(office: Office) -> None:
    case = open_person(office, ADA)
    approve(office, case)
    office.vault.shred(case.subject_id, now=NOW)
    view = office.identity.case_view(case.id, reader="noor", now=NOW)
    assert (view["erased"], view["details"], view["decisions"]) == (True, None, [])
    office.lists.edition = type(office.lists.edition)(as_of=NOW + DAY)
    assert office.identity.attestation(ADA, now=NOW + DAY) is None
