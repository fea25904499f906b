"""How every command answers: JSON when asked, plain words else, and one table of exit codes.

Decides nothing; commands hand their document in.
"""

from __future__ import annotations

import argparse
import json
import sys
from enum import IntEnum
from typing import Any


class Exit(IntEnum):
    """Published exit codes: scripts depend on them."""

    YES = 0
    NO = 1
    UNDECIDED = 2
    USAGE = 64


def add_json_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")


def say(args: argparse.Namespace, document: Any, text: str) -> None:
    """Print the document (--json) or the text, both to stdout."""
    if getattr(args, "json", False):
        json.dump(document, sys.stdout, ensure_ascii=False, indent=2)
        sys.stdout.write("\n")
    else:
        print(text)


def complain(message: str) -> None:
    """One line on stderr; stdout stays machine-readable."""
    print(f"kycgate: {message}", file=sys.stderr)
