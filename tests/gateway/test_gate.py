"""The straight line: who gets through, with what, and what everybody else is told."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kycgate.core.decision import Allow, Deny
from kycgate.gateway.view import Forward, Reply
from tests.gateway.world import (
    CAAS,
    NOW,
    PUBLIC_URL,
    SHARED_KEY,
    VMAAS,
    World,
    deploy,
    error,
    field_of,
)

PROBLEM = ("Accept", "application/problem+json")


def problem(world: World, view: Any) -> tuple[int, dict[str, Any], Reply]:
    kept = tuple(field for field in view.headers if field[0] != "Accept")
    reply = world.send(replace(view, headers=(*kept, PROBLEM)))
    assert field_of(reply.headers, "Content-Type") == "application/problem+json"
    return reply.status, json.loads(reply.body), reply


# -- through --------------------------------------------------------------------------------------


def test_verified_renter_rents_and_upstream_sees_exactly_what_was_decided(world: World) -> None:
    alice = world.renter()
    view = alice.rents()
    reply = world.send(view)
    assert reply.status == 200
    assert json.loads(reply.body)["deployment_id"] == "dep-1"
    sent = world.upstream.received[0]
    assert (sent.method, sent.target, sent.body) == (view.method, view.target, view.body)
    assert field_of(sent.headers, "x-api-key") == SHARED_KEY
    assert field_of(sent.headers, "Kycgate-Account") == alice.account
    assert alice.secret not in str(sent.headers)


def test_allowed_rental_carries_permit_decision_and_job(world: World) -> None:
    reply = world.send(world.renter().rents())
    allow, job = world.permits[0]
    assert isinstance(allow, Allow)
    assert (allow.job.gpu_model, allow.job.gpu_count) == ("H100 PCIe", 8)
    assert field_of(reply.headers, "Kycgate-Permit") == "eyJwZXJtaXQiOjF9"
    assert field_of(reply.headers, "Kycgate-Job") == "0x" + job.hex()
    line = world.decisions()[0]
    assert field_of(reply.headers, "Kycgate-Decision") == line["decision"]
    assert (line["granted"], line["job"], line["mode"]) == (True, job.hex(), "enforce")


def test_decision_and_job_are_recorded_before_the_request_leaves(world: World) -> None:
    alice = world.renter()
    world.forwarded(alice.rents())
    assert world.decisions()[0]["granted"] is True
    assert [job.state for job in world.store.jobs_of(alice.account)] == ["forwarded"]


def test_own_upstream_key_is_preferred_to_the_shared_one(world: World) -> None:
    alice = world.renter()
    world.upstream_keys[alice.account] = "alices-own"
    assert field_of(world.forwarded(alice.rents()).headers, "x-api-key") == "alices-own"


def test_bearer_spelling_of_the_gate_key_counts_too(world: World) -> None:
    alice = world.renter()
    view = world.view("GET", f"{CAAS}/hardware", None, ("Authorization", f"Bearer {alice.secret}"))
    headers = world.forwarded(view).headers
    assert field_of(headers, "Authorization") is None
    assert field_of(headers, "x-api-key") == SHARED_KEY


def test_anonymous_catalogue_read_carries_no_upstream_key(world: World) -> None:
    forward = world.forwarded(world.view("GET", f"{CAAS}/price", None, ("Cookie", "s=1")))
    assert field_of(forward.headers, "x-api-key") is None
    assert field_of(forward.headers, "Cookie") is None
    assert forward.identity is None


def test_configuration_is_answered_by_the_gate_itself(world: World) -> None:
    reply = world.send(world.view("GET", "/.well-known/kycgate/configuration"))
    assert json.loads(reply.body) == {"public_url": PUBLIC_URL}
    assert world.upstream.received == []


@pytest.mark.parametrize(
    "name", ["Kycgate-Account", "KYCGATE-JOB", "X-Kycgate-Level", "x-kycgate-account"]
)
def test_identity_fields_of_the_caller_never_reach_upstream(world: World, name: str) -> None:
    alice = world.renter()
    for view in (
        alice.rents((name, "forged")),
        alice.asks("GET", f"{CAAS}/hardware", None, (name, "forged")),
        world.view("GET", f"{CAAS}/hardware", None, (name, "forged")),
    ):
        assert "forged" not in str(world.forwarded(view).headers)


def test_connection_can_not_take_our_fields_away(world: World) -> None:
    view = world.renter().rents(("Connection", "close, Kycgate-Account, X-Forwarded-For"))
    headers = world.forwarded(view).headers
    assert field_of(headers, "Kycgate-Account") is not None
    assert field_of(headers, "X-Forwarded-For") == "192.0.2.7"


@pytest.mark.parametrize(
    "name", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Forwarded-Prefix"]
)
def test_origin_told_by_the_caller_is_replaced_by_ours(world: World, name: str) -> None:
    view = world.renter().rents((name, "203.0.113.66"))
    assert "203.0.113.66" not in str(world.forwarded(view).headers)


def test_answer_of_upstream_can_not_forge_a_permit(world: World) -> None:
    world.parts = replace(world.parts, permit_for=lambda allow, job, now: None)
    world.gate = type(world.gate)(world.parts)
    world.upstream.answer = lambda forward: (200, (("Kycgate-Permit", "forged"),), b"{}")
    assert field_of(world.send(world.renter().rents()).headers, "Kycgate-Permit") is None


# -- who is asking --------------------------------------------------------------------------------


def test_stranger_without_any_proof_gets_a_link_and_no_verdict(world: World) -> None:
    reply = world.send(world.view("POST", f"{CAAS}/deploy", deploy()))
    assert reply.status == 403
    message = error(reply)
    refusal = world.store.refusal(message.split("/r/")[1].split()[0])
    assert refusal is not None
    assert refusal.codes == ("missing:wallet_proof",)
    assert refusal.asked == {
        "action": "rent", "gpu_model": "H100 PCIe", "gpu_count": 8, "hours": 24
    }  # fmt: skip
    assert world.upstream.received == []


def test_refused_message_holds_one_url_and_the_request_id(world: World) -> None:
    reply = world.send(world.stranger("bob").rents())
    message = error(reply)
    assert message.count("http") == 1
    assert world.decisions()[0]["decision"] in message
    assert world.stranger("carol").account not in message
    assert field_of(reply.headers, "Cache-Control") == "no-store"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"revoked_at": NOW}, "key_revoked"),
        ({"expires_at": NOW}, "key_expired"),
        ({"scope": ("read", "stop")}, "key_scope"),
        ({"scope": ()}, "key_scope"),
    ],
)
def test_key_that_does_not_hold_is_refused(
    world: World, changes: dict[str, Any], code: str
) -> None:
    alice = world.renter()
    world.add_key("kg_" + "a" * 40, alice.account, **changes)
    view = world.view("POST", f"{CAAS}/deploy", deploy(), ("x-api-key", "kg_" + "a" * 40))
    assert world.send(view).status == 403
    _, body, _ = problem(world, view)
    assert body["code"] == code


@pytest.mark.parametrize("secret", ["kg_" + "z" * 40, "kg_short", "kg_" + "é" * 40, "io-v2-mine"])
@pytest.mark.parametrize(("method", "path"), [("POST", "deploy"), ("GET", "hardware")])
def test_key_we_do_not_know_is_refused_even_for_open_reads(
    world: World, secret: str, method: str, path: str
) -> None:
    body = deploy() if method == "POST" else None
    view = world.view(method, f"{CAAS}/{path}", body, ("x-api-key", secret))
    assert world.send(view).status == 403
    status, said, reply = problem(world, view)
    assert (status, said["code"]) == (401, "key_unknown")
    assert "Kycgate realm=" in (field_of(reply.headers, "WWW-Authenticate") or "")


def test_signed_request_rents_once_and_is_refused_when_replayed(world: World) -> None:
    alice = world.renter()
    view = alice.signs(alice.rents(), nonce="nonce-0001")
    assert world.send(view).status == 200
    sent = world.upstream.received[0]
    assert field_of(sent.headers, "Signature") is None
    assert field_of(sent.headers, "x-api-key") == SHARED_KEY
    status, said, _ = problem(world, view)
    assert (status, said["code"]) == (401, "proof_replayed")


def test_signed_request_counts_as_a_fresh_wallet_proof(world: World) -> None:
    alice = world.renter()
    world.pass_time(8 * 86400)
    world.attest(alice)
    world.lists = tuple(replace(entry, as_of=world.now) for entry in world.lists)
    assert world.send(alice.rents()).status == 403
    assert world.send(alice.signs(alice.rents(), nonce="nonce-0002")).status == 200


def test_signature_over_another_body_is_refused(world: World) -> None:
    alice = world.renter()
    view = alice.signs(alice.rents(), nonce="nonce-0003")
    other = json.dumps(deploy(gpus=64)).encode()
    headers = tuple(
        (name, str(len(other)) if name == "Content-Length" else value)
        for name, value in view.headers
    )
    reply = world.send(replace(view, body=other, headers=headers))
    assert reply.status == 403
    assert world.upstream.received == []


def test_signature_for_another_host_is_refused(world: World) -> None:
    alice = world.renter()
    there = replace(alice.rents(), authority="other.example")
    there = replace(
        there,
        headers=tuple(
            ("Host", "other.example") if n == "Host" else (n, v) for n, v in there.headers
        ),
    )
    status, said, _ = problem(world, alice.signs(there, nonce="nonce-0004"))
    assert (status, said["code"]) == (401, "proof_audience")


def test_key_and_signature_together_are_refused(world: World) -> None:
    alice = world.renter()
    view = alice.signs(alice.rents(), nonce="nonce-0005")
    view = replace(view, headers=(*view.headers, ("x-api-key", alice.secret)))
    assert problem(world, view)[1]["code"] == "proof_invalid"


# -- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("person", "code"),
    [
        ({"level": 1}, "missing:higher_level"),
        ({"country": "CN"}, "declined"),
        ({"country": "SG", "ultimate": "CN"}, "declined"),
        ({"country": "IR"}, "declined"),
    ],
)
def test_renter_the_policy_does_not_want_is_told_no_more_than_that(
    world: World, person: dict[str, Any], code: str
) -> None:
    status, said, _ = problem(world, world.renter(**person).rents())
    assert (status, said["code"]) == (403, code)
    for secret in ("CN", "D:5", "country", "ultimate", "controlled-"):
        assert secret not in json.dumps(said)
    line = world.decisions()[0]
    assert (line["granted"], world.upstream.received) == (False, [])
    assert line["rules"] != []


def test_low_level_is_enough_for_a_small_gpu(world: World) -> None:
    alice = world.renter(level=1)
    assert world.send(alice.rents(hardware=7)).status == 200
    assert world.send(alice.rents(hardware=203)).status == 403


def test_gpu_that_can_not_be_learned_counts_as_controlled(world: World) -> None:
    alice = world.renter(level=1)
    world.upstream.down = True
    assert world.send(alice.rents(hardware=7)).status == 403


def test_unattested_wallet_is_told_to_verify(world: World) -> None:
    bob = world.stranger("bob")
    assert "verify" in error(world.send(bob.rents()))
    assert problem(world, bob.rents())[1]["code"] == "missing:attestation"


def test_attestation_about_another_account_is_refused(world: World) -> None:
    alice, bob = world.renter("alice"), world.stranger("bob")
    world.issued[bob.wallet.account] = world.issued[alice.wallet.account]
    assert world.send(bob.rents()).status == 403


@pytest.mark.parametrize("path", ["deploy", "deployments"])
def test_malformed_request_is_told_its_field(world: World, path: str) -> None:
    view = world.renter().asks("POST", f"{CAAS}/deploy", {**deploy(), "hardware_id": -1.5})
    reply = world.send(view)
    assert reply.status == 400
    assert "hardware_id" in error(reply)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((("Content-Type", "text/plain"),), 400),
        ((("Content-Type", "application/json; charset=utf-16"),), 400),
        ((("Content-Encoding", "gzip"),), 400),
        ((("Content-Type", "application/json; charset=UTF-8"),), 200),
    ],
)
def test_body_must_be_plain_json(
    world: World, headers: tuple[tuple[str, str], ...], status: int
) -> None:
    view = world.renter().asks("POST", f"{CAAS}/deploy", deploy(), *headers)
    assert world.send(view).status == status


def test_query_on_a_rental_is_refused(world: World) -> None:
    view = world.renter().asks("POST", f"{CAAS}/deploy?hardware_id=7", deploy())
    assert world.send(view).status == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", f"{CAAS}/launch"), ("PUT", f"{CAAS}/deploy"), ("GET", "/enterprise/v1/secrets"),
     ("DELETE", f"{CAAS}/hardware"), ("POST", f"{VMAAS}/deploy/")],
)  # fmt: skip
def test_route_we_do_not_know_is_refused_for_everybody(
    world: World, method: str, path: str
) -> None:
    body = {} if method != "GET" else None
    status, said, _ = problem(world, world.renter().asks(method, path, body))
    assert (status, said["code"]) == (403, "route_unknown")
    assert problem(world, world.view(method, path, body))[1]["code"] == "missing:wallet_proof"
    assert world.upstream.received == []


def test_target_read_two_ways_is_a_400_in_the_marketplaces_shape(world: World) -> None:
    reply = world.send(world.renter().asks("GET", f"{CAAS}/x/../hardware"))
    assert reply.status == 400
    assert "request target" in error(reply)


def test_every_answer_of_ours_is_not_to_be_stored(world: World) -> None:
    bob = world.stranger("bob")
    for view in (bob.rents(), world.view("GET", "/x"), world.view("GET", "//"),
                 world.view("GET", "/.well-known/kycgate/configuration")):  # fmt: skip
        assert field_of(world.send(view).headers, "Cache-Control") == "no-store"


def test_strangers_can_not_fill_the_disk(world: World) -> None:
    replies = [world.send(world.view("POST", f"{CAAS}/deploy", deploy())) for _ in range(500)]
    assert {reply.status for reply in replies} == {403}
    links = {error(reply).split("Open ")[1].split()[0] for reply in replies}
    assert len(links) == 61  # sixty of their own, and the front page for everybody else
    world.pass_time(61)
    world.send(world.view("POST", f"{CAAS}/deploy", deploy()))
    assert [(kind, body["counts"]) for kind, body in world.log.lines] == [
        ("refusals", {"proof_missing": 501})
    ]


def test_one_account_can_not_fill_the_disk_for_the_others(world: World) -> None:
    bob, carol = world.stranger("bob"), world.stranger("carol")
    for _ in range(100):
        world.send(bob.rents())
    assert len(world.decisions()) == 30
    world.send(carol.rents())
    assert len(world.decisions()) == 31


def test_body_is_asked_for_only_where_it_is_read(world: World) -> None:
    alice = world.renter()
    limit = world.parts.limits.body_bytes
    assert world.gate.needs_body(replace(alice.rents(), body=None)) == limit
    assert world.gate.needs_body(alice.asks("GET", f"{CAAS}/hardware")) is None
    assert world.gate.needs_body(alice.asks("POST", "/other", {})) is None
    assert world.gate.needs_body(alice.asks("POST", "//", {})) is None
    signed = alice.signs(alice.asks("DELETE", f"{CAAS}/deployment/d"), nonce="nonce-0006")
    assert world.gate.needs_body(signed) == limit


def test_body_over_the_limit_is_a_413_in_the_marketplaces_shape(world: World) -> None:
    reply = world.gate.too_large(world.renter().rents())
    assert reply.status == 413
    assert "longer" in error(reply)


def test_explain_decides_and_leaves_no_trace(world: World) -> None:
    alice = world.renter(level=1)
    job = world.parts.adapter.job(
        world.parts.adapter.match("POST", f"{CAAS}/deploy"),  # type: ignore[arg-type]
        json.dumps(deploy()).encode(), recorded=None, now=NOW,
    )  # fmt: skip
    assert isinstance(world.gate.explain(alice.wallet.account, job, now=NOW), Deny)
    world.attest(alice, level=2)
    world.store.set_setting("unrelated", "1")
    world.store.revoke_issuer("0x00", at=NOW, reason="moves the version")
    assert isinstance(world.gate.explain(alice.wallet.account, job, now=NOW), Allow)
    assert world.log.lines == []
    assert world.store.jobs_of(alice.account) == []


def test_quick_answers_from_memory_or_not_at_all(world: World) -> None:
    alice = world.renter()
    read = alice.asks("GET", f"{CAAS}/hardware")
    assert world.gate.quick(read) is None
    assert isinstance(world.gate.check(read), Forward)
    world.memory.lose()
    assert isinstance(world.gate.quick(read), Forward)
    assert world.gate.quick(alice.rents()) is None
    assert isinstance(world.gate.quick(world.view("GET", "//")), Reply)


# -- whatever is sent -----------------------------------------------------------------------------

_text = st.text(st.characters(codec="latin-1"), max_size=20)
_names = st.sampled_from(
    ["x-api-key", "Authorization", "Signature", "Signature-Input", "Accept", "Connection",
     "Idempotency-Key", "Content-Type", "Content-Encoding", "Kycgate-Account", "X_Api_Key"]
) | _text  # fmt: skip


@given(st.lists(st.tuples(_names, _text), max_size=5), st.binary(max_size=40), st.booleans())
def test_nobody_rents_by_sending_strange_fields_or_bodies(
    headers: list[tuple[str, str]], body: bytes, whole: bool
) -> None:
    world = World()
    world.renter()
    sent = json.dumps(deploy()).encode() if whole else body
    view = world.view("POST", f"{CAAS}/deploy", sent, *headers)
    assert isinstance(world.gate.check(view), Reply)
    assert world.store.log_entries() == []


@given(st.binary(max_size=30), st.binary(max_size=60))
def test_what_reaches_upstream_is_what_was_read(tail: bytes, body: bytes) -> None:
    world = World()
    alice = world.renter()
    for path in (f"{CAAS}/deploy", f"{CAAS}/hardware?", f"{CAAS}/"):
        method = "POST" if path.endswith("deploy") else "GET"
        view = alice.asks(method, path, body if method == "POST" else None)
        view = replace(view, target=view.target + tail)
        verdict = world.gate.check(view)
        if isinstance(verdict, Forward):
            assert (verdict.target, verdict.body) == (view.target, view.body)
        else:
            assert verdict.status in (400, 403, 404)
