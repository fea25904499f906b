"""`kycgate adapter test`: real clients' captured requests give the jobs they asked for."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from kycgate.cli import main
from kycgate.gateway.adapters.presets import PRESETS

NODE = "11111111-2222-4333-8444-555555555555"
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


def test_a_runpod_capture_gives_its_rental(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("runpod_sdk.json", "runpod_sdk_denied.json"):
        code, told = replay(capsys, "runpod", CAPTURES / name)
        assert code == 0
        assert [(each["route"], each["kind"]) for each in told] == [
            ("catalogue", "public_read"), ("podFindAndDeployOnDemand", "rent"),
        ]  # fmt: skip
        job = told[1]["job"]
        assert (job["gpu_model"], job["gpu_count"]) == ("NVIDIA H100 80GB HBM3", 8)


DESCRIBED = {
    "lium": [
        {
            "method": "GET", "path": "/api/executors", "body": None,
            "stub_response": [{"id": NODE, "machine_name": "H100", "gpu_count": 8}],
        },
        {
            "method": "POST", "path": f"/api/executors/{NODE}/rent",
            "body": {"pod_name": "k", "gpu_count": 2, "termination_hours": 24},
            "stub_response": {"success": True, "pod_id": NODE},
        },
        {"method": "DELETE", "path": f"/api/pods/{NODE}", "body": None},
    ],
    "prime": [
        {
            "method": "GET", "path": "/api/v1/availability/gpus", "body": None,
            "stub_response": {"items": [{"cloudId": "c", "gpuType": "H100", "gpuCount": 2}]},
        },
        {
            "method": "POST", "path": "/api/v1/pods",
            "body": {"pod": {"cloudId": "c", "gpuType": "H100", "gpuCount": 2}},
            "stub_response": {"id": "p1"},
        },
        {"method": "DELETE", "path": "/api/v1/pods/p1", "body": None},
    ],
    "clore": [
        {
            "method": "GET", "path": "/v1/marketplace", "body": None,
            "stub_response": {"code": 0, "servers": [{"id": 7, "gpu_array": ["H100", "H100"]}]},
        },
        {
            "method": "POST", "path": "/v1/create_order", "body": {"renting_server": 7},
            "stub_response": {"code": 0, "order": {"id": 42}},
        },
        {"method": "POST", "path": "/v1/cancel_order", "body": {"id": 42}},
    ],
}  # fmt: skip


@pytest.mark.parametrize("preset", DESCRIBED)
def test_a_capture_of_a_described_marketplace_gives_its_rental_and_its_end(
    preset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture = tmp_path / "c.json"
    capture.write_text(json.dumps(DESCRIBED[preset]))
    code, told = replay(capsys, preset, capture)
    assert code == 0
    assert [each["kind"] for each in told] == ["public_read", "rent", "stop"]
    job = told[1]["job"]
    assert (job["gpu_model"], job["gpu_count"]) == ("H100", 2)
    assert "deployment" in told[2]


def test_a_file_of_ones_own_is_replayed_as_a_preset_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = resources.files("kycgate.gateway.adapters").joinpath("presets", "clore.toml")
    (tmp_path / "mine.toml").write_text(shipped.read_text())
    capture = tmp_path / "c.json"
    capture.write_text(json.dumps(DESCRIBED["clore"]))
    assert main(["adapter", "test", "file:mine.toml", str(capture)]) == 0
    said = capsys.readouterr().out
    assert "create: rent  gpu_model=H100 gpu_count=2" in said
    assert 'refusal: {"code": 6, "message": "MESSAGE", "error": "CODE"}' in said


def test_a_faulty_file_names_each_fault_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "Mine"\n[key]\nheader = "x"\n')
    assert main(["adapter", "show", f"file:{path}"]) == 64
    said = capsys.readouterr().err
    assert "mine.toml:1: name: needs a name" in said
    assert "mine.toml:3: key.header: needs one of" in said
    assert main(["adapter", "show", f"file:{tmp_path / 'missing.toml'}"]) == 64
    assert "can't be read" in capsys.readouterr().err


@pytest.mark.parametrize("preset", PRESETS)
def test_the_table_of_every_adapter_is_what_it_matches(
    preset: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["adapter", "show", preset, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["adapter"] == preset
    kinds = {entry["kind"] for entry in said["routes"]}
    assert {"rent", "stop", "list", "public_read"} <= kinds
    assert "MESSAGE" in json.dumps(said["refusal"])
    assert main(["adapter", "show", preset]) == 0
    assert "  rent  " in capsys.readouterr().out


def test_the_list_names_every_adapter(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adapter", "list"]) == 0
    assert capsys.readouterr().out.split() == list(PRESETS)
