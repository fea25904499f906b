"""Runs the doors of the gate, marketplace and control plane, on one event loop.

Knows neither what the applications do nor where their parts come from: it is given an ASGI
application for the marketplace, a WSGI application for the control plane, and an address for each;
where a front asks before it forwards, one more ASGI application `beside` them; and whatever is
`further` asked on a listener of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from concurrent.futures import Future
from typing import Any

import uvicorn
from a2wsgi import WSGIMiddleware

from kycgate.gateway.limits import Counts
from kycgate.gateway.listening import Bind, listening, port
from kycgate.gateway.standing import Answering, StandingProtocol
from kycgate.gateway.strict import Limits, StrictConfig, StrictProtocol

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
WsgiApp = Callable[..., Any]
Beside = tuple[AsgiApp, Bind]
"""A further ASGI application and where it listens."""


class Running:
    """A server in a thread of its own. `stop` returns when the last answer is out."""

    def __init__(self, thread: threading.Thread, stopper: Callable[[], None], ports: Sequence[int]):
        self._thread = thread
        self._stopper = stopper
        self.gateway_port, self.control_port = ports[:2]
        self.beside_port = ports[2] if len(ports) > 2 else None
        """Of `beside`, else of the first of `further`; 0 where that is no port."""
        self.ports = tuple(ports)
        """All of them, in the order in which the applications were given."""

    def stop(self) -> None:
        if self._thread.is_alive():
            self._stopper()
        self._thread.join()

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to us and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        self.should_exit = True
        self._stopping.set()

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._stopping.wait()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run(
    gateway: AsgiApp,
    control: WsgiApp,
    *,
    gateway_at: Bind,
    control_at: Bind,
    beside: Beside | None = None,
    further: Sequence[Beside] = (),
    limits: Limits | None = None,
    started: Callable[[int, int], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; running requests get `limits.grace_seconds` to finish.

    `started` is called once with the two ports, when both listen. Raises OSError when an address
    is taken.
    """
    limits = limits or Limits()

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, stop.set)
        # What was made for the start stays to the end: no collection need walk it again.
        gc.collect()
        gc.freeze()
        await _serve(apps, control, sockets, limits, stop, lambda: started and started(*ports[:2]))

    apps, binds = _every(gateway, beside, further)
    with listening(gateway_at, control_at, *binds) as sockets:
        ports = [port(each) for each in sockets]
        _run(main)


def start_in_thread(
    gateway: AsgiApp,
    control: WsgiApp,
    *,
    gateway_at: Bind = ("127.0.0.1", 0),
    control_at: Bind = ("127.0.0.1", 0),
    beside: Beside | None = None,
    further: Sequence[Beside] = (),
    limits: Limits | None = None,
) -> Running:
    """Serve in a thread; returns when both listen. Raises what kept the server from starting."""
    up: Future[Callable[[], None]] = Future()
    ports: Future[list[int]] = Future()
    apps, binds = _every(gateway, beside, further)

    async def main(sockets: Sequence[socket.socket]) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def stopper() -> None:
            loop.call_soon_threadsafe(stop.set)

        await _serve(
            apps, control, sockets, limits or Limits(), stop, lambda: up.set_result(stopper)
        )

    def target() -> None:
        try:
            with listening(gateway_at, control_at, *binds) as sockets:
                ports.set_result([port(each) for each in sockets])
                _run(lambda: main(sockets))
        except BaseException as e:  # handed to the thread that waits in `up`
            if up.done():
                raise
            up.set_exception(e)

    thread = threading.Thread(target=target, name="kycgate-server")
    thread.start()
    stopper = up.result()
    return Running(thread, stopper, ports.result())


def _every(
    gateway: AsgiApp, beside: Beside | None, further: Sequence[Beside]
) -> tuple[list[AsgiApp], list[Bind]]:
    """The applications, and where those besides the gateway listen."""
    others = [*(() if beside is None else (beside,)), *further]
    return [gateway, *(app for app, _ in others)], [bind for _, bind in others]


async def _serve(
    apps: Sequence[AsgiApp],
    control: WsgiApp,
    sockets: Sequence[socket.socket],
    limits: Limits,
    stop: asyncio.Event,
    started: Callable[[], object],
) -> None:
    wsgi = WSGIMiddleware(control)
    neighbours = Counts(limits.connections_per_address, limits.connections)
    servers = [
        _Server(_config(app, limits, neighbours, date=app is wsgi))
        for app in (apps[0], wsgi, *apps[1:])
    ]
    serving = [
        asyncio.create_task(server.serve([sock]))
        for server, sock in zip(servers, sockets, strict=True)
    ]
    waiting = asyncio.create_task(_until(servers, started, stop))
    try:
        await asyncio.wait([waiting, *serving], return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        for server in servers:
            server.stop()
        await asyncio.gather(*serving)
        wsgi.executor.shutdown(wait=True)


async def _until(
    servers: Sequence[_Server], started: Callable[[], object], stop: asyncio.Event
) -> None:
    for server in servers:
        await server.listening.wait()
    started()
    await stop.wait()


def _config(app: Any, limits: Limits, neighbours: Counts, *, date: bool) -> StrictConfig:
    answers = app.answers if isinstance(app, Answering) else None
    config = StrictConfig(
        app,
        http=StrictProtocol if answers is None else StandingProtocol,
        ws="none",
        interface="asgi3",
        lifespan="on",
        proxy_headers=False,
        server_header=False,
        date_header=date,  # the marketplace's own Date travels through
        access_log=False,
        log_config=None,
        log_level="warning",
        limit_concurrency=limits.connections,
        timeout_keep_alive=limits.keep_alive_seconds,
        timeout_graceful_shutdown=limits.grace_seconds,
    )
    config.limits = limits
    config.answers = answers
    config.neighbours = neighbours
    return config


def _run(main: Callable[[], Any]) -> None:
    with asyncio.Runner(loop_factory=uvicorn.Config("").get_loop_factory()) as runner:
        runner.run(main())
