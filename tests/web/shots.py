"""Pictures of every state of the renter's pages, on a desktop and a phone, into build/shots.

`python -m tests.web.shots [language]`. Asserts nothing: people look at the pictures.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.tools import REPO
from tests.web import chromium
from tests.web.browser import ALICE
from tests.web.live import live_world
from tests.web.states import STATES, prepare
from tests.web.world import World

SIZES = {"desktop": (1280, 900, False), "phone": (390, 844, True)}
_DARK = ("04-prove", "12-key")
"""States that are also taken as a reader with a dark screen sees them."""


async def _shoot(page: chromium.Chromium, folder: Path, name: str) -> None:
    for size, (width, height, mobile) in SIZES.items():
        await page.size(width, height, mobile=mobile)
        await asyncio.sleep(0.2)
        await page.shot(folder / f"{name}-{size}.png")
    await page.size(1280)


async def _all(page: chromium.Chromium, world: World, folder: Path, language: str) -> None:
    await page.open(f"{world.parts.public_url}/?lang={language}")
    for name, reach in STATES.items():
        await reach(page, world)
        await _shoot(page, folder, name)
        if name in _DARK:
            await page.prefer(color_scheme="dark")
            await _shoot(page, folder, name + "-dark")
            await page.prefer(color_scheme="light")


def main() -> None:
    language = sys.argv[1] if len(sys.argv) > 1 else "en"
    folder = REPO / "build" / "shots" / language
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        where = Path(scratch)
        with live_world(where / "gate.db") as world:
            prepare(world)

            async def story(page: chromium.Chromium) -> None:
                await _all(page, world, folder, language)

            chromium.drive(where / "profile", ALICE, story)
    print(f"{len(list(folder.iterdir()))} pictures in {folder}")


if __name__ == "__main__":
    main()
