"""Turns each kind of error into one answer a program and a tired person can both use (RFC 9457).

Never shows a traceback, an inner message of a dependency, or an inward reason code.
"""

from __future__ import annotations

from typing import Any

from kycgate.errors import (
    Conflict,
    KycgateError,
    Malformed,
    NotFound,
    Reason,
    Refused,
    TooLarge,
    Unauthenticated,
    Unavailable,
    outward,
)
from kycgate.web.words import in_words


class CannotTell(Unavailable):
    """A proof that is neither good nor bad from here. Its message is meant for the caller."""


MEDIA_TYPE = "application/problem+json"
# Order matters: a subclass stands before its parent.
_STATUSES: tuple[tuple[type[KycgateError], int, str], ...] = (
    (TooLarge, 413, "Too large"),
    (Malformed, 400, "The request can't be read"),
    (Unauthenticated, 401, "Proof of the account is needed"),
    (Refused, 403, "Refused"),
    (NotFound, 404, "Not found"),
    (Conflict, 409, "Not possible in this state"),
    (Unavailable, 503, "Something we depend on did not answer"),
)
_REMEDIES = {
    401: "sign in at /v1/challenge and /v1/session, or sign the request (ERC-8128)",
    503: "try again in a few seconds",
}


def outward_reasons(reasons: tuple[Reason, ...]) -> list[dict[str, str]]:
    """Each public twin once, in order, with its sentence. Rules, lists and scores stay inside."""
    codes = dict.fromkeys(outward(reason.code) for reason in reasons)
    return [{"code": code, "text": in_words(code)} for code in codes]


def problem(error: KycgateError, request_id: str) -> tuple[int, dict[str, Any]]:
    """Status and document for an error of ours."""
    for kind, status, title in _STATUSES:
        if isinstance(error, kind):
            return status, _document(error, status, title, request_id)
    return unexpected(request_id)


def unexpected(request_id: str) -> tuple[int, dict[str, Any]]:
    """The answer to a fault of ours: the request id is all a caller gets; the log holds the rest."""
    return 500, {
        "type": "urn:kycgate:problem:internal",
        "title": "Our fault",
        "status": 500,
        "detail": "Something went wrong on our side. Nothing was decided.",
        "code": "internal",
        "field": None,
        "remedy": "quote the request id to the operator",
        "request_id": request_id,
    }


def _document(error: KycgateError, status: int, title: str, request_id: str) -> dict[str, Any]:
    code = outward(error.code)
    document: dict[str, Any] = {
        "type": f"urn:kycgate:problem:{code}",
        "title": title,
        "status": status,
        "detail": _detail(error, code),
        "code": code,
        "field": error.field if isinstance(error, Malformed) else None,
        "remedy": (error.remedy if isinstance(error, Malformed) else "") or _REMEDIES.get(status),
        "request_id": request_id,
    }
    if isinstance(error, Refused):
        document["reasons"] = outward_reasons(error.reasons)
    return document


def _detail(error: KycgateError, code: str) -> str:
    """The error's own sentence where it speaks of the request; a fixed one where it speaks of the inside."""
    inside = isinstance(error, Refused | Unavailable) and not isinstance(error, CannotTell)
    return in_words(code) if inside else error.message
