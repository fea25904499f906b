"""Asks a renter at a terminal who they are, and puts the answers into a case's details.

Checks nothing beyond yes and no: the gate checks every field and names the one that is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

Ask = Callable[[str], str]
Regions = Callable[[str], Collection[str]]
"""Country, two letters → the ISO 3166-2 codes the form takes there; none for most countries."""


def no_regions(_country: str) -> tuple[str, ...]:
    """Nowhere are regions asked for."""
    return ()


def ask_details(ask: Ask, regions: Regions = no_regions) -> dict[str, Any]:
    """`{"kind": …, "details": {…}}` from answers. `ask` shows a question and returns one line."""
    if _choose(ask, "Who rents? [p]erson or [o]rganisation: ", ("p", "o")) == "p":
        return {"kind": "person", "details": _person(ask, regions)}
    return {"kind": "organisation", "details": _organisation(ask, regions)}


def _person(ask: Ask, regions: Regions) -> dict[str, Any]:
    return _told(
        name=_line(ask, "Full name"),
        **_place(ask, regions, "country", "region", "Country of residence"),
        birth_date=_line(ask, "Date of birth (YYYY-MM-DD, empty to leave out)"),
    )


def _organisation(ask: Ask, regions: Regions) -> dict[str, Any]:
    details = _told(
        name=_line(ask, "Registered name"),
        registration_number=_line(ask, "Registration number"),
        lei=_line(ask, "LEI (empty to leave out)").upper(),
        **_place(ask, regions, "country", "region", "Country of registration"),
        **_place(
            ask,
            regions,
            "headquarters_country",
            "headquarters_region",
            "Country of headquarters",
        ),
    )
    name = str(details.get("name", "it"))
    _above(ask, details, name)
    _owned(ask, regions, details, name)
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


def _owned(ask: Ask, regions: Regions, company: dict[str, Any], name: str) -> None:
    """Who holds 25 % or more. Here too "nobody" is an empty list, and "not known" is left out."""
    question = f"Does anybody hold 25 % or more of {name}? [y]es, [n]o, [u]nknown: "
    answer = _choose(ask, question, ("y", "n", "u"))
    if answer == "u":
        return
    owners: list[dict[str, Any]] = []
    while answer == "y":
        owners.append(_owner(ask, regions))
        question = f"Does anybody else hold 25 % or more of {name}? [y]es, [n]o: "
        answer = _choose(ask, question, ("y", "n"))
    company["owners"] = owners


def _owner(ask: Ask, regions: Regions) -> dict[str, Any]:
    person = _choose(ask, "Who? [p]erson or [o]rganisation: ", ("p", "o")) == "p"
    owner: dict[str, Any] = _told(
        name=_line(ask, "Full name" if person else "Registered name"),
        kind="person" if person else "organisation",
        **_place(
            ask,
            regions,
            "country",
            "region",
            "Country of residence" if person else "Country of registration",
        ),
    )
    share = _line(ask, "Share in percent (40, or 25-50 where only that is known)")
    least, dash, most = (part.strip() for part in share.partition("-"))
    if share:
        owner["share"] = {"min": least, "max": most} if dash else least
    if not person:
        _owned(ask, regions, owner, str(owner.get("name", "it")))
    return owner


def _place(
    ask: Ask, regions: Regions, country_name: str, region_name: str, label: str
) -> dict[str, str]:
    """A country, and its region where a part of the country is embargoed."""
    country = _country(ask, label)
    known = sorted(regions(country))
    if not known:
        return {country_name: country}
    region = _line(ask, f"Region, empty where it is not known ({', '.join(known)})").upper()
    return {country_name: country, region_name: region}


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
