"""What is remembered, and that it is forgotten in time."""

from __future__ import annotations

import pytest

from kycgate.errors import Unavailable
from kycgate.gateway.memory import Memory, WouldWait


class Source:
    """A store's version, and a clock."""

    def __init__(self) -> None:
        self.version = 1
        self.ticks = 0.0
        self.lost = False
        self.loads = 0

    def look(self) -> int:
        if self.lost:
            raise Unavailable("lost")
        return self.version

    def load(self) -> tuple[str, int]:
        self.loads += 1
        return f"value {self.loads}", 100

    def memory(self, *, entries: int = 10) -> Memory:
        return Memory(self.look, poll_s=1, entries=entries, monotonic=lambda: self.ticks)


def test_value_is_loaded_once_until_the_version_moves() -> None:
    source = Source()
    memory = source.memory()
    for version, expected in ((1, "value 1"), (1, "value 1"), (2, "value 2")):
        source.version = version
        source.ticks += 1
        memory.renew(fresh=False, wait=True)
        assert memory.recall("k", source.load, now=0, wait=True) == expected


def test_value_ends_at_its_own_expiry() -> None:
    source = Source()
    memory = source.memory()
    assert memory.recall("k", source.load, now=0, wait=True) == "value 1"
    assert memory.recall("k", source.load, now=99, wait=True) == "value 1"
    assert memory.recall("k", source.load, now=100, wait=True) == "value 2"


def test_value_read_before_a_change_is_not_kept_after_it() -> None:
    source = Source()
    memory = source.memory()
    memory.renew(fresh=False, wait=True)

    def load() -> tuple[str, int]:
        # While the old value is on its way, somebody revokes, and another thread notices.
        source.version += 1
        memory.renew(fresh=True, wait=True)
        return "old", 100

    assert memory.recall("k", load, now=0, wait=True) == "old"
    assert memory.recall("k", source.load, now=0, wait=True) == "value 1"


def test_nothing_is_remembered_of_an_absence_or_a_failure() -> None:
    source = Source()
    memory = source.memory()
    assert memory.recall("k", lambda: None, now=0, wait=True) is None

    def fail() -> None:
        raise Unavailable("lost")

    with pytest.raises(Unavailable):
        memory.recall("k", fail, now=0, wait=True)
    assert memory.recall("k", source.load, now=0, wait=True) == "value 1"


def test_size_is_bounded_oldest_first() -> None:
    source = Source()
    memory = source.memory(entries=2)
    for key in ("a", "b", "c"):
        memory.recall(key, source.load, now=0, wait=True)
    assert memory.recall("c", source.load, now=0, wait=False) == "value 3"
    with pytest.raises(WouldWait):
        memory.recall("a", source.load, now=0, wait=False)


def test_who_may_not_wait_is_told_when_a_look_is_due() -> None:
    source = Source()
    memory = source.memory()
    with pytest.raises(WouldWait):
        memory.renew(fresh=False, wait=False)
    memory.renew(fresh=False, wait=True)
    memory.renew(fresh=False, wait=False)
    source.ticks += 1
    with pytest.raises(WouldWait):
        memory.renew(fresh=False, wait=False)


def test_lost_store_leaves_the_remembered_but_gives_nothing_fresh() -> None:
    source = Source()
    memory = source.memory()
    source.lost = True
    with pytest.raises(Unavailable):
        memory.renew(fresh=False, wait=True)  # nothing was ever known
    source.lost = False
    memory.renew(fresh=False, wait=True)
    memory.recall("k", source.load, now=0, wait=True)
    source.lost = True
    source.ticks += 5
    memory.renew(fresh=False, wait=True)
    assert memory.recall("k", source.load, now=0, wait=False) == "value 1"
    with pytest.raises(Unavailable):
        memory.renew(fresh=True, wait=True)
