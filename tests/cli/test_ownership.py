"""`kycgate ownership`: the published JSON, the exit codes, and what bad input gets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kycgate.cli import main
from tests.screening.ownership.test_bods import entity, relationship, shenzhen, wire

DATA = Path(__file__).parents[1] / "screening" / "ownership" / "data"
JOINT = str(DATA / "bods" / "joint-ownership.json")
CHRINON, NATALIE = "31c55e425764", "1accb8b18b99"


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "shenzhen.json"
    path.write_bytes(wire(*shenzhen()))
    return str(path)


def explain(capfd: pytest.CaptureFixture[str], *words: str, code: int) -> dict[str, Any]:
    assert main(["ownership", "explain", *words, "--json"]) == code
    document = json.loads(capfd.readouterr().out)
    assert isinstance(document, dict)
    return document


def test_the_document_has_the_published_form(file: str, capfd: pytest.CaptureFixture[str]) -> None:
    found = explain(
        capfd, "sub", "--bods", file, "--listed", "parent", "--at", "2026-11-23", code=1
    )
    assert found["ultimate_parent"] == {"id": "parent", "name": "parent", "country": "CN"}
    assert found["listed_share"] == {"min": 40, "max": 40}
    assert found["result"] == "blocked"
    rules = {each["rule"]: each for each in found["rules"]}
    assert {name: each["result"] for name, each in rules.items()} == {
        "ofac-50": "clear",
        "eu-ownership-control": "blocked",
        "uk-ownership-control": "blocked",
        "bis-affiliates-50": "clear",
        "headquarters": "restricted",
    }
    for each in rules.values():
        assert each["citation"]
        assert each["basis"] in ("law", "licence-risk", "operator-policy")
    assert rules["headquarters"]["basis"] == "operator-policy"
    assert rules["bis-affiliates-50"]["status"] == "unverified"
    step = rules["headquarters"]["path"][0]
    assert (step["holder"], step["subject"], step["share"]) == (
        "parent",
        "sub",
        {"min": 40, "max": 40},
    )


def test_restricted_is_exit_one(file: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert explain(capfd, "sub", "--bods", file, code=1)["result"] == "restricted"


def test_clear_is_exit_zero(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "clear.json"
    stake = relationship("parent", "sub", {"type": "shareholding", "share": {"exact": 100}})
    path.write_bytes(wire(entity("sub", "SG"), entity("parent", "US"), stake))
    found = explain(capfd, "sub", "--bods", str(path), code=0)
    assert (found["result"], found["ultimate_parent"]["country"]) == ("clear", "US")


def test_unknown_is_exit_two_with_the_reason(capfd: pytest.CaptureFixture[str]) -> None:
    found = explain(capfd, "004L5FPTUREIWK9T2N63", "--gleif", str(DATA / "gleif"), code=2)
    assert (found["result"], found["ultimate_parent"]) == ("unknown", None)
    assert found["ultimate_parent_unknown"]["reason"] == "NON_CONSOLIDATING"


def test_the_affiliates_rule_follows_the_date(capfd: pytest.CaptureFixture[str]) -> None:
    def affiliates(day: str) -> tuple[str, str]:
        words = (CHRINON, "--bods", JOINT, "--listed", NATALIE, "--at", day)
        rules = explain(capfd, *words, code=1)["rules"]
        found = next(each for each in rules if each["rule"] == "bis-affiliates-50")
        return found["result"], found["status"]

    assert affiliates("2025-11-09") == ("restricted", "in force")
    assert affiliates("2025-11-10") == ("clear", "stayed")
    assert affiliates("2026-11-10") == ("restricted", "unverified")


def test_a_company_is_found_by_name_and_by_lei(capfd: pytest.CaptureFixture[str]) -> None:
    assert explain(capfd, "CHRINON LTD", "--bods", JOINT, code=0)["entity"]["id"] == CHRINON
    by_name = explain(capfd, "MONOOVA FX PTY LTD", "--gleif", str(DATA / "gleif"), code=0)
    assert by_name["ultimate_parent"]["id"] == "984500501A1B1045PB30"


def test_several_files_and_several_listed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    half = {"type": "shareholding", "share": {"exact": 25}}
    first.write_bytes(wire(entity("sub", "SG"), relationship("p", "sub", half, record="r1")))
    second.write_bytes(
        wire(entity("p", "SG"), entity("q", "SG"), relationship("q", "sub", half, record="r2"))
    )
    files = ("--bods", str(first), str(second))
    found = explain(capfd, "sub", *files, "--listed", "p", "q", code=1)
    assert found["listed_share"] == {"min": 50, "max": 50}
    again = explain(capfd, "sub", *files, "--listed", "p", "--listed", "q", code=1)
    assert again["listed_share"] == found["listed_share"]


def test_the_picture_goes_to_standard_output(file: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["ownership", "explain", "sub", "--bods", file, "--svg"]) == 1
    out = capfd.readouterr().out
    assert out.startswith("<svg ")
    assert "40 %" in out


def test_people_get_words(file: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["ownership", "explain", "sub", "--bods", file]) == 1
    assert "headquarters: restricted (headquarters of parent)" in capfd.readouterr().out


def test_an_export_is_read_again(
    file: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["ownership", "export", "sub", "--bods", file]) == 0
    path = tmp_path / "exported.json"
    path.write_text(capfd.readouterr().out)
    found = explain(capfd, "sub", "--bods", str(path), code=1)
    assert (found["result"], found["ultimate_parent"]["id"]) == ("restricted", "parent")


def test_what_can_not_be_read_is_a_usage_error(
    file: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.json"
    broken.write_bytes(wire(*shenzhen(exact=140)))
    for words, told in [
        (["nobody", "--bods", file], "nothing in the data"),
        (["sub", "--bods", str(tmp_path / "missing")], "can't be read"),
        (["sub", "--gleif", str(tmp_path / "missing")], "can't be read"),
        (["sub", "--bods", str(broken)], "interests[0]"),
        (["sub", "--bods", file, "--at", "soon"], "--at"),
        (["sub"], "--config"),
        (["sub", "--bods", file, "--gleif", str(tmp_path)], "not allowed"),
    ]:
        try:
            code = main(["ownership", "explain", *words])
        except SystemExit as exit_:
            code = int(str(exit_.code))
        assert code == 64
        error = capfd.readouterr().err
        assert told in error
        assert "Traceback" not in error
