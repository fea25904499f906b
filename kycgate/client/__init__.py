"""What a renter runs: a `requests` session that proves the account, and a client of the control
plane.

Carries no server: it knows the signed formats, a key to sign with, and HTTP.
"""

from __future__ import annotations

from kycgate.client.control import ControlPlane, GateRefused, SignedIn
from kycgate.client.session import RenterSession

__all__ = ["ControlPlane", "GateRefused", "RenterSession", "SignedIn"]
