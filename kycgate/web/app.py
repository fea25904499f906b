"""The Flask application: binds routes to handlers, translates every error once, and sets every
header.

Takes no decision and reads no business field; it is the only file here that knows Flask.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable

from flask import Flask, Response, g, render_template, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.http import dump_cookie

from kycgate.errors import KycgateError, TooLarge
from kycgate.web import assets, pages
from kycgate.web.access import cookie_name
from kycgate.web.api.routes import ROUTES, Route
from kycgate.web.languages import chosen, language, preferred
from kycgate.web.parts import WebParts
from kycgate.web.problem import MEDIA_TYPE, NOWHERE, problem, unexpected
from kycgate.web.wire import BODY_LIMIT, Answer, Call, Cookie

_log = logging.getLogger("kycgate.web")
_LANGUAGE = "kycgate_lang"
_YEAR_S = 365 * 24 * 3600
_CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": _CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


def create_app(parts: WebParts) -> Flask:
    """The control plane as a WSGI application over the given parts."""
    app = Flask(__name__, static_url_path=assets.base())
    app.config.update(MAX_CONTENT_LENGTH=BODY_LIMIT, TRAP_HTTP_EXCEPTIONS=False)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    # A path is answered as sent or not at all: every redirect would be built from the Host header.
    app.url_map.merge_slashes = False
    app.url_map.redirect_defaults = False
    app.before_request(lambda: _arrive(parts))
    app.after_request(lambda response: _leave(parts, response))
    for route in ROUTES:
        _bind(app, parts, route.method, route.rule, _as_json(parts, route))
    for rule, page in pages.PAGES:
        _bind(app, parts, "GET", rule, _as_page(parts, page))
    app.register_error_handler(Exception, _failed)
    app.context_processor(lambda: pages.common(parts, language(g.language)))
    return app


def _bind(
    app: Flask, parts: WebParts, method: str, rule: str, view: Callable[..., Response]
) -> None:
    app.add_url_rule(
        rule,
        endpoint=f"{method} {rule}",
        view_func=view,
        methods=[method],
        provide_automatic_options=False,
    )


def _as_json(parts: WebParts, route: Route) -> Callable[..., Response]:
    def view(**args: str) -> Response:
        request.max_content_length = route.body_limit
        return _json_response(parts, route.answer(parts, _call(args)))

    return view


def _as_page(parts: WebParts, page: pages.Page) -> Callable[..., Response]:
    def view(**args: str) -> Response:
        template, context = page(parts, _call(args), language(g.language))
        response = Response(render_template(template, **context), mimetype="text/html")
        if "lang" in request.args:
            choice = Cookie(cookie_name(parts, _LANGUAGE), g.language, _YEAR_S)
            response.headers.add("Set-Cookie", _dump(choice, secure=parts.secure))
        return response

    return view


def _arrive(parts: WebParts) -> None:
    g.now = parts.now()
    g.request_id = secrets.token_hex(16)
    g.language = preferred(
        request.cookies.get(cookie_name(parts, _LANGUAGE)), request.headers.get("Accept-Language")
    )
    if not _for_tools() and "lang" in request.args:
        g.language = chosen(request.args["lang"])


def _call(args: dict[str, str]) -> Call:
    return Call(
        method=request.method,
        path=request.path,
        query=request.query_string.decode("latin-1"),
        args=args,
        headers=tuple(request.headers.items()),
        cookies=dict(request.cookies.items()),
        body=request.get_data(cache=False),
        now=g.now,
        request_id=g.request_id,
    )


def _json_response(parts: WebParts, answer: Answer) -> Response:
    body = answer.document
    if isinstance(body, dict):
        body = json.dumps(body, ensure_ascii=False).encode("utf-8")
    response = Response(body or b"", status=answer.status, mimetype="application/json")
    if body is None:
        del response.headers["Content-Type"]
    for name, value in answer.headers:
        response.headers[name] = value
    for cookie in answer.cookies:
        response.headers.add("Set-Cookie", _dump(cookie, secure=parts.secure))
    return response


def _dump(cookie: Cookie, *, secure: bool) -> str:
    return dump_cookie(
        cookie.name,
        cookie.value,
        max_age=cookie.max_age_s,
        path="/",
        secure=secure,
        httponly=True,
        samesite="Strict",
    )


def _leave(parts: WebParts, response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers[name] = value
    if parts.secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    lasting = request.path.startswith(assets.base()) and response.status_code == 200
    # The address of a static file changes with its content: what was fetched once stays right.
    response.headers["Cache-Control"] = assets.LASTING if lasting else "no-store"
    response.headers["Kycgate-Request"] = g.request_id
    if response.status_code == 401:
        challenge = f'SIWE realm="kycgate", challenge_uri="{parts.public_url}/v1/challenge"'
        response.headers["WWW-Authenticate"] = challenge
    return response


def _failed(error: Exception) -> Response:
    """The one door errors leave by: a problem document for tools, a plain page for people."""
    status, document = _explained(error)
    if status >= 500:
        _log.error("request %s: %s", g.request_id, error, exc_info=error)
    if not _for_tools():
        page = render_template("problem.html", **pages.problem(document, language(g.language)))
        return Response(page, status=status, mimetype="text/html")
    return Response(json.dumps(document), status=status, mimetype=MEDIA_TYPE)


def _explained(error: Exception) -> tuple[int, dict[str, object]]:
    if isinstance(error, RequestEntityTooLarge):
        most = request.max_content_length or BODY_LIMIT
        error = TooLarge("the body is too large", field="body", remedy=f"send at most {most} bytes")
    if isinstance(error, KycgateError):
        return problem(error, g.request_id)
    if isinstance(error, HTTPException) and error.code is not None and error.code < 500:
        _, document = unexpected(g.request_id)
        code = "not_found" if error.code == 404 else "malformed"
        return error.code, document | {
            "type": f"urn:kycgate:{code}",
            "title": error.name,
            "status": error.code,
            "detail": NOWHERE if error.code == 404 else error.name,
            "code": code,
            "remedy": "see /v1/openapi.json",
        }
    return unexpected(g.request_id)


def _for_tools() -> bool:
    return request.path.startswith("/v1/") or request.path == "/healthz"
