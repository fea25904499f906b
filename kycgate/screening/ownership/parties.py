"""The values of ownership: parties, what one holds in another, and why something is unknown.

Draws no conclusion and reads no file. Every value knows the statement it comes from.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import IntEnum, StrEnum
from typing import Literal, Protocol

from kycgate.screening.ownership.shares import Share

NAME_MOST = 4_096
"""Characters of a name worth reading; the longest registered ones have about 500."""


class PartyKind(StrEnum):
    PERSON = "person"
    ENTITY = "entity"
    STATE = "state"
    JOINT = "joint arrangement"
    """several parties holding together, with no legal identity of its own"""
    NOMINATION = "nomination"
    TRUST = "trust"
    UNSTATED = "unstated"


class Control(IntEnum):
    """How far a holder's say goes, its percentage left aside."""

    NONE = 0
    POSSIBLE = 1
    SURE = 2


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something that is not known. `reason` is a stable code, `party` whom it is about."""

    reason: str
    text: str
    party: str = ""


@dataclass(frozen=True, slots=True)
class Party:
    """A person, a company, a state or an arrangement, as stated on `since`.

    `country` is ISO 3166-1 numeric, 0 unknown; `country_basis` says what it was read from. An
    `unknown` party is one whose identity is withheld: it may be anybody, so also a listed one.
    """

    id: str
    name: str
    kind: PartyKind = PartyKind.ENTITY
    country: int = 0
    country_basis: str = ""
    identifiers: tuple[str, ...] = ()
    unknown: Unknown | None = None
    legal: int = 0
    """country of its law, 0 unknown: where it is registered, not where it is run from"""
    numbers: tuple[tuple[int, str], ...] = ()
    """(country, number as `plain_number` has it) under which companies registers know it"""
    dispersed: bool = False
    """traded on an exchange: owners nobody names are what one expects"""
    since: date | None = None
    until: date | None = None
    statement: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Stake:
    """What one statement says that `holder` has in `subject`, from `start` until before `end`.

    `ownership` None: nothing is owned. `basis` names the interests, or the consolidation.
    `indirect`: through others, which other statements may show again. `nominee`: held for the
    nominator. `components`: records of the path an indirect stake sums up.
    """

    subject: str
    holder: str
    record: str
    statement: str
    ownership: Share | None = None
    votes: Share | None = None
    control: Control = Control.NONE
    basis: str = ""
    indirect: bool = False
    nominee: bool = False
    nominator: bool = False
    ultimate: bool = False
    start: date | None = None
    end: date | None = None
    source: str = ""
    note: str = ""
    components: tuple[str, ...] = ()

    def holds(self, at: date) -> bool:
        """Whether it is in force on that day."""
        return (self.start is None or self.start <= at) and (self.end is None or at < self.end)


Meaning = Literal["withheld", "none", "unconsolidated", "nobody"]


@dataclass(frozen=True, slots=True)
class Gap:
    """A declared reason for naming no parent. `ultimate`: about the last one, not the next.

    `means`: a parent exists and is withheld, none exists beside persons, none consolidates, or it
    says itself that nobody stands above it.
    """

    unknown: Unknown
    ultimate: bool
    means: Meaning = "withheld"


class Register(Protocol):
    """Where statements are kept. Answers are complete and in a stable order; lookups never raise
    for an id nobody describes: it gets a party that says so."""

    def must_report(self, subject: str) -> bool:
        """Whether it has to name its parents or a reason: then silence is a gap."""

    def party(self, id_: str, at: date) -> Party:
        """The party as described on that day, else as first described."""

    def stakes(self, subject: str) -> Sequence[Stake]:
        """Everything ever stated to be held in it."""

    def gaps(self, subject: str) -> Sequence[Gap]:
        """Why it names no parent, where it says so."""

    def find(self, text: str) -> Sequence[str]:
        """The ids of parties with this id, identifier or exact name."""

    def identified(self, lei: str) -> Sequence[str]:
        """The ids of parties with this LEI."""

    def numbered(self, country: int, number: str) -> Sequence[str]:
        """The ids of parties with this registration number (as `plain_number`) in the country."""

    def __contains__(self, id_: object) -> bool:
        """Whether anything is stated about it."""


_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def clean(text: str) -> str:
    """A name fit to show: no control or direction characters, no half characters, single spaces."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    kept = "".join(_shown(sign) for sign in text if sign not in _BIDI)
    return " ".join(unicodedata.normalize("NFC", kept).split())


def _shown(sign: str) -> str:
    category = unicodedata.category(sign)
    if category in ("Cc", "Zl", "Zp"):
        return " "
    return "\ufffd" if category == "Cs" else sign


def plain_number(text: str) -> str:
    """A registration number as registers agree on it: capitals and digits, no leading zeros."""
    kept = "".join(sign for sign in unicodedata.normalize("NFKC", text).upper() if sign.isalnum())
    return kept.lstrip("0")


def plain(text: str) -> bool:
    """Whether a text can be an id: not empty, not endless, nothing in it that doesn't show."""
    return 0 < len(text) <= 512 and text.isprintable() and not _BIDI.intersection(text)
