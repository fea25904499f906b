"""The gate that is measured: the real one on SQLite, with one renter it knows.

Usage: python -m tests.bench.gate MARKET PROXY ASKED (two ports, then the path of a socket)
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from ipaddress import ip_network
from pathlib import Path

from kycgate.gateway.forward_auth import CONTRACTS, ForwardAuth
from kycgate.gateway.proxy import Proxy
from kycgate.gateway.server import run
from tests.bench.gateway import RENTER
from tests.gateway.live import LiveWorld
from tests.gateway.wire import no_control


def main() -> None:
    market, proxy = map(int, sys.argv[1:3])
    asked = Path(sys.argv[3])
    upstream = f"http://127.0.0.1:{market}"
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.closing(LiveWorld(Path(folder), upstream)) as world,
    ):
        world.renter(RENTER)
        app = ForwardAuth(
            world.gate,
            CONTRACTS["nginx"],
            peers=[ip_network("127.0.0.1")],
            only=frozenset({"read", "stop"}),
            clock=time.time,
        )
        run(
            Proxy(world.gate, upstream),
            no_control,
            gateway_at=("127.0.0.1", proxy),
            control_at=("127.0.0.1", 0),
            beside=(app, asked),
        )


if __name__ == "__main__":
    main()
