"""One operator's issuer over a real SQLite store, with the shipped lists and a readable log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kycgate.store import open_store
from kycgate.store.base import Store

KEK = bytes(range(32))


@dataclass
class Lines:
    """The decision log, as a list that can be read back."""

    entries: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def append(self, kind: str, body: dict[str, Any], *, now: int) -> None:
        self.entries.append((kind, body | {"at": now}))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [body for name, body in self.entries if name == kind]


@pytest.fixture
def log() -> Lines:
    return Lines()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "kycgate.db"


@pytest.fixture
def store(database: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{database}")
    yield opened
    opened.close()
