"""The pages people read: open to everyone, about nobody, and without a script from elsewhere."""

from __future__ import annotations

import itertools
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from kycgate.core.claims import Account
from kycgate.store.records.jobs import Refusal
from kycgate.web import assets
from kycgate.web.languages import NAMES, language
from tests.web.browser import ALICE, Browser, key_of, signed_in
from tests.web.world import GATE, T0, World

REFUSAL = "Zk1x0aPq7-LmN_2wYt8RuA"
PUBLIC = ("/", f"/r/{REFUSAL}", "/prove", "/person", "/organisation", "/account", "/phone", "/back")


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


def _approved(world: World) -> Browser:
    browser = signed_in(world)
    browser.post("/v1/cases", {"kind": "person", "details": {"name": "Ada", "country": "SG"}})
    world.registrar.decide_case("case_01", "approved", now=T0)
    return browser


# -- a refusal's link --------------------------------------------------------------------------


def test_a_refusals_link_opens_without_login_and_says_what_and_why(world: World) -> None:
    page = _refusal(world)
    assert "8 × H100, 24 h" in page
    assert "harbour" in page
    assert "Harbour GPU" in page
    assert "There is no valid identity attestation for this account yet." in page
    assert "10 years after your last rental" in page


def test_a_refusals_page_has_one_clear_next_step(world: World) -> None:
    page = _refusal(world)
    assert page.count('class="button') == 1
    assert f'href="/?refusal={REFUSAL}"' in page


def test_whose_user_is_not_linked_is_led_to_where_it_is_linked(world: World) -> None:
    world.store.add_refusal(Refusal(REFUSAL, T0, {}, ("missing:linked_user",), "rent.test"))
    page = Browser(world, origin=None).get(f"/r/{REFUSAL}").text
    assert page.count('class="button') == 1
    assert f'class="button wide" href="/account?refusal={REFUSAL}"' in page
    assert "kycgate renter link --gate http://gate.test" in page
    assert "IOCLOUD" not in page, "who rents through a scheduler needs no client's key"


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


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"hours": None}, "8 × H100, open-ended"),
        ({"hours": None, "action": "extend"}, "8 × H100"),
        ({"gpu_model": None, "hours": 3}, "GPU rental, 3 h"),
        ({"gpu_count": None}, "H100, 24 h"),
    ],
)
def test_a_job_is_told_as_far_as_it_is_known(
    world: World, asked: dict[str, Any], text: str
) -> None:
    assert f'<p class="job">{text}</p>' in _refusal(world, **asked)


def test_hostile_text_in_a_job_stays_text(world: World) -> None:
    page = _refusal(world, gpu_model='<script>alert(1)</script>"onload=x', marketplace="<b>x")
    assert "<script>alert" not in page
    assert "<b>x" not in page


def test_the_refusals_page_runs_no_script_at_all(world: World) -> None:
    assert "<script" not in _refusal(world)


@pytest.mark.parametrize("refusal_id", ["x", "A" * 22, "a" * 65, "..%2f..%2fetc", "%00" * 20])
def test_an_unknown_link_is_a_plain_404(world: World, refusal_id: str) -> None:
    response = Browser(world, origin=None).get(f"/r/{refusal_id}")
    assert response.status_code == 404
    assert response.mimetype == "text/html"
    assert "Traceback" not in response.text


def test_a_refusal_link_gives_no_right_over_a_case(world: World) -> None:
    """Whoever holds the link sees the job; case, account and status stay closed."""
    _refusal(world)
    alice = signed_in(world)
    details = {"name": "Ada", "country": "SG"}
    alice.post("/v1/cases", {"kind": "person", "details": details, "refusal_id": REFUSAL})
    stranger = Browser(world)
    for path in (f"/r/{REFUSAL}", f"/?refusal={REFUSAL}"):
        page = stranger.get(path).text
        assert key_of(ALICE) not in page
        assert "case_01" not in page
        assert "Ada" not in page
    for path in ("/v1/status", "/v1/cases/case_01", "/v1/attestation"):
        assert stranger.get(path).status_code == 401
    assert stranger.post("/v1/handoffs", {}).status_code == 401
    assert stranger.post("/v1/handoffs/look", {"code": REFUSAL}).status_code == 401


# -- what is loaded ----------------------------------------------------------------------------


def _all_pages(world: World) -> list[tuple[str, str]]:
    """Every page in every state a visitor of this world can be in."""
    _refusal(world)
    stranger, renter = Browser(world, origin=None), signed_in(world)
    found = [(path, stranger.get(path).text) for path in (*PUBLIC, "/nowhere")]
    found += [(path, renter.get(path).text) for path in ("/", "/person", "/organisation")]
    renter.post("/v1/cases", {"kind": "person", "details": {"name": "Ada", "country": "SG"}})
    for state in ("submitted", "refused", "revoked", "approved"):
        if state != "submitted":
            world.registrar.decide_case("case_01", state, now=T0)
        found += [(state, renter.get("/").text)]
    return [*found, ("/account", renter.get("/account").text)]


def test_pages_load_only_what_we_serve_and_nothing_inline(world: World) -> None:
    browser = Browser(world, origin=None)
    for where, html in _all_pages(world):
        for tag, attributes in _Page(html).tags:
            assert "style" not in attributes, "the policy forbids inline style"
            assert not [name for name in attributes if name.startswith("on")]
            for name in ("src", "href"):
                target = attributes.get(name)
                if target is None:
                    continue
                assert target.startswith(("/", "#")), (where, target)
                assert not target.startswith("//"), (where, target)
                if tag in ("script", "link", "img"):
                    loaded = browser.get(target)
                    assert loaded.status_code == 200, target
                    assert loaded.headers["X-Content-Type-Options"] == "nosniff"
                    loaded.close()
            if tag == "script":
                assert attributes.get("src"), "no inline script"


def test_every_page_is_well_formed_for_assistive_technology(world: World) -> None:
    """Title, language, viewport, one first heading, headings in order, unique ids, labels."""
    for where, html in _all_pages(world):
        tags = _Page(html).tags
        assert re.search(r"<title>\S.*</title>", html), where
        assert ("html", {"lang": "en"}) in tags, where
        viewport = {"name": "viewport", "content": "width=device-width, initial-scale=1"}
        assert ("meta", viewport) in tags, where
        levels = [int(tag[1]) for tag, _ in tags if re.fullmatch(r"h[1-6]", tag)]
        assert levels.count(1) == 1, where
        assert levels[0] == 1, where
        steps = [later - earlier for earlier, later in itertools.pairwise(levels)]
        assert max(steps, default=0) <= 1, (where, levels)
        ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
        assert len(set(ids)) == len(ids), where
        without = re.sub(r"<label\b.*?</label>", "", html, flags=re.DOTALL)
        assert not re.search(r"<(input|select|textarea)\b", without), where
        for tag, attributes in tags:
            if tag == "img":
                assert "alt" in attributes, where
            if tag == "button":
                assert attributes.get("type"), where


def test_static_files_are_kept_for_good_under_an_address_of_their_content(world: World) -> None:
    browser = Browser(world, origin=None)
    for path in sorted(assets.FOLDER.iterdir()):
        response = browser.get(assets.asset(path.name))
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        response.close()
    stale = browser.get("/static/000000000000/page.css")
    assert stale.status_code == 404
    assert stale.headers["Cache-Control"] == "no-store"
    assert browser.get(f"{assets.base()}/nothing.js").headers["Cache-Control"] == "no-store"
    assert browser.get("/").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("name", ["../pages.py", "%2e%2e/pages.py", "..%2fpages.py", "/etc/passwd"])
def test_nothing_outside_the_static_folder_is_served(world: World, name: str) -> None:
    response = Browser(world, origin=None).get(f"{assets.base()}/{name}")
    assert response.status_code == 404


@pytest.mark.parametrize("path", PUBLIC)
def test_no_page_can_be_framed_and_none_sends_a_referrer(world: World, path: str) -> None:
    _refusal(world)
    headers = Browser(world, origin=None).get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"


def test_the_page_reads_without_script(world: World) -> None:
    html = Browser(world, origin=None).get("/").text
    assert "<noscript>" in html
    assert "kycgate renter login --gate http://gate.test" in html
    assert "What is collected, and for how long" in html


# -- the steps ---------------------------------------------------------------------------------


def test_each_state_has_its_page_at_the_same_address(world: World) -> None:
    assert "Connect the wallet you rent with" in Browser(world).get("/").text
    browser = signed_in(world)
    assert "Prove who you are" in browser.get("/").text
    browser.post("/v1/cases", {"kind": "person", "details": {"name": "Ada", "country": "SG"}})
    assert "We are checking" in browser.get("/").text
    world.registrar.decide_case("case_01", "refused", now=T0)
    page = browser.get("/").text
    assert "This was not approved" in page
    assert "help@harbour.test" in page, "the way to appeal"
    world.registrar.decide_case("case_01", "revoked", now=T0)
    assert "The approval no longer holds" in browser.get("/").text
    world.registrar.decide_case("case_01", "approved", now=T0)
    assert "You can rent now" in browser.get("/").text


def test_no_page_shows_what_was_typed(world: World) -> None:
    browser = signed_in(world)
    hostile = {"name": "<img src=x onerror=alert(1)>", "country": "SG"}
    browser.post("/v1/cases", {"kind": "person", "details": hostile})
    for path in ("/", "/account", "/person", "/organisation"):
        assert "onerror" not in browser.get(path).text


def test_after_approval_the_commands_of_every_client_are_exact(world: World) -> None:
    page = _approved(world).get("/").text.replace("&#34;", '"').replace("&#39;", "'")
    for line in (
        "export IOCLOUD_BASE_URL=http://rent.test",
        "export VAST_URL=http://rent.test",
        "export RUNPOD_API_BASE_URL=http://rent.test",
        'with RenterSession("http://gate.test", marketplace="http://rent.test", key="kg_•',
        "kycgate sidecar --gate http://gate.test --upstream http://rent.test",
    ):
        assert line in page, line
    tabs = re.findall(r'role="tab" id="tab-(\w+)"', page)
    assert tabs == ["own", "ionet", "vast", "runpod", "python", "sidecar"]


@pytest.mark.parametrize("path", ["/", "/account", "/person", "/organisation"])
def test_a_page_shows_another_renter_nothing_of_a_case(world: World, path: str) -> None:
    _approved(world)
    from tests.web.browser import MALLORY

    page = signed_in(world, MALLORY).get(path).text
    assert key_of(ALICE) not in page
    assert "case_01" not in page
    assert "You can rent now" not in page


@pytest.mark.parametrize(
    "query",
    [
        "refusal=//evil.test",
        "refusal=javascript:alert(1)",
        'refusal="><script>alert(1)</script>',
        "next=//evil.test",
        "refusal=" + "a" * 200,
        "url=https://evil.test&return=https://evil.test",
    ],
)
@pytest.mark.parametrize("path", PUBLIC)
def test_no_parameter_bends_a_link_or_a_redirect(world: World, path: str, query: str) -> None:
    _refusal(world)
    for browser in (Browser(world, origin=None), signed_in(world)):
        response = browser.get(f"{path}?{query}")
        assert response.status_code == 200
        assert "Location" not in response.headers
        assert "evil" not in response.text
        assert "alert(1)" not in response.text


# -- languages ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "tag"),
    [
        ("", "en"),
        ("fr", "fr"),
        ("fr-CH, fr;q=0.9, en;q=0.8", "fr"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans"),
        ("zh-Hans-SG", "zh-Hans"),
        ("de, fr;q=0.3, en;q=0.7", "en"),
        ("en;q=0, fr;q=0.1", "fr"),
        ("tlh, x-klingon", "en"),
        ("*", "en"),
        ("fr;q=2", "en"),
        ("fr;q=abc,en", "en"),
        ("," * 5000 + "fr", "en"),
        ("é\u00ff", "en"),
    ],
)
def test_the_language_follows_the_browsers_wish(world: World, accept: str, tag: str) -> None:
    headers = {"Accept-Language": accept.encode("utf-8").decode("latin-1")}
    page = Browser(world, origin=None).get("/", **headers).text
    assert f'<html lang="{tag}">' in page


def test_a_language_once_chosen_is_kept_and_its_cookie_is_closed_to_scripts(world: World) -> None:
    browser = Browser(world, origin=None)
    chosen = browser.get("/?lang=fr")
    (cookie,) = chosen.headers.getlist("Set-Cookie")
    assert cookie.startswith("kycgate_lang=fr;")
    assert "HttpOnly" in cookie
    assert '<html lang="fr">' in chosen.text
    assert '<html lang="fr">' in browser.get("/", **{"Accept-Language": "zh"}).text
    assert '<html lang="fr">' in browser.get("/nowhere").text, "errors too"
    assert '<html lang="zh-Hans">' in browser.get("/?lang=zh-Hans").text


@pytest.mark.parametrize("lang", ["xx", "../en", "en%0d%0aSet-Cookie:x", "", "fr&lang=en"])
def test_a_language_that_is_not_offered_is_an_error_and_no_cookie(world: World, lang: str) -> None:
    response = Browser(world, origin=None).get(f"/?lang={lang}")
    if lang.startswith("fr"):
        assert '<html lang="fr">' in response.text
        return
    assert response.status_code == 400
    assert "Set-Cookie" not in response.headers


def test_a_page_offers_every_language_and_keeps_the_readers_place(world: World) -> None:
    _refusal(world)
    page = Browser(world, origin=None).get(f"/?refusal={REFUSAL}").text
    for tag, name in NAMES.items():
        assert name in page
        if tag != "en":
            assert f'href="/?refusal={REFUSAL}&amp;lang={tag}"' in page


def test_the_api_speaks_one_language_and_codes(world: World) -> None:
    browser = signed_in(world)
    told = browser.get("/v1/status", **{"Accept-Language": "fr"}).get_json()
    assert told["state"] == "not_started"
    assert told["state_text"].startswith("Not started")


def test_the_package_ships_what_the_pages_need() -> None:
    setup = Path(__file__).resolve().parents[2].joinpath("setup.cfg").read_text("utf-8")
    assert "kycgate.web = templates/*, static/*, locales/*" in setup
    assert GATE
    assert Account


def test_where_there_is_nothing_the_page_says_so_once_in_the_readers_language(
    world: World,
) -> None:
    page = Browser(world, origin=None).get("/nowhere", **{"Accept-Language": "fr"}).text
    assert "There is nothing at this address" not in page
    assert page.count(language("fr").say("problem.404")) == 2, "title and heading"
