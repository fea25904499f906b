"""The pages people read: what a refusal means and what to do next, and the place to sign in.

Shows no account and grants nothing: a refusal's link says what was asked and why, never by whom.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from kycgate.errors import NotFound
from kycgate.web.api.cases import REFUSAL_ID
from kycgate.web.parts import WebParts
from kycgate.web.wire import Call, argument
from kycgate.web.words import in_words, job_in_words

Page = Callable[[WebParts, Call], tuple[str, dict[str, Any]]]


def common(parts: WebParts) -> dict[str, Any]:
    """What every page may say of the operator."""
    return {
        "operator_name": parts.words.operator,
        "operator_contact": parts.words.contact,
        "marketplace_name": parts.words.marketplace,
        "retention": parts.words.retention,
        "gate": parts.public_url,
        "chain_ids": parts.chain_ids,
        "key_days": parts.lifetimes.key_days,
    }


def refusal(parts: WebParts, call: Call) -> tuple[str, dict[str, Any]]:
    """GET /r/<id>: opens without login; the id is 128 random bits and shows no account."""
    record = parts.store.refusal(argument(call, "id", REFUSAL_ID))
    if record is None:
        raise NotFound("This link leads to no refusal we know of.")
    return "refusal.html", {
        "refusal": record,
        "job": job_in_words(record.asked),
        "marketplace": record.asked.get("marketplace") or parts.words.marketplace,
        "asked_at": _moment(record.created_at),
        "reasons": [(code, in_words(code)) for code in record.codes],
        "commands": client_commands(parts, "kg_…"),
    }


def home(parts: WebParts, call: Call) -> tuple[str, dict[str, Any]]:
    """GET /: sign in, open a case, see where it stands, make a key."""
    return "home.html", {"commands": client_commands(parts, "kg_…")}


def client_commands(parts: WebParts, key: str) -> tuple[str, ...]:
    """The exact lines that point a renter's usual client at the gate."""
    values = {"gate": parts.public_url, "marketplace": parts.marketplace_url, "key": key}
    return tuple(line.format_map(values) for line in parts.words.commands)


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


PAGES: tuple[tuple[str, Page], ...] = (("/", home), ("/r/<id>", refusal))
