"""`kycgate screen`: is this person, company or wallet on a list, and why.

Decides nothing about a rental and keeps nothing. Exit 0 clear, 1 block, 2 review.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, get_args

from kycgate.cli.in_force import KINDS, load_matcher
from kycgate.cli.output import Exit, add_json_flag, say
from kycgate.core.claims import checksum, parse_address
from kycgate.errors import Malformed, Misconfigured
from kycgate.screening.entries import Identifier, IdentifierType

if TYPE_CHECKING:
    from kycgate.screening.matching.matcher import Match, Screening

EXITS = {"clear": Exit.YES, "review": Exit.UNDECIDED, "block": Exit.NO}
_TYPES = get_args(IdentifierType)


def add(group: argparse.ArgumentParser) -> None:
    """The commands of this group."""
    commands = group.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_name(commands.add_parser("name", help="screen one name"))
    _add_batch(commands.add_parser("batch", help="screen a CSV file, one JSON line a row"))
    pair = commands.add_parser("pair", help="how likely two names name one party")
    pair.add_argument("name1", metavar="NAME1")
    pair.add_argument("name2", metavar="NAME2")
    _add_kind(pair)
    add_json_flag(pair)
    pair.set_defaults(run=run_pair)
    pairs = commands.add_parser("pairs", help="score name1,name2[,schema] of a CSV file")
    pairs.add_argument("file", metavar="FILE.csv")
    pairs.add_argument("--out", metavar="FILE", help="default: standard output")
    pairs.set_defaults(run=run_pairs)
    wallet = commands.add_parser("wallet", help="is this wallet on a list now")
    wallet.add_argument("address", metavar="0x…")
    _add_lists(wallet)
    add_json_flag(wallet)
    wallet.set_defaults(run=run_wallet)


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    _add_kind(parser)
    parser.add_argument("--country", default="", metavar="XX", help="ISO 3166 alpha-2")
    parser.add_argument("--birth-date", default="", metavar="DATE", help="1980-12-31, or a year")
    parser.add_argument(
        "--id", action="append", default=[], metavar="TYPE:VALUE", help=", ".join(_TYPES)
    )
    parser.add_argument("--address", default="", metavar="TEXT", help="street, city, country")
    _add_lists(parser)
    add_json_flag(parser)
    parser.set_defaults(run=run_name)


def _add_batch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE.csv")
    parser.add_argument("--name-column", required=True, metavar="COLUMN")
    parser.add_argument("--country-column", metavar="COLUMN")
    parser.add_argument("--birth-date-column", metavar="COLUMN")
    parser.add_argument("--out", metavar="FILE", help="default: standard output")
    parser.add_argument("--processes", type=int, metavar="N", help="default: one a core")
    _add_kind(parser)
    _add_lists(parser)
    parser.set_defaults(run=run_batch)


def _add_kind(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kind", choices=KINDS, default="any")


def _add_lists(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dir",
        default=os.environ.get("KYCGATE_LISTS_DIR"),
        metavar="DIR",
        help="lists of `kycgate lists` (KYCGATE_LISTS_DIR, else ./kycgate-lists, else as shipped)",
    )


def run_name(args: argparse.Namespace) -> int:
    """Screen one party."""
    _need_extra()
    from kycgate.screening.matching.matcher import Query

    query = Query(
        name=args.name,
        kind=KINDS[args.kind],
        country=_country(args.country),
        birth_date=args.birth_date,
        identifiers=tuple(_identifier(text) for text in args.id),
        address=args.address,
    )
    return _answer(args, load_matcher(args.dir).screen(query))


def run_wallet(args: argparse.Namespace) -> int:
    """Screen one wallet; an EVM address counts on every EVM chain."""
    _need_extra()
    address = args.address.strip()
    if address.lower().startswith("0x"):
        address = checksum(parse_address(address))
    return _answer(args, load_matcher(args.dir).wallet(address))


def run_pair(args: argparse.Namespace) -> int:
    """Compare two names; needs no list."""
    _need_extra()
    from kycgate.screening.matching.document import explanation
    from kycgate.screening.matching.matcher import ENGINE, pair_score

    score = pair_score(args.name1, args.name2, KINDS[args.kind])
    words = explanation(score.explanation)
    lines = [f"{each['asked'] or '–'} = {each['listed'] or '–'}: {each['how']}" for each in words]
    document = {"score": score.score, "explanation": words, "engine": ENGINE}
    say(args, document, "\n".join([f"{score.score:.2f}", *lines]))
    return Exit.YES


def run_pairs(args: argparse.Namespace) -> int:
    """Append a score to every row of a file; a row that can't be scored keeps it empty."""
    _need_extra()
    from kycgate.cli.batch import score_pairs

    return score_pairs(args)


def run_batch(args: argparse.Namespace) -> int:
    """Screen every row of a file."""
    _need_extra()
    from kycgate.cli.batch import screen_rows

    return screen_rows(args)


def _need_extra() -> None:
    try:
        import anyascii
        import numpy
        import pypinyin
        import rapidfuzz
    except ImportError as e:
        raise Misconfigured(
            (f"screening needs the package {e.name}: pip install 'kycgate[screening]'",)
        ) from e
    del anyascii, numpy, pypinyin, rapidfuzz


def _country(text: str) -> str:
    if text and not (len(text) == 2 and text.isascii() and text.isalpha()):
        raise Malformed("not a country", field="--country", remedy="two letters, as SG")
    return text.upper()


def _identifier(text: str) -> Identifier:
    kind, _, value = text.partition(":")
    for known in _TYPES:
        if kind.lower() == known and value.strip():
            return Identifier(known, value.strip())
    raise Malformed(
        "not an identifier", field="--id", remedy=f"TYPE:VALUE, a type of {', '.join(_TYPES)}"
    )


def _answer(args: argparse.Namespace, screening: Screening) -> int:
    from kycgate.screening.matching.document import screening_document

    lists = ", ".join(f"{each.name} {each.version}" for each in screening.lists)
    lines = [str(screening.band), *(_line(hit) for hit in screening.hits)]
    text = "\n".join([*lines, f"by {screening.engine} against {lists}"])
    say(args, screening_document(screening), text)
    return EXITS[screening.band]


def _line(hit: Match) -> str:
    words = ", ".join(
        f"{' '.join(each.asked) or '–'}={' '.join(each.listed) or '–'} ({each.how})"
        for each in hit.explanation
    )
    words += "".join(f", {each.name} {each.agreement}" for each in hit.attributes)
    line = f"  {hit.band} {hit.score:.2f} {hit.list} {hit.entry_id} {hit.name}: {words or hit.by}"
    # Names come from others: what could steer a terminal is not printed.
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in line)
