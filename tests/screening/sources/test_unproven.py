"""Formats of which no real file is at hand, held to fixtures made from their published schemas."""

from __future__ import annotations

import pytest

from kycgate.errors import Malformed
from kycgate.screening.entries import EntryType, Identifier, Name, Wallet
from kycgate.screening.sources import source
from tests.screening.sources.conftest import DATA, Read, read_list

ETH = "0x098b716b8aaf21512996dc57eb0615e2383e2f96"


@pytest.mark.parametrize("name", ["us-csl", "ofac-advanced", "uk", "eu", "opensanctions"])
def test_they_say_that_they_are_unproven(name: str) -> None:
    assert source(name).proven is False


def test_advanced_xml_person() -> None:
    data = read_list("ofac-advanced", DATA / "sdn_advanced.xml")
    assert data.as_of == 1_779_321_600  # 2026-05-21
    person = next(entry for entry in data.entries if entry.id == "9001")
    assert person.list == "SDN"
    assert person.type is EntryType.PERSON
    assert person.names == (
        Name("EXAMPLE Jong Un"),
        Name("례시", "alias"),
        Name("khaleesi", "weak"),
    )
    assert person.birth_dates == ("1970",)
    assert person.countries == ("KP",)
    assert person.identifiers == (Identifier("passport", "836000001", "KP"),)
    assert person.programmes == ("DPRK3", "CYBER2")


def test_advanced_xml_tickers_come_from_the_files_own_table() -> None:
    data = read_list("ofac-advanced", DATA / "sdn_advanced.xml")
    wallets = next(entry for entry in data.entries if entry.id == "9001").wallets
    assert wallets == (Wallet("ETH", ETH), Wallet("ZZZ9", "zz1qexampleexampleexample"))


def test_advanced_xml_company_and_vessel() -> None:
    data = read_list("ofac-advanced", DATA / "sdn_advanced.xml")
    company, vessel = (
        next(entry for entry in data.entries if entry.id == id_) for id_ in ("9002", "9003")
    )
    assert company.list == "Consolidated List"
    assert company.type is EntryType.ORGANISATION
    assert Name("样例计算有限公司", "alias") in company.names
    assert Name("Sample Computing", "former") in company.names
    assert company.addresses == ("Shenzhen, China",)
    assert company.identifiers == (Identifier("uscc", "91440300000000000X", "CN"),)
    assert (vessel.type, vessel.identifiers) == (
        EntryType.VESSEL,
        (Identifier("imo", "9876543"),),
    )


def test_advanced_xml_in_another_namespace_reads_the_same(read: Read) -> None:
    """It changed in 2024, and tools that had it written down went blind."""
    text = (DATA / "sdn_advanced.xml").read_bytes()
    other = text.replace(b"https://sanctionslistservice.ofac.treas.gov/api/", b"urn:new:")
    assert other != text
    assert read("ofac-advanced", other).version == read("ofac-advanced", text).version


@pytest.mark.parametrize("lost", [b'<FeatureType ID="345"', b'<FeatureType ID="99999"'])
def test_a_feature_of_unknown_kind_could_be_a_wallet_and_is_refused(
    read: Read, lost: bytes
) -> None:
    text = (DATA / "sdn_advanced.xml").read_bytes().replace(lost, b'<FeatureType ID="7"')
    with pytest.raises(Malformed, match="is not in the file's table"):
        read("ofac-advanced", text)


def test_uk_list() -> None:
    data = read_list("uk", DATA / "uk.xml")
    assert data.as_of == 1_788_998_400  # 2026-09-10
    person = next(entry for entry in data.entries if entry.id == "AFG9001")
    assert person.names == (
        Name("JOHN SAMPLE BEISPIEL"),
        Name("Haji Beispiel", "weak"),
        Name("Jon Beispiel", "alias"),
        Name("Mullah Beispiel", "alias"),
        Name("محمد مثال", "alias"),
    )
    assert person.birth_dates == ("1945", "1958-03-01")
    assert person.countries == ("AF", "PK")
    assert person.identifiers == (
        Identifier("passport", "P0000001"),
        Identifier("national", "12345"),
    )
    ship = next(entry for entry in data.entries if entry.id == "DPR9001")
    assert (ship.type, ship.identifiers) == (EntryType.VESSEL, (Identifier("imo", "9562233"),))
    assert data.counts == {"UK": 3}


@pytest.mark.parametrize(
    "root", [b"ArrayOfFinancialSanctionsTarget", b"html", b"CONSOLIDATED_LIST"]
)
def test_the_list_that_closed_in_january_2026_is_refused(read: Read, root: bytes) -> None:
    text = b"<%b><FinancialSanctionsTarget/></%b>" % (root, root)
    with pytest.raises(Malformed, match="where <Designations> belongs"):
        read("uk", text)


def test_eu_list() -> None:
    data = read_list("eu", DATA / "eu.xml")
    assert data.as_of == 1_785_941_224
    person = next(entry for entry in data.entries if entry.id == "EU.9001.1")
    assert person.names == (
        Name("Tomas Michail Primer"),
        Name("Томас Пример", "alias"),
        Name("T. Primer", "weak"),
    )
    assert person.birth_dates == ("1971-02-15", "~1969/1972")
    assert person.countries == ("RU",)
    assert Identifier("passport", "A1234567", "RU") in person.identifiers
    assert Identifier("other", "34409/129") in person.identifiers
    assert person.programmes == ("UKR",)
    assert person.notice == "2022/9001 (OJ L169)"
    company = next(entry for entry in data.entries if entry.id == "EU.9002.2")
    assert company.type is EntryType.ORGANISATION
    assert company.countries == ("LB",)
    assert company.identifiers == (Identifier("imo", "9999101"),)


def test_csl_json() -> None:
    data = read_list("us-csl", DATA / "us_csl.json")
    assert data.as_of == 1_785_503_700
    bank = next(entry for entry in data.entries if entry.id == "906")
    assert bank.names == (
        Name("EXAMPLE BANK LIMITED"),
        Name("BANCO EJEMPLO; LTD", "alias"),
        Name("EJEMPLO", "alias"),
    )
    assert bank.countries == ("GB", "CU")
    assert bank.addresses[0] == "4th Floor, 1 Example Wall, London, E14 9SH, GB"
    assert bank.identifiers == (
        Identifier("registration", "01074897", "GB"),
        Identifier("other", "HAVIGB2L"),
    )
    assert bank.wallets == (Wallet("USDT", ETH),)
    person = next(entry for entry in data.entries if entry.id == "907")
    assert person.birth_dates == ("~1960", "1960/1962")
    place = next(entry for entry in data.entries if entry.list == "EL")
    assert (place.type, place.addresses) == (
        EntryType.ADDRESS,
        ("Room 1, Example Road, Hong Kong, HK",),
    )


def test_a_denial_that_ended_is_not_listed() -> None:
    data = read_list("us-csl", DATA / "us_csl.json")
    assert "DPL" not in data.counts


@pytest.mark.parametrize(
    "text",
    [b"{}", b'{"results": {}}', b'{"results": [{}]}', b'{"results": [{"source": "x"}]}', b"[1]"],
)
def test_json_that_is_no_list_is_refused(read: Read, text: bytes) -> None:
    with pytest.raises(Malformed):
        read("us-csl", text)


def test_ftm_reads_the_listed_and_nobody_else() -> None:
    data = read_list("opensanctions", DATA / "entities.ftm.json")
    assert {entry.id for entry in data.entries} == {"Q1", "Q4", "Q5", "Q6"}
    company = next(entry for entry in data.entries if entry.id == "Q1")
    assert company.names == (
        Name("Example Holding"),
        Name("Example Holding AG", "alias"),
        Name("Beispiel AG", "former"),
        Name("EH", "weak"),
    )
    assert company.identifiers[:2] == (
        Identifier("lei", "5299000J2N45DDNE4Y28"),
        Identifier("uscc", "91440300000000000X"),
    )
    assert company.countries == ("RU",)
    wallet = next(entry for entry in data.entries if entry.id == "Q5")
    assert (wallet.type, wallet.wallets) == (EntryType.WALLET, (Wallet("ETH", ETH),))


def test_a_line_of_ftm_that_breaks_off_is_refused(read: Read) -> None:
    text = (DATA / "entities.ftm.json").read_bytes()
    with pytest.raises(Malformed, match="line 6 is not JSON"):
        read("opensanctions", text[:-20])
