"""From a configuration to a stranger's attestation by a wallet credential, over real HTTP.

Only the wallet is a trial one: gate, office, store, request objects and routes are the product's.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from kycgate.assembly import Services, control_app, gateway_app, load_config, open_services
from kycgate.cli import main
from kycgate.client.control import ControlPlane
from kycgate.demo.trial_files import wallet_from_wire, wallet_to_wire
from kycgate.demo.trial_issuer import Holder, TrialIssuer
from kycgate.demo.trial_wallet import Wallet, answer_dc_request, follow_link
from kycgate.errors import Misconfigured
from kycgate.gateway.server import start_in_thread
from kycgate.keys import LocalSigner
from kycgate.store import open_store
from tests.operating import set_up

ALICE = LocalSigner(b"\x11" * 32)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def configured(folder: Path, *, environment: str = "test", **credentials: Any) -> Path:
    """What an operator has who pinned the trial issuer."""
    control = free_port()
    public_url = f"http://127.0.0.1:{control}"
    assert main(["trial", "issuer", str(folder / "trial"), "--gate", public_url]) == 0
    return set_up(
        folder,
        gate={"public_url": public_url, "control_listen": f"127.0.0.1:{control}"},
        identity={"environment": environment},
        screening={"max_age_s": 3 * 365 * 86_400},
        credentials={
            "pid_roots": ["trial/root.pem"],
            "mdl_roots": ["trial/root.pem"],
            "certificate": "trial/client.pem",
            "certificate_key": "file:trial/client.key",
        }
        | credentials,
    )


@contextmanager
def running(path: Path) -> Iterator[tuple[Services, Wallet]]:
    with open_services(path) as services:
        config = services.config
        with start_in_thread(
            gateway_app(services),
            control_app(services),
            gateway_at=("127.0.0.1", 0),
            control_at=config.gate.control_listen,
        ):
            wallet = wallet_from_wire((path.parent / "trial" / "wallet.json").read_bytes())
            yield services, wallet


@contextmanager
def signed_in(services: Services) -> Iterator[requests.Session]:
    """A tool that signed in; its answers are read as JSON."""
    gate = services.config.gate.public_url
    plane = ControlPlane(gate)
    token = plane.sign_in(ALICE, chain_id=8453, clock=time.time).token
    plane.close()
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        yield session


@pytest.mark.parametrize("way", ["dc", "redirect"])
def test_a_stranger_with_a_wallet_is_attested_in_one_visit(tmp_path: Path, way: str) -> None:
    with running(configured(tmp_path)) as (services, wallet), signed_in(services) as renter:
        gate, now = services.config.gate.public_url, int(time.time())
        [ways] = renter.get(f"{gate}/v1/ways").json().values()
        assert [(each["id"], each["live"]) for each in ways][:1] == [("credential", False)]
        begun = renter.post(f"{gate}/v1/presentations", json={"mode": way}).json()
        if way == "dc":
            answer: dict[str, Any] = answer_dc_request(
                begun["request"], wallet, origin=gate, now=now
            )
        else:
            address = follow_link(begun["deep_link"], wallet, now=now, wallet_nonce="w")
            [code] = parse_qs(urlsplit(address).fragment)["response_code"]
            answer = {"response_code": code}
        one = f"{gate}/v1/presentations/{begun['id']}"
        told = renter.post(f"{one}/response", json=answer)
        assert told.json()["state"] == "accepted", told.text
        status = renter.get(f"{gate}/v1/status").json()
        assert status["state"] == "approved"
        assert status["case"]["level"] == 3
        assert status["attestation"] is not None
        assert renter.get(f"{gate}/v1/attestation").status_code == 200


def test_a_credential_whose_status_nobody_can_tell_goes_to_a_reviewer(tmp_path: Path) -> None:
    """No host of status lists is named, so none is asked: neither approved nor revoked."""
    path = configured(tmp_path)
    now = int(time.time())
    issuer = TrialIssuer.new(at=now - 60)
    at = {"status_list": {"idx": 1, "uri": "https://status.example/1"}}
    wallet = Wallet.new(issuer, Holder(), at=now - 60, status=at)
    (tmp_path / "trial" / "root.pem").write_bytes(issuer.root_pem())
    (tmp_path / "trial" / "wallet.json").write_bytes(wallet_to_wire(wallet))
    with running(path) as (services, held), signed_in(services) as renter:
        gate = services.config.gate.public_url
        begun = renter.post(f"{gate}/v1/presentations", json={"mode": "dc"}).json()
        answer = answer_dc_request(begun["request"], held, origin=gate, now=now)
        one = f"{gate}/v1/presentations/{begun['id']}"
        assert renter.post(f"{one}/response", json=answer).json()["state"] == "accepted"
        status = renter.get(f"{gate}/v1/status").json()
        assert (status["state"], status["attestation"]) == ("checking", None)
        services.verifying.tick_credentials(0)
        assert renter.get(f"{gate}/v1/status").json()["state"] == "checking"


def test_a_live_gate_does_not_start_with_the_trial_issuer_pinned(tmp_path: Path) -> None:
    path = configured(tmp_path, environment="live")
    with pytest.raises(Misconfigured) as raised, open_services(path):
        pass
    told = "\n".join(raised.value.problems)
    assert "test issuer" in told
    assert "root.pem" in told


def test_without_roots_credentials_are_not_offered(tmp_path: Path) -> None:
    path = configured(tmp_path, pid_roots=None, mdl_roots=None)
    with open_services(path) as services:
        assert services.verifying.presentations is None
        assert services.web.presentations is None
        services.verifying.tick_credentials(0)


@pytest.mark.parametrize(
    "changes, problem",
    [
        ({"pid_roots": ["none.pem"]}, "none.pem"),
        ({"pid_roots": ["kycgate.toml"]}, "no PEM"),
        ({"certificate": "trial/root.pem"}, "not the certificate's"),
        ({"certificate_key": None}, "both or neither"),
        ({"certificate_key": "file:keys/issuer.key"}, "holds no PEM"),
        ({"client_id": "x509_san_dns", "certificate": "trial/client.pem"}, None),
        ({"client_id": "redirect_uri"}, "x509_san_dns"),
        ({"types": ["passport"]}, "pid-sd-jwt"),
        ({"status_hosts": ["https://status.example"]}, "host name"),
        ({"wallet_scheme": "java script"}, "scheme"),
    ],
)
def test_a_wrong_setting_is_named(
    tmp_path: Path, changes: dict[str, Any], problem: str | None
) -> None:
    path = configured(tmp_path, **changes)
    if problem is None:
        with open_services(path) as services:
            assert services.verifying.presentations is not None
        return
    with pytest.raises(Misconfigured, match=problem), open_services(path):
        pass


def test_the_trial_commands_answer_a_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(configured(tmp_path)) as (services, _), signed_in(services) as renter:
        gate = services.config.gate.public_url
        file = str(tmp_path / "trial" / "wallet.json")
        linked = renter.post(f"{gate}/v1/presentations", json={"mode": "redirect"}).json()
        capsys.readouterr()
        assert main(["trial", "present", linked["deep_link"], "--wallet", file, "--json"]) == 0
        assert f"presentation={linked['id']}" in json.loads(capsys.readouterr().out)["redirect_uri"]
        begun = renter.post(f"{gate}/v1/presentations", json={"mode": "dc"}).json()
        words = ["trial", "answer", "--origin", gate, "--wallet", file]
        done = subprocess.run(
            [sys.executable, "-m", "kycgate", *words],
            input=json.dumps(begun["request"]).encode(),
            capture_output=True,
            timeout=60,
            check=True,
        )
        one = f"{gate}/v1/presentations/{begun['id']}/response"
        assert renter.post(one, json=json.loads(done.stdout)).json()["state"] == "accepted"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"credentials":[{}]}', '{"credentials":5}'])
def test_a_wallet_file_that_is_none_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "wallet.json"
    file.write_text(content)
    assert main(["trial", "present", "openid4vp://?a=b", "--wallet", str(file)]) == 64


def test_trial_files_are_never_overwritten(tmp_path: Path) -> None:
    folder = str(tmp_path / "trial")
    assert main(["trial", "issuer", folder]) == 0
    before = (tmp_path / "trial" / "wallet.json").read_bytes()
    assert main(["trial", "issuer", folder]) == 64
    assert (tmp_path / "trial" / "wallet.json").read_bytes() == before


def test_a_running_presentation_leaves_no_name_in_the_database(tmp_path: Path) -> None:
    path = configured(tmp_path)
    with running(path) as (services, wallet), signed_in(services) as renter:
        gate = services.config.gate.public_url
        begun = renter.post(f"{gate}/v1/presentations", json={"mode": "redirect"}).json()
        follow_link(begun["deep_link"], wallet, now=int(time.time()))
        held = services.store.presentation(begun["id"])
        assert held is not None
        assert held.state == "received"
    config = load_config(path)
    open_store(config.store_url).close()
    files = [p.read_bytes() for p in tmp_path.glob("kycgate.sqlite3*")]
    assert files
    assert all(b"Lovelace" not in content for content in files)
