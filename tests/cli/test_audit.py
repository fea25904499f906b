"""`kycgate audit` says whether a log is whole, and what it could not check."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from kycgate.audit import DecisionLog
from kycgate.cli import main
from kycgate.core.claims import checksum
from kycgate.keys import LocalSigner
from kycgate.store import open_store

NOW = 1_700_000_000
KEY = LocalSigner(b"\x01" * 32)
CONFIG = """
[gate]
public_url = "http://127.0.0.1:8081"
gateway_url = "http://127.0.0.1:8080"
database = "sqlite:///store.sqlite3"
[marketplace]
upstream = "http://127.0.0.1:9000"
[keys]
issuer = "file:issuer.key"
permit = "file:permit.key"
log = "file:log.key"
vault = "file:vault.key"
[issuer]
chain_id = 1
eas = "0xA1207F3BBa224E2c9c3c6D5aF63D0eb1582Ce587"
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A store whose log has three entries."""
    url = f"sqlite:///{tmp_path}/store.sqlite3"
    store = open_store(url)
    log = DecisionLog(store, KEY)
    for number in range(3):
        log.append("case_opened", {"case": f"case-{number}"}, now=NOW + number)
    store.close()
    return url


@pytest.fixture
def config(tmp_path: Path, url: str) -> str:
    key = tmp_path / "log.key"
    key.touch(0o600)
    key.write_text("01" * 32)
    path = tmp_path / "kycgate.toml"
    path.write_text(CONFIG)
    return str(path)


def told(capfd: pytest.CaptureFixture[str]) -> dict[str, Any]:
    document = json.loads(capfd.readouterr().out)
    assert isinstance(document, dict)
    return document


def test_a_whole_log_verifies(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "verify", "--store", url, "--json"]) == 0
    document = told(capfd)
    assert (document["verdict"], document["count"], document["head"]) == ("verified", 3, None)


def test_without_a_head_the_answer_says_what_is_open(
    url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "verify", "--store", url]) == 0
    assert "entries missing at the end would not show" in capfd.readouterr().out


def test_an_export_and_its_head_verify_without_a_database(
    config: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "log.jsonl"
    assert main(["audit", "export", "--config", config, "--out", str(out), "--json"]) == 0
    exported = told(capfd)
    head = tmp_path / "log.jsonl.head.json"
    assert exported["count"] == 3
    assert exported["head"] == json.loads(head.read_text())
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    signer = checksum(KEY.address)
    command = ["audit", "verify", "--file", str(out), "--head", str(head), "--json"]
    assert main([*command, "--signer", signer]) == 0
    assert told(capfd)["head"] == {**exported["head"], "signer_checked": True}
    assert main(command) == 0
    assert told(capfd)["head"]["signer_checked"] is False


def test_a_shortened_export_is_broken(
    config: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "log.jsonl"
    main(["audit", "export", "--config", config, "--out", str(out)])
    out.write_bytes(b"".join(out.read_bytes().splitlines(keepends=True)[:2]))
    capfd.readouterr()
    head = f"{out}.head.json"
    assert main(["audit", "verify", "--file", str(out), "--head", head, "--json"]) == 1
    document = told(capfd)
    assert (document["verdict"], document["seq"]) == ("broken", 3)


def test_a_changed_export_is_broken(
    url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "log.jsonl"
    main(["audit", "export", "--store", url, "--out", str(out)])
    out.write_bytes(out.read_bytes().replace(b"case-1", b"case-9"))
    assert main(["audit", "verify", "--file", str(out), "--json"]) == 1
    lines = capfd.readouterr().out
    assert '"seq": 2' in lines


def test_a_file_that_is_no_export_is_broken_at_its_first_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    noise = tmp_path / "noise"
    noise.write_bytes(b"\x00" * 300_000)
    assert main(["audit", "verify", "--file", str(noise), "--json"]) == 1
    assert told(capfd)["seq"] == 1


def test_the_configured_log_key_is_the_one_that_counts(
    config: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3")
    forged = DecisionLog(store, LocalSigner(b"\x02" * 32)).head(NOW + 5)
    store.close()
    head = tmp_path / "head.json"
    head.write_text(json.dumps(forged))
    assert main(["audit", "verify", "--config", config, "--head", str(head)]) == 64
    assert "not signed by the log key" in capfd.readouterr().err


def test_the_export_goes_to_standard_output(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "export", "--store", url]) == 0
    captured = capfd.readouterr()
    assert [json.loads(line)["seq"] for line in captured.out.splitlines()] == [1, 2, 3]
    assert "no signed head" in captured.err


def test_an_earlier_export_is_not_overwritten(
    url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "log.jsonl"
    out.write_text("evidence")
    assert main(["audit", "export", "--store", url, "--out", str(out)]) == 64
    assert out.read_text() == "evidence"


def test_a_database_that_is_not_there_is_not_made(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "missing.sqlite3"
    assert main(["audit", "verify", "--store", f"sqlite:///{missing}"]) == 64
    assert not missing.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["--file", "/no/such/file"],
        ["--file", "x", "--store", "y"],
        ["--config", "/no/such/file"],
        ["--store", "mysql://x/y"],
    ],
)
def test_what_can_not_be_read_is_a_usage_error(
    words: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["audit", "verify", *words])
    except SystemExit as exit_:
        code = int(str(exit_.code))
    assert code == 64
    assert "Traceback" not in capfd.readouterr().err


def test_a_database_that_does_not_answer_is_undecided(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.sqlite3"
    broken.write_bytes(b"no database at all" * 99)
    assert main(["audit", "verify", "--store", f"sqlite:///{broken}"]) == 2
