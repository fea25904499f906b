"""Every route of the JSON API, in one table: the application binds it, the description is tested
against it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kycgate.web.api import (
    accounts,
    cases,
    description,
    documents,
    handoffs,
    jobs,
    keys,
    me,
    presentations,
    providers,
    register,
    signin,
    status,
    users,
    ways,
)
from kycgate.web.parts import WebParts
from kycgate.web.wire import BODY_LIMIT, Answer, Call


@dataclass(frozen=True, slots=True)
class Route:
    """A method, a path with `<name>` parts, and who answers."""

    method: str
    rule: str
    answer: Callable[[WebParts, Call], Answer]
    body_limit: int = BODY_LIMIT
    """bytes; more is refused before it is read"""


ROUTES: tuple[Route, ...] = (
    Route("POST", "/v1/challenge", signin.challenge),
    Route("POST", "/v1/session", signin.sign_in),
    Route("GET", "/v1/session", signin.session),
    Route("DELETE", "/v1/session", signin.sign_out),
    Route("GET", "/v1/status", status.status),
    Route("GET", "/v1/attestation", status.attestation),
    Route("POST", "/v1/cases", cases.open_case),
    Route("GET", "/v1/cases", cases.list_cases),
    Route("GET", "/v1/cases/<id>", cases.one_case),
    Route("PUT", "/v1/cases/<id>", cases.amend_case),
    Route("GET", "/v1/ways", ways.list_ways),
    Route("POST", "/v1/presentations", presentations.begin),
    Route("GET", "/v1/presentations/<id>", presentations.one),
    Route("POST", "/v1/presentations/<id>/response", presentations.respond),
    Route("GET", "/v1/presentations/<id>/request", presentations.request_object),
    Route("POST", "/v1/presentations/<id>/request", presentations.request_object),
    Route("POST", "/v1/presentations/<id>/direct", presentations.direct),
    Route("POST", "/v1/verifications", providers.start),
    Route("GET", "/v1/verifications/<id>", providers.one),
    Route(
        "POST",
        "/v1/webhooks/<provider>",
        providers.webhook,
        body_limit=providers.WEBHOOK_MOST,
    ),
    Route("POST", "/v1/imports", providers.take_import),
    Route("POST", "/v1/documents", documents.upload, documents.BODY_MOST),
    Route("GET", "/v1/documents", documents.list_documents),
    Route("POST", "/v1/accounts/challenge", accounts.challenge),
    Route("POST", "/v1/accounts", accounts.link),
    Route("GET", "/v1/accounts", accounts.list_accounts),
    Route("GET", "/v1/me/export", me.export),
    Route("GET", "/v1/me/uses", me.uses),
    Route("DELETE", "/v1/me", me.erase),
    Route("POST", "/v1/keys", keys.make_key),
    Route("GET", "/v1/keys", keys.list_keys),
    Route("DELETE", "/v1/keys/<id>", keys.revoke_key),
    Route("POST", "/v1/users", users.draw_user_code),
    Route("GET", "/v1/users", users.list_users),
    Route("DELETE", "/v1/users/<id>", users.end_user),
    Route("POST", "/v1/permits", jobs.ask_permit),
    Route("GET", "/v1/permits", jobs.job_permit),
    Route("POST", "/v1/explain", jobs.explain),
    Route("GET", "/v1/register/<lei>", register.look),
    Route("POST", "/v1/handoffs", handoffs.make),
    Route("POST", "/v1/handoffs/look", handoffs.look),
    Route("POST", "/v1/handoffs/claim", handoffs.claim),
    Route("GET", "/v1/handoffs/<id>", handoffs.one),
    Route("DELETE", "/v1/handoffs/<id>", handoffs.end),
    Route("GET", "/v1/openapi.json", description.openapi),
    Route("GET", "/healthz", status.health),
)
