"""What a decided request must look like to be read, and what is said with it upstream.

Decides nothing and sends nothing.
"""

from __future__ import annotations

from kycgate.errors import Malformed
from kycgate.gateway.canonical import CleanRequest
from kycgate.gateway.view import Headers, Identity


def identity_fields(identity: Identity) -> Headers:
    """Who it is and what was decided, for upstream: pseudonymous ids only."""
    said: Headers = (("Kycgate-Account", identity.account),)
    if identity.decision_id is not None:
        said = (*said, ("Kycgate-Decision", identity.decision_id))
    if identity.job_id is not None:
        said = (*said, ("Kycgate-Job", "0x" + identity.job_id.hex()))
    return said


def json_body(request: CleanRequest) -> bytes:
    """The body of a decided request: plain JSON, read whole, decoded by nobody in between."""
    if request.view.body is None:
        raise Malformed("The request has no body.", field="body")
    if "content-encoding" in request.fields:
        raise Malformed("Content-Encoding is not read here.", field="Content-Encoding")
    kind = request.fields.get("content-type", "")
    if kind.replace(" ", "").lower() not in ("application/json", "application/json;charset=utf-8"):
        raise Malformed("Content-Type must be application/json.", field="Content-Type")
    return request.view.body


def readable(headers: Headers) -> Headers:
    """For answers the gate reads itself: whole, uncompressed, not from the caller's cache."""
    unwanted = ("accept-encoding", "range", "if-range", "if-none-match", "if-modified-since")
    kept = tuple(field for field in headers if field[0].lower() not in unwanted)
    return (*kept, ("Accept-Encoding", "identity"))


def with_origin(headers: Headers, request: CleanRequest) -> Headers:
    """Where the request came from, in our words: the caller's own were dropped."""
    view = request.view
    return (
        *headers,
        ("X-Forwarded-For", view.client_ip),
        ("X-Forwarded-Proto", view.scheme),
        ("X-Forwarded-Host", view.authority),
    )
