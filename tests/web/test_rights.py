"""Uploads, linked wallets and a renter's rights, at the door."""

from __future__ import annotations

import io
from typing import Any

import pytest

from kycgate.issuer.images import UPLOAD_MOST
from kycgate.issuer.retention import Erasure
from kycgate.issuer.view import Standing
from tests.issuer.pictures import a_jpeg
from tests.issuer.test_mrz import TD3, with_digits
from tests.web.browser import ALICE, MALLORY, Browser, key_of, link, signed_in
from tests.web.world import GATE, T0, World, a_job

UPLOADS = "/v1/documents"


# -- uploads -----------------------------------------------------------------------------------


def form(browser: Browser, **fields: Any) -> Any:
    return browser.client.post(
        UPLOADS,
        data=fields,
        headers=browser.headers,
        base_url=GATE,
        content_type="multipart/form-data",
    )


def test_a_picture_comes_raw_or_in_a_form(world: World) -> None:
    renter = signed_in(world)
    raw = renter.raw(UPLOADS + "?side=back", a_jpeg(), "image/jpeg")
    in_form = form(renter, side="selfie", image=(io.BytesIO(a_jpeg()), "x.jpg"))
    assert (raw.status_code, in_form.status_code) == (201, 201)
    assert raw.get_json()["document"]["side"] == "back"
    assert [d["side"] for d in renter.get(UPLOADS).get_json()["documents"]] == ["back", "selfie"]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"side": "front"},
        {"image": "text, no file"},
        {"image": (io.BytesIO(a_jpeg()), "x.jpg"), "side": "inside"},
        {"other": (io.BytesIO(a_jpeg()), "x.jpg")},
        {"image": (io.BytesIO(a_jpeg()), "x.jpg"), "name": "Ada"},
        {"image": [(io.BytesIO(a_jpeg()), "1.jpg"), (io.BytesIO(a_jpeg()), "2.jpg")]},
    ],
)
def test_a_form_with_anything_else_is_refused(world: World, fields: Any) -> None:
    answer = form(signed_in(world), **fields)
    assert answer.status_code == 400
    assert answer.get_json()["field"] in ("image", "side", "body")


@pytest.mark.parametrize(
    ("media", "body"),
    [
        ("application/pdf", b"%PDF-1.7"),
        ("image/svg+xml", b"<svg/>"),
        ("text/html", a_jpeg()),
        ("image/jpeg", b"<svg onload=alert(1)>"),
        ("image/png", b""),
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=", b"x"),
        ("multipart/form-data; boundary=a", b"--a\r\nbroken"),
        ("multipart/form-data; boundary=" + "a" * 71, b"x"),
    ],
)
def test_what_is_no_picture_is_refused_with_its_field(
    world: World, media: str, body: bytes
) -> None:
    answer = signed_in(world).raw(UPLOADS, body, media)
    assert answer.status_code == 400
    assert answer.get_json()["remedy"]


def test_an_upload_is_bounded_before_it_is_read_and_other_routes_stay_small(world: World) -> None:
    renter = signed_in(world)
    big = a_jpeg() + b"\0" * (UPLOAD_MOST + 20_000)
    assert renter.raw(UPLOADS, big, "image/jpeg").status_code == 413
    padded = a_jpeg() + b"\0" * 200_000
    assert renter.raw(UPLOADS, padded, "image/jpeg").status_code == 201
    assert renter.raw("/v1/cases", b" " * 100_000).status_code == 413
    assert renter.raw(UPLOADS, b"{" + b" " * 100_000 + b"}").status_code == 413


def test_a_zone_is_read_as_typed_and_its_slip_is_named(world: World) -> None:
    renter = signed_in(world)
    told = renter.post(UPLOADS, {"mrz": list(TD3)}).get_json()
    assert told["mrz"]["format"] == "TD3"
    assert told["mrz"]["expired"] is True
    valid = renter.post(UPLOADS, {"mrz": list(with_digits("X12345678", "900401", "310415"))})
    assert valid.get_json()["mrz"]["expired"] is False
    slip = renter.post(UPLOADS, {"mrz": [TD3[0], TD3[1].replace("7408122", "7408123")]})
    assert slip.status_code == 400
    assert slip.get_json()["field"] == "mrz.line2"
    for wrong in ("x", [1, 2], ["x" * 61], [*TD3, *TD3], {"a": 1}):
        assert renter.post(UPLOADS, {"mrz": wrong}).status_code == 400
    assert renter.post(UPLOADS, {"hand_in": "yes"}).status_code == 400


# -- linked wallets ----------------------------------------------------------------------------


def drawn_link(renter: Browser) -> Any:
    return renter.post("/v1/accounts/challenge", {"account": key_of(MALLORY), "chain_id": 1})


def test_the_message_names_both_accounts_and_links_once(world: World) -> None:
    renter = signed_in(world)
    drawn = drawn_link(renter)
    message = drawn.get_json()["message"].lower()
    assert key_of(ALICE) in message
    assert key_of(MALLORY) in message
    assert link(renter, drawn).status_code == 201
    assert [a["account"] for a in renter.get("/v1/accounts").get_json()["accounts"]] == [
        key_of(ALICE),
        key_of(MALLORY),
    ]
    assert world.store.wallet_proof_at(key_of(MALLORY)) == T0
    again = link(renter, drawn)
    assert (again.status_code, again.get_json()["code"]) == (401, "proof_replayed")


def test_a_link_drawn_for_one_is_nobody_elses(world: World) -> None:
    drawn = drawn_link(signed_in(world))
    thief = signed_in(world, MALLORY)
    assert link(thief, drawn).status_code == 401
    assert world.registrar.linked == {}


def test_a_link_is_no_sign_in_and_a_sign_in_no_link(world: World) -> None:
    renter = signed_in(world)
    as_session = Browser(world)
    as_session.challenge(MALLORY)
    message = drawn_link(renter).get_json()["message"]
    assert as_session.answer(message, MALLORY).status_code == 401
    visitor = Browser(world)
    message = visitor.challenge(MALLORY)

    class Drawn:
        @staticmethod
        def get_json() -> dict[str, str]:
            return {"message": message}

    stolen: Any = Drawn
    assert link(renter, stolen).status_code == 401
    assert world.registrar.linked == {}


def test_only_the_second_accounts_own_signature_links_it(world: World) -> None:
    renter = signed_in(world)
    answer = link(renter, drawn_link(renter), ALICE)
    # No key of the account: a chain would be asked, and says no.
    assert answer.status_code == 401
    assert world.registrar.linked == {}


def test_a_taken_account_is_a_conflict(world: World) -> None:
    world.registrar.taken.add(key_of(MALLORY))
    renter = signed_in(world)
    assert link(renter, drawn_link(renter)).status_code == 409


def test_ones_own_account_needs_no_link(world: World) -> None:
    renter = signed_in(world)
    asked = {"account": key_of(ALICE), "chain_id": 1}
    assert renter.post("/v1/accounts/challenge", asked).status_code == 400


def test_an_old_sign_in_links_nothing(world: World) -> None:
    renter = signed_in(world)
    world.clock.advance(3601)
    assert drawn_link(renter).status_code == 403
    assert renter.get("/v1/me/export").status_code == 403
    assert renter.delete("/v1/me").status_code == 403


# -- rights ------------------------------------------------------------------------------------


def test_a_renter_is_told_that_all_is_gone_or_until_when_it_is_kept(world: World) -> None:
    world.registrar.erasures[key_of(ALICE)] = Erasure(T0 + 5, ("retention", "0a1b2c"))
    told = signed_in(world).delete("/v1/me").get_json()
    assert (told["erased"], told["restricted_until"], len(told["why"])) == (False, T0 + 5, 2)
    assert "0a1b2c" not in str(told)
    gone = signed_in(world, MALLORY)
    assert gone.delete("/v1/me").get_json() == {
        "erased": True,
        "restricted_until": None,
        "why": [],
    }
    assert gone.get("/v1/session").status_code == 401


def test_uses_are_what_has_left_for_the_marketplace(world: World) -> None:
    from kycgate.core.claims import Account

    renter, who = signed_in(world), Account(ALICE.address)
    for number in (1, 2):
        world.store.begin_job(a_job(who, number), repeat_window_s=1)
    world.store.mark_forwarded(a_job(who, 2).id, at=T0)
    (use,) = renter.get("/v1/me/uses").get_json()["uses"]
    assert (use["marketplace"], use["gpu_model"], use["gpu_count"]) == ("ionet", "H100", 8)


def test_a_case_whose_time_is_over_asks_for_a_new_proof(world: World) -> None:
    renter = signed_in(world)
    details = {"kind": "person", "details": {"name": "Ada"}}
    case = renter.post("/v1/cases", details).get_json()
    world.registrar.decide_case(case["id"], "approved", now=T0)
    world.registrar.standings[case["id"]] = Standing(due=True, valid_until=T0, re_verify_at=T0)
    status = renter.get("/v1/status").get_json()
    assert status["state"] == "more_needed"
    assert [need["item"] for need in status["case"]["needs"]] == ["proof"]
