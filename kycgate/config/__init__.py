"""One frozen, typed configuration, read once at start: a TOML file, KYCGATE_* variables over it.

Opens nothing it names: keys, lists and databases are opened by the assembly. Every problem is
reported together, with file, line and remedy: a list is mended faster than a riddle.

    section.field in the file     KYCGATE_SECTION_FIELD in the environment, which wins
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from kycgate.config.checks import Report, cross_check
from kycgate.config.readers import Wrong
from kycgate.config.verifying import Import, Persona, Stripe, Sumsub
from kycgate.config.whole import OFFERED, REPEATED, SECTIONS, Config
from kycgate.errors import Misconfigured

__all__ = ["Config", "Import", "Persona", "Stripe", "Sumsub", "load_config"]


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
    repeated = [table for table, _ in REPEATED.values()]
    for name in raw:
        if name not in (*SECTIONS, *OFFERED, *repeated):
            known = ", ".join((*SECTIONS, *OFFERED))
            report.add(name, None, f"unknown section; there are {known}")
    values: dict[str, Any] = {}
    for name, (table, kind) in REPEATED.items():
        rows = _tables(table, raw, report)
        values[name] = tuple(_section(table, kind, row, report, {}) for row in rows)
    for name, kind in SECTIONS.items():
        values[name] = _section(name, kind, raw.get(name, {}), report, environ)
    for name, kind in OFFERED.items():
        there = name in raw
        values[name] = _section(name, kind, raw[name], report, environ) if there else None
    if not report.problems:
        config = Config(directory=source.parent.resolve(), **values)
        cross_check(config, report)
    if report.problems:
        raise Misconfigured(tuple(report.problems))
    return config


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
