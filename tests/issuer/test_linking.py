"""Several wallets of one renter are attested together, and nobody else's."""

from __future__ import annotations

from typing import Any

import pytest

from kycgate.core.attestation import InvalidAttestation, ValidAttestation
from kycgate.errors import Conflict, NotFound
from kycgate.issuer.linking import MOST
from tests.issuer.conftest import NOW, Office, account, open_person
from tests.issuer.proofs import a_proof

ADA, BOB, EVE = account(0xADA), account(0xB0B), account(0xE0E)


def approved(office: Office, who: Any = ADA, **changes: Any) -> Any:
    office.store.note_wallet_proof(who.key, at=NOW)
    return office.identity.prove(who, a_proof(**changes), now=NOW)


def test_a_linked_account_is_attested_as_the_same_subject(office: Office) -> None:
    approved(office)
    first = office.identity.attestation(ADA, now=NOW)
    office.identity.link(ADA, BOB, now=NOW)
    assert office.identity.attestation(BOB, now=NOW) is None  # it has not signed in person yet
    office.store.note_wallet_proof(BOB.key, at=NOW)
    second = office.identity.attestation(BOB, now=NOW)
    assert first is not None
    assert second is not None
    one, other = office.verify(first, ADA, NOW), office.verify(second, BOB, NOW)
    assert isinstance(one, ValidAttestation)
    assert isinstance(other, ValidAttestation)
    assert one.claims.subject == other.claims.subject
    assert office.identity.accounts(BOB) == [ADA, BOB]


def test_revoking_one_voids_both(office: Office) -> None:
    approved(office)
    office.identity.link(ADA, BOB, now=NOW)
    office.store.note_wallet_proof(BOB.key, at=NOW)
    second = office.identity.attestation(BOB, now=NOW)
    assert second is not None
    office.identity.revoke(ADA, reviewer="mara", reason="fraud", now=NOW)
    assert isinstance(office.verify(second, BOB, NOW), InvalidAttestation)


def test_linking_again_is_no_change(office: Office) -> None:
    approved(office)
    office.identity.link(ADA, BOB, now=NOW)
    office.identity.link(ADA, BOB, now=NOW + 1)
    office.identity.link(BOB, ADA, now=NOW + 1)
    assert office.identity.accounts(ADA) == [ADA, BOB]
    assert len(office.log.of("account_linked")) == 1


def test_a_listed_account_is_not_linked_and_the_subject_stays_as_it_is(office: Office) -> None:
    approved(office)
    office.lists.wallets.add(EVE.address)
    with pytest.raises(Conflict) as refused:
        office.identity.link(ADA, EVE, now=NOW)
    assert "list" not in refused.value.message
    assert office.identity.attestation(ADA, now=NOW) is not None
    assert office.store.subject_of(EVE.key) is None


def test_somebody_elses_account_is_not_linked(office: Office) -> None:
    approved(office)
    open_person(office, BOB, name="Bob Stranger")
    with pytest.raises(Conflict) as refused:
        office.identity.link(ADA, BOB, now=NOW)
    listed = refused.value.message
    office.lists.wallets.add(EVE.address)
    with pytest.raises(Conflict) as refused:
        office.identity.link(ADA, EVE, now=NOW)
    assert refused.value.message == listed


def test_nothing_is_linked_to_nobody(office: Office) -> None:
    with pytest.raises(NotFound):
        office.identity.link(ADA, BOB, now=NOW)
    assert office.store.subject_of(BOB.key) is None


def test_a_subject_has_a_bounded_number_of_accounts(office: Office) -> None:
    approved(office)
    for number in range(1, MOST):
        office.identity.link(ADA, account(number), now=NOW)
    with pytest.raises(Conflict):
        office.identity.link(ADA, account(99), now=NOW)
