"""Every state a renter can see, and how a browser gets there: for pictures and for measuring."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from kycgate.core.claims import Account
from kycgate.gateway.hooks.linking import code_hash
from kycgate.issuer.cases import Need
from kycgate.issuer.view import Standing
from kycgate.store.records.jobs import Refusal
from kycgate.store.records.signin import UserLink
from tests.web import chromium
from tests.web.browser import ALICE, Browser, key_of
from tests.web.world import World

REFUSAL = "Zk1x0aPq7-LmN_2wYt8RuA"
_ASKED = {
    "action": "rent",
    "gpu_model": "H100",
    "gpu_count": 8,
    "hours": 24,
    "marketplace": "io.net",
}
Reach = Callable[[chromium.Chromium, World], Awaitable[None]]


def prepare(world: World) -> None:
    """What must be in the store before the first state."""
    refusal = Refusal(REFUSAL, int(time.time()), _ASKED, ("missing:attestation",), "rent.test")
    world.store.add_refusal(refusal)


def _page(path: str) -> Reach:
    async def reach(page: chromium.Chromium, world: World) -> None:
        await page.go(world.parts.public_url + path)
        await page.until("document.readyState === 'complete'")
        if await page.script("document.querySelector('script') !== null"):
            await page.ready()

    return reach


async def _paste(page: chromium.Chromium, world: World) -> None:
    await page.click("#other summary")
    await page.fill("[name=account]", key_of(ALICE))
    await page.click("#ask-message [type=submit]")
    await page.until("!document.querySelector('#paste').hidden")


async def _signed_in(page: chromium.Chromium, world: World) -> None:
    await page.click("#connect")
    await page.until("document.querySelector('[data-module=prove]')")
    await page.ready()


async def _handoff(page: chromium.Chromium, world: World) -> None:
    await page.click("[data-way=handoff]")
    await page.until("document.querySelector('#handoff-link')")


async def _organisation(page: chromium.Chromium, world: World) -> None:
    await _page("/organisation")(page, world)
    await page.click("#add-parent")
    await page.click("#add-parent")
    await page.click("#add-owner")
    await page.choose("#owners [data-name=kind]", "organisation")
    await page.choose("#owners [data-name=country]", "UA")
    await page.click("#owners .add-above")
    await page.click("#details [type=submit]")
    await page.until("document.querySelector('.error')")


def _decided(state: str) -> Reach:
    async def reach(page: chromium.Chromium, world: World) -> None:
        account, now = Account(ALICE.address), int(time.time())
        if not world.store.cases(account=account.key):
            world.registrar.open_case(account, 1, {"name": "Ada"}, refusal_id=None, now=now)
        (case, *_) = world.store.cases(account=account.key)
        if state != case.state:
            world.registrar.decide_case(case.id, state, now=now)
        await _page("/")(page, world)

    return reach


async def _documents(page: chromium.Chromium, world: World) -> None:
    await _page("/prove?for=documents")(page, world)
    await page.until("document.querySelector('#documents')")
    await page.choose("[name=mrz1]", "P<UTO")
    await page.click("#documents [type=submit]")
    await page.until("document.querySelector('.error')")


async def _more(page: chromium.Chromium, world: World) -> None:
    (case, *_) = world.store.cases(account=key_of(ALICE))
    asked = (
        Need("document", "The back of the card is blurred: please photograph it again."),
        Need("details", "Say which country you live in: the proof of identity does not."),
    )
    world.registrar.standings[case.id] = Standing(needs=asked)
    await _decided("needs")(page, world)
    world.registrar.standings.clear()


async def _account(page: chromium.Chromium, world: World) -> None:
    now = int(time.time())
    if not world.store.user_links_of(key_of(ALICE)):
        digest = code_hash("kycgate-" + "a" * 24)
        link = UserLink("5c" * 8, key_of(ALICE), digest, now + 900, now)
        world.store.add_user_code(link)
        world.store.claim_user_code(
            digest,
            scheduler="main",
            user="ann.smith@corp.example",
            expires_at=now + 86_400,
            now=now,
        )
    await _page("/account")(page, world)


async def _code(page: chromium.Chromium, world: World) -> None:
    await page.click("#draw-code")
    await page.until("document.querySelector('#user-code').checkVisibility()")


async def _delete(page: chromium.Chromium, world: World) -> None:
    await page.click("#delete")
    await page.until("document.querySelector('#confirm-delete').open")


async def _key(page: chromium.Chromium, world: World) -> None:
    await page.click("#make-key")
    await page.until(
        "document.querySelector('#key-made').checkVisibility({visibilityProperty: true})"
    )


async def _compare(page: chromium.Chromium, world: World) -> None:
    desktop = Browser(world, token=Browser(world, origin=None).sign_in(ALICE))
    made = desktop.post("/v1/handoffs", {}).get_json()
    await page.call("Network.clearBrowserCookies")
    language = await page.script("document.documentElement.lang")
    await _page(f"/phone?lang={language}")(page, world)
    await page.fill("[name=code]", made["code"])
    await page.click("#look [type=submit]")
    await page.until("!document.querySelector('#compare').hidden")


async def _claimed(page: chromium.Chromium, world: World) -> None:
    await page.click("#claim")
    await page.until("document.querySelector('[data-phone=yes]')")
    await page.ready()


STATES: dict[str, Reach] = {
    "01-refusal": _page(f"/r/{REFUSAL}"),
    "02-connect": _page(f"/?refusal={REFUSAL}"),
    "03-paste": _paste,
    "04-prove": _signed_in,
    "05-handoff": _handoff,
    "06-person": _page("/person"),
    "07-organisation": _organisation,
    "08-checking": _decided("submitted"),
    "08-documents": _documents,
    "08-more-needed": _more,
    "09-refused": _decided("refused"),
    "10-revoked": _decided("revoked"),
    "11-approved": _decided("approved"),
    "12-key": _key,
    "13-account": _account,
    "13-user-code": _code,
    "13-delete": _delete,
    "14-nowhere": _page("/nowhere"),
    "15-phone-code": _page("/phone"),
    "16-phone-compare": _compare,
    "17-phone-prove": _claimed,
}
"""In an order a renter could meet them; each is reached from the one before."""
