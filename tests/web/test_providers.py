"""The doors of hosted identity providers and imports: whose they are, and what they let in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import responses
from werkzeug.test import TestResponse

from kycgate.core.claims import Account, Digest
from kycgate.errors import Conflict, Malformed, Unavailable
from kycgate.issuer.imports import Imported
from kycgate.screening.controls import load_default_policy
from tests.fakes import MemoryStore
from tests.issuer.providers import stand_in
from tests.issuer.providers.stand_in import NAMES, MemoryOffice, event, signed
from tests.web.browser import ALICE, MALLORY, Browser, signed_in
from tests.web.test_openapi import _misfits as misfits
from tests.web.world import GATE, T0, World, build, fresh_store

every = pytest.mark.parametrize("name", NAMES)


@dataclass
class Shelf:
    """Records of other issuers: one that holds, for whoever asks."""

    asked: list[tuple[str, Any]] = field(default_factory=list)
    trouble: Exception | None = None

    def find(self, account: Account, *, now: int) -> list[Imported]:
        return [self._one(account, None)]

    def take(self, account: Account, uid: Digest, *, now: int) -> Imported:
        return self._one(account, uid)

    def take_signed(self, account: Account, document: bytes, *, now: int) -> Imported:
        return self._one(account, document)

    def _one(self, account: Account, what: Any) -> Imported:
        if self.trouble is not None:
            raise self.trouble
        self.asked.append((account.key, what))
        return Imported("case_01", "coinbase", Digest(b"\x01" * 32), Digest(b"\x02" * 32), True)


@pytest.fixture
def providers(tmp_path: Path) -> Iterator[stand_in.World]:
    store = fresh_store(tmp_path / "gate.db")
    with responses.RequestsMock(assert_all_requests_are_fired=False) as http:
        yield stand_in.World(store, http, MemoryOffice())
    store.close()


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def world(providers: stand_in.World, shelf: Shelf) -> World:
    return build(
        providers.store, load_default_policy(), verifications=providers.visits, imports=shelf
    )


def send(world: World, name: str, body: bytes, headers: dict[str, str]) -> TestResponse:
    """As a provider's machine would: no cookie, no Origin."""
    sender = Browser(world, origin=None)
    return sender.client.post(f"/v1/webhooks/{name}", data=body, headers=headers, base_url=GATE)


def rightly(world: World, name: str, *, ours: str = "OURS", n: int = 0) -> TestResponse:
    body = event(name, ours=ours, n=n)
    return send(world, name, body, signed(name, body, at=world.clock()))


# -- a renter ------------------------------------------------------------------------------------


@every
def test_a_check_is_begun_followed_and_passed(
    world: World, providers: stand_in.World, name: str
) -> None:
    renter = signed_in(world)
    begun = renter.post("/v1/verifications", {"provider": name})
    assert begun.status_code == 201
    document = begun.get_json()
    assert set(document) == {"id", "url", "expires_at"}
    assert begun.headers["Location"] == f"/v1/verifications/{document['id']}"
    where = f"/v1/verifications/{document['id']}"
    assert renter.get(where).get_json()["state"] == "open"
    providers.says(name, "passed")
    heard = rightly(world, name)
    assert (heard.status_code, heard.get_json()) == (200, {"received": True})
    assert renter.get(where).get_json()["state"] == "open", "worked off afterwards"
    providers.visits.run(now=T0 + 1)
    assert renter.get(where).get_json()["state"] == "approved"
    assert [who.address for who, _ in providers.office.proven] == [ALICE.address]


def test_the_return_page_is_on_our_own_origin(world: World, providers: stand_in.World) -> None:
    signed_in(world).post("/v1/verifications", {"provider": "persona"})
    sent = json.loads(providers.asked[0].body or b"")
    assert sent["data"]["attributes"]["redirect-uri"].endswith("/back")


def test_a_renter_reads_what_to_mend(world: World, providers: stand_in.World) -> None:
    renter = signed_in(world)
    visit = renter.post("/v1/verifications", {"provider": "sumsub"}).get_json()["id"]
    providers.says("sumsub", "retry")
    rightly(world, "sumsub")
    providers.visits.run(now=T0 + 1)
    shown = renter.get(f"/v1/verifications/{visit}").get_json()
    assert shown["state"] == "needs"
    assert shown["note"] == "We do not accept screenshots. Upload an original photo."
    assert "blocklist" not in json.dumps(shown)


def test_what_was_taken_back_is_shown_as_looked_at(world: World, providers: stand_in.World) -> None:
    renter = signed_in(world)
    visit = renter.post("/v1/verifications", {"provider": "sumsub"}).get_json()["id"]
    for n, outcome in enumerate(("passed", "refused")):
        providers.says("sumsub", outcome)
        rightly(world, "sumsub", n=n)
        providers.visits.run(now=T0 + n)
    assert renter.get(f"/v1/verifications/{visit}").get_json()["state"] == "checking"


def test_a_renter_can_not_read_anothers_verification(world: World) -> None:
    visit = signed_in(world).post("/v1/verifications", {"provider": "stripe"}).get_json()["id"]
    mallory = signed_in(world, MALLORY)
    theirs = mallory.get(f"/v1/verifications/{visit}")
    none = mallory.get(f"/v1/verifications/{'0' * 32}")
    assert theirs.status_code == none.status_code == 404
    assert theirs.get_json()["detail"] == none.get_json()["detail"]
    for odd in ("x", "..%2f..", "0" * 31, "G" * 32):
        assert mallory.get(f"/v1/verifications/{odd}").status_code == 404


def test_a_check_is_begun_by_the_account_itself_only(world: World) -> None:
    assert Browser(world).post("/v1/verifications", {"provider": "stripe"}).status_code == 401
    renter = signed_in(world)
    renter.headers = {"Origin": "https://evil.test"}
    assert renter.post("/v1/verifications", {"provider": "stripe"}).status_code == 403


def test_a_programs_session_key_begins_no_check(world: World) -> None:
    """A person is proven by a person."""
    token = Browser(world).sign_in(ALICE, scope="session-key")
    tool = Browser(world, token=token)
    assert tool.post("/v1/verifications", {"provider": "stripe"}).status_code == 403


@pytest.mark.parametrize("body", [{}, {"provider": "veriff"}, {"provider": 1}, {"x": 1}])
def test_a_wrong_request_names_its_field(world: World, body: dict[str, Any]) -> None:
    answer = signed_in(world).post("/v1/verifications", body)
    assert answer.status_code == 400
    assert answer.get_json()["field"] in ("provider", "x")
    assert answer.get_json()["remedy"]


def test_above_the_days_limit_a_renter_is_told_when_to_come_back(
    world: World, providers: stand_in.World
) -> None:
    renter = signed_in(world)
    for name in NAMES:
        assert renter.post("/v1/verifications", {"provider": name}).status_code == 201
        providers.says(name, "gone")
    refused = renter.post("/v1/verifications", {"provider": "stripe"})
    assert refused.status_code == 403
    assert refused.get_json()["code"] == "verification_limit"
    assert "tomorrow" in refused.get_json()["detail"]


def test_a_silent_provider_is_a_503_that_names_nothing(
    world: World, providers: stand_in.World
) -> None:
    providers.down["stripe"] = 401
    answer = signed_in(world).post("/v1/verifications", {"provider": "stripe"})
    assert answer.status_code == 503
    assert "stripe" not in answer.text
    assert "key" not in answer.text


def test_without_providers_there_is_no_such_thing(providers: stand_in.World) -> None:
    bare = build(providers.store, load_default_policy())
    renter = signed_in(bare)
    for answer in (
        renter.post("/v1/verifications", {"provider": "stripe"}),
        renter.get("/v1/verifications/" + "0" * 32),
        renter.post("/v1/imports", {}),
        rightly(bare, "stripe"),
    ):
        assert answer.status_code == 404


# -- a provider's message ------------------------------------------------------------------------


@every
def test_an_unsigned_webhook_is_a_401_that_says_nothing(world: World, name: str) -> None:
    body = event(name)
    for headers in ({}, signed(name, body, at=T0, secret="guessed")):
        answer = send(world, name, body, headers)
        assert answer.status_code == 401
        assert "secret" not in answer.text


@every
def test_a_renters_session_signs_no_webhook(world: World, name: str) -> None:
    renter = signed_in(world)
    assert renter.raw(f"/v1/webhooks/{name}", event(name)).status_code == 401


@every
def test_a_webhook_needs_no_origin_no_session_and_no_media_type(world: World, name: str) -> None:
    body = event(name)
    headers = signed(name, body, at=T0) | {"Origin": "https://elsewhere.test"}
    for media in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
        assert send(world, name, body, headers | {"Content-Type": media}).status_code == 200


def test_a_replayed_webhook_is_acknowledged_and_does_nothing(
    world: World, providers: stand_in.World
) -> None:
    signed_in(world).post("/v1/verifications", {"provider": "stripe"})
    assert [rightly(world, "stripe").status_code for _ in range(3)] == [200] * 3
    assert len(providers.store.due("provider_event", now=T0)) == 1


@every
def test_a_signature_header_sent_twice_is_refused(world: World, name: str) -> None:
    """A WSGI server hands two headers of one name on as one, joined by a comma."""
    body = event(name)
    good = signed(name, body, at=T0)
    for header, value in good.items():
        for twice in (f"{value},{value}", f"t=1,v1=0,{value}"):
            assert send(world, name, body, good | {header: twice}).status_code == 401


@every
def test_a_huge_webhook_is_refused_unread(world: World, name: str) -> None:
    body = b'{"a":"' + b"x" * 256 * 1024 + b'"}'
    answer = send(world, name, body, signed(name, body, at=T0))
    assert answer.status_code == 413
    assert "262144" in answer.get_json()["remedy"]


def test_a_webhook_larger_than_other_bodies_is_taken(world: World) -> None:
    body = json.dumps(json.loads(event("stripe")) | {"padding": "x" * 100_000}).encode()
    assert send(world, "stripe", body, signed("stripe", body, at=T0)).status_code == 200
    too_large = signed_in(world).raw("/v1/imports", b'{"uid":"' + b"x" * 100_000 + b'"}')
    assert too_large.status_code == 413
    assert "65536" in too_large.get_json()["remedy"]


@every
@pytest.mark.parametrize("body", [b"\xff\xfe", b"[" * 100_000, b'{"a":' * 200, b"", b"null"])
def test_a_rightly_signed_body_that_can_not_be_read_is_a_400(
    world: World, name: str, body: bytes
) -> None:
    assert send(world, name, body, signed(name, body, at=T0)).status_code == 400


def test_a_sandbox_event_on_a_live_gate_is_a_403(world: World) -> None:
    body = json.dumps(json.loads(event("stripe")) | {"livemode": False}).encode()
    answer = send(world, "stripe", body, signed("stripe", body, at=T0))
    assert (answer.status_code, answer.get_json()["code"]) == (403, "proof_sandbox")


@pytest.mark.parametrize("name", ["veriff", "Stripe", "..", "stripe%2f..", "x" * 40])
def test_a_webhook_of_nobody_is_a_404(world: World, name: str) -> None:
    body = event("stripe")
    assert send(world, name, body, signed("stripe", body, at=T0)).status_code == 404


def test_a_webhook_that_could_not_be_kept_is_not_acknowledged() -> None:
    """The provider then sends it again: nothing is lost."""
    store = MemoryStore()
    with responses.RequestsMock(assert_all_requests_are_fired=False) as http:
        providers = stand_in.World(store, http, MemoryOffice())
        world = build(store, load_default_policy(), verifications=providers.visits)
        store.lose()
        assert rightly(world, "stripe").status_code == 503
        store.restore()
        assert rightly(world, "stripe").status_code == 200
    assert len(store.due("provider_event", now=T0)) == 1


# -- imports -------------------------------------------------------------------------------------


def test_a_record_is_taken_by_uid_by_document_or_looked_for(world: World, shelf: Shelf) -> None:
    renter = signed_in(world)
    uid = "0x" + "01" * 32
    for body in ({"uid": uid}, {"attestation": {"version": 2}}, {}):
        answer = renter.post("/v1/imports", body)
        assert answer.status_code == 200
        [record] = answer.get_json()["records"]
        assert (record["source"], record["uid"]) == ("coinbase", uid)
    asked = [what for _, what in shelf.asked]
    assert asked == [b"\x01" * 32, b'{"version": 2}', None]
    assert {who for who, _ in shelf.asked} == {Account(ALICE.address).key}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"uid": "0x01"}, "uid"),
        ({"uid": 1}, "uid"),
        ({"attestation": []}, "attestation"),
        ({"uid": "0x" + "01" * 32, "attestation": {}}, "attestation"),
        ({"account": "0x"}, "account"),
    ],
)
def test_a_wrong_import_names_its_field(world: World, body: dict[str, Any], named: str) -> None:
    answer = signed_in(world).post("/v1/imports", body)
    assert (answer.status_code, answer.get_json()["field"]) == (400, named)


def test_a_phone_brings_records_of_the_account_that_handed_off_and_of_no_other(
    world: World, shelf: Shelf
) -> None:
    """Also when its owner had signed in there with a wallet of their own."""
    made = signed_in(world).post("/v1/handoffs", {}).get_json()
    phone = signed_in(world, MALLORY)
    claim = {"code": made["code"], "match": made["match"]}
    assert phone.post("/v1/handoffs/claim", claim).status_code == 201
    for body in ({"uid": "0x" + "01" * 32}, {"attestation": {"version": 2}}, {}):
        answer = phone.post("/v1/imports", body)
        assert answer.status_code == 200
        assert "says" not in answer.get_json()["records"][0]
    assert {who for who, _ in shelf.asked} == {Account(ALICE.address).key}


def test_an_import_is_the_accounts_own(world: World, shelf: Shelf) -> None:
    assert Browser(world).post("/v1/imports", {}).status_code == 401
    assert shelf.asked == []


@pytest.mark.parametrize(
    ("trouble", "status"),
    [
        (Unavailable("the chain of coinbase could not tell"), 503),
        (Conflict("there is no open case"), 409),
        (Malformed("its issuer has revoked it", field="uid"), 400),
    ],
)
def test_what_stands_in_the_way_of_an_import_is_told_apart(
    world: World, shelf: Shelf, trouble: Exception, status: int
) -> None:
    shelf.trouble = trouble
    assert signed_in(world).post("/v1/imports", {}).status_code == status


# -- as described --------------------------------------------------------------------------------


def test_live_answers_of_these_routes_are_as_described(
    world: World, providers: stand_in.World
) -> None:
    renter = signed_in(world)
    description = renter.get("/v1/openapi.json").get_json()
    begun = renter.post("/v1/verifications", {"provider": "stripe"})
    one = f"/v1/verifications/{begun.get_json()['id']}"
    checks = [
        ("post", "/v1/verifications", begun),
        ("get", "/v1/verifications/{id}", renter.get(one)),
        ("post", "/v1/webhooks/{provider}", rightly(world, "stripe")),
        ("post", "/v1/imports", renter.post("/v1/imports", {})),
        ("post", "/v1/verifications", renter.post("/v1/verifications", {})),
        ("post", "/v1/webhooks/{provider}", send(world, "stripe", b"{}", {})),
    ]
    for method, path, answer in checks:
        declared = description["paths"][path][method]["responses"][str(answer.status_code)]
        assert misfits(description, declared, answer) == [], (method, path)
