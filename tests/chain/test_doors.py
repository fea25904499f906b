"""Through the doors, on a real chain: a contract account is let in, refused, or left undecided."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from kycgate.chain import Chain, ContractWallets
from kycgate.core.claims import Account, checksum
from kycgate.core.proof import Profile
from kycgate.core.typed import personal_digest
from kycgate.gateway.gate import Gate
from kycgate.gateway.view import Reply
from kycgate.screening.controls import load_default_policy
from tests.chain.wallets import DEPLOYER, MAKES, STRANGER, SmartAccount, safe_signature
from tests.chain_world import CHAIN_ID, Anvil, free_port
from tests.gateway.world import Renter, Wallet
from tests.gateway.world import World as Market
from tests.web.browser import Browser
from tests.web.world import build, fresh_store

CONTRACTS = [make for make in MAKES if make not in ("plain key", "delegated, without 1271")]


@pytest.fixture(scope="module", params=CONTRACTS)
def account(request: pytest.FixtureRequest, shared_anvil: Anvil) -> Iterator[SmartAccount]:
    """One account of each make that a contract speaks for."""
    snapshot = shared_anvil.chain.ask("evm_snapshot")
    shared_anvil.fund(DEPLOYER.address)
    yield MAKES[request.param](shared_anvil)
    shared_anvil.chain.ask("evm_revert", snapshot)


@pytest.fixture
def silent() -> Iterator[Chain]:
    """A chain whose only node does not answer."""
    chain = Chain([f"http://127.0.0.1:{free_port()}"], CHAIN_ID, timeout_s=1)
    yield chain
    chain.close()


def wallets(chain: Chain) -> ContractWallets:
    return ContractWallets({CHAIN_ID: chain})


# -- signing in (SIWE, the control plane) ----------------------------------------------------------

SignsIn = Callable[[Chain, SmartAccount, bytes | None], TestResponse]


@pytest.fixture
def signs_in(tmp_path: Path) -> Iterator[SignsIn]:
    """Sign in as an account, with its own signature or the bytes given."""
    store = fresh_store(tmp_path / "gate.db")
    policy = load_default_policy()

    def sign_in(chain: Chain, account: SmartAccount, signature: bytes | None) -> TestResponse:
        world = build(store, policy, contract_wallet=wallets(chain), chain_ids=(CHAIN_ID,))
        browser = Browser(world)
        asked = {"account": checksum(account.address), "chain_id": CHAIN_ID}
        message = browser.post("/v1/challenge", asked).get_json()["message"]
        signed = signature or account.signs(personal_digest(message.encode()))
        told = {"message": message, "signature": "0x" + signed.hex()}
        return browser.post("/v1/session", told)

    yield sign_in
    store.close()


def test_it_signs_in_as_itself_on_its_chain(
    shared_anvil: Anvil, account: SmartAccount, signs_in: SignsIn
) -> None:
    response = signs_in(shared_anvil.chain, account, None)
    assert response.status_code == 201, response.text
    assert response.get_json()["account"] == Account(account.address, CHAIN_ID).key


def test_a_forged_sign_in_is_401(
    shared_anvil: Anvil, account: SmartAccount, signs_in: SignsIn
) -> None:
    forged = account.wrap(STRANGER.sign_digest(bytes(32)))
    response = signs_in(shared_anvil.chain, account, forged)
    assert (response.status_code, response.get_json()["code"]) == (401, "proof_invalid")


def test_a_sign_in_that_the_chain_does_not_decide_is_503(
    silent: Chain, account: SmartAccount, signs_in: SignsIn
) -> None:
    response = signs_in(silent, account, None)
    assert (response.status_code, response.get_json()["code"]) == (503, "dependency")
    assert "token" not in response.get_json()
    assert "kgs_" not in str(response.headers)


# -- renting with a signed request (ERC-8128, the marketplace listener) ----------------------------


PROBLEM = "application/problem+json"


def rents(market: Market, chain: Chain, account: SmartAccount, *, accept: str = PROBLEM) -> Reply:
    """What the account, attested by nobody, is answered to a rental that it signed."""
    market.gate = Gate(replace(market.parts, contract_wallet=wallets(chain)))
    wallet = Wallet.of("the account speaks through its own signature, not this key's")
    bare = Renter(market, wallet, "").rents()
    kept = tuple(field for field in bare.headers if field[0] != "Accept")
    signed = Renter(market, wallet, "").signs(
        replace(bare, headers=(*kept, ("Accept", accept))),
        nonce="nonce-0001",
        signer_address=account.address,
        chain_id=CHAIN_ID,
        sign=account.signs,
        profile=Profile.EIP155,
    )
    return market.send(signed)


def code(reply: Reply) -> tuple[int, str]:
    return reply.status, json.loads(reply.body)["code"]


def test_its_signed_request_is_its_own_and_then_policy_speaks(
    shared_anvil: Anvil, account: SmartAccount
) -> None:
    """Proven, so the gate goes on to ask for an attestation."""
    market, key = Market(), Account(account.address, CHAIN_ID).key
    assert code(rents(market, shared_anvil.chain, account)) == (403, "missing:attestation")
    [decision] = market.decisions()
    assert (decision["account"], decision["reason_codes"]) == (key, ["attestation_missing"])
    assert market.store.wallet_proof_at(key) == market.now
    assert market.upstream.received == []


def test_a_request_that_the_chain_does_not_decide_is_refused_as_a_dependency(
    silent: Chain, account: SmartAccount
) -> None:
    market, key = Market(), Account(account.address, CHAIN_ID).key
    assert code(rents(market, silent, account)) == (503, "dependency")
    native = rents(market, silent, account, accept="application/json")
    assert (native.status, market.upstream.received) == (403, [])
    assert "can't decide right now" in json.loads(native.body)["error"]
    assert market.store.wallet_proof_at(key) is None
    assert market.decisions() == []


def test_what_was_not_decided_may_be_sent_again_once_the_chain_answers(
    silent: Chain, shared_anvil: Anvil, account: SmartAccount
) -> None:
    """The nonce is not spent on a question that nobody answered."""
    market = Market()
    assert code(rents(market, silent, account)) == (503, "dependency")
    assert code(rents(market, shared_anvil.chain, account)) == (403, "missing:attestation")
    assert code(rents(market, shared_anvil.chain, account)) == (401, "proof_replayed")


def test_a_request_that_its_owner_did_not_sign_is_401(
    shared_anvil: Anvil, account: SmartAccount
) -> None:
    forger = replace(account, sign=safe_signature(account.address, STRANGER))
    assert code(rents(Market(), shared_anvil.chain, forger)) == (401, "signature_invalid")
