"""`kycgate lists` as an operator runs it, online and offline."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import responses

from kycgate.cli import main
from kycgate.screening.library import Library
from kycgate.screening.sources import source
from tests.screening.conftest import NOW
from tests.screening.sources.conftest import DATA

UN = DATA / "un_2026-02-27.xml"
UN_URL = source("un").parts[0].url or ""


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Library(tmp_path_factory.mktemp("begun"), now=NOW).directory


@pytest.fixture
def lists(begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = Path(shutil.copytree(begun, tmp_path / "lists"))
    monkeypatch.setenv("KYCGATE_LISTS_DIR", str(folder))
    for name in ("EU", "UN", "OFAC_SDN"):
        monkeypatch.delenv(f"KYCGATE_LIST_{name}_URL", raising=False)
    return folder


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any, str]:
    code = main(["lists", *words, "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out) if out else None, err


def status(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    code, document, _ = run(capsys, "status")
    assert code == 0
    return {row["name"]: row for row in document["lists"]}


def test_status_shows_every_list_and_which_are_unproven(
    lists: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = status(capsys)
    assert rows["us-csl"]["entries"] == 25_921
    assert rows["us-csl"]["as_of"] == "2026-07-31T13:15:00Z"
    assert rows["us-csl"]["stale"] is True
    assert rows["un"]["version"] is None
    unproven = {name for name, row in rows.items() if row["status"] == "unproven"}
    assert unproven == {"us-csl", "ofac-advanced", "uk", "eu", "opensanctions"}


def test_an_import_needs_no_network_and_shows_in_the_status(
    lists: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, document, _ = run(capsys, "import", str(UN), "--list", "un")
    assert (code, document["fresh"], document["entries"]) == (0, True, 8)
    row = status(capsys)["un"]
    assert (row["version"], row["via"], row["proven"]) == (document["version"], "import", True)
    assert row["last_error"] is None
    code, document, _ = run(capsys, "import", str(UN), "--list", "un")
    assert (code, document["fresh"]) == (0, False)


def test_a_refused_import_says_why_and_changes_nothing(
    lists: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = status(capsys)["us-csl"]["version"]
    sample = str(DATA / "us_csl_2025.csv")
    code, _, err = run(capsys, "import", sample, "--list", "us-csl", "--as-of", "2026-09-01")
    assert code == 1
    assert "13 entries where 25921 are in force" in err
    row = status(capsys)["us-csl"]
    assert row["version"] == before
    assert row["last_error"]["kept_entries"] == 25_921
    assert row["last_error"]["found_entries"] == 13


@pytest.mark.parametrize(
    "words, says",
    [
        (("import", "none.xml", "--list", "un"), "can't be opened"),
        (("import", str(UN), "--list", "../un"), "not a list name"),
        (("import", str(UN), "--list", "uk"), "<CONSOLIDATED_LIST> where <Designations> belongs"),
        (("import", str(UN), "--list", "un", "--as-of", "soon"), "not a date"),
        (("import", str(UN), "--list", "un", "--as-of", "2999-01-01"), "lies in the future"),
        (("import", str(DATA / "us_dpl_2021.txt"), "--list", "bis-dpl"), "give --as-of"),
    ],
)
def test_bad_words_are_usage_errors_in_one_line(
    lists: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    code, document, err = run(capsys, *words)
    assert (code, document) == (64, None)
    assert says in err
    assert err.count("\n") == 1


def test_update_fetches_the_standard_lists_and_those_there_are(
    lists: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that fails does not keep the others from being brought up to date."""
    with responses.RequestsMock() as web:
        web.get(UN_URL, body=UN.read_bytes())
        for name in ("us-csl", "ofac-sdn", "uk"):
            part = source(name).parts[0]
            web.get(part.url or "", status=503)
        code, document, err = run(capsys, "update")
    results = {row["name"]: row["ok"] for row in document["lists"]}
    assert results == {"us-csl": False, "ofac-sdn": False, "un": True, "uk": False}
    assert code == 2
    assert "uk: sanctionslist.fcdo.gov.uk answers 503" in err
    assert status(capsys)["uk"]["last_error"]["message"].endswith("answers 503")


def test_update_of_one_list_answers_yes(lists: Path, capsys: pytest.CaptureFixture[str]) -> None:
    today = time.strftime("%Y-%m-%d", time.gmtime()).encode()
    with responses.RequestsMock() as web:
        body = UN.read_bytes().replace(b'dateGenerated="2026-02-27', b'dateGenerated="' + today)
        web.get(UN_URL, body=body, headers={"ETag": '"1"'})
        assert run(capsys, "update", "--list", "un")[0] == 0
        web.replace(responses.GET, UN_URL, status=304)
        code, document, _ = run(capsys, "update", "--list", "un")
    assert (code, document["lists"][0]["fresh"]) == (0, False)
    assert status(capsys)["un"]["stale"] is False


def test_the_plain_status_is_for_people(lists: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lists", "status"]) == 0
    out = capsys.readouterr().out
    assert "us-csl" in out
    assert "STALE" in out
    assert "not loaded  unproven  UK Sanctions List" in out
