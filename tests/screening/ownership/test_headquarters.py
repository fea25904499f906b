"""Who stands on top, where its headquarters is, and when that can not be said."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from kycgate.screening.ownership.graph import OwnershipGraph
from kycgate.screening.ownership.headquarters import Parent
from kycgate.screening.ownership.parties import (
    Control,
    Gap,
    Meaning,
    Party,
    PartyKind,
    Stake,
    Unknown,
)
from kycgate.screening.ownership.register import MemoryRegister
from kycgate.screening.ownership.shares import ANY
from tests.screening.ownership.world import (
    AT,
    company,
    controls,
    explain,
    graph,
    owns,
    person,
    results,
    share,
    unnamed,
)


def top(of: OwnershipGraph, entity: str = "e", at: date = AT) -> Parent | Unknown:
    return of.ultimate_parent(entity, at=at)


def name_of(found: Parent | Unknown) -> str:
    return found.id if isinstance(found, Parent) else f"unknown: {found.reason}"


def rule(of: OwnershipGraph, entity: str = "e", *listed: str) -> str:
    return results(explain(of, entity, *listed))["headquarters"]


def test_forty_percent_and_consolidated_passes_percentages_and_fails_headquarters() -> None:
    """The case the two engines exist for: a Singapore subsidiary of a Shenzhen parent."""
    singapore = graph(
        company("sub", "SG"),
        company("shenzhen", "CN"),
        owns("shenzhen", "sub", 40),
        controls("shenzhen", "sub", record="accounts"),
    )
    explanation = explain(singapore, "sub", "shenzhen")
    found = results(explanation)
    assert explanation.listed_share == share(40)
    assert (found["ofac-50"], found["bis-affiliates-50"]) == ("clear", "clear")
    assert found["headquarters"] == "restricted"
    parent = explanation.ultimate_parent
    assert isinstance(parent, Parent)
    assert (parent.id, parent.country) == ("shenzhen", 156)
    assert results(explain(singapore, "sub"))["headquarters"] == "restricted"


@pytest.mark.parametrize("country", ["CN", "HK", "MO", "RU"])
def test_a_parent_in_a_restricted_place_restricts(country: str) -> None:
    assert rule(graph(company("p", country), owns("p", "e", 100))) == "restricted"


def test_ones_own_headquarters_count_too() -> None:
    assert rule(graph(company("e", "CN"), company("p", "US"), owns("p", "e", 100))) == "restricted"


def test_an_intermediate_parent_is_not_the_ultimate_one() -> None:
    chain = graph(
        company("us", "US"), company("cn", "CN"), owns("cn", "e", 100), owns("us", "cn", 100)
    )
    assert name_of(top(chain)) == "us"
    assert rule(chain) == "clear"


def test_a_minority_without_control_is_no_parent() -> None:
    items = (company("cn", "CN"), company("us", "US"), owns("cn", "e", 30), owns("us", "e", 70))
    assert name_of(top(graph(*items))) == "us"
    assert rule(graph(*items)) == "clear"


def test_half_each_is_nobodys_sure_parent() -> None:
    venture = graph(
        company("cn", "CN"), company("us", "US"), owns("cn", "e", 50), owns("us", "e", 50)
    )
    assert name_of(top(venture)) == "unknown: no_single_parent"
    assert rule(venture) == "unknown"


def test_several_parents_the_restricted_one_counts() -> None:
    both = graph(company("cn", "CN"), company("us", "US"), controls("cn", "e"), controls("us", "e"))
    explanation = explain(both, "e")
    assert results(explanation)["headquarters"] == "restricted"
    assert any("several parents" in note for note in explanation.notes)


def test_possible_control_from_a_restricted_place_is_unknown() -> None:
    maybe = owns("cn", "e", 10, control=Control.POSSIBLE)
    assert rule(graph(company("cn", "CN"), owns("us", "e", 90), maybe)) == "unknown"


def test_a_company_owned_by_persons_is_its_own_top() -> None:
    of = graph(company("e", "SG"), person("p"), person("q"), owns("p", "e", 50), owns("q", "e", 50))
    assert name_of(top(of)) == "e"
    assert rule(of) == "clear"


def test_a_joint_arrangement_of_persons_is_no_company() -> None:
    arrangement = Party("j", "jointly", PartyKind.JOINT)
    of = graph(arrangement, person("p"), owns("j", "e", 100), owns("p", "j", 100))
    assert name_of(top(of)) == "e"


def test_nothing_stated_is_unknown() -> None:
    assert name_of(top(graph(company("e", "US")))) == "unknown: no_statement"
    assert rule(graph(company("e", "US"))) == "unknown"


def test_a_majority_nobody_is_named_for_is_unknown() -> None:
    assert name_of(top(graph(owns("p", "e", 30)))) == "unknown: majority_not_stated"


def test_an_owner_nobody_names_is_unknown_where_it_may_control() -> None:
    of = graph(unnamed("u"), owns("u", "e", 60), owns("us", "e", 40))
    assert name_of(top(of)) == "unknown: unknown"
    small = graph(unnamed("u"), owns("u", "e", ownership=ANY), owns("us", "e", 60))
    assert name_of(top(small)) == "us"


def test_a_country_that_is_not_stated_is_unknown() -> None:
    of = graph(company("p", ""), owns("p", "e", 100))
    assert name_of(top(of)) == "p"
    assert rule(of) == "unknown"


def test_control_in_a_circle_is_unknown() -> None:
    assert (
        name_of(top(graph(owns("p", "e", 100), owns("e", "p", 100)))) == "unknown: circular_control"
    )


def test_a_circle_with_an_owner_outside_has_that_owner_on_top() -> None:
    of = graph(owns("p", "e", 60), owns("e", "p", 40), owns("us", "p", 60))
    assert name_of(top(of)) == "us"


def test_nominees_are_no_parents() -> None:
    of = graph(
        company("cn", "CN"),
        owns("n", "e", 100, nominee=True),
        owns("cn", "e", nominator=True, ownership=ANY, control=Control.SURE),
    )
    assert name_of(top(of)) == "cn"


def test_the_top_is_the_one_of_the_day() -> None:
    of = graph(
        company("us", "US"),
        company("cn", "CN"),
        owns("us", "e", 100, end=date(2024, 6, 1)),
        owns("cn", "e", 100, start=date(2024, 6, 1)),
    )
    assert name_of(top(of, at=date(2024, 5, 31))) == "us"
    assert name_of(top(of, at=date(2024, 6, 1))) == "cn"


def test_a_long_chain_of_control_is_no_danger() -> None:
    chain = [owns(f"c{n + 1}", f"c{n}", 100) for n in range(20_000)]
    assert name_of(top(graph(*chain), "c0")) == "c20000"


# -- reported exceptions ---------------------------------------------------------------------------


def with_gaps(
    gaps: dict[str, tuple[str, Meaning]], *stakes: Stake, report: bool = True
) -> OwnershipGraph:
    ids = {each for stake in stakes for each in (stake.subject, stake.holder)} | set(gaps)
    told = {
        id_: [Gap(Unknown(reason, reason, id_), True, means)]
        for id_, (reason, means) in gaps.items()
    }
    register = MemoryRegister([company(id_) for id_ in ids], stakes, told)
    register.must_report_parents = report
    return OwnershipGraph(register)


@pytest.mark.parametrize(
    ("reason", "means"),
    [
        ("NO_LEI", "withheld"),
        ("LEGAL_OBSTACLES", "withheld"),
        ("NON_CONSOLIDATING", "unconsolidated"),
        ("NATURAL_PERSONS", "none"),
        ("NO_KNOWN_PERSON", "none"),
    ],
)
def test_a_company_that_reports_an_exception_is_unknown_with_the_reason(
    reason: str, means: Any
) -> None:
    assert name_of(top(with_gaps({"e": (reason, means)}))) == f"unknown: {reason}"


def ultimate(holder: str, subject: str) -> Stake:
    return owns(
        holder,
        subject,
        ownership=ANY,
        control=Control.SURE,
        ultimate=True,
        record=f"u:{subject}{holder}",
    )


def test_a_declared_ultimate_parent_may_say_that_nobody_stands_above_it() -> None:
    of = with_gaps({"p": ("NATURAL_PERSONS", "none")}, ultimate("p", "e"))
    assert name_of(top(of)) == "p"


def test_a_parent_that_withholds_its_own_parent_is_not_the_top() -> None:
    of = with_gaps({"p": ("NO_LEI", "withheld")}, ultimate("p", "e"))
    assert name_of(top(of)) == "unknown: NO_LEI"


def test_a_register_that_must_name_parents_and_does_not_leaves_a_gap() -> None:
    assert name_of(top(with_gaps({}, controls("p", "e")))) == "unknown: parent_not_reported"
    assert name_of(top(with_gaps({}, controls("p", "e"), report=False))) == "p"


def test_the_next_parent_gives_way_to_the_declared_ultimate_one() -> None:
    of = with_gaps({}, controls("d", "e"), ultimate("p", "e"))
    assert name_of(top(of)) == "p"


def test_an_ultimate_exception_beside_a_known_parent_is_unknown() -> None:
    of = with_gaps({"e": ("NO_LEI", "withheld")}, controls("p", "e"))
    assert name_of(top(of)).startswith("unknown")
