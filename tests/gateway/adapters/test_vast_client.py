"""The whole way: unmodified `vastai` 1.9.1, the proxy, the real gate on SQLite, a marketplace."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from kycgate.errors import Unavailable
from kycgate.gateway.adapters.vast import Vast
from kycgate.gateway.proxy import Proxy
from kycgate.gateway.server import start_in_thread
from tests import tools
from tests.gateway.adapters.market import VastMarket
from tests.gateway.live import OPERATOR_KEY, LiveWorld
from tests.gateway.wire import no_control
from tests.gateway.world import PUBLIC_URL, Renter

CLIENTS = tools.clients()
PROGRAM = None if CLIENTS is None else CLIENTS / "bin" / "vastai"
RENT = ("create", "instance", "384826", "--image", "pytorch/pytorch", "--disk", "40", "--ssh")

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(
        PROGRAM is None or not PROGRAM.exists(), reason="vastai is missing: make setup"
    ),
]


@dataclass
class Live:
    world: LiveWorld
    market: VastMarket
    port: int
    folder: Path

    def vastai(self, renter: Renter, *words: str) -> subprocess.CompletedProcess[str]:
        assert PROGRAM is not None
        server = ("--url", f"http://127.0.0.1:{self.port}", "--api-key", renter.secret)
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "COLUMNS": "400"}
        return subprocess.run(
            [PROGRAM, *server, *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    with VastMarket(OPERATOR_KEY) as market:

        def search(path: str, question: bytes) -> bytes:
            fields = {"Authorization": f"Bearer {OPERATOR_KEY}"}
            request = urllib.request.Request(market.url + path, question, fields)
            try:
                with urllib.request.urlopen(request, timeout=5) as answer:
                    return bytes(answer.read())
            except urllib.error.URLError as e:
                raise Unavailable("the marketplace does not answer") from e

        with (
            closing(LiveWorld(tmp_path, market.url, Vast(search=search))) as world,
            start_in_thread(Proxy(world.gate, market.url), no_control) as running,
        ):
            yield Live(world, market, running.gateway_port, tmp_path)


def test_a_verified_renter_rents_looks_stops_starts_and_destroys(live: Live) -> None:
    alice = live.world.renter("alice")
    done = live.vastai(alice, *RENT, "--raw")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["new_contract"] == 7835610
    assert len(live.market.asked("PUT", "/api/v0/asks/384826/")) == 1
    listed = live.vastai(alice, "show", "instances", "--raw")
    assert [row["id"] for row in json.loads(listed.stdout)] == [7835610], listed.stderr
    for verb, state in (("stop", "stopped"), ("start", "running")):
        assert live.vastai(alice, verb, "instance", "7835610").returncode == 0
        assert live.market.instances[7835610]["actual_status"] == state
    gone = live.vastai(alice, "destroy", "instance", "7835610", "--yes")
    assert gone.returncode == 0, gone.stderr
    assert live.market.instances == {}


def test_an_unverified_renter_is_shown_where_to_go_and_asks_once(live: Live) -> None:
    done = live.vastai(live.world.stranger("bob"), *RENT)
    assert f"{PUBLIC_URL}/r/" in done.stdout + done.stderr
    assert live.market.asked("PUT", "/api/v0/asks/384826/") == []


def test_a_renter_whose_verification_ended_still_destroys(live: Live) -> None:
    alice = live.world.renter("alice")
    assert live.vastai(alice, *RENT).returncode == 0
    live.world.issued.clear()
    gone = live.vastai(alice, "destroy", "instance", "7835610", "--yes")
    assert gone.returncode == 0, gone.stderr
    assert live.market.instances == {}


def test_another_renters_instance_can_be_neither_listed_nor_destroyed(live: Live) -> None:
    alice, mallory = live.world.renter("alice"), live.world.renter("mallory")
    assert live.vastai(alice, *RENT).returncode == 0
    assert json.loads(live.vastai(mallory, "show", "instances", "--raw").stdout) == []
    live.vastai(mallory, "destroy", "instance", "7835610", "--yes")
    assert list(live.market.instances) == [7835610]


def test_the_clients_own_repeats_after_a_503_rent_nothing_twice(live: Live) -> None:
    live.market.busy = 1
    live.vastai(live.world.renter("alice"), *RENT)
    assert len(live.market.asked("PUT", "/api/v0/asks/384826/")) == 1
    assert live.market.instances == {}


def test_no_renter_key_reaches_the_marketplace(live: Live) -> None:
    alice = live.world.renter("alice")
    assert live.vastai(alice, *RENT).returncode == 0
    assert {fields["authorization"] for _, _, fields, _ in live.market.received} == {
        f"Bearer {OPERATOR_KEY}"
    }
    assert alice.secret not in repr(live.market.received)
