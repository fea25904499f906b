"""What a verified credential says, and the one way the checks of this room say no.

Decides nothing about people: which claims matter is for `persons`, what follows for the office.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import wraps
from typing import Any, ParamSpec

from kycgate.core.signature import Invalid
from kycgate.errors import Code, Malformed, Reason

_P = ParamSpec("_P")


class Environment(StrEnum):
    """Which issuers count. A live gate believes no issuer of test credentials, pinned or not."""

    LIVE = "live"
    TEST = "test"


class Untrue(Exception):
    """A check failed. Raised and caught inside this room only; outside it is an `Invalid`."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.reason = Reason(code, text)


@dataclass(frozen=True, slots=True)
class StatusAt:
    """Where an issuer says whether the credential still counts: an entry of a status list."""

    uri: str
    index: int


@dataclass(frozen=True, slots=True)
class Presented:
    """A credential whose issuer, integrity, validity and holder were all verified."""

    type: str
    """mdoc: its document type; SD-JWT VC: its `vct`"""
    claims: Mapping[str, Any]
    """mdoc: namespace → element → value; SD-JWT VC: the payload with what was disclosed"""
    issuer: str
    """subject of the certificate that signed, RFC 4514"""
    test: bool
    """a certificate of the path is marked as a test issuer's"""
    valid_until: int
    """Unix seconds UTC; it has ended at this second"""
    status: StatusAt | None
    """None: the issuer publishes no status for it"""


def judged(check: Callable[_P, Presented]) -> Callable[_P, Presented | Invalid]:
    """Turn whatever a check finds wrong, unreadable input included, into an `Invalid`."""

    @wraps(check)
    def verdict(*args: _P.args, **kwargs: _P.kwargs) -> Presented | Invalid:
        try:
            return check(*args, **kwargs)
        except Untrue as untrue:
            return Invalid(untrue.reason)
        except Malformed as unreadable:
            text = f"{unreadable.field}: {unreadable.message}"
            return Invalid(Reason(Code.CREDENTIAL_MALFORMED, text))

    return verdict
