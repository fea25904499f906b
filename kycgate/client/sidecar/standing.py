"""What the sidecar knows of its account, and what it renews before it ends: attestation, permits.

Decides nothing: the gate does, anew each time. Without a wallet here (a gate key alone) the gate
hands out neither, and the sidecar says so.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from kycgate.client.control import ControlPlane
from kycgate.client.session import read_permit_header
from kycgate.core.permit import SignedPermit
from kycgate.errors import KycgateError, Unavailable

ROUND_S: Final = 30.0
AHEAD_S: Final = 120
"""A permit is renewed this long before it ends."""
ATTESTATION_AHEAD_S: Final = 2 * 3600
"""An attestation too: the gate renews it when asked, if it may."""
STATUS_AGE_S: Final = 300
_DUE_AGE_S: Final = 60
FOLLOWED_S: Final = 3600
"""How long after its start a job's permit is kept fresh; later it is fetched when asked for."""
_JOBS_MOST: Final = 200

_log = logging.getLogger(__name__)


class Standing:
    """Thread-safe. Every method that asks the gate blocks: not for an event loop."""

    def __init__(
        self, control: ControlPlane, *, account: str | None, clock: Callable[[], float]
    ) -> None:
        """`account` None: proven by a gate key, whose account only the gate knows."""
        self._control = control
        self._account = account
        self._clock = clock
        self._lock = threading.Lock()
        self._status: dict[str, Any] = {}
        self._checked_at: int | None = None
        self._problem: str | None = None
        self._permits: OrderedDict[bytes, tuple[SignedPermit, int]] = OrderedDict()

    # -- what passes by --------------------------------------------------------------------------

    def note(self, job: bytes, carried: str) -> None:
        """An answer carried a permit. One that can't be read is none."""
        try:
            permit = read_permit_header(carried)
        except KycgateError as error:
            _log.warning("a permit that can't be read: %s", error.message)
            return
        self._keep(job, permit, started=int(self._clock()))

    def _keep(self, job: bytes, permit: SignedPermit, *, started: int) -> None:
        with self._lock:
            self._permits.pop(job, None)
            self._permits[job] = (permit, started)
            while len(self._permits) > _JOBS_MOST:
                self._permits.popitem(last=False)

    # -- what is asked for -----------------------------------------------------------------------

    def permit(self, job: bytes) -> SignedPermit:
        """The job's permit with some life left. Raises what the control plane raises."""
        now = int(self._clock())
        with self._lock:
            held = self._permits.get(job)
        if held is not None and held[0].permit.deadline - now > AHEAD_S // 2:
            return held[0]
        if self._account is None:
            raise Unavailable("Permits are handed out to the wallet only: start with its key.")
        fresh = self._control.permit_of(job)
        self._keep(job, fresh, started=now if held is None else held[1])
        return fresh

    def document(self) -> dict[str, Any]:
        """For `/.kycgate/status`: no secret in it."""
        with self._lock:
            return {
                "account": self._account or self._status.get("account"),
                "state": self._status.get("state"),
                "state_text": self._status.get("state_text"),
                "attestation": self._status.get("attestation"),
                "wallet_proof_at": self._status.get("wallet_proof_at"),
                "checked_at": self._checked_at,
                "problem": self._problem,
                "permits": [
                    {"job": "0x" + job.hex(), "deadline": permit.permit.deadline}
                    for job, (permit, _) in self._permits.items()
                ],
            }

    # -- what is renewed -------------------------------------------------------------------------

    def round(self) -> None:
        """One round of renewal. What failed is told in the status, and tried again next time."""
        try:
            self._renew_attestation()
            problem = None
        except KycgateError as error:
            problem = error.message
        with self._lock:
            if problem is not None and problem != self._problem:
                _log.warning("renewal waits: %s", problem)
            self._problem = problem
        self._renew_permits()

    def _renew_attestation(self) -> None:
        now = int(self._clock())
        with self._lock:
            age = None if self._checked_at is None else now - self._checked_at
            ends = (self._status.get("attestation") or {}).get("expires_at")
        due = ends is not None and ends - now < ATTESTATION_AHEAD_S
        if age is not None and age < (_DUE_AGE_S if due else STATUS_AGE_S):
            return
        if due and self._account is not None:
            self._control.attestation()
        status = self._control.status()
        with self._lock:
            self._status, self._checked_at = status, now

    def _renew_permits(self) -> None:
        now = int(self._clock())
        with self._lock:
            due = [
                job
                for job, (permit, started) in self._permits.items()
                if now - started < FOLLOWED_S and permit.permit.deadline - now < AHEAD_S
            ]
        for job in due if self._account is not None else ():
            try:
                fresh = self._control.permit_of(job)
            except KycgateError as error:
                _log.warning("the permit of job 0x%s waits: %s", job.hex(), error.message)
                continue
            with self._lock:
                if job in self._permits:
                    self._permits[job] = (fresh, self._permits[job][1])
