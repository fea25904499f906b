"""`kycgate ownership explain|export|load|status`: who owns and controls a company, in every layer.

The answers are those of the ownership room; this file only reads, keeps what was read, and prints.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kycgate.cli.output import Exit, add_json_flag, complain, say
from kycgate.errors import KycgateError, Malformed, Unavailable

if TYPE_CHECKING:
    from kycgate.screening.ownership.graph import Explanation, OwnershipGraph
    from kycgate.screening.ownership.parties import Register
    from kycgate.screening.ownership.sources import Opened, Read, Source

_WORTH_KEEPING = 4 << 20
"""Bytes of sources above which a register read for one question is kept for the next."""


def add(group: argparse.ArgumentParser) -> None:
    commands = group.add_subparsers(dest="command", metavar="COMMAND", required=True)
    explain = commands.add_parser("explain", help="who stands above a company, and what follows")
    _add_data(explain)
    explain.add_argument(
        "--listed", nargs="+", action="extend", default=[], metavar="ID", help="sanctioned owners"
    )
    form = explain.add_mutually_exclusive_group()
    add_json_flag(form)  # type: ignore[arg-type]
    form.add_argument("--svg", action="store_true", help="draw the chain on stdout")
    explain.set_defaults(run=run_explain)
    export = commands.add_parser("export", help="write the chain above a company as BODS 0.4")
    _add_data(export)
    export.set_defaults(run=run_export)
    load = commands.add_parser("load", help="read the registers and keep them, ready to be asked")
    _add_source(load)
    load.add_argument("--kept", metavar="FILE", help="where to keep it; default: beside the data")
    load.add_argument(
        "--accept-shrunk", action="store_true", help="also if most of what was there is gone"
    )
    add_json_flag(load)
    load.set_defaults(run=run_load)
    status = commands.add_parser("status", help="which registers are kept, and how old they are")
    _add_source(status)
    status.add_argument("--kept", metavar="FILE", help="default: beside the data")
    add_json_flag(status)
    status.set_defaults(run=run_status)


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("entity", metavar="ENTITY", help="an id, an LEI or an exact name")
    _add_source(parser)
    parser.add_argument("--at", metavar="DATE", help="YYYY-MM-DD; default: today")


def _add_source(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--bods", nargs="+", metavar="FILE", help="BODS 0.4 statements")
    source.add_argument("--gleif", metavar="DIR", help="a directory of GLEIF files")
    source.add_argument(
        "--config", default="kycgate.toml", metavar="FILE", help="the registers configured there"
    )


def run_explain(args: argparse.Namespace) -> int:
    """Exit 0 clear, 1 restricted or blocked, 2 unknown."""
    from kycgate.assembly.ownership import restricted
    from kycgate.screening.controls import load_countries
    from kycgate.screening.ownership.graph import document

    countries = load_countries()
    at = _day(args.at)
    graph, entity = _asked(args, at)
    listed = {id_ for text in args.listed for id_ in graph.register.find(text) or (text,)}
    explanation = graph.explain(entity, listed, at=at, restricted=restricted())
    if args.svg:
        from kycgate.screening.ownership.svg import draw

        sys.stdout.write(draw(explanation, country_name=countries.alpha2))
    else:
        say(args, document(explanation, country_name=countries.alpha2), _told(explanation))
    return {"clear": Exit.YES, "unknown": Exit.UNDECIDED}.get(explanation.result, Exit.NO)


def run_export(args: argparse.Namespace) -> int:
    """The statements that hold on the day, for everybody above the entity."""
    from kycgate.screening.controls import load_countries
    from kycgate.screening.ownership.bods_writing import chain_statements
    from kycgate.screening.ownership.snapshot import Snapshot

    at = _day(args.at)
    graph, entity = _asked(args, at)
    snapshot = Snapshot(graph.register, at)
    statements = chain_statements(snapshot, entity, country_name=load_countries().alpha2)
    json.dump(statements, sys.stdout, indent=2)
    sys.stdout.write("\n")
    return Exit.YES


def _day(text: str | None) -> date:
    from kycgate.screening.ownership.dates import first_day

    if text is None:
        return datetime.fromtimestamp(time.time(), UTC).date()
    try:
        return first_day(text)
    except ValueError as e:
        raise Malformed(str(e), field="--at", remedy="YYYY-MM-DD") from e


def run_load(args: argparse.Namespace) -> int:
    """Exit 0 when every register is kept; else what was kept before stays in use."""
    from kycgate.assembly.ownership import country_of
    from kycgate.screening.ownership.live import status
    from kycgate.screening.ownership.sources import build, note_failure

    now, found = int(time.time()), _sources(args)
    for source in found:
        try:
            build(source, country_of=country_of, now=now, accept_shrunk=args.accept_shrunk)
        except KycgateError as error:
            note_failure(source, error, now=now)
            raise
    documents = [status(source) for source in found]
    say(args, {"registers": documents}, "\n".join(map(_state, documents)))
    return Exit.YES


def run_status(args: argparse.Namespace) -> int:
    """Exit 0 when every register kept is of today's files, 2 when one is older or missing."""
    from kycgate.screening.ownership.live import status

    documents = [status(source) for source in _sources(args)]
    text = "\n".join(map(_state, documents)) or "No register of owners is configured."
    say(args, {"registers": documents}, text)
    current = all(each["state"] == "current" for each in documents)
    return Exit.YES if current else Exit.UNDECIDED


def _state(document: dict[str, Any]) -> str:
    line = f"{document['kind']}: {document['state']}"
    if "version" in document:
        counts = ", ".join(f"{count} {what}" for what, count in document["counts"].items())
        made = datetime.fromtimestamp(document["made_at"], UTC).strftime("%Y-%m-%d %H:%M UTC")
        line += f", version {document['version']} read {made}: {counts}"
    failed = document["failure"]
    return line if failed is None else f"{line}\n  last failure: {failed['message']}"


def _sources(args: argparse.Namespace) -> tuple[Source, ...]:
    from kycgate.screening.ownership.sources import Source

    kept = getattr(args, "kept", None)
    if args.gleif:
        folder = Path(args.gleif)
        return (Source("gleif", (folder,), Path(kept) if kept else folder / ".gleif.register"),)
    if args.bods:
        files = tuple(map(Path, args.bods))
        beside = files[0].with_name(".bods.register")
        return (Source("bods", files, Path(kept) if kept else beside),)
    if kept:
        raise Malformed("beside --config", field="--kept", remedy="[ownership] kept = says where")
    from kycgate.assembly.ownership import ownership_sources
    from kycgate.config import load_config

    return ownership_sources(load_config(args.config))


def _asked(args: argparse.Namespace, at: date) -> tuple[OwnershipGraph, str]:
    """The graph to ask, and the entity's id in it."""
    from kycgate.screening.ownership.graph import OwnershipGraph
    from kycgate.screening.ownership.merged import merge

    registers = [(source.kind, _register(source)) for source in _sources(args)]
    if not registers:
        raise Malformed(
            "no register is configured",
            field="--config",
            remedy="--gleif DIR, --bods FILE, or an [ownership] section",
        )
    knowing = [each for _, each in registers if each.find(args.entity)]
    graph = OwnershipGraph(knowing[0] if knowing else registers[0][1])
    entity = graph.find(args.entity)
    if len(registers) == 1:
        return graph, entity
    merged = merge(None, entity, registers, at=at)
    return OwnershipGraph(merged.register), merged.subject


def _register(source: Source) -> Register:
    """What is kept of the source; read anew where that is not of today's files, and kept where
    reading took long enough to be worth it."""
    from kycgate.assembly.ownership import country_of
    from kycgate.screening.ownership.sources import build, opened, read

    found: Opened | Read | None = opened(source)
    if found is None and sum(size for _, size, _ in source.print()) > _WORTH_KEEPING:
        try:
            found = build(source, country_of=country_of, now=int(time.time()))
        except Unavailable as error:
            complain(f"{error.message}: it is read anew for each question")
    if found is None:
        found = read(source, country_of=country_of)
    for note in found.notes:
        complain(note)
    return found.register


def _told(explanation: Explanation) -> str:
    from kycgate.screening.ownership.parties import Unknown

    top = explanation.ultimate_parent
    lines = [
        f"{explanation.entity.name} on {explanation.at}: {explanation.result}",
        f"ultimate parent: {'unknown, ' + top.text if isinstance(top, Unknown) else top.name}",
        f"listed share: {explanation.listed_share}",
    ]
    for answer in explanation.answers:
        why = "; ".join(dict.fromkeys([answer.text, *(each.text for each in answer.reasons)]))
        lines.append(
            f"  {answer.rule.name}: {answer.result}" + (f" ({why.strip('; ')})" if why else "")
        )
    return "\n".join([*lines, *(f"  note: {note}" for note in explanation.notes)])
