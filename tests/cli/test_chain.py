"""`kycgate chain`, on a real chain with the real configuration file."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kycgate.cli import main
from kycgate.core.claims import checksum
from kycgate.core.typed import keccak
from kycgate.settlement.revocations import KIND
from kycgate.store import open_store
from tests.chain_world import CHAIN_ID, Anvil, free_port, shared_anvil
from tests.operating import set_up
from tests.settlement.conftest import KEYS, World, standing

__all__ = ["shared_anvil"]

ACCOUNT = "0x" + "ab" * 20


@pytest.fixture(scope="module")
def world(shared_anvil: Anvil) -> Iterator[World]:
    snapshot = shared_anvil.chain.ask("evm_snapshot")
    yield standing(shared_anvil)
    shared_anvil.chain.ask("evm_revert", snapshot)


def configure(folder: Path, world: World, rpc: str) -> Path:
    """A configuration that settles on this chain."""
    at = world.at
    return set_up(
        folder,
        secrets={"revoker": keccak(b"publisher").hex()},
        issuer={"chain_id": CHAIN_ID, "eas": checksum(at.eas)},
        settlement={
            "mode": "escrow",
            "rpc": [rpc],
            "chain_id": CHAIN_ID,
            "escrow": checksum(at.escrow),
            "revoker": checksum(at.revoker),
            "revoker_key": "file:keys/revoker.key",
            "token": checksum(at.token),
            "provider": checksum(KEYS["provider"].address),
        },
    )


@pytest.fixture
def config(tmp_path: Path, world: World, capsys: pytest.CaptureFixture[str]) -> Path:
    path = configure(tmp_path, world, world.anvil.url)
    capsys.readouterr()
    return path


def revoke(config: Path, *, epoch: int, ago_s: int = 0) -> None:
    store = open_store(f"sqlite:///{config.parent}/kycgate.sqlite3")
    due_at = int(time.time()) - ago_s
    store.enqueue(KIND, {"account": ACCOUNT, "epoch": epoch}, due_at=due_at)
    store.close()


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*words: str) -> tuple[int, Any]:
        code = main(["chain", *words, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return run


def test_a_rehearsal_sends_nothing_and_the_round_sends_just_that(
    config: Path, world: World, said: Any
) -> None:
    revoke(config, epoch=1)
    before = world.chain.nonce(KEYS["publisher"].address)
    code, told = said("publish", "--dry-run", "--config", str(config))
    [chain] = told["chains"]
    assert (code, chain["revocations"][0]["account"]) == (0, ACCOUNT)
    assert chain["transaction"]["nonce"] == before
    assert world.chain.nonce(KEYS["publisher"].address) == before
    code, told = said("publish", "--config", str(config))
    world.anvil.settle()
    assert (code, told["sent"]) == (0, 1)
    assert len(told["chains"][0]["pending"]) == 1
    assert world.chain.nonce(KEYS["publisher"].address) == before + 1
    code, told = said("publish", "--dry-run", "--config", str(config))
    assert (told["chains"][0]["transaction"], told["chains"][0]["under_way"]) == (None, 1)


def test_the_status_tells_what_waits_and_how_the_nodes_are(
    config: Path, world: World, said: Any
) -> None:
    code, told = said("status", "--config", str(config))
    [chain] = told["chains"]
    assert (code, told["late"], chain["waiting"]) == (0, False, 0)
    assert (chain["chain_id"], chain["nodes"][0]["problem"]) == (CHAIN_ID, None)
    revoke(config, epoch=2, ago_s=10_000)
    code, told = said("status", "--config", str(config))
    assert (code, told["late"]) == (1, True)
    assert told["chains"][0]["oldest_waiting_s"] >= 10_000


def test_a_silent_chain_exits_2(
    tmp_path: Path, world: World, said: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configure(tmp_path, world, f"http://127.0.0.1:{free_port()}")
    capsys.readouterr()
    code, told = said("status", "--config", str(config))
    assert (code, told["chains"][0]["nodes"][0]["head"]) == (2, None)
    revoke(config, epoch=3)
    code, told = said("publish", "--config", str(config))
    assert (code, told["sent"]) == (2, None)
    assert "did not answer" in told["error"]
    code, told = said("publish", "--dry-run", "--config", str(config))
    assert (code, "did not answer" in told["chains"][0]["error"]) == (2, True)


def test_the_words_for_people_name_the_chain(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    revoke(config, epoch=4)
    assert main(["chain", "publish", "--dry-run", "--config", str(config)]) == 0
    out = capsys.readouterr().out
    assert f"chain {CHAIN_ID}: would send 1 revocations" in out
    assert f"{ACCOUNT} epoch 4" in out
    assert main(["chain", "status", "--config", str(config)]) == 0
    assert "1 waiting" in capsys.readouterr().out
    assert main(["chain", "publish", "--config", str(config)]) == 0
    assert "1 revocations sent" in capsys.readouterr().out


def test_without_a_publisher_it_says_what_is_missing(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(config.read_text().replace('revoker_key = "file:keys/revoker.key"', ""))
    assert main(["chain", "status", "--config", str(config)]) == 64
    assert "revoker_key" in capsys.readouterr().err
