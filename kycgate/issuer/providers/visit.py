"""What a visit to a provider is: its states, when it is looked at, and how many may begin.

Pure: asks nobody and stores nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from kycgate.issuer.proven import Means, Proven
from kycgate.issuer.providers.base import Outcome, Provider, Result
from kycgate.store.records.visits import Verification

LIFE_S: Final = 7 * 86_400
"""How long a renter may take, over as many links as it needs."""
FIRST_LOOK_S: Final = 60
SLOWEST_LOOK_S: Final = 6 * 3600
"""Asked after a minute, then when its age has grown by half, at least this often."""
STANDING_LOOK_S: Final = 86_400
"""How often a passed visit is asked for again, should the message that takes it back be lost."""
STANDING_S: Final = 90 * 86_400
EVENTS_S: Final = 30 * 86_400
"""How long an event's name is kept; a replay after that only asks the provider once more."""


class State(StrEnum):
    """Where a visit stands. The value is what the store carries."""

    OPEN = "open"
    CHECKING = "checking"
    NEEDS = "needs"
    PROVING = "proving"
    """passed, and on its way to the identity office, which may have it already"""
    APPROVED = "approved"
    REFUSED = "refused"
    EXPIRED = "expired"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"


LIVING: Final = frozenset({State.OPEN, State.CHECKING, State.NEEDS})
STANDING: Final = frozenset({State.PROVING, State.APPROVED})
"""A no of the provider takes something back."""
FOLLOWS: Final[Mapping[Outcome, State]] = {
    Outcome.OPEN: State.OPEN,
    Outcome.CHECKING: State.CHECKING,
    Outcome.RETRY: State.NEEDS,
    Outcome.REFUSED: State.REFUSED,
    Outcome.GONE: State.FAILED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many visits may begin in a day: each costs the operator money."""

    account: int = 3
    """by one account, with all providers together"""
    everybody: int = 500
    """with one provider: many wallets are cheap to make"""


def next_look(visit: Verification, now: int) -> int | None:
    """When the visit is asked for next without being told to; None never."""
    age = max(0, now - visit.started_at)
    if visit.state == State.APPROVED:
        return now + STANDING_LOOK_S if age < STANDING_S else None
    if visit.ended_at is not None:
        return None
    at = now + max(FIRST_LOOK_S, min(SLOWEST_LOOK_S, age // 2))
    # The last look is at its end, so that it ends on time.
    return min(at, visit.expires_at) if now < visit.expires_at else at


def ended(visit: Verification, now: int) -> Verification:
    """The account may begin another. What the provider last said of this one stays."""
    if visit.ended_at is not None:
        return visit
    if visit.state in (State.REFUSED, State.PROVING):
        return replace(visit, ended_at=now)
    return replace(visit, state=State.EXPIRED, note="", ended_at=now)


def proven(visit: Verification, provider: Provider, result: Result, now: int) -> Proven | None:
    """What a pass establishes; None where it names nobody a case could stand on."""
    claimed = result.claimed
    if claimed is None:
        return None
    # Without what was not told: a sealed null says nothing.
    told = {name: value for name, value in claimed.document.items() if value is not None}
    return Proven(
        means=Means.PROVIDER,
        source=visit.provider,
        reference=visit.reference,
        level=provider.level,
        live=result.live,
        name=claimed.name,
        birth_date=claimed.birth_date,
        country=claimed.country,
        proven_at=now if result.decided_at is None else result.decided_at,
        valid_until=claimed.valid_until,
        document_number=claimed.document_number,
        document=told,
    )
