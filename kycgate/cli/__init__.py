"""The `kycgate` command: finds the group of commands that was asked for and runs it.

Each group stands in a file of its own with `add(group)`, imported only when its name is on the
line, so that `kycgate attestation verify` never loads a server.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from collections.abc import Sequence
from typing import Any

from kycgate.cli.output import Exit, complain
from kycgate.errors import KycgateError, Malformed, Misconfigured, Unavailable

_GROUPS = {
    "attestation": "verify and sign attestations",
    "serve": "run the gate and its control plane",
    "demo": "watch the whole story with real parts, then click around",
    "trial": "try wallet credentials out on a test gate",
    "renter": "sign in, verify, get keys and permits, as a renter",
    "sidecar": "let any tool on this machine rent through the gate, as a renter",
    "signer": "keep a wallet's key in a process of its own, for the sidecar",
    "cases": "review cases: list, show, approve, refuse, revoke",
    "vault": "who wraps the subjects' keys, how long data is kept",
    "keys": "make and show the operator's keys",
    "audit": "verify and export the decision log",
    "screen": "screen names and wallets, compare names",
    "lists": "fetch, import and show the screening lists",
    "export": "put attestations on chain, or into other systems' forms",
    "chain": "see and publish the revocations that wait for a chain",
    "config": "check a configuration file",
    "adapter": "see what a marketplace adapter reads out of captured requests",
    "gpu": "classify a GPU, and list what to check of the table",
    "ownership": "who owns and controls a company, through every layer",
}


_OPTION = re.compile(r"--?[a-z][a-z0-9\-]{0,31}")


class _Parser(argparse.ArgumentParser):
    """Parsers below it are made of it too. An option is written out: a shortened one might be taken
    for another, and what stands after it shown where it must not be."""

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **(given | {"allow_abbrev": False}))

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        found, left = self.parse_known_args(args, namespace)
        if left:
            # Names of options only: a word that belongs to none may be a secret.
            named = [word for each in left if _OPTION.fullmatch(word := each.partition("=")[0])]
            self.error("unknown: " + (", ".join(named) or f"{len(left)} word(s) too many"))
        return found

    def error(self, message: str) -> None:  # type: ignore[override]
        self.print_usage(sys.stderr)
        complain(message)
        raise SystemExit(Exit.USAGE)


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """The whole parser, or just one group's part of it."""
    parser = _Parser(prog="kycgate", description=__doc__.splitlines()[0])
    groups = parser.add_subparsers(dest="group", metavar="COMMAND", required=True)
    for name, help_text in _GROUPS.items():
        group = groups.add_parser(name, help=help_text, description=help_text)
        if only in (None, name):
            importlib.import_module(f"kycgate.cli.{name}").add(group)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code; never shows a traceback for bad input."""
    words = list(sys.argv[1:] if argv is None else argv)
    only = next((word for word in words if not word.startswith("-")), None)
    return execute(build_parser(only if only in _GROUPS else "").parse_args(words))


def execute(args: argparse.Namespace) -> int:
    """Run the command that was read. Returns the exit code, as `main`."""
    try:
        return int(args.run(args))
    except Malformed as error:
        remedy = f" ({error.remedy})" if error.remedy else ""
        complain(f"{error.field}: {error.message}{remedy}")
        return Exit.USAGE
    except Misconfigured as error:
        for problem in error.problems:
            complain(problem)
        return Exit.USAGE
    except Unavailable as error:
        complain(error.message)
        return Exit.UNDECIDED
    except KycgateError as error:
        complain(error.message)
        return Exit.NO
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return Exit.NO
