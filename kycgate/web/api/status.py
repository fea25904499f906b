"""Where an account stands, its attestation, and whether this service is well.

Changes nothing, save that a valid attestation may be renewed on the way.
"""

from __future__ import annotations

from typing import Any

from kycgate.core.attestation import SignedAttestation
from kycgate.core.claims import Account
from kycgate.errors import NotFound, Unavailable
from kycgate.store.records.jobs import Job
from kycgate.web.access import is_operator, renter, renter_or_key
from kycgate.web.api import cases
from kycgate.web.parts import WebParts
from kycgate.web.wire import Answer, Call, read_query
from kycgate.web.words import renter_state, state_in_words

_JOBS = 20
"""The newest rentals of an account that its status names."""


def status(parts: WebParts, call: Call) -> Answer:
    """GET /v1/status: one document a script can wait on. A gate API key may read it too."""
    who = renter_or_key(parts, call)
    read_query(call, ())
    return Answer(200, document(parts, who.account, now=call.now))


def document(parts: WebParts, account: Account, *, now: int) -> dict[str, Any]:
    """Where the account stands, for programs and for the pages alike."""
    newest = next(iter(cases.of_renter(parts, account)), None)
    held = parts.identity.attestation(account, now=now)
    case = cases.shown(parts, newest, now) if newest else None
    state = _state(case, held)
    return {
        "account": account.key,
        "state": state,
        "state_text": state_in_words(state),
        "case": case,
        "attestation": _brief(held) if held else None,
        "wallet_proof_at": parts.store.wallet_proof_at(account.key),
        "jobs": [_job(parts, job) for job in parts.store.jobs_of(account.key, limit=_JOBS)],
        "marketplace_url": parts.marketplace_url,
    }


def _job(parts: WebParts, job: Job) -> dict[str, Any]:
    """A rental as its renter may see it: the job id is what permits are fetched by."""
    rental = parts.store.rental_state(job.id)
    return {
        "job": "0x" + job.id.hex(),
        "deployment": job.deployment,
        "state": job.state,
        "escrow": None if rental is None else rental.state,
        "created_at": job.created_at,
    }


def attestation(parts: WebParts, call: Call) -> Answer:
    """GET /v1/attestation: the EAS off-chain JSON, byte for byte as every EAS tool reads it."""
    who = renter(parts, call)
    read_query(call, ())
    held = parts.identity.attestation(who.account, now=call.now)
    if held is None:
        raise NotFound("this account has no valid attestation")
    return Answer(200, held.to_wire())


def health(parts: WebParts, call: Call) -> Answer:
    """GET /healthz. Strangers learn whether we work; names and versions of lists and
    registers are the operator's.
    """
    read_query(call, ())
    try:
        parts.store.ping()
        head = parts.store.log_head()
        stale = parts.lists.stale(now=call.now)
        late = parts.publishing.late_s(now=call.now) if parts.publishing else 0
    except Unavailable:
        return Answer(503, {"status": "down", "store": "unavailable"})
    waiting = None if parts.renewals is None else parts.renewals.waiting(now=call.now)
    count = 0 if waiting is None else waiting.count
    broken = () if parts.registers is None else parts.registers.troubles()
    document: dict[str, Any] = {
        "status": "degraded" if stale or late or count or broken else "ok",
        "store": "ok",
        "revocations_late_s": late,
        "stale_lists": len(stale),
        "broken_registers": len(broken),
        "renewals_waiting": count,
        "log": {"seq": head.seq, "hash": "0x" + head.hash.hex()} if head else None,
    }
    if is_operator(parts, call):
        document["lists"] = [
            {"name": entry.name, "version": entry.version, "as_of": entry.as_of} for entry in stale
        ]
        document["registers"] = [{"kind": entry.kind, "version": entry.version} for entry in broken]
        if waiting is not None and waiting.first_ends_at is not None:
            document["renewals_end_at"] = waiting.first_ends_at
        if parts.publishing is not None:
            document["chains"] = parts.publishing.document(now=call.now)
    return Answer(200, document)


def _state(case: dict[str, Any] | None, held: SignedAttestation | None) -> str:
    """An approval whose attestation lapsed reads as revoked: it no longer opens the gate."""
    state = str(case["state"]) if case else renter_state(None)
    return "revoked" if state == "approved" and held is None else state


def _brief(held: SignedAttestation) -> dict[str, Any]:
    return {
        "uid": "0x" + held.uid.hex(),
        "expires_at": held.attestation.expiration_time,
    }
