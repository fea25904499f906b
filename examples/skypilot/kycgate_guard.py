"""A plugin for SkyPilot's API server that keeps its clients from leaving the admin policy out.

SkyPilot 0.14.1 takes from every request's body a configuration laid over the server's, its
`admin_policy` included, and variables for its own process: where its configuration is, through
which proxy it asks. Here they are taken out again, and whoever did not sign in is turned away.
Decides about no rental: the policy does. docs/OPERATING.md says how it is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import fastapi
from sky.server import plugins
from sky.server.auth import loopback
from starlette.middleware import Middleware

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BYTES_MOST = 8 * 1024 * 1024
VARIABLES = frozenset(
    {
        # Who asks, where nobody signed in; the server puts who signed in in their place.
        "SKYPILOT_USER_ID",
        "SKYPILOT_USER",
        "SKYPILOT_CLIENT_USER_HASH",
        "SKYPILOT_CLIENT_TYPE",
        "SKYPILOT_USAGE_RUN_ID",
        # How much is told.
        "SKYPILOT_DEBUG",
        "SKYPILOT_DISABLE_USAGE_COLLECTION",
        "SKYPILOT_MINIMIZE_LOGGING",
        "SKYPILOT_SUPPRESS_SENSITIVE_LOG",
        # Which managed job asks.
        "SKYPILOT_MANAGED_JOB_ID",
        "SKYPILOT_ROOT_JOB_ID",
        "SKYPILOT_TASK_ID",
    }
)
"""The only ones a client may set in the server's process: an unknown one does not pass."""
_OPAQUE = frozenset({"application/octet-stream", "multipart/form-data"})
"""Uploads. SkyPilot reads no request for work out of these."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class KycgatePlugin(plugins.BasePlugin):
    """In plugins.yaml: `plugins: [{class: kycgate_guard.KycgatePlugin}]`."""

    load_contexts = frozenset({plugins.PluginContext.UVICORN})

    @property
    def name(self) -> str:
        return "kycgate guard"

    def install(self, extension_context: plugins.ExtensionContext) -> None:
        """Waits for the second pass: the innermost layer knows who signed in."""

    def install_late(self, extension_context: plugins.ExtensionContext) -> None:
        app = extension_context.app
        if app is None:
            raise RuntimeError("kycgate_guard: SkyPilot gave no application to guard")
        app.user_middleware.append(Middleware(Guard))


class Guard:
    """ASGI middleware around SkyPilot's routes."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if not _signed_in(scope):
            await _refuse(send, 401, "Sign in: this server places no work for who did not.")
            return
        kinds = [value for name, value in scope["headers"] if name == b"content-type"]
        if len(kinds) == 1 and kinds[0].decode("latin-1").partition(";")[0].strip() in _OPAQUE:
            await self._app(scope, receive, send)
            return
        body = await _read(receive)
        if body is None:
            await _refuse(send, 413, f"More than {BYTES_MOST} bytes.")
            return
        try:
            body = cleaned(body)
        except (ValueError, RecursionError):
            await _refuse(send, 400, "The body is not JSON in UTF-8 with each key once.")
            return
        headers = [pair for pair in scope["headers"] if pair[0] != b"content-length"]
        if body:
            headers.append((b"content-length", str(len(body)).encode()))
        await self._app({**scope, "headers": headers}, _again(body, receive), send)


def cleaned(body: bytes) -> bytes:
    """The body without what its client may not say. Raises ValueError where it can't be read."""
    if not body:
        return body
    said = json.loads(body.decode("utf-8"), object_pairs_hook=_each_once)
    if not isinstance(said, dict):
        return body
    over, variables = said.get("override_skypilot_config"), said.get("env_vars")
    if isinstance(over, dict):
        over.pop("admin_policy", None)
    if isinstance(variables, dict):
        said["env_vars"] = {name: v for name, v in variables.items() if name in VARIABLES}
    return json.dumps(said).encode()


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key stands twice")
    return members


def _signed_in(scope: Message) -> bool:
    """SkyPilot's own controllers ask from the same machine without signing in."""
    if scope["method"] in _SAFE or scope["path"].startswith("/api/"):
        return True
    if scope.get("state", {}).get("auth_user") is not None:
        return True
    return bool(loopback.is_loopback_request(fastapi.Request(scope)))


async def _read(receive: Receive) -> bytes | None:
    whole = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return bytes(whole)
        whole += message.get("body", b"")
        if len(whole) > BYTES_MOST:
            return None
        if not message.get("more_body", False):
            return bytes(whole)


def _again(body: bytes, receive: Receive) -> Receive:
    """The body once, and then what the connection still says."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return waiting.pop() if waiting else await receive()

    return next_message


async def _refuse(send: Send, status: int, text: str) -> None:
    body = json.dumps({"detail": text}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
