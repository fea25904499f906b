"""The whole way: unmodified `runpod` 1.11.0, the proxy, the gate on SQLite, a GraphQL server."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from kycgate.gateway.adapters.runpod import RunPod
from kycgate.gateway.proxy import Proxy
from kycgate.gateway.server import start_in_thread
from tests import tools
from tests.gateway.adapters.market_runpod import RunPodMarket
from tests.gateway.live import OPERATOR_KEY, LiveWorld
from tests.gateway.wire import no_control
from tests.gateway.world import PUBLIC_URL, Renter

CLIENTS = tools.clients()
PYTHON = None if CLIENTS is None else CLIENTS / "bin" / "python"
PROGRAM = None if CLIENTS is None else CLIENTS / "bin" / "runpod"
RENT = "runpod.create_pod('k', 'img', 'NVIDIA H100 80GB HBM3', gpu_count=8)"

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(
        PROGRAM is None or not PROGRAM.exists(), reason="runpod is missing: make setup"
    ),
]


@dataclass
class Live:
    world: LiveWorld
    market: RunPodMarket
    port: int
    folder: Path

    def runpod(self, renter: Renter, call: str) -> subprocess.CompletedProcess[str]:
        """One call of the SDK in its own interpreter, its result as JSON on the last line."""
        assert PYTHON is not None
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "RUNPOD_API_BASE_URL": f"http://127.0.0.1:{self.port}",
            "RUNPOD_API_KEY": renter.secret,
        }
        key = "runpod.api_key = os.environ['RUNPOD_API_KEY']"
        program = f"import json, os, runpod; {key}; print(json.dumps({call}))"
        return subprocess.run(
            [PYTHON, "-c", program],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )

    def told(self, renter: Renter, call: str) -> object:
        done = self.runpod(renter, call)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    with (
        RunPodMarket(OPERATOR_KEY) as market,
        closing(LiveWorld(tmp_path, market.url, RunPod())) as world,
        start_in_thread(Proxy(world.gate, market.url), no_control) as running,
    ):
        yield Live(world, market, running.gateway_port, tmp_path)


def test_a_verified_renter_rents_looks_stops_resumes_and_terminates(live: Live) -> None:
    alice = live.world.renter("alice")
    assert live.told(alice, RENT)["id"] == "pod1"  # type: ignore[index]
    (asked,) = live.market.rented
    assert (asked["gpuTypeId"], asked["gpuCount"]) == ("NVIDIA H100 80GB HBM3", 8)
    listed = live.told(alice, "[pod['id'] for pod in runpod.get_pods()]")
    assert listed == ["pod1"]
    assert live.told(alice, "runpod.get_pod('pod1')['name']") == "k"
    live.told(alice, "runpod.stop_pod('pod1')")
    assert live.market.pods["pod1"]["desiredStatus"] == "EXITED"
    live.told(alice, "runpod.resume_pod('pod1', gpu_count=8)")
    assert live.market.pods["pod1"]["desiredStatus"] == "RUNNING"
    live.told(alice, "runpod.terminate_pod('pod1')")
    assert live.market.pods == {}
    assert live.world.store.deployments_of(alice.account) == []


def test_an_unverified_renter_is_shown_where_to_go_and_rents_nothing(live: Live) -> None:
    done = live.runpod(live.world.stranger("bob"), RENT)
    assert done.returncode == 1
    assert f"{PUBLIC_URL}/r/" in done.stderr
    assert "QueryError" in done.stderr
    assert live.market.rented == []


def test_a_renter_whose_verification_ended_still_stops_and_terminates(live: Live) -> None:
    alice = live.world.renter("alice")
    live.told(alice, RENT)
    live.world.issued.clear()
    live.told(alice, "runpod.stop_pod('pod1')")
    assert live.market.pods["pod1"]["desiredStatus"] == "EXITED"
    live.told(alice, "runpod.terminate_pod('pod1')")
    assert live.market.pods == {}


def test_another_renters_pod_can_be_neither_seen_nor_stopped(live: Live) -> None:
    alice, mallory = live.world.renter("alice"), live.world.renter("mallory")
    live.told(alice, RENT)
    assert live.told(mallory, "runpod.get_pods()") == []
    for call in (
        "runpod.get_pod('pod1')", "runpod.stop_pod('pod1')", "runpod.resume_pod('pod1', 1)",
        "runpod.terminate_pod('pod1')",
    ):  # fmt: skip
        done = live.runpod(mallory, call)
        assert done.returncode == 1, call
        assert "No such deployment of yours" in done.stderr
    assert live.market.pods["pod1"]["desiredStatus"] == "RUNNING"


def test_the_same_rent_sent_again_while_the_first_runs_rents_one_pod(live: Live) -> None:
    alice = live.world.renter("alice")
    live.market.may_rent.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(live.told, alice, RENT)
        assert live.market.renting.wait(30)
        again = live.runpod(alice, RENT)
        live.market.may_rent.set()
        assert first.result()["id"] == "pod1"  # type: ignore[index]
    assert again.returncode == 1
    assert "still being carried out" in again.stderr
    assert len(live.market.rented) == 1


def test_a_rent_the_marketplace_declined_is_told_and_starts_no_job(live: Live) -> None:
    alice = live.world.renter("alice")
    live.market.sold_out = True
    done = live.runpod(alice, RENT)
    assert done.returncode == 1
    assert "no longer any instances available" in done.stderr
    assert live.world.permits == []
    live.market.sold_out = False
    live.told(alice, RENT)
    assert len(live.world.permits) == 1


def test_the_operators_account_stays_the_operators(live: Live) -> None:
    alice = live.world.renter("alice")
    done = live.runpod(alice, "runpod.get_user()")
    assert done.returncode == 1
    assert not any(b"pubKey" in body for _, _, _, body in live.market.received)


def test_no_renter_key_reaches_the_marketplace(live: Live) -> None:
    alice = live.world.renter("alice")
    live.told(alice, RENT)
    keys = {fields["authorization"] for _, _, fields, _ in live.market.received}
    assert keys == {f"Bearer {OPERATOR_KEY}"}
    assert alice.secret not in repr(live.market.received)
