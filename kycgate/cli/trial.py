"""`kycgate trial`: a throw-away issuer and wallet, to try wallet credentials out on a test gate.

A live gate refuses everything these make.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kycgate.cli.output import Exit, add_json_flag, say
from kycgate.errors import Malformed, Misconfigured

_REQUEST_MOST = 256 * 1024


def add(group: argparse.ArgumentParser) -> None:
    commands = group.add_subparsers(dest="command", metavar="COMMAND", required=True)
    issuer = commands.add_parser("issuer", help="make an issuer, a wallet and a certificate in DIR")
    issuer.add_argument("dir", metavar="DIR")
    issuer.add_argument("--gate", default="http://127.0.0.1:8081", metavar="URL", help="public_url")
    issuer.add_argument("--given-name", default="Ada")
    issuer.add_argument("--family-name", default="Lovelace")
    issuer.add_argument("--birth-date", default="1985-12-10", metavar="YYYY-MM-DD")
    issuer.add_argument("--country", default="FR", metavar="CC", help="nationality and residence")
    add_json_flag(issuer)
    issuer.set_defaults(run=run_issuer)
    present = commands.add_parser("present", help="answer a wallet link, as a phone would")
    present.add_argument("link", metavar="LINK", help="deep_link of POST /v1/presentations")
    _wallet(present)
    add_json_flag(present)
    present.set_defaults(run=run_present)
    answer = commands.add_parser("answer", help="answer a browser request: JSON in, JSON out")
    answer.add_argument("--origin", required=True, metavar="URL", help="the page's origin")
    _wallet(answer)
    answer.set_defaults(run=run_answer)


def _wallet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--wallet", required=True, metavar="FILE", help="wallet.json of an issuer")


def run_issuer(args: argparse.Namespace) -> int:
    """Exit 0 with the settings that a test gate needs."""
    from kycgate.demo.trial_files import make
    from kycgate.demo.trial_issuer import Holder

    host = urlsplit(args.gate).hostname
    if host is None:
        raise Malformed("no host in it", field="--gate", remedy="give the gate's public_url")
    holder = Holder(
        given_name=args.given_name,
        family_name=args.family_name,
        birth_date=args.birth_date,
        nationality=args.country,
        residence=args.country,
    )
    folder = Path(args.dir).resolve()
    make(folder, host=host, holder=holder, at=int(time.time()) - 60)
    settings = {
        "pid_roots": [str(folder / "root.pem")],
        "mdl_roots": [str(folder / "root.pem")],
        "certificate": str(folder / "client.pem"),
        "certificate_key": f"file:{folder / 'client.key'}",
    }
    lines = ["[identity]", 'environment = "test"', "", "[credentials]"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    say(args, {"credentials": settings, "wallet": str(folder / "wallet.json")}, "\n".join(lines))
    return Exit.YES


def run_present(args: argparse.Namespace) -> int:
    """Exit 0 with the address the person's browser is sent to."""
    from kycgate.demo.trial_wallet import follow_link

    address = follow_link(args.link, _read_wallet(args.wallet), now=int(time.time()))
    say(args, {"redirect_uri": address}, address)
    return Exit.YES


def run_answer(args: argparse.Namespace) -> int:
    """Read the member `request` of POST /v1/presentations on stdin, write the browser's answer."""
    from kycgate.core import wire
    from kycgate.demo.trial_wallet import answer_dc_request

    request = wire.read_object(sys.stdin.buffer.read(), limit=_REQUEST_MOST, field="request")
    wallet, now = _read_wallet(args.wallet), int(time.time())
    try:
        answer = answer_dc_request(request, wallet, origin=args.origin, now=now)
    except (KeyError, IndexError, TypeError) as e:
        raise Malformed("not a request to a wallet", field="request") from e
    json.dump(answer, sys.stdout)
    sys.stdout.write("\n")
    return Exit.YES


def _read_wallet(file: str) -> Any:
    from kycgate.demo.trial_files import wallet_from_wire

    try:
        return wallet_from_wire(Path(file).read_bytes())
    except OSError as e:
        raise Misconfigured((f"{file}: can't be read ({e.strerror})",)) from e
