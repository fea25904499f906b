"""One frozen, typed configuration, read once at start: a TOML file, KYCGATE_* variables over it.

Opens nothing it names: keys, lists and databases are opened by the assembly. Every problem is
reported together, with file, line and remedy: a list is mended faster than a riddle.

    section.field in the file     KYCGATE_SECTION_FIELD in the environment, which wins
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Any

from kycgate.config.checks import Report, cross_check
from kycgate.config.readers import Wrong
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
from kycgate.config.tables import CHAINS, OFFERED, REPEATED, SECTIONS
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
from kycgate.errors import Misconfigured

__all__ = ["Config", "Import", "load_config"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything the operator decides. `directory` is where relative paths start."""

    directory: Path
    gate: Gate
    marketplace: Marketplace
    keys: Keys
    issuer: Issuer
    settlement: Settlement
    chains: tuple[Elsewhere, ...]
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
    providers: tuple[FurtherProvider, ...]
    imports: tuple[Import, ...]
    vault: VaultSettings
    retention: tuple[RetentionElsewhere, ...]

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


def load_config(path: str | Path, *, environ: Mapping[str, str] | None = None) -> Config:
    """Read a configuration.

    Raises Misconfigured with every problem found: `file:line: section.field: what to do`.
    """
    source = Path(path)
    try:
        text = source.read_text(encoding="utf-8")
    except OSError as error:
        raise Misconfigured(
            (f"{source}: can't be read ({error.strerror}); --config FILE",)
        ) from error
    except UnicodeDecodeError as error:
        raise Misconfigured((f"{source}: is not UTF-8 text",)) from error
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured((f"{source}: is not TOML: {error}",)) from error
    return _build(raw, Report(str(source), text.splitlines()), source, environ or os.environ)


def _build(raw: dict[str, Any], report: Report, source: Path, environ: Mapping[str, str]) -> Config:
    for name in raw:
        if name not in (*SECTIONS, *OFFERED, *REPEATED):
            known = ", ".join((*SECTIONS, *OFFERED))
            report.add(name, None, f"unknown section; there are {known}")
    repeated = {
        name: tuple(_section(name, kind, table, report, {}) for table in _tables(name, raw, report))
        for name, kind in REPEATED.items()
    }
    sections = {
        name: _section(name, kind, raw.get(name, {}), report, environ)
        for name, kind in SECTIONS.items()
    }
    for name, kind in OFFERED.items():
        there = name in raw
        sections[name] = _section(name, kind, raw[name], report, environ) if there else None
    if not report.problems:
        cross_check(sections, repeated, report)
    if report.problems:
        raise Misconfigured(tuple(report.problems))
    return Config(
        directory=source.parent.resolve(),
        chains=repeated[CHAINS],
        providers=repeated["provider"],
        imports=repeated["import"],
        retention=repeated["retention"],
        **sections,
    )


def _tables(name: str, raw: dict[str, Any], report: Report) -> list[Any]:
    tables = raw.get(name, [])
    if not isinstance(tables, list):
        report.add(name, None, f"needs double brackets: [[{name}]]")
        return []
    return tables


def _section(name: str, kind: type, table: Any, report: Report, environ: Mapping[str, str]) -> Any:
    if not isinstance(table, dict):
        report.add(name, None, f"needs to be a section: [{name}]")
        return None
    known: dict[str, Field[Any]] = {each.name: each for each in fields(kind)}
    for key in table:
        if key not in known:
            report.add(name, key, f"unknown setting; [{name}] knows {', '.join(known)}")
    values = {}
    for key, setting in known.items():
        given: Any = environ.get(f"KYCGATE_{name}_{key}".upper(), table.get(key, MISSING))
        if given is MISSING:
            if setting.default is MISSING:
                report.add(name, key, "is missing and has no default")
            continue
        try:
            values[key] = setting.metadata["read"](given)
        except Wrong as wrong:
            report.add(name, key, str(wrong))
    complete = all(each.default is not MISSING or each.name in values for each in known.values())
    return kind(**values) if complete else None
