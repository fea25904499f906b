"""Every vector gives its verdict, and the generator gives every vector."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kycgate.core import attestation, permit, trust
from kycgate.core.attestation import SignedAttestation
from kycgate.core.claims import Address, parse_address
from kycgate.core.proof import HttpRequest, UndecidedContract, verify_request, verify_siwe
from kycgate.core.signature import Invalid
from kycgate.core.wire import digest
from kycgate.errors import Code, Malformed
from tests.vectors import generate

FOLDER = Path(generate.__file__).parent
Verdict = tuple[str, str | None]


def load(name: str) -> list[Any]:
    entries = json.loads((FOLDER / name).read_bytes())
    return [pytest.param(entry, id=entry["name"]) for entry in entries]


class Revoked:
    """A revocation view out of a vector's context."""

    def __init__(self, marks: dict[str, Any]) -> None:
        self._issuers = [parse_address(text) for text in marks["issuers"]]
        self._epochs = {parse_address(text): epoch for text, epoch in marks["epochs"]}
        self._uids = [digest(text, field="uid") for text in marks["uids"]]

    def revoked(
        self, *, issuer: Address, domain: bytes, uid: bytes, account: Address, epoch: int
    ) -> Code | None:
        if issuer in self._issuers:
            return Code.REVOKED_ISSUER
        if epoch <= self._epochs.get(account, -1):
            return Code.REVOKED_EPOCH
        return Code.REVOKED_ATTESTATION if uid in self._uids else None


def judge_attestation(entry: dict[str, Any]) -> Verdict:
    context = entry["context"]
    issuers = tuple(
        trust.TrustedIssuer(
            **item | {name: parse_address(item[name]) for name in ("address", "eas")}
        )
        for item in context["issuers"]
    )
    root = parse_address("0x" + "00" * 20)
    try:
        signed = SignedAttestation.from_wire(entry["input"].encode())
    except Malformed as error:
        return "invalid", error.code
    found = attestation.verify(
        signed,
        trust=trust.TrustList(1, 0, context["trust_expires_at"], issuers, (), root),
        revocations=Revoked(context["revoked"]),
        recipient=parse_address(context["recipient"]),
        schema=digest(context["schema"], field="schema"),
        now=entry["now"],
    )
    if isinstance(found, attestation.InvalidAttestation):
        return "invalid", found.reason.code
    return "valid", None


def judge_permit(entry: dict[str, Any]) -> Verdict:
    context = entry["context"]
    try:
        signed = permit.SignedPermit.from_wire(entry["input"].encode())
    except Malformed as error:
        return "invalid", error.code
    found = permit.verify(
        signed,
        signers=[
            trust.PermitSigner(**item | {"address": parse_address(item["address"])})
            for item in context["signers"]
        ],
        domain=permit.PermitDomain(context["chain_id"], parse_address(context["contract"])),
        renter=parse_address(context["renter"]),
        escrow=parse_address(context["escrow"]),
        job=digest(context["job"], field="job"),
        terms=permit.Terms(
            parse_address(context["provider"]),
            parse_address(context["token"]),
            digest(context["request"], field="request"),
        ),
        value=int(context["value"]),
        now=entry["now"],
    )
    if isinstance(found, permit.InvalidPermit):
        assert len(found.reasons) == 1, found
        return "invalid", found.reasons[0].code
    return "valid", None


def judge_proof(found: object) -> Verdict:
    if isinstance(found, Invalid):
        return "invalid", found.reason.code
    if isinstance(found, UndecidedContract):
        return "undecided", found.needs
    return "valid", None


@pytest.mark.parametrize("entry", load("attestation.json"))
def test_attestation_gets_the_verdict_of_its_vector(entry: dict[str, Any]) -> None:
    assert judge_attestation(entry) == (entry["expected"], entry["reason"])


@pytest.mark.parametrize("entry", load("permit.json"))
def test_permit_gets_the_verdict_of_its_vector(entry: dict[str, Any]) -> None:
    assert judge_permit(entry) == (entry["expected"], entry["reason"])


@pytest.mark.parametrize("entry", load("request.json"))
def test_signed_request_gets_the_verdict_of_its_vector(entry: dict[str, Any]) -> None:
    given = entry["input"]
    request = HttpRequest(
        **given
        | {
            "headers": tuple(tuple(pair) for pair in given["headers"]),
            "body": given["body"].encode(),
        }
    )
    found = verify_request(request, now=entry["now"], max_age_s=entry["context"]["max_age_s"])
    assert judge_proof(found) == (entry["expected"], entry["reason"])


@pytest.mark.parametrize("entry", load("siwe.json"))
def test_sign_in_gets_the_verdict_of_its_vector(entry: dict[str, Any]) -> None:
    given, context = entry["input"], entry["context"]
    found = verify_siwe(
        given["message"], bytes.fromhex(given["signature"][2:]), **context, now=entry["now"]
    )
    assert judge_proof(found) == (entry["expected"], entry["reason"])


@pytest.mark.parametrize("name", generate.FILES)
def test_vectors_are_what_the_generator_writes(name: str) -> None:
    assert (FOLDER / name).read_bytes() == generate.document(name)
