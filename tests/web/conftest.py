"""A control plane over a real SQLite store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kycgate.screening.controls import load_default_policy

from kycgate.store import open_store
from tests.web.world import World, build


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = open_store(f"sqlite:///{tmp_path}/gate.db")
    yield build(store, load_default_policy())
    store.close()
