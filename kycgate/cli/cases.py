"""`kycgate cases`: what a reviewer needs to decide whether a renter is who they say they are.

Decides nothing itself: it shows a case, and carries a person's decision to the identity office.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, Protocol

from kycgate.cli import owning
from kycgate.cli.case_text import describe, moment, table
from kycgate.cli.output import Exit, add_json_flag, say
from kycgate.core.attestation import SignedAttestation
from kycgate.core.claims import Account, Kind, checksum, parse_address
from kycgate.core.wire import read_object
from kycgate.errors import Malformed
from kycgate.store.base import Store
from kycgate.store.records.cases import Case

_DETAILS_MOST: Final = 64 * 1024
_CASE_ID: Final = 16
"""Hex digits of a case's id; a subject's has twice as many."""
_STATES: Final = (
    "draft",
    "submitted",
    "needs",
    "review",
    "approved",
    "refused",
    "revoked",
    "closed",
)


class Office(Protocol):
    """The identity office, as far as the command line uses it: see issuer.identity.Identity."""

    def open_case(
        self,
        account: Account,
        kind: int,
        details: dict[str, Any],
        *,
        refusal_id: str | None,
        now: int,
    ) -> Case: ...
    def approve(
        self,
        case_id: str,
        *,
        reviewer: str,
        reason: str,
        now: int,
        level: int | None = ...,
        despite_hit: str | None = ...,
    ) -> tuple[Case, list[SignedAttestation]]: ...
    def refuse(self, case_id: str, *, reviewer: str, reason: str, now: int) -> Case: ...
    def ask(
        self, case_id: str, needs: Sequence[tuple[str, str]], *, reviewer: str, now: int
    ) -> Case: ...
    def revoke(self, who: Account | str, *, reviewer: str, reason: str, now: int) -> Case: ...
    def case(self, case_id: str) -> Case: ...
    def summary(self, case: Case) -> dict[str, Any]: ...
    def case_view(
        self, case_id: str, *, reader: str, now: int, hold: str | None = ...
    ) -> dict[str, Any]: ...
    def pictures(self, case_id: str) -> list[Any]: ...
    def picture(
        self, case_id: str, picture_id: str, *, reader: str, now: int, hold: str | None = ...
    ) -> Iterator[bytes]: ...
    def pending(self, *, limit: int = ...) -> list[Case]: ...
    def owners(self, case_id: str, *, reader: str, now: int) -> dict[str, Any]: ...
    def owners_svg(self, case_id: str, *, reader: str, now: int) -> str: ...
    def owner_is_listed(
        self, case_id: str, role: str, *, reviewer: str, reason: str, now: int
    ) -> Case: ...


class Services(Protocol):
    """What the assembly opens from a configuration file."""

    @property
    def identity(self) -> Office: ...
    @property
    def store(self) -> Store: ...


Opener = Callable[[str], AbstractContextManager[Services]]


def _open_services(path: str) -> AbstractContextManager[Services]:
    from kycgate.assembly import open_services

    services: AbstractContextManager[Services] = open_services(path)
    return services


def add(group: argparse.ArgumentParser, *, opener: Opener = _open_services) -> None:
    """Add the commands; `opener` turns a configuration file into services."""
    group.set_defaults(opener=opener)
    commands = group.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_list(commands.add_parser("list", help="cases that wait for a reviewer"))
    _add_show(commands.add_parser("show", help="everything about one case; the reading is logged"))
    _add_approve(commands.add_parser("approve", help="approve a case and issue its attestations"))
    _add_refuse(commands.add_parser("refuse", help="refuse a case"))
    _add_ask(commands.add_parser("ask", help="ask the renter for more, in words they will read"))
    _add_documents(commands.add_parser("documents", help="which pictures were uploaded for a case"))
    _add_document(
        commands.add_parser("document", help="look at one picture; the reading is logged")
    )
    _add_revoke(commands.add_parser("revoke", help="void everything issued to a subject, at once"))
    _add_open(commands.add_parser("open", help="open a case for a renter, from a file"))
    owning.add_owners(commands.add_parser("owners", help="who stands above the organisation"))
    owning.add_listed(
        commands.add_parser("owner-listed", help="an owner is the listed party of that name")
    )


def _add_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state",
        choices=("pending", "all", *_STATES),
        default="pending",
        help="which cases (default: those waiting for a reviewer)",
    )
    parser.add_argument("--limit", type=int, default=100, metavar="N", help="at most N (100)")
    _common(parser, run_list)


def _add_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", metavar="CASE")
    parser.add_argument(
        "--hold",
        metavar="NAME",
        help="what keeps the data of a renter who asked to be erased: `retention`, or a hold's id",
    )
    _common(parser, run_show, person="who reads (default: $USER)")


def _add_approve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", metavar="CASE")
    _reason(parser)
    parser.add_argument(
        "--level",
        type=int,
        metavar="N",
        help="1 documents looked at, 2 where the reason says why that is enough, 3 where a wallet"
        " credential proved it (default: what an agreeing proof has proved, else 1)",
    )
    parser.add_argument(
        "--despite-hit",
        metavar="TEXT",
        help="why the names found on the lists are somebody else; a listed wallet stays refused",
    )
    _common(parser, run_approve, person="who decides (default: $USER)")


def _add_refuse(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", metavar="CASE")
    _reason(parser)
    _common(parser, run_refuse, person="who decides (default: $USER)")


def _add_ask(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", metavar="CASE")
    parser.add_argument(
        "--item",
        action="append",
        required=True,
        metavar="ITEM",
        help="what is needed: proof, details, document or a word of yours; may be repeated",
    )
    parser.add_argument(
        "--text",
        action="append",
        required=True,
        metavar="TEXT",
        help="what the renter reads, one for each --item: no hits, no reasons of your own",
    )
    _common(parser, run_ask, person="who asks (default: $USER)")


def _add_documents(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", metavar="CASE")
    _common(parser, run_documents)


def _add_document(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", metavar="CASE")
    parser.add_argument("id", metavar="ID")
    parser.add_argument("--out", required=True, metavar="FILE", help="a new file, mode 0600")
    parser.add_argument("--hold", metavar="NAME", help="as for `show`")
    _common(parser, run_document, person="who reads (default: $USER)")


def _add_revoke(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("who", metavar="WHO", help="a case, an account (0x…) or a subject")
    _reason(parser)
    _common(parser, run_revoke, person="who decides (default: $USER)")


def _add_open(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("account", metavar="ACCOUNT", help="0x…")
    parser.add_argument("--kind", required=True, choices=[kind.name.lower() for kind in Kind])
    parser.add_argument(
        "--details", required=True, metavar="FILE", help="JSON as the renter would send it; - stdin"
    )
    _common(parser, run_open)


def _reason(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--reason", required=True, metavar="TEXT", help="what the decision stands on; kept sealed"
    )


def _common(
    parser: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace], int],
    *,
    person: str | None = None,
) -> None:
    if person is not None:
        parser.add_argument("--reviewer", metavar="NAME", help=person)
    parser.add_argument("--config", default="kycgate.toml", metavar="FILE")
    add_json_flag(parser)
    parser.set_defaults(run=run)


# -- the commands ------------------------------------------------------------------------------


def run_list(args: argparse.Namespace) -> int:
    """Exit 0, also when nothing waits."""
    now = int(time.time())
    with args.opener(args.config) as services:
        rows = [services.identity.summary(case) for case in _listed(services, args)]
    say(args, {"cases": rows}, table(rows, now) if rows else "No such cases.")
    return Exit.YES


def run_show(args: argparse.Namespace) -> int:
    """Exit 0. Every piece of evidence shown is logged under the reader's name."""
    now = int(time.time())
    with args.opener(args.config) as services:
        view = services.identity.case_view(
            args.case, reader=_reviewer(args), now=now, hold=args.hold
        )
    say(args, view, describe(view))
    return Exit.YES


def run_approve(args: argparse.Namespace) -> int:
    """Exit 0 when approved; 1 when a hit or the case's state forbids it; 2 with lists too old."""
    now = int(time.time())
    with args.opener(args.config) as services:
        case, issued = services.identity.approve(
            args.case,
            reviewer=_reviewer(args),
            reason=args.reason,
            level=args.level,
            despite_hit=args.despite_hit,
            now=now,
        )
        document = services.identity.summary(case)
    attested = [_issued(each) for each in issued]
    lines = [f"Case {case.id} is approved at level {case.level}."]
    lines += [
        f"  {each['account']} attested until {moment(each['expires_at'])}" for each in attested
    ]
    say(args, {"case": document, "attestations": attested}, "\n".join(lines))
    return Exit.YES


def run_refuse(args: argparse.Namespace) -> int:
    """Exit 0 when refused; 1 when the case's state forbids it."""
    now = int(time.time())
    with args.opener(args.config) as services:
        case = services.identity.refuse(
            args.case, reviewer=_reviewer(args), reason=args.reason, now=now
        )
        document = services.identity.summary(case)
    say(args, {"case": document}, f"Case {case.id} is refused.")
    return Exit.YES


def run_ask(args: argparse.Namespace) -> int:
    """Exit 0 when asked; 1 when the case's state forbids it."""
    now = int(time.time())
    if len(args.item) != len(args.text):
        raise Malformed("needs one --text for each --item", field="--text", remedy="add or drop")
    pairs = list(zip(args.item, args.text, strict=True))
    with args.opener(args.config) as services:
        case = services.identity.ask(args.case, pairs, reviewer=_reviewer(args), now=now)
        document = services.identity.summary(case)
    say(args, {"case": document}, f"Case {case.id} is with the renter again.")
    return Exit.YES


def run_documents(args: argparse.Namespace) -> int:
    """Exit 0, also when there is none."""
    with args.opener(args.config) as services:
        found = services.identity.pictures(args.case)
    rows = [{"id": each.id, "side": each.side, "size": each.size, "at": each.at} for each in found]
    lines = [f"{row['id']}  {row['side']:6}  {row['size']:>8}  {moment(row['at'])}" for row in rows]
    say(args, {"documents": rows}, "\n".join(lines) if lines else "No pictures.")
    return Exit.YES


def run_document(args: argparse.Namespace) -> int:
    """Exit 0 when the picture is in the file. A file that exists is never written over."""
    now = int(time.time())
    with args.opener(args.config) as services:
        pieces = services.identity.picture(
            args.case, args.id, reader=_reviewer(args), now=now, hold=args.hold
        )
        size = _write_new(Path(args.out), pieces)
    say(args, {"path": args.out, "size": size}, f"{args.out}: {size} bytes. Delete it when done.")
    return Exit.YES


def _write_new(path: Path, pieces: Iterator[bytes]) -> int:
    whole = b"".join(pieces)  # all of it is proven before any of it is shown
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as e:
        raise Malformed(
            f"can't be made ({e.strerror})", field="--out", remedy="name a new file"
        ) from e
    with os.fdopen(descriptor, "wb") as file:
        return file.write(whole)


def run_revoke(args: argparse.Namespace) -> int:
    """Exit 0 when revoked; 1 when nothing of this subject is alive."""
    now = int(time.time())
    with args.opener(args.config) as services:
        who = _who(services.identity, args.who)
        case = services.identity.revoke(who, reviewer=_reviewer(args), reason=args.reason, now=now)
        document = services.identity.summary(case)
    text = (
        f"Case {case.id} is revoked: every attestation of its subject is void from now on.\n"
        "Running jobs are being stopped and the escrow is being told."
    )
    say(args, {"case": document}, text)
    return Exit.YES


def run_open(args: argparse.Namespace) -> int:
    """Exit 0 when the case is open, whether it waits for a review with or without a reason."""
    now = int(time.time())
    account = _account(args.account)
    details = read_object(_read(args.details), limit=_DETAILS_MOST, field="details")
    with args.opener(args.config) as services:
        case = services.identity.open_case(
            account, Kind[args.kind.upper()], details, refusal_id=None, now=now
        )
        document = services.identity.summary(case)
    why = f" ({', '.join(case.reason_codes)})" if case.reason_codes else ""
    say(args, {"case": document}, f"Case {case.id} is open: {case.state}{why}.")
    return Exit.YES


def _listed(services: Services, args: argparse.Namespace) -> Sequence[Case]:
    if args.limit < 1:
        raise Malformed("must be at least 1", field="--limit", remedy="a whole number")
    if args.state == "pending":
        return services.identity.pending(limit=args.limit)
    state = None if args.state == "all" else args.state
    return services.store.cases(state=state, limit=args.limit)


def _reviewer(args: argparse.Namespace) -> str:
    name = args.reviewer or os.environ.get("USER", "")
    if not name:
        raise Malformed("nobody is named", field="--reviewer", remedy="add --reviewer NAME")
    return str(name)


def _who(identity: Office, text: str) -> Account | str:
    """An account, or the subject that a case or the text itself names."""
    if text.startswith(("0x", "eip155:")):
        return _account(text)
    return identity.case(text).subject_id if len(text) == _CASE_ID else text


def _account(text: str) -> Account:
    if text.startswith("eip155:"):
        return Account.from_key(text.lower())
    return Account(parse_address(text, field="account"))


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read(_DETAILS_MOST + 1)
    try:
        with Path(name).open("rb") as file:
            return file.read(_DETAILS_MOST + 1)
    except OSError as e:
        raise Malformed(
            f"can't be read ({e.strerror})", field="--details", remedy="name a readable file"
        ) from e


def _issued(signed: SignedAttestation) -> dict[str, Any]:
    said = signed.attestation
    return {
        "account": checksum(said.recipient),
        "uid": "0x" + signed.uid.hex(),
        "expires_at": said.expiration_time,
    }
