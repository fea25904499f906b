"""The product's doors: which application listens where, and what is said when they open.

Opens nothing that stands behind a door: `product` does.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kycgate.assembly.limits import lanes, rates, server_limits
from kycgate.assembly.product import Services, open_services
from kycgate.assembly.rules import open_signer
from kycgate.assembly.ticks import running
from kycgate.config import Config
from kycgate.config.sections import Hooks
from kycgate.core.claims import checksum
from kycgate.gateway.fronts import Fronts

_log = logging.getLogger("kycgate")


def serve(config: Config, *, started: Callable[[int, int], None] | None = None) -> None:
    """Run the listeners until the process is told to stop."""
    from kycgate.gateway.server import run

    with open_services(config) as services, background(services):
        _warn(services)
        run(
            gateway_app(services),
            control_app(services),
            gateway_at=config.gate.listen,
            control_at=config.gate.control_listen,
            beside=_beside(services),
            further=_further(services),
            limits=server_limits(config),
            started=started,
        )


def gateway_app(services: Services) -> Any:
    """The marketplace listener's ASGI application."""
    from kycgate.gateway.proxy import Proxy

    config = services.config
    return Proxy(
        services.gate,
        config.marketplace.upstream,
        fronts=Fronts(config.gate.trusted_fronts),
        lanes=lanes(config),
    )


def forward_auth_app(services: Services) -> Any:
    """What a front asks before it forwards; None where no contract is configured."""
    from kycgate.gateway.forward_auth import CONTRACTS, ForwardAuth

    gate = services.config.gate
    if gate.forward_auth is None:
        return None
    return ForwardAuth(
        services.gate,
        CONTRACTS[gate.forward_auth],
        peers=gate.forward_auth_peers,
        only=frozenset(gate.forward_auth_routes),
        clock=time.time,
    )


def _beside(services: Services) -> tuple[Any, tuple[str, int] | Path] | None:
    app = forward_auth_app(services)
    return None if app is None else (app, services.config.gate.forward_auth_listen)


def _further(services: Services) -> list[tuple[Any, tuple[str, int]]]:
    return [] if services.hooks is None else [(services.hooks, services.config.hooks.listen)]


def control_app(services: Services) -> Any:
    """The control plane's WSGI application."""
    from kycgate.web.app import create_app
    from kycgate.web.limits import PerAddress

    limits = rates(services.config)
    return PerAddress(
        create_app(services.web),
        every=limits.address,
        changes=limits.unproven,
        fronts=(
            *services.config.gate.forward_auth_peers,
            *services.config.gate.trusted_fronts,
        ),
    )


def background(services: Services) -> AbstractContextManager[None]:
    """Do what follows decisions, once a second, while inside; slow chains delay nothing else."""
    return running(services.ticks, close=services.verifying.close)


def check_config(path: str | Path) -> dict[str, Any]:
    """Open what a configuration names and say what came out of it; nothing is served."""
    with open_services(path) as services:
        config = services.config
        facts = {
            "public_url": config.gate.public_url,
            "upstream": config.marketplace.upstream,
            "issuer": checksum(open_signer(config, config.keys.issuer).address),
            "policy": f"{services.policy.id} ({services.policy.mode})",
            "lists": ", ".join(
                f"{each.name} of {_day(each.as_of)}" for each in services.screener.versions
            ),
            "identity": _offered(services),
            "settlement": config.settlement.mode,
            "schedulers": _schedulers(config.hooks),
        }
        services.store.ping()
        return facts


def _schedulers(hooks: Hooks) -> str:
    told = {name for name, *_ in hooks.stop}
    named = [
        f"{name} ({kind}, {'told to stop' if name in told else 'stopped by hand'} on revocation)"
        for kind in ("dstack", "skypilot")
        for name, _ in getattr(hooks, kind)
    ]
    return ", ".join(named) or "none"


def _offered(services: Services) -> str:
    ways = [way.id for ask in services.web.ways for way in ask()]
    return f"{services.config.identity.environment}: " + (", ".join(ways) or "reviewed cases only")


def _warn(services: Services) -> None:
    now = int(time.time())
    if services.policy.mode == "observe":
        _log.warning("OBSERVE MODE: nothing is refused, verdicts are only recorded")
    for each in services.screener.stale(now, services.config.screening.alarm_age_s):
        _log.warning("list %s is of %s: older than the alarm allows", each.name, _day(each.as_of))


def _day(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).date().isoformat()
