"""The examples run, and print what the README says they print."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kycgate.core.attestation import SignedAttestation, compose
from kycgate.core.claims import Address, Claims, Digest, Kind, Level, checksum
from kycgate.core.eas import Domain
from kycgate.core.trust import TrustedIssuer, TrustList
from kycgate.core.typed import keccak
from kycgate.keys import LocalSigner

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
NOW = 1_795_000_000
ROOT, ISSUER = LocalSigner(keccak(b"example root")), LocalSigner(keccak(b"example issuer"))
SEPOLIA = Domain(
    "1.2.0", 11155111, Address(bytes.fromhex("c2679fbd37d54388ce493f1db75320d236e1815e"))
)
SINGAPORE, CHINA = 702, 156


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
