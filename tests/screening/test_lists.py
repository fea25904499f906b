"""What the shipped lists hold, what is a hit in them, and that emptiness is never clearance."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import pytest

from kycgate.core.claims import Kind, parse_address
from kycgate.errors import Malformed, TooLarge, Unavailable
from kycgate.screening.entries import Name
from kycgate.screening.lists import (
    CSL,
    WALLETS,
    Band,
    EntryType,
    Hit,
    Lists,
    Screener,
    load_demo_lists,
    load_demo_screener,
)

DAY = 86_400
LISTED_2024 = (
    (Path(__file__).parent / "data" / "ofac_eth_2024-09-27.txt").read_text("ascii").split()
)


@pytest.fixture(scope="module")
def screener() -> Screener:
    return load_demo_screener()


def bands(hits: tuple[Hit, ...]) -> set[tuple[str, Band]]:
    return {(hit.list, hit.band) for hit in hits}


def test_the_shipped_lists_are_whole_and_dated() -> None:
    lists = load_demo_lists()
    csl = lists.data[0]
    counts = Counter(entry.list for entry in csl.entries)
    assert (counts["SDN"], counts["EL"], counts["MEU"], len(counts)) == (19_181, 3_420, 70, 12)
    assert csl.counts == counts
    assert sum(len(entry.names) for entry in csl.entries) == 57_174
    assert len(lists.wallets) == 124
    assert [version.name for version in lists.versions] == [CSL, WALLETS]
    assert lists.versions[0].as_of == 1_785_503_700
    assert len({version.version for version in lists.versions}) == 2
    assert len({(entry.list, entry.id) for entry in csl.entries}) == len(csl.entries)


def test_an_entry_says_where_it_comes_from() -> None:
    entries = load_demo_lists().data[0].entries
    entry = next(e for e in entries if e.list == "EL" and Name("Inspur Group", "alias") in e.names)
    assert "CN" in entry.countries
    assert "744" in entry.citation
    assert "FR" in entry.notice
    assert entry.url.startswith("https://www.bis.gov/")
    assert entry.type is EntryType.UNSTATED


@pytest.mark.parametrize(
    "name, where",
    [
        ("Huawei Technologies Co., Ltd.", ("EL", Band.BLOCK)),
        ("HUAWEI TECHNOLOGIES CO LTD", ("EL", Band.BLOCK)),
        ("Huawei Technologies Company Limited", ("EL", Band.REVIEW)),
        ("Huawei Technologies", ("EL", Band.REVIEW)),
        ("Inspur Group", ("EL", Band.BLOCK)),
        ("inspur\u200b GROUP", ("EL", Band.BLOCK)),
        ("Bank of Kunlun Co., Ltd.", ("CAP", Band.BLOCK)),
        ("Karamay City Commercial Bank", ("CAP", Band.REVIEW)),
        ("Sinobright Import and Export Company", ("ISN", Band.REVIEW)),
        ("Emerging Future Solutions (Pvt.) Ltd. Pakistan", ("EL", Band.BLOCK)),
    ],
)
def test_a_listed_company_is_found(screener: Screener, name: str, where: tuple[str, Band]) -> None:
    assert where in bands(screener.name(name, kind=Kind.ORGANISATION))


@pytest.mark.parametrize(
    "name",
    [
        "PUTIN, Vladimir Vladimirovich",
        "Vladimir Vladimirovich Putin",
        "vladimir PUTIN vladimirovich",
    ],
)
def test_a_listed_person_is_found_in_any_order_and_asks_for_a_person_to_look(
    screener: Screener, name: str
) -> None:
    hits = screener.name(name, kind=Kind.PERSON)
    assert bands(hits) == {("SDN", Band.REVIEW)}
    assert hits[0].name == "PUTIN, Vladimir Vladimirovich"
    assert hits[0].list_version == load_demo_lists().versions[0].version


def test_without_a_kind_both_ways_are_tried(screener: Screener) -> None:
    assert screener.name("Vladimir Vladimirovich Putin", kind=None)
    hits = screener.name("Huawei Technologies", kind=None)
    assert hits
    assert {hit.band for hit in hits} == {Band.REVIEW}


def test_a_persons_words_reordered_are_no_company(screener: Screener) -> None:
    assert not screener.name("Vladimir Vladimirovich Putin", kind=Kind.ORGANISATION)


def test_a_single_word_never_blocks(screener: Screener) -> None:
    single = next(
        name.text
        for entry, _ in load_demo_lists().named
        for name in entry.names
        if entry.type is EntryType.ORGANISATION and name.text.isalpha()
    )
    hits = screener.name(single, kind=Kind.ORGANISATION)
    assert hits
    assert all(hit.band is Band.REVIEW for hit in hits)


@pytest.mark.parametrize(
    "name", ["Singapore Widgets Pte. Ltd.", "Jane Doe Example", "Address 01", "华为技术有限公司"]
)
def test_who_is_not_listed_by_exact_name_is_no_hit(screener: Screener, name: str) -> None:
    assert screener.name(name, kind=None) == ()


def test_hits_come_best_first_and_each_entry_once(screener: Screener) -> None:
    hits = screener.name("Huawei Technologies Co., Ltd.", kind=Kind.ORGANISATION)
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert len({(hit.list, hit.entry_id) for hit in hits}) == len(hits)


def test_every_listed_name_finds_its_own_entry(screener: Screener) -> None:
    missed = []
    for entry, _ in load_demo_lists().named[::97]:
        kind = Kind.PERSON if entry.type is EntryType.PERSON else Kind.ORGANISATION
        for name in (each.text for each in entry.names):
            found = {(hit.list, hit.entry_id) for hit in screener.name(name.swapcase(), kind=kind)}
            if (entry.list, entry.id) not in found:
                missed.append(name)
    assert missed == []


@pytest.mark.parametrize("name", ["", " ", "—", "\u202e\u200b"])
def test_a_name_of_nothing_is_malformed_and_never_clear(screener: Screener, name: str) -> None:
    with pytest.raises(Malformed):
        screener.name(name, kind=None)


def test_a_name_of_a_megabyte_is_refused(screener: Screener) -> None:
    with pytest.raises(TooLarge):
        screener.name("x" * 1_000_000, kind=None)


def test_delisted_wallets_are_clear_and_new_ones_are_hits(screener: Screener) -> None:
    then = {parse_address(text) for text in LISTED_2024}
    now = set(load_demo_lists().wallets)
    assert (len(then), len(then - now), len(now - then)) == (152, 90, 62)
    assert all(screener.wallet(address) == () for address in then - now)
    for address in now:
        (hit,) = screener.wallet(address)
        assert hit.band is Band.BLOCK
        assert hit.matched == "0x" + address.hex()


def test_tornado_cash_is_no_hit_since_its_delisting(screener: Screener) -> None:
    assert screener.wallet(parse_address("0x8589427373d6d84e98730d7795d8f6f8731fda16")) == ()


def test_a_wallet_hit_names_its_holder_where_known(screener: Screener) -> None:
    (hit,) = screener.wallet(parse_address("0x04DBA1194ee10112fE6C3207C0687DEf0e78baCf"))
    assert hit.name == "PEIJNENBURG, Alex Adrianus Martinus"
    assert hit.list_version == load_demo_lists().versions[1].version


def test_lists_grow_stale_and_a_date_in_the_future_is_stale_too(screener: Screener) -> None:
    csl, wallets = screener.versions
    assert screener.stale(csl.as_of, 365 * DAY) == ()
    assert screener.stale(csl.as_of + 3 * DAY, 3 * DAY) == (wallets,)
    assert screener.stale(csl.as_of + 3 * DAY + 1, 3 * DAY) == (csl, wallets)
    assert screener.stale(csl.as_of - 2 * DAY, 365 * DAY) == (csl,)
    assert load_demo_lists().as_of == wallets.as_of


@pytest.mark.parametrize("emptied", [0, 1])
def test_an_empty_list_is_unavailable_and_never_clear(emptied: int) -> None:
    data = list(load_demo_lists().data)
    with pytest.raises(Unavailable):
        Lists((data[1 - emptied],))
    data[emptied] = dataclasses.replace(data[emptied], entries=())
    with pytest.raises(Unavailable):
        Lists(tuple(data))
    with pytest.raises(Unavailable):
        Lists(())
