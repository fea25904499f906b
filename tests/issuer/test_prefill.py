"""A form starts from the register's own words, and claims no more than the register does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kycgate.issuer.prefill import Prefill, document
from kycgate.screening.ownership.parties import Party, Stake
from kycgate.screening.ownership.register import MemoryRegister
from tests.screening.ownership.world import COUNTRIES, company, controls, owns

LEI = "529900T8BM49AURSDO55"
NOW = 1_795_400_000
SG = COUNTRIES.numeric("SG")


@dataclass(frozen=True)
class Opened:
    register: MemoryRegister
    made_at: int = NOW - 86_400


@dataclass(frozen=True)
class Current:
    opened: tuple[Opened, ...]

    def current(self) -> Current:
        return self


def _look(*stakes: Stake, parties: tuple[Party, ...] = (), **more: Any) -> dict[str, Any] | None:
    subject = company("straits", identifiers=(LEI,), legal=SG, numbers=((SG, "202012345K"),))
    held = MemoryRegister((subject, *parties), stakes)
    known = Prefill(Current((Opened(held),))).look(more.get("lei", LEI), now=NOW)
    return None if known is None else document(known, COUNTRIES)


def test_a_company_is_told_as_the_form_asks() -> None:
    assert _look() == {
        "name": "straits",
        "registration_number": "202012345K",
        "country": "SG",
        "headquarters_country": "SG",
        "parents": [],
        "as_of": NOW - 86_400,
    }


def test_the_companies_above_are_told_nearest_first() -> None:
    told = _look(
        controls("holding", "straits"),
        controls("top", "holding"),
        parties=(company("holding", "SG"), company("top", "CN")),
    )
    assert told is not None
    assert [each["name"] for each in told["parents"]] == ["holding", "top"]
    assert told["parents"][1]["country"] == "CN"


def test_where_control_is_unclear_no_parent_is_claimed() -> None:
    told = _look(
        owns("one", "straits", 50), owns("other", "straits", 50),
        parties=(company("one"), company("other", "CN")),
    )  # fmt: skip
    assert told is not None
    assert told["parents"] == []


def test_what_no_register_has_is_nothing() -> None:
    assert _look(lei="529900T8BM49AURSDO56") is None
    assert Prefill(Current(())).look(LEI, now=NOW) is None


def test_of_two_entries_with_one_identifier_neither_is_believed() -> None:
    assert _look(parties=(company("again", identifiers=(LEI,)),)) is None
