"""How long people's data is kept, and how it is forgotten: by the calendar, or because they ask.

Reads nobody's data: it goes by dates and states alone. What must be kept is kept restricted; what
must not is shredded, and the decision log stays as it was.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from kycgate.core.claims import Account
from kycgate.errors import Code, Conflict, Malformed, NotFound
from kycgate.issuer.casebook import CaseBook
from kycgate.issuer.cases import Action, State
from kycgate.issuer.part import RENTER, check_reviewer, parse_reason
from kycgate.issuer.rules import DAY_S
from kycgate.issuer.vault import RETENTION, Entropy, Log, Vault
from kycgate.store.base import Store
from kycgate.store.records.cases import Case, Hold, Subject

CALENDAR: Final = "retention"
"""Who closes a case whose time is over."""
_EVERY_S: Final = 3600
_BATCH: Final = 500
_JOBS: Final = 200
_OPEN: Final = (State.DRAFT, State.SUBMITTED, State.NEEDS, State.REVIEW, State.APPROVED)
_DECIDED: Final = (State.REVIEW, State.REFUSED, State.REVOKED)
_UNSENT: Final = (State.DRAFT, State.NEEDS)
_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Duty:
    """How many years records of renters in one country are kept, and on what ground."""

    years: int
    reason: str


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """The operator's duties. `by_country` goes by ISO 3166-1 numeric and wins over `default`."""

    default: Duty = Duty(10, "records of transactions are kept ten years")
    by_country: Mapping[int, Duty] = field(default_factory=dict)
    draft_days: int = 90
    """days after which a case that was never handed in is forgotten"""

    def of(self, country: int) -> Duty:
        """The duty that applies to a renter in this country."""
        return self.by_country.get(country, self.default)


@dataclass(frozen=True, slots=True)
class Kept:
    """Until when a subject's data must be kept, and why: `retention`, or the ids of holds."""

    until: int
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Erasure:
    """What came of asking to be erased. `until` is None: it is gone already."""

    until: int | None
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Forgotten:
    """One subject whose time was over, or would have been."""

    subject_id: str
    due_at: int


class Retention:
    """The calendar. Every method may raise Unavailable and may be repeated."""

    def __init__(
        self,
        store: Store,
        *,
        vault: Vault,
        book: CaseBook,
        log: Log,
        rules: RetentionRules,
        entropy: Entropy = secrets.token_bytes,
    ) -> None:
        self._store = store
        self._vault = vault
        self._book = book
        self._log = log
        self._entropy = entropy
        self._ran_at = 0
        self.rules = rules

    # -- how long --------------------------------------------------------------------------------

    def kept(self, subject: Subject, now: int) -> Kept | None:
        """What forbids forgetting a subject at this moment; None when nothing does."""
        found = [(hold.until, hold.id) for hold in self._holds(subject.id, now)]
        duty = self._duty_until(subject.id)
        if duty is not None and now < duty:
            found.append((duty, RETENTION))
        if not found:
            return None
        return Kept(max(until for until, _ in found), tuple(name for _, name in found))

    def _duty_until(self, subject_id: str) -> int | None:
        """The end of the duty to keep records; None where nothing ever called for it.

        It runs from the last transaction. Where there was none, a person's decision against the
        renter, or one still open, must stay explicable as long.
        """
        cases = self._book.of_subject(subject_id)
        moments = [at for at in map(self._last_transaction, self._accounts(subject_id)) if at]
        moments += [case.updated_at for case in cases if _decided(case, self._book)]
        if not moments:
            return None
        country = next((case.country for case in cases if case.country), 0)
        return _years_after(max(moments), self.rules.of(country).years)

    def _last_transaction(self, account: str) -> int:
        at = 0
        for job in self._store.jobs_of(account, limit=_JOBS):
            rental = self._store.rental_state(job.id)
            at = max(at, job.updated_at, 0 if rental is None else rental.end)
        return at

    def _accounts(self, subject_id: str) -> list[str]:
        return self._store.accounts_of(subject_id)

    def _holds(self, subject_id: str, now: int) -> list[Hold]:
        return [each for each in self._store.holds_of(subject_id) if each.stands(now)]

    # -- the renter asks -------------------------------------------------------------------------

    def erase(self, account: Account, *, now: int) -> Erasure:
        """Erase the subject behind an account, or restrict it until nothing forbids erasing it.

        Either way nothing is attested from now on, and its keys open nothing. Raises NotFound.
        """
        subject = self._store.subject_of(account.key)
        if subject is None:
            # A check or a presentation that was only begun belongs to no subject yet.
            if self._forget_proofs_begun(account.key):
                return Erasure(None)
            raise NotFound("nothing is kept of this account")
        said = {"subject": subject.id, "account": account.key}
        self._log.append("erasure_requested", said, now=now)
        self._close(subject.id, RENTER, now)
        self._disarm(subject.id, now)
        kept = self.kept(subject, now)
        if kept is None:
            self._forget(subject.id, now)
            return Erasure(None)
        self._restrict(subject.id, kept.until, now)
        return Erasure(kept.until, kept.why)

    def _restrict(self, subject_id: str, until: int, now: int) -> None:
        self._log.append("subject_restricted", {"subject": subject_id, "until": until}, now=now)
        self._store.restrict_subject(subject_id, until)

    def _close(self, subject_id: str, actor: str, now: int) -> None:
        for case in self._book.of_subject(subject_id):
            for _ in range(_TRIES):
                case = self._book.case(case.id)
                if case.state not in _OPEN:
                    break
                try:
                    self._book.move(case, Action.CLOSE, actor, now, reason_codes=(), needs=None)
                except Conflict:
                    continue  # somebody decided meanwhile: look again
            else:
                raise Conflict("the case is being decided at this moment: try again")
        # After the cases: an approved one would be renewed under the new epoch.
        if any(self._attested(key, now) for key in self._accounts(subject_id)):
            self._book.void(subject_id, Code.REVOKED_EPOCH, now)

    def _attested(self, account: str, now: int) -> bool:
        found = self._store.current_attestation(account, now=now)
        return found is not None and found.epoch >= self._store.epoch(account)

    def _disarm(self, subject_id: str, now: int) -> None:
        for account in self._accounts(subject_id):
            self._store.set_upstream_key(account, None)
            for key in self._store.keys_of(account):
                self._store.revoke_key(account, key.id, at=now)
            self._store.forget_presentations(account)
            # Whom to stop at schedulers was written down when the account was voided.
            self._store.forget_user_links(account)

    def _forget(self, subject_id: str, now: int) -> None:
        for case in self._book.of_subject(subject_id):
            self._store.drop_standing(case.id)
        for account in self._accounts(subject_id):
            self._forget_proofs_begun(account)
        self._vault.shred(subject_id, now=now)
        self._store.unlink_accounts(subject_id)

    def _forget_proofs_begun(self, account: str) -> int:
        """Which visits to providers and which wallets' answers were this account's."""
        visits = self._store.forget_verifications(account)
        return visits + self._store.forget_presentations(account)

    # -- the calendar ----------------------------------------------------------------------------

    def due(self, now: int) -> Iterator[Forgotten]:
        """Subjects whose time is over; nothing is changed."""
        for subject in self._subjects():
            due_at = self._due_at(subject, now) if subject.wrapped_key else None
            if due_at is not None and due_at <= now:
                yield Forgotten(subject.id, due_at)

    def tick(self, now: int) -> None:
        """`run`, once an hour."""
        if now - self._ran_at >= _EVERY_S:
            self._ran_at = now
            self.run(now=now)

    def run(self, *, now: int) -> list[Forgotten]:
        """Forget whoever's time is over."""
        done = []
        for each in self.due(now):
            self._close(each.subject_id, CALENDAR, now)
            self._disarm(each.subject_id, now)
            self._forget(each.subject_id, now)
            done.append(each)
        self._forget_facts(now)
        return done

    def _forget_facts(self, now: int) -> None:
        """What decisions stood on goes when no duty, hold or relation can call for it any more.

        Facts name nobody, so it is not known whose they are. They stay for the longest duty, and
        as long as anybody's records are kept who was there when they were noted.
        """
        longest = max(each.years for each in (self.rules.default, *self.rules.by_country.values()))
        before = _years_after(now, -longest)
        for subject in self._subjects():
            if subject.wrapped_key and subject.created_at < before:
                before = subject.created_at
        self._store.drop_facts(before=before)

    def _subjects(self) -> Iterator[Subject]:
        after = ""
        while batch := self._store.subjects_after(after, limit=_BATCH):
            yield from batch
            after = batch[-1].id

    def _due_at(self, subject: Subject, now: int) -> int | None:
        """When the subject is to be forgotten; None while something forbids it or lives."""
        if self.kept(subject, now) is not None:
            return None
        if subject.restricted_until is not None:
            return min(subject.restricted_until, now)
        cases = self._book.of_subject(subject.id)
        if any(self._attested(account, now) for account in self._accounts(subject.id)):
            return None
        duty = self._duty_until(subject.id)
        if duty is not None:
            return duty
        last = max((case.updated_at for case in cases), default=subject.created_at)
        if all(case.state in _UNSENT and not case.level for case in cases):
            return last + self.rules.draft_days * DAY_S
        country = next((case.country for case in cases if case.country), 0)
        return _years_after(last, self.rules.of(country).years)

    # -- holds -----------------------------------------------------------------------------------

    def hold(self, who: str, *, until: int, reason: str, by: str, now: int) -> Hold:
        """Keep a subject's data until that moment, whatever is asked. `who`: a case or subject."""
        check_reviewer(by)
        said = parse_reason(reason, "reason")
        if until <= now:
            raise Malformed("lies in the past", field="until", remedy="a date to come")
        subject = self._subject(who)
        hold_id = self._entropy(6).hex()
        hold = Hold(
            id=hold_id,
            subject_id=subject.id,
            until=until,
            reason=self._vault.seal_note(subject.id, hold_id, said),
            placed_by=by,
            placed_at=now,
        )
        body = {"subject": subject.id, "hold": hold_id, "until": until, "reviewer": by}
        self._log.append("hold_placed", body, now=now)
        self._store.add_hold(hold)
        if subject.restricted_until is not None and until > subject.restricted_until:
            self._restrict(subject.id, until, now)
        return hold

    def release(self, hold_id: str, who: str, *, by: str, now: int) -> None:
        """End a hold before its time. Raises NotFound."""
        check_reviewer(by)
        subject = self._subject(who)
        if hold_id not in {each.id for each in self._store.holds_of(subject.id)}:
            raise NotFound("no such hold of this subject")
        body = {"subject": subject.id, "hold": hold_id, "reviewer": by}
        self._log.append("hold_released", body, now=now)
        self._store.release_hold(hold_id, at=now)

    def holds(self, who: str, *, now: int) -> list[tuple[Hold, str]]:
        """The holds that stand, with their reasons."""
        subject = self._subject(who)
        return [
            (each, self._vault.open_note(subject.id, each.id, each.reason))
            for each in self._holds(subject.id, now)
        ]

    def _subject(self, who: str) -> Subject:
        case = self._store.case(who)
        subject = self._store.subject(case.subject_id if case else who)
        if subject is None or not subject.wrapped_key:
            raise NotFound("no such case or subject, or it was erased already")
        return subject


def _decided(case: Case, book: CaseBook) -> bool:
    """Whether a person has decided against the renter, or was about to look."""
    if case.state in _DECIDED:
        return True
    if case.state != State.CLOSED:
        return False
    # Closed at the renter's wish: what counts is where it stood then.
    steps = [event for event in book.history(case) if event.action == Action.CLOSE]
    return any(event.from_state in _DECIDED for event in steps)


def _years_after(at: int, years: int) -> int:
    then = datetime.fromtimestamp(at, UTC)
    try:
        return int(then.replace(year=then.year + years).timestamp())
    except ValueError:  # the 29th of February
        return int(then.replace(year=then.year + years, month=3, day=1).timestamp())
