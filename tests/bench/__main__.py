"""`make bench`: runs every benchmark there is, prints one table, writes build/bench.json.

A benchmark is a module here with `rows() -> list[dict]`; a row has name, ours, peer, ratio, unit,
target and met. `target` is what the row's own module compares, null where none was set.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

from tests.bench import verdict

MODULES = (
    "verify",
    "gas",
    "verdict",
    "gateway",
    "screening",
    "ownership",
    "rescreen",
    "credentials",
)
COLUMNS = ("name", "ours", "peer", "ratio", "unit", "target", "met")
OUT = Path(__file__).parents[2] / "build" / "bench.json"


def main() -> int:
    rows: list[dict[str, Any]] = []
    for name in MODULES:
        if importlib.util.find_spec(f"tests.bench.{name}") is None:
            print(f"{name}: not here", file=sys.stderr)
            continue
        print(f"{name} …", file=sys.stderr)
        rows += importlib.import_module(f"tests.bench.{name}").rows()
    rows += verdict.in_yardsticks(rows)
    print(
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    print(table(rows))
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(rows, indent=1) + "\n")
    return 0 if rows and all(row["met"] is not False for row in rows) else 1


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as aligned text, numbers to three digits."""
    cells = [COLUMNS, *(tuple(_text(row[column]) for column in COLUMNS) for row in rows)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        return f"{value:.3g}" if value < 1000 else f"{value:.0f}"
    return "-" if value is None else str(value)


if __name__ == "__main__":
    sys.exit(main())
