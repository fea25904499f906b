"""A case as a tired reviewer reads it in a terminal: what, who, owned by whom, listed or not.

Reads nothing itself and judges nothing: it is handed the documents that `--json` prints.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from kycgate.cli.owning import told as told_owners


def table(rows: Sequence[dict[str, Any]], now: int) -> str:
    """Cases one a line; `now` Unix seconds UTC tells how long each has waited."""
    head = ("CASE", "STATE", "KIND", "ACCOUNT", "COUNTRY", "OWNED FROM", "OPENED", "WHY")
    lines = [
        (
            row["case"],
            row["state"],
            row["kind"],
            row["account"],
            row["country"] or "unknown",
            row["ultimate_country"] or "unknown",
            _ago(now - row["opened_at"]),
            ", ".join(row["reason_codes"]),
        )
        for row in rows
    ]
    return _columns([head, *lines])


def describe(view: dict[str, Any]) -> str:
    """One case, top to bottom: what, who, owners, what the lists say, what was done."""
    parts = [
        _headline(view),
        _details(view),
        _owners(view),
        _registered(view),
        _section("Proofs of identity", [_proof(each) for each in view["proofs"]]),
        _section("Proofs held against the details", _compared(view["evidence"])),
        _section("Records of other issuers, evidence only", _records(view["evidence"])),
        _section("Asked of the renter", [tuple(each) for each in view["needs"]]),
        _earlier_screenings(view["screenings"][:-1]),
        *[_screening(each) for each in view["screenings"][-1:]],
        _section("Decisions", [_decision(each) for each in view["decisions"]]),
        _section("Attestations", [_attested(each) for each in view["attestations"]]),
        _section("History", [_step(each) for each in view["history"]]),
        _next(view),
    ]
    return "\n\n".join(part for part in parts if part)


def _headline(view: dict[str, Any]) -> str:
    rows = [
        ("Case", view["case"]),
        ("State", view["state"]),
        ("Why", ", ".join(view["reason_codes"]) or "-"),
        ("Kind", view["kind"]),
        ("Account", view["account"]),
        ("Opened", moment(view["opened_at"])),
        ("Level", str(view["level"]) if view["level"] else "none yet"),
    ]
    return _columns(rows)


def _details(view: dict[str, Any]) -> str:
    if view["erased"]:
        return "Details\n  The personal data of this subject has been erased."
    told = view["details"]
    if told is None:
        return "Details\n  None yet."
    rows = [
        ("Name", told["name"]),
        ("Born", told.get("birth_date", "not told") if view["kind"] == "person" else None),
        ("Registration", told.get("registration_number")),
        ("LEI", told.get("lei")),
        ("Country", told["country"]),
        ("Headquarters", told.get("headquarters_country")),
        ("Represented by", told.get("representative", {}).get("name")),
    ]
    return _section("Details", [(name, value) for name, value in rows if value is not None])


def _owners(view: dict[str, Any]) -> str:
    told = view["details"]
    if told is None or view["kind"] == "person":
        return ""
    rows: list[tuple[str, ...]] = []
    level = told
    while level.get("parent"):
        level = level["parent"]
        number = level.get("registration_number")
        rows.append((str(len(rows) + 1), level["name"], level["country"], number or ""))
    end = "nobody above (as told)" if "parent" in level else "NOT TOLD who is above"
    rows.append(("", end, "", ""))
    rows.append(("", "ultimate country", view["ultimate_country"] or "UNKNOWN", ""))
    return _section("Owners, nearest first", rows)


def _registered(view: dict[str, Any]) -> str:
    """The picture of owners, and where it does not agree with what was told."""
    found = view.get("ownership")
    return "" if found is None else "Ownership\n  " + told_owners(found).replace("\n", "\n  ")


def _proof(proof: dict[str, Any]) -> tuple[str, ...]:
    shared = ", ".join(proof["same_document"])
    return (
        moment(proof["at"]),
        f"{proof['means']} by {proof['source']}",
        f"level {proof['level']}",
        proof["outcome"],
        f"until {_day(proof['valid_until'])}" if proof["valid_until"] else "",
        f"SAME DOCUMENT, OTHER SUBJECT: case {shared}" if shared else "",
    )


def _compared(evidence: dict[str, Any]) -> list[tuple[str, ...]]:
    found = evidence.get("weighing", [])[-1:]
    return [
        (
            each["source"],
            f"name {each['name']}",
            f"birth date {each['birth_date']}",
            f"country {each['country']}",
        )
        for weighing in found
        for each in weighing["compared"]
    ]


def _records(evidence: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            moment(each["checked_at"]),
            f"{each['source']}, {each['where']}",
            ", ".join(f"{name} {value}" for name, value in each["says"].items())[:80],
            each["uid"],
        )
        for each in evidence.get("import", [])
    ]


def _screening(screening: dict[str, Any]) -> str:
    lists = ", ".join(
        f"{each['name']} {each['version']} of {_day(each['as_of'])}" for each in screening["lists"]
    )
    hits: list[tuple[str, ...]] = [
        (
            "HIT",
            hit["role"],
            hit["matched"],
            f"listed as {hit['name']}",
            f"{hit['list']} {hit['entry']}",
            f"{hit['band']} {hit['score']}",
        )
        for hit in screening["findings"]
    ]
    title = f"Screened {moment(screening['at'])} against {lists}"
    return _section(title, hits or [("clear",)])


def _earlier_screenings(screenings: Sequence[dict[str, Any]]) -> str:
    rows = [
        (moment(each["at"]), f"{len(each['findings'])} hits" if each["findings"] else "clear")
        for each in screenings
    ]
    return _section("Screened before", rows)


def _decision(decision: dict[str, Any]) -> tuple[str, ...]:
    level = f"level {decision['level']}" if "level" in decision else ""
    despite = f"; despite hit: {decision['despite_hit']}" if "despite_hit" in decision else ""
    return (
        moment(decision["at"]),
        decision["reviewer"],
        decision["action"],
        level,
        decision["reason"] + despite,
    )


def _attested(attested: dict[str, Any]) -> tuple[str, ...]:
    until = attested["expires_at"]
    state = f"valid until {moment(until)}" if until else "none alive"
    return (attested["account"], f"epoch {attested['epoch']}", state, attested["uid"] or "")


def _step(step: dict[str, Any]) -> tuple[str, ...]:
    way = f"{step['from']} → {step['to']}" if step["from"] else step["to"]
    return (moment(step["at"]), step["actor"], step["action"], way)


def _next(view: dict[str, Any]) -> str:
    if view["state"] not in ("submitted", "review"):
        return ""
    approve = f'  kycgate cases approve {view["case"]} --reason "…"'
    if "screening_hit_wallet" in view["reason_codes"]:
        approve = "  A wallet is on a sanctions list: this case can't be approved."
    elif "screening_hit_name" in view["reason_codes"]:
        approve += ' --despite-hit "why it is somebody else"'
    return f'To decide\n{approve}\n  kycgate cases refuse {view["case"]} --reason "…"'


def _section(title: str, rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    return "\n".join([title, *("  " + line for line in _columns(rows).splitlines())])


def _columns(rows: Iterable[Sequence[str]]) -> str:
    table = list(rows)
    widths = [max(map(_width, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join(
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        )
        for row in table
    ]
    return "\n".join(line.rstrip() for line in lines)


def _width(text: str) -> int:
    """Cells on a terminal: East Asian wide characters take two, combining marks none."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) > 0 for character in text)


def moment(at: int) -> str:
    """A time as people read it, always UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _day(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def _ago(seconds: int) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return "just now"
