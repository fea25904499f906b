"""Where screening lists come from: one plug-in a publisher's format, found by name.

Decides nothing about versions and screens nobody. A plug-in reads files into entries, or raises
Malformed; it never returns half a list.

    name[:label]      `wallets:exchange` is a second list in the format of the plug-in `wallets`
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Protocol

from kycgate.errors import Malformed, Misconfigured, NotFound
from kycgate.screening.sources.reading import Reading

GROUP = "kycgate.list_sources"
"""the entry point group in which other packages offer plug-ins"""

MIB = 2**20
DAY = 86_400

_BUILT_IN = {
    "us-csl": "kycgate.screening.sources.us_csl:SOURCE",
    "ofac-sdn": "kycgate.screening.sources.ofac_csv:SOURCE",
    "ofac-advanced": "kycgate.screening.sources.ofac_advanced:SOURCE",
    "un": "kycgate.screening.sources.un:SOURCE",
    "uk": "kycgate.screening.sources.uk:SOURCE",
    "eu": "kycgate.screening.sources.eu:SOURCE",
    "bis-dpl": "kycgate.screening.sources.bis_dpl:SOURCE",
    "opensanctions": "kycgate.screening.sources.ftm:SOURCE",
    "wallets": "kycgate.screening.sources.wallets:SOURCE",
    "ofac-evm-wallets": "kycgate.screening.sources.wallets:OFAC_EVM",
}
_LIST_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,40}(:[a-z0-9][a-z0-9-]{0,40})?")


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a list. `url` None: the operator has to say where it is."""

    file: str
    url: str | None = None


class ListSource(Protocol):
    """A list format. `read` is given every part, raises Malformed for what it cannot read whole,
    touches no network and knows no clock."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def parts(self) -> tuple[Part, ...]: ...

    @property
    def proven(self) -> bool:
        """Whether it has read a real published file in its tests."""

    @property
    def quiet_s(self) -> int:
        """Longest its publisher has left the list unchanged; older means the address is dead."""

    @property
    def max_bytes(self) -> int:
        """Most bytes of one part, unpacked."""

    def read(self, files: Mapping[str, Path], into: Reading) -> None: ...


@dataclass(frozen=True, slots=True)
class Source:
    """A ListSource made of a function."""

    name: str
    title: str
    parts: tuple[Part, ...]
    reader: Callable[[Mapping[str, Path], Reading], None]
    proven: bool
    quiet_s: int
    max_bytes: int

    def read(self, files: Mapping[str, Path], into: Reading) -> None:
        """Read the parts, by file name, into `into`."""
        self.reader(files, into)


def source(list_name: str) -> ListSource:
    """The plug-in of a list. Raises NotFound naming those there are, Malformed for no name."""
    if not _LIST_NAME.fullmatch(list_name):
        raise Malformed("not a list name", field="list", remedy="NAME or NAME:LABEL, in lower case")
    name = list_name.partition(":")[0]
    table = _table()
    if name not in table:
        raise NotFound(f"no list source {name!r}; there are {', '.join(sorted(table))}")
    return _load(name, table[name])


def source_names() -> tuple[str, ...]:
    """Every plug-in there is."""
    return tuple(_table())


def url_key(list_name: str) -> str:
    """The environment variable that says where a list is fetched."""
    return "KYCGATE_LIST_" + re.sub(r"[^A-Z0-9]", "_", list_name.upper()) + "_URL"


def url_of(list_name: str, part: Part, environ: Mapping[str, str] = os.environ) -> str | None:
    """Where a part is fetched: `KYCGATE_LIST_<NAME>_URL` before the publisher's own address.

    A list of several parts takes it as the folder they are in. Addresses that carry a token
    (the EU's) belong there and nowhere else: they are never stored or printed.
    """
    given = environ.get(url_key(list_name))
    if given and len(source(list_name).parts) > 1:
        return given.rstrip("/") + "/" + part.file.upper()
    return given or part.url


@cache
def _table() -> dict[str, str]:
    """Name → `module:object`. Raises Misconfigured when a plug-in takes a name that is taken."""
    table = dict(_BUILT_IN)
    for found in entry_points(group=GROUP):
        if table.setdefault(found.name, found.value) != found.value:
            raise Misconfigured((f"two plug-ins call themselves list source {found.name!r}",))
    return table


@cache
def _load(name: str, value: str) -> ListSource:
    point = EntryPoint(name=name, value=value, group=GROUP)
    try:
        loaded: ListSource = point.load()
    except (ImportError, AttributeError) as e:
        raise Misconfigured((f"list source {name!r} can't be loaded: {e}",)) from e
    return loaded
