"""Our own engine finds what the exact look-up finds, and misspelt names too."""

from __future__ import annotations

from kycgate.core.claims import Kind, parse_address
from kycgate.screening.backend import Screening
from kycgate.screening.embedded import Embedded
from kycgate.screening.lists import Band, Screener, load_demo_lists
from tests.screening.matching.conftest import WALLET


def test_it_answers_what_the_exact_screener_answers_and_more() -> None:
    lists = load_demo_lists()
    exact, matcher = Screener(lists), Screening(Embedded(lists.data))
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
    exact, matcher = Screener(lists), Screening(Embedded(lists.data))
    for entry, _ in lists.named[:3000:100]:
        wanted = {hit.entry_id for hit in exact.name(entry.name, kind=Kind.ORGANISATION)[:3]}
        found = {hit.entry_id for hit in matcher.name(entry.name, kind=Kind.ORGANISATION)}
        assert wanted <= found, entry.name
