"""`kycgate attestation verify --rpc` against the deployed EAS contract on a real chain."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from kycgate.cli import main
from kycgate.core.attestation import SignedAttestation, compose
from kycgate.core.claims import checksum
from kycgate.core.eas import Domain
from kycgate.settlement.compiled import artifact
from tests.chain_world import key
from tests.core.world import CLAIMS
from tests.settlement.conftest import World


def verdict(
    capsys: pytest.CaptureFixture[str], path: Path, issuer: str, *words: str
) -> tuple[int, str]:
    code = main(["attestation", "verify", str(path), "--issuer", issuer, *words, "--json"])
    said = json.loads(capsys.readouterr().out)
    return code, f"{said['verdict']} {said['revocation']}"


def test_a_mark_on_the_deployed_eas_contract_revokes(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    issuer, renter = key("issuer"), key("renter")
    world.anvil.fund(issuer.address)
    deployed, now = world.at, int(time.time())
    said = compose(
        replace(CLAIMS, verified_at=0, screened_at=0),
        recipient=renter.address,
        time=now - 60,
        life_s=3600,
        salt=bytes(31) + b"\x01",
    )
    domain = Domain(deployed.eas_version, deployed.chain_id, deployed.eas)
    signed = SignedAttestation.seal(said, domain, signer=issuer.address, sign=issuer.sign_digest)
    path = tmp_path / "attestation.json"
    path.write_bytes(signed.to_wire())
    words = ("--rpc", world.anvil.url)
    name = checksum(issuer.address)
    assert verdict(capsys, path, name, *words) == (0, "valid clear")
    data = artifact("EAS").encode("revokeOffchain", signed.uid)
    world.chain.send(issuer, deployed.eas, data)
    assert verdict(capsys, path, name, *words) == (1, "invalid revoked")
    assert verdict(capsys, path, name) == (0, "valid not_checked")
