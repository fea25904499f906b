"""`kycgate export`: what it prints is taken by the contracts; what it must not sign it refuses."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from kycgate.cli import main
from kycgate.core.attestation import Domain, SignedAttestation, compose
from kycgate.core.claims import Address, Claims, Digest, Kind, Level, checksum
from kycgate.core.typed import keccak
from kycgate.keys import LocalSigner
from kycgate.settlement.compiled import artifact
from tests.settlement.conftest import KEYS, World
from tests.settlement.test_exports import OPEN, Identities, Violet, eat, identities, violet
from tests.settlement.test_onchain import ISSUER, SECRET, proxy_of, with_schema

__all__ = ["eat", "identities", "violet"]

RENTER = KEYS["renter"]
_EAS = artifact("EAS")


class Desk:
    """An operator's terminal: keys in the environment, an attestation in a file."""

    def __init__(
        self,
        world: World,
        folder: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        self.world, self._folder, self._capsys = world, folder, capsys
        for name, signer in {"ISSUER": "issuer", "PERMITS": "permits", "PAYER": "relayer"}.items():
            monkeypatch.setenv(name, keccak(signer.encode()).hex())
        monkeypatch.setenv("SECRET", SECRET.hex())

    def file(self, content: bytes) -> str:
        path = self._folder / "given.json"
        path.write_bytes(content)
        return str(path)

    def attestation(self, issuer: LocalSigner = ISSUER, age_s: int = 0) -> str:
        now = int(time.time()) - age_s
        zero = Digest(bytes(32))
        said = Claims(zero, Kind.PERSON, Level.LOW, 702, 702, now, now, 0, zero, zero)
        attestation = compose(said, recipient=RENTER.address, time=now, life_s=3600, salt=bytes(32))
        domain = Domain(self.world.at.eas_version, self.world.at.chain_id, self.world.at.eas)
        signed = SignedAttestation.seal(
            attestation, domain, signer=issuer.address, sign=issuer.sign_digest
        )
        return self.file(signed.to_wire())

    def chain(self, contract: Address | None = None) -> list[str]:
        line = ["--rpc", self.world.anvil.url, "--chain-id", str(self.world.at.chain_id)]
        line += ["--revoker", checksum(self.world.at.revoker)]
        return line if contract is None else [*line, "--contract", checksum(contract)]

    def run(self, *line: str) -> tuple[int, Any]:
        """(exit code, document)"""
        code = main(["export", *line, "--json"])
        out = self._capsys.readouterr().out
        return code, json.loads(out) if out else None

    def send(self, document: dict[str, Any], by: LocalSigner = RENTER) -> Any:
        to, data = Address(bytes.fromhex(document["to"][2:])), document["input"]
        return self.world.chain.send(by, to, bytes.fromhex(data[2:]))


@pytest.fixture
def desk(
    world: World,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Desk:
    world.anvil.mine_at(max(world.anvil.now + 1, int(time.time())))
    return Desk(world, tmp_path, capsys, monkeypatch)


OFFER = ["--key", "env:ISSUER", "--secret", "env:SECRET"]


def test_an_offer_is_sent_read_and_revoked_with_the_account(desk: Desk) -> None:
    chain = desk.chain(proxy_of(with_schema(desk.world)))
    code, document = desk.run("offer", desk.attestation(), *OFFER, *chain)
    assert code == 0
    receipt = desk.send(document)
    [event] = [event for log in receipt.logs if (event := _EAS.event(log.topics, log.data))]
    uid = "0x" + event.fields["uid"].hex()
    status = ["status", uid, "--issuer", checksum(ISSUER.address), *chain]
    assert desk.run(*status)[1]["verdict"] == "valid"
    revoke = ["revoke", "--key", "env:ISSUER", "--payer", "env:PAYER", *chain]
    assert desk.run(*revoke) == (0, {"revoked": []})
    desk.world.revoke(RENTER.address, 0)
    assert desk.run(*status) == (1, {"verdict": "invalid", "reason": "revoked_epoch"})
    assert desk.run(*revoke) == (0, {"revoked": [uid]})
    assert desk.run(*status) == (1, {"verdict": "invalid", "reason": "revoked_attestation"})


def test_what_does_not_stand_is_not_offered(desk: Desk) -> None:
    chain = desk.chain(with_schema(desk.world).at.eas)
    foreign = desk.attestation(KEYS["stranger"])
    assert desk.run("offer", foreign, *OFFER, *chain) == (1, None)
    old = desk.attestation(age_s=3601)
    assert desk.run("offer", old, *OFFER, *chain) == (1, None)
    good = desk.attestation()
    assert desk.run("offer", good, *OFFER, "--days", "31", *chain) == (64, None)
    desk.world.revoke(RENTER.address, 0)
    assert desk.run("offer", good, *OFFER, *chain) == (1, None)


def test_a_wrong_contract_or_a_silent_chain_is_said(desk: Desk) -> None:
    good = desk.attestation()
    escrow = desk.chain(desk.world.at.escrow)
    assert desk.run("offer", good, *OFFER, *escrow) == (64, None)
    silent = [*desk.chain(desk.world.at.eas), "--rpc", "http://127.0.0.1:1"]
    assert desk.run("offer", good, *OFFER, *silent) == (2, None)


def test_a_permit_becomes_a_token_that_opens_its_job(desk: Desk, eat: Violet) -> None:
    signed = desk.world.signed(deadline=int(time.time()) + 300)
    job = "0x" + signed.permit.job.hex()
    line = ["eat", desk.file(signed.to_wire()), "--key", "env:PERMITS", "--function", OPEN]
    line += ["--verifier", checksum(eat.verifier), "--target", checksum(eat.jobs), "--arguments"]
    code, document = desk.run(*line, json.dumps([job, "1000", "a note"]))
    assert (code, document["from"]) == (0, checksum(RENTER.address))
    desk.send(document)
    assert eat.renter_of(signed.permit.job) == "0x" + RENTER.address.hex()
    for arguments in ('["0x00", 1]', "[", "{}", json.dumps(["0x" + "05" * 32, 1, ""])):
        assert desk.run(*line, arguments) == (64, None)
    stranger = desk.world.sign(signed.permit, by="stranger")
    line[1] = desk.file(stranger.to_wire())
    assert desk.run(*line, json.dumps([job, "1000", ""])) == (1, None)


def test_an_attestation_becomes_a_claim_that_the_identity_takes(
    desk: Desk, identities: Identities
) -> None:
    line = ["erc735", desk.attestation(), *OFFER, *desk.chain()]
    line += ["--eas", checksum(desk.world.at.eas), "--identity", checksum(identities.identity)]
    code, document = desk.run(*line, "--claim-issuer", checksum(identities.claim_issuer))
    assert code == 0
    desk.send(document)
    assert identities.topics() == [int(document["topic"])]
