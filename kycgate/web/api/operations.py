"""Every route of the control plane as described: what it takes and gives, who may call it.

Routes nothing: tests hold the table against `routes`, both ways.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Security = tuple[dict[str, list[str]], ...]
_RENTER: Security = ({"session": []}, {"sessionCookie": []}, {"signature": []})
_KEY: Security = ({"gateKey": []},)
OPERATOR: Security = ({"operator": []},)


@dataclass(frozen=True, slots=True)
class Operation:
    """One route: what it does, what it takes and gives, how it may fail, who may call it."""

    method: str
    path: str
    summary: str
    gives: str | None
    status: int
    fails: tuple[int, ...]
    takes: str | None = None
    security: Security = _RENTER
    query: str | None = None
    takes_media: str = "application/json"
    gives_media: str = "application/json"
    pictures: bool = False
    """whether a picture may come instead of JSON"""
    also: dict[int, str] = field(default_factory=dict)
    """what else a success may give, by status"""


_BODY = (400, 401, 403, 413, 503)
_READ = (400, 401, 403, 503)
OPERATIONS = (
    Operation(
        "post",
        "/v1/challenge",
        "Draw the message to sign; binds its nonce to a cookie for ten minutes",
        "Challenge",
        200,
        (400, 403, 413, 503),
        takes="ChallengeRequest",
        security=(),
    ),
    Operation(
        "post",
        "/v1/session",
        "Sign in with the signed message (EIP-4361); the session id is new each time",
        "NewSession",
        201,
        _BODY,
        takes="SignInRequest",
        security=(),
    ),
    Operation("get", "/v1/session", "Who am I here, and until when", "Session", 200, _READ),
    Operation("delete", "/v1/session", "Sign out", None, 204, _READ),
    Operation(
        "get",
        "/v1/status",
        "Where the account stands; a gate API key may read it",
        "Status",
        200,
        _READ,
        security=_RENTER + _KEY,
    ),
    Operation(
        "get",
        "/v1/attestation",
        "The account's attestation",
        "Attestation",
        200,
        (*_READ, 404),
    ),
    Operation(
        "post",
        "/v1/cases",
        "Open a case: say who rents",
        "Case",
        201,
        (*_BODY, 409),
        takes="CaseRequest",
    ),
    Operation("get", "/v1/cases", "The account's cases, newest first", "Cases", 200, _READ),
    Operation("get", "/v1/cases/{id}", "One case of the account", "Case", 200, (*_READ, 404)),
    Operation(
        "put",
        "/v1/cases/{id}",
        "Other details in a draft, or the answer to what was asked; handed in again",
        "Case",
        200,
        (*_BODY, 404, 409),
        takes="CaseAmendment",
    ),
    Operation(
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
    Operation("get", "/v1/documents", "What was uploaded: no pictures", "Documents", 200, _READ),
    Operation(
        "post",
        "/v1/accounts/challenge",
        "Draw the message by which a second account of the same renter is linked",
        "LinkChallenge",
        200,
        _BODY,
        takes="LinkChallengeRequest",
    ),
    Operation(
        "post",
        "/v1/accounts",
        "Link the account that signed the message",
        "Accounts",
        201,
        (*_BODY, 404, 409),
        takes="SignInRequest",
    ),
    Operation(
        "get", "/v1/accounts", "The renter's accounts, each attested", "Accounts", 200, _READ
    ),
    Operation(
        "get",
        "/v1/me/export",
        "Everything kept about the renter; needs a fresh sign-in or a signature",
        "Export",
        200,
        (*_READ, 404, 409),
    ),
    Operation("get", "/v1/me/uses", "Who was told of this renter", "Uses", 200, _READ),
    Operation(
        "delete",
        "/v1/me",
        "Erase everything, or restrict it until the law lets it be erased",
        "Erasure",
        200,
        (*_READ, 404, 409),
    ),
    Operation("get", "/v1/ways", "Ways to prove identity offered here", "Ways", 200, _READ),
    Operation(
        "post",
        "/v1/presentations",
        "Ask the renter's wallet for a credential (OpenID4VP 1.0)",
        "NewPresentation",
        201,
        (*_BODY, 404, 409),
        takes="PresentationRequest",
    ),
    Operation(
        "get",
        "/v1/presentations/{id}",
        "How far a presentation is",
        "Presentation",
        200,
        (*_READ, 404),
    ),
    Operation(
        "post",
        "/v1/presentations/{id}/response",
        "The browser's result, or the code it came back from the wallet with",
        "Presentation",
        200,
        (*_BODY, 404, 409),
        takes="PresentationResponse",
    ),
    Operation(
        "get",
        "/v1/presentations/{id}/request",
        "The wallet's own: the signed request object",
        "RequestObject",
        200,
        (400, 404, 409, 503),
        security=(),
        gives_media="application/oauth-authz-req+jwt",
    ),
    Operation(
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
    Operation(
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
    Operation(
        "post",
        "/v1/verifications",
        "Begin a check with a hosted provider, or go on with the open one under a fresh link",
        "NewVerification",
        201,
        (*_BODY, 404, 409),
        takes="VerificationRequest",
    ),
    Operation(
        "get",
        "/v1/verifications/{id}",
        "How a check of the account stands",
        "Verification",
        200,
        (*_READ, 404),
    ),
    Operation(
        "post",
        "/v1/webhooks/{provider}",
        "A provider's message, at most 256 KiB: its signature is the only credential",
        "Received",
        200,
        (400, 401, 403, 404, 413, 503),
        security=(),
    ),
    Operation(
        "post",
        "/v1/imports",
        "Add a record of another issuer to the case, as evidence; without a body, look for some",
        "Imports",
        200,
        (*_BODY, 404, 409),
        takes="ImportRequest",
    ),
    Operation(
        "post",
        "/v1/keys",
        "Make a gate API key; the secret is shown once. Needs a fresh sign-in or a signature",
        "NewKey",
        201,
        (*_BODY, 409),
        takes="KeyRequest",
    ),
    Operation("get", "/v1/keys", "The account's keys", "Keys", 200, _READ),
    Operation("delete", "/v1/keys/{id}", "Revoke a key, at once", None, 204, (*_READ, 404)),
    Operation(
        "post",
        "/v1/users",
        "Draw a code; the scheduler's user that applies a run of that name then rents as the"
        " account. Needs a fresh sign-in or a signature",
        "UserCode",
        201,
        (*_BODY, 409),
        takes="NoFields",
    ),
    Operation("get", "/v1/users", "Users linked to the account", "UserLinks", 200, _READ),
    Operation("delete", "/v1/users/{id}", "End a link, at once", None, 204, (*_READ, 404)),
    Operation(
        "post",
        "/v1/permits",
        "Decide on a job without forwarding it; a permit if the answer is yes",
        "Permit",
        201,
        (*_BODY, 404, 409),
        takes="PermitRequest",
    ),
    Operation(
        "get",
        "/v1/permits",
        "The permit of an accepted job",
        "Permit",
        200,
        (*_READ, 404),
        query="job",
    ),
    Operation(
        "post",
        "/v1/explain",
        "Dry run: would this job be allowed, and why not. Operators see every inward reason",
        "Explanation",
        200,
        (*_BODY, 404),
        takes="ExplainRequest",
        security=_RENTER + OPERATOR,
    ),
    Operation(
        "get",
        "/v1/register/{lei}",
        "What the public registers say of an organisation, for a form to start from",
        "RegisterEntry",
        200,
        (*_READ, 404),
    ),
    Operation(
        "post",
        "/v1/handoffs",
        "Make a code for a phone: one use, ten minutes; the QR is an SVG element",
        "NewHandoff",
        201,
        _BODY,
        takes="Empty",
    ),
    Operation(
        "post",
        "/v1/handoffs/look",
        "On the phone: what the code stands for, to be compared before it is claimed",
        "HandoffLook",
        200,
        _BODY,
        takes="HandoffCode",
        security=(),
    ),
    Operation(
        "post",
        "/v1/handoffs/claim",
        "On the phone: spend the code; the session in the cookie proves identity, nothing else",
        "HandoffSession",
        201,
        _BODY,
        takes="HandoffClaim",
        security=(),
    ),
    Operation(
        "get", "/v1/handoffs/{id}", "How far the phone has come", "Handoff", 200, (*_READ, 404)
    ),
    Operation(
        "delete",
        "/v1/handoffs/{id}",
        "Void the code, and end the phone's session",
        None,
        204,
        (*_READ, 404),
    ),
    Operation("get", "/v1/openapi.json", "This description", None, 200, (400,), security=()),
    Operation(
        "get",
        "/healthz",
        "Is the service well; 503 when its store is not",
        "Health",
        200,
        (400, 401),
        security=({}, *OPERATOR),
    ),
)
