"""What happens to an attestation as time passes. Every moment is an argument."""

from __future__ import annotations

from typing import Any

import pytest

from kycgate.core.attestation import InvalidAttestation, SignedAttestation, ValidAttestation
from kycgate.errors import Code, Conflict, Misconfigured, Unavailable
from kycgate.issuer.issuing import IssuingRules
from kycgate.store.records.cases import Case, CaseEvent
from tests.issuer.conftest import (
    DAY,
    NOW,
    POLICY,
    Edition,
    FewCountries,
    Office,
    account,
    an_office,
    approve,
    open_person,
)

ADA = account(0xADA)
HOUR = 3600


@pytest.fixture
def attested(office: Office) -> SignedAttestation:
    """Ada, approved at NOW."""
    return approve(office, open_person(office, ADA))


def lists_of(office: Office, now: int) -> None:
    office.lists.edition = Edition(as_of=now)


def seen(office: Office, now: int) -> SignedAttestation | None:
    found = office.identity.attestation(ADA, now=now)
    if found is not None:
        assert isinstance(office.verify(found, ADA, now), ValidAttestation)
    return found


@pytest.mark.parametrize("hours", [0, 1, 11, 12])
def test_with_half_of_its_life_left_it_stays_the_same(
    office: Office, attested: SignedAttestation, hours: int
) -> None:
    assert seen(office, NOW + hours * HOUR) == attested


@pytest.mark.parametrize("later", [12 * HOUR + 1, 18 * HOUR, 23 * HOUR, DAY, 3 * DAY])
def test_after_that_it_is_renewed_silently(
    office: Office, attested: SignedAttestation, later: int
) -> None:
    renewed = seen(office, NOW + later)
    assert renewed is not None
    assert renewed.uid != attested.uid
    valid = office.verify(renewed, ADA, NOW + later)
    assert isinstance(valid, ValidAttestation)
    assert valid.expires_at == NOW + later + DAY
    assert valid.claims.screened_at == NOW + later
    assert valid.claims.verified_at == NOW - NOW % DAY
    assert seen(office, NOW + later + 1) == renewed


def test_renewal_goes_on_for_thirty_days_after_the_last_wallet_proof(
    office: Office, attested: SignedAttestation
) -> None:
    for day in range(1, 30):
        lists_of(office, NOW + day * DAY)
        assert seen(office, NOW + day * DAY) is not None
    lists_of(office, NOW + 30 * DAY)
    assert seen(office, NOW + 30 * DAY) is None
    office.store.note_wallet_proof(ADA.key, at=NOW + 30 * DAY)
    assert seen(office, NOW + 30 * DAY) is not None


def test_without_a_young_wallet_proof_the_old_one_lives_to_its_end(office: Office) -> None:
    office.store.note_wallet_proof(ADA.key, at=NOW - 30 * DAY)
    case = office.identity.open_case(
        ADA, 1, {"name": "Ada Okafor", "country": "FR"}, refusal_id=None, now=NOW
    )
    attested = approve(office, case)
    assert seen(office, NOW + DAY - 1) == attested
    assert seen(office, NOW + DAY) is None


def test_a_name_listed_meanwhile_stops_the_renewal_and_asks_a_reviewer(
    office: Office, attested: SignedAttestation
) -> None:
    office.lists.names["Ada Okafor"] = "e7"
    assert seen(office, NOW + 12 * HOUR) == attested
    assert seen(office, NOW + 19 * HOUR) is None
    (case,) = office.identity.pending()
    assert (case.state, case.reason_codes) == ("review", ("screening_hit_name",))
    (entry,) = office.log.of("case_review")
    assert entry["reason_codes"] == ["screening_hit_name"]
    assert seen(office, NOW + 20 * HOUR) is None


def test_a_reviewer_can_let_it_go_on_and_the_same_hit_does_not_stop_it_again(
    office: Office, attested: SignedAttestation
) -> None:
    office.lists.names["Ada Okafor"] = "e7"
    seen(office, NOW + 19 * HOUR)
    (case,) = office.identity.pending()
    approve(office, case, now=NOW + 20 * HOUR, despite_hit="another birth date")
    lists_of(office, NOW + 60 * HOUR)
    for hour in (21, 40, 60):
        assert seen(office, NOW + hour * HOUR) is not None
    office.lists.names["Ada Okafor"] = "e8"
    assert seen(office, NOW + 70 * HOUR) is not None
    assert seen(office, NOW + 80 * HOUR) is None


def test_refusing_a_case_flagged_at_renewal_voids_what_still_lives(
    office: Office, attested: SignedAttestation
) -> None:
    office.lists.names["Ada Okafor"] = "e7"
    seen(office, NOW + 19 * HOUR)
    (case,) = office.identity.pending()
    office.identity.refuse(case.id, reviewer="mara", reason="it is her", now=NOW + 20 * HOUR)
    verdict = office.verify(attested, ADA, NOW + 20 * HOUR)
    assert isinstance(verdict, InvalidAttestation)
    assert verdict.reason.code is Code.REVOKED_EPOCH
    assert len(office.store.due("revoke_onchain", now=NOW + DAY)) == 1
    assert len(office.store.due("stop_jobs", now=NOW + DAY)) == 1


def test_a_wallet_listed_meanwhile_is_void_at_once(
    office: Office, attested: SignedAttestation
) -> None:
    office.lists.wallets.add(ADA.address)
    assert seen(office, NOW + 19 * HOUR) is None
    assert isinstance(office.verify(attested, ADA, NOW + 19 * HOUR), InvalidAttestation)
    assert office.identity.pending()[0].reason_codes == ("screening_hit_wallet",)
    assert len(office.store.due("stop_jobs", now=NOW + DAY)) == 1


def test_old_lists_renew_nothing_and_say_so_once_nothing_lives(
    office: Office, attested: SignedAttestation
) -> None:
    lists_of(office, NOW - 4 * DAY)
    assert seen(office, NOW + 20 * HOUR) == attested
    with pytest.raises(Unavailable) as refused:
        office.identity.attestation(ADA, now=NOW + DAY)
    assert refused.value.code is Code.SCREENING_STALE


def test_damaged_evidence_renews_nothing_and_is_not_the_callers_fault(
    office: Office, attested: SignedAttestation
) -> None:
    subject = office.store.subject_of(ADA.key)
    assert subject is not None
    wrapped = subject.wrapped_key
    office.store.rewrap_subject_key(subject.id, wrapped[:-1] + bytes([wrapped[-1] ^ 1]))
    assert seen(office, NOW + 20 * HOUR) == attested
    with pytest.raises(Unavailable):
        office.identity.attestation(ADA, now=NOW + DAY)


def test_a_revocation_during_a_renewal_wins(
    office: Office, attested: SignedAttestation, log: Any
) -> None:
    """The reviewer revokes between the renewal's screening and its signature."""

    class Meanwhile:
        def __getattr__(self, name: str) -> Any:
            return getattr(office.store, name)

        def move_case(self, case: Case, *, from_state: str, event: CaseEvent) -> None:
            if event.action == "renew":
                office.identity.revoke(ADA, reviewer="mara", reason="fraud", now=NOW)
            office.store.move_case(case, from_state=from_state, event=event)

    renewing: Any = Meanwhile()
    racing = an_office(renewing, log, office.lists, FewCountries())
    assert racing.identity.attestation(ADA, now=NOW + 20 * HOUR) is None
    assert office.identity.attestation(ADA, now=NOW + 20 * HOUR) is None


def test_a_revocation_after_the_renewal_has_moved_voids_what_it_signs(
    office: Office, attested: SignedAttestation, log: Any
) -> None:
    class Meanwhile:
        def __getattr__(self, name: str) -> Any:
            return getattr(office.store, name)

        def move_case(self, case: Case, *, from_state: str, event: CaseEvent) -> None:
            office.store.move_case(case, from_state=from_state, event=event)
            if event.action == "renew":
                office.identity.revoke(ADA, reviewer="mara", reason="fraud", now=NOW)

    renewing: Any = Meanwhile()
    racing = an_office(renewing, log, office.lists, FewCountries())
    signed = racing.identity.attestation(ADA, now=NOW + 20 * HOUR)
    if signed is not None:
        assert isinstance(office.verify(signed, ADA, NOW + 20 * HOUR), InvalidAttestation)
    assert office.identity.attestation(ADA, now=NOW + 20 * HOUR) is None


def test_a_renewal_during_a_revocation_gets_nothing(
    office: Office, attested: SignedAttestation, log: Any
) -> None:
    """The renter calls just after the epoch has risen: the case must already be closed."""
    met: list[SignedAttestation | None] = []

    class Meanwhile:
        def __getattr__(self, name: str) -> Any:
            return getattr(office.store, name)

        def revoke_account(self, account: str, *, at: int, reason: str) -> int:
            raised = office.store.revoke_account(account, at=at, reason=reason)
            met.append(office.identity.attestation(ADA, now=NOW + 20 * HOUR))
            return raised

    revoking: Any = Meanwhile()
    racing = an_office(revoking, log, office.lists, FewCountries())
    racing.identity.revoke(ADA, reviewer="mara", reason="fraud", now=NOW + 20 * HOUR)
    assert met == [None]


def test_a_new_issuer_key_replaces_what_the_old_one_signed(
    office: Office, attested: SignedAttestation
) -> None:
    new = an_office(office.store, office.log, office.lists, FewCountries(), key=b"\x22" * 32)
    assert office.identity.attestation(ADA, now=NOW + 1) == attested
    renewed = seen(new, NOW + 1)
    assert renewed is not None
    assert renewed.signer == new.signer.address != attested.signer


@pytest.mark.parametrize("life_s", [0, -1, DAY + 1])
def test_an_attestation_never_outlives_a_day(life_s: int) -> None:
    with pytest.raises(Misconfigured):
        IssuingRules(policy=POLICY, life_s=life_s)


def test_a_case_decided_twice_is_a_conflict(office: Office, attested: SignedAttestation) -> None:
    case_id = office.store.cases(account=ADA.key)[0].id
    with pytest.raises(Conflict, match="cannot approve a case that is approved"):
        office.identity.approve(case_id, reviewer="mara", reason="again", now=NOW)


def test_an_outage_that_stops_renewals_is_known_twelve_hours_before_anybody_is_cut_off(
    office: Office, attested: SignedAttestation, caplog: pytest.LogCaptureFixture
) -> None:
    lists_of(office, NOW - 30 * DAY)
    at = NOW + 12 * HOUR + 1
    for later in (0, 1, 59, 61):
        assert seen(office, at + later) == attested
    waiting = office.identity.renewals.waiting(now=at)
    assert (waiting.count, waiting.first_ends_at) == (1, NOW + DAY)
    said = [record.message for record in caplog.records if "can not be renewed" in record.message]
    assert len(said) == 2  # once a minute
    assert "1 wait, the first ends in 11 h 59 min" in said[0]
    lists_of(office, at + 100)
    assert seen(office, at + 100) != attested
    assert office.identity.renewals.waiting(now=at + 100).count == 0
