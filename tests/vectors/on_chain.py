"""The vectors judged by Solidity: contracts on a real EVM, asked for their own words.

Reads the vectors' JSON by itself: no reader, hash or verifier of the package stands in between.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from kycgate.chain import Artifact, Chain, Reverted
from kycgate.core.claims import Address, checksum
from kycgate.settlement.compiled import artifact
from kycgate.settlement.deploy import Roles, deploy_all
from tests.chain_world import Anvil, extra, key
from tests.core import world

Verdict = tuple[str, str | None]

GENESIS = world.NOW - 10 * 365 * 86400
"""Before every moment in the vectors: a chain's clock only runs forward."""

_LAST = 2**48 - 1
_PERMIT = (
    "attestation",
    "epoch",
    "renter",
    "escrow",
    "job",
    "terms",
    "policy",
    "maxValue",
    "deadline",
)
_NUMBERS = ("epoch", "maxValue", "deadline")
ROOT, DEPLOYER, PUBLISHER, STRANGER = (
    key(f"vectors {name}") for name in ("root", "deployer", "publisher", "stranger")
)
_ROLES = Roles(
    root=ROOT.address,
    # In force at the contract's own place only: where a vector puts its code, no key is yet.
    permit_signer=STRANGER.address,
    publisher=PUBLISHER.address,
    compliance=DEPLOYER.address,
    licensor=STRANGER.address,
)


def code_of(refusal: Reverted, *known: Artifact) -> str:
    """A custom error's name as a reason code: `PermitSigner` → `permit_signer`."""
    names = (compiled.error(refusal.data) for compiled in known)
    name = next((name for name in names if name), None)
    # What can't even be decoded reverts without a word.
    return "malformed" if name is None else re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def address(text: str) -> Address:
    return Address(bytes.fromhex(text[2:]))


class OnChain:
    """One chain with EAS and the contracts under test; a vector leaves no trace on it."""

    def __init__(self) -> None:
        self.anvil = Anvil(chain_id=1, genesis=GENESIS)
        self.chain: Chain = self.anvil.chain
        for signer in (ROOT, DEPLOYER, PUBLISHER, STRANGER, world.RENTER):
            self.anvil.fund(signer.address)
        self.permits, self.escrow = extra("PermitVectors"), artifact("GPURentalEscrow")
        self.attestations = extra("AttestationVectors")
        self._hashes = self._deploy(self.attestations)
        self.at = deploy_all(self.chain, DEPLOYER, _ROLES, hold_s=86400, addition_delay_s=0)
        gate = self._deploy(self.permits, self.at.eas, self.at.revoker, ROOT.address)
        self._code = {
            "gate": self.chain.code(gate),
            "escrow": self.chain.code(self.at.escrow),
        }

    def close(self) -> None:
        self.anvil.close()

    def judge(self, name: str, entry: dict[str, Any]) -> Verdict | None:
        """The contracts' verdict and reason; None where no contract is concerned."""
        judge = self.judges().get(name)
        if judge is None or entry.get("onchain", "") is None:
            return None
        before = self.chain.ask("evm_snapshot")
        try:
            return judge(entry)
        finally:
            self.chain.ask("anvil_setChainId", 1)
            self.chain.ask("evm_revert", before)

    def judges(self) -> dict[str, Callable[[dict[str, Any]], Verdict | None]]:
        return {
            "attestation.json": self.attestation,
            "permit.json": self.permit,
            "replay.json": self.replay,
            "revocation.json": self.revocation,
        }

    # -- permits ---------------------------------------------------------------------------------
    def permit(self, entry: dict[str, Any]) -> Verdict:
        context = entry["context"]
        gate = address(context["contract"])
        self._stand("gate", gate, context)
        document = json.loads(entry["input"])
        terms = tuple(context[name] for name in ("provider", "token", "request"))
        data = self.permits.encode(
            "check",
            _permit_words(document["permit"]),
            _bytes(entry["onchain"].get("signature", document["signature"])),
            context["renter"],
            _bytes(context["job"]),
            (terms[0], terms[1], _bytes(terms[2])),
            int(context["value"]),
        )
        self.chain.ask("anvil_setChainId", context["chain_id"])
        try:
            self._call_at(gate, data, entry["now"])
        except Reverted as refusal:
            return "invalid", code_of(refusal, self.permits)
        return "valid", None

    def replay(self, entry: dict[str, Any]) -> Verdict:
        """On the escrow itself: the job records are its own."""
        context = entry["context"]
        escrow = address(context["escrow"])
        self._stand("escrow", escrow, context)
        *earlier, last = entry["input"]
        self.anvil.at(entry["now"] - 1)
        for document in earlier:
            self._open(escrow, context, document)
        self.anvil.at(entry["now"])
        try:
            self._open(escrow, context, last)
        except Reverted as refusal:
            return "invalid", code_of(refusal, self.escrow)
        return "valid", None

    def _open(self, escrow: Address, context: dict[str, Any], document: str) -> None:
        given = json.loads(document)
        terms = (context["provider"], context["token"], _bytes(context["request"]))
        amount = int(context["value"])
        words = _permit_words(given["permit"])
        data = self.escrow.encode(
            "open",
            _bytes(given["permit"]["job"]),
            terms,
            amount,
            1000,
            words,
            _bytes(given["signature"]),
        )
        self.chain.send(world.RENTER, escrow, data, value=amount)

    # -- attestations ----------------------------------------------------------------------------
    def attestation(self, entry: dict[str, Any]) -> Verdict | None:
        """What a contract can say of the bytes: uid, signer, and whether an issuer it is.

        None for every other rule, and for texts that are no document.
        """
        decided = (None, "signature_invalid", "uid_mismatch", "issuer_unknown")
        if entry["reason"] not in decided:
            return None
        package = json.loads(entry["input"])
        document = package.get("sig", package)
        uid, _, signer = self.hashes(document)
        if signer == bytes(20) or package.get("signer", checksum(signer)) != checksum(signer):
            return "invalid", "signature_invalid"
        if checksum(signer) not in [issuer["address"] for issuer in entry["context"]["issuers"]]:
            return "invalid", "issuer_unknown"
        if uid != _bytes(document["uid"]):
            return "invalid", "uid_mismatch"
        return "valid", None

    def hashes(self, document: dict[str, Any]) -> tuple[bytes, bytes, Address]:
        """(uid, digest, signer) of a document in the EAS SDK's form, from the contract."""
        said, domain, signed = document["message"], document["domain"], document["signature"]
        words = (
            int(said["version"]),
            _bytes(said["schema"]),
            said["recipient"],
            int(said["time"]),
            int(said["expirationTime"]),
            said["revocable"],
            _bytes(said["refUID"]),
            _bytes(said["data"]),
            _bytes(said["salt"]),
        )
        where = (domain["version"], int(domain["chainId"]), domain["verifyingContract"])
        signature = _bytes(signed["r"]) + _bytes(signed["s"]) + bytes([signed["v"]])
        asked = self.attestations.encode("hashes", words, where, signature)
        answer = self.chain.call(self._hashes, asked)
        uid, digest, signer = self.attestations.decode("hashes", answer)
        return uid, digest, address(signer)

    # -- revocation marks ------------------------------------------------------------------------
    def revocation(self, entry: dict[str, Any]) -> Verdict:
        for mark in entry["context"]["published"]:
            self._publish(mark["by"], _bytes(mark["mark"]))
        self.anvil.set_code(world.ESCROW, self._code["gate"])
        given = entry["input"]
        asked = self.permits.encode("revokedAt", given["renter"], int(given["epoch"]))
        since = int.from_bytes(self.chain.call(world.ESCROW, asked), "big")
        return ("invalid", "revoked_epoch") if since else ("valid", None)

    def _publish(self, by: str, mark: bytes) -> None:
        if by == "revoker":
            data = artifact("Revoker").encode("publish", [mark])
            self.chain.send(PUBLISHER, self.at.revoker, data)
        else:
            self.chain.send(STRANGER, self.at.eas, artifact("EAS").encode("revokeOffchain", mark))

    # -- inside ----------------------------------------------------------------------------------
    def _stand(self, kind: str, place: Address, context: dict[str, Any]) -> None:
        """Put the contract where the vector wants it, with exactly the vector's keys."""
        self.anvil.set_code(place, self._code[kind])
        for signer in context["signers"]:
            self._add(place, signer)
        for killed in context["killed"]:
            self.chain.send(ROOT, place, self.permits.encode("killKey", killed))

    def _add(self, place: Address, signer: dict[str, Any]) -> None:
        last = _LAST if signer["not_after"] is None else signer["not_after"]
        data = self.permits.encode("addKey", signer["address"], signer["not_before"], last)
        try:
            self.chain.send(ROOT, place, data)
        except Reverted as refusal:
            # The one key that no contract takes: what a failed recovery yields.
            if self.permits.error(refusal.data) != "KeyInvalid" or int(signer["address"], 16):
                raise

    def _call_at(self, to: Address, data: bytes, now: int) -> None:
        """`eth_call` in a block of that time."""
        call = {"to": checksum(to), "data": "0x" + data.hex()}
        self.chain.ask("eth_call", call, "latest", {}, {"time": hex(now)})

    def _deploy(self, compiled: Artifact, *arguments: Any) -> Address:
        return self.chain.deploy(DEPLOYER, compiled.creation(*arguments))


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def _permit_words(permit: dict[str, str]) -> tuple[Any, ...]:
    return tuple(_word(name, permit[name]) for name in _PERMIT)


def _word(name: str, text: str) -> Any:
    if name in _NUMBERS:
        return int(text)
    return text if name in ("renter", "escrow") else _bytes(text)
