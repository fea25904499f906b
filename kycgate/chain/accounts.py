"""Did this contract account sign these bytes: ERC-1271, or ERC-6492 before it is deployed.

Recovers no plain keys: `core.signature.recover` is asked first, and only an account that it does
not name comes here.
"""

from __future__ import annotations

from collections.abc import Mapping

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError

from kycgate.chain.answers import Reverted
from kycgate.chain.rpc import Chain
from kycgate.core.claims import ZERO_ADDRESS, Account, Address
from kycgate.core.signature import Invalid, Undecided, Valid, Verdict
from kycgate.errors import Code, Reason, Unavailable

SIGNATURE_MOST = 32 * 1024
"""Bytes. The question travels as creation code, of which EIP-3860 allows 49,152."""

_WRAPPED = bytes.fromhex("6492" * 16)

# Creation code of settlement/contracts/ValidateSig6492.sol; a test holds it against the artifact.
VALIDATOR = bytes.fromhex(
    "60806040523461008657610254803803809161001a8261009e565b60803960a08160800191126100865761003161"
    "00ec565b9060a05161003f60c0610102565b60e0519091906001600160401b038111610086578361006091608001"
    "610116565b6101005190936001600160401b0382116100865761008091608001610116565b9361016b565b5f80fd"
    "5b634e487b7160e01b5f52604160045260245ffd5b6080601f91909101601f19168101906001600160401b038211"
    "908210176100c457604052565b61008a565b601f909101601f19168101906001600160401b038211908210176100"
    "c457604052565b608051906001600160a01b038216820361008657565b51906001600160a01b0382168203610086"
    "57565b81601f82011215610086578051906001600160401b0382116100c4576040519261014a601f8401601f1916"
    "602001856100c9565b8284526020838301011161008657815f9260208093018386015e8301015290565b90919392"
    "61017a8484846101c6565b948515806101b4575b610190575b855f5360015ff35b6101aa9550815f929183602081"
    "94519301915af1506101c6565b5f80808080610188565b506001600160a01b0381161515610183565b919091803b"
    "1561024c576020928361022a60845f9560405193849181830196630b135d3f60e11b885260248401526040604484"
    "01528051918291826064860152018484015e87838284010152601f801991011681010301601f1981018352826100"
    "c9565b51915afa601f3d11165f518161023e575090565b630b135d3f60e11b14919050565b5050505f9056fe"
)


class ContractWallets:
    """Contract accounts' signatures, each asked on the account's own chain."""

    def __init__(self, chains: Mapping[int, Chain]) -> None:
        self._chains = dict(chains)

    def __call__(self, account: Account, digest: bytes, signature: bytes) -> Verdict:
        """Undecided as well on a chain that we have no connection to: silence proves nothing."""
        chain = self._chains.get(account.chain_id or 0)
        if chain is None:
            return Undecided(f"a connection to chain {account.chain_id}")
        return check_contract_signature(chain, account.address, digest, signature)


def check_contract_signature(
    chain: Chain, address: Address, digest: bytes, signature: bytes
) -> Verdict:
    """Ask the account's own code, on this chain, whether it signed `digest`.

    One `eth_call` without a contract of ours on the chain (ERC-6492, deployless). Undecided when no
    node answers: never read that as a yes or a no.
    """
    if len(signature) > SIGNATURE_MOST:
        return _no("the signature is too long")
    try:
        factory, prepare, inner = _unwrap(signature)
    except (DecodingError, ValueError, OverflowError):
        return _no("the ERC-6492 wrapper can't be read")
    question = VALIDATOR + encode(
        ["address", "bytes32", "address", "bytes", "bytes"],
        [address, digest, factory, prepare, inner],
    )
    return _ask(chain, address, question)


def _unwrap(signature: bytes) -> tuple[Address, bytes, bytes]:
    if not signature.endswith(_WRAPPED):
        return ZERO_ADDRESS, b"", signature
    factory, prepare, inner = decode(["address", "bytes", "bytes"], signature[: -len(_WRAPPED)])
    return Address(bytes.fromhex(factory[2:])), prepare, inner


def _ask(chain: Chain, address: Address, question: bytes) -> Verdict:
    try:
        answer = chain.call(None, question)
    except Reverted:
        # The question itself never reverts; a node that ran out of gas has not answered it.
        return Undecided(f"chain {chain.chain_id}: the account's code could not be run to its end")
    except Unavailable as e:
        return Undecided(f"an answer from chain {chain.chain_id}: {e.message}")
    if answer == b"\x01":
        return Valid(address)
    if answer == b"\x00":
        return _no("the account's own code does not accept it")
    return Undecided(f"chain {chain.chain_id}: a node answered neither yes nor no")


def _no(text: str) -> Invalid:
    return Invalid(Reason(Code.SIGNATURE_INVALID, text))
