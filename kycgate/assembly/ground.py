"""What the whole product stands on: settings, database, log, rules and lists, opened once.

Takes no decision and knows no door.
"""

from __future__ import annotations

from dataclasses import dataclass

from kycgate.assembly.rules import live_lists, rental_policy
from kycgate.audit import DecisionLog
from kycgate.config import Config
from kycgate.core.policy import Policy
from kycgate.keys import Signer
from kycgate.screening.backend import Screening
from kycgate.screening.controls import CountryTable, load_countries
from kycgate.screening.live import LiveLists
from kycgate.screening.yente import Yente
from kycgate.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What nearly every part is made of."""

    config: Config
    store: Store
    log: DecisionLog
    policy: Policy
    countries: CountryTable
    lists: LiveLists | Yente
    screener: Screening
    """the lists as everybody but their own round of work asks them"""


def open_ground(config: Config, store: Store, log_key: Signer) -> Ground:
    """Raises Misconfigured."""
    policy, countries = rental_policy(config), load_countries()
    lists = live_lists(config)
    return Ground(
        config=config,
        store=store,
        log=DecisionLog(store, log_key),
        policy=policy,
        countries=countries,
        lists=lists,
        screener=Screening(lists),
    )
