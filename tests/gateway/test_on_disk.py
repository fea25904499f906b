"""The gate on a real database with the real decision log: what counts is on disk when it counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kycgate.audit import DecisionLog, Verified, verify_log
from kycgate.gateway.gate import Gate
from kycgate.store import open_store
from tests.gateway.world import CAAS, World, error, field_of

KEY = ("Idempotency-Key", "order-1")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'gate.sqlite3'}"


@pytest.fixture
def disk(url: str) -> Iterator[World]:
    store = open_store(url)
    world = World(store=store)
    world.gate = Gate(replace(world.parts, log=DecisionLog(store, None)))
    yield world
    store.close()


def test_rental_refusal_repeat_and_stop_leave_a_log_that_verifies(disk: World, url: str) -> None:
    alice, bob = disk.renter("alice"), disk.stranger("bob")
    first = disk.send(alice.rents(KEY))
    assert first.status == 200
    assert disk.send(alice.rents(KEY)).body == first.body
    refused = disk.send(bob.rents())
    refusal = disk.store.refusal(error(refused).split("/r/")[1].split()[0])
    assert refusal is not None
    assert refusal.codes == ("missing:attestation",)
    assert disk.send(alice.asks("DELETE", f"{CAAS}/deployment/dep-1")).status == 200
    entries = disk.store.log_entries()
    assert isinstance(verify_log(entries), Verified)
    assert [entry.kind for entry in entries] == ["decision", "decision"]
    assert alice.account.encode() in entries[0].body


def test_job_killed_on_its_way_is_on_disk_with_its_decision(disk: World, url: str) -> None:
    alice = disk.renter()
    forward = disk.forwarded(alice.rents())
    survivor = open_store(url)
    try:
        job = survivor.jobs_of(alice.account)[0]
        assert job.state == "forwarded"
        assert field_of(forward.headers, "Kycgate-Decision") == job.decision_id
        assert job.decision_id.encode() in survivor.log_entries()[-1].body
    finally:
        survivor.close()


@pytest.mark.parametrize("how", ["key", "account"])
def test_revocation_by_another_process_is_seen_at_once(disk: World, url: str, how: str) -> None:
    alice = disk.renter()
    assert disk.send(alice.rents()).status == 200
    elsewhere = open_store(url)
    if how == "key":
        elsewhere.revoke_key(alice.account, alice.secret[-12:], at=disk.now)
    else:
        elsewhere.revoke_account(alice.account, at=disk.now, reason="hit")
    elsewhere.close()
    assert disk.send(alice.rents()).status == 403
