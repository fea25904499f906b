"""The operator's cases as they are kept: found, moved on, and filled with sealed evidence.

Takes no decision: it carries out those of the identity office, in the log before they take effect.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from kycgate.core.claims import Account, Kind
from kycgate.errors import Code, Conflict, NotFound
from kycgate.issuer.cases import Action, Need, State, transition
from kycgate.issuer.checks import Finding, Screening, doubts
from kycgate.issuer.details import Details, NamedParty, document, ultimate_country
from kycgate.issuer.form import Countries
from kycgate.issuer.ownership import OWNERS, OwnershipDesk
from kycgate.issuer.telling import parse_details
from kycgate.issuer.vault import Entropy, Log, Vault
from kycgate.store.base import Store
from kycgate.store.records.cases import (
    Case,
    CaseEvent,
    Clearance,
    SealedBlob,
    SealedEvidence,
    Subject,
)

DETAILS: Final = "details"
SCREENING: Final = "screening"
DECISION: Final = "decision"
OWNERSHIP: Final = "ownership"
"""The kind of evidence that holds what was told of owners beside what registers said."""
_WITNESSED: Final = (Action.SUBMIT, Action.APPROVE, Action.VERIFY)
_SETTLED: Final = (Action.SUBMIT, Action.APPROVE, Action.VERIFY, Action.RENEW, Action.FLAG)
"""Steps at which the owners are looked at anew."""
"""Kinds of evidence: what the renter said, what the lists said, what a reviewer said."""

_ALL: Final = 10_000
"""Cases read at once, of one account or waiting; far above what people can have or review."""


class CaseBook:
    """Cases and their evidence. Raises Conflict when somebody else moved the case meanwhile."""

    def __init__(
        self,
        store: Store,
        *,
        vault: Vault,
        countries: Countries,
        log: Log,
        entropy: Entropy = secrets.token_bytes,
    ) -> None:
        self._store = store
        self._vault = vault
        self._log = log
        self._entropy = entropy
        self.countries = countries
        self.owners: OwnershipDesk | None = None
        """who follows owners and registers; without one, what was told is all there is"""
        self._found: dict[str, Screening] = {}

    # -- finding ---------------------------------------------------------------------------------

    def case(self, case_id: str) -> Case:
        """The case without what is sealed. Raises NotFound."""
        case = self._store.case(case_id)
        if case is None:
            raise NotFound("no such case")
        return case

    def pending(self, limit: int) -> list[Case]:
        """Cases that wait for a reviewer, the longest waiting first."""
        waiting = [
            case
            for state in (State.SUBMITTED, State.REVIEW)
            for case in self._store.cases(state=state, limit=_ALL)
        ]
        # Cut only here: the store gives the newest first, and the oldest must not starve.
        return sorted(waiting, key=lambda case: (case.opened_at, case.id))[:limit]

    def of_subject(self, subject_id: str) -> list[Case]:
        """Every case of every account of the subject, newest first."""
        found = [
            case
            for account in self._store.accounts_of(subject_id)
            for case in self._store.cases(account=account, limit=_ALL)
            if case.subject_id == subject_id
        ]
        return sorted(found, key=lambda case: case.opened_at, reverse=True)

    def approved(self, account: Account) -> Case | None:
        """The case on which the account's attestation stands."""
        subject = self._store.subject_of(account.key)
        cases = self.of_subject(subject.id) if subject else []
        return next((case for case in cases if case.state == State.APPROVED), None)

    def accounts(self, case: Case) -> list[Account]:
        """Every account of the case's subject."""
        return [Account.from_key(key) for key in self._store.accounts_of(case.subject_id)]

    def subject_id(self, who: Account | str) -> str | None:
        """The subject behind an account, or the id given."""
        if isinstance(who, str):
            return who
        subject = self._store.subject_of(who.key)
        return subject.id if subject else None

    def erased(self, case: Case) -> bool:
        """Whether the personal data behind the case is gone."""
        subject = self._store.subject(case.subject_id)
        return subject is None or not subject.wrapped_key

    def history(self, case: Case) -> Sequence[CaseEvent]:
        """What was done, oldest first."""
        return self._store.case_events(case.id)

    # -- opening and moving ----------------------------------------------------------------------

    def subject(self, account: Account, kind: Kind, now: int) -> Subject:
        """The account's subject, a new one if it has none."""
        subject = self._store.subject_of(account.key)
        if subject is not None:
            if subject.restricted_until is not None:
                raise Conflict("what is known of this account is kept for the law alone")
            return subject
        subject = self._vault.new_subject(kind, now=now)
        try:
            self._store.link_account(account.key, subject.id, at=now)
        except Conflict:
            # Two first visits at once: the other's subject stands, ours is nobody's.
            found = self._store.subject_of(account.key)
            if found is None:
                raise
            return found
        return subject

    def add(
        self,
        subject: Subject,
        account: Account,
        kind: Kind,
        told: Details | None,
        *,
        actor: str,
        refusal_id: str | None,
        now: int,
    ) -> Case:
        """A new draft with these details, or none yet."""
        case = Case(
            id=self._entropy(8).hex(),
            subject_id=subject.id,
            account=account.key,
            kind=int(kind),
            state=State.DRAFT,
            opened_at=now,
            updated_at=now,
            refusal_id=refusal_id,
            country=told.country if told else 0,
            ultimate_country=ultimate_country(told) if told else 0,
        )
        self.note("case_opened", case, now)
        self._store.add_case(case, CaseEvent(case.id, now, actor, "open", "", State.DRAFT))
        # A crash before this line leaves an empty draft, which takes the details sent again.
        if told is not None:
            self.keep(case, DETAILS, document(told, self.countries), now)
        return case

    def amend(self, case: Case, kind: Kind, told: Details, *, actor: str, now: int) -> Case:
        """Other details in a case that is the renter's turn."""
        country, ultimate = told.country, ultimate_country(told)
        transition(State(case.state), Action.AMEND)
        self.keep(case, DETAILS, document(told, self.countries), now)
        return self.move(
            case,
            Action.AMEND,
            actor,
            now,
            kind=int(kind),
            country=country,
            ultimate_country=ultimate,
        )

    def move(self, case: Case, action: Action, actor: str, now: int, **changed: Any) -> Case:
        """The case after the action, stored with its event."""
        after = transition(State(case.state), action)
        changed |= self._settled(case, action, now)
        moved = replace(case, state=after, updated_at=now, **changed)
        event = CaseEvent(case.id, now, actor, action, case.state, after)
        self._store.move_case(moved, from_state=case.state, event=event)
        return moved

    def flag(self, case: Case, codes: Sequence[Code], actor: str, now: int) -> Case:
        """Hand the case to a reviewer, with the reasons."""
        words = tuple(str(code) for code in codes)
        self.note("case_review", case, now, reason_codes=list(words))
        return self.move(case, Action.FLAG, actor, now, reason_codes=words)

    def ask(
        self, case: Case, needs: Sequence[Need], codes: Sequence[str], actor: str, now: int
    ) -> Case:
        """Give the case back to the renter, who reads what is asked for."""
        asked = json.dumps([[need.item, need.text] for need in needs])
        self.note("case_needs", case, now, actor=actor, items=[need.item for need in needs])
        return self.move(
            case,
            Action.ASK,
            actor,
            now,
            needs=self._vault.seal_note(case.subject_id, case.id, asked),
            reason_codes=tuple(codes),
        )

    def needs(self, case: Case) -> tuple[Need, ...]:
        """What the renter is asked for; nothing of an erased subject."""
        if case.state != State.NEEDS or case.needs is None:
            return ()
        try:
            asked = json.loads(self._vault.open_note(case.subject_id, case.id, case.needs))
        except NotFound:
            return ()
        return tuple(Need(item, text) for item, text in asked)

    def void(self, subject_id: str, code: Code, now: int) -> None:
        """Void every attestation of the subject, here at once and elsewhere through the outbox.

        The outbox comes first: what stops here must not go on elsewhere because of a crash.
        """
        for key in self._store.accounts_of(subject_id):
            epoch = self._store.epoch(key)
            self._store.enqueue("revoke_onchain", {"account": key, "epoch": epoch}, due_at=now)
            self._store.enqueue("stop_jobs", {"account": key}, due_at=now)
            users = self._users(key)
            if users:
                self._store.enqueue("stop_runs", {"account": key, "users": users}, due_at=now)
            self._store.revoke_account(key, at=now, reason=str(code))

    def _users(self, account: str) -> list[list[str | int]]:
        """[scheduler, user, until]: who places or placed work as the account. Written into the
        order, since the links themselves may be forgotten before it is carried out."""
        until: dict[tuple[str, str], int] = {}
        for link in self._store.user_links_of(account):
            if link.linked_at is not None:
                who = (link.scheduler, link.user)
                until[who] = max(link.expires_at, until.get(who, 0))
        return [[*who, end] for who, end in until.items()]

    def epoch(self, account: Account) -> int:
        """The epoch under which the account is attested today."""
        return self._store.epoch(account.key)

    def wallet_proof_at(self, account: Account) -> int | None:
        """When the account last signed in person."""
        return self._store.wallet_proof_at(account.key)

    # -- evidence --------------------------------------------------------------------------------

    def keep(self, case: Case, kind: str, document: dict[str, Any], now: int) -> SealedEvidence:
        """Seal and store a piece of evidence."""
        sealed = self._vault.seal(case.subject_id, kind, document, case_id=case.id, now=now)
        self._store.add_evidence(sealed)
        return sealed

    def keep_screening(self, case: Case, screening: Screening, now: int) -> None:
        """What the lists said is evidence too, clear or not."""
        self._found[case.id] = screening
        self.keep(case, SCREENING, screening.document(), now)

    def decide(self, kind: str, case: Case, verdict: dict[str, Any], now: int, **more: Any) -> None:
        """Record a reviewer's decision. Their words are sealed, as they may name people; the log
        gets the commitment."""
        evidence = self.keep(case, DECISION, verdict | {"at": now}, now)
        reviewer, commitment = verdict["reviewer"], evidence.commitment.hex()
        self.note(kind, case, now, reviewer=reviewer, evidence=commitment, **more)

    def evidence(self, case: Case) -> list[SealedEvidence]:
        """Every piece, in the order of sealing."""
        return sorted(self._store.evidence_of(case.id), key=lambda each: each.id)

    def open(
        self, evidence: SealedEvidence, *, reader: str, now: int, hold: str | None = None
    ) -> dict[str, Any]:
        """One piece, its reading logged."""
        return self._vault.open(evidence, reader=reader, now=now, hold=hold)

    def has_details(self, case: Case) -> bool:
        """Whether the renter has said anything yet."""
        return any(each.kind == DETAILS for each in self.evidence(case))

    def details(self, case: Case, *, reader: str, now: int) -> Details:
        """What the renter said last, its reading logged."""
        found = [each for each in self.evidence(case) if each.kind == DETAILS]
        if not found:
            raise Conflict("this case holds no details yet: send them again")
        return self._read(case, self.open(found[-1], reader=reader, now=now), now)

    def told(
        self, cases: Sequence[Case], *, reader: str, now: int
    ) -> list[tuple[Case, Details | None]]:
        """What each renter said last, for a machine's eyes; None where there is nothing to read."""
        last = [[e for e in self.evidence(case) if e.kind == DETAILS][-1:] for case in cases]
        found = [pieces[0] for pieces in last if pieces]
        raw = iter(self._vault.open_many(found, reader=reader, now=now) if found else ())
        told: list[tuple[Case, Details | None]] = []
        for case, pieces in zip(cases, last, strict=True):
            details = next(raw) if pieces else None
            told.append((case, None if details is None else self._read(case, details, now)))
        return told

    def _read(self, case: Case, raw: dict[str, Any], now: int) -> Details:
        return parse_details(Kind(case.kind), raw, countries=self.countries, now=now)

    def shown(self, case: Case, *, reader: str, now: int) -> frozenset[tuple[str, ...]]:
        """The hits a reviewer of the case may have seen: `Finding.shown` of every screening."""
        kept = [each for each in self.evidence(case) if each.kind == SCREENING]
        documents = self._vault.open_many(kept, reader=reader, now=now) if kept else []
        return frozenset(
            (finding["role"], finding["list"], finding["entry"], finding["digest"])
            for document in documents
            for finding in (document or {}).get("findings", [])
        )

    def clear(self, case: Case, findings: Sequence[Finding], reviewer: str, now: int) -> None:
        """Remember that these are somebody else, for as long as entry and details stay the same."""
        for finding in findings:
            key = self._vault.blind(case.subject_id, finding.statement)
            self._store.add_clearance(Clearance(case.subject_id, key, case.id, reviewer, now))
        if findings:
            self._settled(case, Action.APPROVE, now)

    def uncleared(self, case: Case, screening: Screening) -> Screening:
        """Less what reviewers have found to be somebody else. A listed wallet stays."""
        known = self._store.clearances_of(case.subject_id) if screening.findings else frozenset()
        if not known:
            return screening
        blind = self._vault.blind
        return screening.without(
            lambda finding: blind(case.subject_id, finding.statement) in known,
            lambda finding: blind(case.subject_id, finding.listed) in known,
        )

    # -- pictures --------------------------------------------------------------------------------

    def keep_picture(self, case: Case, side: str, media: str, data: bytes, now: int) -> SealedBlob:
        """Seal and store a picture."""
        blob = self._vault.seal_blob(case.subject_id, side, media, data, case_id=case.id, now=now)
        self._store.add_blob(blob)
        return blob

    def pictures(self, case: Case) -> list[SealedBlob]:
        """The pictures of a case, oldest first, without their contents."""
        return self._store.blobs_of(case.id)

    def open_picture(
        self, case: Case, picture_id: str, *, reader: str, now: int, hold: str | None = None
    ) -> Iterator[bytes]:
        """One picture of this case, its reading logged. Raises NotFound."""
        blob = self._store.blob(picture_id)
        if blob is None or blob.case_id != case.id:
            raise NotFound("no such picture in this case")
        return self._vault.open_blob(blob, reader=reader, now=now, hold=hold)

    def link(self, account: Account, subject_id: str, now: int) -> None:
        """Make the account the subject's. Conflict when it is another's."""
        self._store.link_account(account.key, subject_id, at=now)

    # -- owners ----------------------------------------------------------------------------------

    def also(self, told: Details, *, now: int) -> tuple[NamedParty, ...]:
        """Whom registers name as owners beyond what was told: to be screened too."""
        return () if self.owners is None else self.owners.also(told, now=now)

    def doubts(self, told: Details, *, now: int) -> tuple[Code, ...]:
        """Why a reviewer must look although the lists are clear."""
        return doubts(told) if self.owners is None else self.owners.doubts(told, now=now)

    def new_doubts(self, case: Case, told: Details, *, now: int) -> tuple[Code, ...]:
        """What registers have come to say against an approved case."""
        return () if self.owners is None else self.owners.new_doubts(case, told, now=now)

    def acknowledge(
        self, case: Case, findings: Sequence[Finding], verdict: dict[str, Any], now: int
    ) -> None:
        """Remember that an owner is that entry, for as long as entry and details stay the same."""
        self.decide("owner_listed", case, verdict, now)
        for each in findings:
            key = self._vault.blind(case.subject_id, each.listed)
            reviewer = verdict["reviewer"]
            self._store.add_clearance(Clearance(case.subject_id, key, case.id, reviewer, now))
        self._settled(case, Action.FLAG, now)

    def _settled(self, case: Case, action: Action, now: int) -> dict[str, Any]:
        """What the gate must know of the owners, stored; and what the case takes from it."""
        found = self._found.pop(case.id, None)
        if self.owners is None or action not in _SETTLED:
            return {}
        try:
            told = self.details(case, reader=OWNERS, now=now)
        except (NotFound, Conflict):
            return {}  # erased, or a draft without details: there is nobody to follow
        ultimate = self.owners.settle(case, told, found, now=now)
        seen = self.owners.view(case, told, now=now) if action in _WITNESSED else None
        if seen is not None:
            self.keep(case, OWNERSHIP, seen, now)
        return {} if action is Action.FLAG else {"ultimate_country": ultimate}

    def changed(self, *, since: int, after: tuple[int, str], limit: int) -> list[Case]:
        """Cases changed since that moment, above the (updated_at, id) `after`, in that order."""
        return self._store.cases_changed(since=since, after=after, limit=limit)

    def note(self, kind: str, case: Case, now: int, **more: Any) -> None:
        """A line in the decision log: ids, digests and codes only."""
        self._log.append(kind, {"case": case.id, "account": case.account, **more}, now=now)
