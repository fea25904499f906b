"""Versions kept for good: replay, damage, and two processes at once."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kycgate.errors import Malformed, NotFound, Unavailable
from kycgate.screening.entries import Entry, EntryType, ListData, Name, Wallet, list_data
from kycgate.screening.library import Failure, Library, release_of
from kycgate.screening.lists import Screener, load_demo_lists, load_lists
from kycgate.screening.sources.shipped import CSL, WALLETS, shipped_list
from tests.screening.conftest import NOW
from tests.tools import REPO

DAY = 86_400


def party(number: int, *, name: str = "", wallet: str = "", list_: str = "UN") -> Entry:
    wallets = (Wallet("ETH", wallet),) if wallet else ()
    names = (Name(name or f"Party {number}"),)
    return Entry(list_, str(number), EntryType.ORGANISATION, names, wallets=wallets)


def put(
    library: Library, name: str, entries: list[Entry], at: int, *, as_of: int | None = None
) -> ListData:
    data = list_data(name, entries, as_of=at if as_of is None else as_of, source=name)
    library.keep(release_of(data, at=at, via="import"), data, {})
    return data


def test_an_empty_library_begins_with_the_shipped_lists(library: Library) -> None:
    assert library.names() == (WALLETS, CSL)
    for release in library.at(NOW):
        assert release.via == "shipped"
        assert release.at == release.as_of
        assert library.version(release.list, release.version) == shipped_list(release.list)
    assert load_lists(library, NOW).versions[::-1] == load_demo_lists().versions
    assert library.at(1_000_000_000) == ()


def test_a_moment_sees_the_versions_that_were_in_force_then(library: Library) -> None:
    old = put(library, "un", [party(1), party(2)], NOW)
    new = put(library, "un", [party(2), party(3)], NOW + DAY)
    in_force = [
        {each.list: each.version for each in library.at(moment)}.get("un")
        for moment in (NOW - 1, NOW, NOW + DAY - 1, NOW + DAY, NOW + 9 * DAY)
    ]
    assert in_force == [None, old.version, old.version, new.version, new.version]
    assert library.version("un", old.version).entries == old.entries


def test_a_decision_is_replayed_with_the_list_of_its_day(library: Library) -> None:
    put(library, "un", [party(1, name="Later Delisted Trading")], NOW)
    put(library, "un", [party(2)], NOW + DAY)
    then, today = (Screener(load_lists(library, NOW + days * DAY)) for days in (0, 2))
    assert [hit.entry_id for hit in then.name("Later Delisted Trading", kind=None)] == ["1"]
    assert today.name("Later Delisted Trading", kind=None) == ()


def test_changes_are_told_by_list_and_id(library: Library) -> None:
    same = party(1)
    reprinted = dataclasses.replace(party(4), notice="another page")
    old = put(library, "un", [same, party(2), party(3), party(4)], NOW)
    new = put(library, "un", [same, party(3, name="Renamed"), party(5), reprinted], NOW + 1)
    changes = library.changes("un", old.version, new.version)
    assert changes.added == (party(5),)
    assert changes.removed == (party(2),)
    assert changes.changed == ((party(3), party(3, name="Renamed")),)
    assert library.changes("un", new.version, old.version).added == (party(2),)


def test_the_version_is_of_the_content_and_not_of_its_order() -> None:
    one = list_data("un", [party(1), party(2)], as_of=1, source="un")
    other = list_data("un", [party(2), party(1), party(1)], as_of=2, source="else")
    assert one.version == other.version
    assert one.version != list_data("un", [party(1)], as_of=1, source="un").version


def test_two_parties_under_one_id_are_both_kept() -> None:
    data = list_data("un", [party(1, name="B"), party(1, name="A")], as_of=1, source="un")
    assert [(entry.id, entry.name) for entry in data.entries] == [("1", "A"), ("1#2", "B")]


def test_the_same_version_again_is_confirmed_and_not_kept_twice(library: Library) -> None:
    put(library, "un", [party(1)], NOW)
    library.confirm("un", NOW + DAY)
    library.confirm("un", NOW + 2 * DAY)
    put(library, "un", [party(1)], NOW + 3 * DAY, as_of=NOW + 1)
    (release,) = library.history("un").releases
    ages = [
        moment - release.current_at(moment) for moment in (NOW + DAY - 1, NOW + DAY, NOW + 5 * DAY)
    ]
    assert ages == [DAY - 2, 0, 3 * DAY]


def test_a_list_its_publisher_has_left_for_too_long_is_not_fresh(library: Library) -> None:
    """The worst failure is a dead address that still answers with the last file."""
    put(library, "un", [party(1)], NOW)
    year = NOW + 365 * DAY
    library.confirm("un", year)
    (release,) = library.history("un").releases
    assert release.current_at(NOW + 60 * DAY) == NOW
    assert release.current_at(year) == NOW


def test_the_shipped_wallets_give_way_to_a_later_list_of_ofacs_own(library: Library) -> None:
    mine = party(7, wallet="0x" + "7" * 40, list_="SDN")
    wallets = shipped_list(WALLETS)
    put(library, "ofac-sdn", [mine], NOW, as_of=wallets.as_of - 1)
    assert WALLETS in {each.list for each in library.at(NOW)}
    put(library, "ofac-sdn", [mine, party(8, list_="SDN")], NOW + 1, as_of=wallets.as_of + 1)
    assert WALLETS not in {each.list for each in library.at(NOW + 1)}
    assert set(load_lists(library, NOW + 1).wallets) == set(mine.evm_addresses)


def test_a_party_in_two_us_files_is_loaded_once_unless_the_richer_is_older(
    library: Library,
) -> None:
    csl = shipped_list(CSL)
    shared = next(entry for entry in csl.entries if entry.list == "SDN")
    richer = dataclasses.replace(shared, birth_dates=("1970",))

    def loaded(moment: int) -> list[Entry]:
        entries = (entry for data in library.load(moment) for entry in data.entries)
        return [each for each in entries if (each.list, each.id) == ("SDN", shared.id)]

    put(library, "ofac-sdn", [richer], NOW, as_of=csl.as_of - 30 * DAY)
    assert sorted(loaded(NOW), key=str) == sorted([richer, shared], key=str)
    put(library, "ofac-sdn", [richer, party(1, list_="SDN")], NOW + 1, as_of=csl.as_of)
    assert loaded(NOW + 1) == [richer]


def test_a_failure_is_kept_beside_the_version_and_gone_with_the_next_success(
    library: Library,
) -> None:
    data = put(library, "un", [party(1)], NOW)
    library.fail("un", Failure(NOW + 1, "is not whole XML", kept=1, found=None))
    history = library.history("un")
    assert history.failure == Failure(NOW + 1, "is not whole XML", 1, None)
    assert history.releases[-1].version == data.version
    library.confirm("un", NOW + 2)
    assert library.history("un").failure is None


@pytest.mark.parametrize("damage", ["cut", "flip", "gone", "format"])
def test_a_damaged_version_is_unavailable_and_never_an_empty_list(
    library: Library, damage: str
) -> None:
    data = put(library, "un", [party(n) for n in range(50)], NOW)
    path = library.directory / "un" / f"{data.version}.jsonl.gz"
    content = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(content[:-30])
    elif damage == "flip":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    else:
        other = put(library, "un", [party(1)], NOW + 1)
        path.write_bytes((path.parent / f"{other.version}.jsonl.gz").read_bytes())
    with pytest.raises(Unavailable):
        library.version("un", data.version)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 9}', b'{"format": 1}'])
def test_a_damaged_manifest_is_unavailable(library: Library, content: bytes) -> None:
    put(library, "un", [party(1)], NOW)
    (library.directory / "un" / "manifest.json").write_bytes(content)
    with pytest.raises(Unavailable, match="manifest of the list 'un' is damaged"):
        library.at(NOW)


def test_unknown_versions_and_lists_are_not_found(library: Library) -> None:
    with pytest.raises(NotFound):
        library.version(CSL, "0" * 12)
    with pytest.raises(NotFound):
        library.version("nobody", "0" * 12)
    with pytest.raises(Malformed):
        library.version("../../etc", "passwd")


def test_a_directory_that_is_none_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable):
        Library(tmp_path / "file", now=NOW)


def test_opening_again_writes_nothing(library: Library) -> None:
    def stamps() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in library.directory.rglob("*.*")}

    before = stamps()
    Library(library.directory, now=NOW + DAY)
    assert stamps() == before


def test_a_failed_write_leaves_the_last_version(library: Library) -> None:
    data = put(library, "un", [party(1)], NOW)
    folder = library.directory / "un"
    (folder / "manifest.json").rename(folder / "aside")
    (folder / "manifest.json").mkdir()
    with pytest.raises(Unavailable):
        put(library, "un", [party(2)], NOW + 1)
    (folder / "manifest.json").rmdir()
    (folder / "aside").rename(folder / "manifest.json")
    assert library.history("un").releases[-1].version == data.version
    assert not list(folder.glob(".new-*"))


WRITER = """
import sys
from pathlib import Path
from kycgate.screening.library import Library
from tests.screening.test_library import NOW, party, put
library = Library(Path(sys.argv[1]), now=NOW)
for turn in range(8):
    put(library, "un", [party(int(sys.argv[2]) * 100 + turn)], NOW + turn)
"""


def test_two_processes_lose_none_of_each_others_versions(tmp_path: Path) -> None:
    """They begin in an empty directory, so that both also take the shipped lists in."""
    command = [sys.executable, "-c", WRITER, str(tmp_path / "lists")]
    environ = {**os.environ, "PYTHONPATH": str(REPO)}
    writers = [subprocess.Popen([*command, number], cwd=REPO, env=environ) for number in ("1", "2")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    library = Library(tmp_path / "lists", now=NOW)
    releases = library.history("un").releases
    assert len({each.version for each in releases}) == len(releases) == 16
    assert [each.at for each in releases] == sorted({each.at for each in releases})
    assert all(library.version("un", each.version).entries for each in releases)
    assert [len(library.history(name).releases) for name in (CSL, WALLETS)] == [1, 1]


def test_the_manifest_is_small_and_readable_by_people(library: Library) -> None:
    put(library, "un", [party(n) for n in range(1_000)], NOW)
    text = (library.directory / "un" / "manifest.json").read_text("utf-8")
    assert len(text) < 1_000
    assert json.loads(text)["releases"][0]["entries"] == 1_000
