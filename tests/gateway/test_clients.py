"""io.net's own unmodified command line, through the proxy, to a small marketplace."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from kycgate.demo.marketplace import Marketplace
from kycgate.gateway.view import Forward, Reply, RequestView
from tests import tools
from tests.gateway.wire import ScriptedGate, serving

CLIENTS = tools.clients()
LINK = "https://gate.example/r/0123456789abcdef0123456789abcdef"
REFUSAL = Reply(
    403,
    (("content-type", "application/json"),),
    json.dumps(
        {"status": "failed", "error": f"identity check needed: open {LINK} (request_id r-1)"}
    ).encode(),
)
DEPLOY = ("deploy", "--name", "job", "--image", "nginx", "--gpu", "H100:8", "--hours", "24")

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(CLIENTS is None, reason="iocloud is missing: make setup"),
]


class KeyGate(ScriptedGate):
    """Exchanges the renter's key for the operator's, and refuses rents when told to."""

    refuse = False

    def needs_body(self, view: RequestView) -> int | None:
        return 65536 if view.method in ("POST", "PATCH") else None

    def check(self, view: RequestView) -> Forward | Reply:
        self.views.append(view)
        if self.refuse and view.method == "POST":
            return REFUSAL
        forward = self.forward(view)
        if ("x-api-key", "kg-renter") not in forward.headers:
            return REFUSAL
        kept = tuple(pair for pair in forward.headers if pair[0] != "x-api-key")
        return replace(forward, headers=(*kept, ("x-api-key", "operator")))


@dataclass
class World:
    market: Marketplace
    gate: KeyGate
    run: Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    assert CLIENTS is not None
    program, gate = CLIENTS / "bin" / "iocloud", KeyGate()
    with Marketplace(api_key="operator") as market, serving(gate, market.url) as running:

        def run(*words: str) -> subprocess.CompletedProcess[str]:
            environment = {
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "IOCLOUD_BASE_URL": f"http://127.0.0.1:{running.gateway_port}",
                "IOCLOUD_API_KEY": "kg-renter",
                "COLUMNS": "400",
            }
            return subprocess.run(
                [program, *words], env=environment, capture_output=True, text=True, timeout=60
            )

        yield World(market, gate, run)


def test_a_renter_deploys_looks_extends_and_deletes(world: World) -> None:
    done = world.run(*DEPLOY, "--detach", "--json")
    assert done.returncode == 0, done.stderr
    (deployment,) = world.market.deployments.values()
    assert json.loads(done.stdout)["id"] == deployment.id
    assert (deployment.hardware.id, deployment.gpus_each, deployment.hours) == (203, 8, 24)

    listed = world.run("deployment", "list", "--json")
    assert [row["id"] for row in json.loads(listed.stdout)] == [deployment.id]
    shown = world.run("deployment", "get", deployment.id, "--json")
    assert json.loads(shown.stdout)["status"] == "running"
    assert world.run("deployment", "extend", deployment.id, "--hours", "2", "--yes").returncode == 0
    assert deployment.hours == 26
    gone = world.run("deployment", "delete", deployment.id, "--yes")
    assert gone.returncode == 0, gone.stderr
    assert deployment.status == "terminated"


def test_what_the_client_sent_arrives_unchanged_but_for_the_key(world: World) -> None:
    assert world.run(*DEPLOY, "--detach", "--env", "FOO=bar").returncode == 0
    (sent,) = world.market.requests("POST", "/caas/deploy")
    view = next(view for view in world.gate.views if view.method == "POST")
    assert sent.body == view.body
    assert json.loads(sent.body)["container_config"]["env_variables"] == {"FOO": "bar"}
    assert sent.header("x-api-key") == "operator"
    assert sent.header("user-agent") == dict(view.headers)["user-agent"]
    assert not any(
        "kg-renter" in value for each in world.market.received for _, value in each.headers
    )


def test_a_refusal_is_shown_with_its_link_and_the_rent_is_asked_for_once(world: World) -> None:
    world.gate.refuse = True
    done = world.run(*DEPLOY, "--detach")
    assert done.returncode == 1
    assert LINK in done.stdout + done.stderr
    assert "r-1" in done.stdout + done.stderr
    assert [view.method for view in world.gate.views].count("POST") == 1
    assert world.market.requests("POST") == []


def test_a_marketplace_that_is_down_is_said_so_and_the_rent_is_asked_for_once(
    world: World,
) -> None:
    world.market.stop()
    done = world.run(
        "deployment", "extend", "3fa85f64-5717-4562-b3fc-2c963f66afa6", "--hours", "2", "--yes"
    )
    assert done.returncode == 1
    assert "unreachable" in done.stdout + done.stderr
    assert [view.method for view in world.gate.views].count("POST") == 1


def test_virtual_machines_rent_through_the_same_door(world: World, tmp_path: Path) -> None:
    key = tmp_path / "id.pub"
    key.write_text(
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICHujSmjTEumx4wfngxiTGqfvVln6Kj61AGYaNrSidpH a"
    )
    rent = ("vm", "deploy", "--name", "m", "--gpu", "H100:8", "--hours", "3", "--location", "1")
    done = world.run(*rent, "--ssh-key", f"me={key}", "--detach", "--json")
    assert done.returncode == 0, done.stderr
    (machine,) = world.market.deployments.values()
    assert (machine.kind, machine.hours, machine.gpus_each) == ("vmaas", 3, 8)
