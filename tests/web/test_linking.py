"""A scheduler's user is linked on the account page: in a real browser, through the real hook."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kycgate.audit import DecisionLog
from kycgate.core.claims import Account, checksum
from kycgate.gateway.hooks import HookCaller
from kycgate.gateway.hooks.admission import Admissions
from kycgate.gateway.hooks.door import answer
from kycgate.gateway.hooks.dstack import Dstack
from kycgate.gateway.hooks.linking import Linking
from kycgate.gateway.hooks.skypilot import SkyPilot
from kycgate.store.records.signin import Session
from kycgate.web.access import token_hash
from tests.gateway.hooks.conftest import run, task
from tests.gateway.world import GPUS
from tests.gateway.world import World as Gate
from tests.web import chromium
from tests.web.browser import ALICE, MALLORY, key_of
from tests.web.live import live_world
from tests.web.world import World

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium.program() is None, reason="Chromium is missing: make setup"),
]
_CODE = "document.querySelector('#code').textContent.trim()"
_LIVE = "document.getElementById('live').textContent"
_FOCUS = "document.activeElement.id"


@pytest.fixture
def live(tmp_path: Path) -> Iterator[World]:
    with live_world(tmp_path / "gate.db") as world:
        yield world


def _shown_to(world: World, name: str, made: Any, path: str, body: Any) -> str:
    """What the scheduler's user is told by the hook, over the control plane's own store."""
    gate = Gate()
    caller = HookCaller(
        name,
        hashlib.sha256(b"secret").digest(),
        made(GPUS.classify),
        Admissions(gate.parts, gate.store, name, name),
        Linking(world.store, DecisionLog(world.store, None), name, world.parts.public_url),
    )
    _, _, said = answer(caller, path, json.dumps(body).encode(), int(time.time()))
    return said.decode()


def _to_dstack(world: World, code: str, user: str) -> str:
    body = run() | {"user": user, "spec": run()["spec"] | {"run_name": code}}
    return _shown_to(world, "main", Dstack, "/apply_policies/on_run_apply", body)


def _to_skypilot(world: World, code: str) -> str:
    return _shown_to(world, "sky", SkyPilot, "/policy", json.dumps(task(f"name: {code}\n")))


def _old_session(world: World) -> str:
    """A sign-in of two hours ago: it still reads, and draws no code."""
    token, now = "kgs_" + "o" * 43, int(time.time())
    held = Session(token_hash(token), key_of(ALICE), "sign-in", now - 7200, now + 7200)
    world.store.add_session(held)
    return token


async def _signed_in_long_ago(page: chromium.Chromium, world: World, path: str) -> None:
    await page.open(world.parts.public_url)
    origin, token = world.parts.public_url, _old_session(world)
    await page.call("Network.setCookie", name="kycgate_session", value=token, url=origin)
    await page.go(origin + path)
    await page.ready()


async def _open(page: chromium.Chromium, world: World) -> None:
    await page.open(f"{world.parts.public_url}/account")
    await page.ready()
    await page.click("#connect")
    await page.until("document.querySelector('[data-module=account]')")
    await page.ready()


async def _drawn(page: chromium.Chromium) -> str:
    await page.click("#draw-code")
    await page.until("document.querySelector('#user-code').checkVisibility()")
    return str(await page.script(_CODE))


def test_a_code_is_drawn_shown_to_dstack_and_the_user_appears_and_is_ended(
    live: World, tmp_path: Path
) -> None:
    async def story(page: chromium.Chromium) -> None:
        await _open(page, live)
        code = await _drawn(page)
        assert await page.script(_FOCUS) == "code"
        for kind in ("dstack", "skypilot"):
            lines = await page.script(f"document.querySelector('#show-{kind}').textContent")
            assert code in lines
            assert "•" not in lines
        waiting = await page.script("document.querySelector('#user-state').textContent")
        assert "until" in waiting
        assert "Linked" in await chromium.aside(_to_dstack, live, code, "ann")
        await page.until("document.querySelector('#users li')")
        assert "ann" in await page.script("document.querySelector('#users').innerText")
        assert await page.script("document.querySelector('#user-code').hidden")
        linked = "Linked: ann at main now rents as this wallet."
        assert await page.script(_LIVE) == linked
        assert await page.script("document.querySelector('#user-linked').innerText") == linked
        assert await page.script(_FOCUS) == "h-users", "the reader stays at this part"
        await page.ready()
        await page.click("[data-end]")
        await page.until("!document.querySelector('#users li')")
        assert await page.script("document.querySelector('#no-users').checkVisibility()")
        assert "ended" in await page.script(_LIVE)
        assert await page.script(_FOCUS) == "h-users"

    page = chromium.drive(tmp_path / "profile", ALICE, story)
    assert live.store.linked_user("main", "ann", now=int(time.time())) is None
    assert page.complaints == []


def test_the_whole_way_by_keyboard_and_skypilots_user_appears(live: World, tmp_path: Path) -> None:
    async def story(page: chromium.Chromium) -> None:
        await _open(page, live)
        await page.script("document.querySelector('#draw-code').focus()")
        await page.press("Enter")
        await page.until("document.querySelector('#user-code').checkVisibility()")
        code = await page.script(_CODE)
        await page.press("Tab")
        copied = "document.activeElement.dataset.copy"
        assert await page.script(copied) == "code", "the copy button comes right after the code"
        assert "Linked" in await chromium.aside(_to_skypilot, live, code)
        await page.until("document.querySelector('#users li')")
        assert "8f3a2b1c" in await page.script("document.querySelector('#users').innerText")

    chromium.drive(tmp_path / "profile", ALICE, story)
    link = live.store.linked_user("sky", "8f3a2b1c", now=int(time.time()))
    assert link is not None
    assert link.account == key_of(ALICE)


def test_a_withdrawn_code_links_nobody_and_another_can_be_drawn(
    live: World, tmp_path: Path
) -> None:
    async def story(page: chromium.Chromium) -> None:
        await _open(page, live)
        code = await _drawn(page)
        await page.click("#withdraw-code")
        await page.until("document.querySelector('#user-code').hidden")
        assert await page.script(_FOCUS) == "draw-code"
        state = "document.querySelector('#user-state').textContent"
        assert "withdrawn" in await page.script(state)
        assert "not known" in await chromium.aside(_to_dstack, live, code, "ann")
        again = await _drawn(page)
        assert again != code
        lines = await page.script("document.querySelector('#show-dstack').textContent")
        assert again in lines
        assert code not in lines

    chromium.drive(tmp_path / "profile", ALICE, story)


def test_a_code_that_ends_unshown_says_so(live: World, tmp_path: Path) -> None:
    async def story(page: chromium.Chromium) -> None:
        await _open(page, live)
        await page.script("document.querySelector('#user-code').dataset.life = '0'")
        await page.click("#draw-code")
        state = "document.querySelector('#user-state').textContent"
        await page.until(f"{state}.includes('expired')")
        assert await page.script("document.querySelector('#user-code').hidden")
        assert await page.script("document.querySelector('#draw-code').checkVisibility()")
        assert await page.script(_FOCUS) == "draw-code"

    chromium.drive(tmp_path / "profile", ALICE, story)


def test_an_old_sign_in_is_renewed_by_the_same_wallet_and_by_no_other(
    live: World, tmp_path: Path
) -> None:
    """Drawing a code wants the wallet itself: the page asks it, not for a way round."""

    async def story(page: chromium.Chromium) -> None:
        await _signed_in_long_ago(page, live, "/account")
        other = checksum(MALLORY.address)
        await page.script(f"window.walletAccount = '{other}'")
        await page.click("#draw-code")
        await page.until("!document.querySelector('[role=alert]').hidden")
        assert "another account" in await page.script(
            "document.querySelector('[role=alert]').textContent"
        )
        assert await page.script("document.body.dataset.account") == key_of(ALICE)
        await page.script(f"window.walletAccount = '{checksum(ALICE.address)}'")
        await _drawn(page)

    page = chromium.drive(tmp_path / "profile", ALICE, story)
    assert len(page.signed) == 1, "the wallet signed once, for its own account"
    assert len(live.store.user_links_of(key_of(ALICE))) == 1


def test_a_key_wanted_hours_after_the_sign_in_is_made_once_the_wallet_has_signed(
    live: World, tmp_path: Path
) -> None:
    account, now = Account(ALICE.address), int(time.time())
    case = live.registrar.open_case(account, 1, {"name": "Ada"}, refusal_id=None, now=now)
    live.registrar.decide_case(case.id, "approved", now=now)

    async def story(page: chromium.Chromium) -> None:
        await _signed_in_long_ago(page, live, "/")
        await page.click("#make-key")
        await page.until("document.querySelector('#lines-ionet').textContent.includes('=kg_')")
        await page.until("!document.querySelector('#lines-ionet').textContent.includes('•')")

    page = chromium.drive(tmp_path / "profile", ALICE, story)
    assert len(page.signed) == 1
    assert len(live.store.keys_of(key_of(ALICE))) == 1
