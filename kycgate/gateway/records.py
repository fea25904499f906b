"""What becomes of a request's job, and what a caller who is refused is told.

Decides nothing. Before a renting request leaves, its decision and its job are on disk; what becomes
of it is added when the upstream has answered.
"""

from __future__ import annotations

import base64
import json
import logging
from typing import Any

from kycgate.core.claims import Action, JobRequest
from kycgate.core.decision import Allow, Deny
from kycgate.core.permit import job_id
from kycgate.errors import Busy, Code, KycgateError, Malformed, Reason
from kycgate.gateway import refusing
from kycgate.gateway.adapters.base import ACTIONS, Kind, Route
from kycgate.gateway.canonical import answer_fields
from kycgate.gateway.journal import Journal
from kycgate.gateway.memory import WouldWait
from kycgate.gateway.parts import GateParts
from kycgate.gateway.passage import Passage
from kycgate.gateway.proving import Caller
from kycgate.gateway.repeats import fingerprint, job_number
from kycgate.gateway.view import Headers, Reply, RequestView
from kycgate.store.records.jobs import Job, Refusal

__all__ = ["JOBS_LOOKED_AT", "Records", "recorded_answer", "request_of"]

JOBS_LOOKED_AT = 1000
"""How many of an account's latest jobs are searched for the one a deployment stands on."""

_SILENT = frozenset({Code.MALFORMED, Code.AMBIGUOUS_REQUEST, Code.TOO_LARGE})
# Nothing on the renter page would help with these.
_NO_LINK = _SILENT | {
    Code.ROUTE_UNKNOWN, Code.NOT_FOUND, Code.NOT_OWNER, Code.CONFLICT, Code.IN_PROGRESS,
    Code.OUTCOME_UNKNOWN, Code.IDEMPOTENCY_MISMATCH, Code.DEPENDENCY, Code.DOOR_BLIND,
}  # fmt: skip

_log = logging.getLogger(__name__)


class Records:
    """Writes jobs and refusals; tells callers no. The lines of the log are the journal's."""

    def __init__(self, parts: GateParts) -> None:
        self._parts = parts
        self._journal = Journal(parts)

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
            decision_id=self._journal.name(passage),
            request=passage.job.canonical(),
            created_at=passage.view.now,
            updated_at=passage.view.now,
        )

    def started(self, passage: Passage, job: Job) -> None:
        """Decision and job are durable when this returns: only then may the request leave."""
        try:
            self._journal.decision(passage, granted=isinstance(passage.decision, Allow), job=job)
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
            self._journal.note(code, passage.view.now)
            return self._tell(passage, reasons, link=None, retry_after_s=error.retry_after_s)
        if not wait:
            raise WouldWait
        may_write = self._journal.may_write(passage)
        self._journal.refused(passage, code, write=may_write)
        link = None if code in _NO_LINK else self._link(passage, reasons, write=may_write)
        return self._tell(passage, reasons, link=link)

    def observed(self, passage: Passage, reason: Reason) -> None:
        """An unproven caller that enforcement would have refused; it goes on as it came."""
        self._journal.observed(passage, reason)

    def flush(self, now: int) -> None:
        """Log what was only counted, if it is time."""
        self._journal.flush(now)

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
        if not self._journal.attempt(lambda: self._parts.store.add_refusal(refusal)):
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
            request_id=self._journal.name(passage),
            link=link,
            problem=_wants_problem(passage.view),
            realm=self._parts.public_url,
            retry_after_s=retry_after_s,
        )
        return refusing.reply(self._parts.adapter, said)


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
