"""Questions about a rental before or after the fact: would it be allowed, and where is its permit.

Takes no decision itself: the gate decides, the permit desk signs.
"""

from __future__ import annotations

import secrets
from typing import Any

from kycgate.core.claims import Account, Action, Digest, JobRequest
from kycgate.core.decision import Decision, Deny, Review, outward
from kycgate.core.decision import explain as full_explanation
from kycgate.core.permit import SignedPermit
from kycgate.core.typed import keccak
from kycgate.errors import Malformed, NotFound, Unavailable
from kycgate.web.access import Operator, renter, renter_or_operator
from kycgate.web.parts import Ask, PermitDesk, WebParts
from kycgate.web.problem import Decided, worded
from kycgate.web.wire import Answer, Call, Fields, read_fields, read_query, unhex

JOB_FIELDS = (
    "marketplace",
    "action",
    "gpu_model",
    "gpu_count",
    "hours",
    "value",
    "resource",
    "end_user",
)
_EXACT = 2**53 - 1


def read_job(fields: Fields, parts: WebParts) -> JobRequest:
    """The job a caller describes. What is left out is unknown, and unknown makes the gate
    stricter.
    """
    return JobRequest(
        marketplace=fields.text("marketplace", most=60, default=parts.words.marketplace),
        action=Action(fields.choice("action", tuple(Action), default="rent")),
        gpu_model=fields.text("gpu_model", most=100, default=None),
        gpu_count=fields.whole("gpu_count", least=1, most=_EXACT, default=None),
        hours=fields.whole("hours", least=1, most=_EXACT, default=None),
        value=fields.amount("value", default=None),
        resource=fields.text("resource", most=200, default=None),
        end_user=fields.text("end_user", most=200, default=None),
    )


def explain(parts: WebParts, call: Call) -> Answer:
    """POST /v1/explain: a dry run. Renters ask for themselves; operators for anyone, and see it
    all.
    """
    who = renter_or_operator(parts, call)
    fields = read_fields(call, ("account", *JOB_FIELDS))
    named = fields.text("account", most=120, default=None)
    if isinstance(who, Operator):
        if named is None:
            raise Malformed(
                "whose rental?", field="account", remedy="give 0x… or eip155:<chain>:0x…"
            )
        account = Account.from_key(named.lower())
    else:
        account = who.account
        if named is not None and named.lower() != account.key:
            raise NotFound("only your own account can be asked about")
    decision = parts.gate.explain(account, read_job(fields, parts), now=call.now)
    inside = isinstance(who, Operator)
    return Answer(200, full_explanation(decision) if inside else _told(account, decision))


def ask_permit(parts: WebParts, call: Call) -> Answer:
    """POST /v1/permits: decide without forwarding, and sign if the answer is yes."""
    who = renter(parts, call)
    desk = _desk(parts)
    fields = read_fields(call, (*JOB_FIELDS, "provider", "token", "max_value", "idempotency_key"))
    key = fields.visible("idempotency_key", most=200)
    ask = Ask(
        job=read_job(fields, parts),
        provider=fields.address("provider"),
        token=fields.address("token"),
        max_value=fields.amount("max_value"),
        n=secrets.token_bytes(32) if key is None else keccak(key.encode("ascii")),
    )
    return Answer(201, _signed(desk.ask(who.account, ask, now=call.now)))


def job_permit(parts: WebParts, call: Call) -> Answer:
    """GET /v1/permits?job=0x…: the permit of an accepted job, for renters whose client showed
    none.
    """
    who = renter(parts, call)
    desk = _desk(parts)
    job = unhex(read_query(call, ("job",)).text("job", most=66), field="job", length=32)
    record = parts.store.job(job)
    if record is None or record.account != who.account.key:
        raise NotFound("no such job of this account")
    found = desk.of_job(who.account, Digest(job), now=call.now)
    if found is None:
        raise NotFound("this job has no permit")
    return Answer(200, _signed(found))


def _signed(answer: SignedPermit | Deny | Review) -> bytes:
    """The permit as `core.permit` reads it back. Raises Decided or Unavailable for a no."""
    if isinstance(answer, SignedPermit):
        return answer.to_wire()
    if isinstance(answer, Deny) and answer.unavailable:
        raise Unavailable("only stale lists stand in the way", code=answer.reasons[0].code)
    raise Decided(outward(answer)["codes"])


def _desk(parts: WebParts) -> PermitDesk:
    if parts.permits is None:
        raise NotFound("this gate issues no permits: its settlement is `none`")
    return parts.permits


def _told(account: Account, decision: Decision) -> dict[str, Any]:
    """What a renter hears: the verdict and public codes, each with its sentence."""
    public = outward(decision)
    return {
        "account": account.key,
        "verdict": public["verdict"],
        "reasons": worded(public["codes"]),
    }
