"""Hand-off to a phone: a code for one use, shown as a QR, that lets the phone prove identity.

Gives no right over a case or a key: the phone's session can prove who the renter is, for the one
account that made the code, and nothing else. A refusal's link is no code and never becomes one.

The phone is shown the account, the operator and a number; it claims the code only together with
that number, so that a code somebody sent is compared with the screen it should have come from.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import secrets
from typing import Any, Final

import segno

from kycgate.errors import Code, NotFound, Unauthenticated
from kycgate.store.records.signin import Handoff, Session
from kycgate.web.access import (
    SESSION_PREFIX,
    Means,
    Scope,
    cookie_name,
    prover,
    renter,
    same_origin,
    session_cookie,
    token_hash,
)
from kycgate.web.parts import WebParts
from kycgate.web.wire import Answer, Call, Cookie, Fields, argument, read_fields, read_query

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32: no letter that a person reads as another."""
_LENGTH: Final = 16
"""80 random bits for ten minutes: not to be guessed, still short enough to type."""
_LOOKALIKES: Final = str.maketrans("oilu", "011v", "- ")
_ID: Final = r"[0-9a-f]{32}"


def make(parts: WebParts, call: Call) -> Answer:
    """POST /v1/handoffs. Needs the account's own sign-in: a phone can't hand on to another."""
    who = renter(parts, call)
    if who.means is Means.SESSION_KEY:
        prover(parts, call)
    read_fields(call, ())
    code = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    handoff = Handoff(
        id=secrets.token_hex(16),
        code_hash=_hash(code),
        account=who.account.key,
        match=str(10 + secrets.randbelow(90)),
        created_at=call.now,
        expires_at=call.now + parts.lifetimes.handoff_s,
    )
    parts.store.add_handoff(handoff)
    spoken = "-".join(code[at : at + 4] for at in range(0, _LENGTH, 4))
    # In the fragment: it stands in no server's log and no Referer.
    url = f"{parts.public_url}/phone#{spoken}"
    told = shown(handoff, call.now) | {"code": spoken, "url": url, "svg": qr(url)}
    return Answer(201, told, headers=(("Location", f"/v1/handoffs/{handoff.id}"),))


def one(parts: WebParts, call: Call) -> Answer:
    """GET /v1/handoffs/{id}: how far the phone has come."""
    who = renter(parts, call)
    read_query(call, ())
    handoff = parts.store.handoff(argument(call, "id", _ID))
    if handoff is None or handoff.account != who.account.key:
        raise NotFound("no such hand-off of this account")
    return Answer(200, shown(handoff, call.now))


def end(parts: WebParts, call: Call) -> Answer:
    """DELETE /v1/handoffs/{id}: the code is void, and the phone's session with it."""
    who = renter(parts, call)
    if not parts.store.end_handoffs(who.account.key, only=argument(call, "id", _ID)):
        raise NotFound("no such hand-off of this account")
    return Answer(204)


def look(parts: WebParts, call: Call) -> Answer:
    """POST /v1/handoffs/look: what the phone must compare before it claims. Spends nothing."""
    same_origin(parts, call)
    handoff = _claimable(parts, call, read_fields(call, ("code",)))
    return Answer(
        200,
        {
            "account": handoff.account,
            "operator": parts.words.operator,
            "marketplace": parts.words.marketplace,
            "match": handoff.match,
            "expires_at": handoff.expires_at,
        },
    )


def claim(parts: WebParts, call: Call) -> Answer:
    """POST /v1/handoffs/claim: spend the code, begin the phone's session.

    The session is in the cookie only: no page script on the phone ever holds it.
    """
    same_origin(parts, call)
    fields = read_fields(call, ("code", "match"))
    match = fields.text("match", most=2)
    handoff = _claimable(parts, call, fields)
    if not hmac.compare_digest(match.encode("utf-8"), handoff.match.encode("utf-8")):
        raise _void()
    token = SESSION_PREFIX + secrets.token_urlsafe(32)
    ends = call.now + parts.lifetimes.handoff_session_s
    session = Session(token_hash(token), handoff.account, Scope.HAND_OFF, call.now, ends)
    if parts.store.claim_handoff(handoff.code_hash, session, now=call.now) is None:
        raise _void()
    earlier = session_cookie(parts, call)
    if earlier is not None:
        parts.store.end_session(token_hash(earlier))
    cookie = Cookie(cookie_name(parts, "kycgate_session"), token, parts.lifetimes.handoff_session_s)
    document = {"account": handoff.account, "scope": Scope.HAND_OFF, "expires_at": ends}
    return Answer(201, document, cookies=(cookie,))


def shown(handoff: Handoff, now: int) -> dict[str, Any]:
    """A hand-off for the account that made it: never its code."""
    return {
        "id": handoff.id,
        "state": _state(handoff, now),
        "match": handoff.match,
        "expires_at": handoff.expires_at,
    }


def qr(text: str) -> str:
    """The text as a QR code: an SVG element without a style, so that our policy lets it be."""
    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        out, kind="svg", xmldecl=False, svgns=True, omitsize=True, border=4, svgclass=None,
        lineclass=None, light="#fff",
    )  # fmt: skip
    return out.getvalue().decode("ascii").strip()


def _state(handoff: Handoff, now: int) -> str:
    if handoff.claimed_at is not None:
        return "claimed"
    if now >= handoff.expires_at:
        return "expired"
    return "waiting" if handoff.opened_at is None else "opened"


def _claimable(parts: WebParts, call: Call, fields: Fields) -> Handoff:
    """The live hand-off of this code. Unknown, expired and used codes look the same."""
    code = fields.text("code", most=40).lower().translate(_LOOKALIKES)
    handoff = parts.store.open_handoff(_hash(code), now=call.now)
    if handoff is None:
        raise _void()
    return handoff


def _hash(code: str) -> bytes:
    return hashlib.sha256(b"kycgate hand-off\n" + code.encode("utf-8")).digest()


def _void() -> Unauthenticated:
    return Unauthenticated(
        "this code is unknown, used or older than ten minutes: make a new one on the computer",
        code=Code.PROOF_EXPIRED,
    )
