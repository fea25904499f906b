"""The pages people read: what a refusal means, and every step from there to renting.

A page shows what the visitor's own session may see and changes nothing: changes go through the JSON
API. A refusal's link says what was asked and why, never by whom, and opens nobody's case.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from kycgate.errors import Code, NotFound, outward
from kycgate.gateway.hooks.linking import CODE_LIFE_S, LINK_LIFE_S
from kycgate.screening.controls import load_countries, tables
from kycgate.store.records.signin import LINK_KEPT_S
from kycgate.web.access import Caller, Means, visitor
from kycgate.web.api import keys, me, status, users
from kycgate.web.api.cases import REFUSAL_ID
from kycgate.web.api.ways import offered
from kycgate.web.assets import asset
from kycgate.web.commands import AS_LONG, CODE_PLACE, showings, tabs
from kycgate.web.languages import NAMES, Language
from kycgate.web.parts import WebParts
from kycgate.web.problem import NOWHERE
from kycgate.web.wire import Call, argument
from kycgate.web.words import job_parts

Page = Callable[[WebParts, Call, Language], tuple[str, dict[str, Any]]]
CHAINS: Final = {
    1: "Ethereum",
    10: "OP Mainnet",
    56: "BNB Chain",
    100: "Gnosis",
    137: "Polygon",
    8453: "Base",
    42161: "Arbitrum One",
    43114: "Avalanche",
    11155111: "Sepolia",
}
"""Names people know chains by; others are shown by number."""
_UNLINKED: Final = outward(Code.USER_NOT_LINKED)
_STATE_PAGES: Final = {
    "checking": "state.html",
    "refused": "state.html",
    "revoked": "state.html",
    "closed": "state.html",
    "approved": "rent.html",
}


def common(parts: WebParts, language: Language) -> dict[str, Any]:
    """What every page may say of the operator, in the visitor's language."""
    return {
        "t": language.say,
        "code_text": language.of_code,
        "need_text": language.of_need,
        "lang": language.tag,
        "languages": NAMES,
        "asset": asset,
        "moment": _moment,
        "script_words": json.dumps(language.for_script, ensure_ascii=False),
        "operator_name": parts.words.operator,
        "operator_contact": parts.words.contact,
        "marketplace_name": parts.words.marketplace,
        "retention": parts.words.retention
        or language.say("collected.years", years=parts.words.retention_years),
        "gate": parts.public_url,
        "query": "",
        "here": "/",
    }


def refusal(parts: WebParts, call: Call, language: Language) -> tuple[str, dict[str, Any]]:
    """GET /r/<id>: opens without login; the id is 128 random bits and shows no account."""
    record = parts.store.refusal(argument(call, "id", REFUSAL_ID))
    if record is None:
        raise NotFound("This link leads to no refusal we know of.")
    return "refusal.html", {
        "refusal": record,
        "job": _job(record.asked, language),
        "marketplace": record.asked.get("marketplace") or parts.words.marketplace,
        "asked_at": _moment(record.created_at),
        "codes": record.codes,
        "unlinked": bool(parts.schedulers) and _UNLINKED in record.codes,
        "commands": tabs(parts)[0].lines,
        "here": call.path,
    }


def home(parts: WebParts, call: Call, language: Language) -> tuple[str, dict[str, Any]]:
    """GET /: the step the visitor is at. The address stays the same, so that it can be kept."""
    who = visitor(parts, call)
    if who is None:
        return _connect(parts, call)
    if who.means is Means.HAND_OFF:
        return _on_phone(parts, call, who)
    return _standing(parts, call, who, settled=_STATE_PAGES)


def prove(parts: WebParts, call: Call, language: Language) -> tuple[str, dict[str, Any]]:
    """GET /prove: the ways to prove who one is, also while a case is being looked at."""
    who = visitor(parts, call)
    if who is None:
        return _connect(parts, call)
    if who.means is Means.HAND_OFF:
        return _on_phone(parts, call, who)
    settled = {state: page for state, page in _STATE_PAGES.items() if state != "checking"}
    return _standing(parts, call, who, settled=settled)


def _standing(
    parts: WebParts, call: Call, who: Caller, *, settled: Mapping[str, str]
) -> tuple[str, dict[str, Any]]:
    told = status.document(parts, who.account, now=call.now)
    shared = _signed_in(who, call) | {
        "status": told,
        "case": told["case"],
        "phone": False,
        "ways": offered(parts),
    }
    template = settled.get(told["state"], "prove.html")
    return template, shared | (_renting(parts, told) if template == "rent.html" else {})


def person(parts: WebParts, call: Call, language: Language) -> tuple[str, dict[str, Any]]:
    """GET /person: a person's details, typed."""
    return _form(parts, call, "person.html")


def organisation(parts: WebParts, call: Call, language: Language) -> tuple[str, dict[str, Any]]:
    """GET /organisation: the organisation, who owns it, who stands above it."""
    return _form(parts, call, "organisation.html")


def account(parts: WebParts, call: Call, language: Language) -> tuple[str, dict[str, Any]]:
    """GET /account: what is kept of the visitor, and what they may do with it."""
    who = visitor(parts, call)
    if who is None or who.means is Means.HAND_OFF:
        return _connect(parts, call)
    told = status.document(parts, who.account, now=call.now)
    return "account.html", _signed_in(who, call) | {
        "status": told,
        "until": told["attestation"] and _until(told),
        "chains": _chains(parts),
        "keys": _live_keys(parts, who, call.now),
        "accounts": [each.key for each in parts.identity.accounts(who.account)],
        "uses": me.used(parts, who.account),
        "rights": parts.me is not None,
        "showings": showings(parts),
        "code_place": CODE_PLACE,
        "code_life_s": CODE_LIFE_S,
        "link_days": LINK_LIFE_S // 86_400,
        "link_kept_days": LINK_KEPT_S // 86_400,
        "users": users.standing(parts, who.account.key, call.now),
    }


def _live_keys(parts: WebParts, who: Caller, now: int) -> list[dict[str, Any]]:
    told = (keys.shown(key, now) for key in parts.store.keys_of(who.account.key))
    return [key for key in told if key["live"]]


def phone(parts: WebParts, call: Call, language: Language) -> tuple[str, dict[str, Any]]:
    """GET /phone: take over from a computer. The code is in the fragment and never reaches us."""
    who = visitor(parts, call)
    if who is not None and who.means is Means.HAND_OFF:
        return _on_phone(parts, call, who)
    return "phone.html", {"here": call.path}


def back(parts: WebParts, call: Call, language: Language) -> tuple[str, dict[str, Any]]:
    """GET /back: where a provider or a wallet sends people. Their site's link carries no cookie of
    ours (SameSite=Strict); the script's own step from here does.
    """
    return "back.html", {"here": call.path}


def problem(document: dict[str, Any], language: Language) -> dict[str, Any]:
    """What the page of an error says: the reader's language where we have the sentence."""
    status_ = document["status"]
    known = "problem." + ("404" if status_ == 404 else "503" if status_ == 503 else "other")
    detail = document["detail"]
    return {
        "problem": document,
        "title": language.say(known),
        # The title says it, in the reader's language.
        "detail": "" if detail == NOWHERE else detail,
    }


def _connect(parts: WebParts, call: Call) -> tuple[str, dict[str, Any]]:
    return "connect.html", {"chains": _chains(parts)} | _place(call)


def _on_phone(parts: WebParts, call: Call, who: Caller) -> tuple[str, dict[str, Any]]:
    assert who.session is not None
    told = {"phone": True, "status": None, "case": None, "ways": offered(parts)}
    return "prove.html", _signed_in(who, call) | told


def _form(parts: WebParts, call: Call, template: str) -> tuple[str, dict[str, Any]]:
    who = visitor(parts, call)
    if who is None or who.means is Means.HAND_OFF:
        return _connect(parts, call)
    told = status.document(parts, who.account, now=call.now)
    return template, _signed_in(who, call) | {
        **_countries(),
        "owners": True,
        "registers": parts.register is not None,
        "status": told,
        "case": told["case"],
    }


@cache
def _countries() -> dict[str, str]:
    """Codes only: the names are the browser's own, in the reader's language."""
    table = load_countries()
    codes = sorted(table.alpha2(number) for number in table.labels())
    regions: dict[str, list[tuple[str, str]]] = {}
    for row in tables.rows("regions.csv"):
        regions.setdefault(row["code"][:2], []).append((row["code"], row["name"]))
    return {"countries": " ".join(codes), "regions": json.dumps(regions, ensure_ascii=False)}


def _signed_in(who: Caller, call: Call) -> dict[str, Any]:
    return _place(call) | {"account": who.account.key, "short": _short(who.account.key)}


def _place(call: Call) -> dict[str, Any]:
    """Where the visitor is, and the refusal they came from, as part of our own links only."""
    given = (each[8:] for each in call.query.split("&") if each.startswith("refusal="))
    kept = next((each for each in given if re.fullmatch(REFUSAL_ID, each)), "")
    documents = "for=documents" in call.query.split("&")
    return {
        "here": call.path,
        "query": kept and f"?refusal={kept}",
        "refusal_id": kept,
        "for_documents": documents,
    }


def _renting(parts: WebParts, told: dict[str, Any]) -> dict[str, Any]:
    return {
        "tabs": tabs(parts, AS_LONG),
        "chains": _chains(parts),
        "placeholder": AS_LONG,
        "key_days": parts.lifetimes.key_days,
        "until": _until(told),
    }


def _until(told: dict[str, Any]) -> int | None:
    """How long an approval holds: an attestation ends daily, and is renewed by itself."""
    held, case = told["attestation"], told["case"]
    until: int | None = (case and case["valid_until"]) or (held and held["expires_at"])
    return until


def _chains(parts: WebParts) -> list[tuple[int, str]]:
    return [(each, CHAINS.get(each, f"Chain {each}")) for each in parts.chain_ids]


def _job(asked: dict[str, Any], language: Language) -> str:
    """`8 × H100, 24 h`: what can be said of a job, never more than was asked."""
    machines, hours = job_parts(asked)
    text = machines or language.say("job.rental")
    if hours is None:
        return text
    if hours == 0:
        return language.say("job.open", machines=text)
    return language.say("job.hours", machines=text, hours=hours)


def _short(account: str) -> str:
    address = account.rsplit(":", 1)[-1]
    return f"{address[:6]}…{address[-4:]}"


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


PAGES: tuple[tuple[str, Page], ...] = (
    ("/", home),
    ("/r/<id>", refusal),
    ("/prove", prove),
    ("/person", person),
    ("/organisation", organisation),
    ("/account", account),
    ("/phone", phone),
    ("/back", back),
)
