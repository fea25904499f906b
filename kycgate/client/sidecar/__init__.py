"""The renter's sidecar: any tool on this machine rents through it, and it does the proving.

Carries no server framework: h11 reads and writes the wire (`pip install 'kycgate[sidecar]'`). It
listens on loopback only and hears only callers that know its token.
"""

from __future__ import annotations

from kycgate.client.sidecar.local import Doorkeeper, read_token
from kycgate.client.sidecar.proof import KeyProof, Proof, WalletProof
from kycgate.client.sidecar.relay import Relay, Settings
from kycgate.client.sidecar.standing import Standing

__all__ = [
    "Doorkeeper",
    "KeyProof",
    "Proof",
    "Relay",
    "Settings",
    "Standing",
    "WalletProof",
    "read_token",
]
