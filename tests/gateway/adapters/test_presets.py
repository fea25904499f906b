"""Every adapter can be chosen in the configuration, and asks its marketplace with our key."""

from __future__ import annotations

import json
import time
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from kycgate.assembly import open_services
from kycgate.cli import main
from kycgate.config import load_config
from kycgate.errors import Misconfigured
from kycgate.gateway.adapters.presets import PRESETS, Upstream
from kycgate.gateway.stopping import KIND
from kycgate.gateway.view import Reply, RequestView
from tests.gateway.adapters.market import VastMarket
from tests.gateway.adapters.market_declared import CloreMarket
from tests.gateway.adapters.market_runpod import RunPodMarket
from tests.operating import set_up


def written(folder: Path, adapter: str, upstream: str) -> Path:
    key = "file:keys/upstream.key"
    return set_up(
        folder,
        secrets={"upstream": "operator"},
        marketplace={"adapter": adapter, "upstream": upstream, "upstream_key": key},
    )


@pytest.mark.parametrize("name", PRESETS)
def test_every_adapter_can_be_chosen_and_knows_its_name(tmp_path: Path, name: str) -> None:
    config = load_config(written(tmp_path, name, "http://127.0.0.1:9"), environ={"PATH": ""})
    assert config.marketplace.adapter == name
    built = PRESETS[name](Upstream(lambda path: b"", lambda path, question: b"", 6))
    assert built.name == name


def test_an_adapter_nobody_wrote_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as caught:
        load_config(written(tmp_path, "nowhere", "http://127.0.0.1:9"), environ={"PATH": ""})
    assert all(f'"{name}"' in str(caught.value.problems) for name in PRESETS)


def test_the_assembled_gate_learns_an_offer_with_the_operators_key(tmp_path: Path) -> None:
    with (
        VastMarket("operator") as market,
        open_services(written(tmp_path, "vast", market.url)) as services,
    ):
        body = b'{"client_id": "me", "image": "nginx"}'
        fields = (
            ("Host", "127.0.0.1:8080"), ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
        )  # fmt: skip
        reply = services.gate.check(
            RequestView(
                "PUT", b"/api/v0/asks/384826/", "127.0.0.1:8080", "http", fields, body,
                "127.0.0.1", int(time.time()), "test",
            )
        )  # fmt: skip
        assert isinstance(reply, Reply)
        message = json.loads(reply.body)["msg"]
        refusal = services.store.refusal(message.split("/r/")[1].split()[0])
        assert refusal is not None
        assert (refusal.asked["gpu_model"], refusal.asked["gpu_count"]) == ("H100 SXM", 8)
        ((method, path, sent, _),) = market.received
        assert (method, path) == ("POST", "/api/v0/bundles/")
        assert sent["authorization"] == "Bearer operator"


def clore_file(folder: Path) -> str:
    shipped = resources.files("kycgate.gateway.adapters").joinpath("presets", "clore.toml")
    (folder / "mine.toml").write_text(shipped.read_text().replace('"clore"', '"mine"', 1))
    return "file:mine.toml"


def test_a_marketplace_of_ones_own_is_read_from_beside_the_configuration(tmp_path: Path) -> None:
    path = written(tmp_path, clore_file(tmp_path), "http://127.0.0.1:9")
    with open_services(path) as services:
        fields = (("Host", "127.0.0.1:8080"), ("auth", "no-key"))
        reply = services.gate.check(
            RequestView(
                "GET", b"/v1/my_orders", "127.0.0.1:8080", "http", fields, None, "127.0.0.1",
                int(time.time()), "test",
            )
        )  # fmt: skip
    assert isinstance(reply, Reply)
    assert json.loads(reply.body)["code"] == 6


@pytest.mark.parametrize("adapter", ["file:", "file:mine.txt", "../mine.toml", "Clore"])
def test_an_adapter_that_is_neither_name_nor_file_is_refused(tmp_path: Path, adapter: str) -> None:
    with pytest.raises(Misconfigured):
        load_config(written(tmp_path, adapter, "http://127.0.0.1:9"), environ={"PATH": ""})


def test_config_check_tells_every_fault_of_a_description(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, "file:mine.toml", "http://127.0.0.1:9")
    (tmp_path / "mine.toml").write_text('name = "mine"\n[key]\nheader = "cookie"\n')
    capsys.readouterr()
    assert main(["config", "check", str(path)]) == 64
    said = capsys.readouterr().out
    assert "mine.toml:3: key.header" in said
    assert "facts: is missing" in said


def test_a_front_that_would_not_copy_the_marketplaces_key_field_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, "clore", "http://127.0.0.1:9")
    path.write_text(
        path.read_text().replace("[marketplace]", 'forward_auth = "nginx"\n\n[marketplace]')
    )
    capsys.readouterr()
    assert main(["config", "check", str(path)]) == 64
    assert "takes its key in auth" in capsys.readouterr().out
    path.write_text(path.read_text().replace('"clore"', '"lium"'))
    assert main(["config", "check", str(path)]) == 0


@pytest.mark.parametrize(
    ("adapter", "market", "deployment", "sent"),
    [
        ("runpod", RunPodMarket("operator"), "pod1", ("DELETE", "/v2/pods/pod1", b"")),
        ("clore", CloreMarket("operator"), "101", ("POST", "/v1/cancel_order", b'{"id": 101}')),
    ],
    ids=["runpod", "clore"],
)
def test_the_assembled_gate_ends_a_revoked_renters_machine(
    tmp_path: Path, adapter: str, market: Any, deployment: str, sent: tuple[str, str, bytes]
) -> None:
    with market, open_services(written(tmp_path, adapter, market.url)) as services:
        machines = market.pods if adapter == "runpod" else market.running
        machines[deployment] = {"id": deployment}
        now = int(time.time())
        services.store.own_deployment(deployment, "eip155:1:0x" + "1" * 40, b"\x07" * 32, at=now)
        services.store.enqueue(KIND, {"account": "eip155:1:0x" + "1" * 40}, due_at=now)
        assert services.stopper.run(now=now) == 1
        assert machines == {}
        method, path, fields, body = market.received[0]
        assert (method, path, body) == sent
        assert ("content-type" in fields) == bool(body)
