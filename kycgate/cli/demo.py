"""`kycgate demo`: tells the whole story with real parts, then stays up to be clicked through.

Tells no story of its own: the steps are the demonstration's.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kycgate.cli.output import Exit, add_json_flag, say

if TYPE_CHECKING:
    from kycgate.demo.stage import Outcome
    from kycgate.demo.world import World

_PORTS = (8080, 8081)


def add(group: argparse.ArgumentParser) -> None:
    group.add_argument("--once", action="store_true", help="tell the story and stop")
    group.add_argument("--dir", metavar="DIR", help="keep the world's files in this empty folder")
    add_json_flag(group)
    group.set_defaults(run=run_demo)


def run_demo(args: argparse.Namespace) -> int:
    """Exit 0 when every step came out as expected, else 1."""
    from kycgate.demo.stage import Stage
    from kycgate.demo.story import STORY
    from kycgate.demo.world import running_world

    with tempfile.TemporaryDirectory(prefix="kycgate-demo-") as made:
        directory = Path(args.dir or made)
        directory.mkdir(parents=True, exist_ok=True)
        gate_port, control_port = (0, 0) if args.once else _free_or_any(_PORTS)
        started = time.monotonic()
        _tell(args, "Starting a chain with EAS and the escrow, a marketplace, and the gate …")
        ports = {"gate_port": gate_port, "control_port": control_port}
        with _Desk() as desk, running_world(directory, desk.run, **ports) as world:
            up = round(time.monotonic() - started, 3)
            _tell(args, f"  up in {up:.1f} s", *_lists(world), "")
            stage = Stage.set(world)
            outcomes = []
            for step in STORY:
                outcomes.append(stage.play(step))
                _tell(args, *_lines(outcomes[-1]))
            passed = all(each.as_expected for each in outcomes)
            seconds = round(time.monotonic() - started, 3)
            if args.json:
                say(args, _document(world, outcomes, up, seconds, passed=passed), "")
            _tell(args, "", _summary(outcomes, seconds))
            if not args.once:
                _stay(args, world)
    return Exit.YES if passed else Exit.NO


class _Desk:
    """The operator's terminal: the same commands, with the product loaded once for all of them.

    Apart from the running gate: what is decided here reaches it through the database alone.
    """

    def __init__(self) -> None:
        self._open = ExitStack()
        self._services: Any = None

    def __enter__(self) -> _Desk:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def run(self, words: Sequence[str]) -> int:
        from kycgate.cli import build_parser, execute

        args = build_parser(words[0]).parse_args(words)
        if hasattr(args, "opener"):
            args.opener = self._opened
        return execute(args)

    @contextmanager
    def _opened(self, path: str) -> Iterator[Any]:
        from kycgate.assembly import open_services

        if self._services is None:
            self._services = self._open.enter_context(open_services(path))
        yield self._services


def _tell(args: argparse.Namespace, *lines: str) -> None:
    # With --json stdout is one document; people still see progress.
    for line in lines:
        print(line, file=sys.stderr if args.json else sys.stdout, flush=True)


def _lines(outcome: Outcome) -> list[str]:
    mark = "ok  " if outcome.as_expected else "FAIL"
    lines = [f"{mark} {outcome.says}: {outcome.got}  ({outcome.seconds:.1f} s)"]
    if not outcome.as_expected:
        lines.append(f"       expected: {outcome.expected}")
    return lines + [f"       {note}" for note in outcome.details]


def _lists(world: World) -> list[str]:
    return [
        f"  list {each.name} as of {datetime.fromtimestamp(each.as_of, UTC).date()}"
        " (dated: this demonstration allows its age, the product would not)"
        for each in world.services.screener.versions
    ]


def _summary(outcomes: list[Outcome], seconds: float) -> str:
    failed = [each.name for each in outcomes if not each.as_expected]
    if failed:
        return f"{len(failed)} of {len(outcomes)} steps differ: {', '.join(failed)}"
    return f"All {len(outcomes)} steps came out as expected, in {seconds:.1f} s."


def _document(
    world: World, outcomes: list[Outcome], up: float, seconds: float, *, passed: bool
) -> dict[str, Any]:
    return {
        "passed": passed,
        "seconds": seconds,
        "start_seconds": up,
        "lists": [
            {"name": each.name, "version": each.version, "as_of": each.as_of}
            for each in world.services.screener.versions
        ],
        "steps": [
            {
                "name": each.name,
                "expected": each.expected,
                "got": each.got,
                "seconds": each.seconds,
            }
            for each in outcomes
        ],
    }


def _stay(args: argparse.Namespace, world: World) -> None:
    from kycgate.demo.world import WALLETS

    config = world.directory / "kycgate.toml"
    wallet = world.directory / WALLETS / "wallet.json"
    # As it was called: a fresh checkout has it in .venv/bin, not on the search path.
    program = sys.argv[0] if Path(sys.argv[0]).name == "kycgate" else "kycgate"
    _tell(
        args,
        "",
        "It stays up. Click around, or use it from another terminal:",
        f"  renter's page        {world.control_url}/",
        "                       the pictures of documents you upload stay in this demonstration;",
        "                       to show a credential, take the link behind the page's button to:",
        f"                       {program} trial present LINK --wallet {wallet}",
        f"  a refusal            iocloud against {world.gate_url}, then follow its link",
        f"  API description      {world.control_url}/v1/openapi.json",
        f"  health               {world.control_url}/healthz",
        f"  chain (RPC)          {world.anvil.url}",
        f"  reviewer             {program} cases list --state all --config {config}",
        f"  decision log         {program} audit verify --config {config}",
        "Ctrl-C ends it.",
    )
    ended = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: ended.set())
    ended.wait()


def _free_or_any(wanted: tuple[int, int]) -> tuple[int, int]:
    import socket

    taken = []
    for port in wanted:
        with socket.socket() as probe:
            taken.append(probe.connect_ex(("127.0.0.1", port)) == 0)
    return (0, 0) if any(taken) else wanted
