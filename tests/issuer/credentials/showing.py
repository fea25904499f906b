"""A renter, a wallet and the verifier between them: the steps of a presentation, one call each."""

from __future__ import annotations

from typing import Any

from kycgate.core.claims import Account
from kycgate.demo.trial_issuer import Holder
from kycgate.demo.trial_wallet import Wallet, answer_dc_request, answer_redirect
from kycgate.issuer.credentials import jose
from kycgate.issuer.credentials.presentations import (
    Begun,
)
from kycgate.store.records.visits import Presentation
from tests.issuer.credentials.world import (
    ALICE,
    DAY,
    ISSUER,
    NOW,
    ORIGIN,
    SESSION,
    WALLET,
    World,
)

AT_STATUS = {"status_list": {"idx": 3, "uri": "https://status.example/1"}}
LISTED = Wallet.new(ISSUER, Holder(), at=NOW - DAY, status=AT_STATUS)
"""A wallet whose credentials have a status."""


def begin(world: World, account: Account = ALICE, mode: Any = "dc", **changes: Any) -> Begun:
    given: dict[str, Any] = {"family": None, "session": SESSION, "now": NOW}
    return world.service.begin(account, mode=mode, **(given | changes))


def dc_answer(begun: Begun, wallet: Wallet = WALLET, origin: str = ORIGIN) -> str:
    assert begun.request is not None
    found = answer_dc_request(begun.request, wallet, origin=origin, now=NOW)
    response: str = found["data"]["response"]
    return response


def respond(
    world: World, begun: Begun, response: str | None = None, **changes: Any
) -> Presentation:
    given: dict[str, Any] = {"session": SESSION, "now": NOW}
    account = changes.pop("account", ALICE)
    text = dc_answer(begun) if response is None else response
    return world.service.respond(account, begun.presentation.id, text, **(given | changes))


def request_of(world: World, begun: Begun, **changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"wallet_nonce": None, "now": NOW}
    token = world.service.request_object(begun.presentation.id, **(given | changes))
    return jose.read(token, most=65_536, field="x").claims(most=65_536, field="x")


def direct(world: World, begun: Begun, wallet: Wallet = WALLET, now: int = NOW) -> str:
    asked = request_of(world, begun)
    response = answer_redirect(asked, wallet, now=NOW)
    return world.service.direct(begun.presentation.id, response, now=now)


def code_in(address: str) -> str:
    return address.rsplit("response_code=", 1)[1]


def finish(world: World, begun: Begun, code: str, **changes: Any) -> Presentation:
    given: dict[str, Any] = {"session": SESSION, "now": NOW}
    account = changes.pop("account", ALICE)
    return world.service.finish(account, begun.presentation.id, code, **(given | changes))


def accepted(world: World, wallet: Wallet) -> Begun:
    begun = begin(world)
    assert respond(world, begun, dc_answer(begun, wallet)).state == "accepted"
    return begun
