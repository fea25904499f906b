"""One request on its way through the gate.

Holds what was learned and decides nothing: each step of the line adds to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kycgate.core.claims import JobRequest
from kycgate.core.decision import Decision, Evidence
from kycgate.core.policy import Policy
from kycgate.gateway.adapters.base import Route
from kycgate.gateway.canonical import CleanRequest
from kycgate.gateway.limits import Bucket
from kycgate.gateway.memory import Lease
from kycgate.gateway.proving import Caller
from kycgate.gateway.view import RequestView


@dataclass(slots=True)
class Passage:
    """A request and what has been learned about it so far."""

    view: RequestView
    request: CleanRequest | None = None
    route: Route | None = None
    caller: Caller | None = None
    rental: bytes | None = None
    """Id of the job that rented the deployment concerned."""
    job: JobRequest | None = None
    policy: Policy | None = None
    evidence: Evidence | None = None
    decision: Decision | None = None
    decision_id: str | None = None
    facts: str | None = None
    """Digest of what was kept of the decision, once it is."""
    lease: Lease = field(default_factory=Lease)
    charged: list[Bucket] = field(default_factory=list)
    """What this request is taken from once it has its answer."""

    def clean(self) -> CleanRequest:
        assert self.request is not None
        return self.request
