"""The page in a real browser with a wallet: from a refusal's link to a key."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kycgate.store.base import Refusal
from tests.web import chromium
from tests.web.browser import ALICE, key_of
from tests.web.live import listening, live_world
from tests.web.world import World

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium.program() is None, reason="Chromium is missing: make setup"),
]
REFUSAL = "Zk1x0aPq7-LmN_2wYt8RuA"


@pytest.fixture
def live(tmp_path: Path) -> Iterator[World]:
    with live_world(tmp_path / "gate.db") as world:
        yield world


def test_a_stranger_goes_from_the_refusal_to_a_key(live: World, tmp_path: Path) -> None:
    asked = {"action": "rent", "gpu_model": "H100", "gpu_count": 8, "hours": 24}
    live.store.add_refusal(Refusal(REFUSAL, 1, asked, ("missing:attestation",), "rent.test"))

    async def story(page: chromium.Chromium) -> None:
        await page.open(f"{live.parts.public_url}/r/{REFUSAL}")
        await page.script("document.querySelector('a.button').click()")
        await page.until("document.getElementById('connect')")
        await page.script("document.getElementById('connect').click()")
        await page.until("!document.getElementById('open-case').hidden")
        await page.script("document.querySelector('[value=organisation]').click()")
        for name, value in {
            "name": "Straits Compute",
            "registration_number": "202012345K",
            "country": "sg",
            "headquarters_country": "SG",
            "representative": "Mei Tan",
        }.items():
            await page.script(
                f"document.querySelector('#organisation [name={name}]').value='{value}'"
            )
        await page.script("document.getElementById('add-parent').click()")
        await page.script("document.querySelector('#parents [name=parent_name]').value='Top Co'")
        await page.script("document.querySelector('#parents [name=parent_country]').value='cn'")
        await page.script("document.querySelector('[name=topmost]').click()")
        await page.script("document.querySelector('#open-case [type=submit]').click()")
        await page.until("document.getElementById('state').textContent.startsWith('Checking')")
        (case,) = live.store.cases(account=key_of(ALICE))
        live.registrar.decide_case(case.id, "approved", now=int(time.time()))
        await page.until("document.getElementById('state').textContent.startsWith('Approved')")
        await page.script("document.querySelector('#make-key [type=submit]').click()")
        await page.until("!document.getElementById('new-key').hidden")
        shown = await page.script("document.getElementById('commands').textContent")
        assert "export IOCLOUD_BASE_URL=http://rent.test" in shown
        assert "export IOCLOUD_API_KEY=kg_" in shown
        assert "…" not in shown

    page = chromium.drive(tmp_path / "profile", ALICE, story)
    told = live.registrar.told[0]
    assert told["parent"] == {"name": "Top Co", "country": "CN", "parent": None}
    assert told["country"] == "SG"
    assert live.store.cases(account=key_of(ALICE))[0].refusal_id == REFUSAL
    assert len(live.store.keys_of(key_of(ALICE))) == 1
    assert len(page.signed) == 1
    unexpected = [said for said in page.complaints if "401" not in said]
    assert unexpected == [], "the only complaint is the status asked before signing in"


def test_a_page_of_another_site_gets_nothing_from_the_api(live: World, tmp_path: Path) -> None:
    """Same machine, other port: another origin. No answer is readable, no change happens."""

    def other(environ: object, start_response: object) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/html")])  # type: ignore[operator]
        return [b"<!doctype html><title>evil</title>"]

    with listening(other) as evil:

        async def story(page: chromium.Chromium) -> None:
            await page.open(live.parts.public_url)
            await page.script("document.getElementById('connect').click()")
            await page.until("!document.getElementById('signed').hidden")
            await page.call("Page.navigate", url=evil)
            await page.until("document.title === 'evil'")
            target = f"{live.parts.public_url}/v1/keys"
            read = await page.script(
                f"fetch('{target}', {{credentials: 'include'}}).then(r => r.text(), e => 'blocked')"
            )
            assert read == "blocked"
            await page.script(
                f"fetch('{target}', {{method: 'POST', mode: 'no-cors', credentials: 'include',"
                " headers: {'Content-Type': 'text/plain'}, body: '{}'}).catch(() => 0)"
            )

        chromium.drive(tmp_path / "profile", ALICE, story)
    assert live.store.keys_of(key_of(ALICE)) == []
