"""Gate API keys of the calling account: made once and shown once, listed, revoked.

Keeps no secret: only its SHA-256 and the first characters people tell keys apart by.
"""

from __future__ import annotations

import secrets
from typing import Any

from kycgate.errors import Conflict, NotFound
from kycgate.store.records.signin import Key
from kycgate.web.access import KEY_PREFIX, in_person, renter, token_hash
from kycgate.web.parts import WebParts
from kycgate.web.wire import Answer, Call, argument, read_fields, read_query

SCOPES = ("read", "stop", "rent")
_DAY = 86_400
_LIVE_LIMIT = 20
_SHOWN_CHARACTERS = 9


def make_key(parts: WebParts, call: Call) -> Answer:
    """POST /v1/keys. Wants the wallet itself behind the call: a session key can't multiply."""
    who = in_person(parts, call)
    fields = read_fields(call, ("label", "scope", "days"))
    days = fields.whole(
        "days", least=1, most=parts.lifetimes.key_days, default=parts.lifetimes.key_days
    )
    scope = fields.choices("scope", SCOPES, default=SCOPES)
    label = fields.text("label", most=60, default="key")
    live = [key for key in parts.store.keys_of(who.account.key) if _live(key, call.now)]
    if len(live) >= _LIVE_LIMIT:
        raise Conflict(f"the account has {_LIVE_LIMIT} keys already: revoke one first")
    secret = KEY_PREFIX + secrets.token_urlsafe(32)
    key = Key(
        id=secrets.token_hex(8),
        secret_hash=token_hash(secret),
        account=who.account.key,
        label=label,
        scope=scope,
        prefix=secret[:_SHOWN_CHARACTERS],
        created_at=call.now,
        expires_at=call.now + days * _DAY,
    )
    parts.store.add_key(key)
    location = (("Location", f"/v1/keys/{key.id}"),)
    return Answer(201, {**shown(key, call.now), "secret": secret}, headers=location)


def list_keys(parts: WebParts, call: Call) -> Answer:
    """GET /v1/keys: the account's own."""
    who = renter(parts, call)
    read_query(call, ())
    return Answer(200, {"keys": [shown(k, call.now) for k in parts.store.keys_of(who.account.key)]})


def revoke_key(parts: WebParts, call: Call) -> Answer:
    """DELETE /v1/keys/{id}. Any session may: losing power needs less proof than gaining it."""
    who = renter(parts, call)
    key_id = argument(call, "id", r"[A-Za-z0-9_-]{1,64}")
    if not parts.store.revoke_key(who.account.key, key_id, at=call.now):
        raise NotFound("no such live key of this account")
    return Answer(204)


def shown(key: Key, now: int) -> dict[str, Any]:
    """A key for people: never its hash."""
    return {
        "id": key.id,
        "prefix": key.prefix,
        "label": key.label,
        "scope": list(key.scope),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
        "live": _live(key, now),
    }


def _live(key: Key, now: int) -> bool:
    return key.revoked_at is None and now < key.expires_at
