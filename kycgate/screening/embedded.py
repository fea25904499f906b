"""Our own engine behind the screening seam: the matcher over one set of list versions.

Watches nothing: `live` decides which versions are in force and builds another of these for others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from kycgate.core.claims import Address
from kycgate.core.policy import ListVersion
from kycgate.screening.backend import Answer
from kycgate.screening.entries import Entry, ListData
from kycgate.screening.ftm import entity
from kycgate.screening.library import Library, each_party_once
from kycgate.screening.lists import Band, Hit
from kycgate.screening.matching.document import explanation
from kycgate.screening.matching.matcher import Match, Matcher, Query
from kycgate.screening.matching.matcher import Screening as Screened


class Embedded:
    """Screens against these lists and no other. Unchanged once built, so threads may share it."""

    def __init__(self, data: Sequence[ListData]) -> None:
        self._matcher = Matcher(data)
        self._entries: dict[tuple[str, str, str], Entry] = {
            (entry.list, entry.id, each.version): entry for each in data for entry in each.entries
        }

    @property
    def versions(self) -> tuple[ListVersion, ...]:
        """The lists every answer stands on."""
        return self._matcher.versions

    def party(self, query: Query) -> Answer:
        """Everybody listed who may be the one asked for, best first."""
        return self._answer(self._matcher.screen(query))

    def wallet(self, address: Address) -> Answer:
        """Whether the address is on one of these lists."""
        return self._answer(self._matcher.wallet("0x" + address.hex()))

    def _answer(self, screened: Screened) -> Answer:
        hits = tuple(self._hit(match, screened) for match in screened.hits)
        return Answer(hits, screened.lists, screened.engine)

    def _hit(self, match: Match, screened: Screened) -> Hit:
        entry = self._entries[match.list, match.entry_id, match.list_version]
        return Hit(
            match.list,
            match.list_version,
            match.entry_id,
            match.name,
            match.matched,
            match.score,
            Band(match.band),
            entry.digest,
            match.by,
            entity(entry) | _scored(match, screened),
        )


def recalled(library: Library, versions: Iterable[tuple[str, str]]) -> Embedded:
    """The engine over (list, version) pairs that a decision carries, however old they are.

    Raises NotFound for a version the library has never kept, Unavailable for a damaged one.
    """
    return Embedded(each_party_once([library.version(*each) for each in versions]))


def _scored(match: Match, screened: Screened) -> dict[str, Any]:
    limits = screened.thresholds
    return {
        "score": match.score,
        "match": match.score >= limits.review,
        "explanations": explanation(match.explanation),
        "features": {each.name: each.effect for each in match.attributes},
        "engine": screened.engine,
        "thresholds": {"review": limits.review, "block": limits.block},
    }
