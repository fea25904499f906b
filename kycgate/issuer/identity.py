"""Takes a renter from "who are you" to an attestation, and back when it must be taken away.

Decides nothing about a rental. A person decides every case here; the lists can only stop one.

The order of effects is always the same, so that a crash or a race can lose an answer but never let
somebody through: first the decision is in the log, then the case has moved, then something is
signed or voided.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from typing import Any, Final

from kycgate.core.attestation import SignedAttestation
from kycgate.core.claims import Account, Kind, Level
from kycgate.errors import Code, Conflict, Malformed, NotFound, Reason, Refused, Unavailable
from kycgate.issuer import view
from kycgate.issuer.casebook import CaseBook
from kycgate.issuer.cases import (
    Action,
    Countries,
    Details,
    State,
    parse_details,
    parse_text,
    transition,
)
from kycgate.issuer.checks import Oracle, Screener, Screening, doubts, screen
from kycgate.issuer.issuing import DAY_S, Issuer
from kycgate.issuer.renewals import Renewals
from kycgate.issuer.vault import Entropy, Log, Vault
from kycgate.store.base import Case, Store

RENTER: Final = "renter"
RENEWAL: Final = "renewal"
RESCREENING: Final = "rescreening"
MAX_REASON: Final = 2000
"""Characters of a reviewer's reason."""

_REVIEWER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}", re.ASCII)
_SENTENCE: Final = {
    Code.SCREENING_HIT_WALLET: "a wallet of this subject is on a sanctions list",
    Code.SCREENING_HIT_NAME: "a name in this case is on a screening list",
    Code.SCREENING_SECOND_OPINION: "an oracle calls a wallet of this subject sanctioned",
}


class Identity:
    """This operator's cases and attestations. Every method may also raise Unavailable."""

    def __init__(
        self,
        store: Store,
        *,
        vault: Vault,
        issuer: Issuer,
        screener: Screener,
        countries: Countries,
        log: Log,
        entropy: Entropy = secrets.token_bytes,
        oracle: Oracle | None = None,
    ) -> None:
        self._book = CaseBook(store, vault=vault, countries=countries, log=log, entropy=entropy)
        self._issuer = issuer
        self._screener = screener
        self._oracle = oracle
        self.renewals = Renewals()

    @property
    def book(self) -> CaseBook:
        """The cases, for whoever must find all of them again."""
        return self._book

    # -- the renter's part -----------------------------------------------------------------------

    def open_case(
        self,
        account: Account,
        kind: int,
        details: dict[str, Any],
        *,
        refusal_id: str | None,
        now: int,
    ) -> Case:
        """Take a renter's details and submit them; the case then waits for a reviewer.

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
        _may_follow(earlier, which)
        return book.add(subject, account, which, told, actor=RENTER, refusal_id=refusal_id, now=now)

    def submit(self, case_id: str, *, now: int) -> Case:
        """Screen every wallet and name, and hand the case to the reviewers."""
        book = self._book
        case = book.case(case_id)
        transition(State(case.state), Action.SUBMIT)
        told = book.details(case, reader=RENTER, now=now)
        screening = self._screen(case, told, now)
        codes = (*screening.codes(), *doubts(told), *self._stale_code(now))
        book.keep_screening(case, screening, now)
        book.note("case_submitted", case, now, lists=screening.versions())
        case = book.move(case, Action.SUBMIT, RENTER, now, screened_at=now)
        return book.flag(case, codes, RENTER, now) if codes else case

    # -- the reviewer's part ---------------------------------------------------------------------

    def approve(
        self,
        case_id: str,
        *,
        reviewer: str,
        reason: str,
        now: int,
        level: int = Level.LOW,
        despite_hit: str | None = None,
    ) -> tuple[Case, list[SignedAttestation]]:
        """Approve a case after screening it again, and attest every account of its subject.

        `level` 1 for documents a reviewer has looked at, 2 where `reason` says why that is enough;
        3 comes from a wallet credential only. `despite_hit` says why name hits are somebody else; a
        listed wallet is refused whatever is said. Raises Refused with the hits' codes (the case is
        then in review), Unavailable when the lists are older than allowed.
        """
        book = self._book
        case = book.case(case_id)
        transition(State(case.state), Action.APPROVE)
        verdict = _verdict("approve", reviewer, reason) | {"level": _level(level)}
        if despite_hit is not None:
            verdict["despite_hit"] = _reason(despite_hit, "despite_hit")
        self._require_lists(now)
        told = book.details(case, reader=reviewer, now=now)
        screening = self._screen(case, told, now)
        shown = book.shown(case, reader=reviewer, now=now) if screening.findings else frozenset()
        book.keep_screening(case, screening, now)
        unseen = any(finding.shown not in shown for finding in screening.findings)
        self._stop_on_hits(case, screening, verdict, now, unseen=unseen)
        others = (*screening.findings, *screening.cleared)
        verdict["cleared"] = [list(finding.key) for finding in others]
        # Epochs first: a revocation from here on voids what is signed below.
        epochs = [(each, book.epoch(each)) for each in book.accounts(case)]
        hits = [str(code) for code in screening.codes()]
        lists = screening.versions()
        book.decide(
            "case_approved", case, verdict, now, level=int(level), reason_codes=hits, lists=lists
        )
        case = book.move(
            case,
            Action.APPROVE,
            reviewer,
            now,
            level=int(level),
            verified_at=now - now % DAY_S,
            screened_at=now,
            reason_codes=(),
        )
        book.clear(case, screening.findings, reviewer, now)
        return case, [
            self._issuer.issue(case, each, epoch=epoch, now=now) for each, epoch in epochs
        ]

    def refuse(self, case_id: str, *, reviewer: str, reason: str, now: int) -> Case:
        """Refuse a case. One that had been approved loses its attestations with it."""
        book = self._book
        case = book.case(case_id)
        transition(State(case.state), Action.REFUSE)
        book.decide("case_refused", case, _verdict("refuse", reviewer, reason), now)
        codes = case.reason_codes or (str(Code.CASE_REFUSED),)
        refused = book.move(case, Action.REFUSE, reviewer, now, reason_codes=codes)
        if case.level:  # it has been approved before
            book.void(case.subject_id, Code.CASE_REFUSED, now)
        return refused

    def revoke(self, who: Account | str, *, reviewer: str, reason: str, now: int) -> Case:
        """Void every attestation of every account of a subject, named by an account or by its id.

        The escrow and the running jobs follow through the outbox. May be repeated after a crash
        until nothing is left alive; then it is a Conflict.
        """
        book = self._book
        case = self._revocable(who, now)
        book.decide("case_revoked", case, _verdict("revoke", reviewer, reason), now)
        if case.state != State.REVOKED:
            codes = (str(Code.REVOKED_EPOCH),)
            # The case first: an approved case would be renewed under the new epoch.
            case = book.move(case, Action.REVOKE, reviewer, now, reason_codes=codes)
        book.void(case.subject_id, Code.REVOKED_EPOCH, now)
        return case

    # -- looking ---------------------------------------------------------------------------------

    def pending(self, *, limit: int = 100) -> list[Case]:
        """Cases that wait for a reviewer, the longest waiting first."""
        return self._book.pending(limit)

    def case(self, case_id: str) -> Case:
        """The case without what is sealed. Raises NotFound."""
        return self._book.case(case_id)

    def summary(self, case: Case) -> dict[str, Any]:
        """The case as it is listed: no personal data."""
        return view.summary(self._book, case)

    def case_view(self, case_id: str, *, reader: str, now: int) -> dict[str, Any]:
        """Everything about a case, evidence opened and each reading logged: see view.case_view."""
        _check_reviewer(reader)
        return view.case_view(self._book, self._issuer, case_id, reader=reader, now=now)

    # -- the attestation -------------------------------------------------------------------------

    def attestation(self, account: Account, *, now: int) -> SignedAttestation | None:
        """The account's attestation, renewed on the way where the rules let it; None without one.

        Raises Unavailable when only something that did not answer stands between the account and a
        renewal, and no attestation is alive meanwhile.
        """
        case = self._book.approved(account)
        if case is None:
            return None
        live = self._issuer.live(account, now=now)
        if live is not None and self._issuer.fresh(live, now=now):
            return self._issuer.read(live)
        try:
            renewed = self._renew(case, account, now)
            self.renewals.done(account.key)
        except (Unavailable, Malformed) as e:
            if live is None:
                if isinstance(e, Unavailable):
                    raise
                raise Unavailable("what is stored of this case can't be read") from e
            self.renewals.failed(account.key, ends_at=live.expires_at, why=e.message, now=now)
            renewed = None
        except NotFound:
            renewed = None  # the subject was erased: nothing is left to screen
        if renewed is None and live is not None and self._book.approved(account) is not None:
            return self._issuer.read(live)
        return renewed

    def _renew(self, case: Case, account: Account, now: int) -> SignedAttestation | None:
        book = self._book
        proof = book.wallet_proof_at(account)
        if proof is None or now - proof >= self._issuer.rules.wallet_proof_max_age_s:
            return None
        self._require_lists(now)
        epoch = book.epoch(account)
        told = book.details(case, reader=RENEWAL, now=now)
        screening = self._screen(case, told, now)
        try:
            if screening.findings:
                self._stop(case, screening, RENEWAL, now)
                return None
            case = book.move(case, Action.RENEW, RENEWAL, now, screened_at=now)
        except Conflict:
            return None  # decided by somebody else meanwhile: theirs stands
        return self._issuer.issue(case, account, epoch=epoch, now=now)

    def _stop(self, case: Case, screening: Screening, actor: str, now: int) -> None:
        """Found after approval: a reviewer must look, and what is final can't wait for one."""
        codes = screening.codes()
        self._book.keep_screening(case, screening, now)
        self._book.flag(case, codes, actor, now)
        if screening.final:
            self._book.void(case.subject_id, codes[0], now)

    # -- a list has changed ----------------------------------------------------------------------

    def rescreen(self, case_id: str, screener: Screener, *, now: int) -> Screening | None:
        """Screen an approved case again, against what is new on the lists.

        A hit hands it to a reviewer; a listed wallet, or a name in the block band, voids every
        attestation of the subject at once. May be repeated: what was found before is left alone.
        Returns the screening that stopped it, else None. Raises Unavailable.
        """
        book = self._book
        case = book.case(case_id)
        if not attested(case):
            return None
        try:
            told = book.details(case, reader=RESCREENING, now=now)
        except NotFound:
            return None  # the subject was erased: nothing is left to screen
        accounts = book.accounts(case)
        screening = screen(told, accounts, screener, countries=book.countries, now=now)
        screening = book.uncleared(case, screening)
        known = case.state == State.REVIEW and {*screening.codes()} <= {*case.reason_codes}
        alive = any(self._issuer.live(each, now=now) for each in accounts)
        if not screening.findings or (known and not (screening.final and alive)):
            return None
        try:
            self._stop(case, screening, RESCREENING, now)
        except Conflict:
            return None  # decided by somebody else meanwhile: theirs stands
        return screening

    # -- screening -------------------------------------------------------------------------------

    def _screen(self, case: Case, told: Details, now: int) -> Screening:
        book = self._book
        screening = screen(
            told,
            book.accounts(case),
            self._screener,
            countries=book.countries,
            now=now,
            oracle=self._oracle,
        )
        return book.uncleared(case, screening)

    def _stale_code(self, now: int) -> tuple[Code, ...]:
        stale = self._screener.stale(now, self._issuer.rules.list_max_age_s)
        return (Code.SCREENING_STALE,) if stale else ()

    def _require_lists(self, now: int) -> None:
        if self._stale_code(now):
            raise Unavailable(
                "the screening lists are older than allowed: nothing can be cleared with them",
                code=Code.SCREENING_STALE,
            )

    def _stop_on_hits(
        self, case: Case, screening: Screening, verdict: dict[str, Any], now: int, *, unseen: bool
    ) -> None:
        """`unseen`: a list has changed since; no reviewer can mean a hit they were not shown."""
        codes = screening.codes()
        answered = "despite_hit" in verdict and not unseen
        if not codes or (Code.SCREENING_HIT_WALLET not in codes and answered):
            return
        self._book.flag(case, codes, verdict["reviewer"], now)
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
        accounts = self._book.accounts(cases[0])
        alive = any(self._issuer.live(each, now=now) for each in accounts)
        for case in cases:
            if case.state == State.REVOKED and alive:
                return case
        raise Conflict(f"cannot {Action.REVOKE} a case that is {cases[0].state}")


def attested(case: Case) -> bool:
    """Whether attestations may be alive that stand on this case."""
    return case.state == State.APPROVED or (case.state == State.REVIEW and case.level > 0)


def _may_follow(earlier: Sequence[Case], kind: Kind) -> None:
    """Raises Conflict unless a new case may follow these."""
    for case in earlier:
        transition(State(case.state), Action.REOPEN)
    if any(case.level and case.kind != kind for case in earlier):
        raise Conflict("this account was verified as another kind of subject: use another account")


def _kind(kind: int) -> Kind:
    if type(kind) in (int, Kind) and kind in (1, 2):
        return Kind(kind)
    raise Malformed("is not a kind of subject", field="kind", remedy="1 person, 2 organisation")


def _level(level: int) -> int:
    if type(level) in (int, Level) and level in (Level.LOW, Level.SUBSTANTIAL):
        return int(level)
    raise Malformed(
        "is not a level a reviewer can give",
        field="level",
        remedy="1, or 2 with a reason; 3 comes from a wallet credential",
    )


def _verdict(action: str, reviewer: str, reason: str) -> dict[str, Any]:
    _check_reviewer(reviewer)
    return {"action": action, "reviewer": reviewer, "reason": _reason(reason, "reason")}


def _reason(text: str, field: str) -> str:
    return parse_text(text, field=field, longest=MAX_REASON)


def _check_reviewer(reviewer: str) -> None:
    ours = reviewer in (RENTER, RENEWAL)
    if type(reviewer) is not str or ours or not _REVIEWER.fullmatch(reviewer):
        raise Malformed(
            "is not a reviewer's name",
            field="reviewer",
            remedy="1 to 64 letters, digits and . _ @ + -, as in `mara` or `mara@example.org`",
        )
