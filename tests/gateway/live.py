"""The real gate on a real SQLite file, in front of a marketplace that listens: today's clock."""

from __future__ import annotations

import os
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

from kycgate.core.policy import ListVersion
from kycgate.core.trust import TrustedIssuer, TrustList
from kycgate.gateway.adapters.base import Adapter
from kycgate.gateway.adapters.ionet import IoNet
from kycgate.gateway.gate import Gate
from kycgate.store import open_store
from tests.gateway.world import EAS_DOMAIN, ISSUER, World

OPERATOR_KEY = "operator"


class LiveWorld(World):
    """`World` with nothing in memory but the renters. Close it: it holds a database."""

    def __init__(self, folder: Path, market: str, adapter: Adapter | None = None) -> None:
        super().__init__()
        self.now = int(time.time())
        self.store = open_store(f"sqlite:///{folder / 'gate.sqlite3'}")  # type: ignore[assignment]
        self.lists = (ListVersion("us-csl", "1", self.now - 3600),)
        self.trust = TrustList.pinned(
            TrustedIssuer(ISSUER.address, "1.3.0", 1, EAS_DOMAIN.eas, self.now - 10**6, None)
        )
        self._market = market
        self.gate = Gate(
            replace(
                self.parts,
                store=self.store,
                adapter=adapter or IoNet(fetch=self._fetch, token_decimals=6),
                own_keys=self.store.any_upstream_key,
                shared_upstream_key=OPERATOR_KEY,
                clock=lambda: int(time.time()),
                monotonic=time.monotonic,
                pause=time.sleep,
                draw=os.urandom,
            )
        )

    def _fetch(self, path: str) -> bytes:
        request = urllib.request.Request(self._market + path, headers={"x-api-key": OPERATOR_KEY})
        with urllib.request.urlopen(request, timeout=5) as answer:
            return bytes(answer.read())

    def close(self) -> None:
        self.store.close()
