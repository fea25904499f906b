"""The marketplaces this gate can stand in front of, by the name an operator writes down.

Builds adapters; asks nothing and decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kycgate.gateway.adapters.base import Adapter, Fetch, Search
from kycgate.gateway.adapters.ionet import IoNet
from kycgate.gateway.adapters.runpod import RunPod
from kycgate.gateway.adapters.vast import Vast


@dataclass(frozen=True, slots=True)
class Upstream:
    """What an adapter may ask of its marketplace, and how money is written here."""

    fetch: Fetch
    search: Search
    token_decimals: int


PRESETS: dict[str, Callable[[Upstream], Adapter]] = {
    "ionet": lambda up: IoNet(fetch=up.fetch, token_decimals=up.token_decimals),
    "runpod": lambda up: RunPod(),
    "vast": lambda up: Vast(search=up.search),
}
