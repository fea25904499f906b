"""A contract account's signature, asked of the chain: yes, no, and could not tell."""

from __future__ import annotations

import json

import pytest
from eth_abi.abi import encode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kycgate.chain import Chain, check_contract_signature
from kycgate.chain.accounts import SIGNATURE_MOST, VALIDATOR
from kycgate.core.claims import Address
from kycgate.core.signature import Invalid, Undecided, Valid
from kycgate.core.typed import keccak
from tests.chain_world import Anvil, extra, free_port, key
from tests.tools import REPO

DIGEST = keccak(b"something signed")
OWNER, STRANGER, DEPLOYER = key("owner"), key("stranger"), key("deployer")
SALT = keccak(b"salt")
SUFFIX = bytes.fromhex("6492" * 16)


def deploy(anvil: Anvil, name: str, *arguments: object) -> Address:
    anvil.fund(DEPLOYER.address)
    return anvil.chain.deploy(DEPLOYER, extra(name).creation(*arguments))


def wrapped(factory: Address, prepare: bytes, signature: bytes) -> bytes:
    return encode(["address", "bytes", "bytes"], [factory, prepare, signature]) + SUFFIX


@pytest.fixture
def undeployed(anvil: Anvil) -> tuple[Address, Address, bytes]:
    """(wallet's future address, its factory, the call that creates it)."""
    factory = deploy(anvil, "WalletFactory")
    compiled = extra("WalletFactory")
    asked = compiled.encode("addressOf", OWNER.address, SALT)
    [text] = compiled.decode("addressOf", anvil.chain.call(factory, asked))
    wallet = Address(bytes.fromhex(text[2:]))
    return wallet, factory, compiled.encode("create", OWNER.address, SALT)


def test_the_validator_in_the_code_is_the_compiled_contract() -> None:
    path = REPO / "kycgate" / "settlement" / "artifacts" / "ValidateSig6492.json"
    assert json.loads(path.read_text())["bytecode"] == "0x" + VALIDATOR.hex()


def test_a_deployed_wallet_accepts_its_owners_signature(anvil: Anvil) -> None:
    wallet = deploy(anvil, "Wallet", OWNER.address)
    verdict = check_contract_signature(anvil.chain, wallet, DIGEST, OWNER.sign_digest(DIGEST))
    assert verdict == Valid(wallet)


@pytest.mark.parametrize(
    "signature",
    [STRANGER.sign_digest(DIGEST), OWNER.sign_digest(keccak(b"another")), b"", b"\x00" * 65],
    ids=["stranger", "another digest", "empty", "zeros"],
)
def test_a_deployed_wallet_refuses_a_forged_signature(anvil: Anvil, signature: bytes) -> None:
    wallet = deploy(anvil, "Wallet", OWNER.address)
    verdict = check_contract_signature(anvil.chain, wallet, DIGEST, signature)
    assert isinstance(verdict, Invalid)


def test_a_plain_key_is_no_contract_account(anvil: Anvil) -> None:
    signature = OWNER.sign_digest(DIGEST)
    verdict = check_contract_signature(anvil.chain, OWNER.address, DIGEST, signature)
    assert isinstance(verdict, Invalid)


def test_an_undeployed_wallet_accepts_its_owners_signature_and_stays_undeployed(
    anvil: Anvil, undeployed: tuple[Address, Address, bytes]
) -> None:
    wallet, factory, prepare = undeployed
    signature = wrapped(factory, prepare, OWNER.sign_digest(DIGEST))
    assert check_contract_signature(anvil.chain, wallet, DIGEST, signature) == Valid(wallet)
    assert anvil.chain.code(wallet) == b""


def test_an_undeployed_wallet_refuses_a_strangers_signature(
    anvil: Anvil, undeployed: tuple[Address, Address, bytes]
) -> None:
    wallet, factory, prepare = undeployed
    signature = wrapped(factory, prepare, STRANGER.sign_digest(DIGEST))
    verdict = check_contract_signature(anvil.chain, wallet, DIGEST, signature)
    assert isinstance(verdict, Invalid)


def test_a_factory_that_makes_somebody_elses_wallet_proves_nothing(
    anvil: Anvil, undeployed: tuple[Address, Address, bytes]
) -> None:
    wallet, factory, _ = undeployed
    theirs = extra("WalletFactory").encode("create", STRANGER.address, SALT)
    signature = wrapped(factory, theirs, STRANGER.sign_digest(DIGEST))
    verdict = check_contract_signature(anvil.chain, wallet, DIGEST, signature)
    assert isinstance(verdict, Invalid)


def test_a_wrapped_signature_still_counts_once_the_wallet_stands(
    anvil: Anvil, undeployed: tuple[Address, Address, bytes]
) -> None:
    wallet, factory, prepare = undeployed
    signature = wrapped(factory, prepare, OWNER.sign_digest(DIGEST))
    anvil.chain.send(DEPLOYER, factory, prepare)
    assert anvil.chain.code(wallet) != b""
    assert check_contract_signature(anvil.chain, wallet, DIGEST, signature) == Valid(wallet)


def test_an_undeployed_wallet_without_a_wrapper_is_refused(
    anvil: Anvil, undeployed: tuple[Address, Address, bytes]
) -> None:
    wallet = undeployed[0]
    verdict = check_contract_signature(anvil.chain, wallet, DIGEST, OWNER.sign_digest(DIGEST))
    assert isinstance(verdict, Invalid)


@pytest.mark.parametrize("number", [1, 2, 4, 9])
def test_a_precompile_signs_nothing(anvil: Anvil, number: int) -> None:
    """0x04 echoes its input, which begins with the magic value."""
    address = Address(number.to_bytes(20, "big"))
    signature = wrapped(address, b"", b"")
    verdict = check_contract_signature(anvil.chain, address, DIGEST, signature)
    assert isinstance(verdict, Invalid)


@pytest.mark.parametrize(
    "word",
    [b"\x00" * 32, b"\xff" * 32, bytes.fromhex("1626ba7e") + b"\x01" * 28, b"\x00" * 31 + b"\x01"],
    ids=["zero", "ones", "magic and rubbish", "true"],
)
def test_only_the_exact_magic_word_is_a_yes(anvil: Anvil, word: bytes) -> None:
    account = deploy(anvil, "Answers", word)
    verdict = check_contract_signature(anvil.chain, account, DIGEST, b"any")
    assert isinstance(verdict, Invalid)


def test_an_account_that_burns_all_gas_is_refused(anvil: Anvil) -> None:
    account = deploy(anvil, "Burns")
    verdict = check_contract_signature(anvil.chain, account, DIGEST, b"any")
    assert isinstance(verdict, Invalid)


def test_a_delegated_account_with_erc1271_is_asked(anvil: Anvil) -> None:
    """EIP-7702: the account's code is a pointer to a wallet's."""
    wallet = deploy(anvil, "Wallet", OWNER.address)
    account = key("delegated").address
    anvil.set_code(account, b"\xef\x01\x00" + wallet)
    signature = OWNER.sign_digest(DIGEST)
    assert check_contract_signature(anvil.chain, account, DIGEST, signature) == Valid(account)


def test_a_delegated_account_without_erc1271_is_refused_not_undecided(anvil: Anvil) -> None:
    """Its plain signature was tried before; here the answer is no, where others revert."""
    silent = deploy(anvil, "Silent")
    account = key("delegated").address
    anvil.set_code(account, b"\xef\x01\x00" + silent)
    signature = STRANGER.sign_digest(DIGEST)
    verdict = check_contract_signature(anvil.chain, account, DIGEST, signature)
    assert isinstance(verdict, Invalid)


def test_a_wrapper_that_cannot_be_read_is_refused_without_asking() -> None:
    chain = Chain([f"http://127.0.0.1:{free_port()}"], 1)
    for inside in (b"", b"\x01", b"\xff" * 96):
        verdict = check_contract_signature(chain, OWNER.address, DIGEST, inside + SUFFIX)
        assert isinstance(verdict, Invalid)
    chain.close()


def test_an_oversized_signature_is_refused_without_asking() -> None:
    chain = Chain([f"http://127.0.0.1:{free_port()}"], 1)
    verdict = check_contract_signature(chain, OWNER.address, DIGEST, bytes(SIGNATURE_MOST + 1))
    assert isinstance(verdict, Invalid)
    chain.close()


def test_the_longest_signature_still_fits_the_question(anvil: Anvil) -> None:
    wallet = deploy(anvil, "Wallet", OWNER.address)
    verdict = check_contract_signature(anvil.chain, wallet, DIGEST, bytes(SIGNATURE_MOST))
    assert isinstance(verdict, Invalid)


def test_a_silent_node_leaves_it_undecided() -> None:
    chain = Chain([f"http://127.0.0.1:{free_port()}"], 1)
    signature = OWNER.sign_digest(DIGEST)
    verdict = check_contract_signature(chain, OWNER.address, DIGEST, signature)
    assert isinstance(verdict, Undecided)
    chain.close()


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(inside=st.binary(max_size=300), wrap=st.booleans())
def test_no_bytes_make_a_stranger_the_owner(shared_anvil: Anvil, inside: bytes, wrap: bool) -> None:
    signature = inside + SUFFIX if wrap else inside
    verdict = check_contract_signature(shared_anvil.chain, STRANGER.address, DIGEST, signature)
    assert isinstance(verdict, Invalid)
