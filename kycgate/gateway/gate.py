"""The gate: who may rent is asked here, once, on one straight line, for every door.

Request → one reading → route → wallet proof → attestation and revocation → job request →
decision → durable record → forward. Makes no rules (core does), keeps no records (store and audit
do), opens no connection (doors do).
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace

from kycgate.core import attestation as attestations
from kycgate.core.assertion import HEADER, JWKS_PATH
from kycgate.core.attestation import InvalidAttestation, ValidAttestation
from kycgate.core.claims import SCHEMA_UID, Account, Action, JobRequest
from kycgate.core.decision import Allow, Decision, Deny, Evidence, decide
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
from kycgate.gateway.adapters.base import ACTIONS, READS, Kind, Route
from kycgate.gateway.canonical import CleanRequest, answer_fields, canonical
from kycgate.gateway.limits import Bucket, Turns, charging, require
from kycgate.gateway.memory import Memory, WouldWait
from kycgate.gateway.onward import (
    body_digest,
    has_body,
    identity_fields,
    json_body,
    readable,
    with_origin,
)
from kycgate.gateway.parts import GateParts, Ownership
from kycgate.gateway.proving import SCOPES, Caller, Prover, Proves
from kycgate.gateway.records import Passage, Records
from kycgate.gateway.repeats import Repeats
from kycgate.gateway.revocation import StoreRevocations
from kycgate.gateway.view import Forward, Headers, Identity, Reply, RequestView

WELL_KNOWN = "/.well-known/kycgate/configuration"
_NO_BODY = frozenset({"GET", "HEAD", "OPTIONS"})
_QUICK_BODY = 2048
"""Bytes: a longer body is read in a thread: to know what it asks for may take milliseconds."""
_READS = frozenset({"GET", "HEAD"})
_FAR = 2**53
_COME_BACK_S = 5

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
        )
        self._prover: Proves = prover or Prover(parts, self._memory)
        self._repeats = Repeats(parts)
        self._records = Records(parts)
        self._turns = Turns(parts.rates, parts.monotonic)
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
            _log.warning("the store does not say whether anything changed: %s", error.message)

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
        return decide(job, self._evidence(account, job, now, None), self._parts.policy(), now)

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
        forward = self._forward(request, onward, until=self._until(passage, request, route))
        return replace(forward, charge=charging(passage.charged))

    def _observed(
        self, passage: Passage, request: CleanRequest, route: Route | None, *, wait: bool
    ) -> Forward:
        """Observing changes nothing for those who never heard of the gate: it passes as it came."""
        if route is not None and route.kind in ACTIONS:
            if not wait:
                raise WouldWait
            self._records.observed(passage, Reason(Code.PROOF_MISSING, "no gate proof was shown"))
        return self._forward(request, request.onward)

    # -- 4. what is not decided ------------------------------------------------------------------

    def _upstream_key(self, passage: Passage, account: str, *, wait: bool) -> _UpstreamKey:
        now = passage.view.now

        def load() -> tuple[_UpstreamKey, int]:
            own = self._parts.upstream_key(account)
            key = self._parts.shared_upstream_key if own is None else own
            if key is None:
                raise Unavailable("There is no upstream credential for this account.")
            return _UpstreamKey(key, own is not None), now + self._parts.limits.memory_s

        found = self._memory.recall(
            ("upstream", account), load, now=now, wait=wait, lease=passage.lease
        )
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
            ("owner", deployment), load, now=now, wait=wait, lease=passage.lease
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
        headers = self._with_identity(request, upstream, identity)
        seen = request.view.only is None
        if route.kind is Kind.STOP and seen:
            if not wait:
                raise WouldWait
            return self._stop(request, route, headers, identity)
        if route.kind is Kind.LIST and not upstream.own:
            if not seen:
                raise _refused(
                    Code.DOOR_BLIND, "a listing to be filtered came through a blind door"
                )
            return self._filtered(request, headers, identity)
        return replace(
            self._forward(request, headers, identity, until=self._until(passage, request, route)),
            charge=charging(passage.charged),
            lane="stop" if _ends(route) else "usual",
        )

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

        def until(now: int) -> int:
            proven = self._prover.stands(request, caller, now=now)
            return min(proven, self._cleared_until(caller.account, now))

        def goes_on(now: int) -> int:
            self._memory.renew(fresh=False, wait=True)
            try:
                self._check_owner(passage, route, caller, upstream, wait=True)
                return until(now)
            except Unavailable:
                raise
            except KycgateError:
                return 0

        identity = Identity(caller.account.key, None, None, 0, until(request.view.now))
        headers = self._with_identity(request, upstream, identity)
        return replace(self._forward(request, headers, identity), lane="long", goes_on=goes_on)

    def _cleared_until(self, account: Account, now: int) -> int:
        """The end of the account's attestation. Raises Refused without one, Unavailable."""
        if self._parts.policy().mode is Mode.OBSERVE:
            return _FAR
        verdict = self._attestation(account, now)
        if isinstance(verdict, ValidAttestation):
            return verdict.expires_at
        text = "a long answer needs a clearance that stands"
        reason = Reason(Code.ATTESTATION_MISSING, text) if verdict is None else verdict.reason
        raise Refused(text, reasons=(reason,))

    def _until(self, passage: Passage, request: CleanRequest, route: Route) -> int:
        """How long the answer stands: only a read's, and only while all it was made from does."""
        if request.method not in _READS or route.kind not in READS or has_body(request):
            return 0
        return min(passage.lease.until, request.view.now + self._parts.limits.reuse_s)

    def _forward(
        self,
        request: CleanRequest,
        headers: Headers,
        identity: Identity | None = None,
        *,
        until: int = 0,
    ) -> Forward:
        return Forward(
            method=request.method,
            target=request.target,
            headers=with_origin(headers, request),
            body=request.view.body,
            failed=lambda sent: self._no_answer(),
            identity=identity,
            until=until,
        )

    def _no_answer(self) -> Reply:
        """For what may be asked again safely: here a 502 costs nobody a second machine."""
        headers, body = self._parts.adapter.refusal(
            "The marketplace gave no usable answer.", "dependency"
        )
        return Reply(502, (*headers, refusing.NO_STORE), body)

    def _stop(
        self, request: CleanRequest, route: Route, headers: Headers, identity: Identity
    ) -> Forward:
        def finish(status: int, fields: Headers, body: bytes) -> Reply:
            ended = self._parts.adapter.accepted(status, body)
            if ended and route.resource is not None:
                self._records.stopped(route.resource)
            return Reply(status, answer_fields(fields), body)

        return Forward(
            method=request.method,
            target=request.target,
            headers=with_origin(readable(headers), request),
            body=request.view.body,
            failed=lambda sent: self._no_answer(),
            finish=finish,
            answer_limit=self._parts.limits.answer_bytes,
            identity=identity,
            lane="stop",
        )

    def _filtered(self, request: CleanRequest, headers: Headers, identity: Identity) -> Forward:
        def finish(status: int, fields: Headers, body: bytes) -> Reply:
            if status != 200:
                # What it says may be about the operator's account, not the caller's.
                return self._no_answer()
            try:
                owned = frozenset(self._parts.store.deployments_of(identity.account))
                kept = self._parts.adapter.filter_list(body, owned)
            except KycgateError:
                return self._no_answer()
            return Reply(200, (("Content-Type", "application/json"), refusing.NO_STORE), kept)

        return Forward(
            method=request.method,
            target=request.target,
            headers=with_origin(readable(headers), request),
            body=request.view.body,
            failed=lambda sent: self._no_answer(),
            finish=finish,
            answer_limit=self._parts.limits.list_bytes,
            identity=identity,
        )

    def _with_identity(
        self, request: CleanRequest, upstream: _UpstreamKey, identity: Identity
    ) -> Headers:
        """Our fields come last, after everything a caller could have removed or spelled alike."""
        credentials = self._parts.adapter.with_key(request.onward, upstream.key)
        said = (*credentials, *identity_fields(identity))
        asserter = self._parts.asserter
        if asserter is None:
            return said
        token = asserter.say(
            request.method,
            request.target,
            body_digest(request),
            identity,
            now=request.view.now,
        )
        return (*said, (HEADER, token))

    # -- 5 to 7. the decision --------------------------------------------------------------------

    def _decide(self, passage: Passage, caller: Caller, route: Route) -> None:
        assert passage.request is not None
        now, account = passage.view.now, caller.account
        body = json_body(passage.request)
        if passage.request.query:
            raise Malformed("This request takes no query.", field="query", code=Code.MALFORMED)
        recorded = None
        if route.resource is not None:
            passage.rental, recorded = self._recorded(account.key, route.resource)
        job = self._parts.adapter.job(route, body, recorded=recorded, now=now)
        passage.job = job
        policy = passage.policy = self._parts.policy()
        evidence = passage.evidence = self._evidence(account, job, now, passage.view.client_ip)
        passage.decision = decide(job, evidence, policy, now)
        if isinstance(passage.decision, Allow) or policy.mode is Mode.OBSERVE:
            return
        reasons = passage.decision.reasons
        if isinstance(passage.decision, Deny):
            reasons = reasons[: passage.decision.decisive]
        raise Refused("Not under this policy.", reasons=reasons)

    def _recorded(self, account: str, deployment: str) -> tuple[bytes | None, JobRequest | None]:
        """The job that rented a deployment, and what the booking has grown to since."""
        booked = [
            (job.id, records.request_of(job))
            for job in self._parts.store.jobs_of(account, limit=records.JOBS_LOOKED_AT)
            if job.deployment == deployment and job.state == "answered"
        ]
        rental = next((number for number, asked in booked if asked.action is Action.RENT), None)
        if rental is None:
            return None, None
        return rental, max((asked for _, asked in booked), key=lambda asked: asked.hours or 0)

    def _evidence(
        self, account: Account, job: JobRequest, now: int, client_ip: str | None
    ) -> Evidence:
        """What is known of the renter; `client_ip` None where nobody is connected (a dry run)."""
        place = None if client_ip is None else self._parts.network.where(client_ip)
        # The attestation first: renewing it looks at the owners anew.
        attestation = self._attestation(account, now)
        owners = self._ownership(account, now)
        return Evidence(
            account=account,
            attestation=attestation,
            gpu=self._parts.classify(job.gpu_model or ""),
            network_country=None if place is None else place.country,
            wallet_proof_at=self._parts.store.wallet_proof_at(account.key),
            lists=self._parts.lists(),
            regions=owners.regions if place is None else owners.regions | place.regions,
            listed_share=owners.share,
            share_gap=owners.gap,
            owners=owners.digest,
        )

    def _ownership(self, account: Account, now: int) -> Ownership:
        """What the account's case says of its owners, from memory until the store moves."""

        def load() -> tuple[Ownership, int]:
            found = self._parts.ownership(account, now)
            # That nothing is recorded is told, never remembered.
            return found, now + (self._parts.limits.memory_s if found.digest else 0)

        found = self._memory.recall(("ownership", account), load, now=now, wait=True)
        assert found is not None
        return found

    def _attestation(
        self, account: Account, now: int
    ) -> ValidAttestation | InvalidAttestation | None:
        """The account's attestation as verified under today's trust list, from memory if there."""
        trust = self._parts.trust()

        def load() -> tuple[ValidAttestation | InvalidAttestation, int] | None:
            signed = self._parts.attestations.current(account, now)
            if signed is None:
                return None
            verdict = attestations.verify(
                signed,
                trust=trust,
                revocations=self._revocations(now),
                recipient=account.address,
                schema=SCHEMA_UID,
                now=now,
            )
            if isinstance(verdict, InvalidAttestation):
                return verdict, now  # told, never remembered
            ends = [key.not_after for key in trust.issuers if key.address == verdict.issuer]
            until = min((end for end in ends if end is not None), default=trust.expires_at)
            memory_ends = now + self._parts.limits.memory_s
            return verdict, min(memory_ends, verdict.expires_at, trust.expires_at, until)

        key = ("attestation", account, trust.sequence, trust.issued_at)
        return self._memory.recall(key, load, now=now, wait=True)

    def _revocations(self, now: int) -> StoreRevocations:
        def load() -> tuple[StoreRevocations, int]:
            view = StoreRevocations(self._parts.store.revocations(now=now))
            return view, now + self._parts.limits.memory_s

        view = self._memory.recall("revocations", load, now=now, wait=True)
        assert view is not None
        return view

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
        request = passage.clean()
        headers = readable(self._with_identity(request, upstream, identity))
        return Forward(
            method=request.method,
            target=request.target,
            headers=with_origin(headers, request),
            body=passage.view.body,
            failed=lambda sent: self._records.no_answer(passage, job, sent=sent),
            finish=lambda status, fields, body: self._records.answered(
                passage, job, status, fields, body
            ),
            answer_limit=self._parts.limits.answer_bytes,
            identity=identity,
        )


def _check_door(view: RequestView, route: Route | None) -> None:
    """A door that sees no body passes nothing that is decided on one, whatever it was told."""
    if view.only is None or route is None:
        return
    scope = SCOPES[route.kind]
    blind = route.kind in ACTIONS or route.long_lived
    if blind or (scope is not None and scope not in view.only):
        raise _refused(Code.DOOR_BLIND, f"{route.name} came through {view.door}, not the proxy")


def _ends(route: Route | None) -> bool:
    return route is not None and route.kind in (Kind.STOP, Kind.PAUSE)


def _refused(code: Code, text: str) -> Refused:
    return Refused(text, reasons=(Reason(code, text),))
