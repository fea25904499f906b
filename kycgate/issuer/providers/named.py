"""Further providers by name: entry points of the group `kycgate.identity_providers`.

Loads only what the configuration names, and trusts it as it trusts any installed package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Final

from kycgate.core.claims import Level
from kycgate.errors import Misconfigured
from kycgate.issuer.providers.base import Provider
from kycgate.issuer.providers.reading import Countries

GROUP: Final = "kycgate.identity_providers"


@dataclass(frozen=True, slots=True)
class Offered:
    """What a provider is made of: the operator's settings and opened secrets, by name."""

    live: bool
    level: Level
    countries: Countries
    settings: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)


Factory = Callable[[Offered], Provider]
"""What an entry point leads to. Raises Misconfigured naming the setting."""


def open_named(name: str, offered: Offered) -> Provider:
    """The provider an installed package registers under this name. Raises Misconfigured."""
    found = [each for each in entry_points(group=GROUP) if each.name == name]
    if len(found) != 1:
        problem = "no installed package registers it" if not found else "two packages register it"
        raise Misconfigured((f"provider {name}: {problem} under {GROUP}",))
    try:
        factory: Factory = found[0].load()
    except (ImportError, AttributeError) as error:
        raise Misconfigured((f"provider {name}: can't be loaded ({error})",)) from error
    made = factory(offered)
    if made.name != name or made.live is not offered.live:
        raise Misconfigured((f"provider {name}: is another, or of another environment",))
    return made
