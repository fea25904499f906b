"""A live control plane and a live marketplace behind a proof check, for the renter's own code."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kycgate.core.proof import HttpRequest, ProvenRequest, verify_request
from tests.web.live import listening, live_world
from tests.web.world import World


@pytest.fixture
def live(tmp_path: Path) -> Iterator[World]:
    """A world whose public_url really answers; its clock is the machine's, for real signatures."""
    with live_world(tmp_path / "gate.db") as world:
        yield world


@dataclass
class Market:
    """A marketplace behind a gate, as far as a client can tell: 401 until a proof holds."""

    origin: str = ""
    keys: tuple[str, ...] = ()
    permit: str | None = None
    job: str | None = None
    seen: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    redirect_to: str | None = None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        headers = {
            name[5:].replace("_", "-").lower(): value
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }
        if environ.get("CONTENT_TYPE"):
            headers["content-type"] = environ["CONTENT_TYPE"]
        self.seen.append((environ["REQUEST_METHOD"], headers, body))
        if self.redirect_to:
            start_response("307 Temporary Redirect", [("Location", self.redirect_to)])
            return [b""]
        if headers.get("x-api-key") in self.keys or self._proven(environ, headers, body):
            ours = [("Kycgate-Permit", self.permit)] if self.permit else []
            ours += [("Kycgate-Job", self.job)] if self.job else []
            start_response("200 OK", [("Content-Type", "application/json"), *ours])
            return [json.dumps({"deployment_id": "d-1"}).encode()]
        start_response("401 Unauthorized", [("Content-Type", "application/problem+json")])
        return [b'{"code": "missing:wallet_proof"}']

    def _proven(self, environ: dict[str, Any], headers: dict[str, str], body: bytes) -> bool:
        request = HttpRequest(
            environ["REQUEST_METHOD"],
            "http",
            self.origin.split("://")[1],
            environ["PATH_INFO"],
            environ["QUERY_STRING"] or None,
            tuple(headers.items()),
            body,
        )
        verdict = verify_request(request, now=int(time.time()), max_age_s=60)
        return isinstance(verdict, ProvenRequest)


@pytest.fixture
def market() -> Iterator[Market]:
    shop = Market()
    with listening(shop) as origin:
        shop.origin = origin
        yield shop
