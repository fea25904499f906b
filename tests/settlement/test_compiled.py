"""The committed bytecode is what the sources give, byte for byte; EAS is what its authors ship."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kycgate.chain import Artifact
from kycgate.core.typed import keccak
from kycgate.errors import Code
from kycgate.settlement.compiled import artifact
from kycgate.settlement.escrow import permit_code
from tests import tools
from tests.chain_world import EXTRA_SOURCES

CONTRACTS = tools.REPO / "kycgate" / "settlement" / "contracts"
ARTIFACTS = tools.REPO / "kycgate" / "settlement" / "artifacts"


def packages() -> Path:
    found = tools.node_modules()
    if found is None:
        pytest.skip("npm packages are missing: make setup")
    return found


def node() -> Path:
    found = tools.node()
    if found is None:
        pytest.skip("Node is missing: make setup")
    return found


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.json")}


@pytest.mark.timeout(300)
def test_compiling_again_gives_the_same_files(tmp_path: Path) -> None:
    ours, extra = tmp_path / "ours", tmp_path / "extra"
    command: list[str | Path] = [
        node(),
        CONTRACTS / "compile.mjs",
        "--node-modules",
        packages(),
        "--out",
        ours,
    ]
    examples = tools.REPO / "examples" / "solidity"
    command += ["--extra", EXTRA_SOURCES, "--extra", examples, "--extra-out", extra]
    done = subprocess.run(command, capture_output=True, text=True, timeout=290, check=False)
    assert done.returncode == 0, done.stderr
    assert files(ours) == files(ARTIFACTS)
    assert files(extra) == files(EXTRA_SOURCES / "artifacts")


@pytest.mark.parametrize("name", ["EAS", "SchemaRegistry"])
def test_our_copy_of_eas_is_the_published_one(name: str) -> None:
    package = packages() / "@ethereum-attestation-service" / "eas-contracts"
    theirs = package / "artifacts" / "contracts" / f"{name}.sol" / f"{name}.json"
    published = json.loads(theirs.read_text("utf-8"))
    ours = json.loads((ARTIFACTS / f"{name}.json").read_text("utf-8"))
    for part in ("abi", "bytecode", "deployedBytecode"):
        assert ours[part] == published[part]
    assert ours["license"] == json.loads((package / "package.json").read_text())["license"]


def test_every_contract_fits_on_every_chain() -> None:
    """EIP-170 allows 24,576 bytes of code."""
    for path in ARTIFACTS.glob("*.json"):
        code = json.loads(path.read_text("utf-8"))["deployedBytecode"]
        assert 0 < len(code) // 2 - 1 <= 24_576 or path.stem == "ValidateSig6492"


def selector(contract: Artifact, name: str) -> bytes:
    [inputs] = [e["inputs"] for e in contract.abi if e.get("name") == name and "outputs" in e]
    return keccak(f"{name}({','.join(map(_type, inputs))})".encode())[:4]


def _type(parameter: Mapping[str, Any]) -> str:
    if "components" not in parameter:
        return str(parameter["type"])
    inner = ",".join(map(_type, parameter["components"]))
    return f"({inner}){parameter['type'].removeprefix('tuple')}"


def test_no_step_of_the_escrow_hides_behind_another() -> None:
    """The escrow answers a selector itself or hands it to RentalSteps: none may mean both."""
    first, second = artifact("GPURentalEscrow"), artifact("RentalSteps")
    functions = [e["name"] for e in first.abi if e["type"] == "function"]
    assert {e["name"] for e in second.abi if e["type"] == "function"} < set(functions)
    selectors = {selector(first, name) for name in functions}
    assert len(selectors) == len(functions) == len(set(functions))


def test_permit_errors_have_their_twins_off_chain() -> None:
    errors = [e["name"] for e in artifact("GPURentalEscrow").abi if e["type"] == "error"]
    permit_errors = [name for name in errors if name.startswith("Permit")]
    assert {permit_code(name) for name in permit_errors} == {
        c for c in Code if c.startswith("permit_")
    }


def test_the_packages_for_node_are_pinned_and_name_no_registry() -> None:
    wanted = json.loads((CONTRACTS / "package.json").read_text("utf-8"))
    named = wanted["dependencies"] | wanted["optionalDependencies"]
    assert all(version[0].isdigit() for version in named.values())
    lock = json.loads((CONTRACTS / "package-lock.json").read_text("utf-8"))
    entries = [entry for path, entry in lock["packages"].items() if path]
    assert all("integrity" in entry and "resolved" not in entry for entry in entries)
    assert "registry" not in (CONTRACTS / "package-lock.json").read_text("utf-8")
