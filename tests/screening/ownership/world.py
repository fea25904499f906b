"""Small worlds of owners, written as people say them."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Any

from kycgate.errors import Malformed
from kycgate.screening.controls import load_countries
from kycgate.screening.ownership.bods import read_bods
from kycgate.screening.ownership.declared import register_of
from kycgate.screening.ownership.graph import Explanation, OwnershipGraph
from kycgate.screening.ownership.parties import Control, Party, PartyKind, Stake, Unknown
from kycgate.screening.ownership.register import MemoryRegister
from kycgate.screening.ownership.shares import Share

AT = date(2026, 11, 23)
COUNTRIES = load_countries()
RESTRICTED = COUNTRIES.group("D:5") | {COUNTRIES.numeric("MO"), COUNTRIES.numeric("HK")}


def country_of(code: str) -> int:
    try:
        return COUNTRIES.numeric(code[:2])
    except Malformed:
        return 0


def share(low: float | str, high: float | str | None = None, **opened: bool) -> Share:
    top = low if high is None else high
    return Share.between(Fraction(str(low)), Fraction(str(top)), **opened)


def owns(holder: str, subject: str, low: Any = None, high: Any = None, **more: Any) -> Stake:
    """`holder` has a stake; without numbers nothing is owned (control only)."""
    name = more.pop("record", f"{holder}>{subject}")
    return Stake(
        subject=subject,
        holder=holder,
        record=name,
        statement=more.pop("statement", f"s:{name}"),
        ownership=more.pop("ownership", None if low is None else share(low, high)),
        basis=more.pop("basis", "shareholding"),
        **more,
    )


def controls(holder: str, subject: str, **more: Any) -> Stake:
    return owns(holder, subject, control=Control.SURE, basis="accounting consolidation", **more)


def company(id_: str, country: str = "SG", **more: Any) -> Party:
    basis = "headquarters" if country else ""
    number = COUNTRIES.numeric(country) if country else 0
    return Party(id_, more.pop("name", id_), country=number, country_basis=basis, **more)


def person(id_: str) -> Party:
    return Party(id_, id_, PartyKind.PERSON)


def unnamed(id_: str) -> Party:
    return Party(
        id_, "(not named)", PartyKind.UNSTATED, unknown=Unknown("unknown", "no reason", id_)
    )


def graph(*items: Party | Stake) -> OwnershipGraph:
    """Parties that are only mentioned are companies in Singapore."""
    parties = {each.id: each for each in items if isinstance(each, Party)}
    stakes = [each for each in items if isinstance(each, Stake)]
    for stake in stakes:
        for id_ in (stake.subject, stake.holder):
            parties.setdefault(id_, company(id_))
    return OwnershipGraph(MemoryRegister(parties.values(), stakes))


def explain(of: OwnershipGraph, entity: str, *listed: str, at: date = AT) -> Explanation:
    return of.explain(entity, listed, at=at, restricted=RESTRICTED)


def results(explanation: Explanation) -> dict[str, str]:
    return {answer.rule.name: answer.result for answer in explanation.answers}


def declared(*chunks: bytes) -> OwnershipGraph:
    statements = (each for chunk in chunks for each in read_bods([chunk]))
    return OwnershipGraph(register_of(statements, country_of=country_of))
