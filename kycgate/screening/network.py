"""From which country and region a renter's address is, by the operator's own database.

Ships no database and downloads none: without one, or for an address it does not hold, the answer is
that nobody knows, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from kycgate.core.policy import Place, Region
from kycgate.errors import Malformed, Misconfigured
from kycgate.screening.controls import CountryTable

if TYPE_CHECKING:
    from maxminddb import Reader

_ALPHA2 = re.compile(r"[A-Z]{2}", re.ASCII)
_SUBDIVISION = re.compile(r"[A-Z0-9]{1,3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """`country` ISO 3166-1 numeric, None if unknown; `region` ISO 3166-2; `note` says by what."""

    country: int | None
    region: str | None
    note: str

    @property
    def regions(self) -> frozenset[Region]:
        """As evidence carries it."""
        return frozenset() if self.region is None else frozenset({(Place.NETWORK, self.region)})


class Network(Protocol):
    """Where addresses are. Thread-safe; never raises for an address, however strange."""

    def where(self, address: str) -> Whereabouts: ...


class NoNetwork:
    """No database is configured: nobody knows where anybody is, and every answer says why."""

    def where(self, address: str) -> Whereabouts:
        return Whereabouts(None, None, "no network database is configured")


class MmdbNetwork:
    """A MaxMind DB file, of MaxMind or another maker. Held open until `close`."""

    def __init__(self, path: str | Path, countries: CountryTable) -> None:
        """Raises Misconfigured when the file is missing, damaged, or can't be read here."""
        self._countries = countries
        self._reader, self._broken = _open(path)
        metadata = self._reader.metadata()
        self._name = f"{metadata.database_type} built at {metadata.build_epoch}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._reader.close()

    def where(self, address: str) -> Whereabouts:
        """Of an address in text. Countries nobody here has a code for count as not known."""
        try:
            record = self._reader.get(_parsed(address))
        except (ValueError, self._broken) as e:
            return self._nobody_knows(f"can't be looked up ({e})")
        if not isinstance(record, Mapping):
            return self._nobody_knows("is not in it")
        code = _country_code(record)
        if code is None:
            return self._nobody_knows("has no country in it")
        try:
            country = self._countries.numeric(code)
        except Malformed:
            return self._nobody_knows(f"is in {code}, which is no country code")
        return Whereabouts(country, _region(record, code), self._name)

    def _nobody_knows(self, why: str) -> Whereabouts:
        return Whereabouts(None, None, f"{self._name}: the address {why}")


def _parsed(address: str) -> IPv4Address | IPv6Address:
    """An IPv4 address stays one in IPv6 clothes (`::ffff:…`). Raises ValueError."""
    parsed = ip_address(address)
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return mapped or parsed


def _open(path: str | Path) -> tuple[Reader, type[Exception]]:
    try:
        import maxminddb
    except ImportError as e:
        problem = "a network database needs maxminddb: pip install kycgate[screening]"
        raise Misconfigured((problem,)) from e
    try:
        return maxminddb.open_database(path), maxminddb.InvalidDatabaseError
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as e:
        raise Misconfigured((f"{path} is no network database that can be read: {e}",)) from e


def _country_code(record: Mapping[str, Any]) -> str | None:
    """Where the address is used, not where it is registered."""
    country = record.get("country", record.get("country_code"))
    code = country.get("iso_code") if isinstance(country, Mapping) else country
    return code if isinstance(code, str) and _ALPHA2.fullmatch(code) else None


def _region(record: Mapping[str, Any], country: str) -> str | None:
    """The widest subdivision, as ISO 3166-2 writes it."""
    divisions = record.get("subdivisions")
    first = divisions[0] if isinstance(divisions, list) and divisions else None
    code = first.get("iso_code") if isinstance(first, Mapping) else None
    if isinstance(code, str) and _SUBDIVISION.fullmatch(code):
        return f"{country}-{code}"
    return None
