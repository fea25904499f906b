"""The published description and the application say the same, both ways."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from kycgate.core.claims import Account
from kycgate.issuer.cases import Need
from kycgate.issuer.retention import Erasure
from kycgate.issuer.view import ShownProof, Standing
from kycgate.web.app import create_app
from tests.issuer.pictures import a_jpeg
from tests.issuer.test_mrz import TD3
from tests.web.browser import ALICE, MALLORY, Browser, key_of, link, signed_in
from tests.web.presenting import FORM, shown_in_browser, with_wallets
from tests.web.world import OPERATOR_TOKEN, T0, World, a_job


@pytest.fixture
def description(world: World) -> dict[str, Any]:
    document: dict[str, Any] = Browser(world).get("/v1/openapi.json").get_json()
    return document


def test_the_description_is_valid_openapi_31(description: dict[str, Any]) -> None:
    assert description["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(description).iter_errors()) == []


def test_every_route_is_described_and_every_description_has_a_route(
    world: World, description: dict[str, Any]
) -> None:
    described = {
        (method.upper(), path)
        for path, operations in description["paths"].items()
        for method in operations
    }
    routed = {
        (method, re.sub(r"<(\w+)>", r"{\1}", rule.rule))
        for rule in create_app(world.parts).url_map.iter_rules()
        if rule.rule.startswith("/v1/") or rule.rule == "/healthz"
        for method in (rule.methods or set()) - {"HEAD"}
    }
    assert described == routed


def test_every_schema_has_an_example_that_fits_it(description: dict[str, Any]) -> None:
    for name, schema in description["components"]["schemas"].items():
        for example in schema.get("examples", []):
            errors = _errors(description, {"$ref": f"#/components/schemas/{name}"}, example)
            assert errors == [], (name, errors)
    shown = {n for n, s in description["components"]["schemas"].items() if s.get("examples")}
    assert set(description["components"]["schemas"]) - shown == {"Parent"}


def test_live_answers_are_as_described(world: World, description: dict[str, Any]) -> None:
    """A renter's whole way through the API, each answer held against its declared schema."""
    with_wallets(world)
    renter, stranger = signed_in(world), Browser(world)
    account = Account(ALICE.address)
    job = {"gpu_model": "H100", "gpu_count": 8, "hours": 24}
    terms = {"provider": "0x" + "11" * 20, "token": "0x" + "22" * 20, "max_value": "5"}
    challenge = {"account": key_of(ALICE), "chain_id": 1}
    case = {"kind": "person", "details": {"name": "Ada"}}
    drawn = stranger.post("/v1/challenge", challenge)
    checks = [("post", "/v1/challenge", drawn)]
    checks += [("post", "/v1/challenge", stranger.post("/v1/challenge", {}))]
    checks += [("post", "/v1/session", stranger.answer(drawn.get_json()["message"]))]
    checks += [("post", "/v1/session", Browser(world).post("/v1/session", {}))]
    checks += [("get", "/v1/session", renter.get("/v1/session"))]
    checks += [("get", "/v1/status", renter.get("/v1/status"))]
    checks += [("get", "/v1/attestation", renter.get("/v1/attestation"))]
    checks += [("post", "/v1/permits", renter.post("/v1/permits", job | terms))]
    checks += [("post", "/v1/explain", renter.post("/v1/explain", job))]
    opened = renter.post("/v1/cases", case)
    checks += [("post", "/v1/cases", opened), ("get", "/v1/cases", renter.get("/v1/cases"))]
    one = renter.get(f"/v1/cases/{opened.get_json()['id']}")
    checks += [("get", "/v1/cases/{id}", one)]
    checks += [("get", "/v1/cases/{id}", renter.get("/v1/cases/none"))]
    world.registrar.standings[opened.get_json()["id"]] = Standing(
        needs=(Need("details", "Say it again."),),
        proofs=(ShownProof("credential", "openid4vp", T0, 3, "accepted"),),
        valid_until=T0 + 5,
        re_verify_at=T0 + 5,
    )
    more = renter.put(f"/v1/cases/{opened.get_json()['id']}", {"details": {"name": "Ada"}})
    checks += [("put", "/v1/cases/{id}", more)]
    checks += [("get", "/v1/ways", renter.get("/v1/ways"))]
    checks += presenting(world, renter)
    checks += [("post", "/v1/documents", renter.raw("/v1/documents", a_jpeg(), "image/jpeg"))]
    checks += [("post", "/v1/documents", renter.raw("/v1/documents", b"%PDF-", "image/jpeg"))]
    handed_in = renter.post("/v1/documents", {"mrz": list(TD3), "hand_in": True})
    assert handed_in.status_code == 200
    checks += [("post", "/v1/documents", handed_in)]
    checks += [("get", "/v1/documents", renter.get("/v1/documents"))]
    second = {"account": key_of(MALLORY), "chain_id": 1}
    drawn_link = renter.post("/v1/accounts/challenge", second)
    checks += [("post", "/v1/accounts/challenge", drawn_link)]
    checks += [("post", "/v1/accounts", link(renter, drawn_link))]
    checks += [("post", "/v1/accounts", link(renter, drawn_link))]
    checks += [("get", "/v1/accounts", renter.get("/v1/accounts"))]
    world.store.begin_job(a_job(account), repeat_window_s=1)
    world.store.mark_forwarded(a_job(account).id, at=T0)
    checks += [("get", "/v1/me/uses", renter.get("/v1/me/uses"))]
    checks += [("get", "/v1/me/export", renter.get("/v1/me/export"))]
    leaving = signed_in(world, MALLORY)
    world.registrar.erasures[key_of(MALLORY)] = Erasure(T0 + 5, ("retention", "4f"))
    checks += [("delete", "/v1/me", leaving.delete("/v1/me"))]
    world.registrar.attest(account, now=T0)
    checks += [("get", "/v1/attestation", renter.get("/v1/attestation"))]
    checks += [("get", "/v1/status", renter.get("/v1/status"))]
    checks += [("post", "/v1/permits", renter.post("/v1/permits", job | terms))]
    checks += [("get", "/v1/permits", renter.get("/v1/permits?job=0x" + "00" * 32))]
    checks += [("get", "/v1/permits", renter.get("/v1/permits"))]
    none = "/v1/verifications/" + "0" * 32
    checks += [
        ("post", "/v1/verifications", renter.post("/v1/verifications", {"provider": "x"})),
        ("get", "/v1/verifications/{id}", renter.get(none)),
        ("post", "/v1/webhooks/{provider}", renter.raw("/v1/webhooks/stripe", b"{}")),
        ("post", "/v1/imports", renter.post("/v1/imports", {})),
    ]
    made = renter.post("/v1/keys", {})
    checks += [("post", "/v1/keys", made), ("get", "/v1/keys", renter.get("/v1/keys"))]
    checks += [("delete", "/v1/keys/{id}", renter.delete(f"/v1/keys/{made.get_json()['id']}"))]
    checks += [("delete", "/v1/keys/{id}", renter.delete("/v1/keys/none"))]
    checks += [("post", "/v1/users", renter.post("/v1/users", {}))]
    linked = world.link_user(key_of(ALICE))
    checks += [("get", "/v1/users", renter.get("/v1/users"))]
    checks += [("delete", "/v1/users/{id}", renter.delete(f"/v1/users/{linked.id}"))]
    checks += [("delete", "/v1/users/{id}", renter.delete("/v1/users/00"))]
    looked = renter.get("/v1/register/529900T8BM49AURSDO55")
    checks += [("get", "/v1/register/{lei}", looked)]
    handoff = renter.post("/v1/handoffs", {})
    code = handoff.get_json()
    checks += [("post", "/v1/handoffs", handoff)]
    look = stranger.post("/v1/handoffs/look", {"code": code["code"]})
    checks += [("post", "/v1/handoffs/look", look)]
    claim = {"code": code["code"], "match": code["match"]}
    checks += [("post", "/v1/handoffs/claim", stranger.post("/v1/handoffs/claim", claim))]
    checks += [("post", "/v1/handoffs/claim", stranger.post("/v1/handoffs/claim", claim))]
    checks += [("get", "/v1/session", stranger.get("/v1/session"))]
    checks += [("get", "/v1/handoffs/{id}", renter.get(f"/v1/handoffs/{code['id']}"))]
    checks += [("delete", "/v1/handoffs/{id}", renter.delete(f"/v1/handoffs/{code['id']}"))]
    operator = Browser(world, token=OPERATOR_TOKEN)
    full = operator.post("/v1/explain", job | {"account": key_of(ALICE)})
    checks += [("post", "/v1/explain", full)]
    checks += [("get", "/healthz", stranger.get("/healthz"))]
    checks += [("get", "/v1/openapi.json", stranger.get("/v1/openapi.json"))]
    checks += [("delete", "/v1/session", renter.delete("/v1/session"))]
    for method, path, response in checks:
        declared = description["paths"][path][method]["responses"]
        assert str(response.status_code) in declared, (method, path, response.status_code)
        assert _misfits(description, declared[str(response.status_code)], response) == []
    seen = {(method, path) for method, path, _ in checks}
    assert seen == {(m, p) for p, operations in description["paths"].items() for m in operations}


def presenting(world: World, renter: Browser) -> list[tuple[str, str, Any]]:
    """A credential shown in the browser, and one asked for by link and declined."""
    whole, one = "/v1/presentations", "/v1/presentations/{id}"
    begun = renter.post(whole, {"mode": "dc"})
    linked = renter.post(whole, {"mode": "redirect"})
    first, second = (f"{whole}/{each.get_json()['id']}" for each in (begun, linked))
    answer = shown_in_browser(begun.get_json(), world)
    nonce, no = b"wallet_nonce=w", b"error=access_denied"
    return [
        ("post", whole, begun),
        ("post", whole, linked),
        ("post", whole, renter.post(whole, {})),
        ("get", one, renter.get(first)),
        ("post", f"{one}/response", renter.post(f"{first}/response", answer)),
        ("post", f"{one}/response", renter.post(f"{first}/response", answer)),
        ("get", f"{one}/request", renter.get(f"{second}/request")),
        ("post", f"{one}/request", renter.raw(f"{second}/request", nonce, FORM)),
        ("post", f"{one}/direct", renter.raw(f"{second}/direct", no, FORM)),
        ("post", f"{one}/direct", renter.raw(f"{second}/direct", no, FORM)),
        ("get", one, renter.get(second)),
        ("get", one, renter.get(f"{whole}/none")),
    ]


def _misfits(description: dict[str, Any], declared: dict[str, Any], response: Any) -> list[str]:
    if "$ref" in declared:
        declared = description["components"]["responses"][declared["$ref"].rsplit("/", 1)[1]]
    if "content" not in declared:
        return [] if response.data == b"" else ["a body where none is declared"]
    (media,) = declared["content"]
    if response.mimetype != media:
        return [f"{response.mimetype} where {media} is declared"]
    value = json.loads(response.data) if media.endswith("json") else response.text
    return _errors(description, declared["content"][media]["schema"], value)


def _errors(description: dict[str, Any], schema: dict[str, Any], value: Any) -> list[str]:
    whole = {"components": description["components"], **schema}
    return [error.message for error in Draft202012Validator(whole).iter_errors(value)]
