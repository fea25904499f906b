"""The whole way with what is only described: unmodified lium.io, prime and clore-ai, the proxy, the
gate on SQLite, a small marketplace each."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from kycgate.errors import Unavailable
from kycgate.gateway.adapters.presets import PRESETS, Upstream
from kycgate.gateway.proxy import Proxy
from kycgate.gateway.server import start_in_thread
from tests import tools
from tests.gateway.adapters.market_declared import (
    NODE,
    CloreMarket,
    Listening,
    LiumMarket,
    PrimeMarket,
)
from tests.gateway.live import OPERATOR_KEY, LiveWorld
from tests.gateway.wire import no_control
from tests.gateway.world import PUBLIC_URL, Renter

CLIENTS = tools.more_clients()
SSH = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICHujSmjTEumx4wfngxiTGqfvVln6Kj61AGYaNrSidpH a"
LIUM_UP = (
    f"lium.up(executor_id='{NODE}', name='k', template_id='00000000-0000-4000-8000-000000000001',"
    f" ssh_keys=['{SSH}'], gpu_count=8, termination_hours=24, enable_volume_encryption=False)"
)
PRIME_UP = (
    "pods", "create", "--plain", "--cloud-id", "gpu_8x_h100", "--gpu-type", "H100_80GB",
    "--gpu-count", "8", "--name", "k", "--image", "ubuntu_22_cuda_12", "--disk-size", "100",
    "--vcpus", "64", "--memory", "512", "--yes",
)  # fmt: skip
CLORE_UP = "clore.create_order(server_id=7, image='i', type='on-demand', currency='bitcoin').id"

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(CLIENTS is None, reason="lium.io, prime, clore-ai are missing: make setup"),
]


@dataclass
class Live:
    world: LiveWorld
    market: Listening
    port: int
    folder: Path

    def run(self, renter: Renter, *words: str) -> subprocess.CompletedProcess[str]:
        assert CLIENTS is not None
        origin = f"http://127.0.0.1:{self.port}"
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(self.folder), "COLUMNS": "400",
            "ORIGIN": origin, "KEY": renter.secret,
            "LIUM_BASE_URL": f"{origin}/api", "PRIME_API_BASE_URL": origin,
            "LIUM_API_KEY": renter.secret, "PRIME_API_KEY": renter.secret,
            "PRIME_DISABLE_VERSION_CHECK": "1",
        }  # fmt: skip
        return subprocess.run(
            [CLIENTS / "bin" / words[0], *words[1:]], env=environment, capture_output=True,
            text=True, timeout=90, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def lium(self, renter: Renter, call: str) -> subprocess.CompletedProcess[str]:
        start = "import json; from lium import Lium; lium = Lium()"
        return self.run(renter, "python", "-W", "ignore", "-c", f"{start}; {_told(call)}")

    def clore(self, renter: Renter, call: str) -> subprocess.CompletedProcess[str]:
        start = (
            "import json, os; from clore_ai import CloreAI;"
            " clore = CloreAI(api_key=os.environ['KEY'], base_url=os.environ['ORIGIN'] + '/v1',"
            " max_retries=1)"
        )
        return self.run(renter, "python", "-c", f"{start}; {_told(call)}")

    def prime(self, renter: Renter, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run(renter, "prime", *words)


def _told(call: str) -> str:
    return f"print(json.dumps({call}, default=str))"


def result(done: subprocess.CompletedProcess[str]) -> object:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def living(market: Listening, preset: str, folder: Path) -> Iterator[Live]:
    def fetch(path: str) -> bytes:
        fields = {market.key_field: market.key_start + OPERATOR_KEY}
        request = urllib.request.Request(market.url + path, headers=fields)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return bytes(answer.read())
        except urllib.error.URLError as e:
            raise Unavailable("the marketplace does not answer") from e

    def search(path: str, question: bytes) -> bytes:
        raise Unavailable("nobody asks this")

    adapter = PRESETS[preset](Upstream(fetch, search, 6))
    with (
        market,
        closing(LiveWorld(folder, market.url, adapter)) as world,
        start_in_thread(Proxy(world.gate, market.url), no_control) as running,
    ):
        yield Live(world, market, running.gateway_port, folder)


@pytest.fixture
def lium(tmp_path: Path) -> Iterator[Live]:
    with living(LiumMarket(OPERATOR_KEY), "lium", tmp_path) as live:
        yield live


@pytest.fixture
def prime(tmp_path: Path) -> Iterator[Live]:
    with living(PrimeMarket(OPERATOR_KEY), "prime", tmp_path) as live:
        yield live


@pytest.fixture
def clore(tmp_path: Path) -> Iterator[Live]:
    with living(CloreMarket(OPERATOR_KEY), "clore", tmp_path) as live:
        yield live


# -- Lium -----------------------------------------------------------------------------------------


def test_lium_rents_lists_and_removes(lium: Live) -> None:
    alice = lium.world.renter("alice")
    pod = result(lium.lium(alice, f"{LIUM_UP}['id']"))
    assert list(lium.market.running) == [pod]
    (job,) = lium.world.store.jobs_of(alice.account)
    asked = json.loads(job.request)
    assert (asked["gpu_model"], asked["gpu_count"], asked["hours"], asked["value"]) == (
        "NVIDIA H100 80GB HBM3", 8, 24, str(25 * 8 * 24 * 10**5),
    )  # fmt: skip
    assert job.idempotency_key is not None
    assert result(lium.lium(alice, "[pod.id for pod in lium.ps()]")) == [pod]
    lium.world.issued.clear()
    result(lium.lium(alice, "lium.down(lium.ps()[0])"))
    assert lium.market.running == {}
    assert lium.world.store.deployments_of(alice.account) == []


def test_lium_shows_a_stranger_where_to_go_and_rents_nothing(lium: Live) -> None:
    done = lium.lium(lium.world.stranger("bob"), LIUM_UP)
    assert done.returncode == 1
    assert f"{PUBLIC_URL}/r/" in done.stderr
    assert lium.market.rented == 0


def test_lium_sending_a_rent_again_with_its_key_rents_no_second_pod(lium: Live) -> None:
    lium.market.lose_answers = 1
    done = lium.lium(lium.world.renter("alice"), LIUM_UP)
    assert done.returncode == 1
    rents = [path for method, path, _, _ in lium.market.received if method == "POST"]
    assert rents == [f"/api/executors/{NODE}/rent"]
    assert lium.market.rented == 1


def test_lium_hides_anothers_pod(lium: Live) -> None:
    alice, mallory = lium.world.renter("alice"), lium.world.renter("mallory")
    pod = result(lium.lium(alice, f"{LIUM_UP}['id']"))
    assert result(lium.lium(mallory, "lium.ps()")) == []
    gone = lium.lium(mallory, f"lium._request('DELETE', '/pods/{pod}').json()")
    assert gone.returncode == 1
    assert list(lium.market.running) == [pod]


# -- Prime Intellect ------------------------------------------------------------------------------


def test_prime_rents_lists_and_terminates(prime: Live) -> None:
    alice = prime.world.renter("alice")
    done = prime.prime(alice, *PRIME_UP)
    assert done.returncode == 0, done.stdout + done.stderr
    (job,) = prime.world.store.jobs_of(alice.account)
    asked = json.loads(job.request)
    assert (asked["gpu_model"], asked["gpu_count"], asked["hours"]) == ("H100_80GB", 8, None)
    listed = prime.prime(alice, "pods", "list", "--output", "json")
    assert "pod1" in listed.stdout
    prime.world.issued.clear()
    gone = prime.prime(alice, "pods", "terminate", "pod1", "--yes")
    assert gone.returncode == 0, gone.stdout
    assert prime.market.running == {}


def test_prime_shows_a_stranger_where_to_go_and_rents_nothing(prime: Live) -> None:
    done = prime.prime(prime.world.stranger("bob"), *PRIME_UP)
    assert done.returncode == 1
    assert f"{PUBLIC_URL}/r/" in done.stdout + done.stderr
    assert prime.market.rented == 0


def test_prime_hides_anothers_pod(prime: Live) -> None:
    alice, mallory = prime.world.renter("alice"), prime.world.renter("mallory")
    assert prime.prime(alice, *PRIME_UP).returncode == 0
    assert "pod1" not in prime.prime(mallory, "pods", "list", "--output", "json").stdout
    assert prime.prime(mallory, "pods", "terminate", "pod1", "--yes").returncode == 1
    assert list(prime.market.running) == ["pod1"]


def test_prime_losing_the_answer_rents_once_and_is_told(prime: Live) -> None:
    prime.market.lose_answers = 1
    done = prime.prime(prime.world.renter("alice"), *PRIME_UP)
    assert done.returncode == 1
    assert "never said whether" in done.stdout or "no complete answer" in done.stdout
    assert prime.market.rented == 1


# -- Clore ----------------------------------------------------------------------------------------


def test_clore_rents_lists_and_cancels(clore: Live) -> None:
    alice = clore.world.renter("alice")
    assert result(clore.clore(alice, CLORE_UP)) == 101
    (job,) = clore.world.store.jobs_of(alice.account)
    asked = json.loads(job.request)
    assert (asked["gpu_model"], asked["gpu_count"]) == ("NVIDIA H100 80GB HBM3", 2)
    assert result(clore.clore(alice, "[order.id for order in clore.my_orders()]")) == [101]
    clore.world.issued.clear()
    result(clore.clore(alice, "clore.cancel_order(101)"))
    assert clore.market.running == {}
    assert clore.world.store.deployments_of(alice.account) == []


def test_clore_shows_a_stranger_where_to_go_however_often_it_asks(clore: Live) -> None:
    done = clore.clore(clore.world.stranger("bob"), CLORE_UP)
    assert done.returncode == 1
    assert f"{PUBLIC_URL}/r/" in done.stderr
    assert clore.market.rented == 0


def test_clore_hides_anothers_order(clore: Live) -> None:
    alice, mallory = clore.world.renter("alice"), clore.world.renter("mallory")
    result(clore.clore(alice, CLORE_UP))
    assert result(clore.clore(mallory, "[o.id for o in clore.my_orders()]")) == []
    assert clore.clore(mallory, "clore.cancel_order(101)").returncode == 1
    assert list(clore.market.running) == ["101"]


def test_clore_sending_a_rent_again_rents_one_machine(clore: Live) -> None:
    clore.market.lose_answers = 1
    clore.clore(clore.world.renter("alice"), CLORE_UP)
    assert clore.market.rented == 1
