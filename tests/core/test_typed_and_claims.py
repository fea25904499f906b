"""Hashes, addresses and claims are exactly what Ethereum's own tools make of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_abi import encode
from eth_account.messages import _hash_eip191_message, encode_defunct
from eth_utils import keccak as reference_keccak
from eth_utils import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from kycgate.core import claims, eas, permit, typed
from kycgate.core.claims import Account, Action, Address, Claims, JobRequest
from kycgate.errors import Malformed
from tests.core import world

ADDRESSES = st.binary(min_size=20, max_size=20).map(Address)


@given(st.binary(max_size=400))
def test_keccak_is_ethereums(data: bytes) -> None:
    assert typed.keccak(data) == reference_keccak(data)


@pytest.mark.parametrize(
    "typehash, preimage",
    [
        (
            typed.DOMAIN_TYPEHASH,
            b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)",
        ),
        (
            eas.ATTEST_TYPEHASH,
            b"Attest(uint16 version,bytes32 schema,address recipient,uint64 time,"
            b"uint64 expirationTime,bool revocable,bytes32 refUID,bytes data,bytes32 salt)",
        ),
        (
            permit.PERMIT_TYPEHASH,
            b"Permit(bytes32 attestation,uint64 epoch,address renter,address escrow,bytes32 job,"
            b"bytes32 terms,bytes32 policy,uint256 maxValue,uint64 deadline)",
        ),
        (permit.TERMS_TYPEHASH, b"Terms(address provider,address token,bytes32 request)"),
    ],
)
def test_typehash_is_the_hash_of_its_preimage(typehash: bytes, preimage: bytes) -> None:
    assert typehash == reference_keccak(preimage)


@given(st.binary(max_size=300))
def test_personal_digest_is_what_wallets_sign(message: bytes) -> None:
    expected = _hash_eip191_message(encode_defunct(primitive=message))
    assert typed.personal_digest(message) == expected


@given(ADDRESSES)
def test_checksum_is_eip55_and_reads_back(address: Address) -> None:
    text = claims.checksum(address)
    assert text == to_checksum_address(address)
    for spelling in (text, text.lower(), "0x" + text[2:].upper()):
        assert claims.parse_address(spelling) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x",
        "0x" + "0" * 39,
        "0x" + "0" * 41,
        "00" * 21,
        "0x" + "g" * 40,
        "0X" + "0" * 40,
        "0x" + "0" * 40 + "\n",
        "0x" + "٠" * 40,
        "0xa1207F3BBa224E2c9c3c6D5aF63D0eb1582Ce587",
    ],
)
def test_what_is_no_address_is_refused_by_field(text: str) -> None:
    with pytest.raises(Malformed) as caught:
        claims.parse_address(text, field="renter")
    assert caught.value.field == "renter"


def test_account_key_reads_back_and_names_the_chain_of_a_contract() -> None:
    for account in (Account(world.EAS), Account(world.EAS, 8453)):
        assert Account.from_key(account.key) == account
    assert Account(world.EAS, 8453).key.startswith("eip155:8453:0xa1207f")
    assert Account(world.EAS).caip10(1).startswith("eip155:1:0xA1207F")
    with pytest.raises(Malformed):
        Account.from_key(claims.checksum(world.EAS))


def test_claims_are_abi_encoded_by_the_schema() -> None:
    types = [word.split()[0] for word in claims.SCHEMA_TEXT.split(",")]
    said = world.CLAIMS
    expected = encode(
        types,
        [
            said.subject,
            int(said.kind),
            int(said.level),
            said.country,
            said.ultimate_country,
            said.verified_at,
            said.screened_at,
            said.epoch,
            said.policy,
            said.evidence,
        ],
    )
    assert said.encode() == expected
    assert Claims.decode(expected) == said


@given(st.binary(max_size=400))
def test_decoding_strange_claims_refuses_or_round_trips(data: bytes) -> None:
    try:
        found = Claims.decode(data)
    except Malformed:
        return
    assert found.encode() == data


@given(st.integers(0, 319), st.integers(1, 255))
def test_no_two_encodings_of_one_statement(place: int, flip: int) -> None:
    data = bytearray(world.SAID.data)
    data[place] ^= flip
    try:
        other = Claims.decode(bytes(data))
    except Malformed:
        return
    assert other != Claims.decode(world.SAID.data)


@pytest.mark.parametrize(
    "changes",
    [{"country": 1000}, {"country": -1}, {"epoch": 2**64}, {"verified_at": -1}, {"policy": b""}],
)
def test_claims_out_of_range_are_never_encoded(changes: dict[str, int]) -> None:
    with pytest.raises(Malformed):
        replace(world.CLAIMS, **changes).encode()


def job(**changes: object) -> JobRequest:
    rent = JobRequest("ionet", Action.RENT, "H100", 8, None, 10**20, None, None)
    return replace(rent, **changes)


def test_job_request_is_canonical_json_with_every_member() -> None:
    assert job().canonical() == (
        b'{"action":"rent","end_user":null,"gpu_count":8,"gpu_model":"H100","hours":null,'
        b'"marketplace":"ionet","resource":null,"value":"100000000000000000000"}'
    )
    assert job().digest() != job(gpu_count=9).digest()


@pytest.mark.parametrize("changes", [{"hours": 1.5}, {"gpu_count": -1}, {"value": True}])
def test_job_request_has_whole_numbers_only(changes: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        job(**changes).canonical()
