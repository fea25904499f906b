"""Takes proofs of identity, whoever did the proving, and takes them back: the port `proven.Office`.

Proves nothing itself. A proof names one check of one source; it counts once, for one account.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kycgate.core.claims import Account, Kind
from kycgate.errors import Code, Conflict, Malformed, Reason, Refused
from kycgate.issuer.cases import Details, Need, State, parse_details, parse_needs
from kycgate.issuer.opening import Opening, may_follow
from kycgate.issuer.part import RENTER
from kycgate.issuer.proven import Proven
from kycgate.issuer.weighing import MOST
from kycgate.store.base import Case, KeptProof

_REFERENCE_MOST = 200
_CLOCKS_S = 300
"""How far a source's clock may be ahead of ours."""
_OPEN = (State.DRAFT, State.SUBMITTED, State.NEEDS, State.REVIEW, State.APPROVED)
_COUNTRY = Need("details", "Say which country you live in: the proof of identity does not.")


class Proving(Opening):
    """Implements `issuer.proven.Office`."""

    def prove(self, account: Account, proven: Proven, *, now: int) -> Case:
        """See `Office.prove`. The same proof again completes what a crash has left undone."""
        self._require_acceptable(proven, now)
        kept = self._proofs.find(proven.source, proven.reference)
        if kept is None:
            case = self._case_for(account, proven, now)
            try:
                kept = self._proofs.take(case, account, proven, now)
            except Conflict:
                kept = self._proofs.find(proven.source, proven.reference)
                if kept is None:
                    raise
        for _ in range(_TRIES):
            if kept.withdrawn_at is not None:
                raise Conflict("its source has taken this proof back", code=Code.PROOF_WITHDRAWN)
            if kept.account != account.key:
                raise Conflict("this proof was given for another account")
            case = self._book.case(kept.case_id)
            try:
                return self._go_on(case, kept, proven, now)
            except Conflict:
                if self._book.case(case.id).state == case.state:
                    raise
            # Somebody moved the case meanwhile, perhaps by another proof: look again.
            kept = self._proofs.find(proven.source, proven.reference) or kept
        raise Conflict("the case is being decided at this moment: try again")

    def need(
        self, account: Account, needs: Sequence[tuple[str, str]], *, source: str, now: int
    ) -> Case | None:
        """See `Office.need`. What a person has taken up stays with them."""
        asked = parse_needs(needs)
        case = self._open_case(account)
        if case is None or case.state not in (State.DRAFT, State.NEEDS, State.SUBMITTED):
            return None
        return self._book.ask(case, asked, case.reason_codes, source, now)

    def withdraw(self, source: str, reference: str, *, code: Code, now: int) -> Case | None:
        """See `Office.withdraw`. May be repeated until it has gone through."""
        kept = self._proofs.find(source, reference)
        if kept is not None and kept.withdrawn_at is None:
            case = self._book.case(kept.case_id)
            self._book.note("proof_withdrawn", case, now, source=source, reason_codes=[str(code)])
        self._proofs.withdraw(source, reference, code=str(code), now=now)
        kept = self._proofs.find(source, reference)
        if kept is None or not kept.case_id:
            return None
        for attempt in range(_TRIES):
            try:
                return self.take_back(self._book.case(kept.case_id), kept, code, now)
            except Conflict:
                if attempt == _TRIES - 1:
                    raise
        return None

    # -- taking ----------------------------------------------------------------------------------

    def _require_acceptable(self, proven: Proven, now: int) -> None:
        """Raises Malformed for what no source can mean, Refused for what this gate won't take."""
        if not proven.source or not 0 < len(proven.reference) <= _REFERENCE_MOST:
            raise Malformed("names no proof", field="reference", remedy="1 to 200 characters")
        if proven.level > MOST[proven.means]:
            raise Malformed("is more than these means can prove", field="level")
        if proven.proven_at > now + _CLOCKS_S:
            raise Malformed("lies in the future", field="proven_at", remedy="set the clocks")
        if proven.live != self.rules.live:
            text = (
                "a test issuer or sandbox proves nothing here"
                if self.rules.live
                else "this is a test gate: it takes no proof of a real person"
            )
            raise Refused(text, reasons=(Reason(Code.PROOF_SANDBOX, text),))
        until = self.rules.until(
            proven.level, proven_at=proven.proven_at, valid_until=proven.valid_until
        )
        if until <= now:
            text = "the document has expired, or it was proven too long ago"
            raise Refused(text, reasons=(Reason(Code.PROOF_OUTDATED, text),))

    def _open_case(self, account: Account) -> Case | None:
        subject_id = self._book.subject_id(account)
        cases = self._book.of_subject(subject_id) if subject_id else []
        return next((case for case in cases if case.state in _OPEN), None)

    def _case_for(self, account: Account, proven: Proven, now: int) -> Case:
        """The account's open or approved case, else a new one of a person, empty yet."""
        case = self._open_case(account)
        if case is not None:
            return case
        book = self._book
        subject = book.subject(account, Kind.PERSON, now)
        may_follow(book.of_subject(subject.id), Kind.PERSON)
        return book.add(subject, account, Kind.PERSON, None, actor=RENTER, refusal_id=None, now=now)

    def _go_on(self, case: Case, kept: KeptProof, proven: Proven, now: int) -> Case:
        """Whatever follows from a proof in the state the case is in."""
        if case.state == State.DRAFT or (
            # Proven after more was asked for: that is the answer.
            case.state == State.NEEDS and kept.kept_at >= case.updated_at
        ):
            return self._hand_in(case, kept, proven, now)
        if case.state == State.SUBMITTED:
            told = self._book.details(case, reader=RENTER, now=now)
            judgement = self.judge(case, told, now)
            self._book.keep_screening(case, judgement.screening, now)
            return self.conclude(case, judgement, kept.source, now)
        if case.state == State.APPROVED:
            return self._verify_again(case, kept, now)
        return case

    def _hand_in(self, case: Case, kept: KeptProof, proven: Proven, now: int) -> Case:
        book = self._book
        if not book.has_details(case):
            told = self._as_told(proven, now)
            if told is None:
                return case if case.state == State.NEEDS else self._ask_country(case, kept, now)
            case = book.amend(case, Kind.PERSON, told, actor=kept.source, now=now)
        return self.submit(case.id, now=now)

    def _ask_country(self, case: Case, kept: KeptProof, now: int) -> Case:
        return self._book.ask(case, (_COUNTRY,), case.reason_codes, kept.source, now)

    def _as_told(self, proven: Proven, now: int) -> Details | None:
        """A person's details as the proof has them; None where it names no country."""
        if not proven.country:
            return None
        countries = self._book.countries
        raw: dict[str, Any] = {"name": proven.name, "country": countries.alpha2(proven.country)}
        if proven.birth_date is not None:
            raw["birth_date"] = proven.birth_date
        return parse_details(Kind.PERSON, raw, countries=countries, now=now)

    def _verify_again(self, case: Case, kept: KeptProof, now: int) -> Case:
        """A new proof on an approved case: it lasts longer, or proves more; or it is doubtful."""
        if (case.proof_source, case.proof_reference) == (kept.source, kept.reference):
            return case
        told = self._book.details(case, reader=RENTER, now=now)
        judgement = self.judge(case, told, now)
        if judgement.codes:
            self._book.keep_screening(case, judgement.screening, now)
            return self.conclude(case, judgement, kept.source, now)
        proof = judgement.proof
        if not judgement.automatic or proof is None or not self._better(case, proof, now):
            return case
        self._book.keep_screening(case, judgement.screening, now)
        return self.approve_by_rules(case, judgement, now)

    def _better(self, case: Case, proof: KeptProof, now: int) -> bool:
        """An old proof shown again, or a weaker one, must not shorten what stands."""
        due = self.verify_by(case) or 0
        until = self._until(proof.level, proof, now)
        return until > now and (due <= now or (proof.level, until) > (case.level, due))


_TRIES = 5
"""How often somebody else may move the case while a proof is taken back."""
