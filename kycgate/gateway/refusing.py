"""How the gate says no: in the marketplace's own shape for its clients, as a problem for ours.

Decides nothing. Lists, hits, owners, scores and thresholds never pass through here: only outward
codes do.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from kycgate.errors import (
    Busy,
    Code,
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
from kycgate.gateway.adapters.base import Adapter
from kycgate.gateway.view import Headers, Reply

NO_STORE = ("Cache-Control", "no-store")

PROOF_CODES = frozenset(
    {
        Code.PROOF_MISSING, Code.PROOF_INVALID, Code.PROOF_EXPIRED, Code.PROOF_NOT_YET_VALID,
        Code.PROOF_REPLAYED, Code.PROOF_AUDIENCE, Code.PROOF_INCOMPLETE, Code.WALLET_PROOF_STALE,
        Code.KEY_UNKNOWN, Code.KEY_REVOKED, Code.KEY_EXPIRED, Code.SIGNATURE_INVALID,
        Code.USER_NOT_LINKED,
    }
)  # fmt: skip
_DEPENDENCY_CODES = frozenset({Code.DEPENDENCY, Code.SCREENING_STALE, Code.TRUST_EXPIRED})

_SENTENCES = {
    "missing:wallet_proof": "Renting here needs a verified wallet: sign in and get a gate key.",
    "missing:attestation": "Your wallet is not verified yet: verify once to rent here.",
    "missing:higher_level": "This GPU needs a higher level of verification than you have.",
    "missing:fresh_wallet_proof": "Your last wallet signature is too old: sign in again.",
    "missing:linked_user": "Your user here is not linked to a verified wallet yet, or no longer:"
    " link it once.",
    "declined": "This request was declined under the rules of this marketplace.",
    "under_review": "This request needs a review by the operator first.",
    "key_unknown": "This gate does not know that key: sign in with your wallet and get a gate key.",
    "key_revoked": "This key was revoked: sign in with your wallet and get a new one.",
    "key_expired": "This key has expired: sign in with your wallet and get a new one.",
    "key_scope": "This key may not do that: get one with the right scope.",
    "proof_replayed": "This signed request was sent before: sign a new one.",
    "route_unknown": "This gate does not pass that request on.",
    "door_blind": "This request has to go through the gate's own proxy, and was sent another way:"
    " tell the operator.",
    "not_found": "No such deployment of yours.",
    "not_owner": "No such deployment of yours.",
    "in_progress": "The same request is still being carried out: ask again in a moment.",
    "outcome_unknown": "The marketplace never said whether the same request was carried out: look"
    " at your deployments before you send it again.",
    "idempotency_mismatch": "This Idempotency-Key was used for another request: use a new one.",
    "screening_stale": "The gate can't decide right now: nothing was sent on, try again later.",
    "rate_limited": "Too many requests in a short time: nothing was sent on, try again soon.",
    "too_many_at_once": "Too many of your requests are still running: nothing was sent on, wait for"
    " one to end.",
    "dependency": "The gate can't decide right now: nothing was sent on, try again in a moment.",
}
_OTHERWISE = "This request was refused."


@dataclass(frozen=True, slots=True)
class Refusing:
    """One refusal on its way out."""

    reasons: tuple[Reason, ...]
    codes: tuple[str, ...]
    """Outward, the first reason's first."""
    request_id: str
    link: str | None
    """What the caller may open; None where there is nothing to do there (malformed requests)."""
    problem: bool
    """The caller asked for `application/problem+json`."""
    realm: str
    retry_after_s: int | None = None


def status_of(codes: tuple[Code, ...]) -> int:
    """HTTP status for our own SDK: 401 proof, 503 dependency, 403 policy, 4xx as named."""
    named = {
        Code.MALFORMED: 400,
        Code.AMBIGUOUS_REQUEST: 400,
        Code.TOO_LARGE: 413,
        Code.NOT_FOUND: 404,
        Code.NOT_OWNER: 404,
        Code.CONFLICT: 409,
        Code.IN_PROGRESS: 409,
        Code.OUTCOME_UNKNOWN: 409,
        Code.IDEMPOTENCY_MISMATCH: 422,
        Code.RATE_LIMITED: 429,
        Code.TOO_MANY_AT_ONCE: 429,
    }
    if codes[0] in named:
        return named[codes[0]]
    if all(code in PROOF_CODES for code in codes):
        return 401
    # Only what would pass if the dependency answered is a dependency's fault.
    return 503 if all(code in _DEPENDENCY_CODES for code in codes) else 403


def native_status(status: int) -> int:
    """For the marketplace's clients: 401, 409, 422, 503 lose the message or cause re-sends."""
    return status if status in (400, 404, 413) else 403


def reply(adapter: Adapter, refusing: Refusing) -> Reply:
    """The refusal as its caller reads it."""
    codes = tuple(reason.code for reason in refusing.reasons)
    status = status_of(codes)
    if refusing.problem:
        return _problem(refusing, codes, status)
    message = f"{sentence(refusing)}{_pointer(refusing)}"
    headers, body = adapter.refusal(message, refusing.codes[0])
    native = 429 if status == 429 and adapter.heeds_429 else native_status(status)
    when = _retry_after(refusing) if native == 429 else ()
    return Reply(native, (*headers, *_common(refusing), *when), body)


def outward_codes(reasons: tuple[Reason, ...], *, denied: bool) -> tuple[str, ...]:
    """What may be told of `reasons`, without repeats. A denial never promises a review."""
    codes = (outward(reason.code) for reason in reasons)
    return tuple(
        dict.fromkeys("declined" if denied and code == "under_review" else code for code in codes)
    )


def sentence(refusing: Refusing) -> str:
    """One plain sentence about the first reason; a malformed request is told what is wrong."""
    first = refusing.reasons[0]
    if first.code in (Code.MALFORMED, Code.AMBIGUOUS_REQUEST, Code.TOO_LARGE):
        return first.text
    return _SENTENCES.get(refusing.codes[0], _OTHERWISE)


def _pointer(refusing: Refusing) -> str:
    link = "" if refusing.link is None else f" Open {refusing.link}"
    return f"{link} (request {refusing.request_id})"


def _retry_after(refusing: Refusing) -> Headers:
    after = refusing.retry_after_s
    return () if after is None else (("Retry-After", str(after)),)


def _common(refusing: Refusing) -> Headers:
    said: Headers = (NO_STORE, ("Kycgate-Request", refusing.request_id))
    if refusing.reasons[0].code is Code.DOOR_BLIND:
        # A front that can send it through the proxy instead may do so at once.
        said = (*said, ("Kycgate-Door", "proxy"))
    return said


def _problem(refusing: Refusing, codes: tuple[Code, ...], status: int) -> Reply:
    outside = refusing.codes
    body: dict[str, Any] = {
        "type": f"urn:kycgate:{outside[0]}",
        "title": _SENTENCES.get(outside[0], _OTHERWISE),
        "status": status,
        "detail": sentence(refusing),
        "code": outside[0],
        "codes": outside,
        "request_id": refusing.request_id,
    }
    if refusing.link is not None:
        body["verify_url"] = refusing.link
    kind = ("Content-Type", "application/problem+json")
    headers: Headers = (kind, *_common(refusing), *_retry_after(refusing))
    if status == 401:
        challenge = f'Kycgate realm="{refusing.realm}", error="{outside[0]}"'
        headers = (*headers, ("WWW-Authenticate", challenge))
    return Reply(status, headers, json.dumps(body).encode())


def reasons_of(error: KycgateError) -> tuple[Reason, ...]:
    """The reasons an error stands for. The one place where the error tree becomes an answer."""
    match error:
        case Refused():
            return error.reasons
        case Malformed() | TooLarge():
            # Whatever was malformed inside, outside it is this request that can't be read.
            known = (Code.AMBIGUOUS_REQUEST, Code.TOO_LARGE)
            code = error.code if error.code in known else Code.MALFORMED
            return (Reason(code, f"{error.message.rstrip('.')}."),)
        case Unauthenticated() | NotFound() | Conflict() | Busy():
            return (Reason(error.code, error.message),)
        case Unavailable():
            return (Reason(Code.DEPENDENCY, error.message),)
        case _:
            return (Reason(Code.DEPENDENCY, "the gate is set up wrongly"),)


@dataclass(slots=True)
class Budget:
    """How many refusals may be written down per caller, so that strangers can't fill the disk.

    A token bucket per key; the longest silent key is forgotten when there are more than `keys`.
    """

    burst: int
    every_s: int
    """One more after this."""
    keys: int = 10_000
    _buckets: OrderedDict[str, tuple[float, int]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, key: str, now: int) -> bool:
        """Whether `key` may have one more written down now."""
        with self._lock:
            left, at = self._buckets.pop(key, (float(self.burst), now))
            left = min(float(self.burst), left + max(0, now - at) / self.every_s)
            granted = left >= 1
            self._buckets[key] = (left - 1 if granted else left, max(at, now))
            if len(self._buckets) > self.keys:
                self._buckets.popitem(last=False)
            return granted


@dataclass(slots=True)
class Tally:
    """Counts what is not written down one by one, to be logged as one line per `every_s`."""

    every_s: int
    _counts: dict[str, int] = field(default_factory=dict)
    _since: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, code: Code, now: int) -> dict[str, Any] | None:
        """Counts one; gives the counts to be logged when their time has come, and starts anew."""
        self.note(code, now)
        return self.due(now)

    def note(self, code: Code, now: int) -> None:
        """Counts one, and leaves it to others to log it."""
        with self._lock:
            self._since = now if self._since is None else self._since
            self._counts[str(code)] = self._counts.get(str(code), 0) + 1

    def due(self, now: int) -> dict[str, Any] | None:
        with self._lock:
            if self._since is None or now - self._since < self.every_s:
                return None
            due = {"since": self._since, "counts": self._counts}
            self._since, self._counts = None, {}
            return due
