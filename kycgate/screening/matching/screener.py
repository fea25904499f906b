"""The matcher behind the same door as the exact Screener, for whoever approves cases.

Asks nothing but what that door asks: name and kind. Second attributes go to `Matcher.screen`.
"""

from __future__ import annotations

from kycgate.core.claims import Address, Kind
from kycgate.core.policy import ListVersion
from kycgate.screening.lists import Band, Hit, Lists, Screener
from kycgate.screening.matching.matcher import Match, Matcher, Query, Screening


class MatcherScreener(Screener):
    """Is asked as `lists.Screener` is, and finds misspelt names too. Thread-safe.

    `replace` swaps in new lists: a request that has begun keeps the ones it began with.
    """

    def __init__(self, lists: Lists) -> None:
        # The exact indexes of the parent are not built: every answer comes from the matcher.
        self.lists = lists
        self.matcher = Matcher(lists.data)

    def replace(self, lists: Lists) -> None:
        """Screen against these lists from now on; until they are indexed, against the old ones."""
        self.matcher, self.lists = Matcher(lists.data), lists

    @property
    def versions(self) -> tuple[ListVersion, ...]:
        """The lists every answer stands on."""
        return self.matcher.versions

    def name(self, name: str, *, kind: Kind | None) -> tuple[Hit, ...]:
        """Every party that may bear that name, best first. Raises Malformed, TooLarge."""
        return _hits(self.matcher.screen(Query(name, kind)))

    def wallet(self, address: Address) -> tuple[Hit, ...]:
        """Whether the address is on a list now."""
        return _hits(self.matcher.wallet("0x" + address.hex()))


def _hits(screening: Screening) -> tuple[Hit, ...]:
    return tuple(_hit(match) for match in screening.hits)


def _hit(match: Match) -> Hit:
    return Hit(
        match.list,
        match.list_version,
        match.entry_id,
        match.name,
        match.matched,
        match.score,
        Band(match.band),
    )
