"""Intervals of percentages: exact, rounded outwards, and never impossible."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kycgate.screening.ownership.shares import ALL, ANY, NOTHING, PERCENT, WHOLE, Share
from tests.screening.ownership.world import share

HALF = 50 * PERCENT
percents = st.fractions(min_value=0, max_value=100, max_denominator=10**15)


@st.composite
def shares(draw: st.DrawFn) -> Share:
    low, high = sorted((draw(percents), draw(percents)))
    assume(low < high)
    return Share.between(low, high, low_open=draw(st.booleans()), high_open=draw(st.booleans()))


def holds(interval: Share, percent: Fraction) -> bool:
    units = percent * PERCENT
    above = interval.low < units if interval.low_open else interval.low <= units
    return above and (units < interval.high if interval.high_open else units <= interval.high)


@given(percents)
def test_an_exact_share_lies_inside_its_interval(percent: Fraction) -> None:
    assert holds(Share.exact(percent), percent)
    assert Share.exact(percent).high - Share.exact(percent).low <= 1


@given(percents, percents)
def test_the_product_of_two_shares_lies_inside_the_product(a: Fraction, b: Fraction) -> None:
    assert holds(Share.exact(a).times(Share.exact(b)), a * b / 100)


@given(percents, percents)
def test_the_sum_of_two_shares_lies_inside_the_sum(a: Fraction, b: Fraction) -> None:
    assert holds(Share.exact(a) + Share.exact(b), min(a + b, Fraction(100)))


@given(shares(), shares())
def test_every_operation_gives_a_possible_interval(a: Share, b: Share) -> None:
    for each in (a + b, a.times(b), a.hull(b), a.larger(b), a.at_most(b.high)):
        assert 0 <= each.low <= each.high <= WHOLE


@given(shares(), shares(), shares())
def test_sums_do_not_depend_on_the_order(a: Share, b: Share, c: Share) -> None:
    assert (a + b) + c == c + (b + a)
    assert a.hull(b) == b.hull(a)
    assert a.larger(b) == b.larger(a)


def test_three_thirds_are_the_whole_and_not_less() -> None:
    third = Share.exact(Fraction(100, 3))
    assert (third + third + third).possibly(WHOLE, inclusive=True)
    assert not (third + third + third).surely(WHOLE, inclusive=True)


def test_more_than_fifty_passes_fifty_and_fifty_does_not() -> None:
    assert share(50, 75, low_open=True).surely(HALF, inclusive=False)
    assert not share(50, 75).surely(HALF, inclusive=False)
    assert not share(25, 50, high_open=True).possibly(HALF, inclusive=True)
    assert share(25, 50).possibly(HALF, inclusive=True)


def test_a_share_just_under_the_threshold_does_not_reach_it() -> None:
    just_under = Share.exact(Fraction("49.99999999999999999"))
    assert not just_under.possibly(HALF, inclusive=True)


@pytest.mark.parametrize(("low", "high"), [(-1, 5), (5, 101), (60, 40)])
def test_impossible_intervals_are_refused(low: int, high: int) -> None:
    with pytest.raises(ValueError, match=r"bound|between"):
        Share.between(Fraction(low), Fraction(high))


def test_an_empty_open_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="lower bound"):
        share(25, 25, low_open=True)


def test_json_shows_what_was_stated() -> None:
    assert share("33.3").document() == {"min": 33.3, "max": 33.3}
    assert share(25, 50, low_open=True).document() == {"min": 25, "max": 50, "min_exclusive": True}
    assert str(share(25, 50, low_open=True)) == "over 25 to 50 %"


def test_nothing_and_all_are_neutral() -> None:
    assert NOTHING + ANY == ANY
    assert ALL.times(ANY) == ANY
    assert NOTHING.times(share(25, 50, low_open=True)) == NOTHING
