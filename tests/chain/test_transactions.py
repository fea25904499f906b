"""Transaction bytes, held against eth-account's."""

from __future__ import annotations

from eth_account import Account as EthAccount
from eth_account.typed_transactions import TypedTransaction
from hypothesis import given
from hypothesis import strategies as st

from kycgate.chain.transactions import Transaction, rlp
from kycgate.core.claims import Address, checksum
from kycgate.core.typed import keccak
from tests.chain_world import key

NUMBERS = st.one_of(st.integers(0, 300), st.integers(0, 2**200))


@given(
    nonce=st.integers(0, 2**32),
    fee=st.integers(0, 2**64),
    gas=st.integers(21_000, 2**32),
    to=st.none() | st.binary(min_size=20, max_size=20),
    value=NUMBERS,
    data=st.binary(max_size=300),
)
def test_digest_and_bytes_are_what_eth_account_makes(
    nonce: int, fee: int, gas: int, to: bytes | None, value: int, data: bytes
) -> None:
    receiver = Address(to) if to is not None else None
    ours = Transaction(31337, nonce, fee, 2 * fee, gas, receiver, value, data)
    fields = {
        "type": 2,
        "chainId": 31337,
        "nonce": nonce,
        "maxPriorityFeePerGas": fee,
        "maxFeePerGas": 2 * fee,
        "gas": gas,
        "value": value,
        "data": "0x" + data.hex(),
        **({"to": checksum(receiver)} if receiver is not None else {}),
    }
    assert ours.digest() == TypedTransaction.from_dict(fields).hash()
    theirs = EthAccount.sign_transaction(fields, keccak(b"renter")).raw_transaction
    assert ours.raw(key("renter").sign_digest(ours.digest())) == bytes(theirs)


def test_rlp_of_the_published_examples() -> None:
    lorem = b"Lorem ipsum dolor sit amet, consectetur adipisicing elit"
    assert rlp(b"dog") == b"\x83dog"
    assert rlp([b"cat", b"dog"]) == b"\xc8\x83cat\x83dog"
    assert rlp(b"") == rlp(0) == b"\x80"
    assert rlp(15) == b"\x0f"
    assert rlp(1024) == b"\x82\x04\x00"
    assert rlp([[], [[]], [[], [[]]]]) == bytes.fromhex("c7c0c1c0c3c0c1c0")
    assert rlp(lorem) == b"\xb8\x38" + lorem
