"""The picture: everything in it is text, nothing in it is code, and it stays of a size."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from kycgate.screening.ownership.parties import Control
from kycgate.screening.ownership.svg import BOXES_MOST, draw
from tests.screening.ownership.world import (
    COUNTRIES,
    company,
    controls,
    explain,
    graph,
    owns,
)

SVG = "{http://www.w3.org/2000/svg}"


def drawn(*items: object, listed: tuple[str, ...] = ()) -> ET.Element:
    explanation = explain(graph(*items), "e", *listed)  # type: ignore[arg-type]
    return ET.fromstring(draw(explanation, country_name=COUNTRIES.alpha2))


def words(picture: ET.Element) -> str:
    return " | ".join("".join(each.itertext()) for each in picture.iter(f"{SVG}text"))


def test_names_countries_shares_and_days_are_text() -> None:
    from datetime import date

    picture = drawn(
        company("e", "SG", name="Lion City Compute Pte. Ltd."),
        company("cn", "CN", name="深圳算力有限公司"),
        owns("cn", "e", 40, start=date(2021, 3, 1)),
        controls("cn", "e", record="accounts"),
        listed=("cn",),
    )
    told = words(picture)
    for word in (
        "Lion City Compute Pte. Ltd.",
        "深圳算力有限公司",
        "40 %",
        "since 2021-03-01",
        "CN",
        "LISTED",
    ):
        assert word in told
    assert "ultimate parent" in told
    assert "restricted" in told


def test_the_picture_has_a_title_and_a_description_for_those_who_do_not_see_it() -> None:
    picture = drawn(owns("p", "e", 60))
    assert picture.get("role") == "img"
    ids = (picture.get("aria-labelledby") or "").split()
    told = {
        each.get("id"): each.text or ""
        for each in picture
        if each.tag in (f"{SVG}title", f"{SVG}desc")
    }
    assert set(ids) == set(told)
    assert "p in e: 60 %" in " ".join(told.values())


def test_a_name_is_never_markup() -> None:
    evil = '<script>alert(1)</script>&"\u202e\x00'
    picture = drawn(company("e", name=evil), owns("p", "e", 60))
    assert not list(picture.iter("script"))
    assert not list(picture.iter(f"{SVG}script"))
    assert "<script>" in words(picture)


def test_every_box_and_label_lies_inside_the_picture() -> None:
    items = [owns(f"o{n}", "e", 10) for n in range(8)] + [
        owns("top", f"o{n}", 100) for n in range(8)
    ]
    picture = drawn(*items)
    width = float(picture.get("width") or 0)
    group = picture.find(f"{SVG}g")
    assert group is not None
    shift = float(re.findall(r"translate\((\S+) ", group.get("transform") or "")[0])
    for box in group.iter(f"{SVG}rect"):
        left = shift + float(box.get("x") or 0)
        assert 0 <= left <= left + float(box.get("width") or 0) <= width


def test_circles_and_own_shares_are_drawn() -> None:
    picture = drawn(owns("p", "e", 60), owns("e", "p", 60), owns("e", "e", 5))
    assert len([each for each in picture.iter(f"{SVG}path") if each.get("marker-end")]) == 2


def test_a_crowd_is_cut_and_counted() -> None:
    picture = drawn(*(owns(f"o{n}", "e", 1) for n in range(100)))
    assert f"{101 - BOXES_MOST} more parties" in words(picture)


@pytest.mark.parametrize("length", [1, 29, 30, 31, 200, 4_000])
def test_names_of_any_length_fit_their_box(length: int) -> None:
    for sign in ("W", "华", "a b "):
        name = (sign * length)[:length].strip() or "x"
        told = drawn(company("e", name=name), owns("p", "e", 60, control=Control.POSSIBLE))
        for line in told.iter(f"{SVG}text"):
            assert len("".join(line.itertext())) <= 101
