"""Shares of listed owners: what adds up, what cascades, what is not known."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from kycgate.screening.ownership.parties import Control, Party, PartyKind
from kycgate.screening.ownership.percentage import Percentages
from kycgate.screening.ownership.rules import AFFILIATES, EU, OFAC, PERCENTAGE_RULES, UK, Rule
from kycgate.screening.ownership.shares import ANY, Share
from kycgate.screening.ownership.snapshot import Snapshot
from kycgate.screening.ownership.through import listed_share
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


def apply(rule: Rule, listed: str, *items: Any, entity: str = "e", at: date = AT) -> Percentages:
    return graph(*items).percentages(entity, listed.split(), at=at, rule=rule)


def look_through(listed: str, *items: Any, entity: str = "e") -> Share:
    snapshot = Snapshot(graph(*items).register, AT)
    return listed_share(snapshot, entity, frozenset(listed.split()))


# -- OFAC's own examples (FAQ 401) -----------------------------------------------------------------


def test_half_of_a_half_is_blocked_not_a_quarter() -> None:
    chain = (owns("x", "a", 50), owns("a", "e", 50))
    found = apply(OFAC, "x", *chain)
    assert (found.result, found.share) == ("blocked", share(50))
    assert look_through("x", *chain) == share(50)


def test_two_listed_owners_are_added_up() -> None:
    assert apply(OFAC, "x y", owns("x", "e", 25), owns("y", "e", 25)).result == "blocked"
    assert apply(OFAC, "x", owns("x", "e", 25), owns("y", "e", 25)).result == "clear"


def test_a_stake_of_a_blocked_company_adds_to_a_direct_one() -> None:
    items = (owns("x", "a", 50), owns("x", "e", 10), owns("a", "e", 40))
    assert apply(OFAC, "x", *items).result == "blocked"


def test_a_quarter_in_each_of_two_owners_blocks_nothing() -> None:
    items = (owns("x", "a", 25), owns("x", "b", 25), owns("a", "e", 50), owns("b", "e", 50))
    found = apply(OFAC, "x", *items)
    assert (found.result, found.share) == ("clear", share(0))
    assert look_through("x", *items) == share(25)


def test_a_blocked_company_passes_on_its_stake_and_a_free_one_does_not() -> None:
    items = (owns("x", "a", 50), owns("x", "b", 25), owns("a", "e", 25), owns("b", "e", 25))
    found = apply(OFAC, "x", *items)
    assert (found.result, found.share) == ("clear", share(25))
    assert look_through("x", *items) == share("31.25")


def test_just_under_half_is_clear_and_half_is_not() -> None:
    assert apply(OFAC, "x", owns("x", "e", "49.9999")).result == "clear"
    assert apply(OFAC, "x", owns("x", "e", 50)).result == "blocked"


def test_control_without_ownership_is_not_ofacs_matter() -> None:
    assert apply(OFAC, "x", controls("x", "e")).result == "clear"


def test_a_listed_entity_is_blocked_whoever_owns_it() -> None:
    found = apply(OFAC, "e", owns("x", "e", 10))
    assert (found.result, found.share) == ("blocked", share(100))


# -- EU and UK -------------------------------------------------------------------------------------


def test_uk_wants_more_than_half() -> None:
    assert apply(UK, "x", owns("x", "e", 50)).result == "clear"
    assert (
        apply(UK, "x", owns("x", "e", 50, 75, ownership=share(50, 75, low_open=True))).result
        == "blocked"
    )


def test_eu_took_half_itself_in_on_its_day() -> None:
    stake = owns("x", "e", 50)
    assert apply(EU, "x", stake, at=date(2024, 7, 2)).result == "clear"
    assert apply(EU, "x", stake, at=date(2024, 7, 3)).result == "blocked"


def test_uk_does_not_add_up_owners_and_eu_does() -> None:
    stakes = (owns("x", "e", 30), owns("y", "e", 30))
    assert apply(UK, "x y", *stakes).result == "clear"
    assert apply(EU, "x y", *stakes).result == "blocked"


@pytest.mark.parametrize("rule", [EU, UK])
def test_control_is_enough_for_eu_and_uk(rule: Rule) -> None:
    found = apply(rule, "x", controls("x", "e"), owns("y", "e", 100))
    assert (found.result, found.by_control) == ("blocked", True)


@pytest.mark.parametrize("rule", [EU, UK])
def test_control_goes_through_layers(rule: Rule) -> None:
    assert apply(rule, "x", controls("x", "a"), owns("a", "e", 60)).result == "blocked"


@pytest.mark.parametrize("rule", [EU, UK])
def test_a_majority_of_votes_is_control(rule: Rule) -> None:
    votes = owns("x", "e", votes=share(51))
    assert apply(rule, "x", votes).result == "blocked"
    assert apply(rule, "x", owns("x", "e", votes=share(25, 75))).result == "unknown"


def test_possible_control_is_unknown() -> None:
    maybe = owns("x", "e", control=Control.POSSIBLE)
    assert apply(UK, "x", maybe).result == "unknown"
    assert apply(OFAC, "x", maybe).result == "clear"


# -- dated rules -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "result", "status"),
    [
        (date(2025, 9, 28), "clear", None),
        (date(2025, 9, 29), "restricted", "in force"),
        (date(2025, 11, 9), "restricted", "in force"),
        (date(2025, 11, 10), "clear", "stayed"),
        (date(2026, 11, 9), "clear", "stayed"),
        (date(2026, 11, 10), "restricted", "unverified"),
    ],
)
def test_the_affiliates_rule_follows_its_dates(day: date, result: str, status: str | None) -> None:
    found = apply(AFFILIATES, "x", owns("x", "e", 60), at=day)
    assert (found.result, found.window and found.window.status) == (result, status)


def test_windows_of_a_rule_follow_each_other_without_gap_or_overlap() -> None:
    for rule in PERCENTAGE_RULES:
        for earlier, later in zip(rule.windows, rule.windows[1:], strict=False):
            assert earlier.last is not None
            assert (later.start - earlier.last).days == 1


# -- what is not known -----------------------------------------------------------------------------


def test_an_interval_across_the_threshold_is_unknown() -> None:
    assert apply(OFAC, "x", owns("x", "e", 25, 75)).result == "unknown"
    assert apply(OFAC, "x", owns("x", "e", 25, 50)).result == "unknown"
    below = share(25, 50, high_open=True)
    assert apply(OFAC, "x", owns("x", "e", ownership=below)).result == "clear"


def test_an_interval_may_reach_the_threshold_through_a_layer() -> None:
    found = apply(OFAC, "x", owns("x", "a", 40, 60), owns("a", "e", 100))
    assert (found.result, found.share) == ("unknown", share(0, 100))


def test_an_owner_nobody_names_may_be_listed() -> None:
    found = apply(OFAC, "x", unnamed("u"), owns("u", "e", 60))
    assert found.result == "unknown"
    assert "unknown" in {each.reason for each in found.reasons}
    assert (
        apply(OFAC, "x", unnamed("u"), owns("u", "e", 40), owns("x", "e", 10)).result == "unknown"
    )
    assert apply(OFAC, "x", unnamed("u"), owns("u", "e", 30), owns("x", "e", 10)).result == "clear"


def test_an_entity_without_any_statement_is_unknown() -> None:
    found = apply(OFAC, "x", company("e"))
    assert (found.result, found.reasons[0].reason) == ("unknown", "no_statement")


def test_a_record_that_is_mentioned_and_nowhere_described_is_unknown() -> None:
    from kycgate.screening.ownership.graph import OwnershipGraph
    from kycgate.screening.ownership.register import MemoryRegister

    register = MemoryRegister([company("e")], [owns("ghost", "e", 80)])
    found = OwnershipGraph(register).percentages("e", ["x"], at=AT, rule=OFAC)
    assert (found.result, found.reasons[0].reason) == ("unknown", "record_missing")


# -- conflicts, joint, nominees, indirect, circles, time -------------------------------------------


def test_conflicting_statements_widen_the_interval_and_are_told() -> None:
    one = owns("x", "e", 30, record="r1", statement="s1")
    other = owns("x", "e", 60, record="r2", statement="s2")
    explanation = explain(graph(one, other), "e", "x")
    assert explanation.listed_share == share(30, 60)
    assert results(explanation)["ofac-50"] == "unknown"
    assert any("differ" in note and "s1" in note and "s2" in note for note in explanation.notes)


def test_the_same_statement_twice_counts_once() -> None:
    twice = (owns("x", "e", 30, record="r1"), owns("x", "e", 30, record="r2"))
    assert apply(OFAC, "x", *twice).share == share(30)


def test_statements_that_add_up_to_more_than_the_whole_are_the_whole() -> None:
    assert apply(OFAC, "x y", owns("x", "e", 80), owns("y", "e", 70)).share == share(100)


def joint(*stakes: Any) -> tuple[Any, ...]:
    return (Party("j", "jointly", PartyKind.JOINT), owns("j", "e", 60), *stakes)


def test_a_joint_holding_counts_once() -> None:
    both = joint(owns("x", "j", 50), owns("y", "j", 50))
    assert apply(OFAC, "x y", *both).share == share(60)
    assert look_through("x y", *both) == share(60)


def test_uk_gives_each_joint_holder_the_whole() -> None:
    thirds = joint(owns("x", "j", 30), owns("y", "j", 70))
    assert apply(UK, "x", *thirds).result == "blocked"
    assert apply(OFAC, "x", *thirds).result == "clear"


def nominees(*more: Any) -> tuple[Any, ...]:
    return (
        owns("n", "e", 60, nominee=True),
        owns("x", "e", nominator=True, ownership=ANY, control=Control.SURE),
        *more,
    )


def test_a_nominee_is_looked_through_to_its_nominator() -> None:
    assert apply(OFAC, "x", *nominees()).share == share(60)
    assert apply(OFAC, "x", *nominees()).result == "blocked"


def test_a_listed_nominee_is_not_simply_clear() -> None:
    assert apply(OFAC, "n", *nominees()).result == "unknown"


def test_a_nominee_without_nominator_holds_for_somebody_unknown() -> None:
    found = apply(OFAC, "x", owns("n", "e", 60, nominee=True))
    assert found.result == "unknown"
    assert {each.reason for each in found.reasons} >= {"nominator_not_stated"}


def test_an_indirect_holding_is_not_added_to_the_path_it_sums_up() -> None:
    path = (owns("x", "b", 50), owns("b", "e", 60))
    told_again = owns("x", "e", 30, indirect=True)
    assert apply(OFAC, "x", *path, told_again).share == share(60)
    assert apply(OFAC, "x b", *path, told_again).share == share(60)
    assert apply(OFAC, "x", owns("b", "e", 30), owns("x", "b", 100), told_again).share == share(30)


def test_an_indirect_holding_without_a_known_path_counts_itself() -> None:
    found = apply(OFAC, "x", owns("x", "e", 55, indirect=True), owns("y", "e", 45))
    assert (found.result, found.share) == ("blocked", share(55))


def test_owners_in_a_circle_get_the_share_that_agrees_with_itself() -> None:
    circle = (owns("x", "a", 40), owns("b", "a", 50), owns("a", "b", 50), owns("b", "e", 80))
    found = look_through("x", *circle)
    # a = 40 + b/2, b = a/2: a is 53.33…, so a counts wholly only if it reaches 50 by listed stakes.
    assert (found.low // 10**10, found.high // 10**10) == (2133, 2133)
    assert apply(OFAC, "x", *circle).result == "clear"


def test_a_circle_alone_makes_nobody_listed() -> None:
    circle = (owns("a", "e", 100), owns("e", "a", 100), owns("x", "f", 100))
    assert look_through("x", *circle) == share(0)
    assert apply(OFAC, "x", *circle).result == "clear"


def test_a_circle_that_never_settles_ends_with_the_whole() -> None:
    circle = (owns("a", "e", 100), owns("e", "a", 100), owns("x", "e", "0.000001"))
    found = look_through("x", *circle)
    assert found.high == share(100).high
    assert found.low < share(100).low


def test_own_shares_are_left_out_and_told() -> None:
    explanation = explain(graph(owns("e", "e", 60), owns("x", "e", 40)), "e", "x")
    assert explanation.listed_share == share(40)
    assert any("shares of itself" in note for note in explanation.notes)


def test_ended_and_future_holdings_do_not_count() -> None:
    stake = owns("x", "e", 60, start=date(2020, 1, 1), end=date(2024, 1, 1))
    for day, result in [
        (date(2019, 12, 31), "clear"),
        (date(2020, 1, 1), "blocked"),
        (date(2023, 12, 31), "blocked"),
        (date(2024, 1, 1), "clear"),
    ]:
        assert apply(OFAC, "x", stake, owns("y", "e", 40), at=day).result == result


def test_a_chain_of_twenty_thousand_owners_is_no_danger() -> None:
    chain = [owns(f"c{n + 1}", f"c{n}", 60) for n in range(20_000)]
    found = apply(OFAC, "c20000", *chain, entity="c0")
    assert found.result == "blocked"
    assert look_through("c20000", *chain, entity="c0") == share(60)


def test_many_owners_of_one_company_are_no_danger() -> None:
    owners = [owns(f"o{n}", "e", "0.001") for n in range(20_000)]
    assert apply(OFAC, " ".join(f"o{n}" for n in range(10)), *owners).share == share("0.01")


def test_the_path_shows_the_holdings_that_decide() -> None:
    found = apply(OFAC, "x", owns("x", "a", 50), owns("a", "e", 50), owns("y", "e", 50))
    assert [(each.holder, each.subject) for each in found.path] == [("a", "e"), ("x", "a")]


def test_a_person_can_not_be_explained() -> None:
    from kycgate.errors import Malformed

    with pytest.raises(Malformed):
        explain(graph(person("p"), owns("p", "e", 50)), "p")
