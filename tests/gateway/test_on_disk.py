"""The gate on a real database with the real decision log: what counts is on disk when it counts."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kycgate.audit import DecisionLog, Verified, verify_log
from kycgate.gateway import proving
from kycgate.gateway.gate import Gate
from kycgate.gateway.view import Forward, Reply
from kycgate.store import open_store
from tests.gateway.live import OPERATOR_KEY, LiveWorld
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


# -- what may be looked up on the event loop -------------------------------------------------------


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveWorld]:
    with contextlib.closing(LiveWorld(tmp_path, "http://127.0.0.1:9")) as world:
        world.gate.refresh()
        yield world


def test_a_caller_never_seen_is_known_from_a_local_file_without_a_thread(live: LiveWorld) -> None:
    read = live.renter("alice").asks("GET", f"{CAAS}/hardware")
    assert isinstance(live.gate.quick(read), Forward)


def test_a_key_taken_back_elsewhere_is_refused_after_the_next_look(live: LiveWorld) -> None:
    alice = live.renter("alice")
    read = alice.asks("GET", f"{CAAS}/hardware")
    assert isinstance(live.gate.quick(read), Forward)
    assert live.store.revoke_key(alice.account, alice.secret[-12:], at=live.now)
    live.gate.refresh()
    assert live.gate.quick(read) is None  # a refusal is written down first
    assert isinstance(live.gate.check(read), Reply)


def test_uses_of_keys_are_never_written_down_on_the_event_loop(
    live: LiveWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proving, "_USES_HELD", 1)
    renters = [live.stranger(f"renter-{n}") for n in range(4)]
    for renter in renters:
        assert isinstance(live.gate.quick(renter.asks("GET", f"{CAAS}/hardware")), Forward)
    digests = [hashlib.sha256(renter.secret.encode()).digest() for renter in renters]
    keys = [live.store.key_by_hash(digest) for digest in digests]
    assert [key.last_used_at for key in keys if key] == [None] * 4
    live.gate.refresh()
    keys = [live.store.key_by_hash(digest) for digest in digests]
    assert all(key and key.last_used_at for key in keys)


def test_an_accounts_own_key_is_never_opened_on_the_event_loop(live: LiveWorld) -> None:
    """What opens it may be a key service's, far away."""
    alice, bob = live.renter("alice"), live.renter("bob")
    live.store.set_upstream_key(alice.account, b"sealed")
    live.upstream_keys[alice.account] = "alices own"
    live.gate.refresh()
    for renter in (alice, bob):
        read = renter.asks("GET", f"{CAAS}/hardware")
        assert live.gate.quick(read) is None
    passed = live.gate.check(alice.asks("GET", f"{CAAS}/hardware"))
    assert isinstance(passed, Forward)
    assert field_of(passed.headers, "x-api-key") == "alices own"


def test_the_first_own_key_of_all_counts_after_the_next_look(live: LiveWorld) -> None:
    alice = live.renter("alice")
    read = alice.asks("GET", f"{CAAS}/hardware")
    before = live.gate.check(read)
    assert isinstance(before, Forward)
    live.store.set_upstream_key(alice.account, b"sealed")
    live.upstream_keys[alice.account] = "alices own"
    live.gate.refresh()
    after = live.gate.check(read)
    assert isinstance(after, Forward)
    assert field_of(before.headers, "x-api-key") == OPERATOR_KEY
    assert field_of(after.headers, "x-api-key") == "alices own"
