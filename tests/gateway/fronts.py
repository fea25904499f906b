"""The example configurations, run in the real programs on free ports."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from kycgate.gateway.listening import Bind
from kycgate.gateway.server import Running
from tests.tools import REPO, wheel_program

Places = Mapping[int, int | Path]
"""Documented port → the port of this run, or the socket."""

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin:/usr/local/sbin")
CADDY = shutil.which("caddy")
TRAEFIK = wheel_program("traefik")
ENVOY = wheel_program("envoy")


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in held]
    for each in held:
        each.close()
    return ports


SOCKET = "unix:/tmp/kycgate-nginx/decisions.sock"
"""Where nginx's examples ask."""


def asking(front: str, folder: Path) -> Bind:
    """Where a gate listens for its front's questions, as the front's example has it."""
    return folder / "asked.sock" if front == "nginx" else ("127.0.0.1", 0)


def places(running: Running, asked: Bind, marketplace: int) -> Places:
    """What stands where in this run, by its documented port."""
    assert running.beside_port is not None
    where = asked if isinstance(asked, Path) else running.beside_port
    return {8080: running.gateway_port, 8082: where, 9000: marketplace}


def put(text: str, places: Places) -> str:
    """An example with its documented places exchanged for those of this run."""
    for documented, ours in places.items():
        there = SOCKET if isinstance(ours, Path) else f":{documented}"
        assert there in text, documented
        text = text.replace(there, f"unix:{ours}" if isinstance(ours, Path) else f":{ours}")
    return text


@contextmanager
def nginx(
    folder: Path, where: Places, front: int, *, example: str = "kycgate.conf"
) -> Iterator[None]:
    assert NGINX is not None
    config = folder / "nginx.conf"
    text = (REPO / "examples" / "nginx" / example).read_text()
    config.write_text(put(text, {**where, 8000: front}))
    options = "daemon off; master_process off;"
    with _running([NGINX, "-p", str(folder), "-c", str(config), "-g", options], folder, front):
        yield


@contextmanager
def caddy(folder: Path, where: Places, front: int) -> Iterator[None]:
    assert CADDY is not None
    config = folder / "Caddyfile"
    example = (REPO / "examples" / "caddy" / "Caddyfile").read_text()
    config.write_text(put(example, {**where, 8000: front}))
    command = [CADDY, "run", "--adapter", "caddyfile", "--config", str(config)]
    with _running(command, folder, front):
        yield


@contextmanager
def traefik(folder: Path, where: Places, front: int) -> Iterator[None]:
    assert TRAEFIK is not None
    for name, there in (("traefik.yml", {8000: front}), ("routes.yml", where)):
        example = (REPO / "examples" / "traefik" / name).read_text()
        # It gathers changes for two seconds before it heeds the first; these never change.
        soon = example.replace("providers:\n", "providers:\n  providersThrottleDuration: 50ms\n")
        (folder / name).write_text(put(soon, there))
    with _running([TRAEFIK, f"--configFile={folder / 'traefik.yml'}"], folder, front):
        _await_routes(front)
        yield


@contextmanager
def envoy(folder: Path, where: Places, front: int) -> Iterator[None]:
    assert ENVOY is not None
    config = folder / "envoy.yaml"
    example = (REPO / "examples" / "envoy" / "envoy.yaml").read_text()
    for documented, ours in {**where, 8000: front}.items():
        assert f"port_value: {documented} " in example, documented
        example = example.replace(f"port_value: {documented} ", f"port_value: {ours} ")
    config.write_text(example)
    options = ["--disable-hot-restart", "--concurrency", "1", "-l", "warn"]
    with _running([ENVOY, "-c", str(config), *options], folder, front):
        yield


@contextmanager
def _running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    said = folder / "front.log"
    environment = {"PATH": "/usr/sbin:/usr/bin:/bin", "HOME": str(folder)}
    with said.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment, cwd=folder)
        try:
            _await(port, process, said)
            yield
        finally:
            process.terminate()
            process.wait(timeout=20)


def _await_routes(port: int) -> None:
    """It listens before it has read where to send anything."""
    end = time.monotonic() + 15
    while time.monotonic() < end:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as asking:
            asking.sendall(b"OPTIONS / HTTP/1.1\r\nHost: gate.test\r\nConnection: close\r\n\r\n")
            if not asking.recv(64).startswith(b"HTTP/1.1 404 "):
                return
        time.sleep(0.02)
    raise AssertionError("no route was ever read")


def _await(port: int, process: subprocess.Popen[bytes], said: Path) -> None:
    end = time.monotonic() + 15
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise AssertionError(said.read_text())
