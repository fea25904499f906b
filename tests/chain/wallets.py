"""Accounts of every make on a real chain: a Safe as its authors compiled it, delegated keys, more.

Holds no assertions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from eth_abi.abi import encode
from eth_account import Account as EthAccount

from kycgate.chain import Artifact
from kycgate.core.claims import ZERO_ADDRESS, Address, checksum
from kycgate.core.typed import keccak, typed_digest, word_address, word_uint
from kycgate.keys import LocalSigner
from tests import tools
from tests.chain_world import CHAIN_ID, Anvil, extra, key

OWNER, SECOND, STRANGER = key("owner"), key("second owner"), key("stranger")
DEPLOYER = key("deployer")
DELEGATED = key("delegated")
SALT = keccak(b"salt")
SUFFIX = bytes.fromhex("6492" * 16)
DELEGATION = b"\xef\x01\x00"
"""EIP-7702: what stands before the address in a delegated account's code."""

_SAFE_DOMAIN = keccak(b"EIP712Domain(uint256 chainId,address verifyingContract)")
_SAFE_MESSAGE = keccak(b"SafeMessage(bytes message)")

Sign = Callable[[bytes], bytes]


def _as_it_is(signature: bytes) -> bytes:
    return signature


@dataclass(frozen=True)
class SmartAccount:
    """An account and what counts as its signature. `wrap` puts an ERC-6492 wrapper around it."""

    address: Address
    sign: Sign
    wrap: Sign = _as_it_is

    def signs(self, digest: bytes) -> bytes:
        return self.wrap(self.sign(digest))


def wrapped(factory: Address, prepare: bytes, signature: bytes) -> bytes:
    """ERC-6492: how to bring the account about, beside its signature."""
    return encode(["address", "bytes", "bytes"], [factory, prepare, signature]) + SUFFIX


def deployed(anvil: Anvil, name: str, *arguments: object) -> Address:
    """A test contract, on the chain."""
    return anvil.chain.deploy(DEPLOYER, extra(name).creation(*arguments))


# -- a Safe, two of three owners -------------------------------------------------------------------


def published(name: str, path: str) -> Artifact:
    """A contract of the Safe, byte for byte as its npm package has it (LGPL-3.0, tests only)."""
    modules = tools.node_modules()
    package = modules and modules / "@safe-global" / "safe-contracts"
    if not package or not package.is_dir():
        pytest.skip("the Safe's contracts are missing: make setup")
    found = package / "build" / "artifacts" / "contracts" / path / f"{name}.json"
    document = json.loads(found.read_text("utf-8"))
    return Artifact(name, tuple(document["abi"]), bytes.fromhex(document["bytecode"][2:]))


@dataclass(frozen=True)
class SafeFactory:
    """The Safe's own contracts on a chain, and the way to a Safe of three owners, two to sign."""

    factory: Address
    singleton: Address
    handler: Address

    @classmethod
    def on(cls, anvil: Anvil) -> SafeFactory:
        def create(name: str, path: str) -> Address:
            return anvil.chain.deploy(DEPLOYER, published(name, path).creation())

        return cls(
            create("SafeProxyFactory", "proxies/SafeProxyFactory.sol"),
            create("Safe", "Safe.sol"),
            create("CompatibilityFallbackHandler", "handler/CompatibilityFallbackHandler.sol"),
        )

    def creation(self, owners: Sequence[Address], salt: int = 1) -> bytes:
        """The factory call that makes the Safe."""
        nobody = ZERO_ADDRESS
        setup = published("Safe", "Safe.sol").encode(
            "setup", owners, 2, nobody, b"", self.handler, nobody, 0, nobody
        )
        proxies = published("SafeProxyFactory", "proxies/SafeProxyFactory.sol")
        return proxies.encode("createProxyWithNonce", self.singleton, setup, salt)

    def address(self, anvil: Anvil, owners: Sequence[Address], salt: int = 1) -> Address:
        """Where the Safe stands, or will."""
        answer = anvil.chain.call(self.factory, self.creation(owners, salt))
        return Address(answer[12:32])

    def safe(self, anvil: Anvil, *, stands: bool, salt: int = 1) -> SmartAccount:
        owners = [OWNER.address, SECOND.address, key("third owner").address]
        address = self.address(anvil, owners, salt)
        sign = safe_signature(address, OWNER, SECOND)
        if stands:
            anvil.chain.send(DEPLOYER, self.factory, self.creation(owners, salt))
            return SmartAccount(address, sign)
        call = self.creation(owners, salt)
        return SmartAccount(address, sign, lambda made: wrapped(self.factory, call, made))


def safe_signature(safe: Address, *owners: LocalSigner) -> Sign:
    """Owners' signatures of a SafeMessage, in the order of their addresses, as the Safe asks."""
    separator = keccak(_SAFE_DOMAIN + word_uint(CHAIN_ID) + word_address(safe))

    def sign(digest: bytes) -> bytes:
        message = keccak(encode(["bytes32"], [digest]))
        told = typed_digest(separator, keccak(_SAFE_MESSAGE + message))
        in_order = sorted(owners, key=lambda owner: owner.address)
        return b"".join(owner.sign_digest(told) for owner in in_order)

    return sign


# -- others ----------------------------------------------------------------------------------------


def plain_key(anvil: Anvil) -> SmartAccount:
    return SmartAccount(OWNER.address, OWNER.sign_digest)


def small_wallet(anvil: Anvil) -> SmartAccount:
    return SmartAccount(deployed(anvil, "Wallet", OWNER.address), OWNER.sign_digest)


def small_wallet_to_come(anvil: Anvil) -> SmartAccount:
    factory, compiled = deployed(anvil, "WalletFactory"), extra("WalletFactory")
    asked = compiled.encode("addressOf", OWNER.address, SALT)
    [text] = compiled.decode("addressOf", anvil.chain.call(factory, asked))
    call = compiled.encode("create", OWNER.address, SALT)
    return SmartAccount(
        Address(bytes.fromhex(text[2:])),
        OWNER.sign_digest,
        lambda made: wrapped(factory, call, made),
    )


def delegate(anvil: Anvil, signer_secret: bytes, to: Address) -> Address:
    """Delegate a key's account to a contract, by a real EIP-7702 transaction (type 4)."""
    account = EthAccount.from_key(signer_secret)
    anvil.fund(Address(bytes.fromhex(account.address[2:])))
    nonce = int(anvil.chain.ask("eth_getTransactionCount", account.address, "latest"), 16)
    authorisation = account.sign_authorization(
        # Its own transaction counts first: the authorisation names the number after it.
        {"chainId": CHAIN_ID, "address": checksum(to), "nonce": nonce + 1}
    )
    signed = account.sign_transaction(
        {
            "type": 4,
            "chainId": CHAIN_ID,
            "nonce": nonce,
            "gas": 200_000,
            "maxFeePerGas": 10**11,
            "maxPriorityFeePerGas": 10**9,
            "to": account.address,
            "value": 0,
            "data": b"",
            "authorizationList": [authorisation],
        }
    )
    anvil.chain.broadcast(bytes(signed.raw_transaction))
    anvil.settle()
    return Address(bytes.fromhex(account.address[2:]))


def delegated_with_1271(anvil: Anvil) -> SmartAccount:
    """Its code asks for the owner's signature, whoever's key the account began as."""
    address = delegate(anvil, keccak(b"delegated"), deployed(anvil, "Wallet", OWNER.address))
    return SmartAccount(address, OWNER.sign_digest)


def delegated_without_1271(anvil: Anvil) -> SmartAccount:
    """Its code knows no signatures: its own key's still counts."""
    address = delegate(anvil, keccak(b"delegated"), deployed(anvil, "Silent"))
    return SmartAccount(address, DELEGATED.sign_digest)


def safe(anvil: Anvil) -> SmartAccount:
    return SafeFactory.on(anvil).safe(anvil, stands=True)


def safe_to_come(anvil: Anvil) -> SmartAccount:
    return SafeFactory.on(anvil).safe(anvil, stands=False)


MAKES: dict[str, Callable[[Anvil], SmartAccount]] = {
    "plain key": plain_key,
    "wallet": small_wallet,
    "wallet to come": small_wallet_to_come,
    "Safe": safe,
    "Safe to come": safe_to_come,
    "delegated, with 1271": delegated_with_1271,
    "delegated, without 1271": delegated_without_1271,
}
