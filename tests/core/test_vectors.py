"""Every vector gives its verdict, and the generator gives every vector."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vectors import FOLDER, generate, load
from tests.vectors.in_python import JUDGES

CASES = [
    pytest.param(name, entry, id=f"{name}: {entry['name']}")
    for name in JUDGES
    for entry in load(name)
]


@pytest.mark.parametrize(("name", "entry"), CASES)
def test_vector_gets_its_verdict(name: str, entry: dict[str, Any]) -> None:
    assert JUDGES[name](entry) == (entry["expected"], entry["reason"])


@pytest.mark.parametrize("name", generate.FILES)
def test_vectors_are_what_the_generator_writes(name: str) -> None:
    assert (FOLDER / name).read_bytes() == generate.document(name)
