"""What a forward-auth decision costs, nginx included, beside nginx `proxy_pass` in the same run.

The shipped nginx example asks the real gate on SQLite about a caller it knows; nginx and the gate
share one core, upstream and load have another. CPU per request is that of both processes together.
The target is 0.8 times a Go `httputil.ReverseProxy`, which costs 4.25 times nginx (research,
2026-11).
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from kycgate.gateway.forward_auth import CONTRACTS, ForwardAuth
from kycgate.gateway.proxy import Proxy
from kycgate.gateway.server import run
from tests.bench import proxy
from tests.gateway import fronts
from tests.gateway.live import LiveWorld
from tests.gateway.wire import no_control

TARGET = 0.8 * proxy.GO_TO_NGINX
Processes = list[subprocess.Popen[Any]]


def rows() -> list[dict[str, Any]]:
    nginx = fronts.NGINX
    if nginx is None or not sys.platform.startswith("linux") or len(os.sched_getaffinity(0)) < 2:
        print("forward_auth: skipped (needs Linux, nginx and two cores)", file=sys.stderr)
        return []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream, _ = stack.enter_context(
            proxy._nginx(nginx, folder, "up", 0, proxy._upstream_answer(), core=1)
        )
        floor, bare = stack.enter_context(
            proxy._nginx(nginx, folder, "floor", upstream, proxy.FLOOR, core=0)
        )
        port, both = stack.enter_context(_fronted(nginx, folder, upstream))
        for each in (floor, port):
            proxy._load(each, *proxy.CALM)
        rounds = [(_cpu_us(port, both), _cpu_us(floor, [bare])) for _ in range(proxy.ROUNDS)]
    ours, peer = (statistics.median(each) for each in zip(*rounds, strict=True))
    return [
        {
            "name": "forward-auth with nginx, CPU per request (peer: nginx proxy_pass)",
            "ours": round(ours, 3),
            "peer": round(peer, 3),
            "ratio": round(ours / peer, 2),
            "unit": "us",
            "target": TARGET,
            "met": ours / peer <= TARGET,
        }
    ]


def _cpu_us(port: int, processes: Processes) -> float:
    before = sum(proxy._cpu_seconds(each.pid) for each in processes)
    load = proxy._load(port, *proxy.BUSY)
    spent = sum(proxy._cpu_seconds(each.pid) for each in processes) - before
    return spent / load["requests"] * 1e6


@contextlib.contextmanager
def _fronted(nginx: str, folder: Path, upstream: int) -> Iterator[tuple[int, Processes]]:
    port, gateway, asked = fronts.free_ports(3)
    config = folder / "example.conf"
    example = Path(fronts.REPO / "examples" / "nginx" / "kycgate.conf").read_text()
    ports = {8000: port, 8080: gateway, 8082: asked, 9000: upstream}
    config.write_text(fronts.on_ports(example, ports))
    options = "daemon off; master_process off;"
    front = [nginx, "-p", str(folder), "-c", str(config), "-g", options]
    gate = [sys.executable, "-m", "tests.bench.forward_auth", str(upstream), str(gateway)]
    with (
        proxy._process(proxy._on(0, [*gate, str(asked)])) as deciding,
        proxy._process(proxy._on(0, front)) as fronting,
    ):
        proxy._wait_for(asked)
        proxy._wait_for(port)
        yield port, [deciding, fronting]


def _serve(upstream: str, gateway: int, asked: int) -> None:
    """The real gate on SQLite, with one renter it knows."""
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.closing(LiveWorld(Path(folder), upstream)) as world,
    ):
        world.renter(proxy.RENTER)
        app = ForwardAuth(
            world.gate,
            CONTRACTS["nginx"],
            peers=[ip_network("127.0.0.1")],
            only=frozenset({"read", "stop"}),
            clock=time.time,
        )
        run(
            Proxy(world.gate, upstream),
            no_control,
            gateway_at=("127.0.0.1", gateway),
            control_at=("127.0.0.1", 0),
            beside=(app, ("127.0.0.1", asked)),
        )


if __name__ == "__main__":
    _serve(f"http://127.0.0.1:{sys.argv[1]}", int(sys.argv[2]), int(sys.argv[3]))
