"""The three providers over a store in memory, which the contract suite holds to the real ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import responses

from tests.fakes import MemoryStore
from tests.issuer.providers.stand_in import MemoryOffice, World


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def world(store: MemoryStore) -> Iterator[World]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as http:
        yield World(store, http, MemoryOffice())
