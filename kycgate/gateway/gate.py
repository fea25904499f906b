"""The gate: who may rent is asked here, once, on one straight line, for every door.

Request → one reading → route → wallet proof → attestation and revocation → job request →
decision → durable record → forward. Makes no rules (core does), keeps no records (store and audit
do), opens no connection (doors do).
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Literal

from kycgate.core.assertion import JWKS_PATH
from kycgate.core.claims import Account, JobRequest
from kycgate.core.decision import Allow, Decision, Deny, decide
from kycgate.core.policy import Mode
from kycgate.errors import (
    Busy,
    Code,
    KycgateError,
    Malformed,
    NotFound,
    Reason,
    Refused,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from kycgate.gateway import records, refusing
from kycgate.gateway.adapters.base import ACTIONS, Kind, Route
from kycgate.gateway.canonical import CleanRequest, canonical
from kycgate.gateway.forwarding import Forwards
from kycgate.gateway.knowing import Known
from kycgate.gateway.lasting import Lasting
from kycgate.gateway.limits import Bucket, Turns, require
from kycgate.gateway.memory import Memory, WouldWait
from kycgate.gateway.onward import json_body
from kycgate.gateway.parts import GateParts
from kycgate.gateway.passage import Passage
from kycgate.gateway.proving import SCOPES, Caller, Prover, Proves
from kycgate.gateway.records import Records
from kycgate.gateway.repeats import Repeats
from kycgate.gateway.view import Forward, Identity, Reply, RequestView

WELL_KNOWN = "/.well-known/kycgate/configuration"
_NO_BODY = frozenset({"GET", "HEAD", "OPTIONS"})
_QUICK_BODY = 2048
"""Bytes: a longer body is read in a thread: to know what it asks for may take milliseconds."""
_COME_BACK_S = 5
_COMPLAIN_S = 60

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _UpstreamKey:
    """The credential a caller's requests carry upstream, and whether it is the caller's own."""

    key: str
    own: bool


class Gate:
    """The decision path of one marketplace. Implements `view.GatePort`; every door shares it."""

    def __init__(self, parts: GateParts, *, prover: Proves | None = None) -> None:
        """`prover` where callers prove themselves otherwise than by key or signature (hooks)."""
        self._parts = parts
        self._memory = Memory(
            parts.store.version,
            poll_s=parts.limits.poll_s,
            entries=parts.limits.memory_entries,
            monotonic=parts.monotonic,
            brief_reads=parts.store.brief_reads,
        )
        self._prover: Proves = prover or Prover(parts, self._memory)
        self._repeats = Repeats(parts)
        self._records = Records(parts)
        self._forwards = Forwards(parts, self._records)
        self._known = Known(parts, self._memory)
        self._lasting = Lasting(self._memory, self._prover, self._known)
        self._turns = Turns(parts.rates, parts.monotonic)
        self._complained_at = float("-inf")
        kind = ("Content-Type", "application/json")
        self._marked = (object(), object(), object())
        self._published = {
            path: Reply(200, (kind, refusing.NO_STORE), body)
            for path, body in (
                (WELL_KNOWN, json.dumps(parts.configuration).encode()),
                (JWKS_PATH, parts.jwks),
            )
        }

    # -- doors -----------------------------------------------------------------------------------

    def needs_body(self, view: RequestView) -> int | None:
        """What changes something or is signed is read whole; everything else streams past."""
        if view.method in _NO_BODY:
            return None
        try:
            request = canonical(view)
        except Malformed:
            return None
        route = self._parts.adapter.match(request.method, request.path)
        acts = route is not None and (route.kind in ACTIONS or route.kind is Kind.STOP)
        if acts or "signature-input" in request.fields:
            return self._parts.limits.body_bytes
        return None

    def quick(self, view: RequestView) -> Forward | Reply | None:
        if view.body is not None and len(view.body) > _QUICK_BODY:
            return None
        try:
            return self._answer(view, wait=False)
        except WouldWait:
            return None

    def check(self, view: RequestView) -> Forward | Reply:
        return self._answer(view, wait=True)

    def mark(self) -> object | None:
        memory, policy = self._memory.mark(), self._parts.policy()
        if memory is None:
            return None
        marked = self._marked
        if marked[0] is not memory or marked[1] is not policy:
            marked = self._marked = (memory, policy, object())
        return marked[2]

    def refresh(self) -> None:
        try:
            self._memory.renew(fresh=True, wait=True)
            self._prover.note_uses()
            self._records.flush(self._parts.clock())
        except KycgateError as error:
            now = self._parts.monotonic()
            if now - self._complained_at >= _COMPLAIN_S:
                self._complained_at = now
                _log.warning("whether anything changed can not be seen: %s", error.message)

    def too_large(self, view: RequestView) -> Reply:
        limit = self._parts.limits.body_bytes
        error = TooLarge(f"The body is longer than {limit} bytes.", field="body")
        return self._records.refuse(Passage(view), error, wait=False)

    def too_many(self, view: RequestView) -> Reply:
        error = Busy(
            "Too many requests of this caller are under way.",
            retry_after_s=_COME_BACK_S,
            code=Code.TOO_MANY_AT_ONCE,
        )
        return self._records.refuse(Passage(view), error, wait=False)

    def explain(self, account: Account, job: JobRequest, *, now: int) -> Decision:
        """What the gate would decide for this job now. Records nothing, starts nothing."""
        self._memory.renew(fresh=True, wait=True)
        return decide(job, self._known.evidence(account, job, now, None), self._parts.policy(), now)

    # -- the line --------------------------------------------------------------------------------

    def _answer(self, view: RequestView, *, wait: bool) -> Forward | Reply:
        passage = Passage(view)
        try:
            answer = self._line(passage, wait=wait)
        except KycgateError as error:
            answer = self._records.refuse(passage, error, wait=wait)
            if isinstance(error, Unauthenticated):
                self._turns.unproven(view.client_ip).take()
        for bucket in passage.charged:
            bucket.take()
        return answer

    def _line(self, passage: Passage, *, wait: bool) -> Forward | Reply:
        # 1. One reading of the request, or none.
        request = passage.request = canonical(passage.view)
        if request.path in self._published and request.method == "GET":
            return self._published[request.path]
        # 2. What it asks for, in the marketplace's words.
        route = passage.route = self._route(request)
        _check_door(passage.view, route)
        self._charge(passage, self._turns.address(passage.view.client_ip, stop=_ends(route)))
        # 3. Who asks. Nothing is said about a request before its caller is proven.
        if not self._prover.shows_proof(request):
            return self._unproven(passage, request, route, wait=wait)
        self._memory.renew(fresh=route is not None and route.kind in ACTIONS, wait=wait)
        caller = passage.caller = self._prover.prove(
            request, wait=wait, lease=passage.lease, first=lambda: self._look_twice(passage)
        )
        self._charge(passage, self._turns.account(caller.account.key, stop=_ends(route)))
        # 4. What no policy is asked about: reads, stops.
        if route is None:
            raise _refused(Code.ROUTE_UNKNOWN, f"no route {request.method} {request.path[:200]}")
        if not caller.may(route.kind):
            raise _refused(Code.KEY_SCOPE, f"the key's scope does not hold {route.kind.value}")
        upstream = self._upstream_key(passage, caller.account.key, wait=wait)
        self._check_owner(passage, route, caller, upstream, wait=wait)
        if route.kind not in ACTIONS:
            return self._pass(passage, request, route, caller, upstream, wait=wait)
        # 5. The job, 6. what is known about its renter, 7. the decision.
        self._decide(passage, caller, route)
        # 8. The record, then 9. the way is free, once.
        return self._start(passage, caller, upstream)

    def _charge(self, passage: Passage, bucket: Bucket) -> None:
        require(bucket)
        passage.charged.append(bucket)

    def _look_twice(self, passage: Passage) -> None:
        """Where proofs failed again and again, nobody new is checked for a while, unless it is to
        end something."""
        if not _ends(passage.route):
            require(self._turns.unproven(passage.view.client_ip))

    # -- 2. the route ----------------------------------------------------------------------------

    def _route(self, request: CleanRequest) -> Route | None:
        """What is asked for. A body makes it milder only if it is one a decision could stand on."""
        route = self._parts.adapter.match(request.method, request.path)
        if route is None or route.kind not in ACTIONS or request.query:
            return route
        try:
            return self._parts.adapter.narrowed(route, json_body(request))
        except Malformed:
            return route

    # -- 3. callers without proof ----------------------------------------------------------------

    def _unproven(
        self, passage: Passage, request: CleanRequest, route: Route | None, *, wait: bool
    ) -> Forward:
        if self._parts.policy().mode is Mode.OBSERVE:
            return self._observed(passage, request, route, wait=wait)
        if self._parts.adapter.credential(request.fields) is not None:
            # A marketplace's own key must not pass for an anonymous read.
            raise Unauthenticated("The key shown is no gate key.", code=Code.KEY_UNKNOWN)
        if route is None or route.kind is not Kind.PUBLIC_READ:
            raise Unauthenticated("No proof of a wallet was shown.", code=Code.PROOF_MISSING)
        onward = self._parts.adapter.with_key(request.onward, None)
        return self._forwards.plain(passage, route, onward)

    def _observed(
        self, passage: Passage, request: CleanRequest, route: Route | None, *, wait: bool
    ) -> Forward:
        """Observing changes nothing for those who never heard of the gate: it passes as it came."""
        if route is not None and route.kind in ACTIONS:
            if not wait:
                raise WouldWait
            self._records.observed(passage, Reason(Code.PROOF_MISSING, "no gate proof was shown"))
        return self._forwards.plain(passage, route, request.onward)

    # -- 4. what is not decided ------------------------------------------------------------------

    def _upstream_key(self, passage: Passage, account: str, *, wait: bool) -> _UpstreamKey:
        now, lease = passage.view.now, passage.lease
        until = now + self._parts.limits.memory_s
        shared = self._parts.shared_upstream_key

        def look() -> tuple[bool, int]:
            return self._parts.own_keys(), until

        def load() -> tuple[_UpstreamKey, int]:
            own = self._parts.upstream_key(account)
            key = shared if own is None else own
            if key is None:
                raise Unavailable("There is no upstream credential for this account.")
            return _UpstreamKey(key, own is not None), until

        if shared is not None and not self._memory.recall(
            "own keys", look, now=now, wait=wait, brief=True, lease=lease
        ):
            return _UpstreamKey(shared, False)
        # Waits even beside a local file: the key that opens it may be a key service's.
        found = self._memory.recall(("upstream", account), load, now=now, wait=wait, lease=lease)
        assert found is not None
        return found

    def _check_owner(
        self, passage: Passage, route: Route, caller: Caller, upstream: _UpstreamKey, *, wait: bool
    ) -> None:
        """A deployment recorded for somebody else is nobody's business; under a shared key so is
        one recorded for nobody. Both look the same from outside."""
        if route.resource is None:
            return
        deployment, now = route.resource, passage.view.now

        def load() -> tuple[str, int] | None:
            owner = self._parts.store.deployment_owner(deployment)
            return None if owner is None else (owner, now + self._parts.limits.memory_s)

        owner = self._memory.recall(
            ("owner", deployment), load, now=now, wait=wait, brief=True, lease=passage.lease
        )
        if owner != caller.account.key and not (owner is None and upstream.own):
            raise NotFound("No such deployment of this account.", code=Code.NOT_OWNER)

    def _pass(
        self,
        passage: Passage,
        request: CleanRequest,
        route: Route,
        caller: Caller,
        upstream: _UpstreamKey,
        *,
        wait: bool,
    ) -> Forward:
        if route.kind is Kind.ACCOUNT_READ and not upstream.own:
            raise NotFound("This needs the account's own upstream key.", code=Code.NOT_OWNER)
        if route.long_lived:
            return self._long(passage, request, route, caller, upstream, wait=wait)
        identity = Identity(caller.account.key, None, None, 0, caller.expires_at)
        headers = self._forwards.fields(request, upstream.key, identity)
        seen = request.view.only is None
        if route.kind is Kind.STOP and seen:
            if not wait:
                raise WouldWait
            return self._forwards.stop(request, route, headers, identity)
        if route.kind is Kind.LIST and not upstream.own:
            if not seen:
                raise _refused(
                    Code.DOOR_BLIND, "a listing to be filtered came through a blind door"
                )
            return self._forwards.filtered(request, headers, identity)
        return self._forwards.plain(passage, route, headers, identity, lane=_lane(route))

    def _long(
        self,
        passage: Passage,
        request: CleanRequest,
        route: Route,
        caller: Caller,
        upstream: _UpstreamKey,
        *,
        wait: bool,
    ) -> Forward:
        """What may go on for hours is for the cleared, and only for as long as they are."""
        if not wait:
            raise WouldWait
        until = self._lasting.until(request, caller, request.view.now)
        identity = Identity(caller.account.key, None, None, 0, until)
        headers = self._forwards.fields(request, upstream.key, identity)
        goes_on = self._lasting.goes_on(
            request,
            caller,
            still_owned=lambda: self._check_owner(passage, route, caller, upstream, wait=True),
        )
        return self._forwards.plain(passage, route, headers, identity, lane="long", goes_on=goes_on)

    # -- 5 to 7. the decision --------------------------------------------------------------------

    def _decide(self, passage: Passage, caller: Caller, route: Route) -> None:
        assert passage.request is not None
        now, account = passage.view.now, caller.account
        body = json_body(passage.request)
        if passage.request.query:
            raise Malformed("This request takes no query.", field="query", code=Code.MALFORMED)
        recorded = None
        if route.resource is not None:
            passage.rental, recorded = self._known.rental(account.key, route.resource)
        job = self._parts.adapter.job(route, body, recorded=recorded, now=now)
        passage.job = job
        policy = passage.policy = self._parts.policy()
        evidence = passage.evidence = self._known.evidence(
            account, job, now, passage.view.client_ip
        )
        passage.decision = decide(job, evidence, policy, now)
        if isinstance(passage.decision, Allow) or policy.mode is Mode.OBSERVE:
            return
        reasons = passage.decision.reasons
        if isinstance(passage.decision, Deny):
            reasons = reasons[: passage.decision.decisive]
        raise Refused("Not under this policy.", reasons=reasons)

    # -- 8 and 9. record, forward ----------------------------------------------------------------

    def _start(self, passage: Passage, caller: Caller, upstream: _UpstreamKey) -> Forward | Reply:
        job = self._records.job(passage, caller)
        first = self._repeats.begin(job)
        if first is not None:
            return records.recorded_answer(first)
        self._records.started(passage, job)
        decision = passage.decision
        claims = decision.attestation.claims if isinstance(decision, Allow) else None
        level = 0 if claims is None else int(claims.level)
        identity = Identity(caller.account.key, job.decision_id, job.id, level, caller.expires_at)
        return self._forwards.started(passage, job, upstream.key, identity)


def _check_door(view: RequestView, route: Route | None) -> None:
    """A door that sees no body passes nothing that is decided on one, whatever it was told."""
    if view.only is None or route is None:
        return
    scope = SCOPES[route.kind]
    blind = route.kind in ACTIONS or route.long_lived
    if blind or (scope is not None and scope not in view.only):
        raise _refused(Code.DOOR_BLIND, f"{route.name} came through {view.door}, not the proxy")


def _lane(route: Route) -> Literal["usual", "stop"]:
    return "stop" if _ends(route) else "usual"


def _ends(route: Route | None) -> bool:
    return route is not None and route.kind in (Kind.STOP, Kind.PAUSE)


def _refused(code: Code, text: str) -> Refused:
    return Refused(text, reasons=(Reason(code, text),))
