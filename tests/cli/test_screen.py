"""`kycgate screen` answers in one form, says why, and never stops for one bad row."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from kycgate.cli import main

NAMED = "0x098B716B8Aaf21512996dC57EB0615e2383E2f96"


@pytest.fixture(autouse=True)
def _shipped_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No library of lists on this machine has a say."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KYCGATE_LISTS_DIR", raising=False)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["screen", *words])
    out, err = capsys.readouterr()
    return code, out, err


def document(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code, out, _ = run(capsys, *words, "--json")
    return code, json.loads(out)


def test_a_misspelt_company_is_to_be_reviewed(capsys: pytest.CaptureFixture[str]) -> None:
    code, answer = document(capsys, "name", "Huawei Technologes", "--kind", "organisation")
    assert code == 2
    assert answer["band"] == "review"
    hit = answer["hits"][0]
    assert {"list", "entry_id", "name", "score", "matched", "explanation"} <= hit.keys()
    assert {word["how"] for word in hit["explanation"]} >= {"equal", "spelling"}
    assert [each["name"] for each in answer["lists"]] == ["us-csl", "ofac-evm-wallets"]
    assert answer["engine"].startswith("kycgate-match/")
    assert answer["thresholds"]["review"] == 0.7


def test_a_listed_company_is_blocked(capsys: pytest.CaptureFixture[str]) -> None:
    name = "Huawei Technologies Co., Ltd."
    code, answer = document(capsys, "name", name, "--kind", "organisation")
    assert code == 1
    assert answer["band"] == "block"


def test_a_stranger_is_clear(capsys: pytest.CaptureFixture[str]) -> None:
    code, answer = document(
        capsys, "name", "Ingeborg Abrahamsen", "--kind", "person", "--country", "no"
    )
    assert (code, answer["band"], answer["hits"]) == (0, "clear", [])


def test_for_people_every_hit_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "name", "Huawei Technologes", "--kind", "organisation")
    assert code == 2
    assert out.splitlines()[0] == "review"
    assert "technologes=technology (spelling)" in out


@pytest.mark.parametrize(
    "words",
    [
        ["name", "X Y", "--country", "Norway"],
        ["name", "X Y", "--birth-date", "yesterday"],
        ["name", "X Y", "--id", "lei"],
        ["name", "X Y", "--id", "iban:NO9386011117947"],
        ["name", ""],
        ["name", "a" * 2_000],
        ["name", "X Y", "--dir", "nowhere"],
        ["wallet", "0x1234"],
        ["wallet", NAMED.replace("B716b", "b716B").replace("098B", "098b")],
        ["batch", "nowhere.csv", "--name-column", "name"],
    ],
)
def test_bad_input_is_told_and_exits_64(
    capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    code, out, err = run(capsys, *words)
    assert code == 64
    assert out == ""
    assert err.startswith("kycgate: ")


def test_a_listed_wallet_is_blocked(capsys: pytest.CaptureFixture[str]) -> None:
    code, answer = document(capsys, "wallet", NAMED)
    assert code == 1
    assert answer["hits"][0]["by"] == "wallet"


def test_any_other_wallet_is_clear(capsys: pytest.CaptureFixture[str]) -> None:
    code, answer = document(capsys, "wallet", "0x" + "11" * 20)
    assert code == 0
    assert answer["band"] == "clear"


def test_a_pair_has_a_score_and_its_grounds(capsys: pytest.CaptureFixture[str]) -> None:
    code, answer = document(capsys, "pair", "Sergei Lavrov", "LAVROV, Sergey", "--kind", "person")
    assert code == 0
    assert 0.9 < answer["score"] <= 1
    assert [word["asked"] for word in answer["explanation"]] == ["lavrov", "sergei"]


def test_pairs_keep_their_columns_and_get_a_score(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(
        "id,name1,name2,schema\n1,Acme GmbH,ACME,Company\n2,...,…,Person\n3,Ann Lee\n", "utf-8"
    )
    code, out, err = run(capsys, "pairs", str(path))
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["id"] for row in rows] == ["1", "2", "3"]
    assert float(rows[0]["score"]) > 0.9
    assert rows[1]["score"] == "0.0"
    assert rows[2]["score"] == ""
    assert code == 2
    assert "row 4: the row has no name2" in err


def test_a_batch_answers_every_row_in_order(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path, out = tmp_path / "names.csv", tmp_path / "out.jsonl"
    path.write_bytes(
        b"\xef\xbb\xbfid,who,born\n"
        b"1,Ingeborg Abrahamsen,\n"
        b'2,"Huawei Technologes",\n'
        b"3,...,\n"
        b"4,\xff\xfe\xfd broken,\n"
        b"5," + b"a" * 1_000_000 + b",\n"
        b"6,Kathryn Barr,tomorrow\n"
        b"7\n"
        b"8,Kathryn Barr,1966-07-06\n"
    )
    code, told, err = run(
        capsys, "batch", str(path), "--name-column", "who", "--birth-date-column", "born",
        "--out", str(out),
    )  # fmt: skip
    lines = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [line["row"] for line in lines] == list(range(2, 10))
    assert [line.get("band", "error") for line in lines] == [
        "clear", "review", "error", "error", "error", "error", "error", "clear",
    ]  # fmt: skip
    assert code == 2
    assert told == ""
    assert "8 rows: 2 clear, 1 review, 0 block, 5 error" in err
    assert all(len(json.dumps(line)) < 50_000 for line in lines)


def test_a_batch_with_a_block_exits_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    path.write_text('name\n"Huawei Technologies Co., Ltd."\nX\n...\n', "utf-8")
    code, out, _ = run(
        capsys, "batch", str(path), "--name-column", "name", "--kind", "organisation"
    )
    assert code == 1
    assert len(out.splitlines()) == 3


def test_a_batch_without_its_column_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "names.csv"
    path.write_text("name\nAnn\n", "utf-8")
    code, _, err = run(capsys, "batch", str(path), "--name-column", "who")
    assert code == 64
    assert "who" in err


def test_processes_give_what_one_process_gives(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "names.csv"
    path.write_text("name\n" + "Huawei Technologes\nAnn Lee Barr\n" * 60, "utf-8")
    words = ["batch", str(path), "--name-column", "name", "--processes"]
    one, two = run(capsys, *words, "1"), run(capsys, *words, "2")
    assert one == two
    assert len(one[1].splitlines()) == 120


def test_what_could_steer_a_terminal_is_not_printed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _, out, _ = run(capsys, "pair", "Ann\x1b[2J Lee", "Ann\u202e Lee")
    assert all(letter.isprintable() or letter == "\n" for letter in out)
