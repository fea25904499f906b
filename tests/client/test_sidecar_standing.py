"""Permits and attestations are renewed before they end, and handed out on loopback only."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from kycgate.client import ControlPlane
from kycgate.client.sidecar import KeyProof, Standing, WalletProof
from kycgate.client.signing import RequestSigner
from kycgate.core.claims import Account, checksum
from kycgate.core.permit import SignedPermit
from kycgate.core.proof import Profile
from kycgate.errors import Unavailable
from tests.client.conftest import Market
from tests.client.sidecars import Sidecar, sidecar
from tests.client.test_session import JOB, TERMS
from tests.web.browser import ALICE, key_of
from tests.web.world import World

ACCOUNT = Account(ALICE.address)


def permit_of(live: World) -> SignedPermit:
    """A permit of Alice's, from a desk that says yes."""
    live.registrar.attest(ACCOUNT, now=int(time.time()))
    signing = RequestSigner(ALICE, chain_id=1, profile=Profile.EIP155, clock=time.time)
    return ControlPlane(live.parts.public_url, signing=signing).ask_permit(JOB | TERMS)


def encoded(permit: SignedPermit) -> str:
    return base64.urlsafe_b64encode(permit.to_wire()).rstrip(b"=").decode()


@pytest.fixture
def local(live: World, market: Market) -> Iterator[Sidecar]:
    signing = RequestSigner(ALICE, chain_id=1, profile=Profile.EIP155, clock=time.time)
    control = ControlPlane(live.parts.public_url, signing=signing)
    standing = Standing(control, account=checksum(ALICE.address), clock=time.time)
    authority = market.origin.split("://")[1]
    proof = WalletProof(ALICE, "http", authority, 1, Profile.EIP155, time.time)
    with sidecar(market.origin, proof, standing=standing) as running:
        yield running


def test_the_permit_an_answer_carried_is_handed_out(
    live: World, market: Market, local: Sidecar
) -> None:
    permit = permit_of(live)
    job = "0x" + permit.permit.job.hex()
    market.permit, market.job = encoded(permit), job
    answer = local.ask("/deploy", method="POST", body=json.dumps(JOB).encode())
    assert b"Kycgate-Permit" in answer
    code, shown = local.json(f"/.kycgate/permit/{job}")
    assert code == 200
    assert SignedPermit.from_wire(json.dumps(shown).encode()) == permit
    assert local.json("/.kycgate/status")[1]["permits"] == [
        {"job": job, "deadline": permit.permit.deadline}
    ]


def test_the_status_says_who_rents_and_until_when(live: World, local: Sidecar) -> None:
    live.registrar.attest(ACCOUNT, now=int(time.time()))
    for _ in range(100):
        code, told = local.json("/.kycgate/status")
        if told["checked_at"] is not None:
            break
        time.sleep(0.05)
    assert code == 200
    assert (told["account"], told["proof"]) == (checksum(ALICE.address), "signature")
    assert told["problem"] is None
    assert told["state"] == "not_started"


def test_a_permit_of_nobodys_job_is_not_found(live: World, local: Sidecar) -> None:
    assert local.json("/.kycgate/permit/0x" + "00" * 32)[0] == 404
    assert local.json("/.kycgate/permit/junk")[0] == 400
    assert local.json("/.kycgate/other")[0] == 404
    assert key_of(ALICE)


# -- renewal, by a clock -------------------------------------------------------------------------


class Gate:
    """A control plane that counts what it was asked."""

    def __init__(self, permit: SignedPermit | None = None) -> None:
        self.permit = permit
        self.expires_at = 0
        self.asked: list[str] = []
        self.down = False

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.down:
            raise Unavailable("the gate is away")

    def status(self) -> dict[str, Any]:
        self._ask("status")
        return {"state": "approved", "attestation": {"expires_at": self.expires_at}}

    def attestation(self) -> dict[str, Any]:
        self._ask("attestation")
        self.expires_at += 86_400
        return {}

    def permit_of(self, job: bytes) -> SignedPermit:
        self._ask("permit")
        assert self.permit is not None
        later = replace(self.permit.permit, deadline=self.permit.permit.deadline + 600)
        self.permit = replace(self.permit, permit=later)
        return self.permit


class Clock:
    at = 1_800_000_000

    def __call__(self) -> float:
        return self.at


def standing(gate: Gate, clock: Clock, account: str | None = "0xa") -> Standing:
    return Standing(gate, account=account, clock=clock)  # type: ignore[arg-type]


def test_an_attestation_is_renewed_before_it_ends_and_not_earlier() -> None:
    gate, clock = Gate(), Clock()
    gate.expires_at = clock.at + 86_400
    known = standing(gate, clock)
    known.round()
    clock.at += 3600
    known.round()
    assert gate.asked == ["status", "status"]
    clock.at += 86_400 - 3600 - 7000
    known.round()
    known.round()
    assert gate.asked[2:] == ["attestation", "status"]
    assert known.document()["attestation"]["expires_at"] == gate.expires_at > clock.at + 80_000


def test_a_permit_is_renewed_before_it_ends_while_its_job_is_young(live: World) -> None:
    first, clock = permit_of(live), Clock()
    clock.at = first.permit.deadline - 600
    gate = Gate(first)
    gate.expires_at = clock.at + 10**6
    known = standing(gate, clock)
    known.note(first.permit.job, encoded(first))
    clock.at += 470
    known.round()
    assert "permit" not in gate.asked
    clock.at += 20
    known.round()
    assert gate.asked.count("permit") == 1
    assert known.permit(first.permit.job).permit.deadline == first.permit.deadline + 600
    assert gate.asked.count("permit") == 1
    clock.at += 7200
    known.round()
    assert gate.asked.count("permit") == 1
    known.permit(first.permit.job)
    assert gate.asked.count("permit") == 2


def test_a_gate_that_is_away_is_told_and_tried_again() -> None:
    gate, clock = Gate(), Clock()
    gate.down = True
    known = standing(gate, clock)
    known.round()
    assert known.document()["problem"] == "the gate is away"
    gate.down = False
    known.round()
    assert known.document()["problem"] is None


def test_with_a_gate_key_alone_permits_come_with_answers_only(live: World) -> None:
    permit, clock = permit_of(live), Clock()
    clock.at = permit.permit.deadline - 600
    known = standing(Gate(permit), clock, account=None)
    with pytest.raises(Unavailable, match="wallet"):
        known.permit(permit.permit.job)
    known.note(permit.permit.job, encoded(permit))
    assert known.permit(permit.permit.job) == permit


def test_a_permit_that_cannot_be_read_is_none() -> None:
    known = standing(Gate(), Clock())
    known.note(b"j" * 32, "!!")
    assert known.document()["permits"] == []


def test_a_key_shows_itself_nowhere() -> None:
    assert "secret" not in repr(KeyProof("kg_secret", "x-api-key"))
