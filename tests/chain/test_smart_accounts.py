"""One matrix: every make of account, every kind of signature, one verdict each."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from kycgate.chain import Chain, ContractWallets, check_contract_signature
from kycgate.core.claims import Account
from kycgate.core.signature import Invalid, Undecided, Valid, Verdict, recover
from kycgate.core.typed import keccak
from tests.chain.wallets import (
    DELEGATED,
    DELEGATION,
    DEPLOYER,
    MAKES,
    OWNER,
    SECOND,
    STRANGER,
    SafeFactory,
    SmartAccount,
    delegated_with_1271,
    delegated_without_1271,
    deployed,
    safe_signature,
    small_wallet_to_come,
    wrapped,
)
from tests.chain_world import CHAIN_ID, Anvil, extra, free_port

DIGEST = keccak(b"something signed")


@pytest.fixture(scope="module", params=MAKES)
def account(request: pytest.FixtureRequest, shared_anvil: Anvil) -> Iterator[SmartAccount]:
    """One account of each make; the matrix reads and leaves no trace."""
    snapshot = shared_anvil.chain.ask("evm_snapshot")
    shared_anvil.fund(DEPLOYER.address)
    yield MAKES[request.param](shared_anvil)
    shared_anvil.chain.ask("evm_revert", snapshot)


def verdict(anvil: Anvil, account: SmartAccount, digest: bytes, signature: bytes) -> Verdict:
    """As every door asks: the account's own key first, then its code."""
    plain = recover(digest, signature)
    if isinstance(plain, Valid) and plain.signer == account.address:
        return plain
    return ContractWallets({CHAIN_ID: anvil.chain})(
        Account(account.address, CHAIN_ID), digest, signature
    )


def test_its_own_signature_counts(shared_anvil: Anvil, account: SmartAccount) -> None:
    signature = account.signs(DIGEST)
    assert verdict(shared_anvil, account, DIGEST, signature) == Valid(account.address)


def _of_another_digest(account: SmartAccount) -> bytes:
    return account.signs(keccak(b"something else"))


def _of_a_stranger(account: SmartAccount) -> bytes:
    return account.wrap(STRANGER.sign_digest(DIGEST))


def _of_a_stranger_with_another_safe(account: SmartAccount) -> bytes:
    return account.wrap(safe_signature(account.address, STRANGER)(DIGEST))


def _empty(account: SmartAccount) -> bytes:
    return account.wrap(b"")


def _zeros(account: SmartAccount) -> bytes:
    return account.wrap(bytes(65))


def _cut_short(account: SmartAccount) -> bytes:
    return account.wrap(account.sign(DIGEST)[:-1])


def _forged_wrapper(account: SmartAccount) -> bytes:
    """ERC-6492 as it was forged elsewhere: a factory that does nothing, and no owner's word."""
    return wrapped(STRANGER.address, b"\x01\x02\x03\x04", STRANGER.sign_digest(DIGEST))


def _wrapper_that_echoes(account: SmartAccount) -> bytes:
    """0x04 gives back what it is asked, magic value included."""
    identity = bytes(19) + b"\x04"
    return wrapped(identity, bytes.fromhex("1626ba7e"), bytes.fromhex("1626ba7e") + bytes(28))


def _wrapper_within_a_wrapper(account: SmartAccount) -> bytes:
    inner = wrapped(STRANGER.address, b"", STRANGER.sign_digest(DIGEST))
    return wrapped(STRANGER.address, b"", inner)


@pytest.mark.parametrize(
    "forge",
    [
        _of_another_digest,
        _of_a_stranger,
        _of_a_stranger_with_another_safe,
        _empty,
        _zeros,
        _cut_short,
        _forged_wrapper,
        _wrapper_that_echoes,
        _wrapper_within_a_wrapper,
    ],
)
def test_what_its_owner_did_not_sign_is_refused_not_undecided(
    shared_anvil: Anvil, account: SmartAccount, forge: Callable[[SmartAccount], bytes]
) -> None:
    assert isinstance(verdict(shared_anvil, account, DIGEST, forge(account)), Invalid)


def test_a_silent_chain_decides_about_no_contract(account: SmartAccount) -> None:
    chain = Chain([f"http://127.0.0.1:{free_port()}"], CHAIN_ID, timeout_s=1)
    said = check_contract_signature(chain, account.address, DIGEST, account.signs(DIGEST))
    chain.close()
    assert isinstance(said, Undecided)


def test_a_chain_without_a_connection_decides_about_nobody(
    shared_anvil: Anvil, account: SmartAccount
) -> None:
    """A contract on one chain says nothing of the same address on another."""
    ask = ContractWallets({CHAIN_ID: shared_anvil.chain})
    for chain_id in (1, None):
        elsewhere = Account(account.address, chain_id)
        assert isinstance(ask(elsewhere, DIGEST, account.signs(DIGEST)), Undecided)


# -- the Safe --------------------------------------------------------------------------------------


@pytest.fixture
def safes(anvil: Anvil) -> SafeFactory:
    anvil.fund(DEPLOYER.address)
    return SafeFactory.on(anvil)


def test_a_safe_wants_as_many_owners_as_it_says(anvil: Anvil, safes: SafeFactory) -> None:
    safe = safes.safe(anvil, stands=True)
    for owners in ([OWNER], [SECOND], [OWNER, STRANGER]):
        signature = safe_signature(safe.address, *owners)(DIGEST)
        assert isinstance(verdict(anvil, safe, DIGEST, signature), Invalid)


def test_owners_signatures_for_another_safe_of_theirs_are_refused(
    anvil: Anvil, safes: SafeFactory
) -> None:
    one, other = (safes.safe(anvil, stands=True, salt=salt) for salt in (1, 2))
    assert isinstance(verdict(anvil, other, DIGEST, one.signs(DIGEST)), Invalid)


def test_owners_signatures_of_the_bare_digest_are_refused(anvil: Anvil, safes: SafeFactory) -> None:
    """What owners signed as themselves is not the Safe's word."""
    safe = safes.safe(anvil, stands=True)
    in_order = sorted((OWNER, SECOND), key=lambda owner: owner.address)
    signature = b"".join(owner.sign_digest(DIGEST) for owner in in_order)
    assert isinstance(verdict(anvil, safe, DIGEST, signature), Invalid)


def test_a_safe_to_come_leaves_no_trace_and_counts_when_it_has_come(
    anvil: Anvil, safes: SafeFactory
) -> None:
    safe = safes.safe(anvil, stands=False)
    signature = safe.signs(DIGEST)
    assert verdict(anvil, safe, DIGEST, signature) == Valid(safe.address)
    assert anvil.chain.code(safe.address) == b""
    assert isinstance(verdict(anvil, safe, DIGEST, safe.sign(DIGEST)), Invalid)
    safes.safe(anvil, stands=True)
    assert anvil.chain.code(safe.address) != b""
    for each in (signature, safe.sign(DIGEST)):
        assert verdict(anvil, safe, DIGEST, each) == Valid(safe.address)


def test_a_wrapper_that_makes_another_safe_proves_nothing(anvil: Anvil, safes: SafeFactory) -> None:
    """The stranger's own Safe comes about, signed by the stranger; the address claimed does not."""
    safe = safes.safe(anvil, stands=False)
    theirs = safes.creation([STRANGER.address, SECOND.address], salt=9)
    forged = safe_signature(safe.address, STRANGER, SECOND)(DIGEST)
    signature = wrapped(safes.factory, theirs, forged)
    assert isinstance(verdict(anvil, safe, DIGEST, signature), Invalid)


# -- EIP-7702 --------------------------------------------------------------------------------------


def test_a_delegation_is_a_real_one(anvil: Anvil) -> None:
    anvil.fund(DEPLOYER.address)
    account = delegated_with_1271(anvil)
    code = anvil.chain.code(account.address)
    assert code.startswith(DELEGATION)
    assert len(code) == 23
    assert account.address == DELEGATED.address


def test_a_delegated_keys_own_signature_still_counts(anvil: Anvil) -> None:
    """It can undo the delegation at any time: it is still the account's."""
    anvil.fund(DEPLOYER.address)
    account = delegated_with_1271(anvil)
    signature = DELEGATED.sign_digest(DIGEST)
    assert verdict(anvil, account, DIGEST, signature) == Valid(account.address)


def test_a_delegate_without_1271_answers_no_and_not_nothing(anvil: Anvil) -> None:
    """The usual validator reverts here, and a verifier then takes a no for an outage."""
    anvil.fund(DEPLOYER.address)
    account = delegated_without_1271(anvil)
    said = check_contract_signature(
        anvil.chain, account.address, DIGEST, STRANGER.sign_digest(DIGEST)
    )
    assert isinstance(said, Invalid)


def test_a_delegation_to_nothing_signs_nothing(anvil: Anvil) -> None:
    account = SmartAccount(DELEGATED.address, OWNER.sign_digest)
    for target in (bytes(19) + b"\x04", STRANGER.address, DELEGATED.address):
        anvil.set_code(DELEGATED.address, DELEGATION + target)
        assert isinstance(verdict(anvil, account, DIGEST, account.signs(DIGEST)), Invalid)
    assert verdict(anvil, account, DIGEST, DELEGATED.sign_digest(DIGEST)) == Valid(account.address)


def test_a_factory_cannot_speak_for_a_plain_key(anvil: Anvil) -> None:
    anvil.fund(DEPLOYER.address)
    coming = small_wallet_to_come(anvil)
    plain = SmartAccount(STRANGER.address, OWNER.sign_digest, coming.wrap)
    assert isinstance(verdict(anvil, plain, DIGEST, plain.signs(DIGEST)), Invalid)


def test_an_account_that_says_yes_to_everybody_binds_nobody_else(anvil: Anvil) -> None:
    """Whoever deploys such code gives their own account away, not another's."""
    anvil.fund(DEPLOYER.address)
    yes = bytes.fromhex("1626ba7e") + bytes(28)
    careless = deployed(anvil, "Answers", yes)
    call = extra("WalletFactory").encode("create", STRANGER.address, keccak(b"salt"))
    signature = wrapped(careless, call, b"anything")
    assert check_contract_signature(anvil.chain, careless, DIGEST, b"anything") == Valid(careless)
    owned = SmartAccount(OWNER.address, OWNER.sign_digest)
    assert isinstance(verdict(anvil, owned, DIGEST, signature), Invalid)
