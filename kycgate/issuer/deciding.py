"""What becomes of a case that was handed in: approved by rules, given to a person, or left waiting.

Only what leaves no doubt is approved here; every doubt has a code, and a reviewer sees it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from kycgate.core.attestation import SignedAttestation
from kycgate.core.claims import Kind, Level
from kycgate.errors import Code
from kycgate.issuer.cases import Action, State
from kycgate.issuer.checks import Screening
from kycgate.issuer.details import Details
from kycgate.issuer.issuing import DAY_S
from kycgate.issuer.part import RULES, Part
from kycgate.issuer.proofbook import beside, stands, strongest
from kycgate.issuer.proven import Means
from kycgate.issuer.weighing import Weighed, weigh
from kycgate.store.records.cases import Case, KeptProof

WEIGHING: Final = "weighing"
"""The kind of evidence that says how proof and details compared."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Everything the rules know of a case at one moment."""

    screening: Screening
    codes: tuple[Code, ...]
    """why a person must look, the gravest first; empty when nothing speaks against the case"""
    proof: KeptProof | None
    """the strongest that stands and agrees"""
    weighed: tuple[tuple[KeptProof, Weighed], ...]

    @property
    def automatic(self) -> bool:
        """Whether rules alone may approve: a document is a person's to look at."""
        return self.proof is not None and self.proof.means != Means.DOCUMENT and not self.codes

    def document(self, now: int) -> dict[str, Any]:
        """As sealed evidence: names nobody."""
        return {
            "at": now,
            "codes": [str(code) for code in self.codes],
            "compared": [
                {"source": kept.source, "reference": kept.reference} | weighed.document()
                for kept, weighed in self.weighed
            ],
        }


class Deciding(Part):
    """Judging by rules, and what follows."""

    def judge(self, case: Case, told: Details, now: int) -> Judgement:
        """Screen everybody, weigh every proof that stands, look for the same document elsewhere."""
        proofs = self._proofs.standing(case, now)
        read = [(each, self._proofs.read(case, each, reader=RULES, now=now)) for each in proofs]
        weighed = tuple((kept, weigh(told, proven)) for kept, proven in read)
        agreeing = [kept for kept, found in weighed if not found.codes()]
        screening = self._screen(case, told, beside(told, [proven for _, proven in read]), now)
        codes = (
            *screening.codes(),
            *(code for _, found in weighed for code in found.codes()),
            *(code for _, proven in read for code in proven.doubts),
            *self._known_elsewhere(proofs),
            *(self._earlier(case) if proofs else ()),
            *self._book.doubts(told, now=now),
            *(self._authority(case) if proofs else ()),
            *self._stale_code(now),
        )
        unique = tuple(dict.fromkeys(codes))
        return Judgement(screening, unique, strongest(agreeing), weighed)

    def conclude(self, case: Case, judgement: Judgement, actor: str, now: int) -> Case:
        """Approve, hand to a reviewer, or leave the case waiting for one.

        A case that a person has looked at before is never approved by rules: its codes stay.
        """
        before = tuple(Code(code) for code in case.reason_codes)
        codes = tuple(dict.fromkeys((*judgement.codes, *before)))
        if judgement.weighed:
            self._book.keep(case, WEIGHING, judgement.document(now), now)
        if codes:
            return self._book.flag(case, codes, actor, now)
        if judgement.automatic:
            return self.approve_by_rules(case, judgement, now)
        return case

    def approve_by_rules(self, case: Case, judgement: Judgement, now: int) -> Case:
        """Approve without a person; the reasons stand in the log and the history as `rules`'s."""
        proof = judgement.proof
        assert proof is not None
        words: dict[str, Any] = {
            "action": "approve",
            "reviewer": RULES,
            "reason": "identity proven, every name and wallet clear on fresh lists, parents known",
            "level": proof.level,
            "proof": {"source": proof.source, "reference": proof.reference},
            "compared": judgement.document(now)["compared"],
        }
        action = Action.VERIFY if case.state == State.APPROVED else Action.APPROVE
        case, _ = self.grant(case, words, judgement.screening, proof, now, action=action)
        return case

    def grant(
        self,
        case: Case,
        verdict: dict[str, Any],
        screening: Screening,
        proof: KeptProof | None,
        now: int,
        *,
        action: Action = Action.APPROVE,
    ) -> tuple[Case, list[SignedAttestation]]:
        """Record the decision, move the case, attest every account of its subject."""
        book, reviewer, level = self._book, verdict["reviewer"], Level(verdict["level"])
        # Epochs first: a revocation from here on voids what is signed below.
        epochs = [(each, book.epoch(each)) for each in book.accounts(case)]
        book.decide(
            "case_approved",
            case,
            verdict,
            now,
            level=int(level),
            reason_codes=[str(code) for code in screening.codes()],
            lists=screening.versions(),
        )
        case = book.move(
            case,
            action,
            reviewer,
            now,
            level=int(level),
            verified_at=now - now % DAY_S,
            screened_at=now,
            reason_codes=(),
            needs=None,
            proof_source=proof.source if proof else "",
            proof_reference=proof.reference if proof else "",
            re_verify_at=self._until(level, proof, now),
        )
        if proof is not None and not self._still_stands(proof, now):
            # Taken back while we decided. Whoever takes it back from here on finds the case moved.
            return self.take_back(case, proof, Code.PROOF_WITHDRAWN, now) or case, []
        book.clear(case, screening.findings, reviewer, now)
        return case, [
            self._issuer.issue(case, each, epoch=epoch, now=now) for each, epoch in epochs
        ]

    def take_back(self, case: Case, proof: KeptProof, code: Code, now: int) -> Case | None:
        """What follows when a proof no longer counts. None when nothing stands on it."""
        rests = (case.proof_source, case.proof_reference) == (proof.source, proof.reference)
        attested = rests and case.level > 0 and case.state not in (State.REFUSED, State.REVOKED)
        if not attested and case.state not in (State.SUBMITTED, State.REVIEW):
            return None
        if str(code) not in case.reason_codes:
            known = tuple(Code(each) for each in case.reason_codes)
            case = self._book.flag(case, (code, *known), proof.source, now)
        if attested and self._alive(case, now):
            self._book.void(case.subject_id, code, now)
        return case

    # -- single grounds --------------------------------------------------------------------------

    def _known_elsewhere(self, proofs: list[KeptProof]) -> tuple[Code, ...]:
        shared = any(self._proofs.elsewhere(each) for each in proofs)
        return (Code.DOCUMENT_SHARED,) if shared else ()

    def _earlier(self, case: Case) -> tuple[Code, ...]:
        """A person has refused or revoked this subject: no rule overrules them."""
        closed = (State.REFUSED, State.REVOKED)
        others = self._book.of_subject(case.subject_id)
        return (Code.EARLIER_DECISION,) if any(c.state in closed for c in others) else ()

    def _authority(self, case: Case) -> tuple[Code, ...]:
        unproven = case.kind == Kind.ORGANISATION and not self.rules.auto_organisations
        return (Code.AUTHORITY_UNPROVEN,) if unproven else ()

    def _still_stands(self, proof: KeptProof, now: int) -> bool:
        found = self._proofs.find(proof.source, proof.reference)
        return found is not None and stands(found, now)
