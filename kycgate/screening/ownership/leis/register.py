"""A LEI register as the graph of owners asks it: companies, links and exceptions together.

Made once by `LeiBuilder`, or recalled, then only asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from kycgate.screening.ownership.leis.columns import Buffer
from kycgate.screening.ownership.leis.companies import Companies, CompanyRows, LeiRecord
from kycgate.screening.ownership.leis.exceptions import ExceptionRecord, ExceptionRows, Exceptions
from kycgate.screening.ownership.leis.links import LinkRecord, LinkRows, Links
from kycgate.screening.ownership.parties import Gap, Party, Stake


class LeiBuilder:
    """Takes records in any order; of several about the same thing the newest stays."""

    def __init__(self) -> None:
        self._companies, self._links, self._exceptions = CompanyRows(), LinkRows(), ExceptionRows()

    def add_entity(self, record: LeiRecord) -> None:
        self._companies.add(record)

    def add_link(self, record: LinkRecord) -> None:
        self._links.add(record)

    def add_exception(self, record: ExceptionRecord) -> None:
        self._exceptions.add(record)

    def build(self) -> LeiRegister:
        """The register. The builder is spent: its parts are taken over, not copied."""
        companies = self._companies.placed()
        links = self._links.placed()
        return LeiRegister(companies, links, self._exceptions.placed(companies.leis))


class LeiRegister:
    """A `Register` of LEIs. Parties have the day of the data for their only version."""

    def __init__(self, companies: Companies, links: Links, exceptions: Exceptions) -> None:
        self.companies = companies
        self._links = links
        self._exceptions = exceptions

    def __len__(self) -> int:
        return len(self.companies)

    def columns(self) -> dict[str, tuple[str, Buffer]]:
        """Name → (array code, buffer) of every column: with `facts`, all there is to keep."""
        return self.companies.columns() | self._links.columns() | self._exceptions.columns()

    def facts(self) -> dict[str, Any]:
        """What is no column, as JSON values."""
        return self._links.facts() | self._exceptions.facts()

    @classmethod
    def recalled(cls, columns: Mapping[str, memoryview], facts: Mapping[str, Any]) -> LeiRegister:
        """The register that `columns` and `facts` were taken from. The buffers are not copied.

        Raises LookupError, TypeError or ValueError for what was not.
        """
        return cls(
            Companies.recalled(columns),
            Links.recalled(columns, facts),
            Exceptions.recalled(columns, facts),
        )

    def party(self, id_: str, at: date) -> Party:
        return self.companies.party(id_)

    def stakes(self, subject: str) -> Sequence[Stake]:
        return self._links.stakes(subject)

    def gaps(self, subject: str) -> Sequence[Gap]:
        return self._exceptions.gaps(subject, self.companies.row(subject))

    def find(self, text: str) -> Sequence[str]:
        """By LEI, or by exact legal name."""
        return (text,) if text in self else self.companies.named(text)

    def identified(self, lei: str) -> Sequence[str]:
        return (lei,) if lei in self else ()

    def numbered(self, country: int, number: str) -> Sequence[str]:
        return self.companies.numbered(country, number)

    def must_report(self, subject: str) -> bool:
        return True

    def __contains__(self, id_: object) -> bool:
        if not isinstance(id_, str):
            return False
        return self.companies.row(id_) >= 0 or bool(self.stakes(id_)) or bool(self.gaps(id_))
