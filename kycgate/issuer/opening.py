"""The renter's part: say who you are, hand it in, answer what is asked.

Takes no decision: what becomes of a case that was handed in stands in `deciding`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kycgate.core.claims import Account, Kind
from kycgate.errors import Conflict, Malformed
from kycgate.issuer.cases import Action, Need, State, transition
from kycgate.issuer.deciding import Deciding
from kycgate.issuer.part import RENTER
from kycgate.issuer.telling import parse_details
from kycgate.store.records.cases import Case

_PROOF = Need("proof", "Prove who you are: choose one of the ways offered.")


class Opening(Deciding):
    """From a first visit to a case that was handed in."""

    def open_case(
        self,
        account: Account,
        kind: int,
        details: dict[str, Any],
        *,
        refusal_id: str | None,
        now: int,
    ) -> Case:
        """Take a renter's details and hand the case in, as far as rules allow without a proof.

        Raises Malformed naming the field, Conflict while another case of the subject is open or
        approved.
        """
        case = self.draft(account, kind, details, refusal_id=refusal_id, now=now)
        return self.submit(case.id, now=now)

    def draft(
        self,
        account: Account,
        kind: int,
        details: dict[str, Any],
        *,
        refusal_id: str | None,
        now: int,
    ) -> Case:
        """Keep a renter's details without submitting them; a draft already there takes them."""
        which, book = _kind(kind), self._book
        told = parse_details(which, details, countries=book.countries, now=now)
        subject = book.subject(account, which, now)
        earlier = book.of_subject(subject.id)
        for case in earlier:
            if case.state == State.DRAFT:
                return book.amend(case, which, told, actor=RENTER, now=now)
        may_follow(earlier, which)
        return book.add(subject, account, which, told, actor=RENTER, refusal_id=refusal_id, now=now)

    def amend(self, case_id: str, kind: int, details: dict[str, Any], *, now: int) -> Case:
        """Other details in a draft, or in a case that more was asked of; handed in again.

        Raises Malformed naming the field, Conflict when it is not the renter's turn.
        """
        which, book = _kind(kind), self._book
        case = book.case(case_id)
        transition(State(case.state), Action.AMEND)
        told = parse_details(which, details, countries=book.countries, now=now)
        if case.level and case.kind != which:
            raise Conflict("this account was verified as another kind of subject")
        book.amend(case, which, told, actor=RENTER, now=now)
        return self.submit(case_id, now=now)

    def submit(self, case_id: str, *, now: int) -> Case:
        """Screen every wallet and name; then rules approve, or the case waits for a person.

        Where the operator requires a proof, a case without one stays the renter's.
        """
        book = self._book
        case = book.case(case_id)
        transition(State(case.state), Action.SUBMIT)
        told = book.details(case, reader=RENTER, now=now)
        if self.rules.require_proof and not self._proofs.standing(case, now):
            return self._wait_for_proof(case, now)
        judgement = self.judge(case, told, now)
        book.keep_screening(case, judgement.screening, now)
        book.note("case_submitted", case, now, lists=judgement.screening.versions())
        case = book.move(case, Action.SUBMIT, RENTER, now, screened_at=now, needs=None)
        return self.conclude(case, judgement, RENTER, now)

    def _wait_for_proof(self, case: Case, now: int) -> Case:
        if case.state == State.DRAFT:
            return case
        return self._book.ask(case, (_PROOF,), case.reason_codes, RENTER, now)


def may_follow(earlier: Sequence[Case], kind: Kind) -> None:
    """Raises Conflict unless a new case may follow these."""
    for case in earlier:
        transition(State(case.state), Action.REOPEN)
    if any(case.level and case.kind != kind for case in earlier):
        raise Conflict("this account was verified as another kind of subject: use another account")


def _kind(kind: int) -> Kind:
    if type(kind) in (int, Kind) and kind in (1, 2):
        return Kind(kind)
    raise Malformed("is not a kind of subject", field="kind", remedy="1 person, 2 organisation")
