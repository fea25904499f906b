"""Reading one list file the way the library does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kycgate.screening.entries import ListData, list_data
from kycgate.screening.sources import source
from kycgate.screening.sources.reading import Reading

DATA = Path(__file__).parent / "data"
AT = 1_785_500_000  # 2026-07-31

Read = Callable[..., ListData]


def read_list(name: str, *paths: Path, at: int = AT) -> ListData:
    """Read files as the parts of a list, in their order."""
    plugin = source(name)
    reading = Reading(at)
    plugin.read(dict(zip((part.file for part in plugin.parts), paths, strict=True)), reading)
    assert reading.skipped == []
    return list_data(name, reading.entries, as_of=reading.as_of or 0, source=name)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read bytes as the one part of a list."""

    def reader(name: str, content: bytes, *, at: int = AT, file: str = "file") -> ListData:
        path = tmp_path / file
        path.write_bytes(content)
        return read_list(name, path, at=at)

    return reader
