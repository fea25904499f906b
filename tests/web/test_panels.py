"""Panels of the pages that depend on what an operator has: a register, a hosted provider."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import responses

from kycgate.issuer.prefill import Prefill
from kycgate.screening.controls import load_default_policy
from kycgate.screening.ownership.register import MemoryRegister
from kycgate.web.app import create_app
from kycgate.web.parts import WebParts
from tests.issuer.providers import stand_in
from tests.issuer.test_prefill import Current, Opened
from tests.screening.ownership.world import COUNTRIES, company, controls
from tests.web import chromium
from tests.web.browser import ALICE
from tests.web.live import Late, listening
from tests.web.world import World, build, fresh_store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium.program() is None, reason="Chromium is missing: make setup"),
]
SG, FR = COUNTRIES.numeric("SG"), COUNTRIES.numeric("FR")
STRAITS, AUTRE, NOBODY = "529900T8BM49AURSDO55", "5493001KJTIIGC8Y1R12", "213800WSGIIZCXF1P572"
REGISTER = MemoryRegister(
    (
        company("straits", identifiers=(STRAITS,), legal=SG, numbers=((SG, "202012345K"),)),
        company("holding", "SG"),
        company("autre", identifiers=(AUTRE,), legal=FR, numbers=((FR, "552100554"),)),
    ),
    (controls("holding", "straits"),),
)


@contextmanager
def serving(path: Path, **parts: Any) -> Iterator[World]:
    """A control plane at an address, on the clock its providers stand still at."""
    store, late = fresh_store(path / "gate.db"), Late()
    with listening(late) as origin:
        world = build(store, load_default_policy(), public_url=origin, **parts)
        world.clock.at = stand_in.NOW
        late.app = create_app(world.parts)
        yield world
    store.close()


async def _sign_in(page: chromium.Chromium, parts: WebParts) -> None:
    await page.open(parts.public_url)
    await page.ready()
    await page.click("#connect")
    await page.until("document.querySelector('[data-module=prove]')")
    await page.ready()


# -- the register --------------------------------------------------------------------------------


@dataclass
class Form:
    """The organisation's form, as its reader sees it."""

    page: chromium.Chromium

    async def value(self, name: str) -> str:
        found = f"document.querySelector('[name={name}]').value"
        return str(await self.page.script(found))

    async def said(self) -> str:
        return str(await self.page.script("document.querySelector('#register-line').textContent"))

    async def errors(self) -> list[str]:
        texts = "JSON.stringify(Array.from(document.querySelectorAll('.error'), e => e.innerText))"
        found: list[str] = json.loads(await self.page.script(texts))
        return found

    async def parents(self) -> list[str]:
        names = "Array.from(document.querySelectorAll('#parents [data-name=name]'), f => f.value)"
        found: list[str] = json.loads(await self.page.script(f"JSON.stringify({names})"))
        return found

    async def asks(self, lei: str) -> None:
        await self.page.choose("[name=lei]", lei)


def test_another_number_replaces_what_the_register_said_and_nothing_that_was_typed(
    tmp_path: Path,
) -> None:
    register = Prefill(Current((Opened(REGISTER),)))

    async def story(page: chromium.Chromium) -> None:
        await _sign_in(page, world.parts)
        await page.go(f"{world.parts.public_url}/organisation")
        await page.ready()
        form = Form(page)
        await form.asks("5299")
        assert "20" in (await form.errors())[0], "a short number is not passed over in silence"
        await form.asks(NOBODY)
        await page.until("document.querySelector('.error')?.innerText.includes('no entry')")
        assert len(await form.errors()) == 1
        await form.asks(STRAITS)
        await page.until("document.querySelector('[name=name]').value === 'straits'")
        assert await form.errors() == [], "what was said of the number before no longer holds"
        assert "Filled in" in await form.said()
        assert await form.parents() == ["holding"]
        await page.choose("[name=registration_number]", "typed by hand")
        await form.asks(AUTRE)
        await page.until("document.querySelector('[name=name]').value === 'autre'")
        assert await form.value("country") == "FR"
        assert await form.value("registration_number") == "typed by hand"
        assert await form.parents() == [], "the other company's owners are not this one's"
        await form.asks(NOBODY)
        await page.until("document.querySelector('.error')")
        assert "Filled in" not in await form.said()

    with serving(tmp_path, register=register) as world:
        chromium.drive(tmp_path / "profile", ALICE, story)


# -- a hosted provider ---------------------------------------------------------------------------


def test_where_nothing_is_to_be_done_at_the_provider_its_link_is_not_offered(
    tmp_path: Path,
) -> None:
    async def story(page: chromium.Chromium) -> None:
        await _sign_in(page, world.parts)
        await page.click("[data-way=persona]")
        await page.until("document.querySelector('.go')")
        assert await page.script("document.querySelector('.go').checkVisibility()")
        state = "document.querySelector('#way-state').textContent"
        for outcome, said in (("checking", "checking"), ("refused", "another way")):
            providers.says("persona", outcome)
            providers.heard("persona", n=len(outcome))
            providers.visits.run(now=stand_in.NOW)
            await page.until(f"{state}.includes({json.dumps(said)})")
            assert not await page.script("document.querySelector('.go').checkVisibility()")
        await page.click("#way-back")
        await page.click("[data-way=persona]")
        await page.until(f"{state}.includes('another way')")
        assert await page.script("document.querySelector('.go') === null")
        assert await page.script("document.querySelector('[role=alert]').hidden")

    with responses.RequestsMock(assert_all_requests_are_fired=False) as http:
        store = fresh_store(tmp_path / "providers.db")
        providers = stand_in.World(store, http, stand_in.MemoryOffice())
        with serving(tmp_path, verifications=providers.visits) as world:
            chromium.drive(tmp_path / "profile", ALICE, story)
        store.close()
