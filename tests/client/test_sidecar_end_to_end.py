"""The whole way: unmodified `iocloud`, sidecar, the real proxy and gate, a small marketplace."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from kycgate.client.sidecar import KeyProof, WalletProof
from kycgate.core.proof import Profile
from kycgate.demo.marketplace import Marketplace
from kycgate.gateway.gate import Gate
from kycgate.gateway.proxy import Proxy
from kycgate.gateway.server import start_in_thread
from kycgate.keys import generate_key
from tests import tools
from tests.client.sidecars import TOKEN, Sidecar, sidecar
from tests.gateway.fronts import free_ports
from tests.gateway.live import OPERATOR_KEY, LiveWorld
from tests.gateway.wire import RawUpstream, body_of, no_control, status
from tests.gateway.world import CAAS, PUBLIC_URL, Renter, deploy

CLIENTS = tools.clients()
DEPLOY = ("deploy", "--name", "job", "--image", "nginx", "--gpu", "H100:8", "--hours", "24")


@dataclass
class House:
    """A marketplace, its gate, and where the gate listens."""

    world: LiveWorld
    market: Marketplace
    origin: str
    folder: Path

    def wallet(self, renter: Renter) -> WalletProof:
        authority = self.origin.split("://")[1]
        signer = renter.wallet.signer
        return WalletProof(signer, "http", authority, 1, Profile.EIP155, time.time)

    def iocloud(self, local: Sidecar, *words: str) -> subprocess.CompletedProcess[str]:
        assert CLIENTS is not None
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "IOCLOUD_BASE_URL": f"http://127.0.0.1:{local.port}",
            "IOCLOUD_API_KEY": TOKEN,
            "COLUMNS": "400",
        }
        return subprocess.run(
            [CLIENTS / "bin" / "iocloud", *words],
            env=environment, capture_output=True, text=True, timeout=60,
        )  # fmt: skip


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    (port,) = free_ports(1)
    with (
        Marketplace(api_key=OPERATOR_KEY) as market,
        closing(LiveWorld(tmp_path, market.url)) as world,
    ):
        world.gate = Gate(replace(world.gate._parts, authorities=frozenset({f"127.0.0.1:{port}"})))
        with start_in_thread(
            Proxy(world.gate, market.url), no_control, gateway_at=("127.0.0.1", port)
        ):
            yield House(world, market, f"http://127.0.0.1:{port}", tmp_path)


@pytest.mark.clients
@pytest.mark.skipif(CLIENTS is None, reason="iocloud is missing: make setup")
def test_the_real_client_rents_with_no_key_but_the_sidecars_token(house: House) -> None:
    bob = house.world.stranger("bob")
    with sidecar(house.origin, house.wallet(bob)) as local:
        refused = house.iocloud(local, *DEPLOY, "--detach")
        assert refused.returncode != 0
        assert f"{PUBLIC_URL}/r/" in refused.stdout + refused.stderr
        assert not house.market.deployments

        house.world.attest(bob)
        done = house.iocloud(local, *DEPLOY, "--detach", "--json")
        assert done.returncode == 0, done.stderr
        deployment = json.loads(done.stdout)["id"]
        listed = house.iocloud(local, "deployment", "list", "--json")
        assert [row["id"] for row in json.loads(listed.stdout)] == [deployment]
        assert house.iocloud(local, "deployment", "delete", deployment, "--yes").returncode == 0
    assert house.world.store.deployment_owner(deployment) == bob.account
    assert TOKEN not in str(house.market.received)


def test_a_plain_tool_rents_and_each_request_is_a_wallet_proof(house: House) -> None:
    alice = house.world.renter("alice")
    house.world.store.note_wallet_proof(alice.account, at=house.world.now - 10**6)
    body = json.dumps(deploy()).encode()
    with sidecar(house.origin, house.wallet(alice)) as local:
        answer = local.ask(
            f"{CAAS}/deploy", "Content-Type: application/json", method="POST", body=body
        )
        assert status(answer) == 200, answer
        assert b"kycgate-permit" in answer.lower()
        deployment = json.loads(body_of(answer))["deployment_id"]
        assert status(local.ask(f"{CAAS}/deployment/{deployment}")) == 200
    (job,) = house.world.store.jobs_of(alice.account)
    assert job.idempotency_key is not None
    proved = house.world.store.wallet_proof_at(alice.account)
    assert proved is not None
    assert proved >= house.world.now


def test_a_gate_key_stays_with_the_sidecar(house: House) -> None:
    alice = house.world.renter("alice")
    with sidecar(house.origin, KeyProof(alice.secret, "x-api-key")) as local:
        answer = local.ask(f"{CAAS}/deployments")
        assert status(answer) == 200, answer
        assert alice.secret.encode() not in answer
        assert status(local.ask(f"{CAAS}/deployments", token=alice.secret)) == 401


def test_a_key_that_was_revoked_is_refused_at_the_gate(house: House) -> None:
    alice = house.world.renter("alice")
    house.world.store.revoke_key(alice.account, alice.secret[-12:], at=house.world.now)
    with sidecar(house.origin, KeyProof(alice.secret, "x-api-key")) as local:
        assert status(local.ask(f"{CAAS}/deployments")) == 403


# -- the command ---------------------------------------------------------------------------------


@contextmanager
def command(*words: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "kycgate", "sidecar", *words],
        env={"PATH": os.environ["PATH"], **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_the_command_listens_says_where_and_ends_when_told(tmp_path: Path) -> None:
    key = tmp_path / "key"
    generate_key(key)
    with (
        RawUpstream() as upstream,
        command(
            "--upstream", upstream.url, "--gate", "http://127.0.0.1:9",
            "--listen", "127.0.0.1:0", "--key-file", str(key),
            XDG_STATE_HOME=str(tmp_path / "state"),
        ) as running,
    ):  # fmt: skip
        assert running.stdout is not None
        port = int(running.stdout.readline().rpartition(":")[2])
        token_file = Path(running.stdout.readline().rpartition(" ")[2].strip())
        token = token_file.read_text().strip()
        assert status(Sidecar(port).ask("/x", token=token)) == 200
        assert upstream.seen[0].values(b"signature")
        assert status(Sidecar(port).ask("/x", token=None)) == 401
        running.send_signal(signal.SIGTERM)
        out, err = running.communicate(timeout=40)
    assert running.returncode == 0, err
    assert token not in out + err
    assert key.read_text().strip() not in out + err


@pytest.mark.parametrize(
    "words, said",
    [
        (("--listen", "0.0.0.0:8484"), "--listen"),
        (("--listen", "192.168.0.1:8484"), "--listen"),
        (("--listen", "nonsense"), "--listen"),
        (("--upstream", "http://market.example"), "https"),
        (("--body-limit", "1"), "--body-limit"),
        (("--proof", "key"), "KYCGATE_API_KEY"),
        (("--key", "ab" * 32), "unknown: --key"),
        (("--api-key", "kg_x"), "--api-key"),
        (("--proof", "key", "--as", "host"), "--as"),
    ],
)
def test_what_would_be_dangerous_or_wrong_is_refused_with_the_remedy(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    usual = ("--upstream", "http://127.0.0.1:9", "--gate", "http://127.0.0.1:9")
    environment = {"KYCGATE_RENTER_KEY": "11" * 32, "XDG_STATE_HOME": str(tmp_path)}
    if "--as" in words:
        environment["KYCGATE_API_KEY"] = "kg_" + "k" * 43
    with command(*usual, *words, **environment) as running:
        out, err = running.communicate(timeout=30)
    assert running.returncode not in (0, None)
    assert said in err, err
    assert "Traceback" not in err
    assert "11" * 32 not in out + err
