"""Stops what the users of a revoked account run on schedulers.

Decides nothing: the issuer revoked, and left the order in the outbox, users and all. An order is
done only when its scheduler has no run left that isn't ending. Fleets stay: they are the project's,
and nobody revoked is let run anything on them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Protocol
from urllib.parse import quote

from kycgate.errors import Malformed, Unavailable
from kycgate.gateway.adapters.base import decode
from kycgate.gateway.stopping import Step, work_off
from kycgate.store.base import Store

KIND: Final = "stop_runs"
"""Outbox items: {"account": account key, "users": [[scheduler, user, end of its link], …]}."""
_ROUNDS: Final = 3
"""Looks at what runs before an order is left for later: each stops what the last one found."""
_PAGE: Final = 100
"""dstack's own limit."""
_PAGES: Final = 50
_CLOCKS_S: Final = 60
"""How far the scheduler's clock may be from ours."""

_log = logging.getLogger("kycgate.stopping")

Ask = Callable[[str, dict[str, Any]], tuple[int, bytes]]
"""(path, body): posts JSON to a scheduler's API; status and body of its answer.

Raises Unavailable without an answer.
"""


class Ends(Protocol):
    """A scheduler that can be told to stop."""

    def stop(self, user: str, *, until: int) -> int:
        """Stop the user's runs that were submitted before `until` (Unix seconds, by a clock that
        may be a minute off); how many it was.

        Raises Unavailable if any may still run.
        """


class RunStopper:
    """Works off the orders for all schedulers. May be killed at any point and started again."""

    def __init__(self, store: Store, schedulers: Mapping[str, Ends]) -> None:
        """`schedulers` by their names in the configuration: those that can be told to stop."""
        self._store = store
        self._schedulers = schedulers

    def run(self, *, now: int) -> int:
        """Carry out what is due; how many runs were stopped. One order's trouble raises nothing."""
        return work_off(self._store, KIND, self._steps, now=now)

    def _steps(self, payload: dict[str, Any]) -> list[Step]:
        return [
            partial(self._stop, payload["account"], name, user, until)
            for name, user, until in payload["users"]
        ]

    def _stop(self, account: str, name: str, user: str, until: int) -> int:
        scheduler = self._schedulers.get(name)
        if scheduler is not None:
            return scheduler.stop(user, until=until)
        # No user name: the log outlives what a person may ask to have forgotten.
        _log.error(
            "%s was revoked and may still run work on %s, which can't be told to stop from here"
            " (hooks.stop): stop it by hand",
            account,
            name,
        )
        return 0


class DstackServer:
    """dstack's API, as its administrator. Implements `Ends`. Facts: dstack 0.22.5."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def stop(self, user: str, *, until: int) -> int:
        """Stop the user's runs in every project, whatever state they are in."""
        self._check_sight()
        stopped = 0
        for _ in range(_ROUNDS):
            # Looked at again after each stop: a run may have been submitted in between.
            running = self._running(user, until)
            if not running:
                return stopped
            for project, names in running.items():
                self._stop(project, names)
                stopped += len(names)
        raise Unavailable("dstack still names runs of a revoked user after they were stopped")

    def _check_sight(self) -> None:
        """Whoever is no administrator sees some projects only, and would find nothing to stop."""
        me = self._post("/api/users/get_my_user", {})
        if not isinstance(me, dict) or me.get("global_role") != "admin":
            raise Unavailable("the token for dstack (hooks.stop) is no global administrator's")

    def _running(self, user: str, until: int) -> dict[str, list[str]]:
        """Names of the runs that are neither over nor ending, by project."""
        found: dict[str, list[str]] = {}
        asked: dict[str, Any] = {
            "username": user,
            "only_active": True,
            "include_jobs": False,
            "limit": _PAGE,
        }
        for _ in range(_PAGES):
            try:
                runs = self._post("/api/runs/list", asked)
            except _UnknownError:
                return {}
            if not isinstance(runs, list):
                raise Unavailable("dstack's list of runs is none")
            for run in runs:
                project, name, status, since = _facts(run)
                if status != "terminating" and since < until + _CLOCKS_S:
                    found.setdefault(project, []).append(name)
            if len(runs) < _PAGE:
                return found
            last = runs[-1]
            asked |= {"prev_submitted_at": last["submitted_at"], "prev_run_id": last.get("id")}
        raise Unavailable("dstack lists runs without an end")

    def _stop(self, project: str, names: list[str]) -> None:
        path = f"/api/project/{quote(project, safe='')}/runs/stop"
        try:
            self._post(path, {"runs_names": names, "abort": False})
        except _UnknownError as error:
            raise Unavailable("a project of dstack went away") from error

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        """The answer, None if empty. Raises Unavailable, _UnknownError."""
        status, answer = self._ask(path, body)
        try:
            said = decode(answer, field="answer") if answer else None
        except Malformed as error:
            raise Unavailable(f"dstack's answer to {path} can't be read") from error
        if status == 400 and _code(said) == "resource_not_exists":
            raise _UnknownError
        if status != 200:
            raise Unavailable(f"dstack answered {status} to {path}")
        return said


class _UnknownError(Exception):
    """dstack knows nobody, and nothing, of that name."""


def _code(said: Any) -> Any:
    """`{"detail": [{"code": …}]}`"""
    try:
        return said["detail"][0]["code"]
    except (TypeError, KeyError, IndexError):
        return None


def _facts(run: Any) -> tuple[str, str, str, float]:
    """A run's project, name, state, and when it was submitted. Raises Unavailable."""
    try:
        project, name, status = run["project_name"], run["run_spec"]["run_name"], run["status"]
        since = datetime.fromisoformat(run["submitted_at"])
    except (TypeError, KeyError, ValueError) as error:
        raise Unavailable("dstack lists a run that can't be read") from error
    if not all(isinstance(each, str) for each in (project, name, status)):
        raise Unavailable("dstack lists a run that can't be read")
    # Without an offset it is UTC, as everything on dstack's server is, not this machine's time.
    return project, name, status, (since if since.tzinfo else since.replace(tzinfo=UTC)).timestamp()
