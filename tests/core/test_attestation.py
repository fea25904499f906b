"""Attestations: read in one way, judged by every rule, the same for the EAS SDK and for us."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kycgate.core import eas
from kycgate.core.attestation import (
    ForeignAttestation,
    InvalidAttestation,
    SignedAttestation,
    UnsafeAnyRecipient,
    UnsafeAnySchema,
    UnsafeNoRevocations,
    ValidAttestation,
    compose,
    verify_foreign,
)
from kycgate.core.claims import Address, Digest, checksum
from kycgate.core.trust import TrustedIssuer, TrustList
from kycgate.errors import Code, Malformed, Unavailable
from tests.conftest import RunNode
from tests.core import world

WIRE = world.signed().to_wire()

SDK_SIGN = """
const { Offchain } = require('@ethereum-attestation-service/eas-sdk');
const { Wallet } = require('ethers');
const offchain = new Offchain({ address: input.eas, version: '1.4.0', chainId: 1n }, 2, null);
const said = { ...input.said, time: BigInt(input.said.time),
  expirationTime: BigInt(input.said.expirationTime) };
answer(await offchain.signOffchainAttestation(said, new Wallet(input.key)));
"""
SDK_VERIFY = """
const { Offchain } = require('@ethereum-attestation-service/eas-sdk');
const offchain = new Offchain({ address: input.eas, version: '1.4.0', chainId: 1n }, 2, null);
const document = JSON.parse(input.document);
answer(offchain.verifyOffchainAttestationSignature(input.signer, document));
"""


def foreign(signed: SignedAttestation, **changes: Any) -> ForeignAttestation | InvalidAttestation:
    arguments: dict[str, Any] = {
        "trust": world.TRUST,
        "revocations": UnsafeNoRevocations(),
        "recipient": UnsafeAnyRecipient(),
        "schema": UnsafeAnySchema(),
        "now": world.NOW,
    }
    return verify_foreign(signed, **(arguments | changes))


def test_valid_attestation_says_what_was_signed() -> None:
    found = world.judge(world.signed())
    assert isinstance(found, ValidAttestation)
    assert found.claims == world.CLAIMS
    assert (found.issuer, found.account) == (world.ISSUER.address, world.RENTER.address)
    assert found.uid == world.SAID.uid()
    assert found.expires_at == world.SAID.expiration_time
    assert found.domain == world.DOMAIN.separator


def test_wire_reads_back_and_is_stable() -> None:
    read = SignedAttestation.from_wire(WIRE)
    assert replace(read, signer=world.ISSUER.address) == world.signed()
    assert read.to_wire() == WIRE


def test_view_that_cannot_tell_is_neither_yes_nor_no() -> None:
    class Stale:
        def revoked(self, **_: object) -> Code | None:
            raise Unavailable("the view is old")

    with pytest.raises(Unavailable):
        world.judge(world.signed(), revocations=Stale())


def test_view_is_asked_about_issuer_domain_uid_account_and_epoch() -> None:
    asked: list[dict[str, object]] = []

    class Asked:
        def revoked(self, **question: object) -> Code | None:
            asked.append(question)
            return None

    world.judge(world.signed(), revocations=Asked())
    assert asked == [
        {
            "issuer": world.ISSUER.address,
            "domain": world.DOMAIN.separator,
            "uid": world.SAID.uid(),
            "account": world.RENTER.address,
            "epoch": 3,
        }
    ]


def test_view_is_not_asked_about_what_is_invalid_anyway() -> None:
    class Untouched:
        def revoked(self, **_: object) -> Code | None:
            raise AssertionError("asked")

    found = world.judge(world.signed(key=world.STRANGER), revocations=Untouched())
    assert isinstance(found, InvalidAttestation)


def test_uid_covers_neither_issuer_nor_domain() -> None:
    other = world.signed(key=world.STRANGER)
    assert other.uid == world.signed().uid
    assert other.signature != world.signed().signature


def test_foreign_attestation_never_opens_the_gate() -> None:
    said = replace(world.SAID, data=b"hello", expiration_time=0, ref_uid=Digest(b"\1" * 32))
    found = foreign(world.signed(replace(said, schema=Digest(b"\2" * 32))))
    assert isinstance(found, ForeignAttestation)
    assert found.expires_at is None
    assert not isinstance(found, ValidAttestation)


@pytest.mark.parametrize(
    "changes, code",
    [
        ({"expiration_time": world.NOW}, Code.EXPIRED),
        ({"time": world.NOW + 1}, Code.NOT_YET_VALID),
        ({"revocable": False}, Code.NOT_REVOCABLE),
    ],
)
def test_any_schema_lifts_no_other_rule(changes: dict[str, Any], code: Code) -> None:
    found = foreign(world.altered(**changes))
    assert isinstance(found, InvalidAttestation)
    assert found.reason.code is code


def test_foreign_schema_by_name_keeps_the_life_rule() -> None:
    schema = Digest(b"\2" * 32)
    found = foreign(world.altered(schema=schema, expiration_time=0), schema=schema)
    assert isinstance(found, InvalidAttestation)
    assert found.reason.code is Code.LIFE_TOO_LONG


def test_empty_trust_list_trusts_nobody() -> None:
    found = world.judge(world.signed(), trust=replace(world.TRUST, issuers=()))
    assert found.reason.code is Code.ISSUER_UNKNOWN


def test_pinned_list_trusts_one_issuer_under_one_domain() -> None:
    trust = TrustList.pinned(TrustedIssuer(world.ISSUER.address, "1.4.0", 1, world.EAS, 0, None))
    assert isinstance(world.judge(world.signed(), trust=trust), ValidAttestation)
    found = world.judge(world.signed(key=world.STRANGER), trust=trust)
    assert found.reason.code is Code.ISSUER_UNKNOWN


def test_compose_hides_the_hour_of_the_visit() -> None:
    claims = replace(world.CLAIMS, verified_at=world.NOW - 5)
    said = compose(
        claims, recipient=world.RENTER.address, time=world.NOW, life_s=60, salt=b"\1" * 32
    )
    found = world.judge(world.signed(said))
    assert found.claims.verified_at % 86400 == 0
    assert found.claims.verified_at <= claims.verified_at


@pytest.mark.parametrize(
    "changes",
    [
        {"life_s": 86401},
        {"life_s": 0},
        {"salt": b""},
        {"recipient": Address(bytes(20))},
        {"time": -1},
        {"time": 2**64},
    ],
)
def test_compose_refuses_what_verify_would(changes: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {
        "recipient": world.RENTER.address,
        "time": world.NOW,
        "life_s": 60,
        "salt": b"\1" * 32,
    }
    with pytest.raises(Malformed):
        compose(world.CLAIMS, **(arguments | changes))


# -- strange bytes -------------------------------------------------------------------------------
@given(st.binary(max_size=300))
def test_strange_bytes_are_malformed_and_nothing_else(data: bytes) -> None:
    with pytest.raises(Malformed):
        SignedAttestation.from_wire(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(st.data(), JSON)
def test_any_json_in_any_place_is_read_or_malformed(data: st.DataObject, value: Any) -> None:
    document = json.loads(WIRE)
    parent = document
    if data.draw(st.booleans()):
        parent = document[data.draw(st.sampled_from(["domain", "message", "types", "signature"]))]
    parent[data.draw(st.sampled_from([*parent, "extra"]))] = value
    wire = json.dumps(document).encode()
    try:
        read = SignedAttestation.from_wire(wire)
    except Malformed:
        return
    assert SignedAttestation.from_wire(read.to_wire()) == read


@given(st.integers(0, len(WIRE) - 1), st.integers(0, 255))
def test_a_changed_byte_reads_the_same_by_place_and_by_parsing(place: int, byte: int) -> None:
    wire = WIRE[:place] + bytes([byte]) + WIRE[place + 1 :]
    # A leading space is no part of the usual layout: the parser reads the second one.
    readings = []
    for text in (wire, b" " + wire):
        try:
            readings.append(SignedAttestation.from_wire(text))
        except Malformed:
            readings.append(None)
    assert readings[0] == readings[1]


@given(st.integers(0, len(WIRE) - 1), st.integers(0, 7))
def test_no_flipped_bit_stays_valid(place: int, bit: int) -> None:
    wire = bytearray(WIRE)
    wire[place] ^= 1 << bit
    try:
        read = SignedAttestation.from_wire(bytes(wire))
    except Malformed:
        return
    found = world.judge(read)
    # Hex digits may be written in either case where no hash covers the text.
    assert isinstance(found, InvalidAttestation) or read == SignedAttestation.from_wire(WIRE)


def test_our_own_documents_are_read_by_place() -> None:
    assert eas._read_usual(WIRE) == eas._read_any(WIRE)


# -- the EAS SDK, both ways ----------------------------------------------------------------------
@pytest.mark.node
def test_what_the_sdk_signs_is_read_and_valid_here(run_node: RunNode) -> None:
    said = world.SAID
    document = run_node(
        SDK_SIGN,
        {
            "eas": checksum(world.EAS),
            "key": "0x" + "11" * 32,
            "said": {
                "schema": "0x" + said.schema.hex(),
                "recipient": checksum(said.recipient),
                "time": said.time,
                "expirationTime": said.expiration_time,
                "revocable": True,
                "refUID": "0x" + "00" * 32,
                "data": "0x" + said.data.hex(),
                "salt": "0x" + said.salt.hex(),
            },
        },
    )
    wire = json.dumps(document, separators=(",", ":")).encode()
    read = SignedAttestation.from_wire(wire)
    assert isinstance(world.judge(read), ValidAttestation)
    assert read.uid == said.uid()
    # Both signers are deterministic: the SDK writes our very bytes.
    assert json.loads(WIRE) == document
    pretty = json.dumps({"sig": document, "signer": checksum(world.ISSUER.address)}, indent=2)
    assert isinstance(world.judge(SignedAttestation.from_wire(pretty.encode())), ValidAttestation)


@pytest.mark.node
@pytest.mark.parametrize("key, expected", [(world.ISSUER, True), (world.STRANGER, False)])
def test_what_we_sign_the_sdk_verifies(run_node: RunNode, key: Any, expected: bool) -> None:
    given = {
        "eas": checksum(world.EAS),
        "document": WIRE.decode(),
        "signer": checksum(key.address),
    }
    assert run_node(SDK_VERIFY, given) is expected


@pytest.mark.node
def test_schema_uid_is_the_registrys(run_node: RunNode) -> None:
    script = """
    const { SchemaRegistry } = require('@ethereum-attestation-service/eas-sdk');
    answer(SchemaRegistry.getSchemaUID(input, '0x' + '00'.repeat(20), true));
    """
    from kycgate.core.claims import SCHEMA_TEXT, SCHEMA_UID

    assert run_node(script, SCHEMA_TEXT) == "0x" + SCHEMA_UID.hex()
