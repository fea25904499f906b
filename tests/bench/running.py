"""Programs under measurement: started on a core of their own, loaded, and read from /proc.

CPU per request is the figure that holds on a shared machine; the clock's figures are taken beside.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin:/usr/local/sbin")
PATH = "/enterprise/v1/io-cloud/caas/hardware"
CONFIG = """
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
MARKET = f'default_type application/json; return 200 "{"x" * 1024}";'
"""What the marketplace answers: 1 KiB."""
FLOOR = 'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass http://market;'
"""nginx as a proxy and nothing else: the least anybody pays."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a load generator saw."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Target:
    """Something that listens, and every process its answers cost CPU in."""

    port: int
    processes: tuple[subprocess.Popen[Any], ...]
    path: str = PATH
    fields: tuple[str, ...] = ()

    def cpu_seconds(self) -> float:
        return sum(cpu_seconds(each.pid) for each in self.processes)

    def memory_mb(self) -> float:
        return sum(memory_mb(each.pid) for each in self.processes)


def possible(needs: str) -> bool:
    """Whether this machine can run such a measurement; says so if not."""
    if NGINX and sys.platform.startswith("linux") and len(os.sched_getaffinity(0)) >= 2:
        return True
    print(f"{needs}: skipped (needs Linux, nginx and two cores)", file=sys.stderr)
    return False


def cpu_us(target: Target, connections: int, seconds: float) -> tuple[float, Load]:
    """Microseconds of CPU per request under load, and the load itself."""
    before = target.cpu_seconds()
    seen = load(target, connections, seconds)
    return (target.cpu_seconds() - before) / seen.requests * 1e6, seen


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process, ended ones included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def load(target: Target, connections: int, seconds: float, *, rate: int | None = None) -> Load:
    """Ask again and again; with `rate`, that often a second over all connections."""
    wrk = shutil.which("wrk") if rate is None else None
    if wrk is None:
        command = [sys.executable, "-m", "tests.bench.load", str(target.port), str(connections)]
        command += [str(seconds), str(rate or 0), target.path, *target.fields]
    else:
        command = [wrk, "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--latency"]
        command += [part for field in target.fields for part in ("-H", field)]
        command += [f"http://127.0.0.1:{target.port}{target.path}"]
    done = subprocess.run(on_core(1, command), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr or done.stdout)
    return Load(**json.loads(done.stdout)) if wrk is None else _wrk(done.stdout)


def _wrk(text: str) -> Load:
    if "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(text)
    found = re.search(r"(\d+) requests in ([\d.]+)(m?s)", text)
    assert found is not None
    delays = dict(re.findall(r"(50|99)%\s+([\d.]+[a-z]+)", text))
    return Load(
        requests=int(found[1]),
        seconds=float(found[2]) / (1000 if found[3] == "ms" else 1),
        p50_ms=_milliseconds(delays["50"]),
        p99_ms=_milliseconds(delays["99"]),
    )


def _milliseconds(text: str) -> float:
    found = re.fullmatch(r"([\d.]+)(us|ms|s)", text)
    assert found is not None
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]


def on_core(core: int, command: Sequence[str]) -> list[str]:
    cores = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", str(cores[core]), *map(str, command)]


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in held]
    for each in held:
        each.close()
    return ports


@contextlib.contextmanager
def nginx(
    folder: Path, name: str, upstream: int, answer: str, *, core: int
) -> Iterator[tuple[int, subprocess.Popen[Any]]]:
    """A bare nginx with one location that answers like this."""
    assert NGINX is not None
    (port,) = free_ports(1)
    config = folder / f"{name}.conf"
    values = {"folder": folder, "name": name, "port": port, "answer": answer}
    config.write_text(CONFIG.format(upstream=upstream or port, **values))
    command = [NGINX, "-p", str(folder), "-c", str(config)]
    with process(on_core(core, command)) as running:
        wait_for(port)
        yield port, running


@contextlib.contextmanager
def process(command: list[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    with subprocess.Popen(command, **options) as running:
        try:
            yield running
        finally:
            running.terminate()


def wait_for(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on {port}")
