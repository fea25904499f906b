"""The examples run, and print what the README says they print."""

from __future__ import annotations

import json
import os
import runpy
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from kycgate.assembly import gateway_app, open_services
from kycgate.core.attestation import SignedAttestation, compose
from kycgate.core.claims import Account, Address, Claims, Digest, Kind, Level, checksum
from kycgate.core.eas import Domain
from kycgate.core.trust import TrustedIssuer, TrustList
from kycgate.core.typed import keccak
from kycgate.gateway.server import start_in_thread
from kycgate.keys import LocalSigner, generate_key, generate_secret
from kycgate.web.app import create_app
from tests.web.live import Late, listening

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
NOW = 1_795_000_000
ROOT, ISSUER = LocalSigner(keccak(b"example root")), LocalSigner(keccak(b"example issuer"))
SEPOLIA = Domain(
    "1.2.0", 11155111, Address(bytes.fromhex("c2679fbd37d54388ce493f1db75320d236e1815e"))
)
SINGAPORE, CHINA = 702, 156
BOT_SECRET = keccak(b"example bot")


def _attestation(name: str, ultimate: int) -> bytes:
    """An organisation in Singapore whose ultimate parent sits in `ultimate`. Deterministic."""
    claims = Claims(
        subject=Digest(keccak(b"subject " + name.encode())),
        kind=Kind.ORGANISATION,
        level=Level.SUBSTANTIAL,
        country=SINGAPORE,
        ultimate_country=ultimate,
        verified_at=NOW - 86_400,
        screened_at=NOW,
        epoch=0,
        policy=Digest(keccak(b"example verification rules")),
        evidence=Digest(keccak(b"evidence " + name.encode())),
    )
    wallet = LocalSigner(keccak(b"wallet " + name.encode())).address
    said = compose(
        claims, recipient=wallet, time=NOW, life_s=86_400, salt=keccak(b"salt " + name.encode())
    )
    sign = ISSUER.sign_digest
    return SignedAttestation.seal(said, SEPOLIA, signer=ISSUER.address, sign=sign).to_wire()


def _trust() -> bytes:
    issuer = TrustedIssuer(
        ISSUER.address, SEPOLIA.version, SEPOLIA.chain_id, SEPOLIA.eas, NOW - 86_400, None
    )
    trust = TrustList(1, NOW - 3600, NOW + 10 * 365 * 86_400, (issuer,), (), ROOT.address)
    return trust.to_wire(ROOT.sign_digest)


FILES = {
    "trust.json": _trust(),
    "singapore_company.json": _attestation("singapore", SINGAPORE),
    "subsidiary_of_shenzhen.json": _attestation("shenzhen", CHINA),
}


@pytest.mark.parametrize("name", FILES)
def test_the_signed_files_are_what_their_keys_sign(name: str) -> None:
    assert (EXAMPLES / "attestations" / name).read_bytes() == FILES[name]


def test_the_quickstart_pins_the_root_that_signed_its_trust_list() -> None:
    assert checksum(ROOT.address) in (EXAMPLES / "quickstart.py").read_text()


def _run(name: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name), *words],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=EXAMPLES.parent,
        env={**os.environ, "PYTHONPATH": str(EXAMPLES.parent), **environment},
        check=False,
    )


def test_the_quickstart_prints_one_allow_and_one_deny_with_reasons() -> None:
    done = _run("quickstart.py")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "Allow · singapore company"
    assert lines[1] == "Deny · subsidiary of shenzhen"
    assert "ultimate_country_restricted" in lines[2]
    assert all(line.startswith("     ") for line in lines[2:])


# -- the marketplace in Flask, and the bot that rents from it --------------------------------------

_CONFIG = """
[gate]
public_url = "{control}"
gateway_url = "{market}"

[marketplace]
name = "example"
upstream = "{bare}"
upstream_key = "file:upstream.key"

[keys]
issuer = "file:issuer.key"
permit = "file:permit.key"
log = "file:log.key"
vault = "file:vault.key"
assertion = "file:assertion.key"

[issuer]
chain_id = 11155111
eas = "0xC2679fBD37d54388Ce493F1DB75320D236e1815e"
eas_version = "1.2.0"

[screening]
max_age_s = 315360000
"""


@dataclass(frozen=True)
class Shop:
    """The example marketplace behind a real gate, with its control plane, on real sockets."""

    market: str
    control: str
    services: Any


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    for name in ("issuer", "permit", "log"):
        generate_key(tmp_path / f"{name}.key")
    for name in ("vault", "upstream", "assertion"):
        generate_secret(tmp_path / f"{name}.key")
    example = runpy.run_path(str(EXAMPLES / "flask_marketplace.py"))
    marketplace = example["create_app"]()
    market_app, control_app = Late(), Late()
    with (
        listening(marketplace) as bare,
        listening(market_app) as market,
        listening(control_app) as control,
    ):
        config = tmp_path / "kycgate.toml"
        config.write_text(_CONFIG.format(bare=bare, market=market, control=control))
        with open_services(config) as services:
            market_app.app = example["gated"](marketplace, services.gate)
            control_app.app = create_app(services.web)
            yield Shop(market, control, services)


def _bot(shop: Shop) -> subprocess.CompletedProcess[str]:
    words = ("--gate", shop.control, "--marketplace", shop.market)
    return _run("renter_bot.py", *words, KYCGATE_RENTER_KEY=BOT_SECRET.hex())


def test_the_bot_is_refused_then_verified_then_rents_from_the_flask_marketplace(
    shop: Shop,
) -> None:
    refused = _bot(shop)
    assert refused.returncode == 1, refused.stdout + refused.stderr
    assert json.loads(refused.stdout)["code"] == "missing:attestation"
    now = int(time.time())
    account = Account(LocalSigner(BOT_SECRET).address)
    details = {"name": "Ada Tanaka", "country": "SG"}
    case = shop.services.identity.open_case(account, Kind.PERSON, details, refusal_id=None, now=now)
    shop.services.identity.approve(
        case.id, reviewer="rita", reason="passport seen", level=Level.SUBSTANTIAL, now=now
    )
    rented = _bot(shop)
    assert rented.returncode == 0, rented.stdout + rented.stderr
    assert json.loads(rented.stdout)["data"] == {
        "deployment_id": "d-1",
        "status": "deploying",
        "gpus": 8,
    }


def test_a_stranger_reads_the_flask_marketplaces_catalogue_and_rents_nothing(shop: Shop) -> None:
    answer = requests.post(f"{shop.market}/enterprise/v1/io-cloud/caas/deploy", json={}, timeout=10)
    assert answer.status_code == 403
    assert f"{shop.control}/r/" in answer.text
    listed = requests.get(f"{shop.market}/enterprise/v1/io-cloud/caas/hardware", timeout=10)
    assert listed.json()["data"][0]["hardware_name"] == "H100 PCIe"


# -- the marketplace that acts on nothing else -----------------------------------------------------


def test_the_verifying_marketplace_rents_through_the_gate_only(tmp_path: Path) -> None:
    for name in ("issuer", "permit", "log"):
        generate_key(tmp_path / f"{name}.key")
    for name in ("vault", "upstream", "assertion"):
        generate_secret(tmp_path / f"{name}.key")
    inner, control = Late(), Late()

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        await proxies[0](scope, receive, send)

    proxies: list[Any] = []
    with listening(inner) as bare, listening(control) as control_origin, socket.socket() as spare:
        spare.bind(("127.0.0.1", 0))
        market = f"http://127.0.0.1:{spare.getsockname()[1]}"
        spare.close()
        example = runpy.run_path(str(EXAMPLES / "marketplace_verifies.py"))
        inner.app = example["create_app"](market, bare)
        config = tmp_path / "kycgate.toml"
        config.write_text(_CONFIG.format(bare=bare, market=market, control=control_origin))
        with open_services(config) as services:
            control.app = create_app(services.web)
            proxies.append(gateway_app(services))
            at = ("127.0.0.1", int(market.rpartition(":")[2]))
            with start_in_thread(outer, control.app, gateway_at=at):
                _verified_rent(Shop(market, control_origin, services), bare)


def _verified_rent(shop: Shop, bare: str) -> None:
    now = int(time.time())
    account = Account(LocalSigner(BOT_SECRET).address)
    details = {"name": "Ada Tanaka", "country": "SG"}
    case = shop.services.identity.open_case(account, Kind.PERSON, details, refusal_id=None, now=now)
    shop.services.identity.approve(
        case.id, reviewer="rita", reason="passport seen", level=Level.SUBSTANTIAL, now=now
    )
    rented = _bot(shop)
    assert rented.returncode == 0, rented.stdout + rented.stderr
    assert json.loads(rented.stdout)["data"]["renter"] == account.key
    path = "/enterprise/v1/io-cloud/caas"
    around = requests.post(f"{bare}{path}/deploy", json={}, timeout=10)
    assert (around.status_code, around.json()["code"]) == (403, "assertion_missing")
    assert requests.get(f"{bare}{path}/hardware", timeout=10).status_code == 200
