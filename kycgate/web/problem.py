"""Turns each kind of error into one answer a program and a tired person can both use (RFC 9457).

Never shows a traceback, an inner message of a dependency, or an inward reason code.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kycgate.errors import (
    Busy,
    Conflict,
    KycgateError,
    Malformed,
    NotFound,
    Refused,
    TooLarge,
    Unauthenticated,
    Unavailable,
    outward,
)
from kycgate.web.words import in_words


class CannotTell(Unavailable):
    """A proof that is neither good nor bad from here. Its message is meant for the caller."""


class Decided(KycgateError):
    """The gate's own no to a job, in outward codes only."""

    def __init__(self, codes: list[str]) -> None:
        super().__init__(in_words(codes[0]))
        self.codes = codes


MEDIA_TYPE = "application/problem+json"
NOWHERE = "There is nothing at this address."
# Order matters: a subclass stands before its parent.
_STATUSES: tuple[tuple[type[KycgateError], int, str], ...] = (
    (TooLarge, 413, "Too large"),
    (Malformed, 400, "The request can't be read"),
    (Unauthenticated, 401, "Proof of the account is needed"),
    (Refused, 403, "Refused"),
    (Decided, 403, "Refused"),
    (NotFound, 404, "Not found"),
    (Conflict, 409, "Not possible in this state"),
    (Busy, 429, "Too many requests"),
    (Unavailable, 503, "Something we depend on did not answer"),
)
_REMEDIES = {
    401: "sign in at /v1/challenge and /v1/session, or sign the request (ERC-8128)",
    503: "try again in a few seconds",
}


def worded(codes: Iterable[str]) -> list[dict[str, str]]:
    """Each outward code once, in order, with its sentence."""
    return [{"code": code, "text": in_words(code)} for code in dict.fromkeys(codes)]


def problem(error: KycgateError, request_id: str) -> tuple[int, dict[str, Any]]:
    """Status and document for an error of ours."""
    for kind, status, title in _STATUSES:
        if isinstance(error, kind):
            return status, _document(error, status, title, request_id)
    return unexpected(request_id)


def unexpected(request_id: str) -> tuple[int, dict[str, Any]]:
    """The answer to a fault of ours: a caller gets the request id, the log the rest."""
    return 500, {
        "type": "urn:kycgate:internal",
        "title": "Our fault",
        "status": 500,
        "detail": "Something went wrong on our side. Nothing was decided.",
        "code": "internal",
        "field": None,
        "remedy": "quote the request id to the operator",
        "request_id": request_id,
    }


def _document(error: KycgateError, status: int, title: str, request_id: str) -> dict[str, Any]:
    codes = _codes(error)
    code = codes[0]
    document: dict[str, Any] = {
        "type": f"urn:kycgate:{code}",
        "title": title,
        "status": status,
        "detail": _detail(error, code),
        "code": code,
        "field": error.field if isinstance(error, Malformed) else None,
        "remedy": (error.remedy if isinstance(error, Malformed) else "") or _REMEDIES.get(status),
        "request_id": request_id,
    }
    if isinstance(error, Refused | Decided):
        document["reasons"] = worded(codes)
    return document


def _codes(error: KycgateError) -> list[str]:
    """Public twins only: rules, lists and scores stay inside."""
    if isinstance(error, Decided):
        return error.codes
    if isinstance(error, Refused):
        return [outward(reason.code) for reason in error.reasons]
    return [outward(error.code)]


def _detail(error: KycgateError, code: str) -> str:
    """The error's own sentence where it speaks of the request; a fixed one where it speaks of the
    inside.
    """
    inside = isinstance(error, Refused | Unavailable) and not isinstance(error, CannotTell)
    return in_words(code) if inside else error.message
