"""The key in a process of its own: signatures cross the socket, the key never does."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from kycgate.client.sidecar import WalletProof
from kycgate.client.sidecar.agent import Agent, AgentSigner
from kycgate.core.claims import checksum
from kycgate.core.proof import Profile
from kycgate.core.signature import signer_of
from kycgate.errors import Misconfigured, Unavailable
from kycgate.keys import generate_key
from tests.client.sidecars import sidecar
from tests.client.test_sidecar import proven
from tests.gateway.wire import RawUpstream, status
from tests.web.browser import ALICE, MALLORY

DIGEST = b"\x07" * 32


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    return folder / "signer"


@pytest.fixture
def agent(path: Path) -> Iterator[Agent]:
    made = Agent(ALICE, path)
    yield made
    made.stop()


def talk(path: Path, line: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        connection.sendall(line)
        return connection.recv(4096)


def test_the_sidecar_signs_with_a_key_it_never_has(agent: Agent, path: Path) -> None:
    signer = AgentSigner(path)
    assert signer.address == ALICE.address
    with RawUpstream() as upstream:
        authority = upstream.url.split("://")[1]
        proof = WalletProof(signer, "http", authority, 1, Profile.EIP155, time.time)
        with sidecar(upstream.url, proof) as local:
            assert status(local.ask("/deploy", method="POST", body=b"{}")) == 200
        assert proven(upstream.seen[0], upstream).account.address == ALICE.address


def test_the_socket_is_its_owners_alone(agent: Agent, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_folder_others_may_enter_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o755)
    with pytest.raises(Misconfigured, match="others may enter"):
        Agent(ALICE, folder / "signer")


@pytest.mark.parametrize(
    "line",
    [b"\n", b"[]\n", b"{\n", b'{"sign": "0x00"}\n', b'{"sign": 7}\n', b'{"key": "give"}\n',
     b'{"sign": "0x' + b"0" * 64 + b'", "as": "x"}\n', b"[" * 500 + b"\n",
     b'{"sign": "0x00", "sign": "0x01"}\n'],
)  # fmt: skip
def test_what_is_no_digest_is_not_signed(agent: Agent, path: Path, line: bytes) -> None:
    answer = json.loads(talk(path, line))
    assert set(answer) == {"error"}


def test_a_long_question_ends_the_connection_and_not_the_signer(agent: Agent, path: Path) -> None:
    with suppress(ConnectionResetError):
        assert talk(path, b"x" * 3000) == b""
    assert signer_of(DIGEST, AgentSigner(path).sign_digest(DIGEST)) == ALICE.address


def test_a_signature_by_another_key_is_not_handed_on(path: Path) -> None:
    class TwoFaced:
        address = ALICE.address

        def sign_digest(self, digest: bytes) -> bytes:
            return MALLORY.sign_digest(digest)

    false = Agent(TwoFaced(), path)  # type: ignore[arg-type]
    try:
        with pytest.raises(Unavailable, match="another key"):
            AgentSigner(path).sign_digest(DIGEST)
    finally:
        false.stop()


@pytest.mark.parametrize("answer", [b"", b"junk\n", b'{"address": "0x1"}\n', b'{"error": "no"}\n'])
def test_a_signer_that_talks_nonsense_is_no_signer(path: Path, answer: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(Unavailable):
            AgentSigner(path)
        thread.join()


def test_without_a_signer_the_sidecar_says_so(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no signer there"):
        AgentSigner(tmp_path / "none")
    (tmp_path / "file").write_text("x")
    with pytest.raises(Misconfigured, match="not a socket"):
        AgentSigner(tmp_path / "file")


def test_a_living_signer_is_not_pushed_aside_and_a_dead_ones_socket_is(path: Path) -> None:
    first = Agent(ALICE, path)
    with pytest.raises(Misconfigured, match="answers there already"):
        Agent(MALLORY, path)
    first.stop()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    again = Agent(ALICE, path)
    assert AgentSigner(path).address == ALICE.address
    again.stop()
    path.write_text("not a socket")
    with pytest.raises(Misconfigured, match="something else"):
        Agent(ALICE, path)


def test_the_command_signs_until_it_is_told_to_end(tmp_path: Path, path: Path) -> None:
    key = tmp_path / "key"
    address = generate_key(key)
    with subprocess.Popen(
        [sys.executable, "-m", "kycgate", "signer", "--socket", str(path), "--key-file", str(key)],
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            assert running.stdout is not None
            assert checksum(address) in running.stdout.readline()
            assert signer_of(DIGEST, AgentSigner(path).sign_digest(DIGEST)) == address
            running.send_signal(signal.SIGTERM)
            out, err = running.communicate(timeout=30)
        finally:
            running.kill()
    assert running.returncode == 0, err
    assert key.read_text().strip() not in out + err
    assert not path.exists()
