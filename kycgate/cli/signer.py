"""`kycgate signer`: keeps a wallet's key in a process of its own, for the sidecar to ask.

Signs whatever digest its own user's processes ask for: it keeps the key apart, not its use.
"""

from __future__ import annotations

import argparse
import signal
import threading
from pathlib import Path

from kycgate.cli.output import Exit
from kycgate.cli.sidecar import add_wallet, wallet
from kycgate.core.claims import checksum


def add(group: argparse.ArgumentParser) -> None:
    """Declare the command."""
    group.allow_abbrev = False
    group.add_argument("--socket", required=True, metavar="PATH", help="where to answer")
    add_wallet(group)
    group.set_defaults(run=run_signer)


def run_signer(args: argparse.Namespace) -> int:
    """Answer until interrupted."""
    from kycgate.client.sidecar.agent import Agent

    signer = wallet(args)
    agent = Agent(signer, Path(args.socket))
    leave = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: leave.set())
    print(f"signing for {checksum(signer.address)} at {args.socket}", flush=True)
    leave.wait()
    agent.stop()
    return Exit.YES
