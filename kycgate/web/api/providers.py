"""Hosted identity providers: a check begun, looked at, and a provider's own message; imports.

Decides nothing: the visits' own rules stand in the issuer room, and a message is only taken here.
"""

from __future__ import annotations

import json
from typing import Any

from kycgate.core.claims import Digest
from kycgate.errors import Malformed, NotFound
from kycgate.issuer.imports import Imported
from kycgate.web.access import prover
from kycgate.web.parts import Imports, Verifications, WebParts
from kycgate.web.wire import Answer, Call, argument, read_fields, read_query, unhex

WEBHOOK_MOST = 256 * 1024
"""Bytes of a provider's message."""
_ID = r"[0-9a-f]{32}"
_PROVIDER = r"[a-z][a-z0-9_-]{0,31}"
# What has been taken back is looked at by a person: the case says what comes of it.
_OUTWARD = {"withdrawn": "checking", "proving": "checking"}
_WORDS = {
    "open": "Open: follow the link and finish the check there.",
    "checking": "Checking: the provider or the operator is looking at what you gave.",
    "needs": "More is needed: open the check again and mend what it says.",
    "approved": "Passed: what was established is in your case.",
    "refused": "Refused: choose another way, or write to the operator.",
    "expired": "Ended without a result: begin another.",
    "failed": "It did not succeed: begin another, or choose another way.",
}


def start(parts: WebParts, call: Call) -> Answer:
    """POST /v1/verifications: begin, or go on under a fresh link. The link is shown once here."""
    who = prover(parts, call)
    provider = read_fields(call, ("provider",)).text("provider", most=32)
    visit, link = _visits(parts).start(who.account, provider, now=call.now)
    shown = {"id": visit.id, "url": link.url, "expires_at": link.expires_at}
    return Answer(201, shown, headers=(("Location", f"/v1/verifications/{visit.id}"),))


def one(parts: WebParts, call: Call) -> Answer:
    """GET /v1/verifications/{id}. Another account's and none look the same."""
    who = prover(parts, call)
    read_query(call, ())
    visit = _visits(parts).of(who.account, argument(call, "id", _ID))
    state = _OUTWARD.get(visit.state, visit.state)
    shown = {
        "id": visit.id,
        "provider": visit.provider,
        "state": state,
        "state_text": _WORDS[state],
        "note": visit.note or None,
        "started_at": visit.started_at,
        "expires_at": visit.expires_at,
    }
    return Answer(200, shown)


def webhook(parts: WebParts, call: Call) -> Answer:
    """POST /v1/webhooks/{provider}: the provider's signature is the only right to call this.

    No session, no Origin, no media type: the bytes are what was signed. Kept, then answered; the
    work is done afterwards.
    """
    provider = argument(call, "provider", _PROVIDER)
    names = [name.lower() for name, _ in call.headers]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise Malformed("the header is sent more than once", field=twice, remedy="send it once")
    headers = {name.lower(): value for name, value in call.headers}
    _visits(parts).receive(provider, headers, call.body, now=call.now)
    return Answer(200, {"received": True})


def take_import(parts: WebParts, call: Call) -> Answer:
    """POST /v1/imports: a record by its uid, a signed one, or whatever is indexed.

    A phone that was handed the proof may too: only records about the very account that handed off
    are taken, as evidence that passes nobody, and what they say is not answered. Their issuers
    made them; who brings them here gains nothing by it.
    """
    who = prover(parts, call)
    fields = read_fields(call, ("uid", "attestation"))
    imports = _imports(parts)
    given = [name for name in ("uid", "attestation") if name in fields.values]
    if len(given) > 1:
        raise Malformed("two records at once", field="attestation", remedy="send one of the two")
    if given == ["uid"]:
        uid = unhex(fields.text("uid", most=66), field="uid", length=32)
        found = [imports.take(who.account, Digest(uid), now=call.now)]
    elif given:
        document = json.dumps(fields.mapping("attestation")).encode()
        found = [imports.take_signed(who.account, document, now=call.now)]
    else:
        found = imports.find(who.account, now=call.now)
    return Answer(200, {"records": [_shown(each) for each in found]})


def _shown(record: Imported) -> dict[str, Any]:
    return {
        "case": record.case_id,
        "source": record.source,
        "uid": "0x" + record.uid.hex(),
        "schema": "0x" + record.schema.hex(),
        "fresh": record.fresh,
    }


def _visits(parts: WebParts) -> Verifications:
    if parts.verifications is None:
        raise NotFound("this operator has no hosted identity provider")
    return parts.verifications


def _imports(parts: WebParts) -> Imports:
    if parts.imports is None:
        raise NotFound("this operator takes no records of other issuers")
    return parts.imports
