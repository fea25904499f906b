"""Questions about a rental before or after the fact: would it be allowed, and where is its permit.

Takes no decision itself: the gate decides, the permit desk signs.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

from kycgate.core.claims import Account, Action, Digest, JobRequest
from kycgate.core.decision import Allow, Deny
from kycgate.core.permit import SignedPermit
from kycgate.core.typed import keccak
from kycgate.errors import Malformed, NotFound, Reason
from kycgate.web.access import Operator, renter, renter_or_operator
from kycgate.web.parts import Ask, Explanation, WebParts
from kycgate.web.problem import outward_reasons
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
    """The job a caller describes. What is left out is unknown, and unknown makes the gate stricter."""
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
    """POST /v1/explain: a dry run. Renters ask for themselves; operators for anyone, and see it all."""
    who = renter_or_operator(parts, call)
    fields = read_fields(call, ("account", *JOB_FIELDS))
    named = fields.text("account", most=120, default=None)
    if isinstance(who, Operator):
        if named is None:
            raise Malformed("whose rental?", field="account", remedy="give 0x… or eip155:<chain>:0x…")
        account = Account.from_key(named.lower())
    else:
        account = who.account
        if named is not None and named.lower() != account.key:
            raise NotFound("only your own account can be asked about")
    outcome = parts.gate.explain(account, read_job(fields, parts), now=call.now)
    inside = isinstance(who, Operator)
    return Answer(200, _inward(account, outcome) if inside else _outward(account, outcome))


def ask_permit(parts: WebParts, call: Call) -> Answer:
    """POST /v1/permits: decide without forwarding, and sign if the answer is yes."""
    who = renter(parts, call)
    desk = _desk(parts)
    fields = read_fields(call, (*JOB_FIELDS, "provider", "token", "max_value", "idempotency_key"))
    key = fields.text("idempotency_key", most=200, default=None)
    ask = Ask(
        job=read_job(fields, parts),
        provider=fields.address("provider"),
        token=fields.address("token"),
        max_value=fields.amount("max_value"),
        n=secrets.token_bytes(32) if key is None else keccak(key.encode("utf-8")),
    )
    return Answer(201, permit_document(desk.ask(who.account, ask, now=call.now)))


def job_permit(parts: WebParts, call: Call) -> Answer:
    """GET /v1/permits?job=0x…: the permit of an accepted job, for renters whose client showed none."""
    who = renter(parts, call)
    desk = _desk(parts)
    job = unhex(read_query(call, ("job",)).text("job", most=66), field="job", length=32)
    record = parts.store.job(job)
    if record is None or record.account != who.account.key:
        raise NotFound("no such job of this account")
    permit = desk.of_job(who.account, Digest(job), now=call.now)
    if permit is None:
        raise NotFound("this job has no permit")
    return Answer(200, permit_document(permit))


def permit_document(permit: SignedPermit) -> dict[str, Any]:
    """The permit in the form `core.permit` reads back."""
    document: dict[str, Any] = json.loads(permit.to_wire())
    return document


def _desk(parts: WebParts) -> Any:
    if parts.permits is None:
        raise NotFound("this gate issues no permits: its settlement is `none`")
    return parts.permits


def _verdict(outcome: Explanation) -> str:
    if isinstance(outcome.decision, Allow):
        return "allow"
    return "deny" if isinstance(outcome.decision, Deny) else "review"


def _outward(account: Account, outcome: Explanation) -> dict[str, Any]:
    allowed = isinstance(outcome.decision, Allow)
    return {
        "account": account.key,
        "verdict": _verdict(outcome),
        "reasons": [] if allowed else outward_reasons(outcome.decision.reasons),
    }


def _inward(account: Account, outcome: Explanation) -> dict[str, Any]:
    return {
        "account": account.key,
        "verdict": _verdict(outcome),
        "reasons": [_cited(reason, outcome) for reason in outcome.decision.reasons],
        "policy": {"id": outcome.policy_id, "digest": "0x" + outcome.policy.hex()},
    }


def _cited(reason: Reason, outcome: Explanation) -> dict[str, Any]:
    citation = outcome.citations.get(reason.rule) if reason.rule else None
    return {
        "code": str(reason.code),
        "text": reason.text,
        "rule": reason.rule,
        "citation": citation,
    }
