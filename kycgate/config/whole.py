"""The whole configuration as one value, and which tables of a file it is read from.

Reads no file: what is not one of its fields is no section either.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from types import NoneType
from typing import Any, Final, get_args, get_type_hints

from kycgate.config.sections import (
    Elsewhere,
    Gate,
    Hooks,
    Issuer,
    Keys,
    Limits,
    Marketplace,
    Ownership,
    PolicyFile,
    Screening,
    Settlement,
)
from kycgate.config.verifying import (
    Credentials,
    FurtherProvider,
    Identity,
    Import,
    Persona,
    RetentionElsewhere,
    Stripe,
    Sumsub,
    VaultSettings,
    Verifications,
)


def _each(table: str) -> Any:
    """A field that holds every `[[table]]` of the file."""
    return field(metadata={"table": table})


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything the operator decides. `directory` is where relative paths start.

    A field is a section of its name. One that may be None is a section a file may do without.
    """

    directory: Path
    gate: Gate
    marketplace: Marketplace
    keys: Keys
    issuer: Issuer
    settlement: Settlement
    chains: tuple[Elsewhere, ...] = _each("chain")
    screening: Screening
    ownership: Ownership
    policy: PolicyFile
    hooks: Hooks
    limits: Limits
    identity: Identity
    credentials: Credentials
    verifications: Verifications
    sumsub: Sumsub | None
    persona: Persona | None
    stripe: Stripe | None
    providers: tuple[FurtherProvider, ...] = _each("provider")
    imports: tuple[Import, ...] = _each("import")
    vault: VaultSettings
    retention: tuple[RetentionElsewhere, ...] = _each("retention")

    def path(self, text: str) -> Path:
        return self.directory / text

    def key(self, spec: str) -> str:
        """A key spec with its path made absolute."""
        scheme, _, rest = spec.partition(":")
        return f"file:{self.path(rest)}" if scheme == "file" else spec

    @property
    def lists_dir(self) -> Path:
        """Where the versions of the screening lists are kept."""
        if self.screening.lists_dir is not None:
            return self.path(self.screening.lists_dir)
        return self._beside_store / "kycgate-lists"

    @property
    def ownership_dir(self) -> Path:
        """Where registers of owners are kept once they are read."""
        if self.ownership.kept is not None:
            return self.path(self.ownership.kept)
        return self._beside_store / "kycgate-ownership"

    @property
    def _beside_store(self) -> Path:
        scheme, _, file = self.store_url.partition(":///")
        return Path(file).parent if scheme == "sqlite" else self.directory

    @property
    def store_url(self) -> str:
        """The database URL, a relative SQLite path starting at the configuration's folder."""
        scheme, _, rest = self.gate.database.partition(":///")
        if scheme == "sqlite" and rest and not rest.startswith("/"):
            return f"sqlite:///{self.path(rest)}"
        return self.gate.database


_HINTS: Final = get_type_hints(Config)

REPEATED: Final[dict[str, tuple[str, type]]] = {
    each.name: (each.metadata["table"], get_args(_HINTS[each.name])[0])
    for each in fields(Config)
    if each.metadata
}
"""Field → the table in double brackets that fills it, and what one of these holds."""
OFFERED: Final[dict[str, type]] = {
    name: get_args(hint)[0] for name, hint in _HINTS.items() if NoneType in get_args(hint)
}
"""Sections that are there or not: the providers we know."""
SECTIONS: Final[dict[str, type]] = {
    name: hint for name, hint in _HINTS.items() if name not in ("directory", *REPEATED, *OFFERED)
}
"""Sections that are always there: one that a file leaves out has its defaults."""
