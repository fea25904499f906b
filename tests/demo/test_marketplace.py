"""The demonstration's marketplace answers in the shapes io.net's clients expect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from kycgate.demo.marketplace import PREFIX, Marketplace


@pytest.fixture
def market() -> Iterator[Marketplace]:
    with Marketplace(api_key="operator") as market:
        yield market


def call(market: Marketplace, method: str, path: str, body: Any = None) -> requests.Response:
    return requests.request(
        method, market.url + PREFIX + path, json=body, headers={"x-api-key": "operator"}, timeout=5
    )


RENT = {
    "resource_private_name": "job",
    "hardware_id": 203,
    "duration_hours": 24,
    "gpus_per_container": 8,
    "container_config": {"replica_count": 2},
}


def test_without_the_operators_key_nothing_is_told(market: Marketplace) -> None:
    answer = requests.get(market.url + PREFIX + "/caas/hardware", timeout=5)
    assert answer.status_code == 401
    assert answer.json()["status"] == "failed"


def test_a_rental_goes_through_its_life(market: Marketplace) -> None:
    deployment = call(market, "POST", "/caas/deploy", RENT).json()["deployment_id"]
    path = f"/caas/deployment/{deployment}"
    states = [call(market, "GET", path).json()["data"]["status"] for _ in range(2)]
    assert states == ["deployment requested", "running"]
    details = call(market, "POST", path + "/extend", {"duration_hours": 6}).json()["data"]
    assert (details["total_gpus"], details["compute_minutes_remaining"]) == (16, 30 * 60)
    assert call(market, "PATCH", path, {"traffic_port": 9}).status_code == 200
    assert market.deployments[deployment].config["traffic_port"] == 9
    assert call(market, "DELETE", path).status_code == 200
    assert call(market, "GET", path).json()["data"]["status"] == "terminated"
    rows = call(market, "GET", "/caas/deployments?status=terminated").json()["data"]
    assert [row["id"] for row in rows["deployments"]] == [deployment]


def test_machines_and_clusters_are_kept_apart(market: Marketplace) -> None:
    body = {"hardware_id": "203", "duration_hours": 1, "gpus_per_vm": 8}
    machine = call(market, "POST", "/vmaas/deploy", body).json()["deployment_id"]
    assert call(market, "GET", f"/caas/deployment/{machine}").status_code == 404
    assert call(market, "GET", f"/vmaas/deployment/{machine}").json()["data"]["gpus_per_vm"] == 8


def test_the_price_is_per_gpu_and_hour(market: Marketplace) -> None:
    path = "/caas/price?hardware_id=203&duration_hours=2&gpus_per_container=4&replica_count=3"
    assert call(market, "GET", path).json()["data"]["total_cost_usdc"] == pytest.approx(52.56)


@pytest.mark.parametrize(
    "change",
    [{"hardware_id": 9999}, {"duration_hours": -1}, {"gpus_per_container": None}],
)
def test_nonsense_is_refused_and_rents_nothing(
    market: Marketplace, change: dict[str, object]
) -> None:
    assert call(market, "POST", "/caas/deploy", RENT | change).status_code == 422
    assert market.deployments == {}


def test_every_request_is_kept_as_it_came(market: Marketplace) -> None:
    call(market, "POST", "/caas/deploy?a=%20", RENT)
    (kept,) = market.requests("POST", "/deploy")
    assert kept.target == PREFIX + "/caas/deploy?a=%20"
    assert json.loads(kept.body) == RENT
    assert kept.header("X-API-Key") == "operator"
