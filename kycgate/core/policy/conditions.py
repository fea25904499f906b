"""The conditions of a rule: each a tagged value that compiles to one quick test.

Reads no text and knows no dates. A tag's fields are never reordered and new tags only ever add
refusals, so an old policy keeps its meaning.

What is unknown satisfies a condition wherever some value would, with two exceptions, because they
ask a person to look: an unknown country is a value of its own, and so is a listed share that is not
known closely enough (`may_reach`). What a condition could not look at, it names by `gap`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from kycgate.core.claims import Level
from kycgate.core.policy.facts import UNKNOWN_COUNTRY, Facts, Place, Regime, Region
from kycgate.errors import Code

Test = Callable[[Facts], bool]

NO_NETWORK = "the network country was not looked up"
NO_SHARE = "the share of listed owners is not known"
NO_COUNTRY = "a country is not known"
NO_REGION = "the region within the country is not known"


@dataclass(frozen=True, slots=True)
class CountryIn:
    """Any of these places is in one of these countries (UNKNOWN_COUNTRY may be one of them)."""

    places: tuple[Place, ...]
    countries: frozenset[int]
    tag: Literal["country"] = "country"

    def test(self) -> Test:
        """Compiled: set membership and nothing else, for it runs on every request."""
        named = self.countries
        subject, ultimate, network = (place in self.places for place in Place)

        def holds(facts: Facts) -> bool:
            claims = facts.claims
            if claims is not None and (
                (subject and claims.country in named)
                or (ultimate and claims.ultimate_country in named)
            ):
                return True
            return network and (facts.network or UNKNOWN_COUNTRY) in named

        return holds

    def gap(self, facts: Facts) -> str:
        if UNKNOWN_COUNTRY in self.countries:
            return ""
        unknown = [place for place in self.places if facts.country(place) == UNKNOWN_COUNTRY]
        if not unknown:
            return ""
        return NO_NETWORK if unknown == [Place.NETWORK] else NO_COUNTRY

    def code(self, facts: Facts) -> Code:
        """Named countries come first: a known ground is a better answer than an unknown one."""
        matched = [place for place in self.places if facts.country(place) in self.countries]
        known = [place for place in matched if facts.country(place) != UNKNOWN_COUNTRY]
        if known:
            restricted = Code.ULTIMATE_COUNTRY_RESTRICTED, Code.COUNTRY_RESTRICTED
            return restricted[Place.ULTIMATE not in known]
        unknown = Code.ULTIMATE_COUNTRY_UNKNOWN, Code.COUNTRY_UNKNOWN
        return unknown[Place.ULTIMATE not in matched]

    def canonical(self) -> list[Any]:
        return [self.tag, sorted(self.places), sorted(self.countries)]


@dataclass(frozen=True, slots=True)
class RegionIn:
    """Any of these places is in one of these regions (ISO 3166-2); `countries` are theirs."""

    places: tuple[Place, ...]
    regions: frozenset[str]
    countries: frozenset[int]
    tag: Literal["region"] = "region"

    @property
    def wanted(self) -> frozenset[Region]:
        """Each place with each region."""
        return frozenset((place, code) for place in self.places for code in self.regions)

    def test(self) -> Test:
        wanted = self.wanted
        return lambda facts: not wanted.isdisjoint(facts.regions)

    def gap(self, facts: Facts) -> str:
        told = {place for place, _ in facts.regions}
        for place in self.places:
            if place not in told and facts.country(place) in self.countries:
                return NO_REGION
        if Place.NETWORK in self.places and facts.network is None:
            return NO_NETWORK
        return ""

    def code(self, facts: Facts) -> Code:
        ultimate = any((Place.ULTIMATE, code) in facts.regions for code in self.regions)
        return Code.ULTIMATE_COUNTRY_RESTRICTED if ultimate else Code.COUNTRY_RESTRICTED

    def canonical(self) -> list[Any]:
        return [self.tag, sorted(self.places), sorted(self.regions)]


@dataclass(frozen=True, slots=True)
class ListedShareReaches:
    """Owners listed under one of these regimes hold at least (`over`: more than) so much together.

    Certain where the lower end of what is known reaches it. With `maybe` it holds where only the
    upper end does: whoever asks for a review writes that, beside the rule that denies. An unknown
    share satisfies neither, and is a gap.
    """

    percent: int
    over: bool
    maybe: bool
    regimes: frozenset[Regime]
    tag: Literal["listed_share"] = "listed_share"

    def test(self) -> Test:
        regimes, maybe = self.regimes, self.maybe

        def holds(facts: Facts) -> bool:
            share = facts.listed_share
            held = None if share is None else share.under(regimes)
            if held is None:
                return False
            return self._reached(held[0]) if not maybe else self._undecided(*held)

        return holds

    def _reached(self, percent: float) -> bool:
        return percent > self.percent if self.over else percent >= self.percent

    def _undecided(self, low: float, high: float) -> bool:
        return self._reached(high) and not self._reached(low)

    def gap(self, facts: Facts) -> str:
        if facts.listed_share is None:
            return f"{NO_SHARE}: {facts.share_gap}" if facts.share_gap else NO_SHARE
        return facts.share_gap

    def code(self, facts: Facts) -> Code:
        return Code.OWNERSHIP_UNKNOWN if self.maybe else Code.OWNER_LISTED

    def canonical(self) -> list[Any]:
        return [self.tag, sorted(self.regimes), self.percent, self.over, self.maybe]


@dataclass(frozen=True, slots=True)
class MoreGpusThan:
    """The job asks for more devices than this, or does not say how many."""

    count: int
    tag: Literal["more_gpus_than"] = "more_gpus_than"

    def test(self) -> Test:
        most = self.count
        return lambda facts: facts.job.gpu_count is None or facts.job.gpu_count > most

    def gap(self, facts: Facts) -> str:
        return ""

    def code(self, facts: Facts) -> Code:
        return Code.QUANTITY_LIMIT

    def canonical(self) -> list[Any]:
        return [self.tag, self.count]


@dataclass(frozen=True, slots=True)
class MoreHoursThan:
    """The job runs for more hours than this, or is open-ended."""

    hours: int
    tag: Literal["more_hours_than"] = "more_hours_than"

    def test(self) -> Test:
        most = self.hours
        return lambda facts: facts.job.hours is None or facts.job.hours > most

    def gap(self, facts: Facts) -> str:
        return ""

    def code(self, facts: Facts) -> Code:
        return Code.QUANTITY_LIMIT

    def canonical(self) -> list[Any]:
        return [self.tag, self.hours]


@dataclass(frozen=True, slots=True)
class LevelBelow:
    """The subject was verified less well than this."""

    level: Level
    tag: Literal["level_below"] = "level_below"

    def test(self) -> Test:
        least = self.level
        return lambda facts: facts.claims is None or facts.claims.level < least

    def gap(self, facts: Facts) -> str:
        return ""

    def code(self, facts: Facts) -> Code:
        return Code.LEVEL_TOO_LOW

    def canonical(self) -> list[Any]:
        return [self.tag, int(self.level)]


Condition = CountryIn | RegionIn | ListedShareReaches | MoreGpusThan | MoreHoursThan | LevelBelow
