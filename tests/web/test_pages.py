"""The pages people read: open to everyone, about nobody, and without a script from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from kycgate.store.base import Refusal
from tests.web.browser import ALICE, Browser, key_of
from tests.web.world import T0, World

REFUSAL = "Zk1x0aPq7-LmN_2wYt8RuA"


class _Page(HTMLParser):
    """What a page loads, links to and contains."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def _refusal(world: World, **asked: Any) -> str:
    job = {"marketplace": "harbour", "action": "rent", "gpu_model": "H100", "gpu_count": 8}
    told = job | {"hours": 24} | asked
    codes = ("missing:attestation", "under_review")
    world.store.add_refusal(Refusal(REFUSAL, T0, told, codes, "rent.test"))
    return Browser(world, origin=None).get(f"/r/{REFUSAL}").text


def test_a_refusals_link_opens_without_login_and_says_what_and_why(world: World) -> None:
    page = _refusal(world)
    assert "8 × H100, 24 h" in page
    assert "harbour" in page
    assert "There is no valid identity attestation for this account yet." in page
    assert "10 years after your last rental" in page


def test_the_next_commands_are_exact(world: World) -> None:
    page = _refusal(world)
    assert "kycgate renter login --gate http://gate.test --key-file KEYSTORE" in page
    assert f"kycgate renter verify --gate http://gate.test --refusal {REFUSAL}" in page
    assert "export IOCLOUD_BASE_URL=http://rent.test" in page
    assert "export IOCLOUD_API_KEY=kg_…" in page


def test_a_refusals_page_shows_no_account(world: World) -> None:
    page = _refusal(world, resource="0x" + "ab" * 20)
    assert not re.search(r"0x[0-9a-fA-F]{40}", page)
    assert key_of(ALICE) not in page


def test_hostile_text_in_a_job_stays_text(world: World) -> None:
    page = _refusal(world, gpu_model='<script>alert(1)</script>"onload=x', marketplace="<b>x")
    assert "<script>alert" not in page
    assert "<b>x" not in page


@pytest.mark.parametrize("refusal_id", ["x", "A" * 22, "a" * 65, "..%2f..%2fetc", "%00" * 20])
def test_an_unknown_link_is_a_plain_404(world: World, refusal_id: str) -> None:
    response = Browser(world, origin=None).get(f"/r/{refusal_id}")
    assert response.status_code == 404
    assert response.mimetype == "text/html"
    assert "Traceback" not in response.text


@pytest.mark.parametrize("path", ["/", f"/r/{REFUSAL}"])
def test_pages_load_only_what_we_serve_and_nothing_inline(world: World, path: str) -> None:
    _refusal(world)
    browser = Browser(world, origin=None)
    page = _Page(browser.get(path).text)
    for tag, attributes in page.tags:
        assert "style" not in attributes, "the policy forbids inline style"
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href"):
            target = attributes.get(name)
            if target is None:
                continue
            assert target.startswith(("/", "#")), target
            if tag in ("script", "link", "img"):
                loaded = browser.get(target)
                assert loaded.status_code == 200, target
                assert loaded.headers["X-Content-Type-Options"] == "nosniff"
                loaded.close()
        if tag == "script":
            assert attributes.get("src"), "no inline script"


def test_every_input_has_a_label(world: World) -> None:
    html = Browser(world, origin=None).get("/").text
    without = re.sub(r"<label\b.*?</label>", "", html, flags=re.DOTALL)
    assert not re.search(r"<(input|select|textarea)\b", without)


def test_the_whole_page_is_small(world: World) -> None:
    browser = Browser(world, origin=None)
    total = 0
    for path in ("/", "/static/page.css", "/static/page.js", "/static/mark.svg"):
        response = browser.get(path)
        total += len(response.data)
        response.close()
    assert total < 150_000


def test_the_page_reads_without_script(world: World) -> None:
    html = Browser(world, origin=None).get("/").text
    assert "<noscript>" in html
    assert "kycgate renter login --gate http://gate.test" in html
    assert "What is collected, and for how long" in html


def test_the_refusals_page_runs_no_script_at_all(world: World) -> None:
    assert "<script" not in _refusal(world)
