"""The real x402 payment middleware behind the gate: who is refused is never charged."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from tests import tools

HOSTS = tools.hosts()
pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(HOSTS is None, reason="x402 is missing: make setup"),
]
VERIFIED_AND_SETTLED = ["/verify", "/settle"]


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def told(request: pytest.FixtureRequest) -> dict[str, dict[str, Any]]:
    """What each caller was answered, in the order of `x402_shop.py`."""
    assert HOSTS is not None
    ran = subprocess.run(
        [str(HOSTS / "bin" / "python"), "-m", "tests.gateway.x402_shop", request.param],
        cwd=tools.REPO,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tools.REPO), "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=90,
    )
    lines = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    assert len(lines) == 7, ran.stderr[-3000:]
    return {line["case"]: line for line in lines}


@pytest.mark.parametrize("case", ["refused", "refused with a payment", "unproven with a payment"])
def test_the_refused_are_never_charged(told: dict[str, dict[str, Any]], case: str) -> None:
    answer = told[case]
    assert answer["status"] == 403
    assert "/r/" in answer["body"]
    assert answer["price"] is None
    assert answer["facilitator"] == []
    assert answer["rented"] == 0


def test_the_price_passes_through_as_x402_named_it(told: dict[str, dict[str, Any]]) -> None:
    answer = told["unpaid"]
    assert answer["status"] == 402
    (terms,) = answer["price"]
    assert (terms["scheme"], terms["payTo"]) == ("exact", "0x" + "22" * 20)
    assert answer["facilitator"] == []
    assert answer["rented"] == 0


def test_a_payment_passes_through_and_rents_once(told: dict[str, dict[str, Any]]) -> None:
    answer = told["paid"]
    assert (answer["status"], answer["settled"], answer["rented"]) == (200, True, 1)
    assert answer["facilitator"] == VERIFIED_AND_SETTLED
    assert answer["job"]


def test_a_paid_request_sent_again_under_its_key_is_neither_charged_nor_rented_twice(
    told: dict[str, dict[str, Any]],
) -> None:
    paid, again = told["paid, keyed"], told["again"]
    assert (paid["status"], paid["rented"]) == (200, 2)
    assert paid["facilitator"] == VERIFIED_AND_SETTLED * 2
    assert (again["status"], again["rented"], again["body"]) == (200, 2, paid["body"])
    assert again["facilitator"] == VERIFIED_AND_SETTLED * 2
