"""The compiled contracts that ship with the package, by name.

Compiles nothing: `contracts/compile.mjs` does, and a test holds its output against these files.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from kycgate.chain import Artifact


@cache
def artifact(name: str) -> Artifact:
    """One contract of ours, or EAS and SchemaRegistry as their authors compiled them."""
    path = files("kycgate.settlement") / "artifacts" / f"{name}.json"
    return Artifact.from_json(path.read_text("utf-8"))
