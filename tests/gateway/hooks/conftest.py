"""A gate in memory whose door schedulers knock at: dstack as `main`, SkyPilot as `sky`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kycgate.gateway.hooks import HookCaller
from kycgate.gateway.hooks.admission import Admissions
from kycgate.gateway.hooks.door import answer
from kycgate.gateway.hooks.dstack import Dstack
from kycgate.gateway.hooks.linking import Linking, code_hash, draw_code
from kycgate.gateway.hooks.skypilot import SkyPilot
from kycgate.store.records.signin import UserLink
from tests.gateway.world import GPUS, PUBLIC_URL, Renter, World

CAPTURES = Path(__file__).parents[1] / "captures"
SECRET = "kgh_" + "s" * 43
RUN, FLEET = "/apply_policies/on_run_apply", "/apply_policies/on_fleet_apply"


def capture(name: str) -> Any:
    return json.loads((CAPTURES / name).read_text())[0]["body"]


@dataclass
class Hooks:
    """The world, and what a scheduler hears."""

    world: World

    def caller(self, name: str = "main") -> HookCaller:
        made = {"main": Dstack, "sky": SkyPilot}[name]
        return HookCaller(
            name=name,
            secret_hash=hashlib.sha256(SECRET.encode()).digest(),
            scheduler=made(GPUS.classify),
            admissions=Admissions(self.world.parts, self.world.store, name, name),
            linking=Linking(self.world.store, self.world.log, name, PUBLIC_URL),
        )

    def link(self, renter: Renter, user: str = "admin", *, scheduler: str = "main") -> UserLink:
        """As if the renter's user had shown a code."""
        code = self.code(renter)
        link = self.world.store.claim_user_code(
            code_hash(code), scheduler=scheduler, user=user, now=self.world.now,
            expires_at=self.world.now + 30 * 86_400,
        )  # fmt: skip
        assert link is not None
        return link

    def code(self, renter: Renter) -> str:
        drawn = draw_code(self.world._draw)
        self.world.store.add_user_code(
            UserLink(
                drawn[-12:], renter.account, code_hash(drawn), self.world.now + 900, self.world.now
            )
        )
        return drawn

    def dstack(self, body: Any, path: str = RUN) -> str | None:
        """The error dstack shows; None when the work may go ahead, unchanged."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, _, said = answer(self.caller(), path, data, self.world.now)
        assert status == 200, said
        told = json.loads(said)
        if isinstance(body, dict):
            assert told["spec"] == body.get("spec")
        error: str | None = told["error"]
        return error

    def sky(self, body: Any) -> str | None:
        data = json.dumps(json.dumps(body)).encode()
        status, _, said = answer(self.caller("sky"), "/policy", data, self.world.now)
        if status == 400:
            return said.decode()
        assert status == 200, said
        told = json.loads(json.loads(said))
        assert told == {name: body[name] for name in ("task", "skypilot_config")}
        return None


@pytest.fixture
def hooks() -> Hooks:
    return Hooks(World())


def run(**configuration: Any) -> dict[str, Any]:
    """The captured run with parts of its configuration replaced."""
    body = capture("dstack_rest_plugin.json")
    body["spec"]["configuration"] |= configuration
    return body


def gpu(name: Any = ("H100",), count: Any = 8) -> dict[str, Any]:
    names = None if name is None else list(name)
    span = {"min": count, "max": count} if isinstance(count, int) else count
    return {"gpu": {"name": names, "count": span, "memory": None, "vendor": None}}


def fleet(**configuration: Any) -> dict[str, Any]:
    nodes = {"min": 0, "target": 0, "max": 2}
    usual = {"type": "fleet", "name": "f", "nodes": nodes, "resources": gpu(), "ssh_config": None}
    return {
        "user": "admin",
        "project": "main",
        "spec": {"configuration": usual | configuration, "profile": {}},
    }


def task(text: str, **changes: Any) -> dict[str, Any]:
    """The captured request as the API server sends it, with another task."""
    body = capture("sky_admin_policy.json")
    user = "id: 8f3a2b1c\nname: ann\nuser_type: null\npreferred_workspace: null\n"
    return body | {"task": text, "at_client_side": False, "user": user} | changes
