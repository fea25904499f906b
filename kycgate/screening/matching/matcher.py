"""Screens one party against all lists at once and explains every hit word by word.

Keeps nothing of whom it was asked about, and changes nothing: a new list makes a new Matcher.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from kycgate.core.claims import Kind
from kycgate.core.policy import ListVersion
from kycgate.errors import Malformed, Unavailable
from kycgate.screening.entries import Identifier, ListData, Name
from kycgate.screening.matching.align import Alignment, Pairing, align, compare, worth_aligning
from kycgate.screening.matching.attributes import (
    Attribute,
    check_birth_date,
    compare_attributes,
)
from kycgate.screening.matching.bands import MOST_RAISED, Band, Thresholds, band_of
from kycgate.screening.matching.catalogue import (
    Bearer,
    Catalogue,
    address_catalogue,
    listed_parties,
    name_catalogue,
)
from kycgate.screening.matching.exact import ExactIndex
from kycgate.screening.matching.latin import latin_words
from kycgate.screening.matching.parse import Parsed, parse

ENGINE = "kycgate-match/1"
"""Rises whenever the same names may score otherwise: code, tables or thresholds."""

_CANDIDATES = 50
_MOST_HITS = 50


@dataclass(frozen=True, slots=True)
class Query:
    """Whom to look for. `kind` None: not known; `country` ISO 3166 alpha-2, or empty."""

    name: str
    kind: Kind | None = None
    country: str = ""
    birth_date: str = ""
    """`YYYY`, `YYYY-MM` or `YYYY-MM-DD`"""
    identifiers: tuple[Identifier, ...] = ()
    address: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """A listed party that may be the one asked for, and why."""

    list: str
    list_version: str
    entry_id: str
    name: str
    """as listed"""
    matched: str
    """what of the query it was: the name, a number, a wallet or an address"""
    score: float
    band: Band
    explanation: tuple[Pairing, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    by: str = "name"
    """`name`, `identifier`, `wallet` or `address`"""


@dataclass(frozen=True, slots=True)
class Screening:
    """The answer to a query, with everything it stands on."""

    band: Band
    hits: tuple[Match, ...]
    lists: tuple[ListVersion, ...]
    thresholds: Thresholds
    engine: str = ENGINE


@dataclass(frozen=True, slots=True)
class Score:
    """How likely two names name one party (0 to 1), and what that was made of."""

    score: float
    explanation: tuple[Pairing, ...]


@dataclass(slots=True)
class _Best:
    """The best name of each party so far."""

    found: dict[int, tuple[float, Band, Name, Alignment, tuple[Attribute, ...]]] = field(
        default_factory=dict
    )

    def offer(
        self,
        party: int,
        scored: tuple[float, Band],
        name: Name,
        alignment: Alignment,
        attributes: tuple[Attribute, ...],
    ) -> None:
        known = self.found.get(party)
        if known is None or (scored[1] is Band.BLOCK, scored[0]) > (
            known[1] is Band.BLOCK,
            known[0],
        ):
            self.found[party] = (*scored, name, alignment, attributes)


class Matcher:
    """Screens against one set of list versions. Thread-safe: unchanged once built.

    Raises Unavailable for lists that are empty: nobody can be called clear by them.
    """

    def __init__(
        self, list_data: Sequence[ListData], *, thresholds: Thresholds | None = None
    ) -> None:
        if not list_data or not all(data.entries for data in list_data):
            raise Unavailable("a screening list is empty: nobody can be called clear")
        self.thresholds = thresholds or Thresholds()
        self.versions = tuple(
            ListVersion(data.name, data.version, data.as_of) for data in list_data
        )
        self._parties = listed_parties(list_data)
        self._names = name_catalogue(self._parties)
        self._addresses = address_catalogue(self._parties)
        self._exact = ExactIndex([party.entry for party in self._parties])

    def screen(self, query: Query) -> Screening:
        """Every listed party that may be this one, best first.

        Raises Malformed for a name without letters or a birth date that is none, TooLarge.
        """
        if query.birth_date:
            check_birth_date(query.birth_date)
        hits = [*self._by_identifier(query), *self._by_address(query)]
        seen = {(hit.list, hit.entry_id) for hit in hits}
        hits += [hit for hit in self._by_name(query) if (hit.list, hit.entry_id) not in seen]
        return self._answer(hits)

    def wallet(self, address: str) -> Screening:
        """Whether the wallet is on a list now. Addresses delisted since are not."""
        hits = [
            Match(
                party.entry.list, party.version, party.entry.id,
                party.entry.name, address, 1.0, Band.BLOCK, by="wallet",
            )
            for number, _ in self._exact.wallet(address)
            for party in (self._parties[number],)
        ]  # fmt: skip
        return self._answer(hits)

    def _answer(self, hits: list[Match]) -> Screening:
        hits.sort(key=lambda hit: (hit.band is not Band.BLOCK, -hit.score, hit.list, hit.entry_id))
        band = hits[0].band if hits else Band.CLEAR
        return Screening(band, tuple(hits[:_MOST_HITS]), self.versions, self.thresholds)

    # -- by number and by place --------------------------------------------------------------------

    def _by_identifier(self, query: Query) -> Iterator[Match]:
        for number, identifier in self._exact.identified(query.identifiers).items():
            party = self._parties[number]
            yield Match(
                party.entry.list, party.version, party.entry.id, party.entry.name,
                f"{identifier.type}:{identifier.value}", 1.0, Band.BLOCK, by="identifier",
            )  # fmt: skip

    def _by_address(self, query: Query) -> Iterator[Match]:
        if not query.address or not len(self._addresses):
            return
        asked = parse(query.address, person=False)
        best = dict[int, tuple[Alignment, Bearer]]()
        for alignment, bearers in self._aligned(self._addresses, asked, query.address):
            for bearer in bearers if alignment.score >= self.thresholds.review else ():
                known = best.get(bearer.party)
                if known is None or known[0].score < alignment.score:
                    best[bearer.party] = (alignment, bearer)
        for number, (alignment, bearer) in best.items():
            party = self._parties[number]
            yield Match(
                party.entry.list, party.version, party.entry.id, bearer.name.text,
                query.address, alignment.score, Band.REVIEW, alignment.pairings, by="address",
            )  # fmt: skip

    # -- by name -----------------------------------------------------------------------------------

    def _by_name(self, query: Query) -> Iterator[Match]:
        best = _Best()
        for person in _readings(query.kind):
            asked = parse(query.name, person=person)
            if not asked.words:
                raise Malformed(
                    "a name without letters or digits", field="name", remedy="write it out"
                )
            for alignment, bearers in self._aligned(self._names, asked, query.name):
                for bearer in bearers:
                    if query.kind is not None or bearer.person in (None, person):
                        self._weigh(query, alignment, bearer, best)
        for number, (score, band, name, alignment, attributes) in best.found.items():
            party = self._parties[number]
            yield Match(
                party.entry.list, party.version, party.entry.id, name.text, query.name,
                round(score, 4), band, alignment.pairings, attributes,
            )  # fmt: skip

    def _weigh(self, query: Query, alignment: Alignment, bearer: Bearer, best: _Best) -> None:
        entry = self._parties[bearer.party].entry
        attributes = compare_attributes(entry, birth_date=query.birth_date, country=query.country)
        scored = band_of(
            alignment, attributes, name=bearer.name, entry=entry, kind=query.kind,
            birth_date=query.birth_date, thresholds=self.thresholds,
        )  # fmt: skip
        if scored[1] is not Band.CLEAR:
            best.offer(bearer.party, scored, bearer.name, alignment, attributes)

    def _aligned(
        self, catalogue: Catalogue, asked: Parsed, name: str
    ) -> Iterator[tuple[Alignment, tuple[Bearer, ...]]]:
        """The candidates that may reach the review band, each laid beside the asked name."""
        text = " ".join(latin_words(name, person=asked.person))
        numbers = catalogue.nearest(text, _CANDIDATES).tolist()
        candidates = [catalogue.parsed(number, person=asked.person) for number in numbers]
        least = self.thresholds.review - MOST_RAISED
        for place, own in worth_aligning(asked, candidates, least=least):
            alignment = align(asked, candidates[place], own)
            if alignment.score >= least:
                yield alignment, catalogue.bearers(numbers[place])


def pair_score(one: str, other: str, kind: Kind | None = None) -> Score:
    """How likely two names name one party; `kind` None: the better of both readings."""
    best = max(
        (
            compare(parse(one, person=person), parse(other, person=person))
            for person in _readings(kind)
        ),
        key=lambda alignment: alignment.score,
    )
    return Score(round(best.score, 4), best.pairings)


def _readings(kind: Kind | None) -> tuple[bool, ...]:
    return (True, False) if kind is None else (kind is Kind.PERSON,)
