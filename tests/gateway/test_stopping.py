"""A revoked account's machines are stopped at the marketplace, and no order is lost on the way."""

from __future__ import annotations

import pytest

from kycgate.core.assertion import HEADER, AssertionKeys, ValidAssertion, verify
from kycgate.errors import Unavailable
from kycgate.gateway.adapters.ionet import IoNet
from kycgate.gateway.onward import SignedAsserter
from kycgate.gateway.stopping import KIND, JobStopper
from kycgate.gateway.view import Headers
from tests.fakes import MemoryStore
from tests.gateway.world import ASSERTER, field_of

ACCOUNT = "0x" + "11" * 20
NOW = 1_800_000_000
JOB = b"\x07" * 32


class Market:
    """Answers stops by a script, and remembers what it was sent."""

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers)
        self.sent: list[tuple[str, str, Headers]] = []

    def send(self, method: str, target: str, headers: Headers, body: bytes) -> tuple[int, bytes]:
        self.sent.append((method, target, headers))
        if not self.answers:
            raise Unavailable("the marketplace did not answer")
        return self.answers.pop(0), b""


def stopper(
    store: MemoryStore,
    market: Market,
    shared: str | None = "operator-key",
    asserter: SignedAsserter | None = None,
) -> JobStopper:
    adapter = IoNet(fetch=lambda path: b"{}", token_decimals=6)
    return JobStopper(
        store,
        adapter,
        send=market.send,
        upstream_key=lambda account: None,
        shared_upstream_key=shared,
        asserter=asserter,
    )


@pytest.fixture
def store() -> MemoryStore:
    made = MemoryStore()
    made.own_deployment("dep-1", ACCOUNT, JOB, at=NOW)
    made.enqueue(KIND, {"account": ACCOUNT}, due_at=NOW)
    return made


def test_every_open_deployment_is_ended_with_the_operators_key(store: MemoryStore) -> None:
    market = Market(200, 404)
    assert stopper(store, market).run(now=NOW) == 1
    method, target, headers = market.sent[0]
    assert (method, target) == ("DELETE", "/enterprise/v1/io-cloud/caas/deployment/dep-1")
    assert ("x-api-key", "operator-key") in headers
    assert store.deployments_of(ACCOUNT) == []
    assert store.due(KIND, now=NOW + 10**6) == []


def test_the_gates_own_stops_are_asserted_to_the_marketplace(store: MemoryStore) -> None:
    origins = "https://gate.example", "https://upstream.internal"
    asserter = SignedAsserter(*origins, ASSERTER.public, ASSERTER.sign, lambda n: b"\x01" * n)
    market = Market(404, 200)
    assert stopper(store, market, asserter=asserter).run(now=NOW) == 1
    for method, target, headers in market.sent:
        verdict = verify(
            field_of(headers, HEADER),
            keys=AssertionKeys((ASSERTER.public,)),
            issuer=origins[0],
            audience=origins[1],
            method=method,
            target=target.encode(),
            body=b"",
            now=NOW,
        )
        assert isinstance(verdict, ValidAssertion)
        assert verdict.assertion.account == ACCOUNT


def test_a_deployment_the_marketplace_does_not_know_counts_as_ended(store: MemoryStore) -> None:
    assert stopper(store, Market(404, 404)).run(now=NOW) == 1
    assert store.deployments_of(ACCOUNT) == []


@pytest.mark.parametrize("answers", [(), (500, 404), (403, 404), (404, 502)])
def test_an_order_that_may_have_failed_is_tried_again_later(
    store: MemoryStore, answers: tuple[int, ...]
) -> None:
    assert stopper(store, Market(*answers)).run(now=NOW) == 0
    assert store.deployments_of(ACCOUNT) == ["dep-1"]
    assert store.due(KIND, now=NOW) == []
    [again] = store.due(KIND, now=NOW + 600)
    assert again.attempts == 1
    assert stopper(store, Market(200, 404)).run(now=again.due_at) == 1


def test_one_deployment_that_will_not_end_keeps_no_other_of_its_order_running(
    store: MemoryStore,
) -> None:
    store.own_deployment("dep-2", ACCOUNT, b"\x08" * 32, at=NOW + 1)
    assert stopper(store, Market(500, 500, 200, 404)).run(now=NOW) == 1
    assert store.deployments_of(ACCOUNT) == ["dep-1"]
    [again] = store.due(KIND, now=NOW + 600)
    assert stopper(store, Market(200, 404)).run(now=again.due_at) == 1
    assert store.deployments_of(ACCOUNT) == []


def test_without_a_credential_the_order_waits(store: MemoryStore) -> None:
    assert stopper(store, Market(200, 404), shared=None).run(now=NOW) == 0
    assert store.due(KIND, now=NOW + 600) != []


def test_one_orders_trouble_does_not_keep_the_others_from_being_carried_out(
    store: MemoryStore,
) -> None:
    other = "0x" + "22" * 20
    store.own_deployment("dep-2", other, b"\x08" * 32, at=NOW)
    store.enqueue(KIND, {"account": other}, due_at=NOW)
    market = Market(500, 500, 200, 404)
    assert stopper(store, market).run(now=NOW) == 1
    assert store.deployments_of(other) == []
