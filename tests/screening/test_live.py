"""A new version of a list is noticed, and swapped in whole: nobody sees half of two."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from kycgate.core.claims import Address, Kind
from kycgate.errors import Unavailable
from kycgate.screening.backend import Screening
from kycgate.screening.library import Library
from kycgate.screening.live import LiveLists
from kycgate.screening.matching.matcher import Query
from tests.screening.listing import NAMES, copied, party, publish, publish_wallets

NOW = 1_785_000_000
"""Before the shipped lists: only what a test publishes is in force."""
ADA = Query("Ada Quillfeather", Kind.PERSON)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library") / "lists"
    Library(folder, now=NOW)
    return folder


@pytest.fixture
def library(template: Path, tmp_path: Path) -> Library:
    found = copied(template, tmp_path / "lists", now=NOW)
    publish(found, party(1, "Zebulon Quarrymaster"), now=NOW)
    publish_wallets(found, "0x" + "99" * 20, now=NOW)
    return found


def test_versions_are_known_without_an_index(library: Library) -> None:
    lists = LiveLists(library, now=NOW)
    assert NAMES in {each.name for each in lists.versions}
    assert not lists.built
    assert lists.party(ADA).hits == ()
    assert lists.built


def test_a_version_is_noticed_at_once_and_screened_with_after_the_swap(library: Library) -> None:
    lists = LiveLists(library, now=NOW)
    lists.swap()
    before = lists.versions
    publish(library, party(2, "Ada Quillfeather"), now=NOW + 10)
    lists.refresh(NOW + 11)
    assert lists.in_force()[NAMES] != {v.name: v.version for v in before}[NAMES]
    # What is shown is what is screened with: the old ones, until the new are indexed.
    assert lists.versions == before
    assert lists.party(ADA).hits == ()
    lists.swap()
    assert lists.party(ADA).hits[0].entry_id == "T-2"
    assert {(v.name, v.version) for v in lists.versions} == set(lists.in_force().items())


def test_what_is_new_is_told_without_what_is_old_or_gone(library: Library) -> None:
    lists = LiveLists(library, now=NOW)
    done = lists.in_force()
    publish(library, party(2, "Ada Quillfeather"), party(1, "Zebulon Quarrymaster"), now=NOW + 10)
    lists.refresh(NOW + 11)
    delta = lists.changes(done)
    assert delta.entries is not None
    assert [each.id for each in delta.entries] == ["T-2"]
    assert delta.backend is not None
    assert delta.backend.party(ADA).hits
    assert delta.backend.party(Query("Zebulon Quarrymaster", Kind.PERSON)).hits == ()


def test_a_list_unknown_before_is_new_as_a_whole(library: Library) -> None:
    delta = LiveLists(library, now=NOW).changes({"opensanctions": "000000000000"})
    assert delta.entries is not None
    assert {each.id for each in delta.entries} >= {"T-1"}


def test_an_age_confirmed_by_the_publisher_is_shown_without_a_swap(library: Library) -> None:
    lists = LiveLists(library, now=NOW)
    lists.swap()
    library.confirm(NAMES, NOW + 86_400)
    lists.refresh(NOW + 86_401)
    (found,) = [each for each in lists.versions if each.name == NAMES]
    assert found.as_of == NOW + 86_400


def test_a_damaged_version_is_unavailable_and_the_old_engine_goes_on(library: Library) -> None:
    lists = LiveLists(library, now=NOW)
    lists.swap()
    taken = publish(library, party(2, "Ada Quillfeather"), now=NOW + 10)
    (library.directory / NAMES / f"{taken.release.version}.jsonl.gz").write_bytes(b"gone")
    lists.refresh(NOW + 11)
    with pytest.raises(Unavailable):
        lists.swap()
    assert lists.party(Query("Zebulon Quarrymaster", Kind.PERSON)).hits


def test_nobody_is_clear_where_there_is_no_list(tmp_path: Path, template: Path) -> None:
    library = copied(template, tmp_path / "lists", now=NOW)
    with pytest.raises(Unavailable):
        LiveLists(library, now=0)


def test_many_threads_see_the_old_answer_or_the_new_never_none(library: Library) -> None:
    lists = LiveLists(library, now=NOW)
    publish(library, party(1, "Zebulon Quarrymaster"), party(3, "Kept Throughout"), now=NOW + 1)
    lists.refresh(NOW + 2)
    lists.swap()
    screening, failures, leave = Screening(lists), list[str](), threading.Event()

    def ask() -> None:
        while not leave.is_set():
            if not screening.name("Kept Throughout", kind=Kind.PERSON):
                failures.append("clear")
            screening.wallet(Address(b"\x99" * 20))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(5):
        extra = party(10 + number, f"Somebody {number}")
        publish(library, party(3, "Kept Throughout"), extra, now=NOW + 10 + number)
        lists.refresh(NOW + 20 + number)
        lists.swap()
    leave.set()
    for thread in threads:
        thread.join()
    assert failures == []
