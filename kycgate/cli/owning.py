"""`kycgate cases owners|owner-listed`: what was told of owners beside what registers say.

Decides nothing itself: it shows the picture, and carries a reviewer's finding to the office.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import Any

from kycgate.cli.output import Exit, add_json_flag, say
from kycgate.errors import Malformed


def add_owners(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", metavar="CASE")
    _common(parser, "who reads (default: $USER)")
    form = parser.add_mutually_exclusive_group()
    add_json_flag(form)  # type: ignore[arg-type]
    form.add_argument("--svg", action="store_true", help="draw the chain on stdout")
    parser.set_defaults(run=run_owners)


def add_listed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", metavar="CASE")
    parser.add_argument("role", metavar="ROLE", help="as the case shows it: owner.1, parent")
    parser.add_argument("--reason", required=True, metavar="TEXT", help="kept sealed")
    _common(parser, "who decides (default: $USER)")
    add_json_flag(parser)
    parser.set_defaults(run=run_listed)


def _common(parser: argparse.ArgumentParser, person: str) -> None:
    parser.add_argument("--reviewer", metavar="NAME", help=person)
    parser.add_argument("--config", default="kycgate.toml", metavar="FILE")


def run_owners(args: argparse.Namespace) -> int:
    """Exit 0. The reading is logged under the reader's name."""
    now, reader = int(time.time()), _reviewer(args)
    with args.opener(args.config) as services:
        if args.svg:
            sys.stdout.write(services.identity.owners_svg(args.case, reader=reader, now=now))
            return Exit.YES
        document = services.identity.owners(args.case, reader=reader, now=now)
    say(args, document, told(document))
    return Exit.YES


def run_listed(args: argparse.Namespace) -> int:
    """Exit 0 when it is written down; the share then counts under the rules that weigh it."""
    now = int(time.time())
    with args.opener(args.config) as services:
        case = services.identity.owner_is_listed(
            args.case, args.role, reviewer=_reviewer(args), reason=args.reason, now=now
        )
        document = services.identity.summary(case)
    say(args, {"case": document}, f"Case {case.id}: {args.role} counts as listed.")
    return Exit.YES


def told(document: dict[str, Any]) -> str:
    """The picture in a terminal."""
    top = document["ultimate_parent"]
    unknown = document["ultimate_parent_unknown"]
    lines = [
        f"{document['entity']['name']} on {document['at']}: {document['result']}",
        f"ultimate parent: {top['name']} ({top['country'] or 'country unknown'})"
        if top
        else f"ultimate parent: unknown, {unknown['text']}",
    ]
    registers = ", ".join(f"{kind} {version}" for kind, version in document["registers"].items())
    lines.append(f"registers: {registers or 'none'}{' (being read)' * document['unread']}")
    lines += [
        f"  DIFFERS: {each['party']}, {each['about']}: told {each['stated'] or '-'},"
        f" {each['source']} says {each['registered']}"
        for each in document["differences"]
    ]
    lines += [_holder(each) for each in document["chain"]]
    lines.append(f"listed owners hold: {_share(document['standing'])}")
    for rule in document["rules"]:
        lines.append(f"  {rule['rule']}: {rule['result']} ({rule['status']}, {rule['citation']})")
    return "\n".join([*lines, *(f"  note: {note}" for note in document["notes"])])


def _holder(each: dict[str, Any]) -> str:
    share = each["share"]
    held = "no share told" if share is None else f"{share['min']} to {share['max']} %"
    sources = ", ".join(each["sources"])
    return f"  {each['holder_name']} -> {each['subject_name']}: {held}; {sources}"


def _share(standing: dict[str, Any] | None) -> str:
    if standing is None:
        return "not recorded yet"
    share, gap = standing["share"], standing["gap"]
    held = "unknown"
    if share is not None:
        families = ", ".join(share["regimes"]) or "none of them listed"
        held = f"{share['min']:g} to {share['max']:g} % ({families})"
    return f"{held}: {gap}" if gap else held


def _reviewer(args: argparse.Namespace) -> str:
    name = args.reviewer or os.environ.get("USER", "")
    if not name:
        raise Malformed("nobody is named", field="--reviewer", remedy="add --reviewer NAME")
    return str(name)
