"""`kycgate vault`: who wraps the subjects' keys, and how long people's data is kept.

Opens nobody's data: it goes by dates, names of keys and states.
"""

from __future__ import annotations

import argparse
import os
import time
from datetime import UTC, datetime
from typing import Any

from kycgate.cli.case_text import moment
from kycgate.cli.output import Exit, add_json_flag, say
from kycgate.errors import Malformed


def add(group: argparse.ArgumentParser) -> None:
    """Add the commands."""
    commands = group.add_subparsers(dest="command", metavar="COMMAND", required=True)
    status = commands.add_parser("status", help="which keys wrap how many subjects' keys")
    _common(status, run_status)
    rotate = commands.add_parser("rotate", help="wrap every subject's key under a new key")
    rotate.add_argument(
        "--new",
        metavar="SPEC",
        help="the new vault key, file:PATH or env:NAME (default: the one the configuration names,"
        " when what is sealed is still under an older one in vault.also)",
    )
    _common(rotate, run_rotate)
    retention = commands.add_parser("retention", help="forget everybody whose time is over")
    retention.add_argument("--dry-run", action="store_true", help="only say who that would be")
    _common(retention, run_retention)
    hold = commands.add_parser("hold", help="keep somebody's data, whatever they ask for")
    hold.add_argument("who", metavar="WHO", help="a case or a subject")
    hold.add_argument("--until", metavar="DATE", help="YYYY-MM-DD, kept through that day (UTC)")
    hold.add_argument("--reason", metavar="TEXT", help="what asks for it; kept sealed")
    hold.add_argument("--release", metavar="HOLD", help="end this hold before its time instead")
    hold.add_argument("--by", metavar="NAME", help="who places or ends it (default: $USER)")
    _common(hold, run_hold)


def _common(parser: argparse.ArgumentParser, run: Any) -> None:
    parser.add_argument("--config", default="kycgate.toml", metavar="FILE")
    add_json_flag(parser)
    parser.set_defaults(run=run)


def run_status(args: argparse.Namespace) -> int:
    """Exit 0."""
    from kycgate.assembly import open_services

    with open_services(args.config) as services:
        counts = services.vault.keys.wrapped_under()
        current = services.vault.keys.current
    erased = counts.pop("", 0)
    lines = [f"today's key  {current}"]
    lines += [
        f"{name}  {count} subjects{'' if name == current else '  (an older key: rotate)'}"
        for name, count in sorted(counts.items())
    ]
    lines.append(f"erased  {erased} subjects")
    say(args, {"current": current, "subjects": counts, "erased": erased}, "\n".join(lines))
    return Exit.YES


def run_rotate(args: argparse.Namespace) -> int:
    """Exit 0. May be repeated; every process keeps working as long as it knows both keys."""
    from kycgate.assembly import open_services
    from kycgate.keys import load_secret

    with open_services(args.config) as services:
        keys = services.vault.keys
        done = keys.rotate(load_secret(args.new)) if args.new else keys.rewrap()
        current = keys.current
    text = f"{done} subjects' keys are wrapped under {current} now"
    if args.new:
        text += "; name that key as keys.vault, and start again"
    say(args, {"rewrapped": done, "current": current}, text)
    return Exit.YES


def run_retention(args: argparse.Namespace) -> int:
    """Exit 0, also when nobody's time is over."""
    from kycgate.assembly import open_services

    now = int(time.time())
    with open_services(args.config) as services:
        calendar = services.verifying.retention
        found = list(calendar.due(now)) if args.dry_run else calendar.run(now=now)
    word = "would be forgotten" if args.dry_run else "forgotten"
    lines = [f"{each.subject_id}  due since {moment(each.due_at)}" for each in found]
    lines.append(f"{len(found)} subjects {word}.")
    told = [{"subject": each.subject_id, "due_at": each.due_at} for each in found]
    say(args, {"subjects": told, "dry_run": args.dry_run}, "\n".join(lines))
    return Exit.YES


def run_hold(args: argparse.Namespace) -> int:
    """Exit 0 when the hold stands, or has ended."""
    from kycgate.assembly import open_services

    now, by = int(time.time()), _person(args)
    with open_services(args.config) as services:
        if args.release:
            services.verifying.retention.release(args.release, args.who, by=by, now=now)
            say(args, {"released": args.release}, f"Hold {args.release} has ended.")
            return Exit.YES
        if not args.reason:
            raise Malformed("is missing", field="--reason", remedy="say what asks for it")
        hold = services.verifying.retention.hold(
            args.who, until=_end_of(args.until), reason=args.reason, by=by, now=now
        )
    told = {"hold": hold.id, "subject": hold.subject_id, "until": hold.until}
    say(args, told, f"Hold {hold.id} keeps subject {hold.subject_id} until {moment(hold.until)}.")
    return Exit.YES


def _end_of(text: str | None) -> int:
    """The end of that day, UTC."""
    try:
        day = datetime.strptime(text or "", "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise Malformed("is no date", field="--until", remedy="YYYY-MM-DD") from error
    return int(day.timestamp()) + 86_400


def _person(args: argparse.Namespace) -> str:
    name = args.by or os.environ.get("USER", "")
    if not name:
        raise Malformed("nobody is named", field="--by", remedy="add --by NAME")
    return str(name)
