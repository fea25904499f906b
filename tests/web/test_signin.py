"""Signing in: one message, one visitor, one use."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kycgate.core.claims import checksum
from tests.web.browser import ALICE, MALLORY, Browser, key_of, signature, signed_in
from tests.web.world import GATE, T0, World, build


def _code(response: object) -> str:
    return str(response.get_json()["code"])  # type: ignore[attr-defined]


def test_a_signed_challenge_becomes_a_session(world: World) -> None:
    browser = Browser(world)
    response = browser.answer(browser.challenge())
    told = response.get_json()
    assert response.status_code == 201
    assert told["account"] == key_of(ALICE)
    assert told["token"].startswith("kgs_")
    assert told["expires_at"] == T0 + 12 * 3600
    assert browser.get("/v1/session").get_json()["account"] == key_of(ALICE)


def test_signing_in_is_noted_as_a_wallet_proof(world: World) -> None:
    signed_in(world)
    assert world.store.wallet_proof_at(key_of(ALICE)) == T0


def test_a_nonce_is_spent_once(world: World) -> None:
    browser = Browser(world)
    message = browser.challenge()
    cookie = browser.client.get_cookie("kycgate_challenge", domain="gate.test")
    assert browser.answer(message).status_code == 201
    assert cookie is not None
    browser.client.set_cookie("kycgate_challenge", cookie.value, domain="gate.test")
    again = browser.answer(message)
    assert (again.status_code, _code(again)) == (401, "proof_replayed")


def test_another_browser_cannot_hand_in_the_message(world: World) -> None:
    message = Browser(world).challenge()
    thief = Browser(world)
    thief.challenge(MALLORY)
    response = thief.answer(message)
    assert (response.status_code, _code(response)) == (401, "proof_replayed")


def test_without_the_cookie_there_is_no_session(world: World) -> None:
    message = Browser(world).challenge()
    assert Browser(world).answer(message).status_code == 401


def test_a_stranger_cannot_burn_a_nonce(world: World) -> None:
    browser = Browser(world)
    message = browser.challenge()
    assert browser.answer(message, MALLORY).status_code in (401, 503)
    assert browser.answer(message).status_code == 201


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("gate.test wants", "evil.test wants", "proof_audience"),
        ("URI: http://gate.test", "URI: http://evil.test", "proof_audience"),
        ("URI: http://gate.test", "URI: http://gate.test/x", "proof_audience"),
        ("Chain ID: 1\n", "Chain ID: 5\n", "proof_audience"),
        ("Chain ID: 1\n", "Chain ID: 137\n", "proof_replayed"),
        ("This moves nothing", "This moves something", "proof_replayed"),
        ("Version: 1", "Version: 2", "malformed"),
    ],
)
def test_an_altered_message_is_refused_even_well_signed(
    world: World, old: str, new: str, code: str
) -> None:
    browser = Browser(world)
    message = browser.challenge()
    assert old in message
    response = browser.answer(message.replace(old, new))
    assert response.status_code in (400, 401)
    assert _code(response) == code


def test_another_account_cannot_answer_for_this_one(world: World) -> None:
    browser = Browser(world)
    message = browser.challenge().replace(checksum(ALICE.address), checksum(MALLORY.address))
    response = browser.answer(message, MALLORY)
    assert (response.status_code, _code(response)) == (401, "proof_replayed")


def test_a_challenge_ends_after_ten_minutes(world: World) -> None:
    browser = Browser(world)
    message = browser.challenge()
    world.clock.advance(600)
    response = browser.answer(message)
    assert (response.status_code, _code(response)) == (401, "proof_expired")


def test_the_host_header_decides_nothing(world: World) -> None:
    browser = Browser(world)
    response = browser.client.post(
        "/v1/challenge",
        json={"account": key_of(ALICE), "chain_id": 1},
        base_url="http://evil.test",
    )
    message = response.get_json()["message"]
    assert message.startswith("gate.test wants")
    assert f"URI: {GATE}\n" in message


def test_a_chain_the_gate_does_not_know_is_named(world: World) -> None:
    response = Browser(world).post("/v1/challenge", {"account": key_of(ALICE), "chain_id": 5})
    assert response.status_code == 400
    assert response.get_json()["field"] == "chain_id"


def test_the_session_id_is_new_at_each_sign_in_and_the_old_one_ends(world: World) -> None:
    browser = Browser(world)
    first = browser.sign_in()
    second = browser.sign_in()
    assert first != second
    assert Browser(world, token=first).get("/v1/session").status_code == 401
    assert Browser(world, token=second).get("/v1/session").status_code == 200


def test_a_planted_session_cookie_is_not_adopted(world: World) -> None:
    browser = Browser(world)
    browser.client.set_cookie("kycgate_session", "kgs_" + "p" * 43, domain="gate.test")
    token = browser.sign_in()
    cookie = browser.client.get_cookie("kycgate_session", domain="gate.test")
    assert cookie is not None
    assert cookie.value == token != "kgs_" + "p" * 43
    assert Browser(world, token="kgs_" + "p" * 43).get("/v1/session").status_code == 401


def test_a_session_ends_when_signed_out_and_when_its_time_is_up(world: World) -> None:
    token = Browser(world).sign_in()
    assert Browser(world, token=token).delete("/v1/session").status_code == 204
    assert Browser(world, token=token).get("/v1/session").status_code == 401
    late = Browser(world, token=Browser(world).sign_in())
    world.clock.advance(12 * 3600)
    assert late.get("/v1/session").status_code == 401


def test_cookies_are_closed_to_scripts_and_other_sites(world: World) -> None:
    browser = Browser(world)
    drawn = browser.post("/v1/challenge", {"account": key_of(ALICE), "chain_id": 1})
    done = browser.answer(drawn.get_json()["message"])
    cookies = drawn.headers.getlist("Set-Cookie") + done.headers.getlist("Set-Cookie")
    assert len(cookies) == 3
    for cookie in cookies:
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert "Domain" not in cookie


def test_over_https_cookies_carry_the_host_prefix(world: World) -> None:
    parts = replace(world.parts, public_url="https://gate.test")
    browser = Browser(replace(world, parts=parts), origin=None)
    response = browser.post("/v1/challenge", {"account": key_of(ALICE), "chain_id": 1})
    (cookie,) = response.headers.getlist("Set-Cookie")
    assert cookie.startswith("__Host-kycgate_challenge=")
    assert "; Secure" in cookie
    assert response.headers["Strict-Transport-Security"]


def test_a_contract_account_signs_in_through_the_chain(world: World) -> None:
    browser = Browser(world)
    message = browser.challenge(chain_id=137)
    key = f"eip155:137:{key_of(ALICE)}"
    world.chain.accepts = {key: b"\x12" * 70}
    response = browser.post("/v1/session", {"message": message, "signature": "0x" + "12" * 70})
    assert response.status_code == 201
    assert response.get_json()["account"] == key


def test_a_contract_that_says_no_is_no(world: World) -> None:
    browser = Browser(world)
    response = browser.answer(browser.challenge(), MALLORY)
    assert (response.status_code, _code(response)) == (401, "proof_invalid")


def test_a_silent_chain_is_neither_yes_nor_no(world: World) -> None:
    browser = Browser(world)
    message = browser.challenge()
    world.chain.accepts = None
    response = browser.answer(message, MALLORY)
    assert (response.status_code, _code(response)) == (503, "dependency")
    assert browser.answer(message).status_code == 201, "the nonce must not be lost over it"


def test_without_a_chain_the_answer_says_so(world: World) -> None:
    blind = build(world.store, world.desk.gate.policy, contract_wallet=None)
    browser = Browser(blind)
    response = browser.answer(browser.challenge(), MALLORY)
    assert response.status_code == 503
    assert "no chain connection" in response.get_json()["detail"]


def test_high_s_and_short_v_signatures_are_no_second_spelling(world: World) -> None:
    browser = Browser(world)
    message = browser.challenge()
    plain = signature(message, ALICE)
    low_v = plain[:64] + bytes([plain[64] - 27])
    response = browser.post("/v1/session", {"message": message, "signature": "0x" + low_v.hex()})
    assert response.status_code == 401


def test_another_sites_page_cannot_sign_a_visitor_in(world: World) -> None:
    browser = Browser(world, origin="http://evil.test")
    response = browser.post("/v1/challenge", {"account": key_of(ALICE), "chain_id": 1})
    assert response.status_code == 403
