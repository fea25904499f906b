"""Proofs of identity as they are kept: each once, what it said under seal, found again by document.

Weighs none of them: whether a proof agrees with a case is the identity office's to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from kycgate.core.claims import Account, Level
from kycgate.errors import Code, Conflict
from kycgate.issuer.casebook import CaseBook
from kycgate.issuer.details import Details, NamedParty
from kycgate.issuer.proven import Means, Proven
from kycgate.issuer.vault import Vault
from kycgate.issuer.weighing import proven_party
from kycgate.store.base import Store
from kycgate.store.records.cases import Case, KeptProof, SealedEvidence

PROOF: Final = "proof"
"""The kind of evidence that holds what a proof said."""


class ProofBook:
    """The operator's proofs. Raises as the store and the vault do."""

    def __init__(self, store: Store, *, vault: Vault, book: CaseBook) -> None:
        self._store = store
        self._vault = vault
        self._book = book

    # -- finding ---------------------------------------------------------------------------------

    def find(self, source: str, reference: str) -> KeptProof | None:
        """The proof of that name, whoever's."""
        return self._store.proof(source, reference)

    def of(self, case: Case) -> list[KeptProof]:
        """Every proof taken for the case, oldest first."""
        return self._store.proofs_of(case.id)

    def standing(self, case: Case, now: int) -> list[KeptProof]:
        """Those neither taken back nor past their document's end."""
        return [each for each in self.of(case) if stands(each, now)]

    def elsewhere(self, proof: KeptProof) -> list[KeptProof]:
        """Proofs by the same document that other subjects gave."""
        if proof.document is None:
            return []
        found = self._store.proofs_of_document(proof.document)
        return [each for each in found if each.subject_id != proof.subject_id]

    # -- keeping ---------------------------------------------------------------------------------

    def take(self, case: Case, account: Account, proven: Proven, now: int) -> KeptProof:
        """Keep a proof for this case. Conflict when it was taken before, for whomever."""
        evidence = self._book.keep(case, PROOF, _document(proven), now)
        number = proven.document_number
        kept = KeptProof(
            source=proven.source,
            reference=proven.reference,
            case_id=case.id,
            subject_id=case.subject_id,
            account=account.key,
            means=proven.means,
            level=int(proven.level),
            kept_at=now,
            proven_at=proven.proven_at,
            valid_until=proven.valid_until,
            document=None if number is None else self._vault.document_digest(number),
            evidence_id=evidence.id,
        )
        self._book.note(
            "proof_kept",
            case,
            now,
            source=kept.source,
            means=kept.means,
            level=kept.level,
            evidence=evidence.commitment.hex(),
        )
        self._store.add_proof(kept)
        return kept

    def withdraw(self, source: str, reference: str, *, code: str, now: int) -> None:
        """Mark a proof as taken back; one that has not come yet is never taken then."""
        if self._store.proof(source, reference) is None:
            gone = KeptProof(
                source, reference, "", "", "", "", 0, now, now, None, None, "", now, code
            )
            try:
                self._store.add_proof(gone)
            except Conflict:
                pass  # it came this very moment
            else:
                return
        self._store.withdraw_proof(source, reference, at=now, code=code)

    # -- reading ---------------------------------------------------------------------------------

    def read(self, case: Case, kept: KeptProof, *, reader: str, now: int) -> Proven:
        """What the proof said, its reading logged."""
        evidence = next(e for e in self._book.evidence(case) if e.id == kept.evidence_id)
        return _proven(self._book.open(evidence, reader=reader, now=now))

    def parties(
        self, case: Case, told: Details, *, reader: str, now: int
    ) -> tuple[NamedParty, ...]:
        """Names that were proven beside the one told: they are screened too."""
        proven = [self.read(case, each, reader=reader, now=now) for each in self.of(case)]
        return beside(told, proven)

    def parties_of(
        self, told: Sequence[tuple[Case, Details]], *, reader: str, now: int
    ) -> list[tuple[NamedParty, ...]]:
        """The same for many cases, for a machine's eyes: one line in the log for all."""
        pieces = [self._said(case) for case, _ in told]
        flat = [each for found in pieces for each in found]
        opened = iter(self._vault.open_many(flat, reader=reader, now=now) if flat else ())
        read = [[next(opened) for _ in found] for found in pieces]
        return [
            beside(details, [_proven(each) for each in documents if each is not None])
            for (_, details), documents in zip(told, read, strict=True)
        ]

    def _said(self, case: Case) -> list[SealedEvidence]:
        # An approved case that ever had a proof stands on one, unless all were taken back.
        if not case.proof_source:
            return []
        return [each for each in self._book.evidence(case) if each.kind == PROOF]


def beside(told: Details, proven: Sequence[Proven]) -> tuple[NamedParty, ...]:
    """The proven names that are not the very name that was told, each once."""
    found = (proven_party(told, each) for each in proven)
    return tuple(dict.fromkeys(party for party in found if party is not None))


def stands(proof: KeptProof, now: int) -> bool:
    """Whether a proof still counts: not taken back, its document not past its end."""
    alive = proof.valid_until is None or now < proof.valid_until
    return proof.withdrawn_at is None and alive


def strongest(proofs: Sequence[KeptProof]) -> KeptProof | None:
    """The one of the highest level, among equals the latest proven."""
    return max(proofs, key=lambda each: (each.level, each.proven_at), default=None)


def _document(proven: Proven) -> dict[str, Any]:
    return {
        "means": str(proven.means),
        "source": proven.source,
        "reference": proven.reference,
        "level": int(proven.level),
        "live": proven.live,
        "name": proven.name,
        "birth_date": proven.birth_date,
        "country": proven.country,
        "proven_at": proven.proven_at,
        "valid_until": proven.valid_until,
        "document_number": proven.document_number,
        "document": dict(proven.document),
        "doubts": [str(code) for code in proven.doubts],
    }


def _proven(document: dict[str, Any]) -> Proven:
    means, level = Means(document["means"]), Level(document["level"])
    # Proofs kept before there were doubts say nothing of any.
    doubts = tuple(Code(code) for code in document.get("doubts", ()))
    return Proven(**document | {"means": means, "level": level, "doubts": doubts})
