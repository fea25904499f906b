"""The OpenAPI 3.1 description of the control plane, published at /v1/openapi.json.

A description only: tests hold it against the route table and against live answers, both ways.
"""

from __future__ import annotations

from typing import Any

from kycgate.web.access import cookie_name
from kycgate.web.api.operations import OPERATIONS, Operation
from kycgate.web.api.schemas import SCHEMAS, ref
from kycgate.web.parts import WebParts
from kycgate.web.wire import Answer, Call, read_query

_PROBLEMS = {
    "400": "The request can't be read: `field` names the culprit",
    "401": "Proof of the account is missing or does not hold",
    "403": "The caller may not do this",
    "404": "No such thing, or not the caller's to know of",
    "409": "Not possible in this state",
    "413": "The body is larger than the route takes: 64 KiB unless it says otherwise",
    "503": "Something the gate depends on did not answer; nothing was decided",
}
_PICTURE = {"schema": {"type": "string", "format": "binary"}}
_PICTURES: dict[str, Any] = {
    "image/jpeg": _PICTURE,
    "image/png": _PICTURE,
    "image/webp": _PICTURE,
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "properties": {"image": _PICTURE["schema"], "side": {"type": "string"}},
            "required": ["image"],
        }
    },
}


def openapi(parts: WebParts, call: Call) -> Answer:
    """GET /v1/openapi.json."""
    read_query(call, ())
    return Answer(200, describe(parts))


def describe(parts: WebParts) -> dict[str, Any]:
    """The whole document for this installation."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "kycgate control plane",
            "version": "1",
            "summary": "Sign in, prove who rents, get keys and permits",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": parts.public_url}],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": _security(cookie_name(parts, "kycgate_session")),
            "responses": {name: _problem(text) for name, text in _PROBLEMS.items()},
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": _name(operation),
        "summary": operation.summary,
        "security": list(operation.security),
        "responses": {str(operation.status): _success(operation)},
    }
    for also, gives in operation.also.items():
        described["responses"][str(also)] = _gives(operation.summary, gives)
    for status in sorted(operation.fails):
        described["responses"][str(status)] = {"$ref": f"#/components/responses/{status}"}
    if operation.path == "/healthz":
        described["responses"]["503"] = _success(operation) | {"description": "The store is down"}
    if operation.takes:
        media: dict[str, Any] = {operation.takes_media: {"schema": ref(operation.takes)}}
        if operation.pictures:
            media |= _PICTURES
        described["requestBody"] = {"required": True, "content": media}
    parameters = _parameters(operation)
    return described | ({"parameters": parameters} if parameters else {})


def _name(operation: Operation) -> str:
    words = [word for word in operation.path.replace("{", "").replace("}", "").split("/") if word]
    return "_".join([operation.method, *words]).replace(".", "_")


def _success(operation: Operation) -> dict[str, Any]:
    if operation.status == 204:
        return {"description": "Done"}
    return _gives(operation.summary, operation.gives, operation.gives_media)


def _gives(summary: str, gives: str | None, media: str = "application/json") -> dict[str, Any]:
    schema = ref(gives) if gives else {"type": "object"}
    return {"description": summary, "content": {media: {"schema": schema}}}


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    found = []
    for name in ("id", "provider", "lei"):
        if f"{{{name}}}" in operation.path:
            text = {"type": "string"}
            found.append({"name": name, "in": "path", "required": True, "schema": text})
    if operation.query:
        word = {"type": "string", "pattern": "^0x[0-9a-fA-F]{64}$"}
        found.append({"name": operation.query, "in": "query", "required": True, "schema": word})
    return found


def _problem(text: str) -> dict[str, Any]:
    return {
        "description": text,
        "content": {"application/problem+json": {"schema": ref("Problem")}},
    }


def _security(cookie: str) -> dict[str, Any]:
    bearer = {"type": "http", "scheme": "bearer"}
    return {
        "session": bearer | {"description": "`kgs_…`, from POST /v1/session"},
        "sessionCookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": cookie,
            "description": "Changes also need `Origin` equal to this origin",
        },
        "signature": {
            "type": "apiKey",
            "in": "header",
            "name": "Signature-Input",
            "description": "ERC-8128: an RFC 9421 signature by the account, with a fresh nonce",
        },
        "gateKey": bearer | {"description": "`kg_…`: reads the own status, nothing else here"},
        "operator": bearer | {"description": "`kgo_…`: reads as the operator"},
    }
