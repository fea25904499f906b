"""A control plane over a real SQLite store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kycgate.screening.controls import load_default_policy
from tests.web.world import World, build, fresh_store


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = fresh_store(tmp_path / "gate.db")
    yield build(store, load_default_policy())
    store.close()
