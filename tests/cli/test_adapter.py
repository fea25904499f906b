"""`kycgate adapter test`: real clients' captured requests give the jobs they asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kycgate.cli import main

CAPTURES = Path(__file__).parent.parent / "gateway" / "captures"


def replay(
    capsys: pytest.CaptureFixture[str], preset: str, capture: Path
) -> tuple[int, list[dict[str, Any]]]:
    code = main(["adapter", "test", preset, str(capture), "--json"])
    document = json.loads(capsys.readouterr().out)
    assert document["adapter"] == preset
    return code, document["requests"]


def test_a_vast_capture_gives_its_rental_with_what_the_offer_holds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, told = replay(capsys, "vast", CAPTURES / "vastai_cli.json")
    assert code == 0
    assert [each["kind"] for each in told] == [
        "public_read", "account_read", "public_read", "rent", "stop",
    ]  # fmt: skip
    (job,) = [each["job"] for each in told if "job" in each]
    assert (job["gpu_model"], job["gpu_count"], job["hours"]) == ("H100 SXM", 8, None)


def test_an_extension_stands_on_the_rental_before_it(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = replay(capsys, "ionet", CAPTURES / "ionet_cli_vm_extend.json")
    assert code == 0
    jobs = [each["job"] for each in told if "job" in each]
    assert [(job["action"], job["gpu_model"], job["hours"]) for job in jobs] == [
        ("rent", "H100 PCIe", 24), ("extend", "H100 PCIe", 36),
    ]  # fmt: skip


def test_what_is_not_in_the_capture_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    code, (told,) = replay(capsys, "vast", CAPTURES / "vastai_sdk.json")
    assert (code, told["job"]["gpu_model"]) == (0, None)


def test_a_request_of_another_marketplace_has_no_route(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = replay(capsys, "ionet", CAPTURES / "vastai_cli.json")
    assert code == 1
    assert all("no route" in each["problem"] for each in told)


def test_a_body_that_cant_be_read_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture = tmp_path / "c.json"
    capture.write_text(
        json.dumps([{"method": "PUT", "path": "/api/v0/asks/5/", "body": {"num_gpus": 64}}])
    )
    assert main(["adapter", "test", "vast", str(capture)]) == 1
    assert "num_gpus" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'[{"method": "GET"}]', b"\xff"])
def test_a_file_that_is_no_capture_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    capture = tmp_path / "c.json"
    capture.write_bytes(content)
    assert main(["adapter", "test", "vast", str(capture)]) == 64
    assert "CAPTURE.json" in capsys.readouterr().err


def test_an_unknown_adapter_names_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adapter", "test", "nowhere", "x.json"]) == 64
    said = capsys.readouterr().err
    assert all(name in said for name in ("ionet", "runpod", "vast"))
