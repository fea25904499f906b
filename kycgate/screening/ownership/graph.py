"""The ownership graph as the rest of the product asks it: who stands on top, and what is listed.

Reads nothing and decides no rental: it answers as of a date, and "unknown" is an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from kycgate.errors import Malformed
from kycgate.screening.ownership.headquarters import Parent, Tops, tops
from kycgate.screening.ownership.parties import Party, PartyKind, Register, Unknown
from kycgate.screening.ownership.percentage import Percentages, percentages
from kycgate.screening.ownership.rules import (
    HEADQUARTERS,
    PERCENTAGE_RULES,
    SEVERITY,
    HeadquartersRule,
    Outcome,
    Rule,
    Window,
)
from kycgate.screening.ownership.shares import WHOLE, Share, decimal
from kycgate.screening.ownership.snapshot import Holding, Snapshot
from kycgate.screening.ownership.through import listed_share

__all__ = ["Explanation", "OwnershipGraph", "Parent", "RuleAnswer", "Unknown"]


@dataclass(frozen=True, slots=True)
class RuleAnswer:
    """What one rule makes of the entity, why, and through which holdings."""

    rule: Rule | HeadquartersRule
    window: Window | None
    result: Outcome
    path: tuple[Holding, ...]
    reasons: tuple[Unknown, ...]
    share: Share | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything there is to say about one entity on one day."""

    entity: Party
    at: date
    listed: frozenset[str]
    ultimate_parent: Parent | Unknown
    listed_share: Share
    answers: tuple[RuleAnswer, ...]
    notes: tuple[str, ...]
    snapshot: Snapshot

    @property
    def result(self) -> Outcome:
        """The gravest answer of all rules."""
        return max((each.result for each in self.answers), key=SEVERITY.index)


class OwnershipGraph:
    """Answers questions over a register. Holds no state between questions."""

    def __init__(self, register: Register) -> None:
        self.register = register

    def find(self, text: str) -> str:
        """The one party with this id, identifier or exact name; Malformed for none or many."""
        found = self.register.find(text)
        if len(found) == 1:
            return found[0]
        if not found:
            raise Malformed(
                f"nothing in the data is `{text[:80]}`",
                field="ENTITY",
                remedy="an id, an LEI or an exact name",
            )
        raise Malformed(
            f"`{text[:80]}` is the name of {len(found)} parties",
            field="ENTITY",
            remedy="give one of the ids " + ", ".join(found[:5]),
        )

    def ultimate_parent(self, entity: str, *, at: date) -> Parent | Unknown:
        """The party on top by control or consolidation, with its headquarters country.

        The entity itself where nobody but persons stands above it. Unknown carries the reason.
        """
        return tops(Snapshot(self.register, at), entity).single()

    def percentages(
        self, entity: str, listed: Collection[str], *, at: date, rule: Rule
    ) -> Percentages:
        """What `rule` makes of the shares that the `listed` parties (ids) have in the entity."""
        return percentages(Snapshot(self.register, at), entity, frozenset(listed), rule)

    def explain(
        self,
        entity: str,
        listed: Collection[str],
        *,
        at: date,
        restricted: frozenset[int],
        rules: Sequence[Rule] = PERCENTAGE_RULES,
        headquarters: HeadquartersRule = HEADQUARTERS,
    ) -> Explanation:
        """All rules at once. `restricted`: the countries (numeric) of the headquarters rule."""
        snapshot, named = Snapshot(self.register, at), frozenset(listed)
        party = snapshot.party(entity)
        if party.kind is PartyKind.PERSON:
            raise Malformed("a person, whom nobody owns", field="ENTITY", remedy="a company")
        top = tops(snapshot, entity)
        share = listed_share(snapshot, entity, named)
        answers = [
            *(_percentage_answer(snapshot, entity, named, rule) for rule in rules),
            _headquarters_answer(party, top, headquarters, at, restricted),
        ]
        notes = (*snapshot.notes, *_notes(snapshot, party, top, named))
        return Explanation(party, at, named, top.single(), share, tuple(answers), notes, snapshot)


def _percentage_answer(
    snapshot: Snapshot, entity: str, listed: frozenset[str], rule: Rule
) -> RuleAnswer:
    found = percentages(snapshot, entity, listed, rule)
    text = "by control" if found.by_control else ""
    if entity in listed:
        text = "listed itself"
    return RuleAnswer(
        rule, found.window, found.result, found.path, found.reasons, found.share, text
    )


def _headquarters_answer(
    party: Party, top: Tops, rule: HeadquartersRule, at: date, restricted: frozenset[int]
) -> RuleAnswer:
    """Restricted when a headquarters surely is; unknown when one may be."""
    window = rule.window(at)

    def answer(
        result: Outcome, path: tuple[Holding, ...], *reasons: Unknown, text: str = ""
    ) -> RuleAnswer:
        return RuleAnswer(rule, window, result, path, reasons, text=text)

    if window is None or window.status == "stayed":
        return answer("clear", ())
    if party.country in restricted:
        return answer(rule.outcome, (), text="its own headquarters")
    within = [parent for parent in top.parents if parent.country in restricted]
    for parent in within:
        if parent.sure:
            return answer(rule.outcome, parent.path, text=f"headquarters of {parent.name}")
    reasons = [*top.unknown, *_nowhere(party.country, party.id)]
    for parent in top.parents:
        reasons += _nowhere(parent.country, parent.id)
    reasons += [
        Unknown("possible_parent", f"{parent.name} may control it", parent.id) for parent in within
    ]
    path = within[0].path if within else top.parents[0].path if top.parents else ()
    return answer("unknown" if reasons else "clear", path, *dict.fromkeys(reasons))


def _nowhere(country: int, party: str) -> list[Unknown]:
    text = "the country of its headquarters is not stated"
    return [] if country else [Unknown("country_unknown", text, party)]


def _notes(snapshot: Snapshot, party: Party, top: Tops, listed: frozenset[str]) -> list[str]:
    """What a reader should know beside the answers."""
    notes = list[str]()
    closure = snapshot.closure(party.id)
    missing = sorted(each for each in listed if each not in snapshot.register)
    if missing:
        notes.append("listed, but nowhere in the data: " + ", ".join(missing[:20]))
    stated = snapshot.stated(party.id)
    if snapshot.holdings(party.id) and stated < WHOLE:
        told = f"named owners surely hold {decimal(stated)} %"
        notes.append(f"{told}: no statement says for sure who holds the rest")
    sure = [each.name for each in top.parents if each.sure]
    if len(sure) > 1:
        notes.append("several parents stand on top: " + ", ".join(sure[:8]))
    for each in top.parents:
        if each.country and each.country_basis not in ("headquarters", "business address"):
            notes.append(
                f"{each.name}: headquarters not stated, taken from its {each.country_basis}"
            )
    for each_id in closure:
        until = snapshot.party(each_id).until
        if until and until <= snapshot.at:
            notes.append(f"{snapshot.label(each_id)}: its record was closed on {until}")
    return notes


CountryName = Callable[[int], str]


def document(explanation: Explanation, *, country_name: CountryName) -> dict[str, Any]:
    """The explanation as JSON for machines: the published form of `ownership explain`."""
    top = explanation.ultimate_parent
    return {
        "entity": _party(explanation.entity, country_name),
        "at": explanation.at.isoformat(),
        "ultimate_parent": None
        if isinstance(top, Unknown)
        else {"id": top.id, "name": top.name, "country": _code(top.country, country_name)},
        "ultimate_parent_unknown": _unknown(top) if isinstance(top, Unknown) else None,
        "listed_share": explanation.listed_share.document(),
        "rules": [_answer(explanation, each) for each in explanation.answers],
        "result": explanation.result,
        "notes": list(explanation.notes),
    }


def _party(party: Party, country_name: CountryName) -> dict[str, Any]:
    return {"id": party.id, "name": party.name, "country": _code(party.country, country_name)}


def _code(country: int, country_name: CountryName) -> str | None:
    return country_name(country) if country else None


def _unknown(unknown: Unknown) -> dict[str, str]:
    return {"reason": unknown.reason, "text": unknown.text, "party": unknown.party}


def _answer(explanation: Explanation, answer: RuleAnswer) -> dict[str, Any]:
    window = answer.window
    return {
        "rule": answer.rule.name,
        "result": answer.result,
        "citation": answer.rule.citation,
        "basis": answer.rule.basis,
        "status": window.status if window else "not in force",
        "checked": answer.rule.checked,
        "effective_from": window.start.isoformat() if window else None,
        "effective_to": window.last.isoformat() if window and window.last else None,
        **({"note": window.note} if window and window.note else {}),
        **({"share": answer.share.document()} if answer.share is not None else {}),
        **({"text": answer.text} if answer.text else {}),
        "reasons": [_unknown(each) for each in answer.reasons],
        "path": [step(explanation.snapshot, each) for each in answer.path],
    }


def step(snapshot: Snapshot, holding: Holding) -> dict[str, Any]:
    """One holding as JSON."""
    starts = [stake.start for stake in holding.stakes if stake.start]
    ends = [stake.end for stake in holding.stakes if stake.end]
    return {
        "subject": holding.subject,
        "subject_name": snapshot.party(holding.subject).name,
        "holder": holding.holder,
        "holder_name": snapshot.party(holding.holder).name,
        "share": holding.ownership.document() if holding.ownership else None,
        "interests": holding.basis,
        "indirect": holding.indirect,
        "from": min(starts).isoformat() if starts else None,
        "to": max(ends).isoformat() if ends else None,
        "statements": [stake.statement for stake in holding.stakes],
        "sources": list(dict.fromkeys(stake.source for stake in holding.stakes if stake.source)),
    }
