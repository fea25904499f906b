"""A control plane that takes wallet credentials, and wallets that answer it over its own routes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from werkzeug.test import TestResponse

from kycgate.demo.trial_wallet import Wallet, answer_dc_request, answer_redirect
from kycgate.issuer.credentials import jose
from tests.issuer.credentials.world import WALLET, client
from tests.issuer.credentials.world import World as Verifier
from tests.issuer.credentials.world import build as build_verifier
from tests.web.browser import Browser
from tests.web.world import GATE, World

FORM = "application/x-www-form-urlencoded"


def with_wallets(world: World, **changes: Any) -> Verifier:
    """Put a verifier behind the world's control plane."""
    given: dict[str, Any] = {"origin": GATE, "client": client("gate.test")}
    verifier = build_verifier(world.store, **(given | changes))
    world.parts = replace(world.parts, presentations=verifier.service)
    return verifier


def shown_in_browser(
    begun: dict[str, Any], world: World, wallet: Wallet = WALLET, origin: str = GATE
) -> dict[str, Any]:
    """What the browser's API gives back for the request of POST /v1/presentations."""
    return answer_dc_request(begun["request"], wallet, origin=origin, now=world.clock())


def shown_by_link(world: World, begun: dict[str, Any], wallet: Wallet = WALLET) -> TestResponse:
    """A wallet on the phone: fetches the request, posts its answer; it has no session of ours."""
    phone = Browser(world, origin=None)
    path = begun["request_uri"].removeprefix(GATE)
    fetched = phone.get(path)
    assert fetched.status_code == 200, fetched.text
    assert fetched.headers["Content-Type"] == "application/oauth-authz-req+jwt"
    asked = jose.read(fetched.text, most=65_536, field="x").claims(most=65_536, field="x")
    response = answer_redirect(asked, wallet, now=world.clock())
    where = asked["response_uri"].removeprefix(GATE)
    return phone.raw(where, f"response={response}".encode(), FORM)
