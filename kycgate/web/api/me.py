"""What a renter may have and demand of their own data: a copy, its uses, its end.

Opens nothing itself; every piece opened for a copy stands in the decision log.
"""

from __future__ import annotations

from typing import Any

from kycgate.core.claims import Account
from kycgate.errors import NotFound
from kycgate.gateway.records import request_of
from kycgate.store.base import Job
from kycgate.web.access import in_person, renter
from kycgate.web.api import keys, users
from kycgate.web.parts import Me, WebParts
from kycgate.web.wire import Answer, Call, read_query

_JOBS = 1000
"""Rentals of one account that are listed."""
_WHY = {"retention": "The law wants records of your rentals kept until then."}
_HELD = "The operator was told to keep it until then."


def export(parts: WebParts, call: Call) -> Answer:
    """GET /v1/me/export. Wants the wallet itself: a stolen session key must not read a passport."""
    who = in_person(parts, call)
    read_query(call, ())
    document = _me(parts).export(who.account, now=call.now)
    accounts = parts.identity.accounts(who.account)
    document["keys"] = [
        keys.shown(key, call.now)
        for account in accounts
        for key in parts.store.keys_of(account.key)
    ]
    document["users"] = [
        users.shown(link, call.now)
        for account in accounts
        for link in parts.store.user_links_of(account.key)
        if link.linked_at is not None
    ]
    document["uses"] = _uses(parts, accounts)
    return Answer(200, document)


def uses(parts: WebParts, call: Call) -> Answer:
    """GET /v1/me/uses: which marketplaces behind this gate were told of this renter, and when."""
    who = renter(parts, call)
    read_query(call, ())
    return Answer(200, {"uses": _uses(parts, parts.identity.accounts(who.account))})


def erase(parts: WebParts, call: Call) -> Answer:
    """DELETE /v1/me: erased at once, or restricted until a date. Needs the wallet itself."""
    who = in_person(parts, call)
    read_query(call, ())
    found = _me(parts).erase(who.account, now=call.now)
    if who.session is not None:
        parts.store.end_session(who.session.token_hash)
    why = [_WHY.get(name, _HELD) for name in found.why]
    return Answer(
        200,
        {
            "erased": found.until is None,
            "restricted_until": found.until,
            "why": list(dict.fromkeys(why)),
        },
    )


def _me(parts: WebParts) -> Me:
    if parts.me is None:
        raise NotFound("nothing is kept of this account")
    return parts.me


def _uses(parts: WebParts, accounts: list[Account]) -> list[dict[str, Any]]:
    return [
        _use(parts, account, job)
        for account in accounts
        for job in parts.store.jobs_of(account.key, limit=_JOBS)
        if job.state != "decided"  # nothing has left for the marketplace yet
    ]


def used(parts: WebParts, account: Account) -> list[dict[str, Any]]:
    """The same for people: each marketplace once, with how often and when last."""
    found: dict[str, dict[str, Any]] = {}
    for use in _uses(parts, parts.identity.accounts(account)):
        name = use["marketplace"]
        entry = found.setdefault(name, {"marketplace": name, "count": 0, "last_at": 0})
        entry["count"] += 1
        entry["last_at"] = max(entry["last_at"], use["at"])
    return sorted(found.values(), key=lambda entry: -entry["last_at"])


def _use(parts: WebParts, account: Account, job: Job) -> dict[str, Any]:
    asked = request_of(job)
    return {
        "marketplace": asked.marketplace or parts.words.marketplace,
        "account": account.key,
        "job": "0x" + job.id.hex(),
        "deployment": job.deployment,
        "gpu_model": asked.gpu_model,
        "gpu_count": asked.gpu_count,
        "at": job.created_at,
    }
