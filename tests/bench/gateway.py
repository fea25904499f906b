"""What the gate costs in front of a marketplace, beside a Go reverse proxy that checks nothing.

Everything measured runs on one core, the marketplace and the load on another; rounds are
interleaved and medians reported. The gate is the real one, on SQLite, with the upstream assertion
signed; its caller has a gate key and reads. nginx, where it fronts the gate, is counted with it.
"""

from __future__ import annotations

import contextlib
import hashlib
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import running, soak, yardstick
from tests.bench.running import Load, Target
from tests.gateway.fronts import SOCKET

ROUNDS = 9
BUSY = (32, 2.0)
"""Connections and seconds of a loaded round."""
CALM = (1, 1.0)
CALM_ROUNDS = 7
PROXY_MOST = 3.0
ASKED_MOST = 0.8
CACHED_MOST = 0.45
"""Times the yardstick's CPU per request."""
P99_MS = 5.0
GENERATOR_MOST = 3000
"""Requests a second the steady load generator keeps up with on a busy core; beyond, it would
measure itself."""
MEMORY_REQUESTS = 300_000
"""The first `soak.WARM` of them fill what is remembered; over the rest it must stay flat."""
RENTER = "bench"
GATE_KEY = f"kg_{hashlib.sha256(RENTER.encode()).hexdigest()}"
"""What `World.renter` gives a renter of this name."""
KNOWN = (f"x-api-key: {GATE_KEY}",)
EXAMPLES = yardstick.REPO / "examples" / "nginx"


@dataclass(frozen=True, slots=True)
class Round:
    """One loaded round of one target."""

    cpu_us: float
    load: Load


def rows() -> list[dict[str, Any]]:
    if not running.possible("gateway"):
        return []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        market, _ = stack.enter_context(running.nginx(folder, "market", 0, running.MARKET, core=1))
        engine = yardstick.engine(folder)
        targets = {"nginx": stack.enter_context(_floor(folder, market))}
        if engine is not None:
            port, process = stack.enter_context(yardstick.started(engine, folder, market))
            targets["engine"] = Target(port, (process,), fields=KNOWN)
        caddy = yardstick.caddy()
        if caddy is not None and engine is not None and caddy.name != engine.name:
            port, process = stack.enter_context(yardstick.started(caddy, folder, market))
            targets["caddy"] = Target(port, (process,), fields=KNOWN)
        targets |= stack.enter_context(fronted(folder, market))
        rounds = measure(targets)
        steady = _half_load(
            {who: targets[who] for who in ("asked", "engine") if who in targets}, rounds
        )
        asked = targets["asked"]
        warm, after = soak.grown(asked, asked.processes[0].pid, MEMORY_REQUESTS)
    name = "nginx proxy_pass" if engine is None else engine.name
    peer = "nginx" if engine is None else "engine"
    return [*_rows(rounds, peer, name, steady), _memory(warm, after)]


def measure(targets: dict[str, Target]) -> dict[str, list[Round]]:
    """Interleaved: what else the machine does meets everybody alike."""
    for target in targets.values():
        running.load(target, *CALM)
    rounds: dict[str, list[Round]] = {name: [] for name in targets}
    for _ in range(ROUNDS):
        for name, target in targets.items():
            rounds[name].append(Round(*running.cpu_us(target, *BUSY)))
    return rounds


def _half_load(targets: dict[str, Target], rounds: dict[str, list[Round]]) -> dict[str, Load]:
    """Each asked half as often as it can answer, in turns; of each its quietest round.

    A host that pauses its guests adds milliseconds to whoever is being asked, and to both alike.
    """
    rates = {
        name: min(
            round(statistics.median(r.load.requests / r.load.seconds for r in rounds[name]) / 2),
            GENERATOR_MOST,
        )
        for name in targets
    }
    loads: dict[str, list[Load]] = {name: [] for name in targets}
    for _ in range(CALM_ROUNDS):
        for name, target in targets.items():
            loads[name].append(running.load(target, 32, 3.0, rate=rates[name]))
    return {name: min(found, key=lambda each: each.p99_ms) for name, found in loads.items()}


# -- what is measured ------------------------------------------------------------------------------


@contextlib.contextmanager
def _floor(folder: Path, market: int) -> Iterator[Target]:
    with running.nginx(folder, "floor", market, running.FLOOR, core=0) as (port, process):
        yield Target(port, (process,), fields=KNOWN)


@contextlib.contextmanager
def fronted(folder: Path, market: int, *, core: int = 0) -> Iterator[dict[str, Target]]:
    """The gate, alone and behind nginx as the examples say, without and with their cache.

    `core` is nginx's: the gate's own where both are measured.
    """
    proxy, front, cached = running.free_ports(3)
    asked = folder / "decisions.sock"
    gate = [sys.executable, "-m", "tests.bench.gate", str(market), str(proxy), str(asked)]
    with contextlib.ExitStack() as stack:
        deciding = stack.enter_context(running.process(running.on_core(0, gate)))
        running.wait_for(proxy)
        ports = {8080: proxy, 9000: market}
        targets = {"proxy": Target(proxy, (deciding,), fields=KNOWN)}
        for name, example, port in (
            ("asked", "kycgate.conf", front),
            ("cached", "kycgate-cache.conf", cached),
        ):
            if not (EXAMPLES / example).exists():
                continue
            process = stack.enter_context(
                _front(folder / name, example, {**ports, 8000: port}, asked, core)
            )
            running.wait_for(port)
            targets[name] = Target(port, (deciding, process), fields=KNOWN)
        yield targets


@contextlib.contextmanager
def _front(
    folder: Path, example: str, ports: dict[int, int], asked: Path, core: int
) -> Iterator[subprocess.Popen[Any]]:
    assert running.NGINX is not None
    folder.mkdir()
    text = (EXAMPLES / example).read_text().replace(SOCKET, f"unix:{asked}")
    for documented, ours in ports.items():
        text = text.replace(f":{documented}", f":{ours}")
    config = folder / "nginx.conf"
    config.write_text(text)
    options = "daemon off; master_process off;"
    command = [running.NGINX, "-p", str(folder), "-c", str(config), "-g", options]
    with running.process(running.on_core(core, command)) as process:
        yield process


# -- rows ------------------------------------------------------------------------------------------


def _rows(
    rounds: dict[str, list[Round]], peer: str, name: str, steady: dict[str, Load]
) -> list[dict[str, Any]]:
    floor, engine = (_median(rounds[who], "cpu_us") for who in ("nginx", peer))
    made = [_row(f"{name}, CPU per request (peer: nginx proxy_pass)", engine, floor, "us")]
    for who, what, most in (
        ("caddy", "Caddy reverse_proxy, CPU per request", None),
        ("asked", "forward-auth with nginx, known caller, CPU per request", ASKED_MOST),
        ("cached", "the same with the proxy_cache snippet", CACHED_MOST),
        ("proxy", "stand-alone proxy, CPU per request", PROXY_MOST),
    ):
        if who in rounds:
            cpu = _median(rounds[who], "cpu_us")
            made.append(_row(f"{what} (peer: {name})", cpu, engine, "us", most))
    p99 = steady["asked"].p99_ms
    other = steady[peer].p99_ms if peer in steady else None
    made.append(
        {
            **_row(f"forward-auth with nginx, p99 at half load (peer: {name})", p99, other, "ms"),
            "target": P99_MS,
            "met": p99 < P99_MS,
        }
    )
    for figure, what in (("p50_ms", "p50"), ("p99_ms", "p99")):
        for who, door in (("asked", "forward-auth with nginx"), ("proxy", "stand-alone proxy")):
            ours, theirs = (
                statistics.median(getattr(each.load, figure) for each in rounds[which])
                for which in (who, peer)
            )
            made.append(
                _row(f"{door}, {what}, 32 callers at full load (peer: {name})", ours, theirs, "ms")
            )
    return made


def _memory(warm: float, after: float) -> dict[str, Any]:
    """The peer is the gate itself when warm."""
    ratio = after / warm
    return {
        "name": f"the gate's memory after {MEMORY_REQUESTS:,} changing requests (peer: when warm)",
        "ours": round(after, 1),
        "peer": round(warm, 1),
        "ratio": round(ratio, 3),
        "unit": "MB resident",
        "target": soak.MOST_GROWTH,
        "met": ratio <= soak.MOST_GROWTH,
    }


def _median(rounds: list[Round], figure: str) -> float:
    return statistics.median(getattr(each, figure) for each in rounds)


def _row(
    name: str, ours: float, peer: float | None, unit: str, most: float | None = None
) -> dict[str, Any]:
    ratio = None if peer is None else ours / peer
    return {
        "name": name,
        "ours": round(ours, 3),
        "peer": None if peer is None else round(peer, 3),
        "ratio": None if ratio is None else round(ratio, 3),
        "unit": unit,
        "target": most,
        "met": most is None or (ratio is not None and ratio <= most),
    }
