"""What holds for every graph of owners, however it is made: circles, intervals, any order."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kycgate.screening.ownership.headquarters import Parent
from kycgate.screening.ownership.parties import Control, Stake
from kycgate.screening.ownership.rules import OFAC, PERCENTAGE_RULES
from kycgate.screening.ownership.shares import WHOLE, Share
from kycgate.screening.ownership.snapshot import Snapshot
from kycgate.screening.ownership.through import listed_share
from tests.screening.ownership.world import (
    AT,
    company,
    explain,
    graph,
    owns,
    person,
    share,
    unnamed,
)

NAMES = ("a", "b", "c", "d", "e", "x", "y")
LISTED = frozenset(("x", "y"))


@st.composite
def stakes(draw: st.DrawFn, *, direct: bool = False) -> Stake:
    low, high = sorted((draw(st.integers(0, 100)), draw(st.integers(0, 100))))
    holder, subject = draw(st.sampled_from((*NAMES, "p", "u"))), draw(st.sampled_from(NAMES[:5]))
    more: dict[str, Any] = (
        {}
        if direct
        else {
            "indirect": draw(st.booleans()),
            "nominee": draw(st.booleans()),
            "nominator": draw(st.booleans()),
            "control": draw(st.sampled_from(Control)),
            "votes": share(low, high) if draw(st.booleans()) else None,
        }
    )
    return owns(holder, subject, low, high, record=f"{holder}>{subject}", **more)


graphs = st.lists(stakes(), max_size=14)
direct_graphs = st.lists(
    stakes(direct=True), max_size=10, unique_by=lambda stake: (stake.holder, stake.subject)
)


def of(items: list[Stake]) -> Any:
    return graph(person("p"), unnamed("u"), *map(company, NAMES), *items)


def through(items: list[Stake], listed: frozenset[str] = LISTED) -> Share:
    return listed_share(Snapshot(of(items).register, AT), "e", listed)


@settings(deadline=None)
@given(graphs)
def test_every_graph_has_an_answer_and_a_share_between_nothing_and_all(items: list[Stake]) -> None:
    explanation = explain(of(items), "e", *LISTED)
    assert 0 <= explanation.listed_share.low <= explanation.listed_share.high <= WHOLE
    for answer in explanation.answers:
        assert answer.share is None or 0 <= answer.share.low <= answer.share.high <= WHOLE
        assert answer.result != "unknown" or answer.reasons


@settings(deadline=None)
@given(graphs, st.randoms(use_true_random=False))
def test_the_order_of_the_statements_does_not_matter(items: list[Stake], order: Any) -> None:
    shuffled = list(items)
    order.shuffle(shuffled)
    first, second = explain(of(items), "e", *LISTED), explain(of(shuffled), "e", *LISTED)
    assert first.listed_share == second.listed_share
    assert first.ultimate_parent == second.ultimate_parent
    assert first.notes == second.notes
    for one, other in zip(first.answers, second.answers, strict=True):
        assert (one.result, one.share, one.path, one.reasons) == (
            other.result,
            other.share,
            other.path,
            other.reasons,
        )


@settings(deadline=None)
@given(direct_graphs, stakes(direct=True))
def test_one_more_owner_never_lowers_the_listed_maximum(items: list[Stake], more: Stake) -> None:
    if any((each.holder, each.subject) == (more.holder, more.subject) for each in items):
        return
    assert through([*items, more]).high >= through(items).high
    for rule in PERCENTAGE_RULES:
        before = of(items).percentages("e", LISTED, at=AT, rule=rule)
        after = of([*items, more]).percentages("e", LISTED, at=AT, rule=rule)
        assert after.share.high >= before.share.high
        assert after.share.low >= before.share.low


@settings(deadline=None)
@given(direct_graphs)
def test_one_more_listed_party_never_lowers_the_listed_share(items: list[Stake]) -> None:
    fewer, more = through(items, frozenset(("x",))), through(items)
    assert fewer.low <= more.low
    assert fewer.high <= more.high


@settings(deadline=None)
@given(direct_graphs)
def test_what_ofac_counts_is_part_of_what_is_looked_through(items: list[Stake]) -> None:
    under_rule = of(items).percentages("e", LISTED, at=AT, rule=OFAC).share
    looked = through(items)
    assert under_rule.low <= looked.low


@settings(deadline=None)
@given(st.lists(stakes(direct=True), max_size=8), st.integers(0, 100), st.integers(0, 100))
def test_a_wider_statement_gives_a_wider_answer(items: list[Stake], low: int, high: int) -> None:
    low, high = sorted((low, high))
    items = [each for each in items if (each.holder, each.subject) != ("x", "e")]
    for point in (low, high):
        exact = through([*items, owns("x", "e", point)])
        wide = through([*items, owns("x", "e", low, high)])
        if (low, high) != (0, 100):
            assert wide.low <= exact.low
            assert exact.high <= wide.high


@settings(deadline=None)
@given(graphs)
def test_an_ultimate_parent_is_reached_by_the_path_it_comes_with(items: list[Stake]) -> None:
    parent = of(items).ultimate_parent("e", at=AT)
    if isinstance(parent, Parent):
        at = "e"
        for holding in parent.path:
            assert holding.subject == at
            at = holding.holder
        assert at == parent.id
