"""A stand-in of Stripe on this machine, over real sockets: what a test gate speaks to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from kycgate.errors import Unavailable
from kycgate.issuer.providers.base import ApiKeys
from kycgate.issuer.providers.http import Ask, Http
from kycgate.issuer.providers.service import Verifications
from kycgate.issuer.providers.stripe import StripeIdentity
from kycgate.issuer.providers.visit import Limits
from kycgate.screening.controls import load_countries
from tests.fakes import MemoryStore
from tests.issuer.providers.stand_in import (
    ALICE,
    NOW,
    REFERENCES,
    RETURN,
    SECRET,
    MemoryOffice,
    event,
    recorded,
    signed,
)


class Machine(BaseHTTPRequestHandler):
    """Stripe's three answers, and three a provider should never give."""

    session: dict[str, Any]
    seen: list[tuple[str, str, dict[str, str]]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self._note(body)
        kind = type(self)
        kind.session["client_reference_id"] = parse_qs(body)["client_reference_id"][0]
        kind.session["status"] = "requires_input"
        kind.session["url"] = f"http://{self.headers['Host']}/start"
        self._say(kind.session)

    def do_GET(self) -> None:
        self._note("")
        path = urlsplit(self.path).path
        if path == "/elsewhere":
            self.send_response(307)
            self.send_header("Location", "/v1/identity/verification_sessions/x")
            self.end_headers()
        elif path == "/endless":
            self.send_response(200)
            self.end_headers()
            self._drip()
        elif path == "/half":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"a":')
        else:
            self._say(type(self).session)

    def _drip(self) -> None:
        try:
            while True:
                self.wfile.write(b" " * 70_000)
        except OSError:
            pass

    def _note(self, body: str) -> None:
        type(self).seen.append((self.command + " " + self.path, body, dict(self.headers)))

    def _say(self, document: dict[str, Any]) -> None:
        said = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: Any) -> None:
        """Say nothing on the terminal."""


@pytest.fixture
def machine() -> Iterator[str]:
    Machine.session, Machine.seen = recorded("stripe_session"), []
    for each in (Machine.session, Machine.session["last_verification_report"]):
        each["livemode"] = False
    server = ThreadingHTTPServer(("127.0.0.1", 0), Machine)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def stripe_at(origin: str) -> StripeIdentity:
    keys = ApiKeys(api_key="rk_test_k", webhook_secrets=(SECRET,))
    return StripeIdentity(keys, live=False, countries=load_countries(), origin=origin)


def test_a_check_runs_from_begin_to_proof_over_real_sockets(machine: str) -> None:
    store, office = MemoryStore(), MemoryOffice()
    visits = Verifications(
        store, office, [stripe_at(machine)], return_url=RETURN, live=False, limits=Limits()
    )
    visit, link = visits.start(ALICE, "stripe", now=NOW)
    assert link.url == f"{machine}/start", "a stand-in's own page, as it is on this machine"
    Machine.session["status"] = "verified"
    said = json.loads(event("stripe", ours=visit.id)) | {"livemode": False}
    body = json.dumps(said).encode()
    assert visits.receive("stripe", signed("stripe", body), body, now=NOW)
    visits.run(now=NOW)
    assert [proven.live for _, proven in office.proven] == [False]
    asked, sent, headers = Machine.seen[0]
    assert asked == "POST /v1/identity/verification_sessions"
    assert parse_qs(sent)["return_url"] == [RETURN]
    assert headers["Authorization"] == "Bearer rk_test_k"
    assert headers["Idempotency-Key"] == visit.id
    assert "expand%5B%5D=verified_outputs.dob" in Machine.seen[-1][0]


def test_a_stand_in_that_says_live_passes_nobody_in_a_test_gate(machine: str) -> None:
    office = MemoryOffice()
    visits = Verifications(
        MemoryStore(), office, [stripe_at(machine)], return_url=RETURN, live=False, limits=Limits()
    )
    visits.start(ALICE, "stripe", now=NOW)
    Machine.session |= {"status": "verified", "livemode": True}
    Machine.session["last_verification_report"]["livemode"] = True
    assert stripe_at(machine).fetch(REFERENCES["stripe"], now=NOW).live
    visits.run(now=NOW + 60)
    assert office.proven == []


@pytest.mark.parametrize("path", ["/elsewhere", "/endless", "/half"])
def test_a_machine_that_misbehaves_gave_no_answer(machine: str, path: str) -> None:
    with pytest.raises(Unavailable):
        Http("stripe", machine).ask(Ask("GET", path))
    assert [each[0] for each in Machine.seen] == [f"GET {path}"]


def test_a_machine_that_is_not_there_gave_no_answer() -> None:
    with pytest.raises(Unavailable) as silence:
        Http("stripe", "http://127.0.0.1:1").ask(Ask("GET", "/x"))
    assert "127.0.0.1" not in str(silence.value)
