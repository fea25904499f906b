"""A proof of identity counts once, and what its source has taken back stays taken back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kycgate.errors import Conflict, NotFound
from kycgate.store import Store
from tests.store.racing import race
from tests.store.samples import BOB, NOW, PROOF

SAME = replace(PROOF, case_id="case-2", subject_id="subject-2", account=BOB, kept_at=NOW + 1)


def test_a_proof_comes_back_as_it_was_kept(store: Store) -> None:
    store.add_proof(PROOF)
    assert store.proof(PROOF.source, PROOF.reference) == PROOF
    assert store.proof(PROOF.source, "presentation-2") is None
    assert store.proof("sumsub", PROOF.reference) is None


def test_a_proof_is_taken_once_for_everybody(store: Store) -> None:
    store.add_proof(PROOF)
    with pytest.raises(Conflict):
        store.add_proof(SAME)
    assert store.proofs_of("case-2") == []


def test_of_two_racing_takers_one_has_the_proof(store: Store) -> None:
    outcomes = race([lambda: store.add_proof(PROOF), lambda: store.add_proof(SAME)])
    assert sorted(type(each).__name__ for each in outcomes) == ["Conflict", "NoneType"]


def test_proofs_are_found_by_case_and_by_document_in_the_order_they_came(store: Store) -> None:
    second = replace(SAME, reference="presentation-2")
    third = replace(PROOF, reference="presentation-3", document=None, kept_at=NOW + 2)
    for each in (third, second, PROOF):
        store.add_proof(each)
    assert PROOF.document is not None
    assert store.proofs_of("case-1") == [PROOF, third]
    assert store.proofs_of_document(PROOF.document) == [PROOF, second]
    assert store.proofs_of_document(b"other") == []


def test_the_first_withdrawal_stands(store: Store) -> None:
    with pytest.raises(NotFound):
        store.withdraw_proof(PROOF.source, PROOF.reference, at=NOW, code="proof_withdrawn")
    store.add_proof(PROOF)
    for at, code in ((NOW + 5, "proof_withdrawn"), (NOW + 9, "under_review")):
        store.withdraw_proof(PROOF.source, PROOF.reference, at=at, code=code)
    gone = replace(PROOF, withdrawn_at=NOW + 5, withdrawn_code="proof_withdrawn")
    assert store.proof(PROOF.source, PROOF.reference) == gone


def test_a_forgotten_document_is_known_no_more(store: Store) -> None:
    second = replace(SAME, reference="presentation-2")
    store.add_proof(PROOF)
    store.add_proof(second)
    store.forget_documents(PROOF.subject_id)
    assert PROOF.document is not None
    assert store.proofs_of_document(PROOF.document) == [second]
    assert store.proof(PROOF.source, PROOF.reference) == replace(PROOF, document=None)


def test_a_kept_setting_is_the_same_for_all_who_race_to_set_it(store: Store) -> None:
    outcomes = race([lambda n=n: store.keep_setting("secret", f"value-{n}") for n in range(4)])
    assert len(set(outcomes)) == 1
    assert store.setting("secret") == outcomes[0]
