"""`kycgate serve`: runs the marketplace listener and the control plane until told to stop.

Decides nothing: the assembly puts the doors together.
"""

from __future__ import annotations

import argparse
import logging
import sys

from kycgate.cli.output import Exit
from kycgate.errors import Misconfigured


def add(group: argparse.ArgumentParser) -> None:
    group.add_argument("--config", default="kycgate.toml", metavar="FILE", help="kycgate.toml")
    group.set_defaults(run=run_serve)


def run_serve(args: argparse.Namespace) -> int:
    from kycgate.assembly import load_config, serve

    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    # It names what it loads before it says what it does.
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)
    config = load_config(args.config)

    def started(gateway: int, control: int) -> None:
        print(f"marketplace on {config.gate.listen[0]}:{gateway}", flush=True)
        print(f"control plane on {config.gate.control_listen[0]}:{control}", flush=True)

    try:
        serve(config, started=started)
    except OSError as error:
        raise Misconfigured((error.strerror or str(error),)) from error
    return Exit.YES
