"""Parties and stakes as rows of JSON values, for keeping a declared register.

Reads no file and no publisher's format. Fields stand in the order of the classes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from datetime import date
from typing import Any

from kycgate.core.wire import require_shallow
from kycgate.screening.ownership.parties import Control, Party, PartyKind, Stake, Unknown
from kycgate.screening.ownership.register import MemoryRegister
from kycgate.screening.ownership.shares import Share

_PARTY = tuple(field.name for field in fields(Party))
_STAKE = tuple(field.name for field in fields(Stake))


def to_lines(register: MemoryRegister) -> Iterator[bytes]:
    """One line a party, then one a stake."""
    for party in register.described:
        yield _line(["p", *(_plain(getattr(party, name)) for name in _PARTY)])
    for stake in register.held:
        yield _line(["s", *(_plain(getattr(stake, name)) for name in _STAKE)])


def from_lines(text: bytes) -> MemoryRegister:
    """The register of these lines. Raises ValueError, TypeError or LookupError for any other."""
    parties, stakes = list[Party](), list[Stake]()
    for line in text.splitlines():
        require_shallow(line, field="register")
        mark, *values = json.loads(line)
        if mark == "p":
            parties.append(_party(dict(zip(_PARTY, values, strict=True))))
        else:
            stakes.append(_stake(dict(zip(_STAKE, values, strict=True))))
    return MemoryRegister(parties, stakes)


def _line(row: list[Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Share):
        return [value.low, value.high, value.low_open, value.high_open]
    if isinstance(value, Unknown):
        return [value.reason, value.text, value.party]
    return value


def _party(told: dict[str, Any]) -> Party:
    told["kind"] = PartyKind(told["kind"])
    told["identifiers"] = tuple(told["identifiers"])
    told["numbers"] = tuple((int(country), number) for country, number in told["numbers"])
    told["unknown"] = None if told["unknown"] is None else Unknown(*told["unknown"])
    told["since"], told["until"] = _day(told["since"]), _day(told["until"])
    return Party(**told)


def _stake(told: dict[str, Any]) -> Stake:
    for key in ("ownership", "votes"):
        told[key] = None if told[key] is None else Share(*told[key])
    told["control"] = Control(told["control"])
    told["start"], told["end"] = _day(told["start"]), _day(told["end"])
    told["components"] = tuple(told["components"])
    return Stake(**told)


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
