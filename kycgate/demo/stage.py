"""The demonstration's stage: what a step is, what came of it, and the hands the steps act with.

Tells no story: which steps there are stands in story.py and in showing.py.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests

from kycgate.core.permit import SignedPermit
from kycgate.demo.world import Renter, Told, World

_JOB = ("--name", "story", "--image", "nginx:latest", "--hours", "24", "--detach", "--json")
_LINK = re.compile(r"https?://\S+/r/[0-9a-zA-Z_-]+")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens. `says` is the line people read; `act` returns what came of it."""

    name: str
    says: str
    expected: str
    act: Callable[[Stage], str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step was expected to give, what it gave, and in how many seconds."""

    name: str
    says: str
    expected: str
    got: str
    seconds: float
    details: tuple[str, ...]

    @property
    def as_expected(self) -> bool:
        return self.expected == self.got


@dataclass(slots=True)
class Stage:
    """The world, and what earlier steps left for later ones."""

    world: World
    ada: Renter
    key: str = ""
    mina_key: str = ""
    case: str = ""
    link: str = ""
    deployment: str = ""
    permit: SignedPermit | None = None
    notes: list[str] = field(default_factory=list)

    @classmethod
    def set(cls, world: World) -> Stage:
        return cls(world=world, ada=world.renter("ada"))

    def note(self, *lines: str) -> None:
        """Lines shown below the step: what a person would have seen."""
        self.notes.extend(line for line in lines if line)

    def play(self, step: Step) -> Outcome:
        """Run one step. A step that can't be carried out says so instead of ending the story."""
        self.notes.clear()
        started = time.monotonic()
        try:
            got = step.act(self)
        except Exception as error:  # noqa: BLE001  (a door: the story goes on and tells it)
            got = f"{type(error).__name__}: {error}"
        seconds = round(time.monotonic() - started, 3)
        return Outcome(step.name, step.says, step.expected, got, seconds, tuple(self.notes))

    def rents(self, key: str, what: str = "H100:8") -> Told:
        """The real client tries to rent."""
        return self.world.iocloud(key, "deploy", *_JOB, "--gpu", what)

    def becomes(self, name: str, told: dict[str, Any]) -> tuple[Renter, dict[str, Any]]:
        """A new renter signs in and opens a case."""
        renter = self.world.renter(name)
        must(renter("login"))
        return renter, renter("verify", "--details", renter.details(told), "--json").document

    def decides(self, verb: str, case: str, *words: str) -> Told:
        """The reviewer decides a case with `kycgate cases …`."""
        config = str(self.world.directory / "kycgate.toml")
        return self.world.operator(
            "cases", verb, case, "--config", config, "--reviewer", "rosa", *words
        )

    def as_operator_sees(self, account: str) -> dict[str, Any]:
        """The gate's reasons for one account, in full."""
        answer = requests.post(
            self.world.control_url + "/v1/explain",
            json={"account": account, "gpu_model": "H100 PCIe", "gpu_count": 8, "hours": 24},
            headers={"Authorization": f"Bearer {self.world.operator_token}"},
            timeout=10,
        )
        document: dict[str, Any] = answer.json()
        assert answer.status_code == 200, document
        return document


def must(told: Told) -> Told:
    assert told.code == 0, told.last
    return told


def refused(told: Told) -> str:
    return "refused" if told.code == 1 and "Permission denied" in told.out + told.err else told.last


def link_in(told: Told) -> str:
    """The address a refusal leads to."""
    found = _LINK.search(told.last)
    assert found, told.last
    return found[0]


def rented(told: Told, world: World, before: int) -> str:
    """How many GPUs the one deployment had that was made since there were `before` requests."""
    must(told)
    sent = world.market.requests("POST", "/deploy")[before:]
    assert len(sent) == 1, f"{len(sent)} deploy requests reached the marketplace"
    body = json.loads(sent[0].body)
    gpus = body["gpus_per_container"] * body["container_config"]["replica_count"]
    return f"{gpus} GPUs rented"
