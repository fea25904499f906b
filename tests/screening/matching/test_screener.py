"""The matcher stands in wherever the exact screener stood."""

from __future__ import annotations

from kycgate.core.claims import Kind, parse_address
from kycgate.screening.lists import Band, Screener, load_demo_lists
from kycgate.screening.matching.screener import MatcherScreener
from tests.screening.matching.conftest import WALLET


def test_it_answers_what_the_exact_screener_answers_and_more() -> None:
    exact, matcher = Screener(load_demo_lists()), MatcherScreener(load_demo_lists())
    assert matcher.versions == exact.versions
    assert matcher.stale(0, 1) == exact.stale(0, 1)
    assert matcher.stale(0, 1)
    address = parse_address(WALLET)
    assert {hit.entry_id for hit in matcher.wallet(address)} == {
        hit.entry_id for hit in exact.wallet(address)
    }
    assert exact.name("Huawei Technologes", kind=Kind.ORGANISATION) == ()
    hits = matcher.name("Huawei Technologes", kind=Kind.ORGANISATION)
    assert hits
    assert all(hit.band is Band.REVIEW for hit in hits)


def test_every_exact_hit_on_an_organisation_is_still_a_hit() -> None:
    lists = load_demo_lists()
    exact, matcher = Screener(lists), MatcherScreener(lists)
    for entry, _ in lists.named[:3000:100]:
        wanted = {hit.entry_id for hit in exact.name(entry.name, kind=Kind.ORGANISATION)[:3]}
        found = {hit.entry_id for hit in matcher.name(entry.name, kind=Kind.ORGANISATION)}
        assert wanted <= found, entry.name


def test_new_lists_are_swapped_in_whole() -> None:
    lists = load_demo_lists()
    screener = MatcherScreener(lists)
    before = screener.matcher
    screener.replace(lists)
    assert screener.matcher is not before
    assert screener.lists is lists
