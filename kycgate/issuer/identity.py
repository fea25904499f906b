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
from dataclasses import replace
from typing import Any, Final

from kycgate.core.attestation import SignedAttestation
from kycgate.core.claims import Account, Kind, Level
from kycgate.errors import (
    Code,
    Conflict,
    Malformed,
    NotFound,
    Reason,
    Refused,
    Unavailable,
)
from kycgate.issuer import cases as form
from kycgate.issuer.cases import Action, Countries, Details, State, transition
from kycgate.issuer.checks import Screener, Screening, doubts, screen
from kycgate.issuer.issuing import DAY_S, Issuer
from kycgate.issuer.vault import Entropy, Log, Vault
from kycgate.store.base import Case, CaseEvent, SealedEvidence, Store, Subject

RENTER: Final = "renter"
RENEWAL: Final = "renewal"
MAX_REASON: Final = 2000
"""Characters of a reviewer's reason."""

_DETAILS: Final = "details"
_SCREENING: Final = "screening"
_DECISION: Final = "decision"
_REVIEWER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}", re.ASCII)

_SENTENCE: Final = {
    Code.SCREENING_HIT_WALLET: "a wallet of this subject is on a sanctions list",
    Code.SCREENING_HIT_NAME: "a name in this case is on a screening list",
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
    ) -> None:
        self._store = store
        self._vault = vault
        self._issuer = issuer
        self._screener = screener
        self._countries = countries
        self._log = log
        self._entropy = entropy

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
        which = _kind(kind)
        told = form.parse_details(which, details, countries=self._countries, now=now)
        subject = self._subject(account, which, now)
        earlier = self._cases_of(subject.id)
        for case in earlier:
            if case.state == State.DRAFT:
                return self._amend(case, which, told, now)
        _may_follow(earlier, which)
        case = Case(
            id=self._entropy(8).hex(),
            subject_id=subject.id,
            account=account.key,
            kind=int(which),
            state=State.DRAFT,
            opened_at=now,
            updated_at=now,
            refusal_id=refusal_id,
            country=told.country,
            ultimate_country=form.ultimate_country(told),
        )
        opened = CaseEvent(case.id, now, RENTER, "open", "", State.DRAFT)
        self._note("case_opened", case, now)
        self._store.add_case(case, opened)
        self._keep(case, _DETAILS, form.document(told, self._countries), now)
        return case

    def submit(self, case_id: str, *, now: int) -> Case:
        """Screen every wallet and name, and hand the case to the reviewers."""
        case = self.case(case_id)
        transition(State(case.state), Action.SUBMIT)
        told = self._details(case, reader=RENTER, now=now)
        screening = self._screen(case, told, now)
        codes = (*screening.codes(), *doubts(told), *self._stale_code(now))
        self._keep(case, _SCREENING, screening.document(), now)
        self._note("case_submitted", case, now, lists=_lists(screening))
        case = self._move(case, Action.SUBMIT, RENTER, now, screened_at=now)
        return self._flag(case, codes, RENTER, now) if codes else case

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
        case = self.case(case_id)
        transition(State(case.state), Action.APPROVE)
        verdict = _verdict("approve", reviewer, reason) | {"level": _level(level)}
        self._require_lists(now)
        told = self._details(case, reader=reviewer, now=now)
        screening = self._screen(case, told, now)
        self._keep(case, _SCREENING, screening.document(), now)
        self._stop_on_hits(case, screening, reviewer, despite_hit, now)
        if screening.findings:
            verdict["despite_hit"] = form.parse_text(
                despite_hit, field="despite_hit", longest=MAX_REASON
            )
            verdict["cleared"] = [list(finding.key) for finding in screening.findings]
        evidence = self._keep(case, _DECISION, verdict | {"at": now}, now)
        # Epochs first: a revocation from here on voids what is signed below.
        epochs = {each: self._store.epoch(each.key) for each in self._accounts(case)}
        self._note(
            "case_approved",
            case,
            now,
            reviewer=reviewer,
            level=level,
            evidence=evidence.commitment.hex(),
            reason_codes=[str(code) for code in screening.codes()],
            lists=_lists(screening),
        )
        case = self._move(
            case,
            Action.APPROVE,
            reviewer,
            now,
            level=level,
            verified_at=now - now % DAY_S,
            screened_at=now,
            reason_codes=(),
        )
        return case, [
            self._issuer.issue(case, each, epoch=epoch, now=now) for each, epoch in epochs.items()
        ]

    def refuse(self, case_id: str, *, reviewer: str, reason: str, now: int) -> Case:
        """Refuse a case. One that had been approved loses its attestations with it."""
        case = self.case(case_id)
        transition(State(case.state), Action.REFUSE)
        self._decide("case_refused", case, _verdict("refuse", reviewer, reason), now)
        codes = case.reason_codes or (str(Code.CASE_REFUSED),)
        refused = self._move(case, Action.REFUSE, reviewer, now, reason_codes=codes)
        if case.verified_at:
            self._void(case.subject_id, Code.CASE_REFUSED, now)
        return refused

    def revoke(self, who: Account | str, *, reviewer: str, reason: str, now: int) -> Case:
        """Void every attestation of every account of a subject, named by an account or by its id.

        The escrow and the running jobs follow through the outbox. May be repeated after a crash
        until nothing is left alive; then it is a Conflict.
        """
        case = self._revocable(who, now)
        self._decide("case_revoked", case, _verdict("revoke", reviewer, reason), now)
        if case.state != State.REVOKED:
            codes = (str(Code.REVOKED_EPOCH),)
            # The case first: an approved case would be renewed under the new epoch.
            case = self._move(case, Action.REVOKE, reviewer, now, reason_codes=codes)
        self._void(case.subject_id, Code.REVOKED_EPOCH, now)
        return case

    def pending(self, *, limit: int = 100) -> list[Case]:
        """Cases that wait for a reviewer, the longest waiting first."""
        waiting = [
            case
            for state in (State.SUBMITTED, State.REVIEW)
            for case in self._store.cases(state=state, limit=limit)
        ]
        return sorted(waiting, key=lambda case: (case.opened_at, case.id))

    def case(self, case_id: str) -> Case:
        """The case without what is sealed. Raises NotFound."""
        case = self._store.case(case_id)
        if case is None:
            raise NotFound("no such case")
        return case

    # -- the attestation -------------------------------------------------------------------------

    def attestation(self, account: Account, *, now: int) -> SignedAttestation | None:
        """The account's attestation, renewed on the way where the rules let it; None without one.

        Raises Unavailable when only something that did not answer stands between the account and a
        renewal, and no attestation is alive meanwhile.
        """
        case = self._approved(account)
        if case is None:
            return None
        live = self._issuer.live(account, now=now)
        if live is not None and self._issuer.fresh(live, now=now):
            return self._issuer.read(live)
        try:
            renewed = self._renew(case, account, now)
        except Unavailable:
            if live is None:
                raise
            renewed = None
        except NotFound:
            renewed = None  # the subject was erased: nothing is left to screen
        if renewed is None and live is not None and self._approved(account) is not None:
            return self._issuer.read(live)
        return renewed

    def _renew(self, case: Case, account: Account, now: int) -> SignedAttestation | None:
        proof = self._store.wallet_proof_at(account.key)
        if proof is None or now - proof >= self._issuer.rules.wallet_proof_max_age_s:
            return None
        self._require_lists(now)
        epoch = self._store.epoch(account.key)
        told = self._details(case, reader=RENEWAL, now=now)
        screening = self._screen(case, told, now)
        if screening.findings:
            screening = screening.without(self._cleared(case, now))
        try:
            if screening.findings:
                self._keep(case, _SCREENING, screening.document(), now)
                self._flag(case, screening.codes(), RENEWAL, now)
                if Code.SCREENING_HIT_WALLET in screening.codes():
                    self._void(case.subject_id, Code.SCREENING_HIT_WALLET, now)
                return None
            case = self._move(case, Action.RENEW, RENEWAL, now, screened_at=now)
        except Conflict:
            return None  # decided by somebody else meanwhile: theirs stands
        return self._issuer.issue(case, account, epoch=epoch, now=now)

    # -- reading a case --------------------------------------------------------------------------

    def case_view(self, case_id: str, *, reader: str, now: int) -> dict[str, Any]:
        """Everything about a case, evidence opened; each piece opened is logged under the reader.

        Countries are two-letter codes or None for unknown, times Unix seconds UTC. Of an erased
        subject nothing is opened, and `erased` is true.
        """
        _check_reviewer(reader)
        case = self.case(case_id)
        subject = self._store.subject(case.subject_id)
        erased = subject is None or not subject.wrapped_key
        opened: dict[str, list[dict[str, Any]]] = {_DETAILS: [], _SCREENING: [], _DECISION: []}
        for evidence in [] if erased else self._evidence(case):
            opened[evidence.kind].append(self._vault.open(evidence, reader=reader, now=now))
        return self._summary(case) | {
            "erased": erased,
            "details": opened[_DETAILS][-1] if opened[_DETAILS] else None,
            "screenings": opened[_SCREENING],
            "decisions": opened[_DECISION],
            "attestations": [self._attested(each, now) for each in self._accounts(case)],
            "history": [
                {
                    "at": event.at,
                    "actor": event.actor,
                    "action": event.action,
                    "from": event.from_state,
                    "to": event.to_state,
                }
                for event in self._store.case_events(case.id)
            ],
        }

    def _summary(self, case: Case) -> dict[str, Any]:
        return {
            "case": case.id,
            "subject": case.subject_id,
            "account": case.account,
            "accounts": self._store.accounts_of(case.subject_id),
            "kind": Kind(case.kind).name.lower(),
            "state": case.state,
            "opened_at": case.opened_at,
            "updated_at": case.updated_at,
            "level": case.level,
            "country": self._alpha2(case.country),
            "ultimate_country": self._alpha2(case.ultimate_country),
            "verified_at": case.verified_at or None,
            "screened_at": case.screened_at or None,
            "reason_codes": list(case.reason_codes),
        }

    def _attested(self, account: Account, now: int) -> dict[str, Any]:
        live = self._issuer.live(account, now=now)
        return {
            "account": account.key,
            "epoch": self._store.epoch(account.key),
            "uid": None if live is None else "0x" + live.uid.hex(),
            "expires_at": None if live is None else live.expires_at,
        }

    def _alpha2(self, numeric: int) -> str | None:
        return self._countries.alpha2(numeric) if numeric else None

    # -- subjects and their cases ----------------------------------------------------------------

    def _subject(self, account: Account, kind: Kind, now: int) -> Subject:
        subject = self._store.subject_of(account.key)
        if subject is None:
            subject = self._vault.new_subject(kind, now=now)
            self._store.link_account(account.key, subject.id, at=now)
        return subject

    def _accounts(self, case: Case) -> list[Account]:
        return [Account.from_key(key) for key in self._store.accounts_of(case.subject_id)]

    def _cases_of(self, subject_id: str) -> list[Case]:
        """Newest first."""
        found = [
            case
            for account in self._store.accounts_of(subject_id)
            for case in self._store.cases(account=account)
            if case.subject_id == subject_id
        ]
        return sorted(found, key=lambda case: case.opened_at, reverse=True)

    def _approved(self, account: Account) -> Case | None:
        subject = self._store.subject_of(account.key)
        cases = self._cases_of(subject.id) if subject else []
        return next((case for case in cases if case.state == State.APPROVED), None)

    def _revocable(self, who: Account | str, now: int) -> Case:
        subject_id = (
            who if isinstance(who, str) else getattr(self._store.subject_of(who.key), "id", "")
        )
        cases = self._cases_of(subject_id)
        if not cases:
            raise NotFound("no case of this account or subject")
        for case in cases:
            if case.state == State.APPROVED or (case.state == State.REVIEW and case.verified_at):
                return case
        alive = any(self._issuer.live(each, now=now) for each in self._accounts(cases[0]))
        for case in cases:
            if case.state == State.REVOKED and alive:
                return case
        raise Conflict(f"cannot {Action.REVOKE} a case that is {cases[0].state}")

    # -- evidence --------------------------------------------------------------------------------

    def _keep(self, case: Case, kind: str, document: dict[str, Any], now: int) -> SealedEvidence:
        sealed = self._vault.seal(case.subject_id, kind, document, case_id=case.id, now=now)
        self._store.add_evidence(sealed)
        return sealed

    def _evidence(self, case: Case) -> Sequence[SealedEvidence]:
        """In the order of sealing."""
        return sorted(self._store.evidence_of(case.id), key=lambda each: each.id)

    def _details(self, case: Case, *, reader: str, now: int) -> Details:
        found = [each for each in self._evidence(case) if each.kind == _DETAILS]
        if not found:
            raise Conflict("this case holds no details yet: send them again")
        raw = self._vault.open(found[-1], reader=reader, now=now)
        return form.parse_details(Kind(case.kind), raw, countries=self._countries, now=now)

    def _cleared(self, case: Case, now: int) -> frozenset[tuple[str, str, str]]:
        """Name hits that a reviewer has found to be somebody else."""
        found = [each for each in self._evidence(case) if each.kind == _DECISION]
        verdict = self._vault.open(found[-1], reader=RENEWAL, now=now) if found else {}
        return frozenset(
            (entry_list, entry, name) for entry_list, entry, name in verdict.get("cleared", [])
        )

    # -- screening -------------------------------------------------------------------------------

    def _screen(self, case: Case, told: Details, now: int) -> Screening:
        return screen(told, self._accounts(case), self._screener, now=now)

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
        self, case: Case, screening: Screening, reviewer: str, despite_hit: str | None, now: int
    ) -> None:
        codes = screening.codes()
        if not codes or (Code.SCREENING_HIT_WALLET not in codes and despite_hit is not None):
            return
        self._flag(case, codes, reviewer, now)
        raise Refused(
            "; ".join(_SENTENCE[code] for code in codes),
            reasons=tuple(Reason(code, _SENTENCE[code]) for code in codes),
        )

    def _flag(self, case: Case, codes: Sequence[Code], actor: str, now: int) -> Case:
        words = tuple(str(code) for code in codes)
        self._note("case_review", case, now, reason_codes=list(words))
        return self._move(case, Action.FLAG, actor, now, reason_codes=words)

    # -- effects ---------------------------------------------------------------------------------

    def _amend(self, case: Case, kind: Kind, told: Details, now: int) -> Case:
        self._keep(case, _DETAILS, form.document(told, self._countries), now)
        return self._move(
            case,
            Action.AMEND,
            RENTER,
            now,
            kind=int(kind),
            country=told.country,
            ultimate_country=form.ultimate_country(told),
        )

    def _decide(self, kind: str, case: Case, verdict: dict[str, Any], now: int) -> None:
        """The reviewer's own words are sealed: they may name people. The log gets their digest."""
        evidence = self._keep(case, _DECISION, verdict | {"at": now}, now)
        reviewer, commitment = verdict["reviewer"], evidence.commitment.hex()
        self._note(kind, case, now, reviewer=reviewer, evidence=commitment)

    def _void(self, subject_id: str, code: Code, now: int) -> None:
        """Void every attestation of the subject, here at once and elsewhere through the outbox.

        The outbox comes first: what stops here must not go on elsewhere because of a crash.
        """
        for key in self._store.accounts_of(subject_id):
            epoch = self._store.epoch(key)
            self._store.enqueue("revoke_onchain", {"account": key, "epoch": epoch}, due_at=now)
            self._store.enqueue("stop_jobs", {"account": key}, due_at=now)
            self._store.revoke_account(key, at=now, reason=str(code))

    def _move(self, case: Case, action: Action, actor: str, now: int, **changed: Any) -> Case:
        after = transition(State(case.state), action)
        moved = replace(case, state=after, updated_at=now, **changed)
        event = CaseEvent(case.id, now, actor, action, case.state, after)
        self._store.move_case(moved, from_state=case.state, event=event)
        return moved

    def _note(self, kind: str, case: Case, now: int, **more: Any) -> None:
        self._log.append(kind, {"case": case.id, "account": case.account, **more}, now=now)


def _may_follow(earlier: Sequence[Case], kind: Kind) -> None:
    """Raises Conflict unless a new case may follow these."""
    for case in earlier:
        transition(State(case.state), Action.REOPEN)
    if any(case.verified_at and case.kind != kind for case in earlier):
        raise Conflict("this account was verified as another kind of subject: use another account")


def _lists(screening: Screening) -> list[dict[str, str]]:
    return [{"name": name, "version": version} for name, version in screening.lists]


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
    text = form.parse_text(reason, field="reason", longest=MAX_REASON)
    return {"action": action, "reviewer": reviewer, "reason": text}


def _check_reviewer(reviewer: str) -> None:
    ours = reviewer in (RENTER, RENEWAL)
    if type(reviewer) is not str or ours or not _REVIEWER.fullmatch(reviewer):
        raise Malformed(
            "is not a reviewer's name",
            field="reviewer",
            remedy="1 to 64 letters, digits and . _ @ + -, as in `mara` or `mara@example.org`",
        )
