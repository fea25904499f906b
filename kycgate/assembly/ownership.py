"""The registers of owners that a configuration names.

Reads none of them by itself: the background does, and the command line.
"""

from __future__ import annotations

from kycgate.config import Config
from kycgate.errors import Malformed
from kycgate.screening.controls import load_countries
from kycgate.screening.ownership.live import BuilderApart, LiveRegisters
from kycgate.screening.ownership.sources import Source


def ownership_sources(config: Config) -> tuple[Source, ...]:
    """Every register configured, and where it is kept once read."""
    settings, folder = config.ownership, config.ownership_dir
    found = list[Source]()
    if settings.bods:
        files = tuple(config.path(each) for each in settings.bods)
        found.append(Source("bods", files, folder / "bods.register"))
    if settings.gleif is not None:
        found.append(Source("gleif", (config.path(settings.gleif),), folder / "gleif.register"))
    return tuple(found)


def live_registers(config: Config) -> LiveRegisters | None:
    """The registers as the gate uses them; None where none is configured."""
    sources = ownership_sources(config)
    return LiveRegisters(sources, builder=BuilderApart()) if sources else None


def restricted() -> frozenset[int]:
    """D:5, Macau beside it, and Hong Kong, which has China's groups."""
    countries = load_countries()
    return countries.group("D:5") | {countries.numeric("MO"), countries.numeric("HK")}


def country_of(code: str) -> int:
    """A country code as published, or a subdivision's → ISO 3166-1 numeric, 0 where it is none."""
    try:
        return load_countries().numeric(code[:2])
    except Malformed:
        return 0
