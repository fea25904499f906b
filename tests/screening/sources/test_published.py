"""Real published files, cut to a few entries: every trap of the formats that was seen in them."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

import pytest

from kycgate.errors import Malformed
from kycgate.screening.entries import Entry, EntryType, Identifier, ListData, Name, Wallet
from kycgate.screening.sources.shipped import shipped
from tests.screening.sources.conftest import DATA, Read, read_list

QUARTET = tuple(
    DATA / "ofac_2021" / f"{name}.csv" for name in ("sdn", "alt", "add", "sdn_comments")
)


def by_id(data: ListData, id_: str) -> Entry:
    return next(entry for entry in data.entries if entry.id == id_)


@pytest.fixture(scope="module")
def sdn() -> ListData:
    return read_list("ofac-sdn", *QUARTET)


@pytest.fixture(scope="module")
def un() -> ListData:
    return read_list("un", DATA / "un_2026-02-27.xml")


def test_ofac_types_countries_and_nulls(sdn: ListData) -> None:
    assert len(sdn.entries) == 10
    assert by_id(sdn, "30518").type is EntryType.ORGANISATION
    assert by_id(sdn, "4243").type is EntryType.VESSEL
    assert by_id(sdn, "4243").countries == ("CY",)
    assert by_id(sdn, "15431").type is EntryType.AIRCRAFT
    assert by_id(sdn, "2679").addresses == ()
    assert not any("-0-" in str(entry) for entry in sdn.entries)


def test_the_dos_end_of_file_row_is_no_entry(sdn: ListData) -> None:
    assert QUARTET[0].read_bytes().endswith(b"\x1a")
    assert not any("\x1a" in str(entry) for entry in sdn.entries)


def test_several_programmes_stand_between_inner_brackets(sdn: ListData) -> None:
    assert by_id(sdn, "29703").programmes == ("CYBER2", "ELECTION-EO13848")


def test_a_wallet_cut_in_the_middle_of_its_address_is_whole(sdn: ListData) -> None:
    """The remark ends in `XBT 1Gq` and goes on in sdn_comments.csv with `ChmWq…`."""
    wallets = by_id(sdn, "30518").wallets
    assert Wallet("XBT", "1GqChmWqGtsaLrGbHfgdrV5Nkvahtjjuxr") in wallets
    assert Wallet("ETH", "0x7db418b5d567a4e0e8c59ad71be1fce48f3e6107") in wallets
    assert {wallet.ticker for wallet in wallets} == {"XBT", "ETH", "LTC", "BCH"}


def test_a_label_cut_in_the_middle_still_tells_its_wallet_and_passport(sdn: ListData) -> None:
    """`…Digital Currency Addres` and `s - ETH 0x8576…; Passport 4005504207 (Russia).`"""
    entry = by_id(sdn, "29703")
    assert Wallet("ETH", "0x8576acc5c05d6ce88f4e49bf65bdf0c62f91353c") in entry.wallets
    assert Wallet("BSV", "12sjrrhoFEsedNRhtgwvvRqjFTh8fZTDX9") in entry.wallets
    assert Identifier("passport", "4005504207", "RU") in entry.identifiers
    assert len(entry.evm_addresses) == 1


def test_weak_aliases_stand_in_the_remarks_and_strong_ones_in_their_own_file(
    sdn: ListData,
) -> None:
    assert by_id(sdn, "28264").names == (
        Name("LI, Jiadong"),
        Name("blackjack1987", "weak"),
        Name("khaleesi", "weak"),
    )
    assert Name("GHORBANIAN, Mohammad", "alias") in by_id(sdn, "26138").names
    assert by_id(sdn, "4243").names == (Name("SAND SWAN"), Name("ANA I", "weak"))


def test_birth_dates_exact_about_and_several(sdn: ListData) -> None:
    assert by_id(sdn, "2679").birth_dates == ("1938", "1936")
    assert by_id(sdn, "7782").birth_dates == ("~1951",)
    assert by_id(sdn, "12300").birth_dates == ("1965-05-13", "1968-04-13", "1964-07-07")


def test_numbers_in_remarks_have_their_kind_and_country(sdn: ListData) -> None:
    numbers = by_id(sdn, "12300").identifiers
    assert Identifier("national", "7548733", "CO") in numbers
    assert Identifier("passport", "AL720622", "CO") in numbers
    assert Identifier("tax", "CIVJ650513LJA", "MX") in numbers
    assert Identifier("national", "CIVJ650513HNEFLR06", "MX") in numbers
    assert not [each for each in by_id(sdn, "26138").identifiers if "@" in each.value]


def test_aliases_and_addresses_of_another_day_are_refused(tmp_path: Path) -> None:
    short = tmp_path / "sdn.csv"
    short.write_bytes(QUARTET[0].read_bytes().splitlines(keepends=True)[0])
    with pytest.raises(Malformed, match=r"19 of 20 rows are about parties not in sdn\.csv"):
        read_list("ofac-sdn", short, *QUARTET[1:])


@pytest.mark.parametrize("cut", [50, 300, 900, 5_000])
def test_a_truncated_sdn_file_is_refused(tmp_path: Path, cut: int) -> None:
    part = tmp_path / "sdn.csv"
    part.write_bytes(QUARTET[0].read_bytes()[:cut])
    with pytest.raises(Malformed):
        read_list("ofac-sdn", part, *QUARTET[1:])


def test_un_names_are_joined_and_low_quality_is_weak(un: ListData) -> None:
    assert by_id(un, "CDi.003").names[:2] == (Name("GASTON IYAMUREMYE"), Name("Rumuli", "weak"))
    assert Name("Byiringiro Victor Rumuli", "alias") in by_id(un, "CDi.003").names
    assert Name("منصور السعادي", "alias") in by_id(un, "YEi.010").names
    assert Name("NALU", "former") in by_id(un, "CDe.001").names


def test_two_un_names_in_one_element_are_two(un: ListData) -> None:
    names = by_id(un, "CDe.003").names
    assert names[0] == Name("COMPAGNIE AERIENNE DES GRANDS LACS (CAGL)")
    assert Name("GREAT LAKES BUSINESS COMPANY (GLBC)", "alias") in names


def test_un_dates_countries_papers_and_the_date_of_the_list(un: ListData) -> None:
    assert un.as_of == 1_772_150_409
    assert by_id(un, "CDi.001").countries == ("CD", "RW")
    assert by_id(un, "CDi.001").birth_dates == ("1971",)
    assert by_id(un, "CDi.030").birth_dates == ("1973/1974",)
    assert by_id(un, "CDi.014").birth_dates[0] == "1962-03-17"
    assert by_id(un, "CDi.014").birth_dates[1].startswith("~")
    assert [each.type for each in by_id(un, "CDi.021").identifiers] == ["passport"]


def test_csl_csv_of_29_columns() -> None:
    data = read_list("us-csl", DATA / "us_csl_2025.csv")
    assert data.counts == {
        "DPL": 1, "DTC": 1, "EL": 1, "FSE": 1, "ISN": 1, "MEU": 1, "PLC": 2, "SDN": 1, "SSI": 3,
        "UVL": 1,
    }  # fmt: skip
    person = by_id(data, "52291")
    assert person.type is EntryType.PERSON
    assert person.countries == ("CN", "KP")
    assert person.birth_dates == ("1978-12-05",)
    assert person.identifiers == (Identifier("passport", "836238033", "KP"),)
    company = next(entry for entry in data.entries if entry.list == "EL")
    assert company.type is EntryType.UNSTATED
    assert Name("HSRI", "alias") in company.names
    assert company.notice == "83 FR 37423; 87 FR 77505"
    assert "744.16" in company.citation


def test_csl_csv_of_28_columns_reads_the_same(read: Read) -> None:
    """The layout before 2023 lacks the leading `_id`: columns are found by name."""
    lines = (DATA / "us_csl_2025.csv").read_text("utf-8").splitlines()
    old = "\n".join(line.split(",", 1)[1] for line in lines) + "\n"
    assert old.partition("\n")[0].count(",") == 27
    version = read("us-csl", old.encode()).version
    assert version == read_list("us-csl", DATA / "us_csl_2025.csv").version


def test_a_csl_without_the_column_of_aliases_is_refused(read: Read) -> None:
    text = (DATA / "us_csl_2025.csv").read_bytes().replace(b"alt_names", b"other_names", 1)
    with pytest.raises(Malformed, match="lacks the columns alt_names"):
        read("us-csl", text)


def test_a_csl_cut_off_inside_a_row_is_refused(read: Read) -> None:
    text = (DATA / "us_csl_2025.csv").read_bytes()
    with pytest.raises(Malformed, match="row 14"):
        read("us-csl", text[:-200])


@pytest.mark.parametrize(
    "at, left",
    [
        (1_660_000_000, {"I. ASH", "AARON ABRAHAM VILLA", "ABDIEL PADRON MADRID"}),
        (1_785_500_000, {"I. ASH", "ABDIEL PADRON MADRID"}),
        (1_950_000_000, {"I. ASH"}),
    ],
)
def test_orders_that_have_ended_are_left_out_of_the_denied_persons(at: int, left: set[str]) -> None:
    data = read_list("bis-dpl", DATA / "us_dpl_2021.txt", at=at)
    assert {entry.name for entry in data.entries} == left | {"ABDULAH AL NASSER"}


def test_a_person_denied_at_two_addresses_is_one_entry(read: Read) -> None:
    text = (DATA / "us_dpl_2021.txt").read_text("utf-8")
    again = text + text.splitlines()[1].replace("SEAGOVILLE", "ELSEWHERE") + "\n"
    data = read("bis-dpl", again.encode())
    (entry,) = (each for each in data.entries if each.name == "I. ASH")
    assert len(entry.addresses) == 2


def test_the_shipped_form_is_read_as_the_list_it_is() -> None:
    with as_file(files("kycgate.screening").joinpath("data", "us_csl.jsonl.gz")) as path:
        assert read_list("us-csl", path).version == shipped()[0].version
