"""The committed bytecode is what the sources give, byte for byte; EAS is what its authors ship."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

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
    command += ["--extra", EXTRA_SOURCES, "--extra-out", extra]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
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
