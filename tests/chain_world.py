"""A real chain for tests: anvil on a free loopback port, keys with coins, time that tests move.

Holds no assertions.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from kycgate.chain import Artifact, Chain
from kycgate.core.claims import Address, checksum
from kycgate.core.typed import keccak
from kycgate.errors import Unavailable
from kycgate.keys import LocalSigner
from tests import tools

EXTRA_SOURCES = tools.REPO / "tests" / "settlement" / "contracts"

CHAIN_ID = 31337


def extra(name: str) -> Artifact:
    """A compiled test contract."""
    return Artifact.from_json((EXTRA_SOURCES / "artifacts" / f"{name}.json").read_text("utf-8"))


def key(name: str) -> LocalSigner:
    """The same key for the same name, in every run."""
    return LocalSigner(keccak(name.encode()))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Anvil:
    """One anvil process and what only a development chain can do."""

    def __init__(self, *, chain_id: int = CHAIN_ID) -> None:
        program = tools.anvil()
        if program is None:
            pytest.skip("anvil is missing: make setup")
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen(
            [program, "--port", str(port), "--chain-id", str(chain_id), "--hardfork", "prague"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.chain = Chain([self.url], chain_id)
        self._await_start()

    def _await_start(self) -> None:
        for _ in range(500):
            try:
                self.chain.block()
                return
            except Unavailable:
                time.sleep(0.02)
        raise RuntimeError("anvil did not start")

    def close(self) -> None:
        self.chain.close()
        self._process.terminate()
        self._process.wait(timeout=10)

    @property
    def now(self) -> int:
        """The newest block's time, Unix seconds."""
        return self.chain.block().timestamp

    def fund(self, address: Address, wei: int = 10**24) -> None:
        self.chain.ask("anvil_setBalance", checksum(address), hex(wei))

    def at(self, moment: int) -> None:
        """The next block carries exactly this time."""
        self.chain.ask("evm_setNextBlockTimestamp", moment)

    def mine_at(self, moment: int) -> None:
        self.at(moment)
        self.chain.ask("evm_mine")

    def set_code(self, address: Address, code: bytes) -> None:
        self.chain.ask("anvil_setCode", checksum(address), "0x" + code.hex())


@pytest.fixture(scope="session")
def shared_anvil() -> Iterator[Anvil]:
    process = Anvil()
    yield process
    process.close()


@pytest.fixture
def anvil(shared_anvil: Anvil) -> Iterator[Anvil]:
    """The shared anvil; whatever a test does to it is undone."""
    snapshot = shared_anvil.chain.ask("evm_snapshot")
    yield shared_anvil
    shared_anvil.chain.ask("evm_revert", snapshot)
