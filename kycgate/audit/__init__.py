"""The decision log: append-only, chained, durable before effect, and checkable by anybody.

Holds no names: accounts, digests and pseudonymous ids only.
"""

from __future__ import annotations

from kycgate.audit.head import SignedHead
from kycgate.audit.log import DecisionLog
from kycgate.audit.verify import Broken, Verified, verify_log

__all__ = ["Broken", "DecisionLog", "SignedHead", "Verified", "verify_log"]
