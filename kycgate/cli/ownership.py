"""`kycgate ownership explain|export`: who owns and controls a company, through every layer.

Changes nothing. The answers are those of the ownership room; this file only reads and prints.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kycgate.cli.output import Exit, add_json_flag, complain, say
from kycgate.errors import Malformed

if TYPE_CHECKING:
    from kycgate.screening.ownership.graph import Explanation, OwnershipGraph
    from kycgate.screening.ownership.parties import Register

_CHUNK = 1 << 18


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


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("entity", metavar="ENTITY", help="an id, an LEI or an exact name")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--bods", nargs="+", metavar="FILE", help="BODS 0.4 statements")
    source.add_argument("--gleif", metavar="DIR", help="a directory of GLEIF files")
    parser.add_argument("--at", metavar="DATE", help="YYYY-MM-DD; default: today")


def run_explain(args: argparse.Namespace) -> int:
    """Exit 0 clear, 1 restricted or blocked, 2 unknown."""
    from kycgate.screening.controls import load_countries
    from kycgate.screening.ownership.graph import document

    countries = load_countries()
    graph, at = _graph(args), _day(args.at)
    listed = {id_ for text in args.listed for id_ in graph.register.find(text) or (text,)}
    explanation = graph.explain(graph.find(args.entity), listed, at=at, restricted=_restricted())
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

    graph = _graph(args)
    snapshot = Snapshot(graph.register, _day(args.at))
    statements = chain_statements(
        snapshot, graph.find(args.entity), country_name=load_countries().alpha2
    )
    json.dump(statements, sys.stdout, indent=2)
    sys.stdout.write("\n")
    return Exit.YES


def _restricted() -> frozenset[int]:
    """D:5, Macau beside it, and Hong Kong, which has China's groups."""
    from kycgate.screening.controls import load_countries

    countries = load_countries()
    return countries.group("D:5") | {countries.numeric("MO"), countries.numeric("HK")}


def _day(text: str | None) -> date:
    from kycgate.screening.ownership.dates import first_day

    if text is None:
        return datetime.fromtimestamp(time.time(), UTC).date()
    try:
        return first_day(text)
    except ValueError as e:
        raise Malformed(str(e), field="--at", remedy="YYYY-MM-DD") from e


def _graph(args: argparse.Namespace) -> OwnershipGraph:
    from kycgate.screening.ownership.graph import OwnershipGraph

    return OwnershipGraph(_declared(args.bods) if args.bods else _registered(args.gleif))


def _declared(paths: list[str]) -> Register:
    from kycgate.screening.ownership.bods import read_bods
    from kycgate.screening.ownership.declared import register_of

    statements = (statement for path in paths for statement in read_bods(_chunks(path), field=path))
    return register_of(statements, country_of=_country)


def _registered(path: str) -> Register:
    from kycgate.screening.ownership.gleif import read_directory

    register, reader = read_directory(Path(path), country_of=_country)
    for note in reader.notes:
        complain(note)
    return register


def _country(code: str) -> int:
    from kycgate.screening.controls import load_countries

    try:
        return load_countries().numeric(code[:2])
    except Malformed:
        return 0


def _chunks(path: str) -> Iterator[bytes]:
    try:
        with Path(path).open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    except OSError as e:
        raise Malformed(f"{path} can't be read: {e.strerror}", field="--bods") from e


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
