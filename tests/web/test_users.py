"""Schedulers' users: a code is drawn by the wallet itself, shown once, and ended by its account."""

from __future__ import annotations

from dataclasses import replace

from kycgate.core.typed import keccak
from kycgate.gateway.hooks.linking import code_hash
from kycgate.keys import LocalSigner
from kycgate.web.parts import Scheduler
from tests.web.browser import ALICE, Browser, key_of, signed_in, tool
from tests.web.world import T0, World

BOB = LocalSigner(keccak(b"bob"))


def test_a_code_is_shown_once_and_kept_as_a_hash(world: World) -> None:
    browser = signed_in(world)
    drawn = browser.post("/v1/users", {})
    assert drawn.status_code == 201
    code = drawn.get_json()["code"]
    assert drawn.get_json()["expires_at"] == T0 + 900
    (kept,) = world.store.user_links_of(key_of(ALICE))
    assert kept.code_hash == code_hash(code)
    assert code not in repr(kept)
    assert browser.get("/v1/users").get_json() == {"users": []}


def test_a_session_key_can_not_draw_a_code(world: World) -> None:
    """Who shows the code rents as this account: a stolen session key must not reach that."""
    browser = tool(world, scope="session-key")
    assert browser.post("/v1/users", {}).status_code == 403
    assert world.store.user_links_of(key_of(ALICE)) == []


def test_an_old_sign_in_can_not_draw_a_code(world: World) -> None:
    browser = signed_in(world)
    world.clock.at += 3601
    assert browser.post("/v1/users", {}).status_code == 403


def test_one_renter_neither_sees_nor_ends_anothers_link(world: World) -> None:
    link = world.link_user(key_of(ALICE))
    bob = signed_in(world, BOB)
    assert bob.get("/v1/users").get_json() == {"users": []}
    assert bob.delete(f"/v1/users/{link.id}").status_code == 404
    assert world.store.linked_user("main", "ann", now=T0) is not None


def test_a_link_is_listed_and_ended(world: World) -> None:
    link = world.link_user(key_of(ALICE))
    browser = signed_in(world)
    (shown,) = browser.get("/v1/users").get_json()["users"]
    assert (shown["user"], shown["scheduler"], shown["live"]) == ("ann", "main", True)
    assert browser.delete(f"/v1/users/{link.id}").status_code == 204
    assert world.store.linked_user("main", "ann", now=T0) is None
    assert browser.get("/v1/users").get_json() == {"users": []}


def test_a_code_that_was_not_shown_is_withdrawn(world: World) -> None:
    browser = signed_in(world)
    drawn = browser.post("/v1/users", {}).get_json()
    assert browser.delete(f"/v1/users/{drawn['id']}").status_code == 204
    claimed = world.store.claim_user_code(
        code_hash(drawn["code"]), scheduler="main", user="ann", expires_at=T0 + 86_400, now=T0
    )
    assert claimed is None


def test_a_phone_that_was_handed_the_proof_draws_no_code(world: World) -> None:
    made = signed_in(world).post("/v1/handoffs", {}).get_json()
    phone = Browser(world)
    claim = {"code": made["code"], "match": made["match"]}
    assert phone.post("/v1/handoffs/claim", claim).status_code == 201
    drawn = phone.post("/v1/users", {})
    assert (drawn.status_code, drawn.get_json()["code"]) == (403, "key_scope")
    assert "h-users" not in phone.get("/account").text


def test_an_account_cannot_pile_up_codes(world: World) -> None:
    browser = signed_in(world)
    statuses = [browser.post("/v1/users", {}).status_code for _ in range(21)]
    assert statuses == [201] * 20 + [409]


def test_no_code_is_drawn_where_nobody_could_be_shown_it(world: World) -> None:
    world.parts = replace(world.parts, schedulers=())
    drawn = signed_in(world).post("/v1/users", {})
    assert drawn.status_code == 404
    assert "no scheduler" in drawn.get_json()["detail"]
    assert world.store.user_links_of(key_of(ALICE)) == []


def test_a_stranger_draws_nothing(world: World) -> None:
    assert Browser(world).post("/v1/users", {}).status_code == 401


# -- the page ----------------------------------------------------------------------------------


def test_the_page_shows_own_live_links_and_no_ended_one(world: World) -> None:
    world.link_user(key_of(ALICE), user="ann", code="one")
    world.link_user(key_of(BOB), user="bob", code="two")
    browser = signed_in(world)
    page = browser.get("/account").text
    assert "<bdi>ann</bdi>" in page
    assert "<bdi>bob</bdi>" not in page
    world.clock.at += 86_400
    assert "<bdi>ann</bdi>" not in signed_in(world).get("/account").text


def test_a_users_name_is_text(world: World) -> None:
    """Whoever signs up at the scheduler chooses it."""
    world.link_user(key_of(ALICE), user='<img src=x onerror="alert(1)">')
    page = signed_in(world).get("/account").text
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


def test_each_kind_of_scheduler_that_asks_here_is_explained_once(world: World) -> None:
    asking = (Scheduler("a", "skypilot"), Scheduler("b", "skypilot"))
    world.parts = replace(world.parts, schedulers=asking)
    page = signed_in(world).get("/account").text
    assert page.count('id="show-skypilot"') == 1
    assert "show-dstack" not in page


def test_where_no_scheduler_asks_the_page_says_nothing_of_users(world: World) -> None:
    world.parts = replace(world.parts, schedulers=())
    world.link_user(key_of(ALICE))
    page = signed_in(world).get("/account").text
    assert "h-users" not in page
    assert "draw-code" not in page
