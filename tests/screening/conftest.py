"""A library of lists, made once and copied for each test that writes to one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kycgate.screening.library import Library

NOW = 1_795_000_000  # 2026-11-18


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the shipped lists in it. Not to be written to."""
    return Library(tmp_path_factory.mktemp("shelf"), now=NOW).directory


@pytest.fixture
def library(shelf: Path, tmp_path: Path) -> Library:
    return Library(Path(shutil.copytree(shelf, tmp_path / "lists")), now=NOW)
