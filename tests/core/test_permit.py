"""A permit opens one job of one renter in one escrow, and is hashed as every wallet hashes it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from eth_abi import encode
from eth_account.messages import _hash_eip191_message, encode_typed_data
from eth_utils import keccak
from hypothesis import given
from hypothesis import strategies as st

from kycgate.core.claims import Digest, checksum
from kycgate.core.permit import InvalidPermit, SignedPermit, ValidPermit, job_id, verify
from kycgate.errors import Code, Malformed
from tests.core import world

WIRE = world.permit().to_wire()
FIELDS = {
    "Permit": (
        "bytes32 attestation,uint64 epoch,address renter,address escrow,bytes32 job,"
        "bytes32 terms,bytes32 policy,uint256 maxValue,uint64 deadline"
    ),
    "EIP712Domain": "string name,string version,uint256 chainId,address verifyingContract",
}


def judge(signed: SignedPermit, **changes: Any) -> ValidPermit | InvalidPermit:
    arguments: dict[str, Any] = {
        "signers": world.TRUST.permit_signers,
        "domain": world.PERMIT_DOMAIN,
        "renter": world.RENTER.address,
        "escrow": world.ESCROW,
        "job": world.JOB,
        "terms": world.TERMS,
        "value": 1,
        "now": world.NOW,
    }
    return verify(signed, **(arguments | changes))


def test_digest_is_what_eth_account_computes() -> None:
    document = json.loads(WIRE)
    numbers = {name: int(document["permit"][name]) for name in ("epoch", "maxValue", "deadline")}
    typed = {
        "primaryType": "Permit",
        "domain": document["domain"] | {"chainId": 1},
        "message": document["permit"] | numbers,
        "types": {
            name: [
                dict(zip(("type", "name"), field.split(), strict=True)) for field in text.split(",")
            ]
            for name, text in FIELDS.items()
        },
    }
    expected = _hash_eip191_message(encode_typed_data(full_message=typed))
    assert world.PERMIT.digest(world.PERMIT_DOMAIN) == expected


def test_terms_and_job_are_abi_encoded_hashes() -> None:
    typehash = keccak(b"Terms(address provider,address token,bytes32 request)")
    words = encode(
        ["bytes32", "address", "address", "bytes32"],
        [typehash, checksum(world.PROVIDER), checksum(world.TOKEN), world.REQUEST],
    )
    assert world.TERMS.struct_hash() == keccak(words)
    n = bytes.fromhex("f6" * 32)
    pair = encode(["address", "bytes32"], [checksum(world.RENTER.address), n])
    assert job_id(world.RENTER.address, n) == keccak(pair)


def test_wire_reads_back_and_is_stable() -> None:
    assert SignedPermit.from_wire(WIRE) == world.permit()
    assert SignedPermit.from_wire(WIRE).to_wire() == WIRE


def test_permit_opens_what_it_was_made_for() -> None:
    found = judge(world.permit())
    assert found == ValidPermit(world.PERMIT, world.PERMIT_KEY.address)


def test_permit_for_another_job_is_refused() -> None:
    found = judge(world.permit(), job=Digest(bytes(32)))
    assert isinstance(found, InvalidPermit)
    assert [reason.code for reason in found.reasons] == [Code.PERMIT_JOB]


def test_every_ground_is_named() -> None:
    other = replace(world.TERMS, token=world.EAS)
    found = judge(world.permit(), renter=world.EAS, terms=other, now=world.NOW + 301)
    assert isinstance(found, InvalidPermit)
    codes = [reason.code for reason in found.reasons]
    assert codes == [Code.PERMIT_RENTER, Code.PERMIT_TERMS, Code.PERMIT_EXPIRED]


def test_retired_permit_key_signs_nothing_more() -> None:
    retired = replace(world.TRUST.permit_signers[0], not_after=world.NOW - 1)
    found = judge(world.permit(), signers=[retired])
    assert isinstance(found, InvalidPermit)
    assert found.reasons[0].code is Code.PERMIT_SIGNER


@given(st.integers(0, len(WIRE) - 1), st.integers(0, 7))
def test_no_flipped_bit_stays_valid(place: int, bit: int) -> None:
    wire = bytearray(WIRE)
    wire[place] ^= 1 << bit
    try:
        read = SignedPermit.from_wire(bytes(wire))
    except Malformed:
        return
    assert isinstance(judge(read), InvalidPermit) or read == world.permit()


@given(st.binary(max_size=200))
def test_strange_bytes_are_malformed_and_nothing_else(data: bytes) -> None:
    with pytest.raises(Malformed):
        SignedPermit.from_wire(data)
