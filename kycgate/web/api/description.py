"""The OpenAPI 3.1 description of the control plane, published at /v1/openapi.json.

A description only: tests hold it against the route table and against live answers, both ways.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kycgate.web.access import cookie_name
from kycgate.web.api.schemas import SCHEMAS, ref
from kycgate.web.parts import WebParts
from kycgate.web.wire import Answer, Call, read_query

_PROBLEMS = {
    "400": "The request can't be read: `field` names the culprit",
    "401": "Proof of the account is missing or does not hold",
    "403": "The caller may not do this",
    "404": "No such thing, or not the caller's to know of",
    "409": "Not possible in this state",
    "413": "The body is larger than the route takes: 64 KiB unless it says otherwise",
    "503": "Something the gate depends on did not answer; nothing was decided",
}
_Security = tuple[dict[str, list[str]], ...]
_RENTER: _Security = ({"session": []}, {"sessionCookie": []}, {"signature": []})
_KEY: _Security = ({"gateKey": []},)
_OPERATOR: _Security = ({"operator": []},)


@dataclass(frozen=True, slots=True)
class _Operation:
    """One route: what it does, what it takes and gives, how it may fail, who may call it."""

    method: str
    path: str
    summary: str
    gives: str | None
    status: int
    fails: tuple[int, ...]
    takes: str | None = None
    security: _Security = _RENTER
    query: str | None = None
    takes_media: str = "application/json"
    gives_media: str = "application/json"
    pictures: bool = False
    """whether a picture may come instead of JSON"""
    also: dict[int, str] = field(default_factory=dict)
    """what else a success may give, by status"""


_PICTURE = {"schema": {"type": "string", "format": "binary"}}
_PICTURES: dict[str, Any] = {
    "image/jpeg": _PICTURE,
    "image/png": _PICTURE,
    "image/webp": _PICTURE,
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "properties": {"image": _PICTURE["schema"], "side": {"type": "string"}},
            "required": ["image"],
        }
    },
}
_BODY = (400, 401, 403, 413, 503)
_READ = (400, 401, 403, 503)
_OPERATIONS = (
    _Operation(
        "post",
        "/v1/challenge",
        "Draw the message to sign; binds its nonce to a cookie for ten minutes",
        "Challenge",
        200,
        (400, 403, 413, 503),
        takes="ChallengeRequest",
        security=(),
    ),
    _Operation(
        "post",
        "/v1/session",
        "Sign in with the signed message (EIP-4361); the session id is new each time",
        "NewSession",
        201,
        _BODY,
        takes="SignInRequest",
        security=(),
    ),
    _Operation("get", "/v1/session", "Who am I here, and until when", "Session", 200, _READ),
    _Operation("delete", "/v1/session", "Sign out", None, 204, _READ),
    _Operation(
        "get",
        "/v1/status",
        "Where the account stands; a gate API key may read it",
        "Status",
        200,
        _READ,
        security=_RENTER + _KEY,
    ),
    _Operation(
        "get",
        "/v1/attestation",
        "The account's attestation",
        "Attestation",
        200,
        (*_READ, 404),
    ),
    _Operation(
        "post",
        "/v1/cases",
        "Open a case: say who rents",
        "Case",
        201,
        (*_BODY, 409),
        takes="CaseRequest",
    ),
    _Operation("get", "/v1/cases", "The account's cases, newest first", "Cases", 200, _READ),
    _Operation("get", "/v1/cases/{id}", "One case of the account", "Case", 200, (*_READ, 404)),
    _Operation(
        "put",
        "/v1/cases/{id}",
        "Other details in a draft, or the answer to what was asked; handed in again",
        "Case",
        200,
        (*_BODY, 404, 409),
        takes="CaseAmendment",
    ),
    _Operation(
        "post",
        "/v1/documents",
        "A picture of a document (raw with ?side=, or a form), the zone as typed, or handing in",
        "NewDocument",
        201,
        (*_BODY, 409),
        takes="DocumentRequest",
        pictures=True,
        also={200: "DocumentAnswer"},
    ),
    _Operation("get", "/v1/documents", "What was uploaded: no pictures", "Documents", 200, _READ),
    _Operation(
        "post",
        "/v1/accounts/challenge",
        "Draw the message by which a second account of the same renter is linked",
        "LinkChallenge",
        200,
        _BODY,
        takes="LinkChallengeRequest",
    ),
    _Operation(
        "post",
        "/v1/accounts",
        "Link the account that signed the message",
        "Accounts",
        201,
        (*_BODY, 404, 409),
        takes="SignInRequest",
    ),
    _Operation(
        "get", "/v1/accounts", "The renter's accounts, each attested", "Accounts", 200, _READ
    ),
    _Operation(
        "get",
        "/v1/me/export",
        "Everything kept about the renter; needs a fresh sign-in or a signature",
        "Export",
        200,
        (*_READ, 404, 409),
    ),
    _Operation("get", "/v1/me/uses", "Who was told of this renter", "Uses", 200, _READ),
    _Operation(
        "delete",
        "/v1/me",
        "Erase everything, or restrict it until the law lets it be erased",
        "Erasure",
        200,
        (*_READ, 404, 409),
    ),
    _Operation("get", "/v1/ways", "Ways to prove identity offered here", "Ways", 200, _READ),
    _Operation(
        "post",
        "/v1/presentations",
        "Ask the renter's wallet for a credential (OpenID4VP 1.0)",
        "NewPresentation",
        201,
        (*_BODY, 404, 409),
        takes="PresentationRequest",
    ),
    _Operation(
        "get",
        "/v1/presentations/{id}",
        "How far a presentation is",
        "Presentation",
        200,
        (*_READ, 404),
    ),
    _Operation(
        "post",
        "/v1/presentations/{id}/response",
        "The browser's result, or the code it came back from the wallet with",
        "Presentation",
        200,
        (*_BODY, 404, 409),
        takes="PresentationResponse",
    ),
    _Operation(
        "get",
        "/v1/presentations/{id}/request",
        "The wallet's own: the signed request object",
        "RequestObject",
        200,
        (400, 404, 409, 503),
        security=(),
        gives_media="application/oauth-authz-req+jwt",
    ),
    _Operation(
        "post",
        "/v1/presentations/{id}/request",
        "The wallet's own: the signed request object, with the wallet's nonce in it",
        "RequestObject",
        200,
        (400, 404, 409, 413, 503),
        takes="WalletNonce",
        security=(),
        takes_media="application/x-www-form-urlencoded",
        gives_media="application/oauth-authz-req+jwt",
    ),
    _Operation(
        "post",
        "/v1/presentations/{id}/direct",
        "The wallet's own: its encrypted answer (direct_post.jwt)",
        "DirectAnswer",
        200,
        (400, 403, 404, 409, 413, 503),
        takes="DirectPost",
        security=(),
        takes_media="application/x-www-form-urlencoded",
    ),
    _Operation(
        "post",
        "/v1/verifications",
        "Begin a check with a hosted provider, or go on with the open one under a fresh link",
        "NewVerification",
        201,
        (*_BODY, 404, 409),
        takes="VerificationRequest",
    ),
    _Operation(
        "get",
        "/v1/verifications/{id}",
        "How a check of the account stands",
        "Verification",
        200,
        (*_READ, 404),
    ),
    _Operation(
        "post",
        "/v1/webhooks/{provider}",
        "A provider's message, at most 256 KiB: its signature is the only credential",
        "Received",
        200,
        (400, 401, 403, 404, 413, 503),
        security=(),
    ),
    _Operation(
        "post",
        "/v1/imports",
        "Add a record of another issuer to the case, as evidence; without a body, look for some",
        "Imports",
        200,
        (*_BODY, 404, 409),
        takes="ImportRequest",
    ),
    _Operation(
        "post",
        "/v1/keys",
        "Make a gate API key; the secret is shown once. Needs a fresh sign-in or a signature",
        "NewKey",
        201,
        (*_BODY, 409),
        takes="KeyRequest",
    ),
    _Operation("get", "/v1/keys", "The account's keys", "Keys", 200, _READ),
    _Operation("delete", "/v1/keys/{id}", "Revoke a key, at once", None, 204, (*_READ, 404)),
    _Operation(
        "post",
        "/v1/users",
        "Draw a code; the scheduler's user that applies a run of that name then rents as the"
        " account. Needs a fresh sign-in or a signature",
        "UserCode",
        201,
        (*_BODY, 409),
        takes="NoFields",
    ),
    _Operation("get", "/v1/users", "Users linked to the account", "UserLinks", 200, _READ),
    _Operation("delete", "/v1/users/{id}", "End a link, at once", None, 204, (*_READ, 404)),
    _Operation(
        "post",
        "/v1/permits",
        "Decide on a job without forwarding it; a permit if the answer is yes",
        "Permit",
        201,
        (*_BODY, 404, 409),
        takes="PermitRequest",
    ),
    _Operation(
        "get",
        "/v1/permits",
        "The permit of an accepted job",
        "Permit",
        200,
        (*_READ, 404),
        query="job",
    ),
    _Operation(
        "post",
        "/v1/explain",
        "Dry run: would this job be allowed, and why not. Operators see every inward reason",
        "Explanation",
        200,
        (*_BODY, 404),
        takes="ExplainRequest",
        security=_RENTER + _OPERATOR,
    ),
    _Operation(
        "get",
        "/v1/register/{lei}",
        "What the public registers say of an organisation, for a form to start from",
        "RegisterEntry",
        200,
        (*_READ, 404),
    ),
    _Operation(
        "post",
        "/v1/handoffs",
        "Make a code for a phone: one use, ten minutes; the QR is an SVG element",
        "NewHandoff",
        201,
        _BODY,
        takes="Empty",
    ),
    _Operation(
        "post",
        "/v1/handoffs/look",
        "On the phone: what the code stands for, to be compared before it is claimed",
        "HandoffLook",
        200,
        _BODY,
        takes="HandoffCode",
        security=(),
    ),
    _Operation(
        "post",
        "/v1/handoffs/claim",
        "On the phone: spend the code; the session in the cookie proves identity, nothing else",
        "HandoffSession",
        201,
        _BODY,
        takes="HandoffClaim",
        security=(),
    ),
    _Operation(
        "get", "/v1/handoffs/{id}", "How far the phone has come", "Handoff", 200, (*_READ, 404)
    ),
    _Operation(
        "delete",
        "/v1/handoffs/{id}",
        "Void the code, and end the phone's session",
        None,
        204,
        (*_READ, 404),
    ),
    _Operation("get", "/v1/openapi.json", "This description", None, 200, (400,), security=()),
    _Operation(
        "get",
        "/healthz",
        "Is the service well; 503 when its store is not",
        "Health",
        200,
        (400, 401),
        security=({}, *_OPERATOR),
    ),
)


def openapi(parts: WebParts, call: Call) -> Answer:
    """GET /v1/openapi.json."""
    read_query(call, ())
    return Answer(200, describe(parts))


def describe(parts: WebParts) -> dict[str, Any]:
    """The whole document for this installation."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in _OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "kycgate control plane",
            "version": "1",
            "summary": "Sign in, prove who rents, get keys and permits",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": parts.public_url}],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": _security(cookie_name(parts, "kycgate_session")),
            "responses": {name: _problem(text) for name, text in _PROBLEMS.items()},
        },
    }


def _operation(operation: _Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": _name(operation),
        "summary": operation.summary,
        "security": list(operation.security),
        "responses": {str(operation.status): _success(operation)},
    }
    for also, gives in operation.also.items():
        described["responses"][str(also)] = _gives(operation.summary, gives)
    for status in sorted(operation.fails):
        described["responses"][str(status)] = {"$ref": f"#/components/responses/{status}"}
    if operation.path == "/healthz":
        described["responses"]["503"] = _success(operation) | {"description": "The store is down"}
    if operation.takes:
        media: dict[str, Any] = {operation.takes_media: {"schema": ref(operation.takes)}}
        if operation.pictures:
            media |= _PICTURES
        described["requestBody"] = {"required": True, "content": media}
    parameters = _parameters(operation)
    return described | ({"parameters": parameters} if parameters else {})


def _name(operation: _Operation) -> str:
    words = [word for word in operation.path.replace("{", "").replace("}", "").split("/") if word]
    return "_".join([operation.method, *words]).replace(".", "_")


def _success(operation: _Operation) -> dict[str, Any]:
    if operation.status == 204:
        return {"description": "Done"}
    return _gives(operation.summary, operation.gives, operation.gives_media)


def _gives(summary: str, gives: str | None, media: str = "application/json") -> dict[str, Any]:
    schema = ref(gives) if gives else {"type": "object"}
    return {"description": summary, "content": {media: {"schema": schema}}}


def _parameters(operation: _Operation) -> list[dict[str, Any]]:
    found = []
    for name in ("id", "provider", "lei"):
        if f"{{{name}}}" in operation.path:
            text = {"type": "string"}
            found.append({"name": name, "in": "path", "required": True, "schema": text})
    if operation.query:
        word = {"type": "string", "pattern": "^0x[0-9a-fA-F]{64}$"}
        found.append({"name": operation.query, "in": "query", "required": True, "schema": word})
    return found


def _problem(text: str) -> dict[str, Any]:
    return {
        "description": text,
        "content": {"application/problem+json": {"schema": ref("Problem")}},
    }


def _security(cookie: str) -> dict[str, Any]:
    bearer = {"type": "http", "scheme": "bearer"}
    return {
        "session": bearer | {"description": "`kgs_…`, from POST /v1/session"},
        "sessionCookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": cookie,
            "description": "Changes also need `Origin` equal to this origin",
        },
        "signature": {
            "type": "apiKey",
            "in": "header",
            "name": "Signature-Input",
            "description": "ERC-8128: an RFC 9421 signature by the account, with a fresh nonce",
        },
        "gateKey": bearer | {"description": "`kg_…`: reads the own status, nothing else here"},
        "operator": bearer | {"description": "`kgo_…`: reads as the operator"},
    }
