"""`kycgate keys`: make the operator's keys and secrets, and show whose they are.

Never prints a key: only addresses leave these commands.
"""

from __future__ import annotations

import argparse

from kycgate.cli.output import Exit, add_json_flag, say
from kycgate.core.claims import checksum
from kycgate.keys import generate_key, generate_secret, load_signer


def add(group: argparse.ArgumentParser) -> None:
    """The commands of this group."""
    commands = group.add_subparsers(dest="command", metavar="COMMAND", required=True)
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
    for parser in (new, show, secret):
        add_json_flag(parser)


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
