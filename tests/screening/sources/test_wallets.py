"""Plain wallet lists: every form, every damage, and the addresses that left the list."""

from __future__ import annotations

from pathlib import Path

import pytest

from kycgate.core.claims import parse_address
from kycgate.errors import Malformed
from kycgate.screening.entries import Wallet
from kycgate.screening.intake import Intake
from kycgate.screening.library import Library
from kycgate.screening.sources.shipped import shipped_list
from tests.screening.sources.conftest import Read

LISTED_2024 = Path(__file__).parents[1] / "data" / "ofac_eth_2024-09-27.txt"
THEN, NOW = 1_727_400_000, 1_767_300_000  # 2024-09-27, 2026-01-01
TORNADO = "0x8589427373d6d84e98730d7795d8f6f8731fda16"
ONE = "0x098B716B8Aaf21512996dC57EB0615e2383E2f96"


def test_ninety_addresses_left_the_list_and_sixty_two_joined_it(
    library: Library, tmp_path: Path
) -> None:
    """The list as it stood in 2024-09 against that of 2026: no longer listed is not listed."""
    intake = Intake(library, accept_entries=124)
    intake.take_file("wallets:ofac", LISTED_2024, now=THEN, as_of=THEN)
    path = tmp_path / "2026.txt"
    today = {entry.id for entry in shipped_list("ofac-evm-wallets").entries}
    path.write_text("\n".join(sorted(today)), "ascii")
    intake.take_file("wallets:ofac", path, now=NOW, as_of=NOW)

    old, new = (each.version for each in library.history("wallets:ofac").releases)
    changes = library.changes("wallets:ofac", old, new)
    assert (len(changes.added), len(changes.removed), changes.changed) == (62, 90, ())

    def listed(moment: int) -> set[bytes]:
        release = next(each for each in library.at(moment) if each.list == "wallets:ofac")
        data = library.version(release.list, release.version)
        return {address for entry in data.entries for address in entry.evm_addresses}

    tornado = parse_address(TORNADO)
    assert (len(listed(THEN)), tornado in listed(THEN)) == (152, True)
    assert (len(listed(NOW)), tornado in listed(NOW)) == (124, False)
    assert listed(NOW) == {parse_address(address) for address in today}


def test_an_address_is_the_same_in_any_case(read: Read) -> None:
    mixed, lower = read("wallets", ONE.encode()), read("wallets", ONE.lower().encode())
    assert mixed.version == lower.version
    assert mixed.entries[0].wallets == (Wallet("ETH", ONE.lower()),)


@pytest.mark.parametrize(
    "content",
    [
        f"# OFAC\n\n{ONE}\n".encode(),
        f"\ufeffdate_added,address,name\n2022-04-14,{ONE},LAZARUS GROUP\n".encode(),
        f'["{ONE}"]'.encode(),
    ],
)
def test_lines_tables_and_arrays_are_read(read: Read, content: bytes) -> None:
    (entry,) = read("wallets", content).entries
    assert entry.wallets == (Wallet("ETH", ONE.lower()),)
    assert [name.text for name in entry.names] in ([], ["LAZARUS GROUP"])


def test_the_ticker_is_taken_from_the_files_name(read: Read) -> None:
    content = b"149w62rY42aZBox8fGcmqNsXUzSStKeq8C\n"
    (entry,) = read("wallets", content, file="sanctioned_addresses_XBT.txt").entries
    assert entry.wallets == (Wallet("XBT", "149w62rY42aZBox8fGcmqNsXUzSStKeq8C"),)


@pytest.mark.parametrize(
    "line",
    [ONE[:-1], ONE + "0", ONE.replace("B", "b", 1), "0xzz", "hello world", "<html>", '[{"a": 1}]'],
)
def test_one_damaged_address_refuses_the_list_and_names_the_line(read: Read, line: str) -> None:
    with pytest.raises(Malformed) as caught:
        read("wallets", f"{line}\n".encode())
    assert "line 1" in caught.value.field
