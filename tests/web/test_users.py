"""Schedulers' users: a code is drawn by the wallet itself, shown once, and ended by its account."""

from __future__ import annotations

from kycgate.core.typed import keccak
from kycgate.gateway.hooks.linking import code_hash
from kycgate.keys import LocalSigner
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


def test_an_account_cannot_pile_up_codes(world: World) -> None:
    browser = signed_in(world)
    statuses = [browser.post("/v1/users", {}).status_code for _ in range(21)]
    assert statuses == [201] * 20 + [409]


def test_a_stranger_draws_nothing(world: World) -> None:
    assert Browser(world).post("/v1/users", {}).status_code == 401
