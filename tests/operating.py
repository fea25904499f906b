"""What an operator has after following the operating notes: keys, and a configuration over them.

Starts nothing: a test opens what it needs of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kycgate.cli import main

EAS = "0x4200000000000000000000000000000000000021"


def set_up(
    folder: Path,
    further: str = "",
    *,
    secrets: Mapping[str, str] | None = None,
    **sections: dict[str, Any],
) -> Path:
    """The path of a configuration that would start.

    `sections` add to the least that one must say, a setting that is None is left out; `further` is
    TOML as it stands, at the end. Each of `secrets` is kept as `keys/NAME.key`.
    """
    assert main(["keys", "init", str(folder / "keys")]) == 0
    for name, value in (secrets or {}).items():
        kept = folder / "keys" / f"{name}.key"
        kept.touch(0o600)
        kept.write_text(value)
    names = ("issuer", "permit", "log", "vault")
    least: dict[str, dict[str, Any]] = {
        "gate": {"public_url": "http://127.0.0.1:8081", "gateway_url": "http://127.0.0.1:8080"},
        "marketplace": {"upstream": "http://127.0.0.1:9"},
        "keys": {name: f"file:keys/{name}.key" for name in names},
        "issuer": {"chain_id": 8453, "eas": EAS},
    }
    tables = [
        f"[{name}]\n{_lines(least.get(name, {}) | sections.get(name, {}))}"
        for name in (*least, *(each for each in sections if each not in least))
    ]
    path = folder / "kycgate.toml"
    path.write_text("\n".join((*tables, further)))
    return path


def _lines(settings: dict[str, Any]) -> str:
    # Texts, whole numbers, booleans and lists of them are spelt alike in JSON and TOML.
    return "".join(f"{k} = {json.dumps(v)}\n" for k, v in settings.items() if v is not None)
