"""The whole way: unmodified `iocloud`, the proxy, the real gate on SQLite, a small marketplace."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from kycgate.demo.marketplace import Marketplace
from kycgate.gateway.proxy import Proxy
from kycgate.gateway.server import start_in_thread
from tests import tools
from tests.gateway.live import OPERATOR_KEY, LiveWorld
from tests.gateway.wire import body_of, get, no_control, status, talk
from tests.gateway.world import CAAS, PUBLIC_URL, Renter, deploy

CLIENTS = tools.clients()
DEPLOY = ("deploy", "--name", "job", "--image", "nginx", "--gpu", "H100:8", "--hours", "24")

needs_client = [
    pytest.mark.clients,
    pytest.mark.skipif(CLIENTS is None, reason="iocloud is missing: make setup"),
]


@dataclass
class Live:
    world: LiveWorld
    market: Marketplace
    port: int
    folder: Path

    def iocloud(self, renter: Renter, *words: str) -> subprocess.CompletedProcess[str]:
        assert CLIENTS is not None
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "IOCLOUD_BASE_URL": f"http://127.0.0.1:{self.port}",
            "IOCLOUD_API_KEY": renter.secret,
            "COLUMNS": "400",
        }
        return subprocess.run(
            [CLIENTS / "bin" / "iocloud", *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def asks(
        self,
        renter: Renter,
        method: str,
        path: str,
        body: object = None,
        fields: tuple[bytes, ...] = (),
    ) -> bytes:
        fields = (*fields, b"x-api-key: " + renter.secret.encode())
        data = b""
        if body is not None:
            data = json.dumps(body).encode()
            fields = (*fields, b"content-length: %d" % len(data), b"content-type: application/json")
        request = get(path.encode(), *fields, method=method.encode()) + data
        return talk(self.port, request, seconds=20)


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    with (
        Marketplace(api_key=OPERATOR_KEY) as market,
        closing(LiveWorld(tmp_path, market.url)) as world,
        start_in_thread(Proxy(world.gate, market.url), no_control) as running,
    ):
        yield Live(world, market, running.gateway_port, tmp_path)


class TestIocloud:
    pytestmark = needs_client

    def test_a_verified_renter_rents_looks_and_stops(self, live: Live) -> None:
        alice = live.world.renter("alice")
        done = live.iocloud(alice, *DEPLOY, "--detach", "--json")
        assert done.returncode == 0, done.stderr
        (deployment,) = live.market.deployments.values()
        listed = live.iocloud(alice, "deployment", "list", "--json")
        assert [row["id"] for row in json.loads(listed.stdout)] == [deployment.id]
        more = live.iocloud(alice, "deployment", "extend", deployment.id, "--hours", "2", "--yes")
        assert more.returncode == 0, more.stderr
        assert deployment.hours == 26
        gone = live.iocloud(alice, "deployment", "delete", deployment.id, "--yes")
        assert gone.returncode == 0, gone.stderr
        assert deployment.status == "terminated"

    def test_an_unverified_renter_is_shown_where_to_go_and_rents_nothing(self, live: Live) -> None:
        bob = live.world.stranger("bob")
        done = live.iocloud(bob, *DEPLOY, "--detach")
        assert done.returncode == 1
        assert f"{PUBLIC_URL}/r/" in done.stdout + done.stderr
        assert live.market.requests("POST") == []

    def test_a_renter_whose_verification_ended_still_deletes(self, live: Live) -> None:
        alice = live.world.renter("alice")
        assert live.iocloud(alice, *DEPLOY, "--detach").returncode == 0
        (deployment,) = live.market.deployments.values()
        live.world.issued.clear()
        gone = live.iocloud(alice, "deployment", "delete", deployment.id, "--yes")
        assert gone.returncode == 0, gone.stderr
        assert deployment.status == "terminated"
        assert live.world.store.deployments_of(alice.account) == []

    def test_another_renters_deployment_can_be_neither_seen_nor_stopped(self, live: Live) -> None:
        alice, mallory = live.world.renter("alice"), live.world.renter("mallory")
        assert live.iocloud(alice, *DEPLOY, "--detach").returncode == 0
        (deployment,) = live.market.deployments.values()
        listed = live.iocloud(mallory, "deployment", "list", "--json")
        assert json.loads(listed.stdout) == []
        assert live.iocloud(mallory, "deployment", "get", deployment.id).returncode == 1
        gone = live.iocloud(mallory, "deployment", "delete", deployment.id, "--yes")
        assert gone.returncode == 1
        assert deployment.status != "terminated"


def test_no_renter_key_reaches_the_marketplace(live: Live) -> None:
    alice = live.world.renter("alice")
    assert status(live.asks(alice, "POST", f"{CAAS}/deploy", deploy())) == 200
    assert {each.header("x-api-key") for each in live.market.received} == {OPERATOR_KEY}
    everything = repr(live.market.received)
    assert alice.secret not in everything


def test_ten_copies_of_one_rent_at_once_start_one_job(live: Live) -> None:
    alice = live.world.renter("alice")
    key = (b"Idempotency-Key: one",)
    with ThreadPoolExecutor(10) as pool:
        ask = partial(live.asks, alice, "POST", f"{CAAS}/deploy", deploy(), fields=key)
        answers = [done.result() for done in [pool.submit(ask) for _ in range(10)]]
    (deployment,) = live.market.deployments
    answered = [json.loads(body_of(answer)) for answer in answers if status(answer) == 200]
    assert answered
    assert {each["deployment_id"] for each in answered} == {deployment}


def test_a_marketplace_that_is_down_is_said_so_in_its_own_shape(live: Live) -> None:
    alice = live.world.renter("alice")
    assert status(live.asks(alice, "GET", f"{CAAS}/hardware")) == 200
    live.market.stop()
    answer = live.asks(alice, "GET", f"{CAAS}/hardware")
    assert status(answer) == 502
    assert json.loads(body_of(answer))["status"] == "failed"


def test_a_known_caller_is_answered_from_memory(live: Live) -> None:
    alice = live.world.renter("alice")
    assert status(live.asks(alice, "GET", f"{CAAS}/hardware")) == 200
    view = alice.asks("GET", f"{CAAS}/hardware")
    assert live.world.gate.quick(view) is not None


@pytest.mark.parametrize(
    "target",
    ["/../admin", "/%2e%2e/admin", "//admin", "/a%2fb", "/a%5cb", "/%00", "/./hardware"],
)
def test_a_target_read_two_ways_never_arrives(live: Live, target: str) -> None:
    alice = live.world.renter("alice")
    assert status(live.asks(alice, "GET", CAAS + target)) == 400
    assert live.market.received == []
