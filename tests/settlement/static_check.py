"""Slither over the contracts and examples, fed from solc-js: prints every finding about ours.

Not part of the test run: Slither is AGPL and lives in an environment of its own, whose Python runs
this. Fetches nothing.

    python -m venv build/slither && build/slither/bin/pip install slither-analyzer
    node kycgate/settlement/contracts/compile.mjs --node-modules .node/node_modules \\
        --extra examples/solidity --analysis build/analysis.json
    build/slither/bin/python tests/settlement/static_check.py build/analysis.json
"""

from __future__ import annotations

import inspect
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from crytic_compile import CryticCompile
from crytic_compile.compilation_unit import CompilationUnit
from crytic_compile.compiler.compiler import CompilerVersion
from crytic_compile.platform.solc_standard_json import SolcStandardJson, parse_standard_json_output
from slither import Slither
from slither.detectors import all_detectors
from slither.detectors.abstract_detector import AbstractDetector

IMPACTS = ("High", "Medium", "Low", "Informational", "Optimization")


class Given(SolcStandardJson):
    """What solc-js made already, where crytic-compile would run a compiler."""

    def __init__(self, made: dict[str, Any], root: Path) -> None:
        super().__init__(str(root / "input.json"))
        self._made, self._root = made, root

    def compile(self, crytic_compile: CryticCompile, **kwargs: str) -> None:
        unit = CompilationUnit(crytic_compile, "solc-js")
        version = self._made["version"].partition("+")[0]
        unit.compiler_version = CompilerVersion("solc", version, optimized=True)
        parse_standard_json_output(self._made["output"], unit, solc_working_dir=str(self._root))


def findings(made: dict[str, Any], root: Path) -> list[dict[str, Any]]:
    """Every finding whose first place is in our own sources, gravest first."""
    for path, content in made["sources"].items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content, "utf-8")
    (root / "input.json").write_text("{}")
    os.chdir(root)
    checked = Slither(CryticCompile(Given(made, root)))
    for detector in vars(all_detectors).values():
        if inspect.isclass(detector) and issubclass(detector, AbstractDetector):
            checked.register_detector(detector)
    found = [one for group in checked.run_detectors() for one in group if _ours(one)]
    return sorted(found, key=lambda one: IMPACTS.index(one["impact"]))


def _ours(finding: dict[str, Any]) -> bool:
    places = finding["elements"]
    return bool(places) and not places[0]["source_mapping"]["filename_short"].startswith("@")


def main() -> None:
    made = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    with tempfile.TemporaryDirectory() as root:
        for one in findings(made, Path(root).resolve()):
            print(f"[{one['impact']}] {one['check']}: {one['description'].strip()}\n")


if __name__ == "__main__":
    main()
