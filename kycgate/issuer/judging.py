"""The reviewer's part: approve, refuse, ask for more, revoke, each with a name and a reason.

Decides nothing itself; the lists can only stop a reviewer, and a listed wallet always does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from kycgate.core.attestation import SignedAttestation
from kycgate.core.claims import Account, Level
from kycgate.errors import Code, Conflict, Malformed, NotFound, Reason, Refused
from kycgate.issuer.cases import Action, State, parse_needs, transition
from kycgate.issuer.checks import Screening
from kycgate.issuer.deciding import Deciding
from kycgate.issuer.part import attested, parse_reason, verdict
from kycgate.issuer.proofbook import strongest
from kycgate.store.records.cases import Case, KeptProof

_SENTENCE: Final = {
    Code.SCREENING_HIT_WALLET: "a wallet of this subject is on a sanctions list",
    Code.SCREENING_HIT_NAME: "a name in this case is on a screening list",
    Code.SCREENING_SECOND_OPINION: "an oracle calls a wallet of this subject sanctioned",
}


class Judging(Deciding):
    """What a person decides."""

    def approve(
        self,
        case_id: str,
        *,
        reviewer: str,
        reason: str,
        now: int,
        level: int | None = None,
        despite_hit: str | None = None,
    ) -> tuple[Case, list[SignedAttestation]]:
        """Approve a case after screening it again, and attest every account of its subject.

        `level` 1 for documents a reviewer has looked at, 2 where `reason` says why that is enough;
        3 only where a wallet credential proved it. Without one: what the strongest agreeing proof
        proved, else 1. `despite_hit` says why name hits are somebody else; a listed wallet is
        refused whatever is said. Raises Refused with the hits' codes (the case is then in review),
        Unavailable when the lists are older than allowed.
        """
        book = self._book
        case = book.case(case_id)
        transition(State(case.state), Action.APPROVE)
        words = verdict("approve", reviewer, reason)
        if despite_hit is not None:
            words["despite_hit"] = parse_reason(despite_hit, "despite_hit")
        proofs = self._proofs.standing(case, now)
        _check_level(level, proofs)
        self._require_lists(now)
        told = book.details(case, reader=reviewer, now=now)
        judgement = self.judge(case, told, now)
        screening = judgement.screening
        words["level"] = _level(level, judgement.proof)
        shown = book.shown(case, reader=reviewer, now=now) if screening.findings else frozenset()
        book.keep_screening(case, screening, now)
        unseen = any(finding.shown not in shown for finding in screening.findings)
        self._stop_on_hits(case, screening, words, now, unseen=unseen)
        others = (*screening.findings, *screening.cleared)
        words["cleared"] = [list(finding.key) for finding in others]
        # The reviewer may have found that a proof is good although it does not agree.
        proof = judgement.proof or strongest(proofs)
        return self.grant(case, words, screening, proof, now)

    def refuse(self, case_id: str, *, reviewer: str, reason: str, now: int) -> Case:
        """Refuse a case. One that had been approved loses its attestations with it."""
        book = self._book
        case = book.case(case_id)
        transition(State(case.state), Action.REFUSE)
        book.decide("case_refused", case, verdict("refuse", reviewer, reason), now)
        codes = case.reason_codes or (str(Code.CASE_REFUSED),)
        refused = book.move(case, Action.REFUSE, reviewer, now, reason_codes=codes, needs=None)
        if case.level:  # it has been approved before
            book.void(case.subject_id, Code.CASE_REFUSED, now)
        return refused

    def ask(
        self, case_id: str, needs: Sequence[tuple[str, str]], *, reviewer: str, now: int
    ) -> Case:
        """Ask the renter for more: (item, text for them). Once handed in again, the case comes back
        to a person, whatever was proven meanwhile.
        """
        book = self._book
        case = book.case(case_id)
        asked = parse_needs(needs)
        transition(State(case.state), Action.ASK)
        words = verdict("ask", reviewer, "; ".join(need.text for need in asked)[:2000])
        words["items"] = [need.item for need in asked]
        book.decide("case_asked", case, words, now)
        codes = case.reason_codes or (str(Code.UNDER_REVIEW),)
        return book.ask(case, asked, codes, reviewer, now)

    def revoke(self, who: Account | str, *, reviewer: str, reason: str, now: int) -> Case:
        """Void every attestation of every account of a subject, named by an account or by its id.

        The escrow and the running jobs follow through the outbox. May be repeated after a crash
        until nothing is left alive; then it is a Conflict.
        """
        book = self._book
        case = self._revocable(who, now)
        book.decide("case_revoked", case, verdict("revoke", reviewer, reason), now)
        if case.state != State.REVOKED:
            codes = (str(Code.REVOKED_EPOCH),)
            # The case first: an approved case would be renewed under the new epoch.
            case = book.move(case, Action.REVOKE, reviewer, now, reason_codes=codes, needs=None)
        book.void(case.subject_id, Code.REVOKED_EPOCH, now)
        return case

    def _stop_on_hits(
        self, case: Case, screening: Screening, words: dict[str, Any], now: int, *, unseen: bool
    ) -> None:
        """`unseen`: a list has changed since; no reviewer can mean a hit they were not shown."""
        codes = screening.codes()
        answered = "despite_hit" in words and not unseen
        if not codes or (Code.SCREENING_HIT_WALLET not in codes and answered):
            return
        self._book.flag(case, codes, words["reviewer"], now)
        raise Refused(
            "; ".join(_SENTENCE[code] for code in codes),
            reasons=tuple(Reason(code, _SENTENCE[code]) for code in codes),
        )

    def _revocable(self, who: Account | str, now: int) -> Case:
        subject_id = self._book.subject_id(who)
        cases = self._book.of_subject(subject_id) if subject_id else []
        if not cases:
            raise NotFound("no case of this account or subject")
        for case in cases:
            if attested(case):
                return case
        alive = self._alive(cases[0], now)
        for case in cases:
            if case.state == State.REVOKED and alive:
                return case
        raise Conflict(f"cannot {Action.REVOKE} a case that is {cases[0].state}")


def _check_level(level: int | None, proofs: Sequence[KeptProof]) -> None:
    known = type(level) in (int, Level) and level in (Level.LOW, Level.SUBSTANTIAL)
    proven = any(each.level == level for each in proofs) and type(level) in (int, Level)
    if level is not None and not known and not proven:
        raise Malformed(
            "is not a level a reviewer can give",
            field="level",
            remedy="1, or 2 with a reason; 3 comes from a wallet credential",
        )


def _level(level: int | None, agreeing: KeptProof | None) -> int:
    if level is not None:
        return int(level)
    return agreeing.level if agreeing else int(Level.LOW)
