"""Draws what a request costs at each door beside its peers: bars out of build/bench.json.

Usage: python -m tests.bench.plot build/bench.json docs/gateway.svg. Writes nothing where the rows
of the gateway are missing (a machine without nginx or a second core).
"""

from __future__ import annotations

import json
import sys
from html import escape
from pathlib import Path
from typing import Any

WIDTH, LEFT, ROW = 820, 380, 34
OURS, PEER = "#1a7f37", "#8c959f"
MARK = "CPU per request"


def bars(rows: list[dict[str, Any]]) -> list[tuple[str, float, bool]]:
    """(label, microseconds, whether it is ours), cheapest first."""
    found: dict[str, tuple[float, bool]] = {}
    for row in rows:
        name = str(row["name"])
        if MARK not in name and "proxy_cache snippet" not in name:
            continue
        what, _, peer = name.partition(" (peer: ")
        label = what.removesuffix(f", {MARK}").replace("the same", "forward-auth with nginx")
        ours = label.startswith(("forward-auth", "stand-alone"))
        found[label] = (float(row["ours"]), ours)
        if peer.startswith("nginx"):
            found["nginx proxy_pass"] = (float(row["peer"]), False)
    return sorted(
        ((label, us, ours) for label, (us, ours) in found.items()), key=lambda bar: bar[1]
    )


def drawn(chart: list[tuple[str, float, bool]], engine: str) -> str:
    """The picture. Figures are times the engine's: they hold from machine to machine."""
    unit = next(us for label, us, _ in chart if label == engine)
    most = max(us for _, us, _ in chart)
    height = 64 + ROW * len(chart)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
        f' viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        '<text x="16" y="28" font-size="15" font-weight="bold" fill="#24292f">'
        f"CPU per request, times {escape(engine)}</text>",
    ]
    for n, (label, us, ours) in enumerate(chart):
        top = 48 + ROW * n
        length = max(2.0, (WIDTH - LEFT - 130) * us / most)
        colour = OURS if ours else PEER
        parts += [
            f'<text x="{LEFT - 10}" y="{top + 17}" text-anchor="end" fill="#24292f">'
            f"{escape(label)}</text>",
            f'<rect x="{LEFT}" y="{top + 2}" width="{length:.1f}" height="{ROW - 12}"'
            f' fill="{colour}"/>',
            f'<text x="{LEFT + length + 8:.1f}" y="{top + 17}" fill="#24292f">'
            f"{us / unit:.2f} ({us:.0f} µs)</text>",
        ]
    return "\n".join([*parts, "</svg>", ""])


def main() -> int:
    source, target = map(Path, sys.argv[1:])
    chart = bars(json.loads(source.read_text()))
    engine = next((label for label, _, _ in chart if label.startswith(("Go ", "Caddy "))), None)
    if engine is None:
        print("no gateway rows: no plot", file=sys.stderr)
        return 0
    target.write_text(drawn(chart, engine))
    return 0


if __name__ == "__main__":
    sys.exit(main())
