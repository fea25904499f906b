"""The limits of 3A090.a and .b, read from data, and the class that figures alone give.

Knows no product: `kycgate.screening.controls.gpus` holds the table.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from itertools import product
from typing import Any

from kycgate.core.policy import Eccn
from kycgate.errors import Misconfigured
from kycgate.screening.controls import tables

NEAR = 0.02
"""A figure this close to a limit (as a fraction) makes a class borderline: 2 %, our own choice."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At least `tpp` and `density`, and less than `tpp_below` and `density_below`, where given."""

    tpp: float
    tpp_below: float | None = None
    density: float | None = None
    density_below: float | None = None

    def holds(self, tpp: float, density: float | None) -> bool | None:
        """None where it hangs on a density nobody knows."""
        if tpp < self.tpp or (self.tpp_below is not None and tpp >= self.tpp_below):
            return False
        if self.density is None and self.density_below is None:
            return True
        if density is None:
            return None
        enough = self.density is None or density >= self.density
        return enough and (self.density_below is None or density < self.density_below)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Classes in order of strictness, each met by any of its limits; in force from `starts`."""

    classes: tuple[tuple[Eccn, tuple[Limit, ...]], ...]
    not_for_datacenters_below: float
    citation: str
    starts: int
    texts: tuple[str, ...]
    """The official words the limits stand on."""

    def eccn(self, tpp: float | None, density: float | None, *, datacenter: bool) -> Eccn:
        """The class by the figures; unknown where a missing figure could change it."""
        if tpp is None:
            return Eccn.UNKNOWN
        if not datacenter and tpp < self.not_for_datacenters_below:
            return Eccn.NONE
        for eccn, limits in self.classes:
            met = [limit.holds(tpp, density) for limit in limits]
            if True in met:
                return eccn
            if None in met:
                return Eccn.UNKNOWN
        return Eccn.NONE

    def borderline(self, tpp: float | None, density: float | None, *, datacenter: bool) -> bool:
        """Whether figures a little larger or smaller (NEAR) give another class."""
        if tpp is None:
            return False
        here = self.eccn(tpp, density, datacenter=datacenter)
        factors = 1 - NEAR, 1.0, 1 + NEAR
        return any(
            self.eccn(tpp * a, density and density * b, datacenter=datacenter) is not here
            for a, b in product(factors, factors)
        )


@cache
def load_thresholds() -> Thresholds:
    """The limits that ship with the package. Raises Misconfigured when the file is damaged."""
    try:
        return _thresholds(tomllib.loads(tables.text("rules/thresholds.toml")))
    except (KeyError, TypeError, ValueError) as e:
        raise Misconfigured((f"thresholds.toml is damaged ({e}): reinstall kycgate",)) from e


def _thresholds(document: Mapping[str, Any]) -> Thresholds:
    exclusion = document["not_for_datacenters"]
    first: date = document["effective_from"]
    return Thresholds(
        tuple(
            (Eccn(each["eccn"]), tuple(Limit(**limit) for limit in each["limits"]))
            for each in document["class"]
        ),
        exclusion["tpp_below"],
        document["citation"],
        midnight(first),
        (*(text for each in document["class"] for text in each["text"]), exclusion["text"]),
    )


def midnight(day: date) -> int:
    """The first second of a day, UTC."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
