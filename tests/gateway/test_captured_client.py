"""The requests the real `iocloud` client sends, as captured, replayed through the gate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kycgate.gateway.view import Reply, RequestView
from tests.gateway.world import World, error

CAPTURES = Path(__file__).parent / "captures"


def captured(name: str) -> list[dict[str, Any]]:
    requests = json.loads((CAPTURES / name).read_text())
    return [request for request in requests if not request["path"].startswith("/g/")]


def replayed(world: World, request: dict[str, Any], key: str) -> RequestView:
    """The request as it crossed the wire, but for the dummy key and the body's spacing."""
    headers = [(name, value) for name, value in request["headers"]]
    host = dict(headers)["Host"]
    body = b""
    if request["body"] is not None:
        body = json.dumps(request["body"]).encode()
    spoken = tuple(
        (
            name,
            key if name == "x-api-key" else str(len(body)) if name == "Content-Length" else value,
        )
        for name, value in headers
    )
    return RequestView(
        request["method"], request["path"].encode(), host, "http", spoken, body, "127.0.0.1",
        world.now, "test",
    )  # fmt: skip


def stub(world: World, request: dict[str, Any]) -> None:
    answer = json.dumps(request["stub_response"]).encode()
    world.upstream.answer = lambda forward: (request["stub_status"], (), answer)


@pytest.mark.parametrize("name", ["ionet_cli.json", "ionet_cli_vm_extend.json"])
def test_unmodified_client_of_a_verified_renter_gets_every_answer(world: World, name: str) -> None:
    world.upstream.hardware = [
        {"hardware_id": 203, "id": "11", "deploy_id": "203", "hardware_name": "H100 PCIe",
         "name": "H100 PCIe", "price": 2.19}
    ]  # fmt: skip
    alice = world.renter()
    for request in captured(name):
        stub(world, request)
        reply = world.send(replayed(world, request, alice.secret))
        assert reply.status == 200, (request["path"], reply)
        assert json.loads(reply.body) == request["stub_response"]
    granted = [line["granted"] for line in world.decisions()]
    assert granted == [True] * len([r for r in captured(name) if r["method"] == "POST"])


def test_unmodified_client_of_a_stranger_is_shown_where_to_go(world: World) -> None:
    deploy = captured("ionet_cli_denied.json")[1]
    bob = world.stranger("bob")
    reply = world.send(replayed(world, deploy, bob.secret))
    assert isinstance(reply, Reply)
    assert reply.status == deploy["stub_status"] == 403
    assert set(json.loads(reply.body)) == set(deploy["stub_response"])
    assert "https://kyc.example/r/" in error(reply)
    assert "(request " in error(reply)
    assert world.upstream.received == []
