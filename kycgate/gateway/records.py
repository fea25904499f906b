"""What of a request is written down, where, and what its caller is told for it.

Decides nothing. Before a renting request leaves, its decision and its job are on disk; what becomes
of it is added when the upstream has answered.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import rfc8785

from kycgate.core.claims import Action, JobRequest
from kycgate.core.decision import Allow, Decision, Deny, Evidence, explain
from kycgate.core.permit import job_id
from kycgate.core.policy import ListVersion, Policy
from kycgate.errors import Busy, Code, KycgateError, Malformed, Reason
from kycgate.gateway import refusing
from kycgate.gateway.adapters.base import ACTIONS, Kind, Route
from kycgate.gateway.canonical import CleanRequest, answer_fields
from kycgate.gateway.limits import Bucket
from kycgate.gateway.memory import Lease, WouldWait
from kycgate.gateway.parts import GateParts
from kycgate.gateway.proving import Caller
from kycgate.gateway.repeats import fingerprint, job_number
from kycgate.gateway.view import Headers, Reply, RequestView
from kycgate.store.base import DecisionFacts, Job, Refusal

JOBS_LOOKED_AT = 1000
"""How many of an account's latest jobs are searched for the one a deployment stands on."""
_TALLY_S = 60

_SILENT = frozenset({Code.MALFORMED, Code.AMBIGUOUS_REQUEST, Code.TOO_LARGE})
# Nothing on the renter page would help with these.
_NO_LINK = _SILENT | {
    Code.ROUTE_UNKNOWN, Code.NOT_FOUND, Code.NOT_OWNER, Code.CONFLICT, Code.IN_PROGRESS,
    Code.OUTCOME_UNKNOWN, Code.IDEMPOTENCY_MISMATCH, Code.DEPENDENCY, Code.DOOR_BLIND,
}  # fmt: skip

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Passage:
    """One request on its way through the gate, and what has been learned about it so far."""

    view: RequestView
    request: CleanRequest | None = None
    route: Route | None = None
    caller: Caller | None = None
    rental: bytes | None = None
    """Id of the job that rented the deployment concerned."""
    job: JobRequest | None = None
    policy: Policy | None = None
    evidence: Evidence | None = None
    decision: Decision | None = None
    decision_id: str | None = None
    facts: str | None = None
    """Digest of what was kept of the decision, once it is."""
    lease: Lease = field(default_factory=Lease)
    charged: list[Bucket] = field(default_factory=list)
    """What this request is taken from once it has its answer."""

    def clean(self) -> CleanRequest:
        assert self.request is not None
        return self.request


class Records:
    """Writes jobs, decisions, refusals; tells callers no."""

    def __init__(self, parts: GateParts) -> None:
        self._parts = parts
        self._strangers = refusing.Budget(burst=60, every_s=1)
        self._accounts = refusing.Budget(burst=30, every_s=2)
        self._tally = refusing.Tally(every_s=_TALLY_S)

    # -- a job starts ----------------------------------------------------------------------------

    def job(self, passage: Passage, caller: Caller) -> Job:
        """The job an allowed request would start."""
        assert passage.job is not None
        request, account = passage.clean(), caller.account
        key = request.fields.get("idempotency-key")
        if key is not None and not (1 <= len(key) <= 255 and key.isascii() and key.isprintable()):
            raise Malformed(
                "Idempotency-Key must be 1 to 255 printable characters.", field="Idempotency-Key"
            )
        return Job(
            id=job_id(account.address, job_number(key, self._parts.draw(32))),
            account=account.key,
            fingerprint=fingerprint(account.key, request, passage.view.body or b""),
            idempotency_key=key,
            state="decided",
            decision_id=self._name(passage),
            request=passage.job.canonical(),
            created_at=passage.view.now,
            updated_at=passage.view.now,
        )

    def started(self, passage: Passage, job: Job) -> None:
        """Decision and job are durable when this returns: only then may the request leave."""
        try:
            self._decision(passage, granted=isinstance(passage.decision, Allow), job=job)
            self._parts.store.mark_forwarded(job.id, at=passage.view.now)
        except KycgateError as error:
            self._abandon(passage, job, error)
            raise

    def _abandon(self, passage: Passage, job: Job, error: KycgateError) -> None:
        """Nothing was sent: the job is over, so that a repeat may be decided anew."""
        told = self._tell(passage, refusing.reasons_of(error), link=None)
        try:
            self._finish(job, told, known=True)
        except KycgateError:
            _log.error("job %s never left and could not be closed", job.id.hex())

    # -- a job ends ------------------------------------------------------------------------------

    def answered(
        self, passage: Passage, job: Job, status: int, fields: Headers, body: bytes
    ) -> Reply:
        """Records the upstream's answer and hands it on, with the permit if it was a yes."""
        now = self._parts.clock()
        deployment = permit = None
        if self._parts.adapter.accepted(status, body):
            deployment = self._deployment(passage, job, body, now)
            permit = self._permit(passage, job, now)
        ours: Headers = (
            ("Kycgate-Decision", job.decision_id),
            ("Kycgate-Job", "0x" + job.id.hex()),
        )
        if permit is not None:
            text = base64.urlsafe_b64encode(permit).rstrip(b"=").decode()
            ours = (*ours, ("Kycgate-Permit", text))
        reply = Reply(status, (*answer_fields(fields), *ours), body)
        try:
            # A server error says nothing about what was done before it.
            known = status < 500 and status != 408
            self._finish(job, reply, known=known, deployment=deployment, permit=permit)
        except KycgateError:
            # The machine exists: its renter must hear of it. The job stays "forwarded", which
            # counts as unknown, so no repeat starts another.
            _log.error("the answer to job %s could not be recorded", job.id.hex())
        return reply

    def _finish(
        self,
        job: Job,
        reply: Reply,
        *,
        known: bool,
        deployment: str | None = None,
        permit: bytes | None = None,
    ) -> None:
        self._parts.store.finish_job(
            job.id,
            state="answered" if known else "unknown",
            at=self._parts.clock(),
            status=reply.status,
            headers=reply.headers,
            body=reply.body,
            deployment=deployment,
            permit=permit,
        )

    def _deployment(self, passage: Passage, job: Job, body: bytes, now: int) -> str | None:
        """The deployment this answer is about, recorded as the renter's if it is new."""
        assert passage.route is not None
        if passage.route.kind is not Kind.RENT:
            return passage.route.resource
        deployment = self._parts.adapter.deployment(body)
        if deployment is None:
            _log.error("the answer to job %s names no deployment", job.id.hex())
            return None
        try:
            self._parts.store.own_deployment(deployment, job.account, job.id, at=now)
        except KycgateError as error:
            _log.error("job %s: deployment not recorded: %s", job.id.hex(), error.message)
            return None
        return deployment

    def _permit(self, passage: Passage, job: Job, now: int) -> bytes | None:
        """Permits follow the rental: an extension raises the cap of the job that began it."""
        decision, route = passage.decision, passage.route
        if not isinstance(decision, Allow) or route is None or route.kind is Kind.MODIFY:
            return None
        paid = job.id if route.kind is Kind.RENT else passage.rental
        if paid is None:
            return None
        try:
            return self._parts.permit_for(decision, paid, now)
        except KycgateError as error:
            # The renter can fetch it later; the machine is theirs in any case.
            _log.warning("job %s: no permit yet: %s", job.id.hex(), error.message)
            return None

    def no_answer(self, passage: Passage, job: Job, *, sent: bool) -> Reply:
        """The upstream gave no complete answer; if anything was sent, nobody knows what it did."""
        if sent:
            reason = Reason(Code.OUTCOME_UNKNOWN, "the marketplace gave no complete answer")
        else:
            reason = Reason(Code.DEPENDENCY, "the marketplace could not be reached")
        reply = self._tell(passage, (reason,), link=None)
        try:
            if sent:
                self._parts.store.finish_job(job.id, state="unknown", at=self._parts.clock())
            else:
                self._finish(job, reply, known=True)
        except KycgateError:
            _log.error("the end of job %s could not be recorded", job.id.hex())
        return reply

    def stopped(self, deployment: str) -> None:
        """The upstream accepted the end of a deployment."""
        try:
            self._parts.store.close_deployment(deployment, at=self._parts.clock())
        except KycgateError as error:
            _log.error("the end of a deployment could not be recorded: %s", error.message)

    # -- refusals --------------------------------------------------------------------------------

    def refuse(self, passage: Passage, error: KycgateError, *, wait: bool) -> Reply:
        """Writes down what is worth it, tells the caller. Raises WouldWait if it may not."""
        reasons = refusing.reasons_of(error)
        code = reasons[0].code
        if code in _SILENT:
            return self._tell(passage, reasons, link=None)
        if isinstance(error, Busy):
            # Whoever asks too much is not worth a write: counted, and logged with the others.
            self._tally.note(code, passage.view.now)
            return self._tell(passage, reasons, link=None, retry_after_s=error.retry_after_s)
        if not wait:
            raise WouldWait
        may_write = self._may_write(passage)
        decided = passage.decision is not None and not isinstance(passage.decision, Allow)
        if decided and may_write:
            self._attempt(lambda: self._decision(passage, granted=False))
        else:
            self._count(code, passage.view.now)
        link = None if code in _NO_LINK else self._link(passage, reasons, write=may_write)
        return self._tell(passage, reasons, link=link)

    def observed(self, passage: Passage, reason: Reason) -> None:
        """An unproven caller that enforcement would have refused; it goes on as it came."""
        if self._may_write(passage):
            self._attempt(lambda: self._decision(passage, granted=False, unproven=reason))
        else:
            self._count(reason.code, passage.view.now)

    def _may_write(self, passage: Passage) -> bool:
        now = passage.view.now
        if passage.caller is None:
            return self._strangers.take("", now)
        return self._accounts.take(passage.caller.account.key, now)

    def flush(self, now: int) -> None:
        """Log what was only counted, if it is time."""
        self._log_counts(self._tally.due(now), now)

    def _count(self, code: Code, now: int) -> None:
        self._log_counts(self._tally.add(code, now), now)

    def _log_counts(self, due: dict[str, Any] | None, now: int) -> None:
        if due is not None:
            self._attempt(lambda: self._parts.log.append("refusals", due, now=now))

    def _attempt(self, write: Callable[[], object]) -> bool:
        """A refusal stands whether or not it can be written down."""
        try:
            write()
        except KycgateError as error:
            _log.error("a refusal could not be recorded: %s", error.message)
            return False
        return True

    def _link(self, passage: Passage, reasons: tuple[Reason, ...], *, write: bool) -> str:
        """Where the caller can do something about it. Beyond the budget: the front page."""
        front = f"{self._parts.public_url}/"
        if not write:
            return front
        refusal = Refusal(
            id=self._parts.draw(16).hex(),
            created_at=passage.view.now,
            asked=self._asked(passage),
            codes=refusing.outward_codes(reasons, denied=isinstance(passage.decision, Deny)),
            host=passage.view.authority,
        )
        if not self._attempt(lambda: self._parts.store.add_refusal(refusal)):
            return front
        return f"{self._parts.public_url}/r/{refusal.id}"

    def _asked(self, passage: Passage) -> dict[str, Any]:
        """The job in plain fields, as far as the request says: no verdict, and no account."""
        route, job = passage.route, passage.job
        if route is None or route.kind not in ACTIONS:
            return {}
        if job is None and route.kind in (Kind.RENT, Kind.ADMIT):
            job = self._read_job(passage, route)
        if job is None:
            return {"action": str(ACTIONS[route.kind])}
        said = {
            "action": str(job.action),
            "gpu_model": job.gpu_model,
            "gpu_count": job.gpu_count,
            "hours": job.hours,
        }
        return {name: value for name, value in said.items() if value is not None}

    def _read_job(self, passage: Passage, route: Route) -> JobRequest | None:
        try:
            return self._parts.adapter.job(
                route, passage.view.body or b"", recorded=None, now=passage.view.now
            )
        except KycgateError:
            return None

    def _tell(
        self,
        passage: Passage,
        reasons: tuple[Reason, ...],
        *,
        link: str | None,
        retry_after_s: int | None = None,
    ) -> Reply:
        said = refusing.Refusing(
            reasons=reasons,
            codes=refusing.outward_codes(reasons, denied=isinstance(passage.decision, Deny)),
            request_id=self._name(passage),
            link=link,
            problem=_wants_problem(passage.view),
            realm=self._parts.public_url,
            retry_after_s=retry_after_s,
        )
        return refusing.reply(self._parts.adapter, said)

    # -- the log ---------------------------------------------------------------------------------

    def _name(self, passage: Passage) -> str:
        """The id by which log, upstream and caller speak of this request."""
        if passage.decision_id is None:
            passage.decision_id = self._parts.draw(16).hex()
        return passage.decision_id

    def _decision(
        self,
        passage: Passage,
        *,
        granted: bool,
        unproven: Reason | None = None,
        job: Job | None = None,
    ) -> None:
        """One line of the decision log: digests and pseudonymous ids, never names."""
        evidence, route = passage.evidence, passage.route
        reasons = () if passage.decision is None else passage.decision.reasons
        if unproven is not None:
            reasons = (unproven,)
        body: dict[str, Any] = {
            "door": passage.view.door,
            "action": None if route is None else route.kind.value,
            "granted": granted,
            "mode": self._mode(passage),
            "account": None if passage.caller is None else passage.caller.account.key,
            "reason_codes": [str(reason.code) for reason in reasons],
            "rules": sorted({reason.rule for reason in reasons if reason.rule is not None}),
            "notes": sorted({str(note.code) for note in _notes(passage)}),
            "policy": None if passage.policy is None else passage.policy.digest.hex(),
            "lists": [] if evidence is None else [_list(entry) for entry in evidence.lists],
            "attestation": _attestation(evidence),
            "request": None if passage.job is None else passage.job.digest().hex(),
            "job": None if job is None else job.id.hex(),
            "decision": self._name(passage),
            "ownership": None if evidence is None else evidence.owners,
            "facts": self._facts(passage),
            "deployment": None if route is None else route.resource,
        }
        self._parts.log.append("decision", body, now=passage.view.now)

    def _facts(self, passage: Passage) -> str | None:
        """Keep what the decision stood on, so that it can be replayed; its digest for the log.

        Salted, so that nobody who holds the log alone can try out what the facts were.
        """
        if passage.decision is None or passage.facts is not None:
            return passage.facts
        salt = self._parts.draw(16).hex()
        body = rfc8785.dumps({"salt": salt, "told": explain(passage.decision)})
        self._parts.store.add_facts(DecisionFacts(self._name(passage), passage.view.now, body))
        passage.facts = hashlib.sha256(body).hexdigest()
        return passage.facts

    def _mode(self, passage: Passage) -> str:
        return str((passage.policy or self._parts.policy()).mode)


def recorded_answer(job: Job) -> Reply:
    """What the first of identical requests was answered, for the others."""
    assert job.answer_status is not None
    return Reply(job.answer_status, job.answer_headers, job.answer_body)


def request_of(job: Job) -> JobRequest:
    """The job request a recorded job stands on, from its canonical form."""
    said = json.loads(job.request)
    value = said["value"]
    return JobRequest(
        marketplace=said["marketplace"],
        action=Action(said["action"]),
        gpu_model=said["gpu_model"],
        gpu_count=said["gpu_count"],
        hours=said["hours"],
        value=None if value is None else int(value),
        resource=said["resource"],
        end_user=said["end_user"],
    )


def _wants_problem(view: RequestView) -> bool:
    return any(
        name.lower() == "accept" and "application/problem+json" in value.lower()
        for name, value in view.headers
    )


def _list(entry: ListVersion) -> dict[str, Any]:
    return {"name": entry.name, "version": entry.version, "as_of": entry.as_of}


def _attestation(evidence: Evidence | None) -> str | None:
    found = None if evidence is None else evidence.attestation
    return None if found is None or found.uid is None else found.uid.hex()


def _notes(passage: Passage) -> tuple[Reason, ...]:
    """What was not known or asked, and bore on no verdict."""
    return () if passage.decision is None else passage.decision.notes
