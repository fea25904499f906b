"""A presentation counts once, for the account, the request and the browser it was made for."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from kycgate.core.claims import Level
from kycgate.demo.trial_issuer import Holder, TrialIssuer
from kycgate.demo.trial_wallet import Session, Wallet, answer, answer_dc_request, answer_redirect
from kycgate.errors import Code, Conflict, Malformed, NotFound, Refused
from kycgate.issuer.credentials import jose, transcript
from kycgate.issuer.credentials.presentations import (
    LIFE_S,
    WAITING_MOST,
    commitment,
)
from kycgate.issuer.credentials.verdict import Environment
from tests.fakes import MemoryStore
from tests.issuer.credentials.showing import (
    LISTED,
    accepted,
    begin,
    code_in,
    dc_answer,
    direct,
    finish,
    request_of,
    respond,
)
from tests.issuer.credentials.world import (
    ALICE,
    BOB,
    DAY,
    ISSUER,
    MDL,
    NOW,
    ORIGIN,
    OTHER_SESSION,
    PID,
    PID_SD,
    TRUST,
    WALLET,
    World,
    build,
    trust_in,
)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def world(store: MemoryStore) -> World:
    return build(store)


@pytest.fixture
def listed() -> Wallet:
    return LISTED


# -- the honest way --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [PID_SD, PID, MDL])
@pytest.mark.parametrize("signed", [True, False])
def test_a_credential_in_a_browser_proves_its_holder(
    store: MemoryStore, kind: Any, signed: bool
) -> None:
    world = build(store) if signed else build(store, client=None)
    begun = begin(world)
    assert begun.request is not None
    assert len(begun.request["requests"]) == (2 if signed else 1)
    wallet = Wallet({kind: WALLET.credentials[kind]})
    assert respond(world, begun, dc_answer(begun, wallet)).state == "accepted"
    [(account, proven)] = world.office.proofs
    assert account == ALICE
    assert (proven.name, proven.birth_date, proven.country) == ("Ada Lovelace", "1985-12-10", 250)
    assert (proven.source, proven.reference) == ("openid4vp", begun.presentation.id)
    assert (proven.level, proven.live) == (Level.HIGH, False)
    assert proven.document_number == "250:TEST0001"
    assert proven.document["format"] == str(kind)
    assert proven.doubts == ()


@pytest.mark.parametrize("kind", [PID_SD, PID, MDL])
def test_a_credential_by_link_proves_its_holder_once_the_browser_is_back(
    world: World, kind: Any
) -> None:
    begun = begin(world, mode="redirect")
    assert begun.link is not None
    assert begun.link.startswith("openid4vp://?client_id=x509_hash%3A")
    address = direct(world, begun, Wallet({kind: WALLET.credentials[kind]}))
    assert address.startswith(f"{ORIGIN}/back#presentation={begun.presentation.id}&")
    assert world.service.look(ALICE, begun.presentation.id).state == "received"
    assert world.office.proofs == []
    assert finish(world, begun, code_in(address)).state == "accepted"
    assert len(world.office.proofs) == 1


def test_a_request_by_link_carries_the_wallets_nonce_and_the_operators_certificate(
    world: World,
) -> None:
    begun = begin(world, mode="redirect")
    token = world.service.request_object(begun.presentation.id, wallet_nonce="w-1", now=NOW)
    jws = jose.read(token, most=65_536, field="x")
    asked = jws.claims(most=65_536, field="x")
    assert jws.header["typ"] == "oauth-authz-req+jwt"
    assert jws.chain(field="x") == world.settings.named().chain
    assert asked["wallet_nonce"] == "w-1"
    assert asked["response_uri"].startswith(ORIGIN)
    assert asked["aud"] == "https://self-issued.me/v2"
    with pytest.raises(Malformed):
        request_of(world, begun, wallet_nonce="w" * 513)


def test_only_what_was_asked_for_is_taken(world: World) -> None:
    begun = begin(world, family="mdl")
    assert begun.presentation.kinds == ("mdl",)
    pid = WALLET.credentials[PID_SD]
    assert begun.request is not None
    asked = begun.request["requests"][1]["data"]
    forced = asked | {"dcql_query": {"credentials": [{"id": str(PID_SD)}]}}
    request = {"requests": [{"protocol": "openid4vp-v1-unsigned", "data": forced}]}
    found = answer_dc_request(request, Wallet({PID_SD: pid}), origin=ORIGIN, now=NOW)
    with pytest.raises(Malformed, match="not a credential that was asked for"):
        respond(world, begun, found["data"]["response"])


def test_a_way_or_family_that_is_not_on_offer_is_malformed(store: MemoryStore) -> None:
    bare = build(store, client=None, trusts={MDL: TRUST})
    assert bare.service.modes == ("dc",)
    with pytest.raises(Malformed, match="certificate"):
        begin(bare, mode="redirect")
    with pytest.raises(Malformed, match="not accepted"):
        begin(bare, family="pid")


# -- replayed, for another -------------------------------------------------------------------------


def test_an_answer_counts_once(world: World) -> None:
    begun = begin(world)
    response = dc_answer(begun)
    assert respond(world, begun, response).state == "accepted"
    with pytest.raises(Conflict):
        respond(world, begun, response)
    assert len(world.office.proofs) == 1


def test_an_answer_by_link_counts_once(world: World) -> None:
    begun = begin(world, mode="redirect")
    response = answer_redirect(request_of(world, begun), WALLET, now=NOW)
    address = world.service.direct(begun.presentation.id, response, now=NOW)
    with pytest.raises(Conflict):
        world.service.direct(begun.presentation.id, response, now=NOW)
    finish(world, begun, code_in(address))
    with pytest.raises(Conflict):
        finish(world, begun, code_in(address))
    assert len(world.office.proofs) == 1


def test_an_answer_to_another_presentation_does_not_even_open(world: World) -> None:
    first, second = begin(world), begin(world)
    with pytest.raises(Malformed):
        respond(world, second, dc_answer(first))
    assert world.service.look(ALICE, second.presentation.id).state == "waiting"
    links = begin(world, mode="redirect"), begin(world, mode="redirect")
    response = answer_redirect(request_of(world, links[0]), WALLET, now=NOW)
    with pytest.raises(Malformed):
        world.service.direct(links[1].presentation.id, response, now=NOW)


def test_a_presentation_for_another_account_is_refused(world: World) -> None:
    """The very same request but for the account: the nonce commits to it."""
    begun = begin(world)
    mine = begun.presentation
    kept = world.service._open(mine)
    other = replace(mine, account=BOB.key)
    assert commitment(mine, kept.random) != commitment(other, kept.random)
    assert begun.request is not None
    asked = begun.request["requests"][1]["data"]
    nonce = commitment(other, kept.random)
    bound = transcript.of_dc_api(ORIGIN, nonce, kept.thumbprint)
    for_bob = answer(asked, WALLET, Session(f"origin:{ORIGIN}", nonce, bound, NOW))
    told = respond(world, begun, for_bob)
    assert (told.state, told.reason) == ("refused", "credential_holder")
    assert world.office.proofs == []


def test_a_record_moved_to_another_account_opens_nothing(world: World, store: MemoryStore) -> None:
    begun = begin(world)
    response = dc_answer(begun)
    moved = replace(begun.presentation, account=BOB.key)
    store.move_presentation(moved, from_state="waiting")
    with pytest.raises(Malformed, match="altered"):
        respond(world, begun, response, account=BOB)
    assert world.office.proofs == []


def test_an_answer_made_at_another_origin_is_refused(world: World) -> None:
    """A page of somebody else's relays our request; the browser tells the wallet where it is."""
    unsigned = build(MemoryStore(), client=None)
    begun = begin(unsigned)
    told = respond(unsigned, begun, dc_answer(begun, origin="https://evil.example"))
    assert (told.state, told.reason) == ("refused", "credential_holder")
    with pytest.raises(Malformed, match="another origin"):
        dc_answer(begin(world), origin="https://evil.example")


@pytest.mark.parametrize("family", ["mdl", "pid"])
def test_an_answer_by_link_to_another_client_is_refused(world: World, family: str) -> None:
    begun = begin(world, mode="redirect", family=family)
    asked = request_of(world, begun) | {"client_id": "x509_hash:evil"}
    response = answer_redirect(asked, WALLET, now=NOW)
    with pytest.raises(Refused) as raised:
        world.service.direct(begun.presentation.id, response, now=NOW)
    assert raised.value.code == Code.CREDENTIAL_HOLDER
    assert world.service.look(ALICE, begun.presentation.id).state == "refused"


def test_an_answer_by_link_without_its_state_is_refused(world: World) -> None:
    begun = begin(world, mode="redirect")
    for state in ({}, {"state": "another"}):
        asked = {n: v for n, v in request_of(world, begun).items() if n != "state"} | state
        response = answer_redirect(asked, WALLET, now=NOW)
        with pytest.raises(Malformed):
            world.service.direct(begun.presentation.id, response, now=NOW)


# -- whose browser ---------------------------------------------------------------------------------


def test_a_stranger_sees_and_answers_nothing_of_mine(world: World) -> None:
    begun, link = begin(world), begin(world, mode="redirect")
    code = code_in(direct(world, link))
    with pytest.raises(NotFound):
        world.service.look(BOB, begun.presentation.id)
    with pytest.raises(NotFound):
        respond(world, begun, account=BOB)
    with pytest.raises(NotFound):
        finish(world, link, code, account=BOB)
    assert world.office.proofs == []


def test_the_session_that_began_it_finishes_it(world: World) -> None:
    begun, link = begin(world), begin(world, mode="redirect")
    code = code_in(direct(world, link))
    with pytest.raises(Refused):
        respond(world, begun, session=OTHER_SESSION)
    with pytest.raises(Refused):
        finish(world, link, code, session=OTHER_SESSION)
    assert finish(world, link, code).state == "accepted"


def test_whoever_has_another_open_his_link_gains_nothing(world: World) -> None:
    """Session fixation: the code reaches the victim's browser, which is not the attacker's."""
    link = begin(world, BOB, mode="redirect")
    address = direct(world, link)
    assert world.service.look(BOB, link.presentation.id).state == "received"
    for guess in ("", "AAAA", link.presentation.id, code_in(address)[:-1]):
        with pytest.raises(Refused) as raised:
            finish(world, link, guess, account=BOB)
        assert raised.value.code == Code.PRESENTATION_SESSION
    world.service.run(now=NOW + LIFE_S)
    with pytest.raises(Conflict):
        finish(world, link, code_in(address), account=BOB, now=NOW + LIFE_S)
    assert world.office.proofs == []


def test_the_two_ways_do_not_mix(world: World) -> None:
    begun, link = begin(world), begin(world, mode="redirect")
    with pytest.raises(NotFound):
        world.service.direct(begun.presentation.id, dc_answer(begun), now=NOW)
    with pytest.raises(NotFound):
        request_of(world, begun)
    with pytest.raises(Conflict):
        respond(world, link, "x")
    with pytest.raises(Conflict):
        finish(world, begun, "x")


# -- time ------------------------------------------------------------------------------------------


def test_a_request_lives_ten_minutes(world: World) -> None:
    begun, link = begin(world), begin(world, mode="redirect")
    assert begun.presentation.expires_at == NOW + 600
    asked = request_of(world, link)
    for late in (600, 601, DAY):
        with pytest.raises(Conflict):
            respond(world, begun, dc_answer(begun), now=NOW + late)
        with pytest.raises(Conflict):
            world.service.direct(
                link.presentation.id, answer_redirect(asked, WALLET, now=NOW), now=NOW + late
            )
        with pytest.raises(Conflict):
            request_of(world, link, now=NOW + late)
    assert respond(world, begun, now=NOW + 299).state == "accepted"


def test_a_document_past_its_end_proves_nothing(world: World) -> None:
    old = Wallet.new(ISSUER, Holder(expiry_date="2026-01-01"), at=NOW - DAY)
    begun = begin(world)
    told = respond(world, begun, dc_answer(begun, old))
    assert (told.state, told.reason) == ("refused", "credential_expired")


def test_a_stranger_can_not_fill_the_disk_with_requests(world: World) -> None:
    for _ in range(WAITING_MOST):
        begin(world)
    with pytest.raises(Conflict, match="too many"):
        begin(world)
    assert begin(world, BOB).presentation.state == "waiting"
    assert begin(world, now=NOW + LIFE_S).presentation.state == "waiting"


# -- garbage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("response", ["", "garbage", "a.b.c.d.e", "\ud800", "x" * 70_000])
def test_garbage_costs_the_renter_nothing(world: World, response: str) -> None:
    begun, link = begin(world), begin(world, mode="redirect")
    with pytest.raises(Malformed):
        respond(world, begun, response)
    with pytest.raises(Malformed):
        world.service.direct(link.presentation.id, response, now=NOW)
    assert respond(world, begun).state == "accepted"
    assert finish(world, link, code_in(direct(world, link))).state == "accepted"


@pytest.mark.parametrize("presentation_id", ["", "x", "0" * 32, "../etc", "\ud800"])
def test_an_unknown_presentation_is_not_found(world: World, presentation_id: str) -> None:
    with pytest.raises(NotFound):
        world.service.direct(presentation_id, "x", now=NOW)
    with pytest.raises(NotFound):
        world.service.look(ALICE, presentation_id)
    with pytest.raises(NotFound):
        world.service.declined(presentation_id, now=NOW)


def test_a_wallet_that_declines_ends_it(world: World) -> None:
    link = begin(world, mode="redirect")
    assert world.service.declined(link.presentation.id, now=NOW).startswith(f"{ORIGIN}/back#")
    told = world.service.look(ALICE, link.presentation.id)
    assert (told.state, told.reason, told.sealed) == ("refused", "presentation_declined", b"")


# -- issuers ---------------------------------------------------------------------------------------


def test_an_unpinned_issuer_is_refused(world: World) -> None:
    stranger = Wallet.new(TrialIssuer.new(at=NOW - 9 * DAY), Holder(), at=NOW - DAY)
    for kind in (PID_SD, PID, MDL):
        begun = begin(world)
        one = Wallet({kind: stranger.credentials[kind]})
        told = respond(world, begun, dc_answer(begun, one))
        assert (told.state, told.reason) == ("refused", "credential_issuer")


def test_an_issuer_pinned_for_one_type_is_not_believed_on_another(store: MemoryStore) -> None:
    """A root of driving licences is no root of identity cards."""
    other = trust_in(TrialIssuer.new(at=NOW - 9 * DAY))
    world = build(store, trusts={MDL: TRUST, PID: other, PID_SD: other})
    for kind, state in ((MDL, "accepted"), (PID, "refused"), (PID_SD, "refused")):
        begun = begin(world)
        wallet = Wallet({kind: WALLET.credentials[kind]})
        assert respond(world, begun, dc_answer(begun, wallet)).state == state


def test_the_test_issuer_is_refused_by_a_live_gate(store: MemoryStore) -> None:
    live = trust_in(ISSUER, Environment.LIVE)
    world = build(store, trusts={PID_SD: live, PID: live, MDL: live})
    for kind in (PID_SD, PID, MDL):
        begun = begin(world)
        wallet = Wallet({kind: WALLET.credentials[kind]})
        told = respond(world, begun, dc_answer(begun, wallet))
        assert (told.state, told.reason) == ("refused", "credential_test_issuer")
    assert world.office.proofs == []


# -- what is kept ----------------------------------------------------------------------------------


def test_neither_key_nor_answer_nor_name_stands_in_the_store(
    world: World, store: MemoryStore, listed: Wallet
) -> None:
    begun = begin(world, mode="redirect")
    private = world.service._open(begun.presentation).key.private_numbers().private_value
    direct(world, begun)
    accepted(world, listed)
    held = repr(store._presentations).encode()
    for secret in (b"Lovelace", b"Ada", b"TEST-0001", b"status.example", b"eyJ"):
        assert secret not in held
    assert private.to_bytes(32) not in b"".join(p.sealed for p in store._presentations.values())


def test_a_settled_presentation_keeps_no_key(world: World, store: MemoryStore) -> None:
    accepted(world, WALLET)
    refused = begin(world)
    respond(
        world,
        refused,
        dc_answer(refused, Wallet.new(ISSUER, Holder(nationality="xx"), at=NOW - DAY)),
    )
    assert {p.sealed for p in store._presentations.values()} == {b""}


def test_every_request_has_a_key_and_nonce_of_its_own(world: World) -> None:
    asked = [json.dumps(begin(world).request) for _ in range(5)]
    assert len(set(asked)) == 5
    begun = begin(world)
    assert begun.request is not None
    [first, second] = begun.request["requests"]
    signed = jose.read(first["data"]["request"], most=65_536, field="x")
    named = signed.claims(most=65_536, field="x")
    assert named["expected_origins"] == [ORIGIN]
    assert named["nonce"] == second["data"]["nonce"]
    assert "client_id" not in second["data"]
