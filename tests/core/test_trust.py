"""The trust list is the root's, of today, and never older than one already seen."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from hypothesis import given
from hypothesis import strategies as st

from kycgate.core.claims import Address
from kycgate.core.trust import TrustList, UnsafeAnyRoot
from kycgate.errors import Code, Malformed, Refused
from tests.core import world

WIRE = world.TRUST.to_wire(world.ROOT.sign_digest)


def read(data: bytes = WIRE, **changes: Any) -> TrustList:
    arguments: dict[str, Any] = {
        "root": world.ROOT.address,
        "now": world.NOW,
        "lowest_sequence": 7,
    }
    return TrustList.from_wire(data, **(arguments | changes))


def refusal(**changes: Any) -> Code:
    with pytest.raises(Refused) as caught:
        read(**changes)
    return caught.value.reasons[0].code


def test_list_reads_back_and_is_stable() -> None:
    assert read() == world.TRUST
    assert read().to_wire(world.ROOT.sign_digest) == WIRE


def test_any_offline_wallet_can_sign_it() -> None:
    message = encode_defunct(primitive=world.TRUST.unsigned())
    made = Account.sign_message(message, private_key=bytes.fromhex("55" * 32))
    assert json.loads(WIRE)["signature"] == "0x" + made.signature.hex()
    assert world.TRUST.unsigned().startswith(b"kycgate trust list, version 1\n{")


def test_old_list_cannot_come_back() -> None:
    assert refusal(lowest_sequence=8) is Code.TRUST_ROLLBACK


@pytest.mark.parametrize("now", [world.NOW - 3601, world.NOW + 3600])
def test_list_counts_only_in_its_time(now: int) -> None:
    assert refusal(now=now) is Code.TRUST_EXPIRED


def test_list_of_another_root_is_refused() -> None:
    assert refusal(root=world.STRANGER.address) is Code.TRUST_SIGNATURE
    assert read(root=UnsafeAnyRoot()).root == world.ROOT.address


def test_changed_list_is_refused() -> None:
    document = json.loads(WIRE)
    document["list"]["expires_at"] += 1
    assert refusal(data=json.dumps(document).encode()) is Code.TRUST_SIGNATURE


def test_high_s_signature_of_the_root_is_refused() -> None:
    def sign(digest: bytes) -> bytes:
        return world.high_s(world.ROOT.sign_digest(digest))

    assert refusal(data=world.TRUST.to_wire(sign)) is Code.TRUST_SIGNATURE


@pytest.mark.parametrize(
    "old, new",
    [
        ('"sequence":7', '"sequence":7,"sequence":8'),
        ('"sequence":7', '"sequence":7.0'),
        ('"sequence":7', '"sequence":-1'),
        ('"sequence":7', '"sequence":7,"extra":1'),
        ('"not_after":null', '"not_after":"never"'),
        ('"issuers":[', '"issuers":["",'),
    ],
)
def test_what_reads_two_ways_is_refused(old: str, new: str) -> None:
    assert old in WIRE.decode()
    with pytest.raises(Malformed):
        read(WIRE.decode().replace(old, new).encode())


def test_zero_address_is_nobodys_key() -> None:
    nobody = replace(world.TRUSTED, address=Address(bytes(20)))
    data = replace(world.TRUST, issuers=(nobody,)).to_wire(world.ROOT.sign_digest)
    with pytest.raises(Malformed, match="nobody"):
        read(data)


@given(st.binary(max_size=200))
def test_strange_bytes_are_malformed_and_nothing_else(data: bytes) -> None:
    with pytest.raises(Malformed):
        read(data)
