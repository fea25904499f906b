"""People are forgotten when they ask or their time is over, and never while the law forbids it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kycgate.audit import DecisionLog, Verified, verify_log
from kycgate.core.attestation import InvalidAttestation
from kycgate.core.claims import Account
from kycgate.errors import Conflict, Malformed, NotFound
from kycgate.issuer.portability import Portability
from kycgate.issuer.retention import Duty, Retention, RetentionRules
from kycgate.keys import LocalSigner
from kycgate.store.base import Store
from kycgate.store.records.attesting import Standing
from kycgate.store.records.jobs import DecisionFacts, Job
from kycgate.store.records.signin import Key, UserLink
from kycgate.store.records.visits import Presentation, Verification
from tests.issuer.conftest import (
    DAY,
    NOW,
    Edition,
    FewCountries,
    Lists,
    Office,
    account,
    an_office,
    open_person,
    organisation,
)
from tests.issuer.pictures import a_jpeg
from tests.issuer.proofs import a_proof

ADA, BOB = account(0xADA), account(0xB0B)
RULES = RetentionRules(Duty(10, "the default"), {702: Duty(5, "CDSA s. 45")}, draft_days=90)


@dataclass
class Archive:
    """The calendar over an identity office."""

    office: Office
    calendar: Retention

    def rent(self, who: Account, at: int, number: int = 1) -> None:
        job = Job(
            number.to_bytes(32, "big"), who.key, number.to_bytes(32, "big"), None, "decided",
            "d", b"{}", at, at,
        )  # fmt: skip
        self.office.store.begin_job(job, repeat_window_s=1)

    def subject(self, who: Account = ADA) -> str:
        found = self.office.store.subject_of(who.key)
        assert found is not None
        return found.id


def an_archive(office: Office) -> Archive:
    calendar = Retention(
        office.store, vault=office.vault, book=office.identity.book, log=office.log, rules=RULES
    )
    return Archive(office, calendar)


@pytest.fixture
def archive(office: Office) -> Archive:
    return an_archive(office)


def approved(archive: Archive, who: Account = ADA, **changes: Any) -> str:
    """A renter with an attestation; returns the case's id."""
    archive.office.store.note_wallet_proof(who.key, at=NOW)
    return archive.office.identity.prove(who, a_proof(**changes), now=NOW).id


def years(at: int, count: int) -> int:
    then = datetime.fromtimestamp(at, UTC)
    return int(then.replace(year=then.year + count).timestamp())


# -- erasure -----------------------------------------------------------------------------------


def test_a_draft_that_led_to_nothing_is_erased_at_once(archive: Archive) -> None:
    case = archive.office.identity.draft(
        ADA, 1, {"name": "Ada", "country": "FR"}, refusal_id=None, now=NOW
    )
    archive.office.identity.add_picture(ADA, "front", a_jpeg(), now=NOW)
    assert archive.calendar.erase(ADA, now=NOW + 1).until is None
    store = archive.office.store
    assert store.subject_of(ADA.key) is None
    assert store.blobs_of(case.id) == []
    view = archive.office.identity.case_view(case.id, reader="mara", now=NOW + 2)
    assert (view["erased"], view["details"], view["state"]) == (True, None, "closed")
    with pytest.raises(NotFound):
        archive.calendar.erase(ADA, now=NOW + 3)


def test_an_approved_renter_who_never_rented_is_erased_and_no_longer_attested(
    archive: Archive,
) -> None:
    approved(archive)
    signed = archive.office.identity.attestation(ADA, now=NOW)
    assert signed is not None
    key = Key("k1", b"k" * 32, ADA.key, "cli", ("rent",), "kg_", NOW, NOW + DAY)
    archive.office.store.add_key(key)
    archive.office.store.set_upstream_key(ADA.key, b"sealed")
    archive.office.store.add_user_code(UserLink("l1", ADA.key, b"c" * 32, NOW + DAY, NOW))
    archive.office.store.claim_user_code(
        b"c" * 32, scheduler="main", user="ada", expires_at=NOW + DAY, now=NOW
    )
    assert archive.calendar.erase(ADA, now=NOW + 1).until is None
    assert isinstance(archive.office.verify(signed, ADA, NOW + 1), InvalidAttestation)
    assert archive.office.identity.attestation(ADA, now=NOW + 1) is None
    assert archive.office.store.keys_of(ADA.key)[0].revoked_at == NOW + 1
    assert archive.office.store.upstream_key(ADA.key) is None
    assert archive.office.store.linked_user("main", "ada", now=NOW + 1) is None
    assert archive.office.store.user_links_of(ADA.key) == []
    assert len(archive.office.store.due("stop_jobs", now=NOW + 1)) == 1
    (runs,) = archive.office.store.due("stop_runs", now=NOW + 1)
    assert runs.payload["users"] == [["main", "ada", NOW + DAY]]


def a_visit(archive: Archive, number: int, who: Account = ADA) -> Verification:
    """A check with a hosted provider, begun and known there under a name of its own."""
    visit = Verification(
        f"{number:032x}", who.key, "stripe", "vs_1", "open", NOW, NOW + DAY, 0, NOW + 60
    )
    assert archive.office.store.begin_verification(visit, since=0, most=9, most_of_all=9) == visit
    return visit


def test_checks_with_providers_are_forgotten_with_the_renter(archive: Archive) -> None:
    approved(archive)
    visit = a_visit(archive, 1)
    archive.calendar.erase(ADA, now=NOW + 1)
    left = archive.office.store.verification(visit.id)
    assert left is not None
    assert (left.account, left.reference, left.poll_at) == ("", "", None)


def test_a_check_begun_before_any_case_is_forgotten_on_request(archive: Archive) -> None:
    visit = a_visit(archive, 1)
    assert archive.calendar.erase(ADA, now=NOW + 1).until is None
    left = archive.office.store.verification(visit.id)
    assert left is not None
    assert left.account == ""
    with pytest.raises(NotFound):
        archive.calendar.erase(ADA, now=NOW + 2)


def test_a_restricted_renters_checks_stay_until_the_law_lets_them_go(archive: Archive) -> None:
    approved(archive)
    visit = a_visit(archive, 1)
    archive.rent(ADA, NOW)
    assert archive.calendar.erase(ADA, now=NOW + 1).until is not None
    left = archive.office.store.verification(visit.id)
    assert left is not None
    assert left.account == ADA.key


def test_an_erased_person_may_start_anew(archive: Archive) -> None:
    first = approved(archive)
    archive.calendar.erase(ADA, now=NOW + 1)
    second = archive.office.identity.prove(ADA, a_proof("p2"), now=NOW + 2)
    assert second.id != first
    assert (second.state, archive.office.identity.attestation(ADA, now=NOW + 2) is None) == (
        "approved",
        False,
    )


def test_a_renter_who_rented_is_restricted_for_ten_years_and_shredded_then(
    archive: Archive,
) -> None:
    case = approved(archive)
    archive.rent(ADA, NOW + DAY)
    found = archive.calendar.erase(ADA, now=NOW + 2 * DAY)
    end = years(NOW + DAY, 10)
    assert (found.until, found.why) == (end, ("retention",))
    assert archive.office.identity.attestation(ADA, now=NOW + 2 * DAY) is None
    assert archive.calendar.run(now=end - 1) == []
    (gone,) = archive.calendar.run(now=end)
    assert gone.due_at <= end
    assert archive.office.identity.book.erased(archive.office.identity.case(case))
    assert archive.office.store.subject_of(ADA.key) is None


def test_restricted_data_is_read_only_under_the_name_of_what_keeps_it(archive: Archive) -> None:
    case = approved(archive)
    archive.rent(ADA, NOW)
    archive.calendar.erase(ADA, now=NOW)
    identity = archive.office.identity
    for hold in (None, "", "police", "0" * 12):
        with pytest.raises(Conflict):
            identity.case_view(case, reader="mara", now=NOW, hold=hold)
    view = identity.case_view(case, reader="mara", now=NOW, hold="retention")
    assert view["details"]["name"] == "Ada Okafor"
    assert archive.office.log.of("evidence_read")[-1]["hold"] == "retention"
    told = archive.office.vault.open_many(
        archive.office.store.evidence_of(case), reader="rescreening", now=NOW
    )
    assert set(map(type, told)) == {type(None)}
    with pytest.raises(Conflict):
        portability(archive).export(ADA, now=NOW)


def test_a_restricted_renter_opens_no_new_case(archive: Archive) -> None:
    approved(archive)
    archive.rent(ADA, NOW)
    archive.calendar.erase(ADA, now=NOW)
    with pytest.raises(Conflict):
        open_person(archive.office, ADA, now=NOW + 1)
    with pytest.raises(Conflict):
        archive.office.identity.prove(ADA, a_proof("p2"), now=NOW + 1)


def test_the_law_of_the_renters_country_says_how_long(archive: Archive) -> None:
    identity = archive.office.identity
    identity.open_case(ADA, 2, organisation(), refusal_id=None, now=NOW)
    archive.rent(ADA, NOW)
    assert archive.calendar.erase(ADA, now=NOW).until == years(NOW, 5)


@pytest.mark.parametrize("state", ["refused", "review"])
def test_nobody_erases_their_way_out_of_a_persons_decision(archive: Archive, state: str) -> None:
    office = archive.office
    case = open_person(office, ADA)
    if state == "refused":
        office.identity.refuse(case.id, reviewer="mara", reason="forged", now=NOW)
    else:
        office.identity.prove(ADA, a_proof(name="Eve Stranger"), now=NOW)
    found = archive.calendar.erase(ADA, now=NOW + 5)
    assert found.until is not None
    assert found.until > years(NOW, 9)
    again = archive.calendar.erase(ADA, now=NOW + DAY)
    assert again.until == found.until
    office.identity.prove(BOB, a_proof("p9", name="Eve Stranger"), now=NOW + DAY)
    if state == "review":
        assert office.identity.pending()[-1].reason_codes == ("document_shared",)


def test_an_erasure_cut_short_is_completed_by_its_repetition(
    archive: Archive, store: Store
) -> None:
    approved(archive)

    class Dying:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def unlink_accounts(self, subject_id: str) -> None:
            raise Conflict("the process was killed")

    dying: Any = Dying()
    with pytest.raises(Conflict):
        an_archive(
            an_office(dying, archive.office.log, archive.office.lists, FewCountries())
        ).calendar.erase(ADA, now=NOW + 1)
    assert archive.office.identity.attestation(ADA, now=NOW + 1) is None
    assert archive.calendar.erase(ADA, now=NOW + 2).until is None
    assert archive.office.store.subject_of(ADA.key) is None


def test_the_decision_log_verifies_after_somebody_was_shredded(
    store: Store, database: Path
) -> None:
    log = DecisionLog(store, LocalSigner(b"\x33" * 32))
    archive = an_archive(an_office(store, log, Lists(), FewCountries()))
    case = approved(archive)
    archive.office.identity.need(ADA, [("proof", "x")], source="sumsub", now=NOW)
    before = store.log_entries()
    archive.calendar.erase(ADA, now=NOW + 1)
    after = store.log_entries()
    assert after[: len(before)] == before
    assert isinstance(verify_log(after), Verified)
    sealed = store.evidence_of(case)
    assert sealed
    with pytest.raises(NotFound):
        archive.office.vault.open(sealed[0], reader="mara", now=NOW + 2)


# -- holds -------------------------------------------------------------------------------------


def test_a_hold_keeps_what_would_be_erased_and_is_named_to_read_it(archive: Archive) -> None:
    case, until = approved(archive), NOW + 100 * DAY
    hold = archive.calendar.hold(case, until=until, reason="order 17/2026", by="mara", now=NOW)
    assert b"order" not in hold.reason
    assert archive.calendar.holds(case, now=NOW)[0][1] == "order 17/2026"
    found = archive.calendar.erase(ADA, now=NOW + 1)
    assert (found.until, found.why) == (until, (hold.id,))
    view = archive.office.identity.case_view(case, reader="mara", now=NOW + 2, hold=hold.id)
    assert view["details"]["name"] == "Ada Okafor"
    assert archive.calendar.run(now=until - 1) == []
    assert len(archive.calendar.run(now=until)) == 1


def test_a_hold_placed_after_the_request_moves_the_date(archive: Archive) -> None:
    case = approved(archive)
    archive.rent(ADA, NOW)
    first = archive.calendar.erase(ADA, now=NOW).until
    assert first is not None
    later = first + 50 * DAY
    archive.calendar.hold(case, until=later, reason="a suit", by="mara", now=NOW + 1)
    assert archive.calendar.run(now=first) == []
    assert len(archive.calendar.run(now=later)) == 1


def test_a_released_hold_keeps_and_opens_nothing(archive: Archive) -> None:
    case = approved(archive)
    hold = archive.calendar.hold(case, until=NOW + DAY, reason="a suit", by="mara", now=NOW)
    archive.calendar.erase(ADA, now=NOW)
    archive.calendar.release(hold.id, case, by="noor", now=NOW + 1)
    with pytest.raises(Conflict):
        archive.office.identity.case_view(case, reader="mara", now=NOW + 2, hold=hold.id)
    assert len(archive.calendar.run(now=NOW + 2)) == 1
    assert [entry["reviewer"] for entry in archive.office.log.of("hold_released")] == ["noor"]


def test_a_hold_of_nobody_or_of_the_past_is_refused(archive: Archive) -> None:
    case = approved(archive)
    with pytest.raises(NotFound):
        archive.calendar.hold("nobody", until=NOW + 1, reason="x1", by="mara", now=NOW)
    with pytest.raises(Malformed):
        archive.calendar.hold(case, until=NOW, reason="x1", by="mara", now=NOW)
    with pytest.raises(Malformed):
        archive.calendar.hold(case, until=NOW + 1, reason="x1", by="retention\n", now=NOW)


# -- the calendar ------------------------------------------------------------------------------


def test_the_calendar_forgets_drafts_after_weeks_and_the_rest_after_years(
    archive: Archive,
) -> None:
    identity = archive.office.identity
    identity.draft(ADA, 1, {"name": "Ada", "country": "FR"}, refusal_id=None, now=NOW)
    approved(archive, BOB)
    draft, kept = archive.subject(ADA), archive.subject(BOB)
    assert list(archive.calendar.due(NOW + 90 * DAY - 1)) == []
    assert [each.subject_id for each in archive.calendar.run(now=NOW + 90 * DAY)] == [draft]
    archive.office.lists.edition = Edition(as_of=NOW + 3650 * DAY)
    assert list(archive.calendar.due(years(NOW, 10) - 1)) == []
    assert [each.subject_id for each in archive.calendar.run(now=years(NOW, 10))] == [kept]


def test_the_calendar_runs_once_an_hour(archive: Archive) -> None:
    archive.office.identity.draft(
        ADA, 1, {"name": "Ada", "country": "FR"}, refusal_id=None, now=NOW
    )
    due = NOW + 90 * DAY
    archive.calendar.tick(due - 1800)
    archive.calendar.tick(due)
    assert archive.office.store.subject_of(ADA.key) is not None
    archive.calendar.tick(due + 1800)
    assert archive.office.store.subject_of(ADA.key) is None


def test_a_dry_run_changes_nothing(archive: Archive) -> None:
    archive.office.identity.draft(
        ADA, 1, {"name": "Ada", "country": "FR"}, refusal_id=None, now=NOW
    )
    entries = len(archive.office.log.entries)
    for _ in range(2):
        assert len(list(archive.calendar.due(NOW + 91 * DAY))) == 1
    assert len(archive.office.log.entries) == entries
    assert archive.office.store.subject_of(ADA.key) is not None


def test_whoever_is_attested_is_never_forgotten_by_the_calendar(archive: Archive) -> None:
    approved(archive)
    assert archive.office.identity.attestation(ADA, now=NOW) is not None
    assert list(archive.calendar.due(NOW + 3600)) == []


def test_a_long_rental_counts_to_its_end(archive: Archive) -> None:
    from dataclasses import replace

    from tests.store.samples import RENTAL

    approved(archive)
    archive.rent(ADA, NOW)
    rental = replace(RENTAL, job=(1).to_bytes(32, "big"), end=NOW + 400 * DAY)
    archive.office.store.put_rentals([rental])
    assert archive.calendar.erase(ADA, now=NOW).until == years(NOW + 400 * DAY, 10)


# -- facts of decisions, standings of owners -----------------------------------------------------


def facts(archive: Archive, at: int) -> str:
    name = f"decision-{at}"
    archive.office.store.add_facts(DecisionFacts(name, at, b"{}"))
    return name


def test_facts_of_decisions_go_after_the_longest_duty_and_not_before(archive: Archive) -> None:
    old, young = facts(archive, NOW), facts(archive, NOW + 1)
    archive.calendar.run(now=years(NOW, 10))
    assert archive.office.store.facts(old) is not None
    archive.calendar.run(now=years(NOW, 10) + 1)
    assert archive.office.store.facts(old) is None
    assert archive.office.store.facts(young) is not None


def test_facts_stay_while_records_of_anybody_of_that_time_are_kept(archive: Archive) -> None:
    before, since = facts(archive, NOW - DAY), facts(archive, NOW + DAY)
    case = approved(archive)
    archive.calendar.hold(case, until=years(NOW, 20), reason="a court", by="mara", now=NOW)
    archive.office.lists.edition = Edition(as_of=years(NOW, 20))
    archive.calendar.run(now=years(NOW, 15))
    assert archive.office.store.facts(before) is None
    assert archive.office.store.facts(since) is not None
    archive.calendar.run(now=years(NOW, 20) + DAY)
    assert archive.office.store.facts(since) is None


def test_an_erasure_drops_what_rules_knew_of_the_owners(archive: Archive) -> None:
    store = archive.office.store
    case = archive.office.identity.draft(
        ADA, 1, {"name": "Ada", "country": "FR"}, refusal_id=None, now=NOW
    )
    other = archive.office.identity.draft(
        BOB, 1, {"name": "Bob", "country": "FR"}, refusal_id=None, now=NOW
    )
    for each in (case, other):
        store.put_standing(Standing(each.id, NOW, b'{"share":"26"}'))
    assert archive.calendar.erase(ADA, now=NOW + 1).until is None
    assert store.standing(case.id) is None
    assert store.standing(other.id) is not None


def test_a_restricted_renters_owners_stay_known_until_the_law_lets_them_go(
    archive: Archive,
) -> None:
    case, store = approved(archive), archive.office.store
    store.put_standing(Standing(case, NOW, b'{"share":"26"}'))
    archive.rent(ADA, NOW)
    until = archive.calendar.erase(ADA, now=NOW).until
    assert until is not None
    assert store.standing(case) is not None
    archive.calendar.run(now=until)
    assert store.standing(case) is None


# -- a copy ------------------------------------------------------------------------------------


def portability(archive: Archive) -> Portability:
    office = archive.office
    return Portability(office.store, vault=office.vault, book=office.identity.book)


def test_a_copy_holds_what_is_the_renters_and_no_hit_or_word_of_a_reviewer(
    archive: Archive,
) -> None:
    office = archive.office
    office.lists.names["Ada Okafor"] = "entry-77"
    case = open_person(office, ADA)
    office.identity.prove(ADA, a_proof(), now=NOW)
    office.identity.add_picture(ADA, "front", a_jpeg(), now=NOW)
    office.identity.refuse(case.id, reviewer="mara", reason="she is listed", now=NOW)
    office.log.entries.clear()
    copy = portability(archive).export(ADA, now=NOW)
    (told,) = copy["cases"]
    assert told["details"][0]["name"] == "Ada Okafor"
    assert told["proofs"][0]["document_number"] == "250:12AB34567"
    assert told["documents"][0]["image"].startswith("/9j/")
    text = str(copy)
    for word in ("listed", "mara", "entry-77", "score", "screening_hit"):
        assert word not in text
    read = office.log.of("evidence_read")
    assert {entry["reader"] for entry in read} == {"renter"}
    assert len(read) == 4


def test_nothing_is_copied_of_whom_nothing_is_known(archive: Archive) -> None:
    with pytest.raises(NotFound):
        portability(archive).export(BOB, now=NOW)


# -- what wallets were asked -----------------------------------------------------------------------


def asked(archive: Archive) -> Presentation:
    held = Presentation(
        "5c" * 16, ADA.key, b"", "dc", ("mdl",), "accepted", b"x", NOW, NOW + 600, NOW + DAY
    )
    archive.office.store.add_presentation(held)
    return held


def test_a_copy_tells_what_wallets_were_asked(archive: Archive) -> None:
    approved(archive)
    held = asked(archive)
    [shown] = portability(archive).export(ADA, now=NOW)["presentations"]
    assert (shown["id"], shown["asked"], shown["state"]) == (held.id, ["mdl"], "accepted")
    assert "sealed" not in shown


def test_an_erasure_forgets_what_wallets_were_asked(archive: Archive) -> None:
    approved(archive)
    held = asked(archive)
    archive.calendar.erase(ADA, now=NOW)
    assert archive.office.store.presentation(held.id) is None
