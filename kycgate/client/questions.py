"""Asks a renter at a terminal who they are, and puts the answers into a case's details.

Checks nothing beyond yes and no: the gate checks every field and names the one that is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Ask = Callable[[str], str]


def ask_details(ask: Ask) -> dict[str, Any]:
    """`{"kind": …, "details": {…}}` from answers. `ask` shows a question and returns one line."""
    if _choose(ask, "Who rents? [p]erson or [o]rganisation: ", ("p", "o")) == "p":
        return {"kind": "person", "details": _person(ask)}
    return {"kind": "organisation", "details": _organisation(ask)}


def _person(ask: Ask) -> dict[str, Any]:
    return _told(
        name=_line(ask, "Full name"),
        country=_country(ask, "Country of residence"),
        birth_date=_line(ask, "Date of birth (YYYY-MM-DD, empty to leave out)"),
    )


def _organisation(ask: Ask) -> dict[str, Any]:
    details = _told(
        name=_line(ask, "Registered name"),
        registration_number=_line(ask, "Registration number"),
        lei=_line(ask, "LEI (empty to leave out)").upper(),
        country=_country(ask, "Country of registration"),
        headquarters_country=_country(ask, "Country of headquarters"),
    )
    _above(ask, details, str(details.get("name", "it")))
    details["representative"] = {"name": _line(ask, "Your name, as its representative")}
    return details


def _above(ask: Ask, company: dict[str, Any], name: str) -> None:
    """Who controls the company. "None" and "not known" are different answers and stay different."""
    question = f"Does another company control {name}? [y]es, [n]o, [u]nknown: "
    answer = _choose(ask, question, ("y", "n", "u"))
    if answer == "n":
        company["parent"] = None
    if answer == "y":
        parent = _told(
            name=_line(ask, "Its name"),
            country=_country(ask, "Country of its headquarters"),
            registration_number=_line(ask, "Its registration number (empty to leave out)"),
        )
        _above(ask, parent, str(parent.get("name", "it")))
        company["parent"] = parent


def _choose(ask: Ask, question: str, among: tuple[str, ...]) -> str:
    while True:
        answer = ask(question).strip().lower()[:1]
        if answer in among:
            return answer


def _line(ask: Ask, label: str) -> str:
    return ask(f"{label}: ").strip()


def _country(ask: Ask, label: str) -> str:
    return _line(ask, f"{label} (two letters, as in SG)").upper()


def _told(**values: str) -> dict[str, Any]:
    """What was answered; an empty answer is left out and the gate says whether it was needed."""
    return {name: value for name, value in values.items() if value}
