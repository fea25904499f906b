"""Hosted identity providers and imports, from a configuration.

Takes no decision about anybody. Keys are opened here and go no further than the provider.
"""

from __future__ import annotations

import time

from kycgate.assembly.ground import Ground
from kycgate.chain import Chain
from kycgate.config import Config, Import, Persona, Stripe, Sumsub
from kycgate.core.claims import Level
from kycgate.errors import Malformed, Misconfigured
from kycgate.issuer.casebook import CaseBook
from kycgate.issuer.foreign import Pinned
from kycgate.issuer.imports import Imports, Source
from kycgate.issuer.proven import Means, Office
from kycgate.issuer.providers import persona, stripe, sumsub
from kycgate.issuer.providers.base import ApiKeys, Provider
from kycgate.issuer.providers.named import Offered, open_named
from kycgate.issuer.providers.reading import Countries
from kycgate.issuer.providers.service import Verifications
from kycgate.issuer.providers.visit import Limits
from kycgate.keys import load_token
from kycgate.web.parts import Way

RETURN_PATH = "/back"
"""Where a provider sends the renter back to."""


def open_verifications(ground: Ground, office: Office) -> Verifications | None:
    """Every provider the configuration names; None where it names none. Raises Misconfigured."""
    config = ground.config
    providers = _providers(config, ground.countries)
    if not providers:
        return None
    try:
        return Verifications(
            ground.store,
            office,
            providers,
            return_url=config.gate.public_url + RETURN_PATH,
            live=config.identity.environment == "live",
            limits=Limits(
                account=config.verifications.per_account,
                everybody=config.verifications.per_provider,
            ),
        )
    except Malformed as error:
        raise Misconfigured((f"{error.field}: {error.message}; {error.remedy}",)) from error


def provider_ways(verifications: Verifications | None) -> tuple[Way, ...]:
    """What renters may choose."""
    if verifications is None:
        return ()
    return tuple(
        Way(each.name, Means.PROVIDER, each.level, each.minutes, each.live, each.title)
        for each in verifications.providers
    )


def open_imports(config: Config, book: CaseBook) -> Imports | None:
    """Whose records are evidence; None where nobody's are."""
    return Imports(book, [_source(each) for each in config.imports]) if config.imports else None


def _source(said: Import) -> Source:
    pinned = Pinned(
        said.name, said.chain_id, said.eas, frozenset(said.issuers), frozenset(said.schemas)
    )
    return Source(pinned, Chain(said.rpc, said.chain_id), said.indexer, said.eas_version)


def _providers(config: Config, countries: Countries) -> list[Provider]:
    found: list[Provider] = []
    if config.sumsub is not None:
        found.append(_sumsub(config, config.sumsub, countries))
    if config.persona is not None:
        found.append(_persona(config, config.persona, countries))
    if config.stripe is not None:
        found.append(_stripe(config, config.stripe, countries))
    for each in config.providers:
        live, level = each.environment == "live", Level(each.level)
        opened = {name: _secret(config, spec) for name, spec in each.secrets}
        offered = Offered(live, level, countries, dict(each.settings), opened)
        found.append(open_named(each.name, offered))
    return found


def _sumsub(config: Config, said: Sumsub, countries: Countries) -> Provider:
    keys = sumsub.SumsubKeys(
        app_token=_secret(config, said.app_token),
        secret=_secret(config, said.secret),
        webhook_secrets=_secrets(config, said.webhook_secrets),
    )
    return sumsub.Sumsub(
        keys,
        level_name=said.level_name,
        live=said.environment == "live",
        countries=countries,
        level=Level(said.level),
        origin=said.url or sumsub.ORIGIN,
        clock=time.time,
    )


def _persona(config: Config, said: Persona, countries: Countries) -> Provider:
    keys = ApiKeys(
        api_key=_secret(config, said.api_key),
        webhook_secrets=_secrets(config, said.webhook_secrets),
    )
    return persona.Persona(
        keys,
        template=said.template,
        live=said.environment == "live",
        countries=countries,
        completed_passes=said.completed_passes,
        level=Level(said.level),
        origin=said.url or persona.ORIGIN,
    )


def _stripe(config: Config, said: Stripe, countries: Countries) -> Provider:
    keys = ApiKeys(
        api_key=_secret(config, said.api_key),
        webhook_secrets=_secrets(config, said.webhook_secrets),
    )
    return stripe.StripeIdentity(
        keys,
        live=said.environment == "live",
        countries=countries,
        flow=said.flow,
        level=Level(said.level),
        origin=said.url or stripe.ORIGIN,
    )


def _secret(config: Config, spec: str) -> str:
    return load_token(config.key(spec))


def _secrets(config: Config, specs: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_secret(config, spec) for spec in specs)
