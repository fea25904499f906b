"""What is known of a case's owners has one version; what a decision stood on is kept once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kycgate.errors import Conflict
from kycgate.store import Store
from kycgate.store.records.attesting import Standing
from kycgate.store.records.jobs import DecisionFacts
from tests.store.samples import CASE, NOW, OPENED, SUBJECT

STANDING = Standing(CASE.id, NOW, b'{"share":null}')
FACTS = DecisionFacts("d1", NOW, b'{"verdict":"deny"}')


@pytest.fixture
def kept(store: Store) -> Store:
    store.add_subject(SUBJECT)
    store.add_case(CASE, OPENED)
    return store


def test_the_last_standing_of_a_case_is_known_to_every_replica(kept: Store, replica: Store) -> None:
    assert replica.standing(CASE.id) is None
    kept.put_standing(STANDING)
    later = replace(STANDING, made_at=NOW + 1, body=b"{}")
    kept.put_standing(later)
    assert replica.standing(CASE.id) == later


def test_only_another_standing_outdates_what_gates_remember(kept: Store) -> None:
    kept.put_standing(STANDING)
    version = kept.version()
    kept.put_standing(replace(STANDING, made_at=NOW + 9))
    assert kept.version() == version
    kept.put_standing(replace(STANDING, body=b"{}"))
    assert kept.version() > version


def test_a_standing_needs_its_case_and_can_be_forgotten(kept: Store) -> None:
    with pytest.raises(Conflict):
        kept.put_standing(replace(STANDING, case_id="none"))
    kept.put_standing(STANDING)
    version = kept.version()
    for _ in range(2):
        kept.drop_standing(CASE.id)
    assert kept.standing(CASE.id) is None
    assert kept.version() > version


def test_what_a_decision_stood_on_is_kept_once_and_never_changed(
    store: Store, replica: Store
) -> None:
    store.add_facts(FACTS)
    with pytest.raises(Conflict):
        replica.add_facts(replace(FACTS, body=b"{}"))
    assert replica.facts("d1") == FACTS
    assert replica.facts("d2") is None


def test_old_facts_can_be_forgotten_and_younger_ones_stay(store: Store) -> None:
    store.add_facts(FACTS)
    store.add_facts(replace(FACTS, decision_id="d2", at=NOW + 10))
    assert store.drop_facts(before=NOW + 1) == 1
    assert store.facts("d1") is None
    assert store.facts("d2") is not None
    assert store.drop_facts(before=NOW + 1) == 0
