"""The seam behind which names and wallets are screened: our own engine, or a larger one's service.

Knows no engine and no case. One suite of tests holds every engine to what is promised here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from kycgate.core.claims import Address, Kind
from kycgate.core.policy import ListVersion
from kycgate.screening.entries import Identifier
from kycgate.screening.lists import Hit, stale_versions

if TYPE_CHECKING:
    from kycgate.screening.matching.matcher import Query


@dataclass(frozen=True, slots=True)
class Answer:
    """What one look-up found, and what it stands on."""

    hits: tuple[Hit, ...]
    """best first"""
    lists: tuple[ListVersion, ...]
    engine: str
    """name and version; the same engine and lists give the same hits"""


class ScreeningBackend(Protocol):
    """Finds listed parties. Threads may share one.

    Promises: no answer is `Unavailable`, never an empty one; a name without letters is Malformed;
    a hit by name alone never blocks a person; every hit carries its entry's digest and its party
    in FollowTheMoney shape.
    """

    @property
    def versions(self) -> tuple[ListVersion, ...]:
        """The lists in force. May be asked often: costs no network and no disk."""

    def party(self, query: Query) -> Answer:
        """Everybody listed who may be the one asked for."""

    def wallet(self, address: Address) -> Answer:
        """Whether the address is listed now. Addresses delisted since are not."""


class Screening:
    """A backend behind the door the issuer asks at."""

    def __init__(self, backend: ScreeningBackend) -> None:
        self.backend = backend

    @property
    def versions(self) -> tuple[ListVersion, ...]:
        """The lists in force."""
        return self.backend.versions

    def stale(self, now: int, max_age_s: int) -> tuple[ListVersion, ...]:
        """The lists older than that at `now`, or dated in the future; all, when there is none."""
        return stale_versions(self.versions, now, max_age_s)

    def name(
        self,
        name: str,
        *,
        kind: Kind | None,
        country: str = "",
        birth_date: str = "",
        identifiers: tuple[Identifier, ...] = (),
    ) -> tuple[Hit, ...]:
        """Everybody listed who may be this party. Raises Unavailable, Malformed."""
        from kycgate.screening.matching.matcher import Query

        return self.backend.party(Query(name, kind, country, birth_date, identifiers)).hits

    def wallet(self, address: Address) -> tuple[Hit, ...]:
        """Whether the wallet is listed. Raises Unavailable."""
        return self.backend.wallet(address).hits
