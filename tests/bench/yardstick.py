"""The engine the gate is measured against: Go's `httputil.ReverseProxy`, doing no check at all.

Built from `go/main.go` with the toolchain `make bench` puts into `.go`; where that is
missing, Caddy takes its place, whose proxy descends from the same engine, and the rows say so.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import running

REPO = Path(__file__).parents[2]
TOOLCHAIN = REPO / ".go" / "bin" / "go"
CADDY = """
{{
	admin off
	auto_https off
}}
http://:{port} {{
	bind 127.0.0.1
	reverse_proxy 127.0.0.1:{upstream}
}}
"""


@dataclass(frozen=True, slots=True)
class Engine:
    """What stands in for "a reverse proxy in Go" in this run."""

    name: str
    command: tuple[str, ...]
    """Without its two ports."""


def engine(folder: Path) -> Engine | None:
    """The Go engine, else Caddy, else nothing."""
    built = _build(folder)
    if built is not None:
        return Engine("Go httputil.ReverseProxy", (str(built),))
    caddy = shutil.which("caddy")
    if caddy is None:
        return None
    print("no Go toolchain here: Caddy is the yardstick", file=sys.stderr)
    return Engine("Caddy reverse_proxy, for want of Go", (caddy,))


def _build(folder: Path) -> Path | None:
    if not TOOLCHAIN.exists():
        return None
    target = folder / "yardstick"
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(folder),
        "GOCACHE": str(REPO / "build" / "go-cache"),
        "GOTOOLCHAIN": "local",
        "GOPROXY": "off",
        "CGO_ENABLED": "0",
    }
    done = subprocess.run(
        [TOOLCHAIN, "build", "-o", target, "."],
        cwd=Path(__file__).parent / "go",
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        print(f"the Go engine could not be built: {done.stderr.strip()}", file=sys.stderr)
        return None
    return target


@contextlib.contextmanager
def started(
    engine: Engine, folder: Path, upstream: int
) -> Iterator[tuple[int, subprocess.Popen[Any]]]:
    """The engine on the gate's core, in front of a marketplace."""
    (port,) = running.free_ports(1)
    if engine.name.startswith("Go"):
        command = [*engine.command, f"127.0.0.1:{port}", f"http://127.0.0.1:{upstream}"]
    else:
        config = folder / "Caddyfile"
        config.write_text(CADDY.format(port=port, upstream=upstream))
        command = [*engine.command, "run", "--adapter", "caddyfile", "--config", str(config)]
    options = {"env": {"PATH": os.environ.get("PATH", ""), "HOME": str(folder)}}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with running.process(running.on_core(0, command), **options, **quiet) as process:
        running.wait_for(port)
        yield port, process
