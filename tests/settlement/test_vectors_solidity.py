"""The published vectors, run by contracts: the same verdict and the same reason as in Python."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from kycgate.core.attestation import SignedAttestation
from kycgate.core.signature import Valid, recover
from kycgate.errors import Malformed
from tests.vectors import load
from tests.vectors.in_python import JUDGES, judge_permit_bytes
from tests.vectors.on_chain import OnChain

FILES = ("permit.json", "replay.json", "revocation.json", "attestation.json")


@pytest.fixture(scope="module")
def on_chain() -> Iterator[OnChain]:
    contracts = OnChain()
    yield contracts
    contracts.close()


def cases(*names: str) -> list[Any]:
    return [
        pytest.param(name, entry, id=f"{name}: {entry['name']}")
        for name in names
        for entry in load(name)
    ]


@pytest.mark.parametrize(("name", "entry"), cases(*FILES))
def test_the_contract_gives_the_vectors_verdict_and_reason(
    on_chain: OnChain, name: str, entry: dict[str, Any]
) -> None:
    said = on_chain.judge(name, entry)
    if said is None:
        assert name == "attestation.json" or entry["reason"] == "malformed"
        return
    stated = entry.get("onchain", entry)
    assert said == (stated["expected"], stated["reason"])


@pytest.mark.parametrize(("name", "entry"), cases(*FILES))
def test_both_languages_agree(on_chain: OnChain, name: str, entry: dict[str, Any]) -> None:
    said = on_chain.judge(name, entry)
    if said is None or name not in JUDGES:
        return
    apart = "signature" in entry.get("onchain", ())
    python = judge_permit_bytes(entry) if apart else JUDGES[name](entry)
    # The one spelling that a contract takes and a document can't hold.
    assert (said == python) is not (entry["name"] == "compact signature (EIP-2098)")


@pytest.mark.parametrize("entry", [pytest.param(e, id=e["name"]) for e in load("attestation.json")])
def test_attestations_hash_alike_in_both_languages(
    on_chain: OnChain, entry: dict[str, Any]
) -> None:
    try:
        signed = SignedAttestation.from_wire(entry["input"].encode())
    except Malformed:
        return
    package = json.loads(entry["input"])
    digest = signed.attestation.digest(signed.domain)
    verdict = recover(digest, signed.signature)
    signer = verdict.signer if isinstance(verdict, Valid) else bytes(20)
    found = on_chain.hashes(package.get("sig", package))
    assert found == (signed.attestation.uid(), digest, signer)


def test_the_vectors_hold_the_whole_adversarial_list() -> None:
    """DESIGN, section 9, as far as a contract is concerned."""
    names = {entry["name"] for name in FILES for entry in load(name)}
    for wanted in (
        "high s",
        "v 0",
        "v 1",
        "compact signature (EIP-2098)",
        "trailing byte in the signature",
        "made for the zero address",
        "another chain",
        "signed for another contract",
        "another job",
        "another renter",
        "another request",
        "one base unit too much",
        "a second too late",
        "deadline too far ahead",
        "signer not valid yet",
        "signer killed",
        "signed by a stranger",
        "this epoch revoked",
        "the same permit twice",
        "duplicate key",
    ):
        assert wanted in names
