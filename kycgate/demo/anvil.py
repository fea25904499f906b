"""A real chain on this machine: an anvil process on a free loopback port, and its extra powers.

For demonstration and tests. Holds no keys and knows no contract.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

from kycgate.chain import Chain
from kycgate.core.claims import Address, checksum
from kycgate.errors import Misconfigured, Unavailable

CHAIN_ID = 31337
_START_S = 20.0


def find_anvil() -> Path:
    """The anvil program: $KYCGATE_ANVIL, the installed node packages, or the search path."""
    named = os.environ.get("KYCGATE_ANVIL")
    if named:
        return Path(named)
    source = Path(__file__).parents[2]
    modules = Path(os.environ.get("KYCGATE_NODE_MODULES", source / ".node" / "node_modules"))
    for found in sorted(modules.glob("@foundry-rs/anvil-*/bin/anvil*")):
        return found
    on_path = shutil.which("anvil")
    if on_path:
        return Path(on_path)
    raise Misconfigured(("anvil is not installed: `make setup`, or name it in KYCGATE_ANVIL",))


class Anvil:
    """One anvil process (hard fork prague), stopped on leaving. `url` is its RPC address."""

    def __init__(self, *, chain_id: int = CHAIN_ID) -> None:
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen(
            [
                *(str(find_anvil()), "--port", str(port)),
                *("--chain-id", str(chain_id), "--hardfork", "prague", "--silent"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # The terminal's Ctrl-C is for the demonstration, which then stops the chain in order.
            start_new_session=True,
        )
        self.chain = Chain([self.url], chain_id)
        self._await_start()

    def __enter__(self) -> Anvil:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        self.chain.close()
        self._process.terminate()
        self._process.wait(10)

    def fund(self, address: Address, *, wei: int = 10**20) -> None:
        self.chain.ask("anvil_setBalance", checksum(address), hex(wei))

    def pass_time(self, seconds: int) -> None:
        """Let the chain's clock run ahead and close a block."""
        self.chain.ask("evm_increaseTime", seconds)
        self.chain.ask("evm_mine")

    def plant(self, address: Address, code: bytes, *, slot0: bytes) -> None:
        """Put a contract's code, and its first storage word, at any address."""
        self.chain.ask("anvil_setCode", checksum(address), "0x" + code.hex())
        word = "0x" + slot0.rjust(32, b"\0").hex()
        self.chain.ask("anvil_setStorageAt", checksum(address), "0x0", word)

    def _await_start(self) -> None:
        end = time.monotonic() + _START_S
        while time.monotonic() < end and self._process.poll() is None:
            try:
                self.chain.block()
                return
            except Unavailable:
                time.sleep(0.02)
        self._process.kill()
        self._process.wait()
        self.chain.close()
        raise Unavailable("anvil did not start")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
