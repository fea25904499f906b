"""The marketplaces this gate can stand in front of, by the name an operator writes down.

Builds adapters; asks nothing and decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path

from kycgate.errors import Misconfigured
from kycgate.gateway.adapters import description
from kycgate.gateway.adapters.base import Adapter, Fetch, Search
from kycgate.gateway.adapters.declared import Declared
from kycgate.gateway.adapters.ionet import IoNet
from kycgate.gateway.adapters.runpod import RunPod
from kycgate.gateway.adapters.vast import Vast

FILE = "file:"
"""Before the path of a marketplace described in TOML by the operator."""
DECLARED = ("clore", "lium", "prime")
"""Marketplaces that are described, not programmed: the files beside this one."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """What an adapter may ask of its marketplace, and how money is written here."""

    fetch: Fetch
    search: Search
    token_decimals: int


def _declared(text: str, source: str, up: Upstream) -> Adapter:
    described = description.read(text, source=source)
    return Declared(described, fetch=up.fetch, search=up.search, token_decimals=up.token_decimals)


def _shipped(name: str, up: Upstream) -> Adapter:
    file = resources.files(__package__).joinpath("presets", f"{name}.toml")
    return _declared(file.read_text(encoding="utf-8"), f"{name}.toml", up)


PRESETS: dict[str, Callable[[Upstream], Adapter]] = {
    "ionet": lambda up: IoNet(fetch=up.fetch, token_decimals=up.token_decimals),
    "runpod": lambda up: RunPod(),
    "vast": lambda up: Vast(search=up.search),
    **{name: partial(_shipped, name) for name in DECLARED},
}


def open_adapter(name: str, up: Upstream, *, folder: Path) -> Adapter:
    """The adapter a configuration names; `folder` is where the path in `file:PATH` starts.

    Raises Misconfigured with every problem: an unknown name, a file that can't be read, each fault
    of a description.
    """
    if not name.startswith(FILE):
        if name not in PRESETS:
            raise Misconfigured((f"{name}: no such adapter; {', '.join(PRESETS)} or file:PATH",))
        return PRESETS[name](up)
    path = folder / name.removeprefix(FILE)
    try:
        with path.open("rb") as file:
            text = file.read(description.MOST_BYTES + 1).decode("utf-8")
    except (OSError, ValueError) as error:
        raise Misconfigured((f"{path}: can't be read: {error}",)) from error
    return _declared(text, str(path), up)
