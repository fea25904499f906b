"""What the gate costs as a reverse proxy, beside nginx `proxy_pass` in the same run.

A caller the gate knows reads the catalogue with a gate key; the gate is the real one, on SQLite.
Proxies run on one core, upstream and load on another; rounds are interleaved and medians reported.
CPU per request comes from /proc: on a shared machine it is the figure that holds. The target is
three times a Go `httputil.ReverseProxy`, which costs 4.25 times nginx (research, 2026-11).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kycgate.gateway.proxy import Proxy
from kycgate.gateway.server import run
from tests.gateway.live import LiveWorld
from tests.gateway.wire import no_control

GO_TO_NGINX = 4.25
TARGET = 3 * GO_TO_NGINX
ROUNDS = 3
BUSY = (32, 2.0)
"""Connections and seconds of a loaded round."""
CALM = (1, 1.0)
PATH = "/enterprise/v1/io-cloud/caas/hardware"
RENTER = "bench"
GATE_KEY = f"kg_{hashlib.sha256(RENTER.encode()).hexdigest()}"
"""What `World.renter` gives a renter of this name."""

NGINX = """
daemon off; master_process off; pid {folder}/{name}.pid; error_log stderr crit;
events {{ worker_connections 512; }}
http {{
  access_log off; keepalive_requests 100000000; server_tokens off;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream market {{ server 127.0.0.1:{upstream}; keepalive 64; }}
  server {{ listen 127.0.0.1:{port}; location / {{ {answer} }} }}
}}
"""
UPSTREAM = 'default_type application/json; return 200 "{}";'
FLOOR = 'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass http://market;'


@dataclass(frozen=True, slots=True)
class Sample:
    """One loaded round and one calm round of one proxy."""

    cpu_us: float
    per_second: float
    p50_ms: float
    p99_ms: float


def rows() -> list[dict[str, Any]]:
    nginx = shutil.which("nginx")
    if nginx is None or not sys.platform.startswith("linux") or len(os.sched_getaffinity(0)) < 2:
        print("proxy: skipped (needs Linux, nginx on the PATH and two cores)", file=sys.stderr)
        return []
    samples: dict[str, list[Sample]] = {"ours": [], "nginx": []}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream, _ = stack.enter_context(
            _nginx(nginx, folder, "up", 0, _upstream_answer(), core=1)
        )
        proxies = {
            "ours": stack.enter_context(_ours(upstream)),
            "nginx": stack.enter_context(_nginx(nginx, folder, "floor", upstream, FLOOR, core=0)),
        }
        for port, _ in proxies.values():
            _load(port, *CALM)
        for _ in range(ROUNDS):
            for name, (port, process) in proxies.items():
                samples[name].append(_sample(port, process))
    return [
        _row("reverse proxy, CPU per request", "cpu_us", "us", samples, target=TARGET),
        _row("reverse proxy, requests per second and core", "per_second", "1/s", samples),
        _row("reverse proxy, p50 with one caller", "p50_ms", "ms", samples),
        _row("reverse proxy, p99 with 32 callers", "p99_ms", "ms", samples),
    ]


def _row(
    name: str, figure: str, unit: str, samples: dict[str, list[Sample]], target: float | None = None
) -> dict[str, Any]:
    ours, peer = (
        statistics.median(getattr(sample, figure) for sample in samples[who])
        for who in ("ours", "nginx")
    )
    ratio = ours / peer
    return {
        "name": f"{name} (peer: nginx proxy_pass)",
        "ours": round(ours, 3),
        "peer": round(peer, 3),
        "ratio": round(ratio, 2),
        "unit": unit,
        "target": target,
        "met": target is None or ratio <= target,
    }


def _sample(port: int, process: subprocess.Popen[Any]) -> Sample:
    calm = _load(port, *CALM)
    before = _cpu_seconds(process.pid)
    busy = _load(port, *BUSY)
    spent = _cpu_seconds(process.pid) - before
    return Sample(
        cpu_us=spent / busy["requests"] * 1e6,
        per_second=busy["requests"] / busy["seconds"],
        p50_ms=calm["p50_ms"],
        p99_ms=busy["p99_ms"],
    )


def _cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _load(port: int, connections: int, seconds: float) -> dict[str, float]:
    wrk = shutil.which("wrk")
    fields = (f"x-api-key: {GATE_KEY}",)
    if wrk is None:
        command = [sys.executable, "-m", "tests.bench.load", str(port), str(connections)]
        command += [str(seconds), *fields]
    else:
        command = [wrk, "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--latency"]
        command += [part for field in fields for part in ("-H", field)]
        command += [f"http://127.0.0.1:{port}{PATH}"]
    done = subprocess.run(_on(1, command), capture_output=True, text=True, check=True)
    return json.loads(done.stdout) if wrk is None else _wrk(done.stdout)


def _wrk(text: str) -> dict[str, float]:
    if "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(text)
    requests, seconds, unit = re.search(r"(\d+) requests in ([\d.]+)(m?s)", text).groups()  # type: ignore[union-attr]
    delays = dict(re.findall(r"(50|99)%\s+([\d.]+[a-z]+)", text))
    return {
        "requests": int(requests),
        "seconds": float(seconds) / (1000 if unit == "ms" else 1),
        "p50_ms": _milliseconds(delays["50"]),
        "p99_ms": _milliseconds(delays["99"]),
    }


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def _on(core: int, command: list[str]) -> list[str]:
    cores = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", str(cores[core]), *command]


def _upstream_answer() -> str:
    return UPSTREAM.format("x" * 1024)


@contextlib.contextmanager
def _nginx(
    nginx: str, folder: Path, name: str, upstream: int, answer: str, *, core: int
) -> Iterator[tuple[int, subprocess.Popen[Any]]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = folder / f"{name}.conf"
    values = {"folder": folder, "name": name, "port": port, "answer": answer}
    config.write_text(NGINX.format(upstream=upstream or port, **values))
    with _process(_on(core, [nginx, "-p", str(folder), "-c", str(config)])) as process:
        _wait_for(port)
        yield port, process


@contextlib.contextmanager
def _ours(upstream: int) -> Iterator[tuple[int, subprocess.Popen[Any]]]:
    command = [sys.executable, "-m", "tests.bench.proxy", f"http://127.0.0.1:{upstream}"]
    with _process(_on(0, command), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline()), process


@contextlib.contextmanager
def _process(command: list[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            process.terminate()


def _wait_for(port: int) -> None:
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on {port}")


def _serve(upstream: str) -> None:
    """The real gate on SQLite, with one renter it knows."""
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.closing(LiveWorld(Path(folder), upstream)) as world,
    ):
        world.renter(RENTER)
        run(
            Proxy(world.gate, upstream),
            no_control,
            gateway_at=("127.0.0.1", 0),
            control_at=("127.0.0.1", 0),
            started=lambda gate, control: print(gate, flush=True),
        )


if __name__ == "__main__":
    _serve(sys.argv[1])
