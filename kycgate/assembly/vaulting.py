"""The vault and the calendar from a configuration.

Takes no decision about anybody.
"""

from __future__ import annotations

from kycgate.assembly.ground import Ground
from kycgate.audit import DecisionLog
from kycgate.config import Config
from kycgate.errors import Malformed, Misconfigured
from kycgate.issuer.casebook import CaseBook
from kycgate.issuer.retention import Duty, Retention, RetentionRules
from kycgate.issuer.vault import Vault
from kycgate.issuer.vaultkeys import FileKeys, KeySource, ManyKeys, ServiceKeys, open_service
from kycgate.keys import load_secret
from kycgate.store import Store


def open_vault(config: Config, store: Store, log: DecisionLog) -> Vault:
    """The vault over the keys that were named. Raises Misconfigured."""
    return Vault(store, key_source(config), log=log)


def key_source(config: Config) -> KeySource:
    """What wraps, first, and what still opens what was wrapped before."""
    own = load_secret(config.key(config.keys.vault))
    also = tuple(load_secret(config.key(spec)) for spec in config.vault.also)
    files = FileKeys(own, also=also)
    if config.vault.keys == "file":
        return files
    # The key of the file still opens what it sealed before the service took over.
    return ManyKeys(ServiceKeys(open_service(config.vault.keys, config.vault.address)), files)


def open_retention(ground: Ground, vault: Vault, book: CaseBook) -> Retention:
    """The calendar of the operator's duties. Raises Misconfigured."""
    config = ground.config
    own = config.vault
    default = Duty(own.retention_years, "records of transactions, the operator's default")
    by_country = {}
    for each in config.retention:
        try:
            number = ground.countries.numeric(each.country)
        except Malformed as error:
            problem = f"retention.country: {each.country} is no country"
            raise Misconfigured((problem,)) from error
        by_country[number] = Duty(each.years, each.reason)
    rules = RetentionRules(default, by_country, own.draft_days)
    return Retention(ground.store, vault=vault, book=book, log=ground.log, rules=rules)
