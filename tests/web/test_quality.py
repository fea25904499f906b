"""Every state of the pages measured in a real browser: accessibility, weight, stillness, reflow."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kycgate.web import assets
from kycgate.web.languages import NAMES
from tests.tools import node_web
from tests.web import chromium
from tests.web.browser import ALICE
from tests.web.live import live_world
from tests.web.states import STATES, prepare
from tests.web.world import World

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium.program() is None, reason="Chromium is missing: make setup"),
]
AXE = (node_web() or Path()) / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_RUN = (
    "axe.run(document, {runOnly: RULES}).then(r => JSON.stringify({"
    " violations: r.violations.map(v => ({id: v.id, at: v.nodes.map(n => n.html.slice(0, 200)"
    " + ' :: ' + n.failureSummary)})), passes: r.passes.length}))"
)
WEIGHT_MOST = 150_000
"""Bytes of everything the heaviest page fetches, uncompressed."""


@pytest.fixture
def live(tmp_path: Path) -> Iterator[World]:
    with live_world(tmp_path / "gate.db") as world:
        prepare(world)
        yield world


async def violations(page: chromium.Chromium) -> dict[str, Any]:
    await page.script(AXE.read_text("utf-8") + "; undefined")
    told = await page.script(_RUN.replace("RULES", json.dumps(RULES)))
    result: dict[str, Any] = json.loads(told)
    return result


@pytest.mark.timeout(300)
@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is missing: make setup")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_any_state(live: World, tmp_path: Path, scheme: str) -> None:
    passed: dict[str, int] = {}

    async def story(page: chromium.Chromium) -> None:
        await page.size(1280 if scheme == "light" else 390)
        await page.prefer(color_scheme=scheme, reduced_motion="reduce")
        await page.open(live.parts.public_url)
        for name, reach in STATES.items():
            await reach(page, live)
            found = await violations(page)
            assert found["violations"] == [], (name, scheme)
            passed[name] = found["passes"]

    chromium.drive(tmp_path / "profile", ALICE, story)
    assert min(passed.values()) >= 15, "the rules did look at something"
    print({"axe": scheme, "states": len(passed), "rules passed": sum(passed.values())})


@pytest.mark.timeout(300)
@pytest.mark.parametrize("tag", NAMES)
def test_no_state_needs_sideways_scrolling_at_400_percent_and_targets_are_large_enough(
    live: World, tmp_path: Path, tag: str
) -> None:
    """1280 CSS pixels at 400 % are 320 (WCAG 2.2, 1.4.10); targets of 24 (2.5.8)."""
    sideways = "document.documentElement.scrollWidth"
    small = (
        "JSON.stringify(Array.from(document.querySelectorAll("
        "'button, input, select, textarea, summary, nav a, .button')).filter(e => {"
        " const b = e.getBoundingClientRect();"
        " const box = e.closest('label')?.getBoundingClientRect();"
        " return e.checkVisibility() && b.width > 0 && Math.min(b.height, b.width) < 24"
        " && !(box && box.height >= 24) }).map(e => e.outerHTML.slice(0, 120)))"
    )

    async def story(page: chromium.Chromium) -> None:
        await page.size(320, 800)
        await page.open(f"{live.parts.public_url}/?lang={tag}")
        for name, reach in STATES.items():
            await reach(page, live)
            assert await page.script("document.documentElement.lang") == tag, name
            assert await page.script(sideways) <= 320, (name, tag)
            assert json.loads(await page.script(small)) == [], (name, tag)

    chromium.drive(tmp_path / "profile", ALICE, story)


@pytest.mark.timeout(300)
def test_nothing_moves_by_itself_nothing_complains_and_nothing_comes_from_elsewhere(
    live: World, tmp_path: Path
) -> None:
    shifts: dict[str, str] = {}

    async def story(page: chromium.Chromium) -> None:
        await page.size(1280)
        await page.open(live.parts.public_url)
        for name, reach in STATES.items():
            await reach(page, live)
            shifts[name] = await page.script(
                "JSON.stringify(window.shifts) + (window.shifts.length ?"
                " document.querySelector('[role=alert]')?.textContent : '')"
            )

    page = chromium.drive(tmp_path / "profile", ALICE, story)
    assert set(shifts.values()) == {"[]"}, shifts
    unexpected = [said for said in page.complaints if "404" not in said]
    assert unexpected == [], "the one complaint is the page that is not there"
    others = [
        url for url in page.fetched if not url.startswith((live.parts.public_url + "/", "data:"))
    ]
    assert others == []


def test_the_heaviest_page_stays_light_and_each_way_loads_its_script_only_when_taken(
    live: World, tmp_path: Path
) -> None:
    """Uncompressed, everything a first visit to each step fetches, with no cache at all."""
    weights: dict[str, int] = {}
    total = (
        "performance.getEntriesByType('resource').concat(performance.getEntriesByType("
        "'navigation')).reduce((sum, each) => sum + each.decodedBodySize, 0)"
    )

    async def story(page: chromium.Chromium) -> None:
        await page.open(live.parts.public_url)
        await page.call("Network.setCacheDisabled", cacheDisabled=True)
        for name, reach in STATES.items():
            await reach(page, live)
            weights[name] = await page.script(total)
            fetched = {url.rpartition("/")[2] for url in page.fetched}
            if name == "04-prove":
                assert not {"documents.js", "credential.js", "handoff.js"} & fetched
            if name == "05-handoff":
                assert "handoff.js" in fetched
                assert not {"documents.js", "credential.js"} & fetched

    chromium.drive(tmp_path / "profile", ALICE, story)
    print({"heaviest page, bytes": max(weights.values()), "of": max(weights, key=weights.get)})  # type: ignore[arg-type]
    assert max(weights.values()) <= WEIGHT_MOST, weights
    folder = sum(path.stat().st_size for path in assets.FOLDER.iterdir())
    assert folder <= WEIGHT_MOST, "all styles, scripts and pictures there are"


def test_the_second_page_fetches_no_file_again(live: World, tmp_path: Path) -> None:
    async def story(page: chromium.Chromium) -> None:
        await page.open(live.parts.public_url)
        await page.ready()
        await page.go(f"{live.parts.public_url}/phone")
        await page.ready()
        again = await page.script(
            "performance.getEntriesByType('resource').filter(e => e.name.endsWith('page.css')"
            " || e.name.endsWith('page.js')).map(e => e.transferSize).join()"
        )
        assert again == "0,0"

    chromium.drive(tmp_path / "profile", ALICE, story)
    assert time.time()
