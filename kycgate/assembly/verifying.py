"""How identity is proven, from a configuration: the rules, and which environment a key signs in.

Takes no decision about anybody.
"""

from __future__ import annotations

from typing import Final

from kycgate.config import Config
from kycgate.core.claims import Address
from kycgate.errors import Misconfigured
from kycgate.issuer.rules import VerificationRules
from kycgate.store import Store

_ENVIRONMENT: Final = "environment/"


def verification_rules(config: Config) -> VerificationRules:
    """What `[identity]` says."""
    said = config.identity
    return VerificationRules(
        live=said.environment == "live",
        require_proof=said.require_proof,
        auto_organisations=said.auto_organisations,
        days=(said.level_1_days, said.level_2_days, said.level_3_days),
    )


def keep_apart(config: Config, store: Store, issuer: Address) -> None:
    """One issuer key, one environment, for ever: what a sandbox proved must never look live.

    Raises Misconfigured when this key has signed in the other one.
    """
    wanted = config.identity.environment
    found = store.keep_setting(_ENVIRONMENT + "0x" + issuer.hex(), wanted)
    if found != wanted:
        problem = (
            f"identity.environment: this issuer key signs in the {found} environment;"
            f" make another key for {wanted}: kycgate keys new"
        )
        raise Misconfigured((problem,))
