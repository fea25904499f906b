"""The figures this room promises, on samples small enough for every run (`make bench` has all)."""

from __future__ import annotations

import random

import pytest

from kycgate.core.claims import Kind
from kycgate.screening.matching.bands import Band
from kycgate.screening.matching.matcher import Query
from tests.bench import screening


@pytest.mark.parametrize("alteration", ["as listed", "one typo", "words shuffled"])
def test_listed_persons_are_found(alteration: str) -> None:
    make, rng = screening.ALTERATIONS[alteration], random.Random(4)
    names = [make(name, rng) for name in screening.positives()[:250]]
    share, _ = screening.hit_share(names)
    assert share >= 0.97


def test_strangers_are_left_alone() -> None:
    share, _ = screening.hit_share(screening.negatives())
    assert share <= 0.01


def test_no_stranger_is_blocked() -> None:
    engine = screening.matcher()
    for name in screening.negatives()[:300]:
        assert engine.screen(Query(name, Kind.PERSON)).band is not Band.BLOCK


def test_every_listed_name_is_a_candidate_for_itself() -> None:
    engine, rng = screening.matcher(), random.Random(5)
    entries = [entry for data in screening.lists() for entry in data.entries if entry.names]
    lost = [
        entry.name
        for entry in rng.sample(entries, 400)
        if entry.type != "L"
        and not any(hit.score > 0.9 for hit in engine.screen(Query(entry.name)).hits)
    ]
    assert lost == []
