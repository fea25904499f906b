"""Under which rules identity is verified: what counts as a proof, and for how long.

Holds numbers and switches the operator sets; decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kycgate.core.claims import Level
from kycgate.errors import Misconfigured

DAY_S: Final = 24 * 60 * 60
NOTICE_S: Final = 30 * DAY_S
"""How long before identity must be proven again the renter is told."""


@dataclass(frozen=True, slots=True)
class VerificationRules:
    """What the operator decides about proving identity."""

    live: bool = True
    """False: a test gate, which takes proofs of test issuers and sandboxes, and no others"""
    require_proof: bool = False
    """whether a case without a proof of identity, or documents to look at, can be handed in"""
    auto_organisations: bool = False
    """whether an organisation is approved without a person: that its representative is who they
    say does not prove that they may speak for it"""
    days: tuple[int, int, int] = (180, 365, 730)
    """after how many days identity must be proven again: level 1, 2, 3"""

    def __post_init__(self) -> None:
        if len(self.days) != 3 or min(self.days) < 1:
            raise Misconfigured(("identity is proven again after at least a day, at each level",))

    def until(self, level: int, *, proven_at: int, valid_until: int | None) -> int:
        """When what was proven then must be proven again; a document's end comes first."""
        until = proven_at + self.days[Level(level) - 1] * DAY_S
        return until if valid_until is None else min(until, valid_until)
