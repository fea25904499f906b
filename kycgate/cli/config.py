"""`kycgate config check`: says whether a configuration would start, with every problem at once.

Serves nothing.
"""

from __future__ import annotations

import argparse

from kycgate.cli.output import Exit, add_json_flag, say
from kycgate.errors import Misconfigured


def add(group: argparse.ArgumentParser) -> None:
    commands = group.add_subparsers(dest="command", metavar="COMMAND", required=True)
    check = commands.add_parser("check", help="read FILE and open what it names")
    check.add_argument("file", nargs="?", default="kycgate.toml", metavar="FILE")
    add_json_flag(check)
    check.set_defaults(run=run_check)


def run_check(args: argparse.Namespace) -> int:
    """Exit 0 when the configuration is sound, else 64; problems name file, line and remedy."""
    from kycgate.assembly import check_config

    try:
        facts = check_config(args.file)
    except Misconfigured as error:
        problems = list(error.problems)
        say(args, {"ok": False, "problems": problems}, "\n".join(problems))
        return Exit.USAGE
    lines = [f"{args.file}: sound", *(f"  {name}: {fact}" for name, fact in facts.items())]
    say(args, {"ok": True, **facts}, "\n".join(lines))
    return Exit.YES
