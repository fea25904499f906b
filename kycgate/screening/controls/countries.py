"""Which country belongs to which group of the EAR.

Draws no conclusion from it: that is the policy's work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from kycgate.errors import Malformed, Misconfigured
from kycgate.screening.controls import tables


class CountryTable:
    """ISO 3166-1 codes both ways, and the country groups of the EAR.

    Groups are `A:1` to `A:6`, `B`, `D:1` to `D:5`, `E:1`, `E:2`, and `3A090.b`: the destinations
    that class' control text names, which are the United Arab Emirates by name, then D:1, D:4 and
    D:5 less A:5 and A:6. Hong Kong has China's groups; Macau is not in D:5, so rules name it beside
    D:5. A country the groups don't list belongs to none.
    """

    def __init__(
        self,
        codes: Mapping[str, int],
        groups: Mapping[str, Iterable[str]],
        regions: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        self._regions = {
            codes[country]: frozenset(found) for country, found in (regions or {}).items()
        }
        self._numeric = dict(codes)
        self._alpha2 = {number: code for code, number in codes.items()}
        self._groups = {
            group: frozenset(codes[member] for member in members)
            for group, members in groups.items()
        }

    def numeric(self, alpha2: str) -> int:
        """ISO 3166-1 numeric. Raises Malformed for what is no code."""
        try:
            return self._numeric[alpha2]
        except KeyError as e:
            raise _no_country(alpha2) from e

    def alpha2(self, numeric: int) -> str:
        """ISO 3166-1 alpha-2. Raises Malformed for what is no code, 0 included."""
        try:
            return self._alpha2[numeric]
        except KeyError as e:
            raise _no_country(str(numeric)) from e

    def group(self, code: str) -> frozenset[int]:
        """Its members, numeric. Raises Malformed for what is no group."""
        try:
            return self._groups[code]
        except KeyError as e:
            raise Malformed(
                f"`{code[:40]}` is no country group",
                field="country group",
                remedy="one of " + ", ".join(sorted(self._groups)),
            ) from e

    def member(self, country: int, group: str) -> bool:
        """Whether the country (numeric) is in the group. Unknown (0) is in none."""
        return country in self.group(group)

    def regions(self, country: int) -> frozenset[str]:
        """ISO 3166-2 codes of a country only parts of which are embargoed; empty for others."""
        return self._regions.get(country, frozenset())

    def labels(self) -> Mapping[int, str]:
        """numeric → alpha-2, all of them."""
        return self._alpha2

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of all groups."""
        return tuple(sorted(self._groups))


def _no_country(text: str) -> Malformed:
    return Malformed(
        f"`{text[:40]}` is no country code", field="country", remedy="ISO 3166-1, such as SG or 702"
    )


@cache
def load_countries() -> CountryTable:
    """The country table that ships with the package. Raises Misconfigured when it is damaged."""
    try:
        codes = {row["alpha2"]: int(row["numeric"]) for row in tables.rows("iso3166.csv")}
        groups = dict[str, list[str]]()
        for row in tables.rows("country_groups.csv"):
            for group in row["groups"].split():
                groups.setdefault(group, []).append(row["alpha2"])
        regions = dict[str, list[str]]()
        for row in tables.rows("regions.csv"):
            regions.setdefault(row["code"][:2], []).append(row["code"])
        return CountryTable(codes, groups, regions)
    except (KeyError, ValueError) as e:
        raise Misconfigured((f"the country tables are damaged ({e}): reinstall kycgate",)) from e
