"""The three providers answering over a real store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import responses

from kycgate.store import Store
from tests.issuer.providers.stand_in import MemoryOffice, World
from tests.web.world import fresh_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = fresh_store(tmp_path / "gate.db")
    yield opened
    opened.close()


@pytest.fixture
def world(store: Store) -> Iterator[World]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as http:
        yield World(store, http, MemoryOffice())
