"""What a rule may look at: the GPU, the job, who asks and from where, and what is not known of it.

Judges nothing: conditions (`kycgate.core.policy.conditions`) do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from kycgate.core.claims import Claims, JobRequest

UNKNOWN_COUNTRY = 0


class Eccn(StrEnum):
    """Export control class of a GPU, for what the policy needs of it."""

    A = "3A090.a"
    B = "3A090.b"
    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class GpuClass:
    """What is known of a GPU. `controlled` is also true for a product named by letter (H20).

    `tpp` total processing performance, `performance_density` TPP per mm², as 3A090 defines them.
    `confidence` high, medium, low or none: shown wherever the GPU is, and never a ground by itself.
    """

    model: str | None
    eccn: Eccn
    controlled: bool
    tpp: int | None
    performance_density: float | None
    confidence: str
    note: str

    def __post_init__(self) -> None:
        if self.eccn is not Eccn.NONE and not self.controlled:
            raise ValueError(f"a GPU of class {self.eccn} is controlled")


@dataclass(frozen=True, slots=True)
class ListVersion:
    """A screening list as it was used. `as_of` Unix seconds UTC: the publisher's date, not ours."""

    name: str
    version: str
    as_of: int


class Regime(StrEnum):
    """Whose list an owner stands on."""

    BIS = "us-bis"
    OFAC = "us-ofac"
    EU = "eu"
    UK = "uk"
    UN = "un"


@dataclass(frozen=True, slots=True)
class ListedShare:
    """How much of the renter listed owners hold together, in percent: between these two.

    `regimes` says on whose lists those owners stand; empty, they were not told apart, and the share
    then counts under every regime's rule. `apart`: what owners on some of these lists hold, for
    every combination of them, none included; empty, where only the whole is known.
    """

    minimum: float
    maximum: float
    regimes: frozenset[Regime] = frozenset()
    apart: tuple[tuple[frozenset[Regime], float, float], ...] = ()

    def __post_init__(self) -> None:
        for low, high in ((self.minimum, self.maximum), *(part[1:] for part in self.apart)):
            if not 0 <= low <= high <= 100:
                raise ValueError(f"{low} to {high} % is no share")

    def under(self, regimes: frozenset[Regime]) -> tuple[float, float] | None:
        """What owners on these lists hold, from and to; None where none stands on them."""
        wanted = self.regimes & regimes
        for some, low, high in self.apart:
            if some == wanted:
                return low, high
        if self.regimes and not wanted:
            return None
        return self.minimum, self.maximum


class Place(StrEnum):
    """Whose country a condition looks at."""

    SUBJECT = "subject"
    ULTIMATE = "ultimate"
    NETWORK = "network"


Region = tuple[Place, str]
"""Whose region, and its ISO 3166-2 code, such as UA-43."""


class Facts(NamedTuple):
    """What conditions look at. `claims` None: no valid attestation, so nothing is known."""

    job: JobRequest
    gpu: GpuClass
    claims: Claims | None
    network: int | None
    listed_share: ListedShare | None = None
    regions: frozenset[Region] = frozenset()
    share_gap: str = ""
    """what of the owners is not known, in words without names"""

    def country(self, place: Place) -> int:
        """ISO 3166-1 numeric, UNKNOWN_COUNTRY if nobody knows."""
        if place is Place.NETWORK:
            return self.network or UNKNOWN_COUNTRY
        if self.claims is None:
            return UNKNOWN_COUNTRY
        return self.claims.country if place is Place.SUBJECT else self.claims.ultimate_country


class Countries(Protocol):
    """The country table a policy is read against. Raises Malformed for what it does not know."""

    def numeric(self, alpha2: str) -> int: ...
    def alpha2(self, numeric: int) -> str: ...
    def group(self, code: str) -> frozenset[int]: ...
    def labels(self) -> Mapping[int, str]:
        """numeric → alpha-2, all of them"""


def describe(facts: Facts, labels: Mapping[int, str]) -> str:
    """The chain a reviewer wants to see: who, owned from where, asks for what."""
    parts = list[str]()
    if facts.claims is not None:
        parts.append(f"subject in {_place(facts, Place.SUBJECT, labels)}")
        parts.append(f"ultimate parent in {_place(facts, Place.ULTIMATE, labels)}")
        parts.append(f"level {int(facts.claims.level)}")
    if facts.network is not None:
        parts.append(f"network in {_place(facts, Place.NETWORK, labels)}")
    if (share := facts.listed_share) is not None:
        parts.append(f"listed owners hold {share_text(share)}")
    count = "an unknown number of" if facts.job.gpu_count is None else str(facts.job.gpu_count)
    hours = "open-ended" if facts.job.hours is None else f"{facts.job.hours} h"
    model = facts.gpu.model or facts.job.gpu_model or "unnamed GPU"
    named = f"{facts.gpu.eccn}, controlled" if facts.gpu.controlled else "not controlled"
    if facts.gpu.confidence in ("medium", "low"):
        named += f", {facts.gpu.confidence} confidence"
    parts.append(f"{count} x {model[:80]} ({named}), {hours}")
    return " -> ".join(parts)


def share_text(share: ListedShare) -> str:
    """`50 %` or `40 to 60 %`, and on whose lists the owners stand."""
    some = f"{share.minimum:g}"
    if share.minimum != share.maximum:
        some += f" to {share.maximum:g}"
    whose = ", ".join(sorted(share.regimes)) or "lists not told apart"
    return f"{some} % ({whose})"


def _place(facts: Facts, place: Place, labels: Mapping[int, str]) -> str:
    region = sorted(code for whose, code in facts.regions if whose is place)
    return region[0] if region else labels.get(facts.country(place), "unknown")
