"""The gate inside a marketplace's own WSGI application: one line around the app, no second process.

Decides nothing and buffers nothing but what the gate asks to read. Who the caller is stands in
`environ["kycgate.identity"]`, which no request header can reach.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

from kycgate.gateway.view import Forward, GatePort, Headers, Reply, RequestView

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

IDENTITY = "kycgate.identity"
"""Where the application finds a `view.Identity` (absent: anonymous catalogue read)."""

# Servers join repeated fields with a comma before an application sees them: in these it means two.
_NEVER_LISTS = frozenset(
    {"host", "authorization", "x-api-key", "content-type", "content-length", "idempotency-key"}
)
_PATH_SAFE = "/-._~!$&'()*+,;=:@"

_log = logging.getLogger(__name__)


class KycgateWSGI:
    """A WSGI application that lets through to `app` what `gate` lets through.

    `app` must act on the path and body it is given (it gets exactly those decided on). Run it
    under a server that drops or refuses header names with `_`, as gunicorn and waitress do.
    """

    def __init__(self, app: WSGIApplication, gate: GatePort, *, clock: Callable[[], int]) -> None:
        self._app = app
        self._gate = gate
        self._clock = clock

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        view = _view(environ, self._clock())
        limit = self._gate.needs_body(view)
        if limit is not None:
            body = read_body(environ, limit)
            if body is None:
                return send_reply(self._gate.too_large(view), start_response)
            view = replace(view, body=body)
        verdict = self._gate.check(view)
        if isinstance(verdict, Reply):
            return send_reply(verdict, start_response)
        onward = _onward(environ, verdict)
        if verdict.finish is None:
            return self._app(onward, start_response)
        return send_reply(self._whole(onward, verdict), start_response)

    def _whole(self, environ: WSGIEnvironment, forward: Forward) -> Reply:
        """Runs the application to its end and lets the gate see the answer before the caller."""
        assert forward.finish is not None
        try:
            answer = _collect(self._app, environ, forward.answer_limit)
        except Exception:  # noqa: BLE001 - whatever broke: what the app did is not known
            _log.exception("the application broke off an answer")
            return forward.failed(True)
        if answer is None:
            return forward.failed(True)
        return forward.finish(*answer)


def _view(environ: WSGIEnvironment, now: int) -> RequestView:
    return RequestView(
        method=environ["REQUEST_METHOD"],
        target=target_of(environ),
        authority=environ.get("HTTP_HOST", ""),
        scheme=environ["wsgi.url_scheme"],
        headers=_headers(environ),
        body=None,
        client_ip=environ.get("REMOTE_ADDR", ""),
        now=now,
        door="wsgi",
    )


def target_of(environ: WSGIEnvironment) -> bytes:
    """The request target as sent, provided the application will read the same path from it.

    An empty target, which the gate refuses as ambiguous, when the server's own decoding or
    normalisation made the path something else.
    """
    path = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1")
    query = environ.get("QUERY_STRING", "").encode("latin-1")
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if raw is None:
        rebuilt = quote_from_bytes(path, safe=_PATH_SAFE).encode("ascii")
        return rebuilt + b"?" + query if query else rebuilt
    target: bytes = raw.encode("latin-1")
    sent_path, _, sent_query = target.partition(b"?")
    return target if unquote_to_bytes(sent_path) == path and sent_query == query else b""


def _headers(environ: WSGIEnvironment) -> Headers:
    named = [
        (key[5:].replace("_", "-").title(), value)
        for key, value in environ.items()
        if key.startswith("HTTP_") and isinstance(value, str)
    ]
    for key, name in (("CONTENT_TYPE", "Content-Type"), ("CONTENT_LENGTH", "Content-Length")):
        if environ.get(key):
            named.append((name, environ[key]))
    fields: list[tuple[str, str]] = []
    for name, value in named:
        twice = name.lower() in _NEVER_LISTS and "," in value
        fields += [(name, part.strip()) for part in value.split(",")] if twice else [(name, value)]
    return tuple(fields)


def read_body(environ: WSGIEnvironment, limit: int) -> bytes | None:
    """The whole body; None when it is longer than `limit`."""
    stated = environ.get("CONTENT_LENGTH") or ""
    if stated.isascii() and stated.isdigit():
        if len(stated) > 18 or int(stated) > limit:
            return None
        body: bytes = environ["wsgi.input"].read(int(stated))
        return body
    if not environ.get("wsgi.input_terminated"):
        return b""
    body = environ["wsgi.input"].read(limit + 1)
    return body if len(body) <= limit else None


def _onward(environ: WSGIEnvironment, forward: Forward) -> WSGIEnvironment:
    """What the application sees: the fields the gate lets through, and the caller's identity."""
    kept = {
        key: value
        for key, value in environ.items()
        if not key.startswith("HTTP_") and key != "CONTENT_TYPE"
    }
    kept["HTTP_HOST"] = environ["HTTP_HOST"]
    for name, value in forward.headers:
        key = name.upper().replace("-", "_")
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        kept[key] = f"{kept[key]}, {value}" if key in kept else value
    if forward.body is not None:
        kept["wsgi.input"] = BytesIO(forward.body)
        kept["CONTENT_LENGTH"] = str(len(forward.body))
        kept["wsgi.input_terminated"] = True
    kept.pop(IDENTITY, None)
    if forward.identity is not None:
        kept[IDENTITY] = forward.identity
    return kept


def _collect(
    app: WSGIApplication, environ: WSGIEnvironment, limit: int
) -> tuple[int, Headers, bytes] | None:
    """Status, fields and body of the application's answer; None when it is longer than `limit`."""
    said: list[tuple[str, Headers]] = []
    chunks: list[bytes] = []

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        said[:] = [(status, tuple(headers))]
        return chunks.append

    parts = app(environ, start)
    size = 0
    try:
        for chunk in parts:
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                return None
    finally:
        close = getattr(parts, "close", None)
        if close is not None:
            close()
    status, headers = said[0]
    return int(status[:3]), headers, b"".join(chunks)


def send_reply(reply: Reply, start_response: StartResponse) -> list[bytes]:
    try:
        phrase = HTTPStatus(reply.status).phrase
    except ValueError:
        phrase = "Unassigned"
    length = ("Content-Length", str(len(reply.body)))
    start_response(f"{reply.status} {phrase}", [*reply.headers, length])
    return [reply.body]
