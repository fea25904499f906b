"""Pictures of every state of the renter's pages, on a desktop and a phone, into build/shots.

`python -m tests.web.shots [language]`. Asserts nothing: people look at the pictures.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from kycgate.core.claims import Account
from kycgate.store.base import Refusal
from tests.tools import REPO
from tests.web import chromium
from tests.web.browser import ALICE, key_of
from tests.web.live import live_world
from tests.web.world import World

REFUSAL = "Zk1x0aPq7-LmN_2wYt8RuA"
SIZES = {"desktop": (1280, 900, False), "phone": (390, 844, True)}
_CASE = {
    "action": "rent",
    "gpu_model": "H100",
    "gpu_count": 8,
    "hours": 24,
    "marketplace": "io.net",
}


async def _all(page: chromium.Chromium, world: World, folder: Path, language: str) -> None:
    origin = world.parts.public_url

    async def shoot(name: str) -> None:
        await asyncio.sleep(0.3)
        for size, (width, height, mobile) in SIZES.items():
            await page.size(width, height, mobile=mobile)
            await asyncio.sleep(0.15)
            await page.shot(folder / f"{name}-{size}.png")
        await page.size(1280)

    await page.open(f"{origin}/r/{REFUSAL}?lang={language}")
    await shoot("01-refusal")
    await page.click("a.button")
    await page.ready()
    await shoot("02-connect")
    await page.click("#other summary")
    await page.fill("[name=account]", key_of(ALICE))
    await page.click("#ask-message [type=submit]")
    await page.until("!document.querySelector('#paste').hidden")
    await shoot("03-paste")
    await page.click("#connect")
    await page.until("document.querySelector('[data-module=prove]')")
    await page.ready()
    await shoot("04-prove")
    if await page.script("Boolean(document.querySelector('[data-way=handoff]'))"):
        await page.click("[data-way=handoff]")
        await page.until("document.querySelector('#handoff-link')")
        await shoot("05-handoff")
        link = await page.script("document.querySelector('#handoff-link').textContent")
    else:
        link = None
    await page.go(f"{origin}/person")
    await page.ready()
    await shoot("06-person")
    await page.go(f"{origin}/organisation")
    await page.ready()
    for selector in ("#add-parent", "#add-parent"):
        await page.click(selector)
    await page.click("#details [type=submit]")
    await shoot("07-organisation")
    world.registrar.open_case(
        Account(ALICE.address), 1, {"name": "Ada"}, refusal_id=None, now=int(time.time())
    )
    for state in ("submitted", "refused", "revoked", "approved"):
        if state != "submitted":
            world.registrar.decide_case("case_01", state, now=int(time.time()))
        await page.go(origin + "/")
        await page.ready()
        await shoot(f"08-{state}")
    await page.click("#make-key")
    await page.until("!document.querySelector('#key-made').hidden")
    await shoot("09-key")
    await page.prefer(color_scheme="dark")
    await shoot("10-dark")
    await page.prefer(color_scheme="light")
    await page.go(f"{origin}/account")
    await page.ready()
    await shoot("11-account")
    await page.go(f"{origin}/nowhere")
    await shoot("12-problem")
    await page.call("Network.clearBrowserCookies")
    await page.go(f"{origin}/phone")
    await page.ready()
    await shoot("13-phone-code")
    if link is not None:
        await page.go(f"{origin}/back?x=1")
        await page.go(link)
        await page.until("!document.querySelector('#compare').hidden")
        await shoot("14-phone-compare")
        await page.click("#claim")
        await page.until("document.querySelector('[data-module=prove]')")
        await page.ready()
        await shoot("15-phone-prove")


def main() -> None:
    language = sys.argv[1] if len(sys.argv) > 1 else "en"
    folder = REPO / "build" / "shots" / language
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        where = Path(scratch)
        with live_world(where / "gate.db") as world:
            world.store.add_refusal(
                Refusal(REFUSAL, int(time.time()), _CASE, ("missing:attestation",), "rent.test")
            )

            async def story(page: chromium.Chromium) -> None:
                await _all(page, world, folder, language)

            chromium.drive(where / "profile", ALICE, story)
    print(f"{len(list(folder.iterdir()))} pictures in {folder}")


if __name__ == "__main__":
    main()
