"""Schedulers' users that stand for the calling account: codes to link them, links listed and ended.

Keeps no code: only its SHA-256. Who shows a code is proven at the hook, not here.
"""

from __future__ import annotations

import secrets
from typing import Any

from kycgate.errors import Conflict, NotFound
from kycgate.gateway.hooks.linking import CODE_LIFE_S, code_hash, draw_code
from kycgate.store.records.signin import UserLink
from kycgate.web.access import in_person, renter
from kycgate.web.parts import WebParts
from kycgate.web.wire import Answer, Call, argument, read_fields, read_query

_LIVE_LIMIT = 20


def draw_user_code(parts: WebParts, call: Call) -> Answer:
    """POST /v1/users. Wants the wallet itself: who shows the code rents as this account."""
    who = in_person(parts, call)
    read_fields(call, ())
    if not parts.schedulers:
        raise NotFound("no scheduler asks this gate: there is nobody to show a code to")
    live = [link for link in parts.store.user_links_of(who.account.key) if _live(link, call.now)]
    if len(live) >= _LIVE_LIMIT:
        raise Conflict(f"the account has {_LIVE_LIMIT} codes and links already: end one first")
    code = draw_code(secrets.token_bytes)
    link = UserLink(
        id=secrets.token_hex(8),
        account=who.account.key,
        code_hash=code_hash(code),
        code_expires_at=call.now + CODE_LIFE_S,
        created_at=call.now,
    )
    parts.store.add_user_code(link)
    return Answer(201, {"id": link.id, "code": code, "expires_at": link.code_expires_at})


def list_users(parts: WebParts, call: Call) -> Answer:
    """GET /v1/users: the account's own links that stand. Codes not yet shown are nobody's users."""
    who = renter(parts, call)
    read_query(call, ())
    return Answer(200, {"users": standing(parts, who.account.key, call.now)})


def standing(parts: WebParts, account: str, now: int) -> list[dict[str, Any]]:
    """Who may place work as the account today."""
    links = parts.store.user_links_of(account)
    return [shown(each, now) for each in links if each.linked_at is not None and _live(each, now)]


def end_user(parts: WebParts, call: Call) -> Answer:
    """DELETE /v1/users/{id}. Any session may: losing power needs less proof than gaining it."""
    who = renter(parts, call)
    link = argument(call, "id", r"[0-9a-f]{1,64}")
    if not parts.store.end_user_link(who.account.key, link, at=call.now):
        raise NotFound("no such link of this account")
    return Answer(204)


def shown(link: UserLink, now: int) -> dict[str, Any]:
    """A link for people: never its code's hash."""
    return {
        "id": link.id,
        "scheduler": link.scheduler,
        "user": link.user,
        "linked_at": link.linked_at,
        "expires_at": link.expires_at,
        "live": _live(link, now),
    }


def _live(link: UserLink, now: int) -> bool:
    return now < (link.code_expires_at if link.linked_at is None else link.expires_at)
