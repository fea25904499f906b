"""Carries an allowance from the gate to the permit key: permits without forwarding, or after it.

Decides nothing and signs nothing: the gate decides, settlement signs.
"""

from __future__ import annotations

from typing import Any, Protocol

from kycgate.core.claims import Account, Digest, JobRequest
from kycgate.core.decision import Allow, Decision, Deny, Review
from kycgate.core.permit import SignedPermit, job_id
from kycgate.gateway.records import request_of
from kycgate.settlement.permits import Permits
from kycgate.store.base import Store
from kycgate.store.records.jobs import Job
from kycgate.web.parts import Ask


class Decider(Protocol):
    """The gate's decision, without effect."""

    def explain(self, account: Account, job: JobRequest, *, now: int) -> Decision: ...


class Log(Protocol):
    """The decision log: durable when `append` returns."""

    def append(self, kind: str, body: dict[str, Any], *, now: int) -> object: ...


class Desk:
    """Implements `web.parts.PermitDesk` for one escrow."""

    def __init__(self, gate: Decider, permits: Permits, store: Store, log: Log) -> None:
        self._gate = gate
        self._permits = permits
        self._store = store
        self._log = log

    def ask(self, account: Account, ask: Ask, *, now: int) -> SignedPermit | Deny | Review:
        """Decide afresh and sign if the answer is yes. Raises Malformed for other terms."""
        self._permits.require_terms(provider=ask.provider, token=ask.token)
        decision = self._gate.explain(account, ask.job, now=now)
        job = job_id(account.address, ask.n)
        self._record(account, decision, job, now)
        if not isinstance(decision, Allow):
            return decision
        return self._permits.issue(decision, job_id=job, now=now, at_most=ask.max_value)

    def of_job(
        self, account: Account, job: Digest, *, now: int
    ) -> SignedPermit | Deny | Review | None:
        """The permit of an accepted job; signed afresh, on a new decision, once it has run out."""
        kept = self._store.job(job)
        if kept is None or kept.account != account.key or kept.state != "answered":
            return None
        if kept.permit is not None:
            permit = SignedPermit.from_wire(kept.permit)
            if now <= permit.permit.deadline:
                return permit
        return self._again(account, kept, now)

    def _again(self, account: Account, kept: Job, now: int) -> SignedPermit | Deny | Review:
        job = Digest(kept.id)
        decision = self._gate.explain(account, request_of(kept), now=now)
        self._record(account, decision, job, now)
        if not isinstance(decision, Allow):
            return decision
        permit = self._permits.issue(decision, job_id=job, now=now)
        self._store.set_permit(job, permit.to_wire())
        return permit

    def _record(self, account: Account, decision: Decision, job: Digest, now: int) -> None:
        granted = isinstance(decision, Allow)
        body = {
            "door": "api",
            "granted": granted,
            "account": account.key,
            "reason_codes": [str(reason.code) for reason in decision.reasons],
            "job": "0x" + job.hex(),
        }
        self._log.append("permit", body, now=now)
