"""What is sealed stays sealed, stays in its place, and can be forgotten."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from kycgate.core.claims import Kind
from kycgate.errors import Malformed, Misconfigured, NotFound, Unavailable
from kycgate.issuer.vault import Vault, key_id
from kycgate.store.base import Store
from kycgate.store.records.cases import Case, CaseEvent, SealedEvidence, Subject
from tests.issuer.conftest import KEK, Lines

NOW = 1_785_000_000
OTHER_KEK = bytes(range(32, 64))
THIRD_KEK = bytes(range(64, 96))
DOCUMENT = {"name": "Ada Okafor", "country": "FR"}


@pytest.fixture
def vault(store: Store, log: Lines) -> Vault:
    return Vault(store, KEK, log=log)


def a_case(store: Store, vault: Vault, name: str) -> Subject:
    """A subject with one case of that name."""
    subject = vault.new_subject(Kind.PERSON, now=NOW)
    case = Case(name, subject.id, "0x" + "11" * 20, 1, "draft", NOW, NOW)
    store.add_case(case, CaseEvent(name, NOW, "renter", "open", "", "draft"))
    return subject


def seal(vault: Vault, subject: Subject, case: str, **document: Any) -> SealedEvidence:
    return vault.seal(subject.id, "details", document or DOCUMENT, case_id=case, now=NOW)


def test_what_was_sealed_is_opened_again(store: Store, vault: Vault) -> None:
    subject = a_case(store, vault, "c1")
    evidence = seal(vault, subject, "c1")
    assert vault.open(evidence, reader="mara", now=NOW) == DOCUMENT
    assert b"Okafor" not in evidence.sealed


def test_every_opening_is_logged_before_it_happens_without_contents(
    store: Store, vault: Vault, log: Lines
) -> None:
    evidence = seal(vault, a_case(store, vault, "c1"), "c1")
    broken = replace(evidence, sealed=evidence.sealed[:-1] + bytes([evidence.sealed[-1] ^ 1]))
    with pytest.raises(Malformed):
        vault.open(broken, reader="mara", now=NOW)
    expected = {"reader": "mara", "case": "c1", "evidence": evidence.id, "at": NOW}
    assert log.of("evidence_read") == [expected]


def test_sealing_the_same_twice_shows_nothing_in_common(store: Store, vault: Vault) -> None:
    subject = a_case(store, vault, "c1")
    first, second = seal(vault, subject, "c1"), seal(vault, subject, "c1")
    assert first.commitment != second.commitment
    assert first.sealed[15:] != second.sealed[15:]


@pytest.mark.parametrize("field", ["subject_id", "case_id", "kind", "id"])
def test_evidence_moved_elsewhere_does_not_open(store: Store, vault: Vault, field: str) -> None:
    subject, other = a_case(store, vault, "c1"), a_case(store, vault, "c2")
    evidence = seal(vault, subject, "c1")
    elsewhere: dict[str, Any] = {
        "subject_id": other.id,
        "case_id": "c2",
        "kind": "decision",
        "id": "000009-aa",
    }
    moved = replace(evidence, **{field: elsewhere[field]})
    with pytest.raises(Malformed):
        vault.open(moved, reader="mara", now=NOW)


def test_two_sealed_documents_cannot_be_swapped(store: Store, vault: Vault) -> None:
    subject = a_case(store, vault, "c1")
    first = seal(vault, subject, "c1", name="Ada")
    second = seal(vault, subject, "c1", name="Bob")
    with pytest.raises(Malformed):
        vault.open(replace(first, sealed=second.sealed), reader="mara", now=NOW)
    with pytest.raises(Malformed):
        vault.open(replace(first, commitment=second.commitment), reader="mara", now=NOW)


def test_any_flipped_bit_or_cut_is_noticed(store: Store, vault: Vault) -> None:
    evidence = seal(vault, a_case(store, vault, "c1"), "c1")
    sealed = evidence.sealed
    flipped = [
        sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        for place in range(len(sealed))
    ]
    for wrong in (*flipped, sealed[:-1], sealed[:20], b"", sealed + b"\0"):
        with pytest.raises(Malformed):
            vault.open(replace(evidence, sealed=wrong), reader="mara", now=NOW)


def test_an_altered_data_key_is_noticed(store: Store, vault: Vault) -> None:
    subject = a_case(store, vault, "c1")
    evidence = seal(vault, subject, "c1")
    wrapped = subject.wrapped_key
    for wrong in (wrapped[:-1] + bytes([wrapped[-1] ^ 1]), wrapped[:30], b"KW9" + wrapped[3:]):
        store.rewrap_subject_key(subject.id, wrong)
        with pytest.raises(Malformed):
            vault.open(evidence, reader="mara", now=NOW)


def test_the_key_of_another_subject_does_not_open(store: Store, vault: Vault) -> None:
    subject, other = a_case(store, vault, "c1"), a_case(store, vault, "c2")
    evidence = seal(vault, subject, "c1")
    store.rewrap_subject_key(subject.id, other.wrapped_key)
    with pytest.raises(Malformed):
        vault.open(evidence, reader="mara", now=NOW)


def test_without_the_vault_key_the_answer_is_neither_yes_nor_garbage(
    store: Store, vault: Vault, log: Lines
) -> None:
    evidence = seal(vault, a_case(store, vault, "c1"), "c1")
    stranger = Vault(store, OTHER_KEK, log=log)
    with pytest.raises(Unavailable, match=key_id(KEK).hex()):
        stranger.open(evidence, reader="mara", now=NOW)


@pytest.mark.parametrize("kek", [b"", b"x" * 31, b"x" * 33])
def test_a_vault_key_of_another_length_stops_the_start(
    store: Store, log: Lines, kek: bytes
) -> None:
    with pytest.raises(Misconfigured):
        Vault(store, kek, log=log)


def test_rotation_leaves_no_moment_without_a_reader(store: Store, vault: Vault, log: Lines) -> None:
    subjects = [a_case(store, vault, f"c{number}") for number in range(3)]
    evidence = [seal(vault, each, f"c{number}") for number, each in enumerate(subjects)]
    another_process = Vault(store, KEK, log=log, also_opens=(OTHER_KEK,))

    assert vault.keys.rotate(OTHER_KEK) == 3

    for reader in (vault, another_process, Vault(store, OTHER_KEK, log=log)):
        assert [reader.open(each, reader="mara", now=NOW) for each in evidence] == [DOCUMENT] * 3
    with pytest.raises(Unavailable):
        Vault(store, KEK, log=log).open(evidence[0], reader="mara", now=NOW)
    assert vault.open(seal(vault, subjects[0], "c0"), reader="mara", now=NOW) == DOCUMENT


class DyingStore:
    """A store whose process is killed after so many rewrapped keys."""

    def __init__(self, store: Store, lives: int) -> None:
        self._store, self._lives = store, lives

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def rewrap_subject_key(self, subject_id: str, wrapped_key: bytes) -> None:
        if self._lives == 0:
            raise Unavailable("the process was killed")
        self._lives -= 1
        self._store.rewrap_subject_key(subject_id, wrapped_key)


def test_a_rotation_cut_short_is_finished_by_repeating_it(
    store: Store, vault: Vault, log: Lines
) -> None:
    subjects = [a_case(store, vault, f"c{number}") for number in range(3)]
    evidence = [seal(vault, each, f"c{number}") for number, each in enumerate(subjects)]
    dying = Vault(cast(Store, DyingStore(store, 1)), KEK, log=log)
    with pytest.raises(Unavailable):
        dying.keys.rotate(OTHER_KEK)
    assert vault.keys.rotate(OTHER_KEK) == 2
    assert vault.keys.rotate(OTHER_KEK) == 0
    rotated = Vault(store, OTHER_KEK, log=log)
    assert [rotated.open(each, reader="mara", now=NOW) for each in evidence] == [DOCUMENT] * 3


def test_a_shredded_subject_can_never_be_read_again(store: Store, vault: Vault, log: Lines) -> None:
    subject, other = a_case(store, vault, "c1"), a_case(store, vault, "c2")
    evidence, kept = seal(vault, subject, "c1"), seal(vault, other, "c2")
    vault.shred(subject.id, now=NOW)
    with pytest.raises(NotFound):
        vault.open(evidence, reader="mara", now=NOW)
    with pytest.raises(NotFound):
        seal(vault, subject, "c1")
    assert vault.open(kept, reader="mara", now=NOW) == DOCUMENT
    assert log.of("subject_shredded") == [{"subject": subject.id, "at": NOW}]


def test_a_rotation_going_on_does_not_bring_a_shredded_subject_back(
    store: Store, vault: Vault
) -> None:
    subject = a_case(store, vault, "c1")
    evidence = seal(vault, subject, "c1")
    vault.shred(subject.id, now=NOW)
    # As if the rotation had read the subject before it was shredded.
    store.rewrap_subject_key(subject.id, subject.wrapped_key)
    assert vault.keys.rotate(OTHER_KEK) == 0
    assert vault.keys.rotate(THIRD_KEK) == 0
    with pytest.raises(NotFound):
        vault.open(evidence, reader="mara", now=NOW)


def test_attestation_salts_are_fresh_repeatable_and_die_with_the_subject(
    store: Store, vault: Vault
) -> None:
    subject, other = a_case(store, vault, "c1"), a_case(store, vault, "c2")
    salts = {
        vault.attestation_salt(subject.id, b"a" * 32),
        vault.attestation_salt(subject.id, b"b" * 32),
        vault.attestation_salt(other.id, b"a" * 32),
    }
    assert len(salts) == 3
    assert vault.attestation_salt(subject.id, b"a" * 32) in salts
    vault.shred(subject.id, now=NOW)
    with pytest.raises(NotFound):
        vault.attestation_salt(subject.id, b"a" * 32)


def test_a_credential_opens_only_for_the_account_it_was_sealed_for(
    store: Store, vault: Vault
) -> None:
    subject, other = a_case(store, vault, "c1"), a_case(store, vault, "c2")
    sealed = vault.seal_credential(subject.id, "0xaa", "io-v2-secret")
    assert b"io-v2" not in sealed
    assert vault.open_credential(subject.id, "0xaa", sealed) == "io-v2-secret"
    for subject_id, account, stored in (
        (subject.id, "0xbb", sealed),
        (other.id, "0xaa", sealed),
        (subject.id, "0xaa", sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (subject.id, "0xaa", sealed[:10]),
        (subject.id, "0xaa", seal(vault, subject, "c1").sealed),
    ):
        with pytest.raises(Malformed):
            vault.open_credential(subject_id, account, stored)


def test_a_credential_survives_rotation_and_dies_with_its_subject(
    store: Store, vault: Vault
) -> None:
    subject = a_case(store, vault, "c1")
    sealed = vault.seal_credential(subject.id, "0xaa", "io-v2-secret")
    vault.keys.rotate(OTHER_KEK)
    assert vault.open_credential(subject.id, "0xaa", sealed) == "io-v2-secret"
    vault.shred(subject.id, now=NOW)
    with pytest.raises(NotFound):
        vault.open_credential(subject.id, "0xaa", sealed)
