"""Wallet credentials over HTTP: whose presentation it is, which session, and what strangers get."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from kycgate.issuer.credentials import jose
from kycgate.issuer.credentials.statuslist import Status
from kycgate.web.app import create_app
from tests.issuer.credentials.world import MDL, WALLET
from tests.web.browser import ALICE, MALLORY, Browser, signed_headers, signed_in, tool
from tests.web.presenting import FORM, shown_by_link, shown_in_browser, with_wallets
from tests.web.world import GATE, OPERATOR_TOKEN, World

DC = {"mode": "dc"}
LINK = {"mode": "redirect"}
UNSIGNED = "openid4vp-v1-unsigned"


def begun(renter: Browser, body: Any = None) -> dict[str, Any]:
    response = renter.post("/v1/presentations", DC if body is None else body)
    assert response.status_code == 201, response.text
    document: dict[str, Any] = response.get_json()
    assert response.headers["Location"] == f"/v1/presentations/{document['id']}"
    return document


def respond(renter: Browser, asked: dict[str, Any], body: Any) -> Any:
    return renter.post(f"/v1/presentations/{asked['id']}/response", body)


def code_in(address: str) -> str:
    return parse_qs(urlsplit(address).fragment)["response_code"][0]


def test_a_credential_shown_in_the_browser_is_accepted(world: World) -> None:
    verifier = with_wallets(world)
    renter = signed_in(world)
    asked = begun(renter)
    assert renter.get(f"/v1/presentations/{asked['id']}").get_json()["state"] == "waiting"
    told = respond(renter, asked, shown_in_browser(asked, world))
    assert told.get_json()["state"] == "accepted"
    assert renter.get(f"/v1/presentations/{asked['id']}").get_json()["state"] == "accepted"
    assert [proven.name for _, proven in verifier.office.proofs] == ["Ada Lovelace"]
    assert respond(renter, asked, shown_in_browser(asked, world)).status_code == 409


def test_a_credential_shown_by_link_is_accepted_once_the_browser_is_back(world: World) -> None:
    verifier = with_wallets(world)
    renter = signed_in(world)
    asked = begun(renter, LINK)
    assert asked["deep_link"].startswith("openid4vp://?client_id=x509_hash%3A")
    posted = shown_by_link(world, asked)
    assert posted.status_code == 200, posted.text
    assert renter.get(f"/v1/presentations/{asked['id']}").get_json()["state"] == "received"
    assert verifier.office.proofs == []
    code = code_in(posted.get_json()["redirect_uri"])
    told = respond(renter, asked, {"response_code": code})
    assert told.get_json()["state"] == "accepted"
    assert len(verifier.office.proofs) == 1


def test_a_refusal_says_why_in_words_and_names_nobody(world: World) -> None:
    verifier = with_wallets(world, client=None)
    verifier.statuses.answers = Status.REVOKED
    renter = signed_in(world)
    asked = begun(renter, {"mode": "dc", "kind_of": "mdl"})
    given = shown_in_browser(asked, world, origin="https://evil.test")
    told = respond(renter, asked, given).get_json()
    assert (told["state"], told["code"]) == ("refused", "credential_holder")
    assert "Ada" not in str(told)
    assert told["reason"].endswith(".")


def test_no_route_of_a_presentation_serves_another_account(world: World) -> None:
    verifier = with_wallets(world)
    alice, mallory = signed_in(world), signed_in(world, MALLORY)
    asked, link = begun(alice), begun(alice, LINK)
    answer = shown_in_browser(asked, world)
    code = code_in(shown_by_link(world, link).get_json()["redirect_uri"])
    for browser in (mallory, Browser(world)):
        wanted = 404 if browser is mallory else 401
        assert browser.get(f"/v1/presentations/{asked['id']}").status_code == wanted
        assert respond(browser, asked, answer).status_code == wanted
        assert respond(browser, link, {"response_code": code}).status_code == wanted
    assert verifier.office.proofs == []
    assert respond(alice, asked, answer).get_json()["state"] == "accepted"


def test_another_session_of_the_account_can_not_finish_it(world: World) -> None:
    with_wallets(world)
    first, second = signed_in(world), signed_in(world)
    asked = begun(first)
    told = respond(second, asked, shown_in_browser(asked, world))
    assert told.status_code == 403
    assert told.get_json()["code"] == "presentation_session"
    assert respond(first, asked, shown_in_browser(asked, world)).status_code == 200


def test_another_sites_page_can_not_answer_for_the_renter(world: World) -> None:
    with_wallets(world)
    renter = signed_in(world)
    asked = begun(renter)
    answer = shown_in_browser(asked, world)
    renter.headers = {"Origin": "https://evil.test"}
    assert respond(renter, asked, answer).status_code == 403
    assert renter.post("/v1/presentations", DC).status_code == 403


def test_a_tool_presents_with_its_token_or_a_signature(world: World) -> None:
    with_wallets(world)
    session = tool(world)
    asked = begun(session)
    assert respond(session, asked, shown_in_browser(asked, world)).status_code == 200
    plain = Browser(world, origin=None)
    body = b'{"mode":"dc"}'
    plain.headers = signed_headers(world, "POST", "/v1/presentations", body=body, signer=ALICE)
    assert plain.raw("/v1/presentations", body).status_code == 201


def test_operators_and_gate_keys_present_nothing(world: World) -> None:
    with_wallets(world)
    assert Browser(world, token=OPERATOR_TOKEN).post("/v1/presentations", DC).status_code == 403
    secret = signed_in(world).post("/v1/keys", {}).get_json()["secret"]
    assert Browser(world, token=secret).post("/v1/presentations", DC).status_code == 403


def test_a_gate_without_roots_offers_no_presentations(world: World) -> None:
    renter = signed_in(world)
    assert renter.post("/v1/presentations", DC).status_code == 404
    assert Browser(world).get(f"/v1/presentations/{'0' * 32}/request").status_code == 404
    response = Browser(world).raw(f"/v1/presentations/{'0' * 32}/direct", b"response=x", FORM)
    assert response.status_code == 404


@pytest.mark.parametrize(
    "body, field",
    [
        ({}, "mode"),
        ({"mode": "qr"}, "mode"),
        ({"mode": ["dc"]}, "mode"),
        ({"mode": "dc", "kind_of": "passport"}, "kind_of"),
        ({"mode": "dc", "account": "0x00"}, "account"),
    ],
)
def test_a_beginning_that_makes_no_sense_is_named(world: World, body: Any, field: str) -> None:
    with_wallets(world)
    response = signed_in(world).post("/v1/presentations", body)
    assert (response.status_code, response.get_json()["field"]) == (400, field)


@pytest.mark.parametrize(
    "body, field",
    [
        ({}, "protocol"),
        ({"protocol": "openid4vp"}, "protocol"),
        ({"protocol": "openid4vp-v1-unsigned"}, "data"),
        ({"protocol": "openid4vp-v1-unsigned", "data": {}}, "data.response"),
        ({"protocol": "openid4vp-v1-unsigned", "data": {"response": 5}}, "data.response"),
        (
            {"protocol": "openid4vp-v1-unsigned", "data": {"response": "x" * 60_001}},
            "data.response",
        ),
        ({"protocol": "openid4vp-v1-unsigned", "data": {"response": "x"}}, "response"),
        ({"response_code": "a", "data": {}}, "response_code"),
        ({"response_code": 5}, "response_code"),
    ],
)
def test_an_answer_that_makes_no_sense_is_named_and_costs_nothing(
    world: World, body: Any, field: str
) -> None:
    with_wallets(world)
    renter = signed_in(world)
    asked = begun(renter)
    response = respond(renter, asked, body)
    assert (response.status_code, response.get_json()["field"]) == (400, field)
    assert respond(renter, asked, shown_in_browser(asked, world)).status_code == 200


def test_a_code_for_a_request_of_the_browser_is_a_conflict(world: World) -> None:
    with_wallets(world)
    renter = signed_in(world)
    assert respond(renter, begun(renter), {"response_code": "a"}).status_code == 409


# -- the wallet's own routes -----------------------------------------------------------------------


def test_a_wallets_nonce_stands_in_its_request(world: World) -> None:
    with_wallets(world)
    asked = begun(signed_in(world), LINK)
    path = asked["request_uri"].removeprefix(GATE)
    phone = Browser(world, origin=None)
    fetched = phone.raw(path, b"wallet_nonce=w-1&wallet_metadata=%7B%7D", FORM)
    assert fetched.status_code == 200
    claims = jose.read(fetched.text, most=65_536, field="x").claims(most=65_536, field="x")
    assert claims["wallet_nonce"] == "w-1"
    assert claims["response_uri"].startswith(GATE)


@pytest.mark.parametrize("host", ["evil.test", "gate.test:81"])
def test_a_request_never_names_the_host_header(world: World, host: str) -> None:
    with_wallets(world)
    asked = begun(signed_in(world), LINK)
    client = create_app(world.parts).test_client()
    fetched = client.get(asked["request_uri"].removeprefix(GATE), headers={"Host": host})
    assert fetched.status_code == 200
    claims = jose.read(fetched.text, most=65_536, field="x").claims(most=65_536, field="x")
    assert claims["response_uri"] == f"{GATE}/v1/presentations/{asked['id']}/direct"


@pytest.mark.parametrize(
    "body, media",
    [
        (b"", FORM),
        (b"response", FORM),
        (b"response=", FORM),
        (b"response=a&response=b", FORM),
        (b"response=%ff%fe", FORM),
        (b"\xff", FORM),
        (b"response=a" + b"&x=1" * 9, FORM),
        (b"response=" + b"a" * 60_001, FORM),
        (b'{"response":"a"}', "application/json"),
        (b"response=a.b.c.d.e", FORM),
    ],
    ids=["empty", "bare", "none", "twice", "utf-8", "bytes", "many", "long", "json", "garbage"],
)
def test_a_form_that_makes_no_sense_costs_the_renter_nothing(
    world: World, body: bytes, media: str
) -> None:
    with_wallets(world)
    renter = signed_in(world)
    asked = begun(renter, LINK)
    phone = Browser(world, origin=None)
    response = phone.raw(f"/v1/presentations/{asked['id']}/direct", body, media)
    assert response.status_code == 400
    assert shown_by_link(world, asked).status_code == 200


def test_a_huge_form_is_refused(world: World) -> None:
    with_wallets(world)
    asked = begun(signed_in(world), LINK)
    path = f"/v1/presentations/{asked['id']}/direct"
    response = Browser(world, origin=None).raw(path, b"response=" + b"a" * 70_000, FORM)
    assert response.status_code == 413


def test_a_wallet_that_says_no_ends_the_request(world: World) -> None:
    with_wallets(world)
    renter = signed_in(world)
    asked = begun(renter, LINK)
    path = f"/v1/presentations/{asked['id']}/direct"
    answered = Browser(world, origin=None).raw(path, b"error=access_denied&state=x", FORM)
    assert answered.get_json()["redirect_uri"] == f"{GATE}/back#presentation={asked['id']}"
    told = renter.get(f"/v1/presentations/{asked['id']}").get_json()
    assert (told["state"], told["code"]) == ("refused", "presentation_declined")


@pytest.mark.parametrize("ident", ["0" * 32, "x", "A" * 32, "0" * 31, "%2e%2e"])
def test_a_presentation_nobody_began_is_not_found(world: World, ident: str) -> None:
    with_wallets(world)
    renter = signed_in(world)
    for path in (f"/v1/presentations/{ident}", f"/v1/presentations/{ident}/request"):
        assert renter.get(path).status_code == 404


def test_after_ten_minutes_a_request_shows_as_expired(world: World) -> None:
    with_wallets(world)
    renter = signed_in(world)
    asked, link = begun(renter), begun(renter, LINK)
    answer = shown_in_browser(asked, world)
    world.clock.advance(600)
    for each in (asked, link):
        told = renter.get(f"/v1/presentations/{each['id']}").get_json()
        assert told["state"] == "expired"
    assert respond(renter, asked, answer).status_code == 409
    assert Browser(world).get(link["request_uri"].removeprefix(GATE)).status_code == 409


def test_an_answer_the_office_could_not_take_shows_as_received(world: World) -> None:
    verifier = with_wallets(world)
    renter = signed_in(world)
    asked = begun(renter)
    verifier.office.down = True
    assert respond(renter, asked, shown_in_browser(asked, world)).status_code == 503
    assert renter.get(f"/v1/presentations/{asked['id']}").get_json()["state"] == "received"
    verifier.office.down = False
    world.clock.advance(60)
    verifier.service.run(now=world.clock())
    assert renter.get(f"/v1/presentations/{asked['id']}").get_json()["state"] == "accepted"
    assert WALLET.credentials[MDL].kind is MDL
