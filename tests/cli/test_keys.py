"""`kycgate keys` makes keys and shows addresses, never keys."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from kycgate.cli import main


def test_new_key_is_shown_by_its_address(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "issuer.key"
    assert main(["keys", "new", str(path), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert main(["keys", "show", f"file:{path}", "--json"]) == 0
    shown = capsys.readouterr().out
    assert json.loads(shown)["address"] == made["address"]
    assert path.read_text().strip() not in shown


def test_secret_is_made_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "vault.secret"
    assert main(["keys", "secret", str(path)]) == 0
    assert main(["keys", "secret", str(path)]) == 64
    shown = capsys.readouterr()
    assert path.read_text().strip() not in shown.out + shown.err


def test_wrong_key_exits_64(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "show", "env:KYCGATE_NO_SUCH_KEY"]) == 64
    assert "not set" in capsys.readouterr().err


def test_a_schedulers_secret_is_shown_once_and_its_entry_is_what_the_configuration_takes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["keys", "hook", "main", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    digest = hashlib.sha256(made["secret"].encode()).hexdigest()
    assert made["entry"] == f"main:{digest}"
    assert main(["keys", "hook", "main"]) == 0
    assert "netrc" in capsys.readouterr().out
    assert main(["keys", "hook", "Not a name"]) != 0
