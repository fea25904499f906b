"""Which sections a file may hold, by the name it gives them.

Reads none of them.
"""

from __future__ import annotations

from kycgate.config.sections import (
    Elsewhere,
    Gate,
    Hooks,
    Issuer,
    Keys,
    Limits,
    Marketplace,
    Ownership,
    PolicyFile,
    Screening,
    Settlement,
)
from kycgate.config.verifying import (
    Credentials,
    FurtherProvider,
    Identity,
    Import,
    Persona,
    RetentionElsewhere,
    Stripe,
    Sumsub,
    VaultSettings,
    Verifications,
)

SECTIONS: dict[str, type] = {
    "gate": Gate,
    "marketplace": Marketplace,
    "keys": Keys,
    "issuer": Issuer,
    "settlement": Settlement,
    "screening": Screening,
    "ownership": Ownership,
    "policy": PolicyFile,
    "hooks": Hooks,
    "limits": Limits,
    "identity": Identity,
    "credentials": Credentials,
    "verifications": Verifications,
    "vault": VaultSettings,
}
CHAINS = "chain"
OFFERED: dict[str, type] = {"sumsub": Sumsub, "persona": Persona, "stripe": Stripe}
"""Sections that are there or not."""
REPEATED: dict[str, type] = {
    CHAINS: Elsewhere,
    "provider": FurtherProvider,
    "import": Import,
    "retention": RetentionElsewhere,
}
"""Tables in double brackets."""
