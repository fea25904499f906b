"""`kycgate adapter`: which marketplaces there are, their routes, and what a capture asks for.

Asks no marketplace and decides nothing: answers in the capture stand in for the catalogue.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kycgate.cli.output import Exit, add_json_flag, say
from kycgate.core.wire import require_shallow
from kycgate.errors import Malformed, Unavailable

if TYPE_CHECKING:
    from kycgate.core.claims import JobRequest
    from kycgate.gateway.adapters.base import Adapter, Fetch, Route, Search


_PRESET = "as marketplace.adapter names it: a name, or file:PATH of a description"


def add(group: argparse.ArgumentParser) -> None:
    commands = group.add_subparsers(dest="command", metavar="COMMAND", required=True)
    test = commands.add_parser("test", help="read CAPTURE as the adapter PRESET would")
    test.add_argument("preset", metavar="PRESET", help=_PRESET)
    test.add_argument("capture", metavar="CAPTURE.json", type=Path, help="requests in their order")
    add_json_flag(test)
    test.set_defaults(run=run_test)
    show = commands.add_parser("show", help="the routes of the adapter PRESET and its refusal")
    show.add_argument("preset", metavar="PRESET", help=_PRESET)
    add_json_flag(show)
    show.set_defaults(run=run_show)
    names = commands.add_parser("list", help="the marketplaces that can be named")
    add_json_flag(names)
    names.set_defaults(run=run_list)


def run_test(args: argparse.Namespace) -> int:
    """Exit 0 when every request has a route and can be read, 1 when one does not."""
    _check_name(args.preset)
    exchanges = _read(args.capture)
    catalogue = _Catalogue(exchanges)
    adapter = _open(args.preset, catalogue.fetch, catalogue.search)
    told = _Replay(adapter).run(exchanges)
    refusal = _refusal(adapter)
    lines = [*map(_line, told), f"refusal: {json.dumps(refusal)}"]
    said = {"adapter": args.preset, "requests": told, "refusal": refusal}
    say(args, said, "\n".join(lines))
    return Exit.YES if all("problem" not in each for each in told) else Exit.NO


def run_show(args: argparse.Namespace) -> int:
    """The route table: what each request is taken for, before its body is read."""
    adapter = _open(args.preset, _unanswered, _unanswered)
    table = [entry._asdict() for entry in adapter.table()]
    refusal = _refusal(adapter)
    wide = max(len(f"{entry['method']} {entry['path']}") for entry in table)
    lines = [
        f"{entry['method'] + ' ' + entry['path']:{wide}}  {entry['kind']:12}  {entry['name']}"
        for entry in table
    ]
    said = {"adapter": adapter.name, "routes": table, "refusal": refusal}
    say(args, said, "\n".join([*lines, f"refusal: {json.dumps(refusal)}"]))
    return Exit.YES


def run_list(args: argparse.Namespace) -> int:
    from kycgate.gateway.adapters.presets import DECLARED, PRESETS

    names = [{"name": name, "described": name in DECLARED} for name in PRESETS]
    say(args, {"adapters": names}, "\n".join(PRESETS))
    return Exit.YES


def _check_name(preset: str) -> None:
    from kycgate.gateway.adapters.presets import FILE, PRESETS

    if preset not in PRESETS and not preset.startswith(FILE):
        remedy = f"{', '.join(PRESETS)} or file:PATH"
        raise Malformed("There is no such adapter.", field="PRESET", remedy=remedy)


def _open(preset: str, fetch: Fetch, search: Search) -> Adapter:
    from kycgate.gateway.adapters.presets import Upstream, open_adapter

    _check_name(preset)
    # No token is configured here: money is told in millionths of a dollar.
    return open_adapter(preset, Upstream(fetch, search, token_decimals=6), folder=Path.cwd())


def _refusal(adapter: Adapter) -> Any:
    """The body a refused client gets, with words in the places of message and code."""
    _, body = adapter.refusal("MESSAGE", "CODE")
    require_shallow(body, field="refusal")
    return json.loads(body)


def _unanswered(*_: object) -> bytes:
    raise Unavailable("no marketplace is asked here")


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One captured request, and the answer it was given (empty when none was kept)."""

    method: str
    path: str
    body: bytes
    answer: bytes


def _read(path: Path) -> tuple[_Exchange, ...]:
    try:
        said = path.read_bytes()
        require_shallow(said, field="CAPTURE.json")
        entries = json.loads(said)
    except (OSError, ValueError) as error:
        raise Malformed(f"{path} can't be read: {error}.", field="CAPTURE.json") from error
    if not isinstance(entries, list):
        raise Malformed("The capture is not a list of requests.", field="CAPTURE.json")
    return tuple(_exchange(entry, number) for number, entry in enumerate(entries, 1))


def _exchange(entry: Any, number: int) -> _Exchange:
    method, path = (entry.get("method"), entry.get("path")) if isinstance(entry, dict) else (0, 0)
    if not isinstance(method, str) or not isinstance(path, str):
        raise Malformed(
            f"Request {number} has no method or no path.",
            field="CAPTURE.json",
            remedy='each is {"method", "path", "body", "stub_response"}',
        )
    return _Exchange(method, path, _bytes(entry.get("body")), _bytes(entry.get("stub_response")))


def _bytes(value: Any) -> bytes:
    if value is None:
        return b""
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


class _Catalogue:
    """What the capture's marketplace answered, to the gate's own questions too."""

    def __init__(self, exchanges: tuple[_Exchange, ...]) -> None:
        self._answers = {(each.method, each.path): each.answer for each in exchanges if each.answer}

    def fetch(self, path: str) -> bytes:
        # A capture keeps paths without their query.
        return self._answer("GET", path.partition("?")[0])

    def search(self, path: str, question: bytes) -> bytes:
        return self._answer("POST", path)

    def _answer(self, method: str, path: str) -> bytes:
        answer = self._answers.get((method, path))
        if answer is None:
            raise Unavailable("the capture holds no such answer")
        return answer


class _Replay:
    """Reads request after request; what one rented is what a later one extends."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._rented: dict[str, JobRequest] = {}

    def run(self, exchanges: tuple[_Exchange, ...]) -> list[dict[str, Any]]:
        return [
            {"method": each.method, "path": each.path, **self._told(each)} for each in exchanges
        ]

    def _told(self, exchange: _Exchange) -> dict[str, Any]:
        from kycgate.gateway.adapters.base import ACTIONS

        route = self._adapter.match(exchange.method, exchange.path)
        if route is None:
            return {"problem": "no route: the gate refuses it"}
        try:
            if route.kind in ACTIONS:
                route = self._adapter.narrowed(route, exchange.body)
            if route.kind not in ACTIONS:
                return _named(route)
            return _named(route) | {"job": self._job(route, exchange)}
        except Malformed as error:
            problem = f"{error.field}: {error.message}"
            return _named(route) | {"problem": problem}

    def _job(self, route: Route, exchange: _Exchange) -> dict[str, Any]:
        recorded = self._rented.get(route.resource or "")
        job = self._adapter.job(route, exchange.body, recorded=recorded, now=0)
        started = route.resource or self._adapter.deployment(exchange.answer)
        if started is not None:
            self._rented[started] = job
        return dict(json.loads(job.canonical()))


def _named(route: Route) -> dict[str, Any]:
    said: dict[str, Any] = {"route": route.name, "kind": route.kind.value}
    return said if route.resource is None else said | {"deployment": route.resource}


def _line(told: dict[str, Any]) -> str:
    what = told.get("problem") or _job_text(told.get("job"))
    route = f"{told.get('route', '-')}: {told.get('kind', '-')}"
    return f"{told['method']} {told['path']}  {route}  {what}".rstrip()


def _job_text(job: dict[str, Any] | None) -> str:
    if job is None:
        return ""
    named = ("gpu_model", "gpu_count", "hours", "value")
    return " ".join(f"{name}={'unknown' if job[name] is None else job[name]}" for name in named)
