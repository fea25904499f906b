"""Evidence that the caller controls an account: a signed HTTP request, or a signed sign-in message.

Looks nothing up: whether a nonce was seen, and what a contract account says, is asked elsewhere.
"""

from kycgate.core.proof.account import ProvenAccount, UndecidedContract
from kycgate.core.proof.erc8128 import (
    HttpRequest,
    Profile,
    ProvenRequest,
    sign_request,
    verify_request,
)
from kycgate.core.proof.siwe import SiweMessage, verify_siwe

__all__ = [
    "HttpRequest",
    "Profile",
    "ProvenAccount",
    "ProvenRequest",
    "SiweMessage",
    "UndecidedContract",
    "sign_request",
    "verify_request",
    "verify_siwe",
]
