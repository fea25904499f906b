"""A control plane on a real socket of this machine, for clients that speak HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server

from kycgate.screening.controls import load_default_policy
from kycgate.web.app import create_app
from tests.web.world import World, build, fresh_store


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
        """Access lines would drown the test's own output."""


@contextmanager
def listening(app: Any, port: int = 0) -> Iterator[str]:
    """Serve a WSGI application; gives its origin."""
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Late:
    """A WSGI application that is set after its address is known."""

    def __init__(self) -> None:
        self.app: Any = None

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return self.app(environ, start_response)


@contextmanager
def live_world(path: Path) -> Iterator[World]:
    """A world whose public_url really answers; its clock is the machine's, for real signatures."""
    store = fresh_store(path)
    late = Late()
    with listening(late) as origin:
        world = build(store, load_default_policy(), public_url=origin)
        world = replace(world, parts=replace(world.parts, now=lambda: int(time.time())))
        late.app = create_app(world.parts)
        yield world
    store.close()
