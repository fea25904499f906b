"""kycgate: the know-your-customer gate for decentralised GPU marketplaces.

This file only hands on the public names, each loaded when first asked for, so that a renter's tool
never loads a server.
"""

from __future__ import annotations

import importlib
from typing import Any

_FACE = {
    "Allow": "kycgate.core.decision",
    "Deny": "kycgate.core.decision",
    "Review": "kycgate.core.decision",
    "decide": "kycgate.core.decision",
    "Policy": "kycgate.core.policy",
    "SignedAttestation": "kycgate.core.attestation",
    "TrustList": "kycgate.core.trust",
    "verify_attestation": "kycgate.core.attestation:verify",
    "verify_permit": "kycgate.core.permit:verify",
    "AssertionKeys": "kycgate.core.assertion",
    "verify_assertion": "kycgate.core.assertion:verify",
    "RenterSession": "kycgate.client.session",
    "KycgateASGI": "kycgate.gateway.asgi",
    "KycgateWSGI": "kycgate.gateway.middleware",
    "RequireAssertion": "kycgate.gateway.asserted",
    "KycgateError": "kycgate.errors",
}

__all__ = sorted(_FACE)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    place = _FACE.get(name)
    if place is None:
        raise AttributeError(f"module 'kycgate' has no attribute {name!r}")
    room, _, attribute = place.partition(":")
    return getattr(importlib.import_module(room), attribute or name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_FACE})
