"""The pages in a real browser with a wallet: from a refusal's link to a key, by mouse and by
keyboard.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kycgate.core.claims import Account
from kycgate.store.base import Refusal
from tests.web import chromium
from tests.web.browser import ALICE, MALLORY, Browser, key_of, signature
from tests.web.live import listening, live_world
from tests.web.world import World

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium.program() is None, reason="Chromium is missing: make setup"),
]
REFUSAL = "Zk1x0aPq7-LmN_2wYt8RuA"
_ASKED = {"action": "rent", "gpu_model": "H100", "gpu_count": 8, "hours": 24}


@pytest.fixture
def live(tmp_path: Path) -> Iterator[World]:
    with live_world(tmp_path / "gate.db") as world:
        world.store.add_refusal(Refusal(REFUSAL, 1, _ASKED, ("missing:attestation",), "rent.test"))
        yield world


async def _sign_in(page: chromium.Chromium) -> None:
    await page.click("#connect")
    await page.until("document.querySelector('[data-module=prove]')")
    await page.ready()


def _decide(world: World, state: str) -> None:
    (case, *_) = world.store.cases(account=key_of(ALICE))
    world.registrar.decide_case(case.id, state, now=int(time.time()))


async def _organisation(page: chromium.Chromium) -> None:
    for name, value in {
        "name": "Straits Compute",
        "registration_number": "202012345K",
        "representative.name": "Mei Tan",
    }.items():
        await page.fill(f'[name="{name}"]', value)
    for name in ("country", "headquarters_country"):
        await page.choose(f'select[name="{name}"]', "SG")
    await page.click("[name=no_owner]")


def test_a_stranger_goes_from_the_refusal_to_a_key(live: World, tmp_path: Path) -> None:
    async def story(page: chromium.Chromium) -> None:
        await page.open(f"{live.parts.public_url}/r/{REFUSAL}")
        await page.click("a.button")
        await page.ready()
        await _sign_in(page)
        await page.click("a[href^='/organisation']")
        await page.until("document.querySelector('[data-kind=organisation]')")
        await page.ready()
        await _organisation(page)
        await page.click("#add-parent")
        await page.fill("#parents [data-name=name]", "Top Co")
        await page.fill("#parents [data-name=country]", "CN")
        await page.click("[name=top][value=none]")
        await page.click("#details [type=submit]")
        await page.until("document.querySelector('[data-module=watch]')")
        await page.ready()
        assert await page.script("location.pathname") == "/"
        _decide(live, "approved")
        await page.until("document.querySelector('[data-module=rent]')")
        await page.ready()
        said = await page.script("document.getElementById('live').textContent")
        assert "You can rent now" in said, "told to those who listen"
        await page.click("#make-key")
        await page.until(
            "document.querySelector('#key-made').checkVisibility({visibilityProperty: true})"
        )
        shown = await page.script("document.querySelector('#lines-own').textContent")
        assert "export IOCLOUD_BASE_URL=http://rent.test" in shown
        assert "export IOCLOUD_API_KEY=kg_" in shown
        assert "•" not in shown
        for tab in ("vast", "runpod", "python"):
            text = await page.script(f"document.querySelector('#lines-{tab}').textContent")
            assert "•" not in text, "the key stands in every client's lines"

    page = chromium.drive(tmp_path / "profile", ALICE, story)
    told = live.registrar.told[0]
    assert told["parent"] == {"name": "Top Co", "country": "CN", "parent": None}
    assert told["country"] == "SG"
    assert told["owners"] == [], "said to be nobody, not left unsaid"
    assert live.store.cases(account=key_of(ALICE))[0].refusal_id == REFUSAL
    assert len(live.store.keys_of(key_of(ALICE))) == 1
    assert len(page.signed) == 1
    assert page.complaints == [], "the console has nothing to say"
    others = [
        url for url in page.fetched if not url.startswith((live.parts.public_url + "/", "data:"))
    ]
    assert others == [], "no other origin"


def test_a_page_of_another_site_gets_nothing_from_the_api(live: World, tmp_path: Path) -> None:
    """Same machine, other port: another origin. No answer is readable, no change happens."""

    def other(environ: object, start_response: object) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/html")])  # type: ignore[operator]
        return [b"<!doctype html><title>evil</title>"]

    with listening(other) as evil:

        async def story(page: chromium.Chromium) -> None:
            await page.open(live.parts.public_url)
            await page.ready()
            await _sign_in(page)
            await page.go(evil)
            await page.until("document.title === 'evil'")
            for path in ("/v1/keys", "/v1/handoffs"):
                target = live.parts.public_url + path
                read = await page.script(
                    f"fetch('{target}', {{credentials: 'include'}})"
                    ".then(r => r.text(), e => 'blocked')"
                )
                assert read == "blocked"
                await page.script(
                    f"fetch('{target}', {{method: 'POST', mode: 'no-cors', credentials: 'include',"
                    " headers: {'Content-Type': 'text/plain'}, body: '{}'}).catch(() => 0)"
                )
            framed = (
                f"new Promise(done => {{ const f = document.createElement('iframe');"
                f" f.src = '{live.parts.public_url}'; f.onload = () => {{"
                " let seen = 'opaque'; try { seen = f.contentDocument.body.innerText } catch {}"
                " done(seen) }; document.body.append(f) })"
            )
            assert "Connect" not in await page.script(framed)

        chromium.drive(tmp_path / "profile", ALICE, story)
    assert live.store.keys_of(key_of(ALICE)) == []


# -- wallets -----------------------------------------------------------------------------------


def test_of_several_wallets_the_renter_picks_one_by_name(live: World, tmp_path: Path) -> None:
    async def story(page: chromium.Chromium) -> None:
        page.wallets = ("First <img src=x onerror=alert(1)>", "Second", "Third")
        await page.open(live.parts.public_url)
        await page.ready()
        await page.click("#connect")
        await page.until("document.querySelectorAll('#wallets button').length === 3")
        names = await page.script("document.querySelector('#wallets').innerText")
        assert "First <img src=x" in names, "a wallet's name is text"
        assert not await page.script("document.querySelector('#wallets img') !== null")
        assert await page.script("document.activeElement.textContent.startsWith('First')")
        await page.click("#wallets li:nth-child(2) button")
        await page.until("document.querySelector('[data-module=prove]')")

    page = chromium.drive(tmp_path / "profile", ALICE, story)
    assert len(page.signed) == 1
    assert page.complaints == []


def test_an_older_wallet_is_found_and_a_browser_without_one_says_what_to_do(
    live: World, tmp_path: Path
) -> None:
    async def story(page: chromium.Chromium) -> None:
        page.wallets = ()
        await page.open(live.parts.public_url)
        await page.ready()
        await page.script("window.kept = window.ethereum; delete window.ethereum")
        await page.click("#connect")
        await page.until("document.querySelector('[role=alert]').textContent")
        assert await page.script("document.querySelector('#other').open")
        await page.script("window.ethereum = window.kept")
        await page.script("window.walletDeclines = true")
        await page.click("#connect")
        await page.until("document.querySelector('[role=alert]').textContent.includes('sign')")
        await page.script("window.walletDeclines = false")
        await _sign_in(page)

    page = chromium.drive(tmp_path / "profile", ALICE, story)
    assert len(page.signed) == 1


def test_a_signature_made_elsewhere_is_pasted(live: World, tmp_path: Path) -> None:
    async def story(page: chromium.Chromium) -> None:
        await page.open(live.parts.public_url)
        await page.ready()
        await page.click("#other summary")
        await page.fill("[name=account]", "0x12")
        await page.click("#ask-message [type=submit]")
        field = "document.querySelector('[name=account]')"
        await page.until(f"{field}.getAttribute('aria-invalid') === 'true'")
        described = f"document.getElementById({field}.getAttribute('aria-describedby'))"
        assert "hexadecimal" in await page.script(f"{described}.textContent")
        assert await page.script(f"document.activeElement === {field}")
        await page.fill("[name=account]", key_of(ALICE))
        await page.click("#ask-message [type=submit]")
        await page.until("document.querySelector('#message').textContent")
        message = await page.script("document.querySelector('#message').textContent")
        await page.fill("[name=signature]", "0x" + signature(message, ALICE).hex())
        await page.click("#paste [type=submit]")
        await page.until("document.querySelector('[data-module=prove]')")

    page = chromium.drive(tmp_path / "profile", ALICE, story)
    assert page.signed == []
    assert page.complaints == []


def test_a_wallet_that_turns_to_another_account_is_noticed(live: World, tmp_path: Path) -> None:
    async def story(page: chromium.Chromium) -> None:
        await page.open(live.parts.public_url)
        await page.ready()
        await _sign_in(page)
        await page.script(f"walletTurnsTo('{key_of(MALLORY)}')")
        await page.until("!document.querySelector('[role=alert]').hidden")
        text = await page.script("document.querySelector('[role=alert]').textContent")
        assert key_of(MALLORY)[:6] in text
        assert key_of(ALICE)[-4:] in text
        await page.script(f"walletTurnsTo('{key_of(ALICE)}')")
        await page.until("document.querySelector('[role=alert]').hidden")

    chromium.drive(tmp_path / "profile", ALICE, story)


# -- forms -------------------------------------------------------------------------------------


def test_the_tree_of_parents_is_edited_by_keyboard_and_survives_a_reload(
    live: World, tmp_path: Path
) -> None:
    async def story(page: chromium.Chromium) -> None:
        await page.open(live.parts.public_url)
        await page.ready()
        await _sign_in(page)
        await page.go(f"{live.parts.public_url}/organisation")
        await page.ready()
        await _organisation(page)
        for name, country in (("Lower", "SG"), ("Upper", "CN")):
            await page.script("document.querySelector('#add-parent').focus()")
            await page.press("Enter")
            await page.until("document.activeElement.dataset.name === 'name'")
            await page.call("Input.insertText", text=name)
            last = "#parents li:last-child [data-name=country]"
            await page.fill(last, country)
        await page.script("document.querySelector('#parents li:last-child .up').focus()")
        await page.press("Enter")
        order = (
            "Array.from(document.querySelectorAll('#parents [data-name=name]'), f => f.value)"
            ".join()"
        )
        assert await page.script(order) == "Upper,Lower"
        assert await page.script("document.activeElement !== document.body")
        spoken = await page.script("document.getElementById('live').textContent")
        assert "1" in spoken, "a move is told to those who listen"
        await page.call("Page.reload")
        await page.until(f"{order} === 'Upper,Lower'")
        assert await page.script("document.querySelector('[name=name]').value") == "Straits Compute"
        await page.script("document.querySelector('#parents li:first-child .remove').focus()")
        await page.press("Enter")
        assert await page.script(order) == "Lower"
        await page.click("[name=top][value=unknown]")
        await page.click("#details [type=submit]")
        await page.until("document.querySelector('[data-module=watch]')")
        assert await page.script("Object.keys(sessionStorage).length") == 0, "nothing is left"

    page = chromium.drive(tmp_path / "profile", ALICE, story)
    assert live.registrar.told[0]["parent"] == {"name": "Lower", "country": "SG"}
    assert page.complaints == []


def test_what_is_missing_or_refused_is_said_at_its_field(live: World, tmp_path: Path) -> None:
    async def story(page: chromium.Chromium) -> None:
        await page.open(live.parts.public_url)
        await page.ready()
        await _sign_in(page)
        await page.go(f"{live.parts.public_url}/person")
        await page.ready()
        await page.click("#details [type=submit]")
        await page.until("document.querySelectorAll('.error').length === 2")
        assert await page.script("document.activeElement.name") == "name"
        labels = "Array.from(document.querySelectorAll('[aria-invalid]'), f => f.name).join()"
        assert await page.script(labels) == "name,country"
        options = await page.script("document.querySelector('[name=country]').innerText")
        assert "Singapore" in options, "names, no codes"
        await page.fill("[name=name]", "Ada")
        await page.fill("[name=country]", "SG")
        live.registrar.refuses = "details.name"
        await page.click("#details [type=submit]")
        await page.until("document.querySelectorAll('.error').length === 1")
        assert await page.script("document.activeElement.name") == "name"
        live.registrar.refuses = None
        await page.click("#details [type=submit]")
        await page.until("document.querySelector('[data-module=watch]')")

    chromium.drive(tmp_path / "profile", ALICE, story)
    assert live.registrar.told[-1] == {"name": "Ada", "country": "SG"}


def test_tabs_follow_the_arrow_keys(live: World, tmp_path: Path) -> None:
    async def story(page: chromium.Chromium) -> None:
        await _to_approved(page, live)
        await page.script("document.querySelector('[role=tab][aria-selected=true]').focus()")
        await page.press("ArrowRight")
        assert await page.script("document.activeElement.id") == "tab-ionet"
        assert await page.script("!document.querySelector('#panel-ionet').hidden")
        assert await page.script("document.querySelector('#panel-own').hidden")
        await page.press("End")
        assert await page.script("document.activeElement.id") == "tab-sidecar"
        await page.press("ArrowRight")
        assert await page.script("document.activeElement.id") == "tab-own"

    chromium.drive(tmp_path / "profile", ALICE, story)


async def _to_approved(page: chromium.Chromium, world: World) -> None:
    account, now = Account(ALICE.address), int(time.time())
    world.registrar.open_case(account, 1, {"name": "Ada"}, refusal_id=None, now=now)
    _decide(world, "approved")
    await page.open(world.parts.public_url)
    await page.ready()
    await page.click("#connect")
    await page.until("document.querySelector('[data-module=rent]')")
    await page.ready()


def test_a_renter_can_go_the_whole_way_by_keyboard_alone(live: World, tmp_path: Path) -> None:
    """Tab and Enter only; the focus can be seen at each stop."""

    async def tab_to(page: chromium.Chromium, selector: str) -> None:
        for _ in range(40):
            await page.press("Tab")
            if await page.script(f"document.activeElement.matches({json.dumps(selector)})"):
                seen = "getComputedStyle(document.activeElement).outlineStyle"
                assert await page.script(seen) == "solid", selector
                return
        raise AssertionError(f"Tab never came to {selector}")

    async def story(page: chromium.Chromium) -> None:
        await page.open(f"{live.parts.public_url}/r/{REFUSAL}")
        await tab_to(page, ".skip")
        await tab_to(page, "a.button")
        await page.press("Enter")
        await page.until("document.querySelector('[data-module=connect]')")
        await page.ready()
        await tab_to(page, "#connect")
        await page.press("Enter")
        await page.until("document.querySelector('[data-module=prove]')")
        await page.ready()
        heading = "document.activeElement === document.querySelector('h1')"
        assert await page.script(heading), "a new step begins at its heading"
        await tab_to(page, "a[href^='/person']")
        await page.press("Enter")
        await page.until("document.querySelector('[data-kind=person]')")
        await page.ready()
        await tab_to(page, "[name=name]")
        await page.call("Input.insertText", text="Ada Lovelace")
        await tab_to(page, "[name=country]")
        await page.fill("[name=country]", "SG")
        await tab_to(page, "[type=submit]")
        await page.press("Enter")
        await page.until("document.querySelector('[data-module=watch]')")

    page = chromium.drive(tmp_path / "profile", ALICE, story)
    assert page.complaints == []
    assert live.registrar.told == [{"name": "Ada Lovelace", "country": "SG"}]


def test_a_change_between_a_page_and_its_first_look_is_not_missed(
    live: World, tmp_path: Path
) -> None:
    """The page was drawn, then the case moved on before the script first asked."""

    async def story(page: chromium.Chromium) -> None:
        await page.open(live.parts.public_url)
        await page.ready()
        await _sign_in(page)
        account, now = Account(ALICE.address), int(time.time())
        live.registrar.open_case(account, 1, {"name": "Ada"}, refusal_id=None, now=now)
        _decide(live, "approved")
        await page.until("document.querySelector('[data-module=rent]')")

    chromium.drive(tmp_path / "profile", ALICE, story)


# -- hand-off ----------------------------------------------------------------------------------


def test_a_phone_compares_the_number_before_it_takes_over(live: World, tmp_path: Path) -> None:
    desktop = Browser(live, token=Browser(live, origin=None).sign_in(ALICE))
    made = desktop.post("/v1/handoffs", {}).get_json()
    second = {}

    async def story(page: chromium.Chromium) -> None:
        await page.size(390, 844, mobile=True)
        await page.open(made["url"])
        await page.until("!document.querySelector('#compare').hidden")
        assert await page.script("location.hash") == "", "the code is out of the address"
        assert await page.script("document.querySelector('#match').textContent") == made["match"]
        shown = await page.script("document.querySelector('#compare').innerText")
        assert key_of(ALICE) in shown
        assert "Harbour GPU" in shown
        assert desktop.get(f"/v1/handoffs/{made['id']}").get_json()["state"] == "opened"
        await page.click("#claim")
        await page.until("document.querySelector('[data-phone=yes]')")
        await page.ready()
        assert desktop.get(f"/v1/handoffs/{made['id']}").get_json()["state"] == "claimed"
        for path in ("/v1/status", "/v1/keys", "/v1/cases"):
            status = await page.script(f"fetch('{path}').then(r => r.status)")
            assert status == 403, path
        second["made"] = made
        await page.call("Network.clearBrowserCookies")
        await page.go(f"{live.parts.public_url}/r/{REFUSAL}")
        await page.go(made["url"])
        await page.until("document.querySelector('.error')")
        said = await page.script("document.querySelector('.error').textContent")
        assert "used" in said

    chromium.drive(tmp_path / "profile", MALLORY, story)
    assert second


def test_a_phone_that_says_no_has_taken_nothing(live: World, tmp_path: Path) -> None:
    desktop = Browser(live, token=Browser(live, origin=None).sign_in(ALICE))
    made = desktop.post("/v1/handoffs", {}).get_json()

    async def story(page: chromium.Chromium) -> None:
        await page.open(f"{live.parts.public_url}/phone")
        await page.ready()
        await page.fill("[name=code]", made["code"].upper())
        await page.click("#look [type=submit]")
        await page.click("#other")
        await page.until("!document.querySelector('[role=alert]').hidden")
        assert await page.script("document.querySelector('#compare').hidden")
        assert await page.script("document.cookie") == ""

    chromium.drive(tmp_path / "profile", ALICE, story)
    assert desktop.get(f"/v1/handoffs/{made['id']}").get_json()["state"] == "opened"
