"""Proof of identity by a wallet credential: the renter's side, and the wallet's own.

Verifies nothing itself, and tells of a refusal its kind only.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl

from kycgate.errors import Code, Malformed, NotFound, TooLarge, outward
from kycgate.store.records.visits import Presentation
from kycgate.web.access import Caller, prover
from kycgate.web.parts import Presentations, WebParts
from kycgate.web.wire import BODY_LIMIT, Answer, Call, argument, read_fields, read_query
from kycgate.web.words import in_words

_ID: Final = r"[0-9a-f]{32}"
_RESPONSE_MOST: Final = 60_000
_PROTOCOLS: Final = ("openid4vp-v1-unsigned", "openid4vp-v1-signed")
_REQUEST_TYPE: Final = "application/oauth-authz-req+jwt"
_FORM: Final = "application/x-www-form-urlencoded"
_FORM_FIELDS_MOST: Final = 8


def begin(parts: WebParts, call: Call) -> Answer:
    """POST /v1/presentations: ask the renter's wallet."""
    who = prover(parts, call)
    fields = read_fields(call, ("mode", "kind_of"))
    begun = _service(parts).begin(
        who.account,
        mode=fields.choice("mode", ("dc", "redirect")),
        family=fields.choice("kind_of", ("pid", "mdl"), default=None),
        session=_session(who),
        now=call.now,
    )
    document: dict[str, Any] = {
        "id": begun.presentation.id,
        "expires_at": begun.presentation.expires_at,
    }
    if begun.request is not None:
        document["request"] = begun.request
    else:
        document |= {"request_uri": begun.request_uri, "deep_link": begun.link}
    location = f"/v1/presentations/{begun.presentation.id}"
    return Answer(201, document, headers=(("Location", location),))


def one(parts: WebParts, call: Call) -> Answer:
    """GET /v1/presentations/{id}: how far it is."""
    who = prover(parts, call)
    read_query(call, ())
    return Answer(200, shown(_service(parts).look(who.account, _id(call)), now=call.now))


def respond(parts: WebParts, call: Call) -> Answer:
    """POST /v1/presentations/{id}/response: the browser's result, or the code it returned with."""
    who = prover(parts, call)
    fields = read_fields(call, ("protocol", "data", "response_code"))
    service, account, session = _service(parts), who.account, _session(who)
    code = fields.text("response_code", most=100, default=None)
    if code is not None:
        _only_code(fields.values)
        settled = service.finish(account, _id(call), code, session=session, now=call.now)
        return Answer(200, shown(settled, now=call.now))
    fields.choice("protocol", _PROTOCOLS)
    response = fields.mapping("data").get("response")
    if not isinstance(response, str) or not 1 <= len(response) <= _RESPONSE_MOST:
        remedy = "pass on what the browser gave, unchanged"
        raise Malformed("not an encrypted response", field="data.response", remedy=remedy)
    settled = service.respond(account, _id(call), response, session=session, now=call.now)
    return Answer(200, shown(settled, now=call.now))


def request_object(parts: WebParts, call: Call) -> Answer:
    """GET|POST /v1/presentations/{id}/request: the wallet fetches what it is asked.

    With POST it may give a nonce of its own, which the request then carries (OpenID4VP 1.0, 5.10).
    """
    nonce = _form(call).get("wallet_nonce") if call.method == "POST" else None
    token = _service(parts).request_object(_id(call), wallet_nonce=nonce, now=call.now)
    return Answer(200, token.encode(), headers=(("Content-Type", _REQUEST_TYPE),))


def direct(parts: WebParts, call: Call) -> Answer:
    """POST /v1/presentations/{id}/direct: the wallet's answer, `direct_post.jwt` (8.3.1)."""
    form, service = _form(call), _service(parts)
    if "error" in form:
        return Answer(200, {"redirect_uri": service.declined(_id(call), now=call.now)})
    response = form.get("response", "")
    if not 1 <= len(response) <= _RESPONSE_MOST:
        raise Malformed("not an encrypted response", field="response", remedy="send one JWE")
    return Answer(200, {"redirect_uri": service.direct(_id(call), response, now=call.now)})


def shown(presentation: Presentation, *, now: int) -> dict[str, Any]:
    """What a renter sees. An answer that waits for its browser, or for our records, is received."""
    state: str = presentation.state
    if state in ("waiting", "received") and now >= presentation.expires_at:
        state = "expired"
    elif state == "proving":
        state = "received"
    told: dict[str, Any] = {
        "id": presentation.id,
        "state": state,
        "mode": presentation.mode,
        "expires_at": presentation.expires_at,
    }
    if state == "refused":
        code = outward(Code(presentation.reason))
        told |= {"code": code, "reason": in_words(code)}
    return told


def _service(parts: WebParts) -> Presentations:
    if parts.presentations is None:
        raise NotFound("this gate takes no wallet credentials")
    return parts.presentations


def _id(call: Call) -> str:
    return argument(call, "id", _ID)


def _session(who: Caller) -> bytes:
    """Which session began it, and must finish it. A signed request is the account's own, always."""
    return b"" if who.session is None else who.session.token_hash


def _only_code(values: Any) -> None:
    if len(values) != 1:
        raise Malformed("two answers at once", field="response_code", remedy="send it alone")


def _form(call: Call) -> dict[str, str]:
    """A wallet's form: each field once. Fields we don't know are the protocol's to add."""
    media = (call.header("Content-Type") or "").split(";")[0].strip().lower()
    if media != _FORM:
        raise Malformed("unknown media type", field="Content-Type", remedy=f"send {_FORM}")
    if len(call.body) > BODY_LIMIT:
        raise TooLarge("the body is too large", field="body", remedy=f"at most {BODY_LIMIT} bytes")
    try:
        pairs = parse_qsl(
            call.body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(call.body),
            max_num_fields=_FORM_FIELDS_MOST,
            errors="strict",
        )
    except ValueError as e:
        raise Malformed("not a form", field="body", remedy=f"send {_FORM}") from e
    form = dict(pairs)
    if len(form) != len(pairs):
        raise Malformed("a field stands twice", field="body", remedy="send each once")
    return form
