"""What every test gets: no network but this machine's own, and the real programs by name."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests import tools

# How long an example takes says something of the machine, and nothing of the claim.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

RunNode = Callable[[str, Any], Any]

_OURS = ("127.", "localhost", "::1", "0.0.0.0", "::ffff:127.")


class NetworkDenied(AssertionError):
    """A test reached out of this machine."""


def pytest_configure(config: pytest.Config) -> None:
    for line in (
        "node: runs a real npm package in Node",
        "anvil: runs a real local Ethereum chain",
        "clients: runs a real marketplace client",
        "slow: takes more than a few seconds",
    ):
        config.addinivalue_line("markers", line)


def _refuse_strangers(address: Any) -> None:
    # Unix sockets have paths for addresses; internet ones have tuples beginning with the host.
    if isinstance(address, tuple) and not str(address[0]).startswith(_OURS):
        raise NetworkDenied(f"a test tried to reach {address[0]}")


@pytest.fixture(autouse=True, scope="session")
def _only_this_machine() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    connect, connect_ex, look_up = (
        socket.socket.connect,
        socket.socket.connect_ex,
        socket.getaddrinfo,
    )

    def guarded_connect(self: socket.socket, address: Any) -> None:
        _refuse_strangers(address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        _refuse_strangers(address)
        return connect_ex(self, address)

    def guarded_look_up(host: Any, *rest: Any, **named: Any) -> Any:
        if host:
            text = host.decode() if isinstance(host, bytes) else host
            _refuse_strangers((text,))
        return look_up(host, *rest, **named)

    patch.setattr(socket.socket, "connect", guarded_connect)
    patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
    patch.setattr(socket, "getaddrinfo", guarded_look_up)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def run_node() -> RunNode:
    """Run a CommonJS script in real Node: JSON in on `input`, JSON out through `answer(…)`."""
    program, modules = tools.node(), tools.node_modules()
    if program is None or modules is None:
        pytest.skip("Node or its packages are missing: make setup")

    def run(script: str, value: Any) -> Any:
        return node_answer(program, modules, script, value)

    return run


def node_answer(program: Path, modules: Path, script: str, value: Any) -> Any:
    """One run of a script; the frame gives it `input` and `answer`."""
    frame = (
        "const input = JSON.parse(require('fs').readFileSync(0, 'utf8'));"
        "const answer = (v) => process.stdout.write(JSON.stringify(v,"
        " (_, x) => typeof x === 'bigint' ? x.toString() : x));"
        "(async () => {" + script + "})().catch((e) => { console.error(e); process.exit(1); });"
    )
    done = subprocess.run(
        [str(program), "--no-warnings", "-e", frame],
        input=json.dumps(value).encode(),
        env={**os.environ, "NODE_PATH": str(modules)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def anvil_program() -> Path:
    """The anvil binary; skips where it is missing."""
    program = tools.anvil()
    if program is None:
        pytest.skip("anvil is missing: make setup")
    return program


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where everything can be had, a skipped test is a failed one."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not os.environ.get("KYCGATE_FAIL_ON_SKIP"):
        return
    skipped = len(reporter.stats.get("skipped", ()))
    if skipped and session.exitstatus == 0:
        reporter.write_line(f"{skipped} tests were skipped, which counts as failed here", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
