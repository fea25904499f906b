"""The story's main way: from a refusal to a machine by a credential in the renter's wallet.

Nobody looks at anything here: no reviewer is called, and the steps fail if one was needed.
"""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from kycgate.client.control import ControlPlane
from kycgate.demo.stage import Stage, Step, link_in, must, refused, rented
from kycgate.demo.trial_files import wallet_from_wire
from kycgate.demo.trial_wallet import follow_link
from kycgate.demo.world import WALLETS

_TIMEOUT_S = 10


def _sent_away(stage: Stage) -> str:
    told = stage.rents("mina-has-no-key-yet")
    stage.note(told.last)
    stage.link = link_in(told)
    return refused(told)


def _shows(stage: Stage) -> str:
    world, started = stage.world, time.monotonic()
    page = requests.get(stage.link, timeout=_TIMEOUT_S)
    assert page.status_code == 200, page.status_code
    renter = world.renter("mina")
    plane = ControlPlane(world.control_url)
    signed_in = plane.sign_in(renter.signer, chain_id=world.anvil.chain.chain_id, clock=time.time)
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {signed_in.token}"
        status = _by_credential(stage, session)
        key = plane.make_key(label="mina", days=1)
    plane.close()
    seconds = time.monotonic() - started
    stage.mina_key = key["secret"]
    assert status["attestation"] is not None, status
    stage.note(
        f"identity level {status['case']['level']}; attestation {status['attestation']['uid']}",
        f"the machine's part, from the link to the attestation and a gate key: {seconds:.2f} s",
    )
    return f"{status['state']}, no reviewer"


def _by_credential(stage: Stage, session: requests.Session) -> dict[str, Any]:
    """What the page and the phone do: ask the gate, answer as the wallet, come back."""
    gate = stage.world.control_url
    ways = _taken(session.get(f"{gate}/v1/ways", timeout=_TIMEOUT_S))["ways"]
    stage.note("ways offered: " + ", ".join(way["id"] for way in ways))
    asked = session.post(f"{gate}/v1/presentations", json={"mode": "redirect"}, timeout=_TIMEOUT_S)
    begun = _taken(asked)
    wallet = wallet_from_wire((stage.world.directory / WALLETS / "mina.json").read_bytes())
    back = follow_link(begun["deep_link"], wallet, now=int(time.time()), wallet_nonce="mina")
    [code] = parse_qs(urlsplit(back).fragment)["response_code"]
    answered = session.post(
        f"{gate}/v1/presentations/{begun['id']}/response",
        json={"response_code": code},
        timeout=_TIMEOUT_S,
    )
    assert _taken(answered)["state"] == "accepted", answered.text
    return _taken(session.get(f"{gate}/v1/status", timeout=_TIMEOUT_S))


def _taken(answer: requests.Response) -> dict[str, Any]:
    document: dict[str, Any] = answer.json()
    assert answer.ok, document
    return document


def _rents(stage: Stage) -> str:
    before = len(stage.world.market.requests("POST", "/deploy"))
    return rented(must(stage.rents(stage.mina_key)), stage.world, before)


SHOWING = (
    Step("newcomer", "Mina, unknown here, rents 8 H100 with iocloud", "refused", _sent_away),
    Step(
        "credential",
        "She opens the link and shows the identity credential in her wallet",
        "approved, no reviewer",
        _shows,
    ),
    Step("newcomer-rental", "Mina rents 8 H100 at once", "8 GPUs rented", _rents),
)
"""They leave nothing behind that a later step relies on."""
