"""Did this contract account sign these bytes: ERC-1271, or ERC-6492 before it is deployed.

Recovers no plain keys: `core.signature.recover` is asked first, and only an account that it does
not name comes here.
"""

from __future__ import annotations

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError

from kycgate.chain.rpc import Chain, Reverted
from kycgate.core.claims import ZERO_ADDRESS, Address
from kycgate.core.signature import Invalid, Undecided, Valid
from kycgate.errors import Code, Reason, Unavailable

SIGNATURE_MOST = 32 * 1024
"""Bytes. The question travels as creation code, of which EIP-3860 allows 49,152."""

_WRAPPED = bytes.fromhex("6492" * 16)

# Creation code of settlement/contracts/ValidateSig6492.sol; a test holds it against the artifact.
VALIDATOR = bytes.fromhex(
    "608060405234801561000f575f5ffd5b5060405161029738038061029783398101604081905261002e916101cb56"
    "5b5f61003a86868461007a565b90508015801561005257506001600160a01b03841615155b15610072575f5f8451"
    "602086015f885af15061006f86868461007a565b90505b805f5360015ff35b5f836001600160a01b03163b5f0361"
    "009357505f61010c565b5f631626ba7e84846040516024016100ac92919061025a565b6040516020818303038152"
    "906040529060e01b6020820180516001600160e01b03838183161783525050505090505f60205f83516020850189"
    "5afa5f51601f3d11909116935090508280156101075750630b135d3f60e11b81145b925050505b9392505050565b"
    "80516001600160a01b0381168114610129575f5ffd5b919050565b634e487b7160e01b5f52604160045260245ffd"
    "5b5f82601f830112610151575f5ffd5b81516001600160401b0381111561016a5761016a61012e565b604051601f"
    "8201601f19908116603f011681016001600160401b03811182821017156101985761019861012e565b6040528181"
    "528382016020018510156101af575f5ffd5b8160208501602083015e5f918101602001919091529392505050565b"
    "5f5f5f5f5f60a086880312156101df575f5ffd5b6101e886610113565b9450602086015193506101fd6040870161"
    "0113565b60608701519093506001600160401b03811115610218575f5ffd5b61022488828901610142565b608088"
    "015190935090506001600160401b03811115610241575f5ffd5b61024d88828901610142565b9150509295509295"
    "909350565b828152604060208201525f82518060408401528060208501606085015e5f606082850101526060601f"
    "19601f830116840101915050939250505056fe"
)


def check_contract_signature(
    chain: Chain, address: Address, digest: bytes, signature: bytes
) -> Valid | Invalid | Undecided:
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


def _ask(chain: Chain, address: Address, question: bytes) -> Valid | Invalid | Undecided:
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
