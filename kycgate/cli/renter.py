"""`kycgate renter …`: what a renter does from a terminal: sign in, verify, wait, get keys and
permits.

A key never stands on the command line, where every process list shows it: it comes from a file or
the environment. Sign-ins are kept in a file only the owner can read.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kycgate.cli.output import Exit, add_json_flag, complain, say
from kycgate.client.control import ControlPlane
from kycgate.client.questions import Regions, ask_details
from kycgate.client.session import read_job
from kycgate.client.sessions import SessionFile, state_file
from kycgate.core.permit import SignedPermit
from kycgate.core.wire import require_shallow
from kycgate.errors import Malformed, TooLarge, Unavailable
from kycgate.keys import Signer, load_signer

KEY_VARIABLE = "KYCGATE_RENTER_KEY"
_PASSWORD_VARIABLE = "KYCGATE_RENTER_PASSWORD"  # noqa: S105  (the name of a variable)
_DETAILS_MOST = 64 * 1024
_EXITS = {"approved": Exit.YES, "refused": Exit.NO, "revoked": Exit.NO}
_WATCH_MOST_S = 10
_PERMIT_FIELDS = ("gpu_model", "gpu_count", "hours", "value", "end_user", "provider", "token")


def add(group: argparse.ArgumentParser) -> None:
    """Declare the commands of the group."""
    commands = group.add_subparsers(dest="command", metavar="COMMAND", required=True)
    login = _command(commands, "login", "sign in with the wallet", _login)
    _add_key_file(login)
    login.add_argument(
        "--chain", type=int, default=1, metavar="ID", help="chain id to name (default 1)"
    )
    verify = _command(commands, "verify", "say who rents: opens a case", _verify)
    verify.add_argument(
        "--details", metavar="FILE", help='JSON {"kind": …, "details": {…}}; else questions'
    )
    verify.add_argument("--refusal", metavar="ID", help="the refusal that led here")
    status = _command(
        commands, "status", "where the account stands (0 approved, 1 refused, 2 pending)", _status
    )
    status.add_argument("--watch", action="store_true", help="wait until there is an answer")
    status.add_argument(
        "--timeout", type=int, default=3600, metavar="S", help="stop watching after this"
    )
    _add_key(commands)
    link = _command(
        commands, "link", "link a scheduler's user (dstack, SkyPilot); `list` and `end` them", _link
    )
    link.add_argument("action", nargs="?", choices=("code", "list", "end"), default="code")
    link.add_argument("id", nargs="?", help="which link to end")
    _add_permit(commands)
    _command(commands, "logout", "end the session and forget it", _logout)


def _command(
    commands: Any, name: str, text: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("--gate", required=True, metavar="URL", help="the gate's control plane")
    add_json_flag(parser)
    parser.set_defaults(run=run)
    return parser


def _add_key_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--key-file", metavar="PATH", help=f"0600 hex file or keystore V3 (else ${KEY_VARIABLE})"
    )
    parser.add_argument(
        "--password-file", metavar="PATH", help=f"of the keystore (else ${_PASSWORD_VARIABLE})"
    )


def _add_key(commands: Any) -> None:
    key = _command(commands, "key", "make a gate API key; `list` and `revoke` them", _key)
    key.add_argument("action", nargs="?", choices=("make", "list", "revoke"), default="make")
    key.add_argument("id", nargs="?", help="which key to revoke")
    key.add_argument("--label", default="cli", help="a name to tell it by")
    key.add_argument("--days", type=int, default=30, help="how long it lives, 1 to 30")
    key.add_argument(
        "--scope", action="append", choices=("read", "stop", "rent"), help="may repeat"
    )


def _add_permit(commands: Any) -> None:
    permit = _command(commands, "permit", "the permit of a job, or a new one decided now", _permit)
    permit.add_argument(
        "--job", metavar="0x…", help="an accepted job; leave out to ask for a new permit"
    )
    for name in _PERMIT_FIELDS:
        whole = name in ("gpu_count", "hours")
        permit.add_argument(f"--{name.replace('_', '-')}", type=int if whole else str)
    permit.add_argument("--max-value", metavar="UNITS", help="cap on deposits, token base units")
    permit.add_argument("--idempotency-key", metavar="TEXT")


def _login(args: argparse.Namespace) -> int:
    with_gate = _gate(args)
    session = with_gate.sign_in(_signer(args), chain_id=args.chain, clock=time.time)
    _file().save(with_gate.gate, session)
    until = _moment(session.expires_at)
    say(
        args,
        {"account": session.account, "expires_at": session.expires_at},
        f"Signed in as {session.account} until {until}.",
    )
    return Exit.YES


def _logout(args: argparse.Namespace) -> int:
    gate = _gate(args)
    kept = _file().load(gate.gate, now=int(time.time()))
    if kept is not None:
        ControlPlane(gate.gate, token=kept.token).sign_out()
    _file().forget(gate.gate)
    say(args, {"signed_out": kept is not None}, "Signed out.")
    return Exit.YES


def _verify(args: argparse.Namespace) -> int:
    gate = _signed_in(args)
    ways = gate.ways()
    further = gate.gate + (f"/r/{quote(args.refusal, safe='')}" if args.refusal else "/")
    if args.details:
        told = _read_details(args.details)
    else:
        # First: whoever has a credential in a wallet may have nothing to type at all.
        print(_ways_text(ways, further), file=sys.stderr, flush=True)
        told = ask_details(input, _regions())
    case = gate.open_case(told["kind"], told["details"], refusal_id=args.refusal)
    lines = [f"Case {case['id']}: {case['state_text']}"]
    if case["state"] == "in_progress":
        lines.append("This operator requires a proof of identity; your case waits for yours.")
    if case["state"] in ("in_progress", "checking", "more_needed"):
        lines.append(_ways_text(ways, further))
    say(args, case | {"ways": ways, "continue_at": further}, "\n".join(lines))
    return _EXITS.get(case["state"], Exit.UNDECIDED)


def _ways_text(ways: list[dict[str, Any]], further: str) -> str:
    """The ways to prove identity, and where they are gone: in a browser."""
    if not ways:
        return f"A reviewer looks at each case here. In a browser: {further}"
    lines = [
        f"  {each['title']} (about {each['minutes']} min, level {each['level']}"
        + ("" if each["live"] else "; test only")
        + ")"
        for each in ways
    ]
    return "\n".join(("Ways to prove who you are:", *lines, f"Continue in a browser: {further}"))


def _regions() -> Regions:
    from kycgate.screening.controls import load_countries

    countries = load_countries()

    def of(country: str) -> frozenset[str]:
        try:
            return countries.regions(countries.numeric(country))
        except Malformed:
            return frozenset()  # no country: the gate says so, naming the field

    return of


def _status(args: argparse.Namespace) -> int:
    gate = _signed_in(args)
    status = _watched(gate, args) if args.watch else gate.status()
    say(args, status, _status_text(status))
    return _EXITS.get(status["state"], Exit.UNDECIDED)


def _watched(gate: ControlPlane, args: argparse.Namespace) -> dict[str, Any]:
    """Ask until there is an answer or time is up; a gate that is away for a moment is asked
    again.
    """
    end, pause, shown = time.monotonic() + args.timeout, 0.5, ""
    while True:
        try:
            status = gate.status()
        except Unavailable:
            if time.monotonic() >= end:
                raise
            status = {"state": "unknown", "state_text": "The gate did not answer; asking again."}
        if status["state_text"] != shown:
            shown = status["state_text"]
            print(shown, file=sys.stderr, flush=True)
        waiting = status["state"] in ("checking", "in_progress", "not_started", "unknown")
        if "account" in status and (not waiting or time.monotonic() >= end):
            return status
        time.sleep(min(pause, max(0.05, end - time.monotonic())))
        pause = min(pause * 1.5, _WATCH_MOST_S)


def _status_text(status: dict[str, Any]) -> str:
    lines = [f"{status['account']}", status["state_text"]]
    held = status["attestation"]
    if held:
        lines.append(f"Attestation {held['uid']} until {_moment(held['expires_at'])}.")
    case = status["case"] or {}
    lines += [each["text"] for each in (*case.get("reasons", []), *case.get("needs", []))]
    return "\n".join(lines)


def _key(args: argparse.Namespace) -> int:
    gate = _signed_in(args)
    if args.action == "list":
        return _list_keys(args, gate)
    if args.action == "revoke":
        if not args.id:
            raise Malformed("which one?", field="id", remedy="see `kycgate renter key list`")
        gate.revoke_key(args.id)
        say(args, {"revoked": args.id}, f"Key {args.id} is revoked.")
        return Exit.YES
    key = gate.make_key(label=args.label, days=args.days, scope=args.scope)
    say(args, key, f"{key['secret']}\n(shown once; valid until {_moment(key['expires_at'])})")
    return Exit.YES


def _list_keys(args: argparse.Namespace, gate: ControlPlane) -> int:
    keys = gate.keys()
    lines = [
        f"{key['id']}  {key['prefix']}…  {key['label']}  {','.join(key['scope'])}  "
        + (f"until {_moment(key['expires_at'])}" if key["live"] else "ended")
        for key in keys
    ]
    say(args, {"keys": keys}, "\n".join(lines) or "No keys.")
    return Exit.YES


def _permit(args: argparse.Namespace) -> int:
    gate = _signed_in(args)
    permit = gate.permit_of(read_job(args.job)) if args.job else gate.ask_permit(_wanted(args))
    say(args, json.loads(permit.to_wire()), _permit_text(permit))
    return Exit.YES


def _permit_text(permit: SignedPermit) -> str:
    deadline = _moment(permit.permit.deadline)
    return f"{permit.to_wire().decode()}\n(job 0x{permit.permit.job.hex()}, open before {deadline})"


def _wanted(args: argparse.Namespace) -> dict[str, Any]:
    names = (*_PERMIT_FIELDS, "max_value", "idempotency_key")
    return {name: value for name in names if (value := getattr(args, name)) is not None}


def _link(args: argparse.Namespace) -> int:
    gate = _signed_in(args)
    if args.action == "end":
        if args.id is None:
            raise Malformed("which one?", field="id", remedy="kycgate renter link list shows them")
        gate.end_user(args.id)
        say(args, {"ended": args.id}, f"Ended {args.id}: that user rents no more as you.")
        return Exit.YES
    if args.action == "list":
        users = gate.users()
        lines = [
            f"{each['id']}  {each['user']} at {each['scheduler']} until"
            f" {_moment(each['expires_at'])}"
            for each in users
        ]
        say(args, {"users": users}, "\n".join(lines) or "No user is linked.")
        return Exit.YES
    drawn = gate.draw_user_code()
    code, until = drawn["code"], _moment(drawn["expires_at"])
    text = (
        f"{code}\n\nBefore {until}, as the user to be linked, apply a run or task of that name:\n"
        f"  printf 'type: task\\nname: {code}\\ncommands: [\"true\"]\\n' > link.dstack.yml\n"
        "  dstack apply -f link.dstack.yml\n"
        f"  sky launch -n {code} true\n"
        "It is refused, and its message says that the user is linked."
    )
    say(args, drawn, text)
    return Exit.YES


def _gate(args: argparse.Namespace) -> ControlPlane:
    return ControlPlane(args.gate)


def _signed_in(args: argparse.Namespace) -> ControlPlane:
    gate = ControlPlane(args.gate).gate
    kept = _file().load(gate, now=int(time.time()))
    if kept is None:
        complain(f"not signed in: kycgate renter login --gate {gate} --key-file PATH")
        raise SystemExit(Exit.USAGE)
    return ControlPlane(gate, token=kept.token)


def _file() -> SessionFile:
    return SessionFile(state_file(os.environ))


def _signer(args: argparse.Namespace) -> Signer:
    spec = f"file:{args.key_file}" if args.key_file else f"env:{KEY_VARIABLE}"
    password = f"file:{args.password_file}" if args.password_file else None
    if password is None and os.environ.get(_PASSWORD_VARIABLE):
        password = f"env:{_PASSWORD_VARIABLE}"
    return load_signer(spec, password=password)


def _read_details(path: str) -> dict[str, Any]:
    """A file of the form {"kind": …, "details": {…}}; what is inside `details` the gate checks."""
    try:
        with Path(path).open("rb") as file:
            raw = file.read(_DETAILS_MOST + 1)
    except OSError as error:
        raise Malformed("can't be read", field=path, remedy="give a JSON file") from error
    if len(raw) > _DETAILS_MOST:
        raise TooLarge("too large", field=path, remedy=f"at most {_DETAILS_MOST} bytes")
    require_shallow(raw, field=path)
    try:
        document = json.loads(raw)
    except ValueError as error:
        raise Malformed("not JSON", field=path, remedy="give a JSON file") from error
    whole = isinstance(document, dict) and set(document) == {"kind", "details"}
    if not whole or not isinstance(document["details"], dict):
        raise Malformed("not a case", field=path, remedy='{"kind": "person", "details": {…}}')
    kept: dict[str, Any] = document
    return kept


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
