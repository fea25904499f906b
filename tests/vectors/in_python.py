"""Each file of vectors, judged by Python: (verdict, reason) as the vector states them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from kycgate.core import attestation, permit, trust
from kycgate.core.attestation import SignedAttestation
from kycgate.core.claims import Address, parse_address
from kycgate.core.proof import HttpRequest, UndecidedContract, verify_request, verify_siwe
from kycgate.core.signature import Invalid
from kycgate.core.wire import digest, uint
from kycgate.errors import Code, Malformed
from kycgate.settlement.revocations import revocation_key

Verdict = tuple[str, str | None]


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
    try:
        signed = permit.SignedPermit.from_wire(entry["input"].encode())
    except Malformed as error:
        return "invalid", error.code
    return _hold(signed, entry)


def judge_permit_bytes(entry: dict[str, Any]) -> Verdict:
    """As a contract is asked: the signature apart from the document that can't hold it."""
    document = json.loads(entry["input"])
    text = json.dumps(document | {"signature": "0x" + "00" * 65})
    signature = bytes.fromhex(entry["onchain"]["signature"][2:])
    return _hold(replace(permit.SignedPermit.from_wire(text.encode()), signature=signature), entry)


def _hold(signed: permit.SignedPermit, entry: dict[str, Any]) -> Verdict:
    context = entry["context"]
    found = permit.verify(
        signed,
        signers=[
            trust.PermitSigner(**item | {"address": parse_address(item["address"])})
            for item in context["signers"]
            # A killed key leaves the list: off chain that is all there is to it.
            if item["address"] not in context["killed"]
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
        return "invalid", found.reasons[0].code
    return "valid", None


def judge_proof(found: object) -> Verdict:
    if isinstance(found, Invalid):
        return "invalid", found.reason.code
    if isinstance(found, UndecidedContract):
        return "undecided", found.needs
    return "valid", None


def judge_request(entry: dict[str, Any]) -> Verdict:
    given = entry["input"]
    request = HttpRequest(
        **given
        | {
            "headers": tuple(tuple(pair) for pair in given["headers"]),
            "body": given["body"].encode(),
        }
    )
    max_age_s = entry["context"]["max_age_s"]
    return judge_proof(verify_request(request, now=entry["now"], max_age_s=max_age_s))


def judge_sign_in(entry: dict[str, Any]) -> Verdict:
    given, context = entry["input"], entry["context"]
    signature = bytes.fromhex(given["signature"][2:])
    return judge_proof(verify_siwe(given["message"], signature, **context, now=entry["now"]))


def judge_revocation(entry: dict[str, Any]) -> Verdict:
    given = entry["input"]
    key = revocation_key(parse_address(given["renter"]), uint(given["epoch"], field="epoch"))
    marks = entry["context"]["published"]
    if {"by": "revoker", "mark": "0x" + key.hex()} in marks:
        return "invalid", Code.REVOKED_EPOCH
    return "valid", None


JUDGES = {
    "attestation.json": judge_attestation,
    "permit.json": judge_permit,
    "request.json": judge_request,
    "revocation.json": judge_revocation,
    "siwe.json": judge_sign_in,
}
