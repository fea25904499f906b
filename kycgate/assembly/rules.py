"""Which rules, lists and keys a configuration names, opened.

Decides nothing: what is missing or wrong is Misconfigured.
"""

from __future__ import annotations

import logging
import time

from kycgate.chain import Chain
from kycgate.config import Config
from kycgate.core.eas import Domain
from kycgate.core.policy import Limits as PolicyLimits
from kycgate.core.policy import Policy
from kycgate.errors import Misconfigured, Unavailable
from kycgate.keys import Signer, load_signer, load_token
from kycgate.screening.controls import (
    load_countries,
    load_default_policy,
    load_standard_policy,
    read_policy,
)
from kycgate.screening.library import Library
from kycgate.screening.live import LiveLists
from kycgate.screening.network import MmdbNetwork, Network, NoNetwork
from kycgate.screening.oracle import Oracle
from kycgate.screening.yente import Yente

_log = logging.getLogger("kycgate")


_ORACLE_S = 2.0
"""A second opinion is worth this long a wait."""


def open_signer(config: Config, spec: str) -> Signer:
    password = config.keys.password
    return load_signer(config.key(spec), password=config.key(password) if password else None)


def domain(config: Config) -> Domain:
    return Domain(config.issuer.eas_version, config.issuer.chain_id, config.issuer.eas)


def rental_policy(config: Config) -> Policy:
    """The rules, under the bounds of the configuration: a policy can only be stricter."""
    return _rules(config).with_limits(
        PolicyLimits(
            max_wallet_proof_age_s=config.policy.wallet_proof_s,
            max_list_age_s=config.screening.max_age_s,
        )
    )


def _rules(config: Config) -> Policy:
    if config.policy.file is None:
        standard = config.policy.rules == "standard"
        return load_standard_policy() if standard else load_default_policy()
    path = config.path(config.policy.file)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured((f"policy.file: {path} can't be read: {error}",)) from error
    return read_policy(text, source=str(path))


def network(config: Config) -> Network:
    if config.screening.network is None:
        return NoNetwork()
    return MmdbNetwork(config.path(config.screening.network), load_countries())


def live_lists(config: Config) -> LiveLists | Yente:
    now = int(time.time())
    settings = config.screening
    if settings.backend == "yente":
        key = None if settings.yente_key is None else load_token(config.key(settings.yente_key))
        assert settings.yente_url is not None
        yente = Yente(settings.yente_url, settings.yente_dataset, key=key)
        try:
            yente.refresh(now)
        except Unavailable as error:
            # Without its versions the lists count as stale: nobody is cleared until it answers.
            _log.warning("%s: nobody is cleared meanwhile", error.message)
        return yente
    return LiveLists(Library(config.lists_dir, now=now), now=now)


def oracle(config: Config) -> Oracle | None:
    """The second opinion on wallets: a chain of its own, for the lists must not wait for it."""
    settings = config.screening
    if not settings.oracle_rpc:
        return None
    chain = Chain(settings.oracle_rpc, settings.oracle_chain_id, timeout_s=_ORACLE_S)
    return Oracle(chain.call, settings.oracle)
