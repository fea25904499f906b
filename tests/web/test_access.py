"""Who may call what: sessions, signed requests, operator tokens, gate keys, and nobody else."""

from __future__ import annotations

import json

import pytest

from kycgate.core.proof import Profile
from tests.web.browser import ALICE, MALLORY, Browser, key_of, signed_headers, signed_in, tool
from tests.web.world import GATE, OPERATOR_TOKEN, World

_PERSON = {"kind": "person", "details": {"name": "Ada", "country": "SG"}}
OWN = [
    ("GET", "/v1/session"),
    ("DELETE", "/v1/session"),
    ("GET", "/v1/status"),
    ("GET", "/v1/attestation"),
    ("POST", "/v1/cases"),
    ("GET", "/v1/cases"),
    ("GET", "/v1/cases/case_01"),
    ("POST", "/v1/keys"),
    ("GET", "/v1/keys"),
    ("DELETE", "/v1/keys/abc"),
    ("POST", "/v1/permits"),
    ("GET", "/v1/permits?job=0x" + "00" * 32),
    ("POST", "/v1/explain"),
    ("POST", "/v1/handoffs"),
    ("GET", "/v1/handoffs/" + "0" * 32),
    ("DELETE", "/v1/handoffs/" + "0" * 32),
]


@pytest.mark.parametrize(("method", "path"), OWN)
def test_nothing_of_a_renter_is_open_to_strangers(world: World, method: str, path: str) -> None:
    browser = Browser(world)
    response = browser.client.open(
        path, method=method, json={}, headers=browser.headers, base_url=GATE
    )
    assert response.status_code == 401
    assert response.mimetype == "application/problem+json"
    assert "SIWE" in response.headers["WWW-Authenticate"]


@pytest.mark.parametrize("origin", [None, "null", "http://evil.test", "http://gate.test.evil.test"])
@pytest.mark.parametrize(
    ("method", "path"), [(method, path) for method, path in OWN if method != "GET"]
)
def test_a_cookie_changes_nothing_without_our_own_origin(
    world: World, method: str, path: str, origin: str | None
) -> None:
    browser = signed_in(world)
    headers = {} if origin is None else {"Origin": origin}
    response = browser.client.open(path, method=method, json={}, headers=headers, base_url=GATE)
    assert response.status_code == 403
    assert response.get_json()["code"] == "proof_audience"
    assert browser.get("/v1/session").status_code == 200


def test_a_token_needs_no_origin(world: World) -> None:
    assert tool(world).post("/v1/keys", {}).status_code == 201


def test_a_cookie_value_is_no_other_credential(world: World) -> None:
    """A gate key or operator token in the session cookie is no session."""
    browser = Browser(world)
    browser.client.set_cookie("kycgate_session", OPERATOR_TOKEN, domain="gate.test")
    assert browser.get("/v1/status").status_code == 401


# -- signed requests ---------------------------------------------------------------------------


@pytest.mark.parametrize("profile", list(Profile))
def test_a_signed_request_proves_the_account(world: World, profile: Profile) -> None:
    headers = signed_headers(world, "GET", "/v1/status", profile=profile)
    response = Browser(world, origin=None).get("/v1/status", **headers)
    assert response.status_code == 200
    assert response.get_json()["account"] == key_of(ALICE)


def test_a_signed_request_counts_once(world: World) -> None:
    headers = signed_headers(world, "GET", "/v1/status")
    browser = Browser(world, origin=None)
    assert browser.get("/v1/status", **headers).status_code == 200
    again = browser.get("/v1/status", **headers)
    assert (again.status_code, again.get_json()["code"]) == (401, "proof_replayed")


@pytest.mark.parametrize(
    ("method", "path", "authority"),
    [
        ("GET", "/v1/keys", "gate.test"),
        ("POST", "/v1/status", "gate.test"),
        ("GET", "/v1/status?x=1", "gate.test"),
        ("GET", "/v1/status", "evil.test"),
    ],
)
def test_a_signature_for_another_request_is_refused(
    world: World, method: str, path: str, authority: str
) -> None:
    headers = signed_headers(world, method, path, authority=authority)
    response = Browser(world, origin=None).get("/v1/status", **headers)
    assert response.status_code in (401, 503)


def test_a_signature_for_another_host_is_refused_though_the_host_header_agrees(
    world: World,
) -> None:
    headers = signed_headers(world, "GET", "/v1/status", authority="evil.test")
    browser = Browser(world, origin=None)
    response = browser.client.get("/v1/status", headers=headers, base_url="http://evil.test")
    assert response.status_code == 401


def test_a_body_swapped_under_its_signature_is_refused(world: World) -> None:
    body = json.dumps({"label": "mine"}).encode()
    headers = signed_headers(world, "POST", "/v1/keys", body=body)
    browser = Browser(world, origin=None)
    response = browser.client.post(
        "/v1/keys", data=b'{"label": "evil"}', headers=headers, content_type="application/json"
    )
    assert response.status_code == 401
    response = browser.client.post(
        "/v1/keys", data=body, headers=headers, content_type="application/json"
    )
    assert response.status_code == 201


def test_two_proofs_at_once_are_ambiguous(world: World) -> None:
    caller = tool(world)
    response = caller.get("/v1/status", **signed_headers(world, "GET", "/v1/status"))
    assert (response.status_code, response.get_json()["code"]) == (400, "ambiguous_request")


def test_a_signature_that_fails_is_not_forgiven_for_a_cookie(world: World) -> None:
    browser = signed_in(world)
    headers = signed_headers(world, "GET", "/v1/keys")
    assert browser.get("/v1/status", **headers).status_code == 401


@pytest.mark.parametrize("value", ["Basic YTpi", "Bearer", "Bearer short", "bearer " + "é" * 40])
def test_an_unreadable_credential_is_named(world: World, value: str) -> None:
    response = Browser(world, origin=None).get("/v1/status", Authorization=value)
    assert response.status_code == 400
    assert response.get_json()["field"] == "Authorization"


@pytest.mark.parametrize("prefix", ["kgs_", "kg_", "kgo_", "xx_"])
def test_a_guessed_token_is_unknown(world: World, prefix: str) -> None:
    assert Browser(world, token=prefix + "A" * 43).get("/v1/status").status_code == 401


# -- what each credential may do ---------------------------------------------------------------


def test_a_session_key_cannot_make_keys(world: World) -> None:
    program = tool(world, scope="session-key")
    response = program.post("/v1/keys", {})
    assert (response.status_code, response.get_json()["code"]) == (403, "key_scope")
    assert program.get("/v1/keys").get_json() == {"keys": []}
    assert program.get("/v1/session").get_json()["means"] == "session-key"


def test_a_session_key_sets_no_browser_cookie(world: World) -> None:
    browser = Browser(world)
    browser.sign_in(scope="session-key")
    assert browser.client.get_cookie("kycgate_session", domain="gate.test") is None


def test_an_old_sign_in_cannot_make_keys(world: World) -> None:
    browser = signed_in(world)
    world.clock.advance(3601)
    response = browser.post("/v1/keys", {})
    assert response.status_code == 403
    assert response.get_json()["code"] == "missing:fresh_wallet_proof"


def test_a_gate_key_reads_the_own_status_and_nothing_else(world: World) -> None:
    secret = signed_in(world).post("/v1/keys", {}).get_json()["secret"]
    program = Browser(world, token=secret)
    assert program.get("/v1/status").get_json()["account"] == key_of(ALICE)
    for method, path in OWN:
        if path != "/v1/status":
            response = program.client.open(
                path, method=method, json={}, headers=program.headers, base_url=GATE
            )
            assert response.status_code == 403, path
            assert response.get_json()["code"] == "key_scope"


def test_a_revoked_or_expired_gate_key_reads_nothing(world: World) -> None:
    browser = signed_in(world)
    key = browser.post("/v1/keys", {"days": 1}).get_json()
    assert browser.delete(f"/v1/keys/{key['id']}").status_code == 204
    revoked = Browser(world, token=key["secret"]).get("/v1/status")
    assert (revoked.status_code, revoked.get_json()["code"]) == (401, "key_revoked")
    other = browser.post("/v1/keys", {"days": 1}).get_json()
    world.clock.advance(86_400)
    expired = Browser(world, token=other["secret"]).get("/v1/status")
    assert (expired.status_code, expired.get_json()["code"]) == (401, "key_expired")


def test_an_operator_token_owns_nothing(world: World) -> None:
    operator = Browser(world, token=OPERATOR_TOKEN)
    for method, path in OWN:
        if path != "/v1/explain":
            response = operator.client.open(
                path, method=method, json={}, headers=operator.headers, base_url=GATE
            )
            assert response.status_code == 403, path


# -- one renter and another --------------------------------------------------------------------


def test_one_renter_never_sees_anothers_case_key_or_permit(world: World) -> None:
    alice, mallory = signed_in(world), signed_in(world, MALLORY)
    case = alice.post("/v1/cases", _PERSON).get_json()
    key = alice.post("/v1/keys", {}).get_json()
    missing = mallory.get("/v1/cases/case_99")
    other = mallory.get(f"/v1/cases/{case['id']}")
    assert other.status_code == missing.status_code == 404
    assert _without_id(other) == _without_id(missing), "it must look as if it did not exist"
    assert mallory.get("/v1/cases").get_json() == {"cases": []}
    assert mallory.get("/v1/keys").get_json() == {"keys": []}
    assert mallory.delete(f"/v1/keys/{key['id']}").status_code == 404
    assert mallory.get("/v1/status").get_json()["case"] is None
    assert mallory.get("/v1/attestation").status_code == 404
    assert alice.get("/v1/keys").get_json()["keys"][0]["live"] is True


def _without_id(response: object) -> dict[str, object]:
    document = response.get_json()  # type: ignore[attr-defined]
    return {name: value for name, value in document.items() if name != "request_id"}
