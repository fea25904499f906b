"""`kycgate keys`: make the operator's keys and secrets, and show whose they are.

Never prints a key: only addresses and, once, a new operator token or scheduler's secret leave these
commands.
"""

from __future__ import annotations

import argparse
import getpass
import hashlib
import re
import secrets
import sys
import time
from pathlib import Path

from kycgate.cli.output import Exit, add_json_flag, say
from kycgate.core.claims import Account, checksum, parse_address
from kycgate.core.trust import TrustedIssuer, TrustList
from kycgate.errors import Conflict, Malformed, NotFound
from kycgate.keys import (
    generate_key,
    generate_secret,
    load_assertion_signer,
    load_secret,
    load_signer,
)

_OPERATORS_KEYS = ("issuer", "permit", "log", "revoker")
_CONFIGURED = ("issuer", "permit", "log", "vault", "assertion")
_HOOK_PREFIX = "kgh_"
_TOKEN_PREFIX = "kgo_"  # noqa: S105  (what every operator token begins with)
_DAY_S = 86_400


def add(group: argparse.ArgumentParser) -> None:
    """The commands of this group."""
    commands = group.add_subparsers(dest="command", metavar="COMMAND", required=True)
    init = commands.add_parser("init", help="make every key a gate needs, in a new folder")
    init.add_argument("directory", metavar="DIR", help="the folder to make; it must not exist")
    init.set_defaults(run=run_init)
    new = commands.add_parser("new", help="make a signing key in a new file")
    new.add_argument("path", metavar="PATH", help="the file to make; it must not exist")
    new.add_argument(
        "--password", metavar="SPEC", help="write a keystore; env:NAME or file:PATH holds it"
    )
    new.set_defaults(run=run_new)
    show = commands.add_parser("show", help="print the address of a key")
    show.add_argument("spec", metavar="SPEC", help="file:PATH or env:NAME")
    show.add_argument("--password", metavar="SPEC", help="of a keystore")
    show.set_defaults(run=run_show)
    secret = commands.add_parser("secret", help="make 32 random bytes in a new file (the vault's)")
    secret.add_argument("path", metavar="PATH", help="the file to make; it must not exist")
    secret.set_defaults(run=run_secret)
    token = commands.add_parser("token", help="make a token for an operator's API access")
    token.add_argument("name", metavar="NAME", help="whose it is, for the configuration")
    token.set_defaults(run=run_token)
    hook = commands.add_parser("hook", help="make a secret by which a scheduler is known")
    hook.add_argument("name", metavar="NAME", help="the scheduler's name, for the configuration")
    hook.set_defaults(run=run_hook)
    for parser in (init, new, show, secret, token, hook):
        add_json_flag(parser)
    _add_trust(commands)
    _add_vault(commands)
    _add_upstream(commands)


def _add_trust(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    trust = commands.add_parser("trust", help="sign a trust list with the offline root key")
    trust.add_argument("--root", required=True, metavar="SPEC", help="the root's key")
    trust.add_argument("--password", metavar="SPEC", help="of the root's keystore")
    trust.add_argument("--sequence", required=True, type=int, metavar="N", help="above the last")
    trust.add_argument("--days", type=int, default=30, metavar="N", help="how long it holds (30)")
    trust.add_argument(
        "--issuer",
        required=True,
        action="append",
        metavar="0x…",
        help="an issuer that counts; may repeat",
    )
    trust.add_argument("--chain-id", required=True, type=int, metavar="ID")
    trust.add_argument("--eas", required=True, metavar="0x…", help="the EAS contract")
    trust.add_argument("--eas-version", required=True, metavar="V", help='such as "1.4.0"')
    trust.add_argument("--out", required=True, metavar="FILE", help="the file to make")
    add_json_flag(trust)
    trust.set_defaults(run=run_trust)


def _add_vault(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    rotate = commands.add_parser("rotate-vault", help="wrap every subject's key under a new key")
    rotate.add_argument("--config", default="kycgate.toml", metavar="FILE")
    rotate.add_argument("--new", required=True, metavar="SPEC", help="the new vault key")
    add_json_flag(rotate)
    rotate.set_defaults(run=run_rotate)


def _add_upstream(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    upstream = commands.add_parser(
        "upstream", help="keep an account's own marketplace key; asked for, or read from stdin"
    )
    upstream.add_argument("action", choices=("set", "clear"))
    upstream.add_argument("account", metavar="ACCOUNT", help="0x… or eip155:<chain>:0x…")
    upstream.add_argument("--config", default="kycgate.toml", metavar="FILE")
    add_json_flag(upstream)
    upstream.set_defaults(run=run_upstream)


def run_init(args: argparse.Namespace) -> int:
    """Make the operator's keys, each for one use, mode 0600 in a folder of mode 0700."""
    folder = Path(args.directory)
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError as error:
        raise Conflict(f"{folder} exists already; keys are never overwritten") from error
    made = {name: checksum(generate_key(folder / f"{name}.key")) for name in _OPERATORS_KEYS}
    generate_secret(folder / "vault.key")
    generate_secret(folder / "assertion.key")
    assertion = load_assertion_signer(f"file:{folder}/assertion.key").public
    lines = [f"{name:8} {address}" for name, address in made.items()]
    lines += [
        "vault    (a secret, has no address)",
        f"assertion {assertion.kid} ({assertion.alg})",
        "",
        "In the configuration:",
        "[keys]",
        *(f'{name} = "file:{folder}/{name}.key"' for name in _CONFIGURED),
    ]
    told = {"directory": str(folder), "addresses": made, "assertion": assertion.jwk()}
    say(args, told, "\n".join(lines))
    return Exit.YES


def run_new(args: argparse.Namespace) -> int:
    """Make a key, mode 0600, and print its address."""
    address = checksum(generate_key(args.path, password=args.password))
    say(args, {"path": args.path, "address": address}, f"{address}  {args.path}")
    return Exit.YES


def run_show(args: argparse.Namespace) -> int:
    """Print the address of a key that exists."""
    address = checksum(load_signer(args.spec, password=args.password).address)
    say(args, {"address": address}, address)
    return Exit.YES


def run_secret(args: argparse.Namespace) -> int:
    """Make a secret, mode 0600, and print where it is."""
    generate_secret(args.path)
    say(args, {"path": args.path}, args.path)
    return Exit.YES


def run_token(args: argparse.Namespace) -> int:
    """Make an operator token: shown once, the configuration holds only its digest."""
    token = _TOKEN_PREFIX + secrets.token_urlsafe(32)
    entry = f"{args.name}:{hashlib.sha256(token.encode()).hexdigest()}"
    text = f'{token}\n(shown once)\n\nIn the configuration:\n[gate]\noperators = ["{entry}"]'
    say(args, {"token": token, "operators": entry}, text)
    return Exit.YES


def run_trust(args: argparse.Namespace) -> int:
    """Write a signed trust list. Publish it only with a sequence number above the last one."""
    now = int(time.time())
    root = load_signer(args.root, password=args.password)
    eas = parse_address(args.eas, field="--eas")
    trust = TrustList(
        sequence=args.sequence,
        issued_at=now,
        expires_at=now + args.days * _DAY_S,
        issuers=tuple(
            TrustedIssuer(
                address=parse_address(text, field="--issuer"),
                domain_version=args.eas_version,
                chain_id=args.chain_id,
                eas=eas,
                not_before=0,
                not_after=None,
            )
            for text in args.issuer
        ),
        permit_signers=(),
        root=root.address,
    )
    out = Path(args.out)
    try:
        with out.open("xb") as file:
            file.write(trust.to_wire(root.sign_digest))
    except FileExistsError as error:
        raise Conflict(f"{out} exists already") from error
    say(
        args,
        {"path": str(out), "root": checksum(root.address), "sequence": args.sequence},
        f"{out}: trust list {args.sequence}, root {checksum(root.address)}, {args.days} days",
    )
    return Exit.YES


def run_rotate(args: argparse.Namespace) -> int:
    """Rewrap under the new key while the old one is still in the configuration."""
    from kycgate.assembly import open_services

    with open_services(args.config) as services:
        done = services.vault.keys.rotate(load_secret(args.new))
    text = f"{done} subjects rewrapped; now name the new key as keys.vault and start again"
    say(args, {"rewrapped": done}, text)
    return Exit.YES


def run_upstream(args: argparse.Namespace) -> int:
    """Seal an account's own marketplace credential, or forget it."""
    from kycgate.assembly import open_services

    account = Account.from_key(args.account.lower()).key
    with open_services(args.config) as services:
        subject = services.store.subject_of(account)
        if subject is None:
            raise NotFound(f"{account} has no case here; keys are kept for known accounts only")
        sealed = None
        if args.action == "set":
            sealed = services.vault.seal_credential(subject.id, account, _read_credential())
        services.store.set_upstream_key(account, sealed)
    say(args, {"account": account, "kept": sealed is not None}, f"{account}: {args.action} done")
    return Exit.YES


def _read_credential() -> str:
    """From a prompt, or a pipe: never from the command line, where every process list shows it."""
    text = getpass.getpass("Marketplace key: ") if sys.stdin.isatty() else sys.stdin.read(4097)
    text = text.strip()
    if not text or len(text) > 4096 or not (text.isascii() and text.isprintable()) or " " in text:
        raise Malformed("is not one line of printable characters", field="stdin")
    return text


def run_hook(args: argparse.Namespace) -> int:
    """Make a scheduler's secret: shown once, the configuration holds only its digest."""
    if re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,39}", args.name) is None:
        raise Malformed("not a name", field="NAME", remedy="small letters, digits, dots, dashes")
    made = _HOOK_PREFIX + secrets.token_urlsafe(32)
    entry = f"{args.name}:{hashlib.sha256(made.encode()).hexdigest()}"
    text = "\n".join(
        (
            made,
            "(shown once)",
            "",
            "In the gate's configuration, under dstack or skypilot:",
            "[hooks]",
            f'dstack = ["{entry}"]',
            "",
            "In the netrc file of the scheduler's own user, mode 0600, never in the address:",
            f"machine GATE login {args.name} password {made}",
        )
    )
    say(args, {"secret": made, "entry": entry}, text)
    return Exit.YES
