"""Hand-off to a phone: one code, one phone, ten minutes, one account, one purpose."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest

from kycgate.errors import Refused, Unauthenticated
from kycgate.web.access import Means, prover, renter
from kycgate.web.api.handoffs import _ALPHABET
from kycgate.web.api.routes import ROUTES, Route
from kycgate.web.wire import Call
from tests.web.browser import ALICE, MALLORY, Browser, key_of, signed_headers, signed_in, tool
from tests.web.test_access import OWN
from tests.web.world import GATE, OPERATOR_TOKEN, World


def _made(browser: Browser) -> dict[str, Any]:
    response = browser.post("/v1/handoffs", {})
    assert response.status_code == 201, response.text
    told: dict[str, Any] = response.get_json()
    return told


def _claim(phone: Browser, made: dict[str, Any], **change: Any) -> Any:
    body = {"code": made["code"], "match": made["match"]} | change
    return phone.post("/v1/handoffs/claim", body)


def _phone(world: World) -> Browser:
    """A phone that has claimed a code of Alice's."""
    phone = Browser(world)
    assert _claim(phone, _made(signed_in(world))).status_code == 201
    return phone


def _call(browser: Browser, world: World, method: str = "POST") -> Call:
    cookie = browser.client.get_cookie("kycgate_session", domain="gate.test")
    cookies = {} if cookie is None else {"kycgate_session": cookie.value}
    headers = tuple(browser.headers.items())
    return Call(method, "/v1/x", "", {}, headers, cookies, b"", world.clock(), "r")


# -- the whole way -----------------------------------------------------------------------------


def test_a_phone_takes_over_and_the_computer_sees_each_step(world: World) -> None:
    desktop, phone = signed_in(world), Browser(world)
    made = _made(desktop)
    where = f"/v1/handoffs/{made['id']}"
    assert desktop.get(where).get_json()["state"] == "waiting"
    look = phone.post("/v1/handoffs/look", {"code": made["code"]}).get_json()
    assert look["account"] == key_of(ALICE)
    assert (look["operator"], look["marketplace"]) == ("Harbour GPU", "harbour")
    assert look["match"] == made["match"], "both screens show the same number"
    assert desktop.get(where).get_json()["state"] == "opened"
    claimed = _claim(phone, made)
    assert claimed.get_json()["account"] == key_of(ALICE)
    assert desktop.get(where).get_json()["state"] == "claimed"
    assert phone.get("/v1/session").get_json()["means"] == "hand-off"


def test_the_code_is_in_the_fragment_the_qr_and_nowhere_in_the_store(world: World) -> None:
    made = _made(signed_in(world))
    assert made["url"] == f"{GATE}/phone#{made['code']}"
    bare = made["code"].replace("-", "")
    assert len(bare) == 16
    assert set(bare) <= set(_ALPHABET)
    handoff = world.store.handoff(made["id"])
    assert bare not in repr(handoff)
    assert made["code"] not in repr(handoff)


def test_the_qr_needs_no_style_no_script_and_no_other_file(world: World) -> None:
    svg = _made(signed_in(world))["svg"]
    for element in ElementTree.fromstring(svg).iter():
        assert element.tag.rpartition("}")[2] in ("svg", "path")
        assert not {"style", "href", "class"} & set(element.attrib)


def test_a_code_may_be_typed_as_people_type(world: World) -> None:
    made = _made(signed_in(world))
    spoken = made["code"].upper().replace("-", " ").replace("0", "O").replace("1", "L")
    assert Browser(world).post("/v1/handoffs/look", {"code": spoken}).status_code == 200


def test_the_session_is_in_a_closed_cookie_and_in_no_answer(world: World) -> None:
    response = _claim(Browser(world), _made(signed_in(world)))
    (cookie,) = response.headers.getlist("Set-Cookie")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "kgs_" not in response.text


# -- what may go wrong with a code -------------------------------------------------------------


def test_a_code_is_claimed_once(world: World) -> None:
    made, first, second = _made(signed_in(world)), Browser(world), Browser(world)
    assert _claim(first, made).status_code == 201
    again = _claim(second, made)
    assert (again.status_code, again.get_json()["code"]) == (401, "proof_expired")
    assert second.get("/v1/session").status_code == 401
    assert second.post("/v1/handoffs/look", {"code": made["code"]}).status_code == 401


def test_a_code_ends_after_ten_minutes(world: World) -> None:
    made = _made(signed_in(world))
    world.clock.advance(600)
    assert _claim(Browser(world), made).status_code == 401


@pytest.mark.parametrize("code", ["-", "0" * 16, "0" * 40, "abcd-efgh-jkmn-pqrs", "é" * 16, "💩"])
def test_a_guessed_code_opens_nothing_and_looks_like_a_used_one(world: World, code: str) -> None:
    used = _made(signed_in(world))
    _claim(Browser(world), used)
    phone = Browser(world)
    guessed = phone.post("/v1/handoffs/look", {"code": code})
    spent = phone.post("/v1/handoffs/look", {"code": used["code"]})
    assert guessed.status_code == spent.status_code == 401
    assert guessed.get_json()["detail"] == spent.get_json()["detail"]


def test_a_code_without_its_number_is_not_spent(world: World) -> None:
    made = _made(signed_in(world))
    wrong = "10" if made["match"] != "10" else "11"
    for match in (wrong, "x", "47"[:1], "é"):
        assert _claim(Browser(world), made, match=match).status_code == 401
    assert _claim(Browser(world), made).status_code == 201


def test_a_new_code_voids_the_one_before(world: World) -> None:
    desktop = signed_in(world)
    first, second = _made(desktop), _made(desktop)
    assert _claim(Browser(world), first).status_code == 401
    assert _claim(Browser(world), second).status_code == 201


@pytest.mark.parametrize("path", ["look", "claim"])
def test_another_sites_page_cannot_use_a_code(world: World, path: str) -> None:
    made = _made(signed_in(world))
    evil = Browser(world, origin="http://evil.test")
    response = evil.post(f"/v1/handoffs/{path}", {"code": made["code"], "match": made["match"]})
    assert response.status_code == 403
    assert _claim(Browser(world), made).status_code == 201


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("look", {}, "code"),
        ("look", {"code": "x" * 41}, "code"),
        ("look", {"code": 7}, "code"),
        ("look", {"code": "a", "match": "47"}, "match"),
        ("claim", {"code": "a"}, "match"),
        ("claim", {"code": "a", "match": "123"}, "match"),
        ("claim", {"code": "a\x00", "match": "47"}, "code"),
    ],
)
def test_a_bad_field_is_named(world: World, path: str, body: dict[str, Any], field: str) -> None:
    response = Browser(world).post(f"/v1/handoffs/{path}", body)
    assert (response.status_code, response.get_json()["field"]) == (400, field)


# -- who may make, see and end one -------------------------------------------------------------


def test_only_the_person_may_hand_off(world: World) -> None:
    key = signed_in(world).post("/v1/keys", {}).get_json()["secret"]
    for token in (key, OPERATOR_TOKEN):
        assert Browser(world, token=token).post("/v1/handoffs", {}).status_code == 403
    program = tool(world, scope="session-key").post("/v1/handoffs", {})
    assert (program.status_code, program.get_json()["code"]) == (403, "key_scope")


def test_a_phone_can_not_hand_on(world: World) -> None:
    assert _phone(world).post("/v1/handoffs", {}).status_code == 403


def test_another_renter_neither_sees_nor_ends_a_handoff(world: World) -> None:
    alice, mallory = signed_in(world), signed_in(world, MALLORY)
    made = _made(alice)
    where = f"/v1/handoffs/{made['id']}"
    assert mallory.get(where).status_code == 404
    assert mallory.delete(where).status_code == 404
    assert alice.get(where).status_code == 200


def test_ending_a_handoff_ends_the_phone(world: World) -> None:
    desktop, phone = signed_in(world), Browser(world)
    made = _made(desktop)
    _claim(phone, made)
    assert desktop.delete(f"/v1/handoffs/{made['id']}").status_code == 204
    assert phone.get("/v1/session").status_code == 401
    assert desktop.get(f"/v1/handoffs/{made['id']}").status_code == 404


def test_signing_out_on_the_computer_ends_the_phone_too(world: World) -> None:
    desktop, phone = signed_in(world), Browser(world)
    _claim(phone, _made(desktop))
    assert desktop.delete("/v1/session").status_code == 204
    assert phone.get("/v1/session").status_code == 401


def test_a_phone_lets_go_of_itself_and_of_nothing_else(world: World) -> None:
    desktop, phone = signed_in(world), Browser(world)
    _claim(phone, _made(desktop))
    assert phone.delete("/v1/session").status_code == 204
    assert phone.get("/v1/session").status_code == 401
    assert desktop.get("/v1/session").status_code == 200


def test_a_phones_session_ends_after_an_hour(world: World) -> None:
    phone = _phone(world)
    world.clock.advance(3600)
    assert phone.get("/v1/session").status_code == 401


def test_a_claim_ends_the_session_the_browser_had(world: World) -> None:
    """Else a code somebody sent would hide under one's own sign-in."""
    phone = Browser(world)
    before = phone.sign_in(MALLORY)
    _claim(phone, _made(signed_in(world)))
    assert Browser(world, token=before).get("/v1/session").status_code == 401


# -- what a phone may do -----------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), OWN)
def test_a_phones_session_opens_nothing_of_the_account(
    world: World, method: str, path: str
) -> None:
    if path == "/v1/session":
        return  # who am I here, and letting go
    phone = _phone(world)
    response = phone.client.open(path, method=method, json={}, headers=phone.headers, base_url=GATE)
    assert response.status_code == 403, path
    assert response.get_json()["code"] == "key_scope"


_OPEN = {
    ("POST", "/v1/challenge"),
    ("POST", "/v1/session"),
    ("POST", "/v1/webhooks/<provider>"),
    ("GET", "/v1/presentations/<id>/request"),
    ("POST", "/v1/presentations/<id>/request"),
    ("POST", "/v1/presentations/<id>/direct"),
    ("POST", "/v1/handoffs/look"),
    ("POST", "/v1/handoffs/claim"),
    ("GET", "/v1/openapi.json"),
    ("GET", "/healthz"),
}
"""What needs no session at all."""
_PROOF = {
    ("GET", "/v1/session"),
    ("DELETE", "/v1/session"),
    ("GET", "/v1/ways"),
    ("POST", "/v1/presentations"),
    ("GET", "/v1/presentations/<id>"),
    ("POST", "/v1/presentations/<id>/response"),
    ("POST", "/v1/verifications"),
    ("GET", "/v1/verifications/<id>"),
    ("POST", "/v1/imports"),
    ("POST", "/v1/documents"),
    ("GET", "/v1/documents"),
}
"""What proving identity takes, and letting go of the session."""


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.rule}")
def test_of_all_routes_a_phone_reaches_the_proof_and_nothing_else(
    world: World, route: Route
) -> None:
    name = (route.method, route.rule)
    phone = _phone(world)
    path = re.sub(r"<\w+>", "0" * 32, route.rule)
    response = phone.client.open(
        path, method=route.method, json={}, headers=phone.headers, base_url=GATE
    )
    if name in _OPEN | _PROOF:
        refused = response.status_code == 403 and response.get_json()["code"] == "key_scope"
        assert not refused, "it may, or a stranger may"
    else:
        assert response.status_code == 403, response.text
        assert response.get_json()["code"] == "key_scope"


def test_a_phone_proves_for_the_account_that_handed_off_and_no_other(world: World) -> None:
    phone = _phone(world)
    who = prover(world.parts, _call(phone, world))
    assert who.account.key == key_of(ALICE)
    assert who.means is Means.HAND_OFF
    with pytest.raises(Refused):
        renter(world.parts, _call(phone, world))


def test_who_may_prove_identity(world: World) -> None:
    """A sign-in and a phone; no program's key, no gate key, no operator, no stranger."""
    assert prover(world.parts, _call(signed_in(world), world)).means is Means.SIGN_IN
    for token in (
        Browser(world).sign_in(scope="session-key"),
        signed_in(world).post("/v1/keys", {}).get_json()["secret"],
        OPERATOR_TOKEN,
    ):
        with pytest.raises(Refused):
            prover(world.parts, _call(Browser(world, token=token), world))
    with pytest.raises(Unauthenticated):
        prover(world.parts, _call(Browser(world), world))


def test_a_phones_session_changes_nothing_from_another_sites_page(world: World) -> None:
    phone = _phone(world)
    phone.headers = {"Origin": "http://evil.test"}
    with pytest.raises(Refused):
        prover(world.parts, _call(phone, world))
    assert prover(world.parts, _call(phone, world, "GET")).means is Means.HAND_OFF


def test_a_challenge_can_not_ask_for_a_phones_scope(world: World) -> None:
    asked = {"account": key_of(ALICE), "chain_id": 1, "scope": "hand-off"}
    response = Browser(world).post("/v1/challenge", asked)
    assert (response.status_code, response.get_json()["field"]) == (400, "scope")


def test_a_signed_request_may_hand_off(world: World) -> None:
    headers = signed_headers(world, "POST", "/v1/handoffs", body=b"{}")
    browser = Browser(world, origin=None)
    response = browser.client.post(
        "/v1/handoffs", data=b"{}", headers=headers, content_type="application/json"
    )
    assert response.status_code == 201


@pytest.mark.parametrize("path", ["/", "/account", "/person", "/organisation", "/phone"])
def test_no_page_shows_a_phone_more_than_the_proof(world: World, path: str) -> None:
    world.registrar.open_case(_account(), 1, {"name": "Ada"}, refusal_id=None, now=world.clock())
    page = _phone(world).get(path).text
    assert "case_01" not in page
    assert key_of(ALICE) not in page.replace(f'data-account="{key_of(ALICE)}"', "")
    assert 'data-module="prove"' in page or 'data-module="connect"' in page


def _account() -> Any:
    from kycgate.core.claims import Account

    return Account(ALICE.address)
