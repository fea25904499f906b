"""What the API does for a renter: cases, keys, permits, dry runs, status, attestation, health."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kycgate.core.attestation import SignedAttestation
from kycgate.core.claims import Account, Level
from kycgate.core.permit import SignedPermit
from kycgate.core.policy import ListVersion
from kycgate.errors import Unavailable
from kycgate.issuer.renewals import Renewals
from kycgate.screening.ownership.live import Trouble
from kycgate.store.records.jobs import Job, Refusal
from tests.web.browser import ALICE, MALLORY, Browser, key_of, signed_in
from tests.web.world import OPERATOR_TOKEN, T0, World, build

PERSON = {"kind": "person", "details": {"name": "Ada Tan", "country": "SG"}}
ACCOUNT = Account(ALICE.address)
JOB = {"gpu_model": "H100", "gpu_count": 8, "hours": 24}
TERMS = {"provider": "0x" + "11" * 20, "token": "0x" + "22" * 20, "max_value": "1000000"}


# -- cases ---------------------------------------------------------------------------------------


def test_a_case_is_opened_listed_and_read(world: World) -> None:
    browser = signed_in(world)
    opened = browser.post("/v1/cases", PERSON)
    case = opened.get_json()
    assert opened.status_code == 201
    assert opened.headers["Location"] == f"/v1/cases/{case['id']}"
    assert case["state"] == "checking"
    assert browser.get("/v1/cases").get_json() == {"cases": [case]}
    assert browser.get(f"/v1/cases/{case['id']}").get_json() == case


def test_a_case_shows_neither_hits_nor_notes_nor_identity(world: World) -> None:
    """The registrar recorded a screening hit and an internal note."""
    browser = signed_in(world)
    case = browser.post("/v1/cases", PERSON).get_json()
    world.registrar.decide_case(case["id"], "refused", now=T0)
    shown = browser.get(f"/v1/cases/{case['id']}").text
    for word in ("screening", "hit", "internal note", "Ada", "sealed", "declined by"):
        assert word not in shown
    assert browser.get(f"/v1/cases/{case['id']}").get_json()["reasons"][0]["code"] == "declined"


def test_a_case_under_review_reads_the_same_with_and_without_a_hit(world: World) -> None:
    case = signed_in(world).post("/v1/cases", PERSON).get_json()
    assert [reason["code"] for reason in case["reasons"]] == ["under_review"]


def test_a_case_keeps_the_refusal_it_came_from(world: World) -> None:
    world.store.add_refusal(Refusal("r" * 22, T0, dict(JOB), ("missing:attestation",), "rent.test"))
    case = signed_in(world).post("/v1/cases", PERSON | {"refusal_id": "r" * 22}).get_json()
    assert case["refusal_id"] == "r" * 22


# -- keys ----------------------------------------------------------------------------------------


def test_a_key_is_shown_once_and_kept_as_a_hash(world: World) -> None:
    browser = signed_in(world)
    made = browser.post("/v1/keys", {"label": "cli", "days": 7, "scope": ["rent"]})
    key = made.get_json()
    assert made.status_code == 201
    assert key["secret"].startswith("kg_")
    assert len(key["secret"]) >= 46
    assert key["expires_at"] == T0 + 7 * 86_400
    assert made.headers["Cache-Control"] == "no-store"
    listed = browser.get("/v1/keys")
    assert key["secret"] not in listed.text
    assert "hash" not in listed.text
    (stored,) = world.store.keys_of(key_of(ALICE))
    assert key["secret"].encode() not in repr(stored).encode()
    assert stored.scope == ("rent",)


def test_a_key_lives_at_most_thirty_days(world: World) -> None:
    assert signed_in(world).post("/v1/keys", {}).get_json()["expires_at"] == T0 + 30 * 86_400


def test_a_revoked_key_stays_listed_as_ended(world: World) -> None:
    browser = signed_in(world)
    key_id = browser.post("/v1/keys", {}).get_json()["id"]
    assert browser.delete(f"/v1/keys/{key_id}").status_code == 204
    assert browser.get("/v1/keys").get_json()["keys"][0]["live"] is False
    assert browser.delete(f"/v1/keys/{key_id}").status_code == 404


def test_an_account_cannot_pile_up_keys(world: World) -> None:
    browser = signed_in(world)
    statuses = [browser.post("/v1/keys", {}).status_code for _ in range(21)]
    assert statuses == [201] * 20 + [409]


# -- dry run -------------------------------------------------------------------------------------


def test_a_renter_hears_outward_codes_only(world: World) -> None:
    browser = signed_in(world)
    world.registrar.attest(ACCOUNT, now=T0, level=Level.LOW)
    told = browser.post("/v1/explain", JOB).get_json()
    assert told["verdict"] == "deny"
    assert [reason["code"] for reason in told["reasons"]] == ["missing:higher_level"]
    assert set(told) == {"account", "verdict", "reasons"}
    assert set(told["reasons"][0]) == {"code", "text"}


def test_an_operator_sees_rule_and_citation(world: World) -> None:
    signed_in(world)
    world.registrar.attest(ACCOUNT, now=T0, level=Level.LOW)
    operator = Browser(world, token=OPERATOR_TOKEN)
    told = operator.post("/v1/explain", JOB | {"account": key_of(ALICE)}).get_json()
    reason = next(each for each in told["reasons"] if each["code"] == "level_too_low")
    assert reason["rule"] == "controlled-level"
    assert reason["citation"]
    assert told["policy"]["digest"].startswith("0x")


def test_a_renter_cannot_ask_about_another(world: World) -> None:
    response = signed_in(world).post("/v1/explain", JOB | {"account": key_of(MALLORY)})
    assert response.status_code == 404


def test_an_operator_must_name_the_account(world: World) -> None:
    response = Browser(world, token=OPERATOR_TOKEN).post("/v1/explain", JOB)
    assert (response.status_code, response.get_json()["field"]) == (400, "account")


def test_an_approved_renter_reads_allow(world: World) -> None:
    browser = signed_in(world)
    world.registrar.attest(ACCOUNT, now=T0)
    told = browser.post("/v1/explain", JOB).get_json()
    assert told == {"account": key_of(ALICE), "verdict": "allow", "reasons": []}


# -- permits -------------------------------------------------------------------------------------


def test_an_allowed_job_gets_a_permit_another_is_told_why_not(world: World) -> None:
    browser = signed_in(world)
    refused = browser.post("/v1/permits", JOB | TERMS)
    assert refused.status_code == 403
    assert refused.get_json()["code"] == "missing:attestation"
    world.registrar.attest(ACCOUNT, now=T0)
    made = browser.post("/v1/permits", JOB | TERMS | {"idempotency_key": "k1"})
    assert made.status_code == 201
    permit = SignedPermit.from_wire(made.data).permit
    assert permit.renter == ALICE.address
    assert permit.max_value == 1_000_000
    again = browser.post("/v1/permits", JOB | TERMS | {"idempotency_key": "k1"})
    assert SignedPermit.from_wire(again.data).permit.job == permit.job
    other = browser.post("/v1/permits", JOB | TERMS)
    assert SignedPermit.from_wire(other.data).permit.job != permit.job


def test_the_permit_of_an_accepted_job_is_the_renters_alone(world: World) -> None:
    alice, mallory = signed_in(world), signed_in(world, MALLORY)
    world.registrar.attest(ACCOUNT, now=T0)
    permit = SignedPermit.from_wire(alice.post("/v1/permits", JOB | TERMS).data)
    job = permit.permit.job
    assert alice.get(f"/v1/permits?job=0x{job.hex()}").status_code == 404, "not forwarded yet"
    world.store.begin_job(_job(job), repeat_window_s=600)
    found = alice.get(f"/v1/permits?job=0x{job.hex()}")
    assert SignedPermit.from_wire(found.data) == permit
    assert mallory.get(f"/v1/permits?job=0x{job.hex()}").status_code == 404


def test_stale_lists_are_no_verdict_about_the_renter(world: World) -> None:
    browser = signed_in(world)
    world.registrar.attest(ACCOUNT, now=T0)
    world.desk.gate.list_age_s = 100 * 3600
    response = browser.post("/v1/permits", JOB | TERMS)
    assert (response.status_code, response.get_json()["code"]) == (503, "screening_stale")


def test_without_settlement_there_are_no_permits(world: World) -> None:
    plain = build(world.store, world.desk.gate.policy, permits=None)
    response = signed_in(plain).post("/v1/permits", JOB | TERMS)
    assert response.status_code == 404
    assert "settlement" in response.get_json()["detail"]


# -- status, attestation, health -----------------------------------------------------------------


def test_the_status_follows_the_case(world: World) -> None:
    browser = signed_in(world)
    seen = [browser.get("/v1/status").get_json()["state"]]
    case = browser.post("/v1/cases", PERSON).get_json()
    seen.append(browser.get("/v1/status").get_json()["state"])
    world.registrar.decide_case(case["id"], "approved", now=T0)
    status = browser.get("/v1/status").get_json()
    assert [*seen, status["state"]] == ["not_started", "checking", "approved"]
    assert status["attestation"]["expires_at"] == T0 + 86_400
    world.clock.advance(86_400)
    lapsed = Browser(world)
    lapsed.sign_in()
    assert lapsed.get("/v1/status").get_json()["state"] == "revoked"


def test_the_attestation_comes_as_eas_tools_write_it(world: World) -> None:
    browser = signed_in(world)
    world.registrar.attest(ACCOUNT, now=T0)
    response = browser.get("/v1/attestation")
    assert response.mimetype == "application/json"
    held = world.registrar.attested[key_of(ALICE)]
    assert response.data == held.to_wire()
    assert SignedAttestation.from_wire(response.data).uid == held.uid


def test_health_says_little_to_strangers_and_more_to_operators(world: World) -> None:
    world.lists.old = (ListVersion("csl", "2026-10-01", T0 - 10**6),)
    plain = Browser(world, origin=None).get("/healthz")
    assert plain.status_code == 200
    assert plain.get_json() == {
        "status": "degraded",
        "store": "ok",
        "revocations_late_s": 0,
        "stale_lists": 1,
        "broken_registers": 0,
        "renewals_waiting": 0,
        "log": None,
    }
    full = Browser(world, token=OPERATOR_TOKEN).get("/healthz").get_json()
    assert full["lists"] == [{"name": "csl", "version": "2026-10-01", "as_of": T0 - 10**6}]


def test_health_is_degraded_while_revocations_wait_too_long(world: World) -> None:
    class Late:
        def late_s(self, *, now: int) -> int:
            return 41

        def document(self, *, now: int) -> list[dict[str, Any]]:
            return [{"chain_id": 1, "oldest_waiting_s": 191}]

    late = replace(world, parts=replace(world.parts, publishing=Late()))
    plain = Browser(late, origin=None).get("/healthz").get_json()
    assert (plain["status"], plain["revocations_late_s"]) == ("degraded", 41)
    assert "chains" not in plain
    full = Browser(late, token=OPERATOR_TOKEN).get("/healthz").get_json()
    assert full["chains"][0]["oldest_waiting_s"] == 191


def test_health_is_degraded_while_a_register_is_not_of_its_files(world: World) -> None:
    class Registers:
        def troubles(self) -> tuple[Trouble, ...]:
            return (Trouble("gleif", "0xab"), Trouble("bods", None))

    broken = replace(world, parts=replace(world.parts, registers=Registers()))
    plain = Browser(broken, origin=None).get("/healthz").get_json()
    assert (plain["status"], plain["broken_registers"]) == ("degraded", 2)
    assert "registers" not in plain
    assert "gleif" not in str(plain)
    full = Browser(broken, token=OPERATOR_TOKEN).get("/healthz").get_json()
    assert full["registers"] == [
        {"kind": "gleif", "version": "0xab"},
        {"kind": "bods", "version": None},
    ]


def test_health_is_degraded_half_a_life_before_anybody_is_cut_off(world: World) -> None:
    renewals = Renewals()
    renewals.failed("eip155:1:0xa", ends_at=T0 + 43_200, why="lists are stale", now=T0)
    waiting = replace(world, parts=replace(world.parts, renewals=renewals))
    plain = Browser(waiting, origin=None).get("/healthz").get_json()
    assert (plain["status"], plain["renewals_waiting"]) == ("degraded", 1)
    assert "renewals_end_at" not in plain
    full = Browser(waiting, token=OPERATOR_TOKEN).get("/healthz").get_json()
    assert full["renewals_end_at"] == T0 + 43_200


def test_a_broken_store_is_down_not_empty(world: World) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise Unavailable("no database")

    token = Browser(world).sign_in()
    parts = replace(world.parts, store=Broken())
    broken = Browser(replace(world, parts=parts), token=token)
    assert broken.get("/healthz").status_code == 503
    assert broken.get("/v1/cases").status_code == 503


@pytest.mark.parametrize("path", ["/v1/status", "/healthz", "/v1/openapi.json", "/", "/v1/none"])
def test_every_answer_carries_the_security_headers(world: World, path: str) -> None:
    headers = Browser(world).get(path).headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert len(headers["Kycgate-Request"]) == 32


def _job(job: bytes) -> Job:
    return Job(job, key_of(ALICE), b"f" * 32, None, "decided", "d1", b"{}", T0, T0)
