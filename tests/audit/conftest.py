"""A log of a few entries on a store in a file, and the key that signs its heads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kycgate.audit import DecisionLog
from kycgate.keys import LocalSigner
from kycgate.store import LogEntry, Store, open_store

NOW = 1_800_000_000
DECISION = {
    "door": "proxy",
    "granted": False,
    "mode": "enforce",
    "account": "0x" + "a1" * 20,
    "reason_codes": ["gpu_unknown", "screening_stale"],
    "policy": "0x" + "90" * 32,
    "decision": "decision-1",
    "lists": [{"name": "OFAC SDN", "version": "2026-11-01", "as_of": NOW}],
    "attestation": None,
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def log_key() -> LocalSigner:
    return LocalSigner(b"\x01" * 32)


@pytest.fixture
def log(store: Store, log_key: LocalSigner) -> DecisionLog:
    return DecisionLog(store, log_key)


@pytest.fixture
def entries(log: DecisionLog) -> list[LogEntry]:
    """Five entries, of two kinds, two of them within one second."""
    written = [
        log.append("decision", {**DECISION, "decision": f"decision-{number}"}, now=NOW + number)
        for number in range(3)
    ]
    written.append(log.append("case_opened", {"case": "дело-1"}, now=NOW + 2))
    written.append(log.append("refusals_counted", {"counts": {"proof_missing": 12}}, now=NOW + 9))
    return written
