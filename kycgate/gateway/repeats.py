"""One decision starts at most one job: what a repeated request gets instead of a second machine.

Decides nothing about callers: whoever comes here has just been decided anew (DESIGN 4.4).
"""

from __future__ import annotations

import hashlib
import threading

from kycgate.core.typed import keccak
from kycgate.errors import Code, Reason, Refused
from kycgate.gateway.canonical import CleanRequest
from kycgate.gateway.parts import GateParts
from kycgate.store.records.jobs import Job

_LOOK_EVERY_S = 0.1
_PAYMENT_REQUIRED = 402


def fingerprint(account: str, request: CleanRequest, body: bytes) -> bytes:
    """What makes two requests the same: account, method, authority, target, body and key."""
    digest = hashlib.sha256()
    for part in (
        account.encode(),
        request.method.encode(),
        request.authority.encode(),
        request.target,
        hashlib.sha256(body).digest(),
        request.fields.get("idempotency-key", "").encode("latin-1"),
    ):
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part)
    return digest.digest()


def job_number(idempotency_key: str | None, drawn: bytes) -> bytes:
    """The n of `job_id`: the hash of the caller's Idempotency-Key, else what the gate drew."""
    return drawn if idempotency_key is None else keccak(idempotency_key.encode("latin-1"))


class Repeats:
    """Lets the first of identical requests through and holds the others to its answer."""

    def __init__(self, parts: GateParts) -> None:
        self._parts = parts
        self._seats = threading.BoundedSemaphore(parts.limits.joiners)

    def begin(self, job: Job) -> Job | None:
        """None: the caller may forward, once. A job: answer from its record.

        Raises Refused when the first has no final answer in time, when nobody knows what became of
        it, or when the Idempotency-Key stands for another request.
        """
        begun = self._parts.store.begin_job(job, repeat_window_s=self._parts.limits.repeat_window_s)
        if begun.fresh:
            return None
        if begun.job.fingerprint != job.fingerprint:
            raise _refused(
                Code.IDEMPOTENCY_MISMATCH, "the Idempotency-Key stands for another request"
            )
        first = self._wait(begun.job)
        if first.state == "answered" and first.answer_status == _PAYMENT_REQUIRED:
            # The first was told the price; this one may pay. Of several, one goes on.
            if self._parts.store.reopen_unpaid(first.id, at=job.created_at):
                return None
            first = self._wait(self._parts.store.job(first.id) or first)
        return self._answered(first, job.created_at)

    def _wait(self, first: Job) -> Job:
        if _final(first) or not self._seats.acquire(blocking=False):
            return first
        try:
            end = self._parts.monotonic() + self._parts.limits.join_wait_s
            while not _final(first) and self._parts.monotonic() < end:
                self._parts.pause(_LOOK_EVERY_S)
                first = self._parts.store.job(first.id) or first
            return first
        finally:
            self._seats.release()

    def _answered(self, first: Job, now: int) -> Job:
        if first.state == "answered":
            return first
        # No answer long after the upstream's time was up: the process that waited for it is gone.
        lost = now - first.updated_at >= self._parts.limits.upstream_s
        if first.state == "unknown" or lost:
            raise _refused(Code.OUTCOME_UNKNOWN, f"job {first.id.hex()} has no known outcome")
        raise _refused(Code.IN_PROGRESS, f"job {first.id.hex()} is under way")


def _final(job: Job) -> bool:
    return job.state in ("answered", "unknown")


def _refused(code: Code, text: str) -> Refused:
    return Refused(text, reasons=(Reason(code, text),))
