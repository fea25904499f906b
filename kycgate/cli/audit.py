"""`kycgate audit verify|export|replay`: check the decision log, and hand it to an auditor.

Changes nothing in the log. `verify --file` needs no database and no configuration.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from kycgate.cli import replaying
from kycgate.cli.output import Exit, add_json_flag, complain, say
from kycgate.core.claims import parse_address
from kycgate.errors import Malformed

if TYPE_CHECKING:
    from kycgate.audit import SignedHead, Verified
    from kycgate.keys import Signer
    from kycgate.store import LogEntry, Store


def add(group: argparse.ArgumentParser) -> None:
    commands = group.add_subparsers(dest="command", metavar="COMMAND", required=True)
    verify = commands.add_parser("verify", help="check every entry, and the log's length by a head")
    source = _add_source(verify)
    source.add_argument("--file", metavar="EXPORT", help="check an export instead of a database")
    verify.add_argument("--head", metavar="FILE", help="a signed head kept from before")
    verify.add_argument(
        "--signer", metavar="0x…", help="the log key's address; default: the configured log key's"
    )
    add_json_flag(verify)
    verify.set_defaults(run=run_verify)
    export = commands.add_parser("export", help="write the log as JSON lines, and its signed head")
    _add_source(export)
    export.add_argument("--out", metavar="FILE", help="default: standard output")
    export.add_argument("--head", metavar="FILE", help="default: the --out file with .head.json")
    add_json_flag(export)
    export.set_defaults(run=run_export)
    replaying.add(commands.add_parser("replay", help="one decision again, under any day's rules"))


def _add_source(parser: argparse.ArgumentParser) -> Any:
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--config", default="kycgate.toml", metavar="FILE")
    source.add_argument("--store", metavar="URL", help="a database, without a configuration")
    return source


# -- verify ----------------------------------------------------------------------------------------


def run_verify(args: argparse.Namespace) -> int:
    """Exit 0 when the log is whole, 1 when it is broken."""
    from kycgate.audit import Broken, verify_log

    with _entries(args) as (entries, log_key):
        head = _read_head(args, log_key)
        verdict = verify_log(entries, head=head)
    if isinstance(verdict, Broken):
        document = {"verdict": "broken", "seq": verdict.seq, "why": verdict.why}
        say(args, document, f"broken at entry {verdict.seq}: {verdict.why}")
        return Exit.NO
    document = {
        "verdict": "verified",
        "count": verdict.count,
        "hash": f"0x{verdict.head_hash.hex()}",
        "head": None if head is None else {**head.document(), "signer_checked": _known(args)},
    }
    say(args, document, _told(verdict, head, args))
    return Exit.YES


def _known(args: argparse.Namespace) -> bool:
    """Whether the head's signer was compared with a log key known from elsewhere."""
    return args.signer is not None or not (args.store or args.file)


def _told(verdict: Verified, head: SignedHead | None, args: argparse.Namespace) -> str:
    text = f"verified: {verdict.count} entries, the last hash is 0x{verdict.head_hash.hex()}"
    if head is None:
        return f"{text}\nno signed head was given: entries missing at the end would not show"
    text += f"\nthe head of entry {head.seq}, signed at {head.at}, is in it"
    return text if _known(args) else f"{text}\n--signer was not given: whose head it is, is open"


@contextmanager
def _entries(args: argparse.Namespace) -> Iterator[tuple[Iterator[LogEntry], Signer | None]]:
    """The entries to check, and the log key where one is configured."""
    from kycgate.audit.export import LINE_MOST, entries_of, read_lines

    if args.file:
        with _open_file(args.file, "--file") as file:
            # A line longer than any entry's comes in pieces, and is refused.
            yield read_lines(iter(partial(file.readline, LINE_MOST + 2), b"")), None
        return
    source = _source(args)
    with closing(source.open()) as store:
        yield entries_of(store), source.log_key


def _read_head(args: argparse.Namespace, log_key: Signer | None) -> SignedHead | None:
    from kycgate.audit import SignedHead

    if args.head is None:
        return None
    signer = log_key.address if log_key else None
    if args.signer is not None:
        signer = parse_address(args.signer, field="--signer")
    with _open_file(args.head, "--head") as file:
        return SignedHead.from_wire(file.read(64 * 1024), signer=signer)


def _open_file(path: str, field: str) -> BinaryIO:
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise Malformed(f"{path} can't be read: {error.strerror}", field=field) from error


# -- export ----------------------------------------------------------------------------------------


def run_export(args: argparse.Namespace) -> int:
    """Write every entry, and the head first signed, so that the entries reach at least that far."""
    from kycgate.audit import DecisionLog
    from kycgate.audit.export import entries_of

    source = _source(args)
    with closing(source.open()) as store:
        head = None
        if source.log_key is not None:
            head = DecisionLog(store, source.log_key).head(int(time.time()))
        count = _write_lines(args.out, entries_of(store))
    head_file = args.head or (f"{args.out}.head.json" if args.out else None)
    if head is not None and head_file is not None:
        with _new_file(head_file, "--head") as file:
            file.write(json.dumps(head, indent=2).encode() + b"\n")
    if head is None:
        complain("no signed head: the log key is only known with --config")
    if args.out:
        document = {"out": args.out, "count": count, "head": head}
        say(args, document, f"{args.out}: {count} entries")
    return Exit.YES


def _write_lines(out: str | None, entries: Iterator[LogEntry]) -> int:
    from kycgate.audit.export import to_line

    count = 0
    with _new_file(out, "--out") if out else _standard_output() as file:
        for entry in entries:
            file.write(to_line(entry) + b"\n")
            count += 1
    return count


def _new_file(path: str, field: str) -> BinaryIO:
    """A new file only we may read. An earlier export is evidence and is not overwritten."""
    try:
        return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except FileExistsError as error:
        raise Malformed(f"{path} exists", field=field, remedy="choose a new name") from error
    except OSError as error:
        raise Malformed(f"{path} can't be written: {error.strerror}", field=field) from error


def _standard_output() -> BinaryIO:
    return open(os.dup(1), "wb")


# -- where the log is ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Source:
    url: str
    log_key: Signer | None

    def open(self) -> Store:
        """The store. One that is not there is refused, not made: it would verify as empty."""
        from kycgate.store import open_store

        scheme, _, path = self.url.partition(":///")
        if scheme == "sqlite" and path and not Path(path).is_file():
            raise Malformed(f"there is no database {path}", field="store")
        return open_store(self.url)


def _source(args: argparse.Namespace) -> _Source:
    if args.store:
        return _Source(args.store, None)
    from kycgate.config import load_config
    from kycgate.keys import load_signer

    config = load_config(args.config)
    password = config.keys.password and config.key(config.keys.password)
    return _Source(config.store_url, load_signer(config.key(config.keys.log), password=password))
