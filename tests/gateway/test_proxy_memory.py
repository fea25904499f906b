"""Bodies far larger than our memory flow through in both directions, measured from outside."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from tests.gateway.wire import RawUpstream, Seen, get

MIB = 1024 * 1024
SIZE = 64 * MIB
ALLOWED = 8 * MIB

SERVER = """
import sys, threading
from kycgate.gateway.proxy import Proxy
from kycgate.gateway.server import run
from tests.gateway.wire import ScriptedGate, no_control
run(Proxy(ScriptedGate(slow=False), sys.argv[1]), no_control, gateway_at=("127.0.0.1", 0),
    control_at=("127.0.0.1", 0), started=lambda gate, control: print(gate, flush=True))
"""


class Big(RawUpstream):
    """Swallows an upload without keeping it; answers a GET with 64 MiB. Both as slowly as told."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.swallowed = 0
        super().__init__(self._answer, read_body=False)

    def _answer(self, sock: socket.socket, seen: Seen) -> None:
        if seen.line.startswith(b"PUT"):
            self.go.wait(20)
            while self.swallowed < SIZE and (chunk := sock.recv(MIB)):
                self.swallowed += len(chunk)
            sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        else:
            sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % SIZE)
            for _ in range(SIZE // MIB):
                sock.sendall(b"x" * MIB)


def peak(process: subprocess.Popen[str]) -> int:
    """Most resident memory of the process so far, in bytes."""
    with open(f"/proc/{process.pid}/status") as status:
        return next(int(row.split()[1]) * 1024 for row in status if row.startswith("VmHWM"))


@pytest.fixture
def world() -> Iterator[tuple[Big, subprocess.Popen[str], int]]:
    with Big() as upstream:
        command = [sys.executable, "-c", SERVER, upstream.url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            with socket.create_connection(("127.0.0.1", port), timeout=90) as sock:
                sock.sendall(get(b"/warm"))
                _swallow(sock, MIB)
            try:
                yield upstream, process, port
            finally:
                process.terminate()
        assert process.returncode == 0


def _swallow(sock: socket.socket, most: int) -> int:
    got = 0
    while got < most and (chunk := sock.recv(MIB)):
        got += len(chunk)
    return got


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_64_mib_flow_down_with_8_mib_of_memory_though_the_reader_dawdles(
    world: tuple[Big, subprocess.Popen[str], int],
) -> None:
    _, process, port = world
    base = peak(process)
    with socket.create_connection(("127.0.0.1", port), timeout=90) as sock:
        sock.sendall(get(b"/big"))
        threading.Event().wait(0.5)  # nobody reads: the proxy must stop, not fill up
        assert _swallow(sock, SIZE + MIB) > SIZE
    assert peak(process) - base < ALLOWED


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_64_mib_flow_up_with_8_mib_of_memory_though_the_marketplace_dawdles(
    world: tuple[Big, subprocess.Popen[str], int],
) -> None:
    upstream, process, port = world
    base = peak(process)
    with socket.create_connection(("127.0.0.1", port), timeout=90) as sock:
        sock.sendall(get(b"/big", b"Content-Length: %d" % SIZE, method=b"PUT"))
        sender = threading.Thread(target=sock.sendall, args=(b"x" * SIZE,))
        sender.start()
        threading.Event().wait(0.5)
        upstream.go.set()
        assert sock.recv(4096).startswith(b"HTTP/1.1 200")
        sender.join()
    assert upstream.swallowed == SIZE
    assert peak(process) - base < ALLOWED
