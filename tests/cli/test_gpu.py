"""`kycgate gpu`: the published document, its exit codes, and the list for a person to check."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kycgate.cli import main

KEYS = {"model", "eccn", "tpp", "performance_density", "confidence", "result", "rules"}
RULE_KEYS = {"id", "result", "status", "basis", "citation", "says", "note", "checked"}


def classify(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = main(["gpu", "classify", *words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def rule(document: dict[str, Any], rule_id: str) -> dict[str, Any]:
    (found,) = [each for each in document["rules"] if each["id"] == rule_id]
    return dict(found)


def test_the_document_has_exactly_its_keys(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = classify(capsys, "H100 80GB HBM3", "--renter-country", "SG")
    assert set(told) == KEYS
    assert all(set(each) == RULE_KEYS for each in told["rules"])
    assert (told["model"], told["eccn"], told["tpp"]) == ("H100 SXM5", "3A090.a", 15832)
    assert (told["confidence"], told["result"], code) == ("high", "review", 2)


@pytest.mark.parametrize(
    "words, result, code",
    [
        ("H100 --renter-country SG --ultimate-country SG", "allow", 0),
        ("H100 --renter-country SG --ultimate-country CN", "deny", 1),
        ("H100 --renter-country SG --ultimate-country MO", "deny", 1),
        ("H100 --renter-country SG", "review", 2),
        ("H100", "review", 2),
        ("T4", "review", 2),
        ("T4 --renter-country sg", "allow", 0),
        ("T4 --renter-country IR", "deny", 1),
        ("T4 --renter-country SG --ultimate-country CU", "deny", 1),
        ("T4 --renter-country UA-43", "deny", 1),
        ("T4 --renter-country UA-30 --count 4", "allow", 0),
        ("A40 --renter-country AE --ultimate-country AE", "deny", 1),
        ("A40 --renter-country SG --ultimate-country AE", "allow", 0),
        ("H20 --renter-country SG --ultimate-country CN", "deny", 1),
        ("H20 --renter-country SG --ultimate-country CN --at 2025-04-08", "allow", 0),
        ("H20 --renter-country SG --ultimate-country CN --at 2025-04-09", "deny", 1),
        ("H300 --renter-country SG --ultimate-country CN", "deny", 1),
        ("H300 --renter-country SG --ultimate-country DE", "allow", 0),
        ("H100 --renter-country SG --ultimate-country SG --at 2022-01-01", "allow", 0),
        ("T4 --renter-country SY --at 2025-06-30T23:59:59Z", "deny", 1),
    ],
)
def test_results_and_exit_codes(
    capsys: pytest.CaptureFixture[str], words: str, result: str, code: int
) -> None:
    got, told = classify(capsys, *words.split())
    assert (told["result"], got) == (result, code)


def test_the_affiliates_rule_prints_that_nobody_verified_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def asked(day: str) -> dict[str, Any]:
        return rule(classify(capsys, "T4", "--at", day)[1], "us-affiliates-50")

    assert asked("2026-11-10")["status"] == "unverified"
    assert asked("2026-11-10")["note"].startswith("unverified since 2026-11-10")
    assert (asked("2026-11-09")["status"], asked("2026-11-09")["result"]) == ("stayed", "inactive")
    assert asked("2025-11-09")["status"] == "in force"
    assert main(["gpu", "classify", "T4", "--at", "2026-11-10"]) == 2
    assert "unverified since 2026-11-10" in capsys.readouterr().out


def test_what_was_not_asked_is_unknown_and_never_clear(capsys: pytest.CaptureFixture[str]) -> None:
    _, told = classify(capsys, "H100", "--renter-country", "SG", "--ultimate-country", "SG")
    assert rule(told, "controlled-level")["note"] == "not given: level_below"
    assert rule(told, "embargo-iran")["result"] == "unknown"
    assert "network" in rule(told, "embargo-iran")["note"]
    assert rule(told, "us-headquarters")["result"] == "clear"
    assert rule(told, "us-headquarters")["basis"] == "operator-policy"


def test_doubtful_figures_carry_a_note_in_every_output(capsys: pytest.CaptureFixture[str]) -> None:
    words = "A10", "--renter-country", "SG"
    _, told = classify(capsys, *words)
    assert told["confidence"] == "medium"
    note = rule(told, "gpu-class")["note"]
    assert "datasheet" in note
    assert "borderline" in note
    main(["gpu", "classify", *words])
    out = capsys.readouterr().out
    assert "medium confidence" in out
    assert "borderline" in out


def test_an_unknown_gpu_has_no_model_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    _, told = classify(capsys, "Voodoo 2", "--renter-country", "SG")
    assert (told["model"], told["eccn"], told["tpp"]) == (None, "unknown", None)
    assert rule(told, "gpu-class")["note"] == "not recognised: counts as controlled"
    assert told["result"] == "review"


def test_an_operators_file_decides_when_given(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(
        'id = "ours"\n[[rule]]\nid = "few"\neffect = "review"\nmore_gpus_than = 4\nsays = "Many"\n'
        'basis = "operator-policy"\ncitation = "house"\neffective_from = 2020-01-01\n'
    )
    given = "H100", "--policy", str(path)
    assert classify(capsys, *given, "--count", "4")[0] == 0
    assert classify(capsys, *given, "--count", "5")[0] == 2
    assert classify(capsys, *given)[0] == 2


@pytest.mark.parametrize(
    "words, culprit",
    [
        ("--at yesterday", "--at"),
        ("--at 2025-11-10T12:00:00", "--at"),
        ("--at 2025-02-30", "--at"),
        ("--renter-country Singapore", "country"),
        ("--renter-country XX", "country"),
        ("--ultimate-country XX-43", "country"),
        ("--count 0", "count"),
        ("--policy none.toml", "--policy"),
    ],
)
def test_bad_input_is_named(capsys: pytest.CaptureFixture[str], words: str, culprit: str) -> None:
    assert main(["gpu", "classify", "T4", *words.split()]) == 64
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"kycgate: {culprit}: ")


def test_a_bad_policy_is_named_with_its_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('id = "bad"\ninclude = ["everything"]\n')
    assert main(["gpu", "classify", "T4", "--policy", str(path)]) == 64
    assert "line 2: include: `everything` is not known" in capsys.readouterr().err


def test_the_list_for_a_person_names_figures_sources_and_doubts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["gpu", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert main(["gpu", "list", "--review", "--json"]) == 0
    doubtful = json.loads(capsys.readouterr().out)
    assert {row["model"] for row in doubtful} == {
        row["model"]
        for row in rows
        if row["confidence"] != "high" or "borderline" in " ".join(row["check"])
    }
    assert {"A10", "H20 SXM", "RTX 4090 D"} <= {row["model"] for row in doubtful}
    assert not {"H100 SXM5", "A100"} & {row["model"] for row in doubtful}
    assert all(row["check"] and row["source"] for row in doubtful)
    assert main(["gpu", "list", "--review"]) == 0
    assert "check: " in capsys.readouterr().out
