"""Proofs of identity for tests, as a wallet or a provider would hand them in."""

from __future__ import annotations

from typing import Any

from kycgate.core.claims import Level
from kycgate.issuer.proven import Means, Proven
from tests.issuer.conftest import DAY, NOW


def a_proof(reference: str = "p1", **changes: Any) -> Proven:
    """Ada's wallet credential, of level 3, good for years."""
    said: dict[str, Any] = {
        "means": Means.CREDENTIAL,
        "source": "openid4vp",
        "reference": reference,
        "level": Level.HIGH,
        "live": True,
        "name": "Ada Okafor",
        "birth_date": "1990-02-28",
        "country": 250,
        "proven_at": NOW,
        "valid_until": NOW + 3000 * DAY,
        "document_number": "250:12AB34567",
        "document": {"vct": "urn:eudi:pid:1"},
    }
    return Proven(**said | changes)
