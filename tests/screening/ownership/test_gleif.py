"""GLEIF's files as published: levels 1 and 2, exceptions, XML and JSON, deltas, and damage."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kycgate.errors import Malformed, TooLarge
from kycgate.screening.ownership.gleif import GleifReader, read_directory
from kycgate.screening.ownership.graph import OwnershipGraph
from kycgate.screening.ownership.headquarters import Parent
from kycgate.screening.ownership.leis import LeiRegister
from kycgate.screening.ownership.shares import ANY
from tests.screening.ownership.world import AT, country_of, explain, results, share

DATA = Path(__file__).parent / "data" / "gleif"
A, B, C, D = (f"{letter * 18}00" for letter in "ABCD")
MONOOVA, MONEYTECH = "98450051BS9C610A8T78", "984500501A1B1045PB30"


def read(*files: str | bytes, name: str = "file") -> tuple[LeiRegister, GleifReader]:
    reader = GleifReader(country_of=country_of)
    for file in files:
        data = (DATA / file).read_bytes() if isinstance(file, str) else file
        assert reader.read([data], name=file if isinstance(file, str) else name)
    return reader.register(), reader


def samples() -> OwnershipGraph:
    return OwnershipGraph(read(*(each.name for each in sorted(DATA.glob("*.xml"))))[0])


# -- the samples -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "counted"),
    [("lei", ("entities", 13)), ("rr", ("relationships", 10)), ("repex", ("exceptions", 10))],
)
def test_both_formats_of_a_sample_say_the_same(kind: str, counted: tuple[str, int]) -> None:
    (xml, from_xml), (js, from_json) = read(f"{kind}-data.xml"), read(f"{kind}-data.json")
    assert from_xml.counts == from_json.counts == {counted[0]: counted[1]}
    for record in json.loads((DATA / f"{kind}-data.json").read_bytes()):
        lei = record["LEI"] if "LEI" in record else record["Relationship"]["StartNode"]["NodeID"]
        assert xml.party(lei, AT) == js.party(lei, AT)
        assert xml.stakes(lei) == js.stakes(lei)
        assert xml.gaps(lei) == js.gaps(lei)


def test_a_company_has_its_headquarters_country() -> None:
    register, _ = read("lei-data.xml")
    party = register.party("001GPB6A9XPE8XJICC14", AT)
    assert party.name == "Fidelity Advisor Leveraged Company Stock Fund"
    assert (party.country, party.country_basis) == (840, "headquarters")
    assert register.find("ARISTEIA CAPITAL, L.L.C.") == ["00GBW0Z2GYIER7DHDS71"]


def test_the_ultimate_parent_of_a_sample_company() -> None:
    found = samples().ultimate_parent(MONOOVA, at=AT)
    assert isinstance(found, Parent)
    assert (found.id, found.country) == (MONEYTECH, 36)


def test_consolidation_says_little_about_shares() -> None:
    of = samples()
    assert explain(of, MONOOVA, MONEYTECH).listed_share == share(100)
    # "1.00 PERCENTAGE" may be a fraction meant as such: anything from one to a hundred percent.
    fraction = explain(of, "097900BJGO0000201513", "9845002B9874D50A4531")
    assert fraction.listed_share == share(1, 100)
    assert results(fraction)["ofac-50"] == "unknown"
    unstated = explain(of, "097900BHF50000076475", "549300JB1P61FUTPEZ75")
    assert unstated.listed_share == ANY
    assert results(unstated)["ofac-50"] == "unknown"
    assert results(unstated)["uk-ownership-control"] == "blocked"


@pytest.mark.parametrize(
    ("lei", "reason"),
    [
        ("004L5FPTUREIWK9T2N63", "NON_CONSOLIDATING"),
        ("01370W6ZIY66KQ4J3570", "NON_PUBLIC"),
        ("0292001398F7K0YJI588", "NO_KNOWN_PERSON"),
        ("020BQJXAXCZNLKIN7326", "NO_LEI"),
        ("0292001018B2N4DBI146", "NATURAL_PERSONS"),
    ],
)
def test_a_reported_exception_is_unknown_with_its_reason(lei: str, reason: str) -> None:
    explanation = explain(samples(), lei)
    assert not isinstance(explanation.ultimate_parent, Parent)
    assert explanation.ultimate_parent.reason == reason
    assert explanation.result == "unknown"


def test_a_header_that_counts_more_than_there_is_gets_a_note() -> None:
    _, reader = read("rr-data.xml")
    assert any("394970" in note and "10 are in it" in note for note in reader.notes)


# -- files made here, in the layout of the golden copy's JSON --------------------------------------


def entity(
    lei: str, country: str = "SG", updated: str = "2024-01-01", **more: Any
) -> dict[str, Any]:
    return {
        "LEI": {"$": lei},
        "Entity": {
            "LegalName": {"@xml:lang": "en", "$": more.pop("name", f"Company {lei}")},
            "LegalAddress": {"Country": {"$": country}},
            "HeadquartersAddress": {"Country": {"$": country}},
            "EntityStatus": {"$": "ACTIVE"},
        },
        "Registration": {
            "LastUpdateDate": {"$": f"{updated}T00:00:00Z"},
            "RegistrationStatus": {"$": "ISSUED"},
        },
        **more,
    }


def link(lei: str, parent: str, kind: str = "ULTIMATELY", **more: Any) -> dict[str, Any]:
    type_ = f"IS_{kind}_CONSOLIDATED_BY" if kind in ("ULTIMATELY", "DIRECTLY") else kind
    relationship: dict[str, Any] = {
        "StartNode": {"NodeID": {"$": lei}, "NodeIDType": {"$": "LEI"}},
        "EndNode": {"NodeID": {"$": parent}, "NodeIDType": {"$": "LEI"}},
        "RelationshipType": {"$": type_},
        "RelationshipStatus": {"$": more.pop("status", "ACTIVE")},
        "RelationshipPeriods": {
            "RelationshipPeriod": [
                {
                    "StartDate": {"$": more.pop("start", "2020-01-01")},
                    **({"EndDate": {"$": more.pop("end")}} if "end" in more else {}),
                    "PeriodType": {"$": "RELATIONSHIP_PERIOD"},
                },
                {"StartDate": {"$": "1999-01-01"}, "PeriodType": {"$": "ACCOUNTING_PERIOD"}},
            ]
        },
    }
    if "percent" in more:
        quantifier = {
            "MeasurementMethod": {"$": "ACCOUNTING_CONSOLIDATION"},
            "QuantifierAmount": {"$": more.pop("percent")},
            "QuantifierUnits": {"$": "PERCENTAGE"},
        }
        relationship["RelationshipQuantifiers"] = {"RelationshipQuantifier": quantifier}
    registration = {
        "LastUpdateDate": {"$": more.pop("updated", "2024-01-01")},
        "RegistrationStatus": {"$": more.pop("registration", "PUBLISHED")},
    }
    return {
        "RelationshipRecord": {"Relationship": relationship, "Registration": registration, **more}
    }


DELETED = {"gleif:Deletion": {"gleif:DeletedAt": {"$": "2024-06-01"}}}


def wrapped(key: str, records: Iterable[dict[str, Any]]) -> bytes:
    return json.dumps({key: list(records)}).encode()


def leis(*records: dict[str, Any]) -> bytes:
    return wrapped("records", records)


def relations(*records: dict[str, Any]) -> bytes:
    return wrapped("relations", records)


def exceptions(lei: str, *reasons: str, category: str = "ULTIMATE", **more: Any) -> bytes:
    record = {
        "LEI": {"$": lei},
        "ExceptionCategory": {"$": f"{category}_ACCOUNTING_CONSOLIDATION_PARENT"},
        "ExceptionReason": [{"$": each} for each in reasons],
        **more,
    }
    return wrapped("exceptions", [record])


def top(*files: bytes, lei: str = A, at: date = AT) -> str:
    found = OwnershipGraph(read(*files)[0]).ultimate_parent(lei, at=at)
    return found.id if isinstance(found, Parent) else found.reason


WORLD = leis(entity(A, "SG"), entity(B, "CN"), entity(C, "US"))


def test_a_consolidated_minority_passes_percentages_and_fails_headquarters() -> None:
    register, _ = read(
        WORLD, relations(link(A, B, percent="40.00"), link(A, B, "DIRECTLY", percent="40.00"))
    )
    explanation = explain(OwnershipGraph(register), A, B)
    assert explanation.listed_share == share(40)
    assert results(explanation)["ofac-50"] == "clear"
    assert results(explanation)["headquarters"] == "restricted"


def test_several_layers_lead_to_the_last_parent() -> None:
    direct = relations(link(A, B, "DIRECTLY"), link(B, C, "DIRECTLY"), link(B, C), link(A, C))
    assert top(WORLD, direct) == C


def test_a_relationship_holds_in_its_period_only() -> None:
    once = relations(
        link(A, B, start="2020-01-01", end="2022-12-31"), link(A, C, start="2022-12-31")
    )
    assert top(WORLD, once, at=date(2019, 1, 1)) == "no_statement"
    assert top(WORLD, once, at=date(2021, 1, 1)) == B
    assert top(WORLD, once, at=date(2023, 1, 1)) == C


def test_an_inactive_relationship_ended_when_it_was_last_updated() -> None:
    gone = relations(link(A, B, status="INACTIVE", updated="2023-05-05"))
    assert top(WORLD, gone, at=date(2023, 5, 4)) == B
    assert top(WORLD, gone, at=date(2023, 5, 5)) == "no_statement"


def test_an_annulled_relationship_never_held() -> None:
    assert (
        top(WORLD, relations(link(A, B, registration="ANNULLED")), at=date(2021, 1, 1))
        == "no_statement"
    )


def test_a_lapsed_relationship_still_holds_and_says_so() -> None:
    register, _ = read(WORLD, relations(link(A, B, registration="LAPSED")))
    assert register.stakes(A)[0].source == "GLEIF, not renewed"


def test_a_delta_adds_changes_and_deletes() -> None:
    full = relations(link(A, B))
    changed = relations(
        link(A, B, updated="2024-05-01", status="INACTIVE"), link(A, C, updated="2024-05-01")
    )
    assert top(WORLD, full, changed) == C
    deleted = relations(link(A, B, updated="2024-05-01", Extension=DELETED))
    assert top(WORLD, full, deleted) == "no_statement"
    renamed = leis(entity(B, "MO", updated="2024-05-01", name="Renamed"))
    register, _ = read(WORLD, renamed)
    assert (register.party(B, AT).name, register.party(B, AT).country) == ("Renamed", 446)
    register, _ = read(WORLD, leis(entity(B, updated="2024-05-01", Extension=DELETED)))
    assert B not in register
    assert (A in register, C in register) == (True, True)


def test_an_old_record_does_not_replace_a_newer_one() -> None:
    newer = leis(entity(B, "US", updated="2025-01-01"))
    assert read(newer, WORLD)[0].party(B, AT).country == 840
    assert read(WORLD, newer)[0].party(B, AT).country == 840


def test_a_deleted_exception_is_gone() -> None:
    assert top(WORLD, exceptions(A, "NO_LEI")) == "NO_LEI"
    assert (
        top(WORLD, exceptions(A, "NO_LEI"), exceptions(A, "NO_LEI", Extension=DELETED))
        == "no_statement"
    )
    assert top(WORLD, exceptions(A, "NO_LEI"), exceptions(A, "NON_PUBLIC")) == "NON_PUBLIC"


def test_a_reason_nobody_knew_is_told_as_it_is() -> None:
    assert top(WORLD, exceptions(A, "NEW_REASON")) == "NEW_REASON"


def test_exceptions_of_companies_without_a_record_are_kept() -> None:
    assert top(WORLD, exceptions(D, "NO_LEI"), lei=D) == "NO_LEI"


def test_a_branch_is_its_head_office() -> None:
    branch = relations(link(A, B, "IS_INTERNATIONAL_BRANCH_OF"))
    assert explain(OwnershipGraph(read(WORLD, branch)[0]), A, B).listed_share == share(100)


def test_a_funds_manager_may_control_and_does_not_own() -> None:
    managed = relations(link(A, B, "IS_FUND-MANAGED_BY"))
    explanation = explain(OwnershipGraph(read(WORLD, managed)[0]), A, B)
    found = results(explanation)
    assert (found["ofac-50"], found["headquarters"]) == ("clear", "unknown")


def test_impossible_percentages_are_not_stated_and_counted() -> None:
    for percent in ("-5", "101", "NaN", "1e-999999999", "abc", "9" * 400):
        register, reader = read(WORLD, relations(link(A, B, percent=percent)))
        assert register.stakes(A)[0].ownership == ANY
        assert "1 impossible percentages were taken as not stated" in reader.notes


def test_a_relationship_type_nobody_knew_is_left_out_and_counted() -> None:
    register, reader = read(WORLD, relations(link(A, B, "IS_FRIEND_OF")))
    assert register.stakes(A) == []
    assert any(note.startswith("1 relationships") for note in reader.notes)


def test_owners_in_a_circle_end() -> None:
    assert top(WORLD, relations(link(A, B), link(B, A))) == "circular_control"


# -- directories -----------------------------------------------------------------------------------


def test_a_directory_is_read_whole_and_strangers_are_named(tmp_path: Path) -> None:
    shutil.copytree(DATA, tmp_path, dirs_exist_ok=True)
    (tmp_path / "README.txt").write_text("read me")
    register, reader = read_directory(tmp_path, country_of=country_of)
    assert len(register) == 24  # one company is in both samples
    assert "lei-data-out.json: no GLEIF file, left out" in reader.notes
    assert "README.txt: no GLEIF file, left out" in reader.notes


def test_zipped_files_and_deltas_after_full_files(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "b-full.json.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("full.json", WORLD)
    (tmp_path / "c-rr.json").write_bytes(relations(link(A, B)))
    (tmp_path / "a-delta.json").write_bytes(relations(link(A, B, Extension=DELETED)))
    register, _ = read_directory(tmp_path, country_of=country_of)
    assert register.party(A, AT).name == f"Company {A}"
    assert register.stakes(A) == []


def test_a_directory_without_records_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="no LEI"):
        read_directory(tmp_path, country_of=country_of)
    with pytest.raises(Malformed, match="can't be read"):
        read_directory(tmp_path / "missing", country_of=country_of)


def test_a_broken_archive_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04 and nothing")
    with pytest.raises(Malformed) as caught:
        read_directory(tmp_path, country_of=country_of)
    assert caught.value.field == "x.zip"


# -- damage ----------------------------------------------------------------------------------------


def xml(body: str, head: str = "") -> bytes:
    return f'<?xml version="1.0"?>{head}<LEIData><LEIRecords>{body}</LEIRecords></LEIData>'.encode()


def record(lei: str = A, name: str = "Name") -> str:
    return f"<LEIRecord><LEI>{lei}</LEI><Entity><LegalName>{name}</LegalName></Entity></LEIRecord>"


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (xml(record(name="&b;"), BOMB), "document type"),
        (xml(record(), '<!DOCTYPE x SYSTEM "file:///etc/passwd">'), "document type"),
        (xml(record())[:-20], "no XML"),
        (xml(record(lei="not an LEI")), "no LEI"),
        (xml(record(lei="A\u202e" + A[2:])), "no LEI"),
        (xml("<LEIRecord>" + "<a>" * 5_000), "nested deeper"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "encoding|no XML"),
        (xml("<LEIRecord>" + "<a>b</a>" * 300_000), "longer than"),
        (b"<LEIData><x y='" + b"z" * (5 << 20), "tag without end"),
        (b'{"records": [{"LEI": "x', "record 1|ends"),
        (b'{"records": 7', "ends in the middle|no key"),
        (b'{"records": [' + b'{"a":' * 30_000, "nested|no JSON|ends"),
        (b'{"records": [{"LEI": {"$": 7}, "Entity": []}]}', "no LEI"),
        (b'{"records": [{"LEI": ["x"], "Entity": {}}]}', "not a text"),
    ],
)
def test_damaged_files_are_refused(data: bytes, why: str) -> None:
    reader = GleifReader(country_of=country_of)
    with pytest.raises(Malformed, match=why) as caught:
        reader.read((data[at : at + 65_536] for at in range(0, len(data), 65_536)), name="f")
    assert caught.value.field.startswith("f")


def test_a_name_of_a_megabyte_is_too_large_and_says_whose() -> None:
    with pytest.raises(TooLarge) as caught:
        read(xml(record(name="x" * 500_000)))
    assert A in caught.value.field


def test_names_lose_what_does_not_show() -> None:
    register, _ = read(xml(record(name="Good\u202e\u0085 Name")))
    assert register.party(A, AT).name == "Good Name"
    assert register.find("Good Name") == [A]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(path.name for path in DATA.glob("*-data.*"))), st.data())
def test_a_damaged_sample_is_read_or_refused(name: str, data: st.DataObject) -> None:
    wire = bytearray((DATA / name).read_bytes()[:12_000])
    for _ in range(data.draw(st.integers(0, 3))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    reader, caught = GleifReader(country_of=country_of), None
    try:
        reader.read([bytes(wire)], name=name)
        reader.register()
    except Malformed as error:
        caught = error
    assert caught is None or name in caught.field


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    reader, caught = GleifReader(country_of=country_of), None
    try:
        reader.read([data], name="f")
    except Malformed as error:
        caught = error
    assert caught is None or caught.field.startswith("f")
