"""`kycgate renter verify` at a terminal, against the assembled product over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kycgate.cli import main
from kycgate.cli.output import Exit
from tests.test_assembly_credentials import configured, running


def answering(monkeypatch: pytest.MonkeyPatch, *answers: str) -> Iterator[str]:
    left = iter(answers)
    monkeypatch.setattr("builtins.input", lambda _question: next(left))
    return left


@pytest.fixture(autouse=True)
def renter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KYCGATE_RENTER_KEY", "11" * 32)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_owners_and_regions_told_at_a_terminal_are_what_the_reviewer_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    left = answering(
        monkeypatch,
        "o", "Kyiv Compute", "123", "", "UA", "UA-30", "SG", "n",
        "y", "p", "Eva Li", "SG", "40.5", "y", "o", "Holding", "SG", "25-50", "n", "n", "Mei",
    )  # fmt: skip
    with running(configured(tmp_path)) as (services, _):
        gate = services.config.gate.public_url
        assert main(["renter", "login", "--gate", gate]) == Exit.YES
        capsys.readouterr()
        assert main(["renter", "verify", "--gate", gate, "--json"]) == Exit.UNDECIDED
        out, err = capsys.readouterr()
        told = json.loads(out)
        case = services.store.case(told["id"])
        assert case is not None
        seen = services.identity.case_view(case.id, reader="rosa", now=case.updated_at)
    assert list(left) == []
    assert told["state"] == "checking"
    assert [way["id"] for way in told["ways"]] == ["credential", "documents"]
    assert told["continue_at"] == gate + "/"
    assert "Ways to prove who you are" in err
    assert f"Continue in a browser: {gate}/" in err
    text = json.dumps(seen)
    for expected in ("Eva Li", "40.5", "Holding", "UA-30"):
        assert expected in text


def test_a_terminal_says_plainly_that_a_proof_is_required(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = configured(tmp_path)
    path.write_text(path.read_text().replace("[identity]", "[identity]\nrequire_proof = true"))
    answering(monkeypatch, "p", "Ada Example", "FR", "")
    with running(path) as (services, _):
        gate = services.config.gate.public_url
        assert main(["renter", "login", "--gate", gate]) == Exit.YES
        capsys.readouterr()
        assert main(["renter", "verify", "--gate", gate]) == Exit.UNDECIDED
        out = capsys.readouterr().out
    assert "requires a proof of identity" in out
    assert (
        "Show a credential from the wallet on your phone (about 1 min, level 3; test only)" in out
    )
    assert f"Continue in a browser: {gate}/" in out
