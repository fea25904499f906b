"""Visits to hosted identity providers: begun for a renter, followed to their end, taken back.

Believes no message and no page a renter comes back from: whatever is heard leads to one question to
the provider's own API, and only that answer counts. Decides no case: what was established goes to
the identity office.

    open ─→ checking ─→ approved ─→ withdrawn      a later no takes the proof back
      └─→ needs ─→ …       └─→ refused             the renter mends it in the same visit
      └─→ expired, failed                          another visit may begin
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from kycgate.core.claims import Account
from kycgate.errors import (
    Code,
    Conflict,
    KycgateError,
    Malformed,
    NotFound,
    Reason,
    Refused,
    TooLarge,
    Unavailable,
)
from kycgate.issuer.proven import Office
from kycgate.issuer.providers.base import (
    BODY_MOST,
    Headers,
    Link,
    Outcome,
    Provider,
    Result,
    other_environment,
)
from kycgate.issuer.providers.visit import (
    EVENTS_S,
    FIRST_LOOK_S,
    FOLLOWS,
    LIFE_S,
    LIVING,
    STANDING,
    Limits,
    State,
    ended,
    next_look,
    proven,
)
from kycgate.store.base import Store
from kycgate.store.records.settling import OutboxItem
from kycgate.store.records.visits import ProviderEvent, Verification

WORK: Final = "provider_event"
"""The outbox kind of what webhooks ask for."""
NEED: Final = "proof"
"""The item a case is given back for."""
_REFUSED: Final = "The identity check was refused. Choose another way, or write to the operator."
_MORE: Final = "The identity check needs you again: open it and go on where you left."
_OUTDATED: Final = "The document has expired, or will not do: begin again with one still valid."
_OTHER: Final = "What was proven there can't be taken here: choose another way."
_TAKES_BACK: Final = frozenset({Outcome.REFUSED, Outcome.RETRY, Outcome.OPEN})
_DAY_S: Final = 86_400
_CLAIM_S: Final = 120
"""Longer than every call to a provider that one look makes."""
_STRANGE_TRIES: Final = 3
"""A message may overtake the answer to our own request; after these it is about nobody here."""
_TRIES: Final = 40
_SLOWEST_RETRY_S: Final = 3600
_AT_ONCE: Final = 20

_log = logging.getLogger("kycgate.providers")


class Verifications:
    """Every configured provider behind one door. Thread-safe; processes may share a store."""

    def __init__(
        self,
        store: Store,
        office: Office,
        providers: Sequence[Provider],
        *,
        return_url: str,
        live: bool,
        limits: Limits,
        entropy: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """Raises Malformed where a provider belongs to the other environment."""
        self._store = store
        self._office = office
        self._providers = {each.name: each for each in providers}
        self._return_url = return_url
        self._live = live
        self._limits = limits
        self._entropy = entropy
        for each in providers:
            if each.live is not live:
                raise Malformed(
                    f"{each.name} belongs to another environment than this gate",
                    field=f"{each.name}.environment",
                    remedy='the same as [identity] environment, "live" or "test"',
                )

    @property
    def providers(self) -> tuple[Provider, ...]:
        """Those configured, in the operator's order."""
        return tuple(self._providers.values())

    # -- a renter --------------------------------------------------------------------------------

    def start(self, account: Account, provider: str, *, now: int) -> tuple[Verification, Link]:
        """Begin a visit, or go on with the open one under a fresh link.

        Raises Malformed for an unknown provider, Conflict while it is looking, Refused above the
        day's limits, Unavailable.
        """
        chosen = self._providers.get(provider)
        if chosen is None:
            known = ", ".join(self._providers) or "none is configured"
            raise Malformed("is no provider of this gate", field="provider", remedy=known)
        for _ in range(2):
            found = self._begin(account, chosen, now)
            if found.state == State.REFUSED:
                raise Refused(_REFUSED, reasons=(Reason(Code.IDENTITY_REFUSED, _REFUSED),))
            link = self._link(chosen, found, now)
            if link is not None:
                return self._linked(found, link), link
            # It can't go on: the provider says why, or it simply ended.
            self._look(found, now)
            self._end(found, now)
        raise Unavailable(f"{chosen.name} ends every visit at once")

    def _begin(self, account: Account, provider: Provider, now: int) -> Verification:
        fresh = Verification(
            id=self._entropy(16).hex(),
            account=account.key,
            provider=provider.name,
            reference="",
            state=State.OPEN,
            started_at=now,
            expires_at=now + LIFE_S,
            polled_at=0,
            poll_at=now + FIRST_LOOK_S,
        )
        for _ in range(2):
            found = self._store.begin_verification(
                fresh,
                since=now - _DAY_S,
                most=self._limits.account,
                most_of_all=self._limits.everybody,
            )
            if found is None:
                text = "as many identity checks as one day allows were begun: come back tomorrow"
                raise Refused(text, reasons=(Reason(Code.VERIFICATION_LIMIT, text),))
            if now < found.expires_at:
                return found
            self._end(found, now)
        raise Unavailable("the visit could not be begun: try again")

    def _link(self, provider: Provider, found: Verification, now: int) -> Link | None:
        if found.state in (State.CHECKING, State.PROVING):
            raise Conflict("the provider is looking at what was handed in: nothing to do now")
        # Our id is the provider's idempotency key: a crash between its answer and our store leaves
        # no second visit there.
        if not found.reference:
            return provider.start(found.id, return_url=self._return_url, now=now)
        return provider.link(found.reference, found.id, return_url=self._return_url, now=now)

    def _linked(self, found: Verification, link: Link) -> Verification:
        if found.reference == link.reference:
            return found
        current = self._store.verification(found.id) or found
        known = replace(current, reference=link.reference)
        self._store.put_verification(known)
        return known

    def of(self, account: Account, verification_id: str) -> Verification:
        """The account's own. Raises NotFound; another's and none look the same."""
        found = self._store.verification(verification_id)
        if found is None or not found.account or found.account != account.key:
            raise NotFound("no such verification of this account")
        return found

    # -- a provider's message --------------------------------------------------------------------

    def receive(self, provider: str, headers: Headers, body: bytes, *, now: int) -> bool:
        """Take a webhook: proven, remembered, and queued in one transaction; nothing else happens.

        True when it is news. Raises NotFound for an unknown provider, Unauthenticated, Refused,
        Malformed, TooLarge; Unavailable when it could not be kept, so that it is sent again.
        """
        chosen = self._providers.get(provider)
        if chosen is None:
            raise NotFound("no such provider here")
        if len(body) > BODY_MOST:
            remedy = f"send at most {BODY_MOST} bytes"
            raise TooLarge("the body is too large", field="body", remedy=remedy)
        event = chosen.read_event(headers, body, now=now)
        if event.reference is None:
            return False
        taken = ProviderEvent(provider, event.id, now, hashlib.sha256(body).digest())
        payload = {"provider": provider, "reference": event.reference}
        return self._store.take_provider_event(taken, kind=WORK, payload=payload, due_at=now)

    # -- in the background -----------------------------------------------------------------------

    def run(self, *, now: int) -> None:
        """Work off what messages asked for, then look after visits nobody spoke of.

        A provider that does not answer is left alone until the next round; the others go on.
        """
        silent: set[str] = set()
        for item in self._store.due(WORK, now=now, limit=_AT_ONCE):
            self._work(item, silent, now)
        for visit in self._store.due_verifications(now=now, limit=_AT_ONCE):
            self._poll(visit, silent, now)

    def sweep(self, *, now: int) -> int:
        """Forget the names of old events; returns how many."""
        return self._store.forget_provider_events(before=now - EVENTS_S)

    def _work(self, item: OutboxItem, silent: set[str], now: int) -> None:
        provider, reference = str(item.payload["provider"]), str(item.payload["reference"])
        if provider in silent or provider not in self._providers:
            self._again(item, now)
            return
        visit = self._store.verification_by_reference(provider, reference)
        if visit is None:
            if item.attempts + 1 >= _STRANGE_TRIES:
                self._store.done(item.id)
            else:
                self._again(item, now)
            return
        try:
            done = self._look(visit, now)
        except Unavailable as error:
            silent.add(provider)
            _log.warning("a message of %s waits: %s", provider, error.message)
            done = False
        except KycgateError as error:
            _log.error("visit %s at %s waits: %s", visit.id, provider, error.message)
            done = False
        if done:
            self._store.done(item.id)
        else:
            self._again(item, now)

    def _again(self, item: OutboxItem, now: int) -> None:
        """Later each time. In the end it is left to polling, which asks the same question."""
        if item.attempts + 1 >= _TRIES:
            _log.error("a message of %s is given up", item.payload["provider"])
            self._store.done(item.id)
            return
        wait = min(_SLOWEST_RETRY_S, 5 * 2 ** min(item.attempts, 10))
        self._store.retry(item.id, due_at=now + wait)

    def _poll(self, visit: Verification, silent: set[str], now: int) -> None:
        if visit.provider in silent:
            return
        try:
            if visit.provider not in self._providers or not visit.reference:
                self._put(visit, now)
            else:
                self._look(visit, now)
        except Unavailable as error:
            silent.add(visit.provider)
            _log.warning("%s is asked again later: %s", visit.provider, error.message)
        except KycgateError as error:
            _log.error("visit %s at %s waits: %s", visit.id, visit.provider, error.message)

    # -- one look --------------------------------------------------------------------------------

    def _look(self, visit: Verification, now: int) -> bool:
        """Ask the provider and follow its answer. False while somebody else is at it."""
        # One at a time: two answers, an old yes and a newer no, must not be followed in the wrong
        # order.
        if not self._store.claim_verification(visit.id, until=now + _CLAIM_S, now=now):
            return False
        current = self._store.verification(visit.id)
        if current is None or not current.account:
            return True
        try:
            result = self._ask(current, now)
            followed = self._follow(current, result, now)
        except KycgateError:
            # What was known stays, and is asked for again.
            self._put(self._store.verification(visit.id) or current, now)
            raise
        self._put(followed, now)
        return True

    def _ask(self, visit: Verification, now: int) -> Result | None:
        try:
            result = self._providers[visit.provider].fetch(visit.reference, now=now)
        except NotFound:
            return None
        except KycgateError:
            raise
        except Exception as error:
            # A door: whoever wrote the provider, its faults must not end the work for all others.
            raise Unavailable(f"{visit.provider} failed ({type(error).__name__})") from error
        if result.reference != visit.reference or result.ours != visit.id:
            raise Unavailable(f"{visit.provider} answered about another visit than was asked for")
        return result

    def _follow(self, visit: Verification, result: Result | None, now: int) -> Verification:
        outcome = Outcome.GONE if result is None else result.outcome
        if visit.state == State.WITHDRAWN:
            return visit  # what was taken back is given again by a reviewer only
        if visit.state in STANDING and outcome in _TAKES_BACK:
            self._office.withdraw(
                visit.provider, visit.reference, code=Code.PROOF_WITHDRAWN, now=now
            )
            return replace(visit, state=State.WITHDRAWN, ended_at=visit.ended_at or now)
        if visit.state == State.APPROVED:
            return visit  # looked at again, or deleted over there: it stands
        if result is not None and outcome is Outcome.PASSED:
            return self._passed(visit, result, now)
        note = "" if result is None else result.note
        return self._unproven(visit, FOLLOWS[outcome], note, now)

    def _passed(self, visit: Verification, result: Result, now: int) -> Verification:
        if result.live is not self._live:
            problem = other_environment(visit.provider, live=self._live)
            _log.error("visit %s: %s", visit.id, problem.message)
            return self._unproven(visit, State.REFUSED, "", now)
        established = proven(visit, self._providers[visit.provider], result, now)
        if established is None:
            _log.error("visit %s at %s passed without a name", visit.id, visit.provider)
            return self._unproven(visit, State.CHECKING, "", now)
        visit = replace(visit, state=State.PROVING, note="")
        # Before the office has it: a crash in between must not hide from a later no what it undoes.
        self._store.put_verification(visit)
        try:
            self._office.prove(Account.from_key(visit.account), established, now=now)
        except Refused as refusal:
            outdated = refusal.code is Code.PROOF_OUTDATED
            _log.error("visit %s: the office refused the proof (%s)", visit.id, refusal.code)
            return self._unproven(visit, State.FAILED, _OUTDATED if outdated else _OTHER, now)
        return replace(visit, state=State.APPROVED, ended_at=visit.ended_at or now)

    def _unproven(self, visit: Verification, state: State, note: str, now: int) -> Verification:
        if visit.ended_at is not None and state in LIVING:
            return visit  # another visit may be open: what has ended does not open again
        moved = replace(visit, state=state, note=note)
        if state in LIVING and now >= visit.expires_at:
            moved = ended(visit, now)
        elif state is State.FAILED:
            moved = replace(moved, ended_at=visit.ended_at or now)
        told = moved.note or moved.state in (State.NEEDS, State.REFUSED)
        if told and (moved.state, moved.note) != (visit.state, visit.note):
            self._tell(moved, now)
        return moved

    def _tell(self, visit: Verification, now: int) -> None:
        """The renter reads in the case what to do; the provider's inward reasons stay there."""
        default = _REFUSED if visit.state == State.REFUSED else _MORE
        needs = [(NEED, visit.note or default)]
        account = Account.from_key(visit.account)
        self._office.need(account, needs, source=visit.provider, now=now)

    # -- keeping ---------------------------------------------------------------------------------

    def _put(self, visit: Verification, now: int) -> None:
        """Store it as looked at now, with the moment of the next look, and let go of it."""
        if now >= visit.expires_at:
            visit = ended(visit, now)
        at = next_look(visit, now)
        self._store.put_verification(replace(visit, polled_at=now, poll_at=at, busy_until=0))

    def _end(self, visit: Verification, now: int) -> None:
        """End it, unless it has ended by itself meanwhile. Raises Conflict while it is looked at:
        an approval that is being kept must not be written over.
        """
        if not self._store.claim_verification(visit.id, until=now + _CLAIM_S, now=now):
            raise Conflict("this check is being looked at: try again in a minute")
        current = self._store.verification(visit.id) or visit
        # A refusal holds the place until its time: the next visit would be refused as well.
        self._put(current if current.state == State.REFUSED else ended(current, now), now)
