"""The store in memory keeps the promises the real stores keep: it runs their own suite."""

from __future__ import annotations

from inspect import signature
from types import ModuleType

import pytest

from tests.fakes import MemoryStore
from tests.store import (
    test_accounts,
    test_attestations,
    test_jobs,
    test_outbox,
    test_settling,
    test_signin,
    test_users,
)
from tests.store.samples import CASE, OPENED, SUBJECT

# What only a database has: files, and columns that can't hold every value.
_OF_DATABASES = {"database", "tmp_path"}
_OF_COLUMNS = {"test_a_value_no_column_can_hold_is_malformed"}


def _claims(module: ModuleType) -> dict[str, object]:
    return {
        name: claim
        for name, claim in vars(module).items()
        if name.startswith("test_")
        and callable(claim)
        and name not in _OF_COLUMNS
        and not _OF_DATABASES & signature(claim).parameters.keys()
    }


for _module in (
    test_accounts,
    test_attestations,
    test_jobs,
    test_outbox,
    test_settling,
    test_signin,
    test_users,
):
    globals().update(_claims(_module))


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def replica(store: MemoryStore) -> MemoryStore:
    """Two processes share one memory as they would share one database."""
    return store


@pytest.fixture
def opened(store: MemoryStore) -> MemoryStore:
    store.add_subject(SUBJECT)
    store.add_case(CASE, OPENED)
    return store


def test_the_suite_was_found() -> None:
    assert (
        sum(name.startswith("test_") and callable(claim) for name, claim in globals().items()) > 30
    )
