"""`kycgate lists`: fetch the screening lists, import them offline, and show how old they are.

Screens nobody. A list that can't be taken leaves the version in force where it is and says why.
"""

from __future__ import annotations

import argparse
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kycgate.cli.output import Exit, add_json_flag, complain, say
from kycgate.errors import KycgateError, Malformed
from kycgate.screening.intake import Intake, Taken
from kycgate.screening.library import Library, Release
from kycgate.screening.sources import source, source_names, url_of
from kycgate.screening.sources.dates import moment

STANDARD = ("us-csl", "ofac-sdn", "un", "uk", "eu")
"""What `update` fetches besides the lists that are in the library already."""
_HOUR = 3_600


def add(group: argparse.ArgumentParser) -> None:
    """The commands of this group."""
    commands = group.add_subparsers(dest="command", metavar="COMMAND", required=True)
    update = commands.add_parser("update", help="fetch what has changed")
    update.add_argument("--list", metavar="NAME", help="only this list; see `lists status`")
    update.set_defaults(run=run_update)
    take = commands.add_parser("import", help="take a list from a file, without a network")
    take.add_argument("file", metavar="FILE", help="the file, or the folder of a list of several")
    take.add_argument("--list", metavar="NAME", required=True, help="which list it is")
    take.add_argument("--as-of", metavar="DATE", help="its date, where the file does not say it")
    take.set_defaults(run=run_import)
    status = commands.add_parser("status", help="versions, ages and the last errors")
    status.add_argument(
        "--max-age", type=int, default=72, metavar="HOURS", help="older is stale (72)"
    )
    status.set_defaults(run=run_status)
    for parser in (update, take):
        parser.add_argument(
            "--accept-entries",
            type=int,
            metavar="N",
            help="take a list that lost many entries when it has exactly N left",
        )
    for parser in (update, take, status):
        parser.add_argument(
            "--dir",
            default=os.environ.get("KYCGATE_LISTS_DIR", "kycgate-lists"),
            metavar="DIR",
            help="where the versions are kept (KYCGATE_LISTS_DIR, else ./kycgate-lists)",
        )
        add_json_flag(parser)


def run_update(args: argparse.Namespace) -> int:
    """Fetch; exit 2 when a list could not be brought up to date."""
    import requests

    now = int(time.time())
    library = Library(Path(args.dir), now=now)
    intake = Intake(library, accept_entries=args.accept_entries)
    results, failed = list[dict[str, Any]](), False
    with requests.Session() as session:
        for name in [args.list] if args.list else _wanted(library):
            try:
                taken = intake.update(name, now=now, session=session)
                results.append({"name": name, "ok": True, **_outcome(taken)})
            except KycgateError as error:
                failed = True
                results.append({"name": name, "ok": False, "error": error.message})
                complain(f"{name}: {error.message}")
    lines = [_line(each) for each in results if each["ok"]]
    say(args, {"ok": not failed, "lists": results}, "\n".join(lines) or "nothing taken")
    return Exit.UNDECIDED if failed else Exit.YES


def run_import(args: argparse.Namespace) -> int:
    """Take a file; nothing changes when it is refused."""
    as_of = None if args.as_of is None else moment(args.as_of, field="--as-of")
    now = int(time.time())
    if as_of is not None and as_of > now:
        raise Malformed("lies in the future", field="--as-of", remedy="the publisher's date")
    intake = Intake(Library(Path(args.dir), now=now), accept_entries=args.accept_entries)
    taken = intake.take_file(args.list, Path(args.file), now=now, as_of=as_of)
    outcome = {"name": args.list, "ok": True, **_outcome(taken)}
    say(args, outcome, _line(outcome))
    return Exit.YES


def run_status(args: argparse.Namespace) -> int:
    """Show every list there is, loaded or not."""
    now = int(time.time())
    library = Library(Path(args.dir), now=now)
    loaded = set(library.names())
    names = [*sorted(loaded), *sorted(set(source_names()) - loaded)]
    in_force = {release.list: release for release in library.at(now)}
    rows = [_row(library, name, in_force.get(name), now, args.max_age * _HOUR) for name in names]
    say(args, {"lists": rows}, "\n".join(map(_status_line, rows)))
    return Exit.YES


def _wanted(library: Library) -> list[str]:
    """The standard lists and those in the library, as far as their addresses are known."""
    names = dict.fromkeys((*STANDARD, *library.names()))
    return [name for name in names if all(url_of(name, part) for part in source(name).parts)]


def _outcome(taken: Taken) -> dict[str, Any]:
    before = taken.before
    return {
        "version": taken.release.version,
        "as_of": _time(taken.release.as_of),
        "entries": taken.release.entries,
        "wallets": taken.release.wallets,
        "skipped": taken.release.skipped,
        "fresh": taken.fresh,
        "before": {"version": before.version, "entries": before.entries} if before else None,
    }


def _row(
    library: Library, name: str, release: Release | None, now: int, max_age_s: int
) -> dict[str, Any]:
    plugin, failure = source(name), library.history(name).failure
    row: dict[str, Any] = {
        "name": name,
        "title": plugin.title,
        "version": None,
        "as_of": None,
        "entries": 0,
        "proven": plugin.proven,
        "status": "proven" if plugin.proven else "unproven",
        "stale": None,
        "last_error": None,
    }
    if failure:
        row["last_error"] = {
            "at": _time(failure.at),
            "message": failure.message,
            "kept_entries": failure.kept,
            "found_entries": failure.found,
        }
    if release:
        age_s = now - release.current_at(now)
        row |= {
            "version": release.version,
            "as_of": _time(release.as_of),
            "confirmed_at": _time(release.confirmed[-1]) if release.confirmed else None,
            "in_force_since": _time(release.at),
            "via": release.via,
            "entries": release.entries,
            "wallets": release.wallets,
            "counts": dict(release.counts),
            "skipped": release.skipped,
            "age_s": age_s,
            "stale": age_s > max_age_s,
        }
    return row


def _status_line(row: dict[str, Any]) -> str:
    proven = "" if row["proven"] else "  unproven"
    if row["version"] is None:
        line = f"{row['name']:17} not loaded{proven}  {row['title']}"
    else:
        age = f"{row['age_s'] // _HOUR} h old" + (", STALE" if row["stale"] else "")
        line = (
            f"{row['name']:17} {row['version']}  of {row['as_of'][:10]}, {age}  "
            f"{row['entries']:,} entries, {row['wallets']:,} wallets  ({row['via']}){proven}"
        )
    if error := row["last_error"]:
        line += f"\n{'':17} last error, {error['at']}: {error['message']}"
    return line


def _line(outcome: dict[str, Any]) -> str:
    what = "new version" if outcome["fresh"] else "unchanged"
    before = outcome["before"]
    was = f", before {before['entries']:,}" if before and outcome["fresh"] else ""
    return (
        f"{outcome['name']}: {what} {outcome['version']} of {outcome['as_of'][:10]}, "
        f"{outcome['entries']:,} entries{was}, {outcome['wallets']:,} wallets"
    )


def _time(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
