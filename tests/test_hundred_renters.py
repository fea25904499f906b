"""A hundred renters at once, on one SQLite file behind the real server: nobody gets an error."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from kycgate.assembly import Services, control_app, gateway_app, open_services
from kycgate.core.claims import Account, checksum
from kycgate.core.typed import keccak, personal_digest
from kycgate.gateway.server import start_in_thread
from kycgate.keys import LocalSigner
from tests.issuer.pictures import a_jpeg
from tests.issuer.proofs import a_proof
from tests.operating import set_up

RENTERS = 100
FULLY = 20
"""Every so many-th goes all the way: each write reaches the disk, and a test must end."""


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    path = set_up(tmp_path, screening={"max_age_s": 315360000})
    with open_services(path) as opened:
        yield opened


@dataclass
class Renter:
    """One of them, with a wallet of their own."""

    number: int
    origin: str
    services: Services
    statuses: list[tuple[str, int]]

    def __call__(self) -> None:
        signer = LocalSigner(keccak(b"renter %d" % self.number))
        account = Account(signer.address)
        with requests.Session() as session:
            # As a front on this machine writes it: a hundred renters come from a hundred places.
            session.headers["X-Forwarded-For"] = f"198.51.{self.number}.7"
            drawn = self._send(
                session, "/v1/challenge", {"account": checksum(signer.address), "chain_id": 1}
            )
            message = drawn["message"]
            signature = "0x" + signer.sign_digest(personal_digest(message.encode())).hex()
            opened = self._send(
                session, "/v1/session", {"message": message, "signature": signature}
            )
            session.cookies.clear()
            session.headers["Authorization"] = f"Bearer {opened['token']}"
            name = "Ada " + "".join(chr(97 + int(digit)) for digit in str(self.number)) + " Okafor"
            told = {"name": name, "country": "FR", "birth_date": "1990-02-28"}
            self._send(session, "/v1/cases", {"kind": "person", "details": told})
            self._get(session, "/v1/status")
            if self.number % FULLY == 0:
                self._go_all_the_way(session, account, name)

    def _go_all_the_way(self, session: requests.Session, account: Account, name: str) -> None:
        """Upload, be approved by a proof, take the attestation and a copy of everything."""
        picture = session.post(
            self.origin + "/v1/documents?side=front",
            data=a_jpeg(),
            headers={"Content-Type": "image/jpeg"},
            timeout=60,
        )
        self.statuses.append(("/v1/documents", picture.status_code))
        now = int(time.time())
        proof = a_proof(
            f"p{self.number}",
            name=name,
            proven_at=now,
            valid_until=None,
            document_number=f"250:{self.number}",
        )
        case = self.services.identity.prove(account, proof, now=now)
        self.statuses.append((f"prove {case.state}", 200 if case.state == "approved" else 500))
        for path in ("/v1/attestation", "/v1/cases", "/v1/me/export"):
            self._get(session, path)

    def _send(self, session: requests.Session, path: str, body: Any) -> Any:
        answer = session.post(self.origin + path, json=body, timeout=60)
        self.statuses.append((path, answer.status_code))
        return answer.json()

    def _get(self, session: requests.Session, path: str) -> None:
        self.statuses.append((path, session.get(self.origin + path, timeout=60).status_code))


@pytest.mark.timeout(300)
def test_a_hundred_renters_at_once_meet_no_error(services: Services) -> None:
    statuses: list[tuple[str, int]] = []
    failures: list[BaseException] = []
    start = threading.Barrier(RENTERS)

    def run(renter: Renter) -> None:
        start.wait()
        try:
            renter()
        except BaseException as error:
            failures.append(error)

    with start_in_thread(gateway_app(services), control_app(services)) as running:
        origin = f"http://127.0.0.1:{running.control_port}"
        threads = [
            threading.Thread(target=run, args=(Renter(number, origin, services, statuses),))
            for number in range(RENTERS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
    assert [each for each in statuses if each[1] not in (200, 201)] == []
    assert len(statuses) == RENTERS * 4 + RENTERS // FULLY * 5
    cases = services.store.cases(limit=2 * RENTERS)
    assert len({case.subject_id for case in cases}) == len(cases) == RENTERS
    assert [case.state for case in cases].count("approved") == RENTERS // FULLY
