"""What users of a revoked account run on schedulers is stopped, and no order is lost on the way."""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from kycgate.errors import Unavailable
from kycgate.gateway.hooks.ending import KIND, DstackServer, RunStopper
from tests.fakes import MemoryStore

ACCOUNT = "0x" + "11" * 20
NOW = 1_800_000_000
LATER = NOW + 86_400


class Dstack:
    """Keeps runs, and answers as dstack 0.22.5 does."""

    def __init__(self, *runs: dict[str, Any], users: tuple[str, ...] = ("ann", "bob")) -> None:
        self.runs = list(runs)
        self.users = users
        self.role = "admin"
        self.broken: set[str] = set()
        self.asked: list[str] = []

    def __call__(self, path: str, body: dict[str, Any]) -> tuple[int, bytes]:
        self.asked.append(path)
        if path in self.broken:
            return 500, b"{}"
        if path == "/api/users/get_my_user":
            return 200, json.dumps({"username": "gate", "global_role": self.role}).encode()
        if path == "/api/runs/list":
            return self._list(body)
        project = path.removeprefix("/api/project/").removesuffix("/runs/stop")
        for run in self.runs:
            named = run["run_spec"]["run_name"] in body["runs_names"]
            if named and run["project_name"] == project:
                run["status"] = "terminating"
        return 200, b""

    def _list(self, body: dict[str, Any]) -> tuple[int, bytes]:
        if body["username"] not in self.users:
            code = {"msg": "User not found", "code": "resource_not_exists"}
            return 400, json.dumps({"detail": [code]}).encode()
        mine = [run for run in self.runs if run["user"] == body["username"]]
        mine.sort(key=lambda run: run["submitted_at"], reverse=True)
        since = body.get("prev_submitted_at")
        if since is not None:
            mine = [run for run in mine if run["submitted_at"] < since]
        return 200, json.dumps(mine[: body["limit"]]).encode()

    def states(self) -> dict[str, str]:
        return {run["run_spec"]["run_name"]: run["status"] for run in self.runs}


def run(name: str, user: str = "ann", *, at: int = NOW, project: str = "main") -> dict[str, Any]:
    return {
        "id": f"id-{name}",
        "project_name": project,
        "user": user,
        "submitted_at": datetime.fromtimestamp(at, UTC).isoformat(),
        "status": "running",
        "run_spec": {"run_name": name},
    }


def stop(dstack: Dstack, user: str = "ann", until: int = LATER) -> int:
    return DstackServer(dstack).stop(user, until=until)


def test_every_run_of_the_user_is_stopped_in_every_project_and_nobody_elses() -> None:
    dstack = Dstack(run("a"), run("b", project="lab"), run("c", "bob"))
    assert stop(dstack) == 2
    assert dstack.states() == {"a": "terminating", "b": "terminating", "c": "running"}


def test_more_runs_than_one_page_holds_are_all_stopped() -> None:
    dstack = Dstack(*(run(f"r{n}", at=NOW + n) for n in range(250)))
    assert stop(dstack) == 250
    assert set(dstack.states().values()) == {"terminating"}


def test_what_was_submitted_after_the_link_ended_is_another_accounts() -> None:
    dstack = Dstack(run("before", at=NOW - 1), run("about", at=NOW + 59), run("after", at=NOW + 60))
    assert stop(dstack, until=NOW) == 2, "clocks may be a minute apart"
    assert dstack.states() == {
        "before": "terminating",
        "about": "terminating",
        "after": "running",
    }


def test_a_time_without_an_offset_is_utc_wherever_the_gate_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    try:
        began = run("a", at=NOW)
        began["submitted_at"] = began["submitted_at"].removesuffix("+00:00")
        assert stop(Dstack(began), until=NOW - 3600) == 0
        assert stop(Dstack(began), until=NOW + 1) == 1
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_user_that_is_gone_runs_nothing() -> None:
    assert stop(Dstack(users=()), "ann") == 0


class Stubborn(Dstack):
    """Says yes to a stop, and goes on."""

    def __call__(self, path: str, body: dict[str, Any]) -> tuple[int, bytes]:
        return (200, b"") if path.endswith("/stop") else super().__call__(path, body)


def test_a_yes_to_a_stop_is_not_believed_while_the_run_goes_on() -> None:
    with pytest.raises(Unavailable):
        stop(Stubborn(run("a")))


def test_who_does_not_see_every_project_is_not_believed_to_find_nothing() -> None:
    dstack = Dstack()
    dstack.role = "user"
    with pytest.raises(Unavailable, match="administrator"):
        stop(dstack)


@pytest.mark.parametrize(
    "answer",
    [
        (200, b"{}"),
        (200, b""),
        (200, b"[1]"),
        (200, b'[{"project_name": 1}]'),
        (200, b"not json"),
        (401, b'{"detail": [{"code": "not_authenticated"}]}'),
        (403, b""),
        (400, b'{"detail": []}'),
        (503, b""),
    ],
)
@pytest.mark.parametrize("at", ["/api/runs/list", "/api/users/get_my_user"])
def test_an_answer_that_leaves_it_open_is_no_end(answer: tuple[int, bytes], at: str) -> None:
    def ask(path: str, body: dict[str, Any]) -> tuple[int, bytes]:
        return answer if path == at else Dstack()(path, body)

    with pytest.raises(Unavailable):
        DstackServer(ask).stop("ann", until=LATER)


# -- orders ----------------------------------------------------------------------------------------


def ordered(*users: list[Any]) -> MemoryStore:
    store = MemoryStore()
    store.enqueue(KIND, {"account": ACCOUNT, "users": list(users)}, due_at=NOW)
    return store


def test_an_order_is_carried_out_once() -> None:
    store, dstack = ordered(["main", "ann", LATER]), Dstack(run("a"))
    stopper = RunStopper(store, {"main": DstackServer(dstack)})
    assert stopper.run(now=NOW) == 1
    assert stopper.run(now=NOW + 10**6) == 0
    assert dstack.asked.count("/api/project/main/runs/stop") == 1


def test_an_order_that_failed_is_tried_again_and_keeps_no_other_waiting() -> None:
    store, dstack, other = ordered(["main", "ann", LATER]), Dstack(run("a")), Dstack(run("b"))
    store.enqueue(KIND, {"account": ACCOUNT, "users": [["lab", "ann", LATER]]}, due_at=NOW)
    stopper = RunStopper(store, {"main": DstackServer(dstack), "lab": DstackServer(other)})
    dstack.broken = {"/api/project/main/runs/stop"}
    assert stopper.run(now=NOW) == 1
    assert other.states() == {"b": "terminating"}
    assert store.due(KIND, now=NOW) == []
    [again] = store.due(KIND, now=NOW + 600)
    dstack.broken = set()
    assert stopper.run(now=again.due_at) == 1
    assert dstack.states() == {"a": "terminating"}
    assert store.due(KIND, now=NOW + 10**6) == []


def test_a_scheduler_that_is_down_keeps_no_other_of_the_same_order_running() -> None:
    store = ordered(["main", "ann", LATER], ["lab", "ann", LATER])
    down, other = Dstack(run("a")), Dstack(run("b"))
    down.broken = {"/api/runs/list"}
    stopper = RunStopper(store, {"main": DstackServer(down), "lab": DstackServer(other)})
    assert stopper.run(now=NOW) == 1
    assert other.states() == {"b": "terminating"}
    assert len(store.due(KIND, now=NOW + 600)) == 1


def test_a_scheduler_that_can_not_be_told_is_named_and_its_user_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store, dstack = ordered(["sky", "ann", LATER], ["main", "ann", LATER]), Dstack(run("a"))
    with caplog.at_level(logging.ERROR):
        assert RunStopper(store, {"main": DstackServer(dstack)}).run(now=NOW) == 1
    assert "sky" in caplog.text
    assert "ann" not in caplog.text
    assert store.due(KIND, now=NOW + 10**6) == []
