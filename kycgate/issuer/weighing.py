"""Whether what was proven of a person agrees with what the renter told, word for word.

Pure: opens nothing and decides nothing. It never says "close enough": what differs is a person's to
judge, and each answer says in words what was found.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from kycgate.core.claims import Kind, Level
from kycgate.errors import Code
from kycgate.issuer.details import Details, NamedParty, Person
from kycgate.issuer.proven import Means, Proven

PROVEN: Final = "proven"
"""The role of a proven name in a finding, where it is not the very name that was told."""

MOST: Final = {
    Means.DOCUMENT: Level.LOW,
    Means.PROVIDER: Level.SUBSTANTIAL,
    Means.CREDENTIAL: Level.HIGH,
}
"""What each means of proof can establish at most."""

# ICAO Doc 9303 part 3, section 6: how passports write letters that A to Z lack.
_ICAO: Final = str.maketrans(
    {
        "ä": "ae",
        "å": "aa",
        "æ": "ae",
        "ð": "d",
        "ö": "oe",
        "ø": "oe",
        "œ": "oe",
        "þ": "th",
        "ü": "ue",
        "ß": "ss",
        "ł": "l",
        "đ": "d",
        "ı": "i",
    }
)
_JOINS: Final = frozenset("'’ʼ‘`´.")


class Likeness(StrEnum):
    """What comparing found. The value is what the sealed record carries."""

    SAME = "same"
    """the same words, in any order"""
    SHORTER = "shorter"
    """told without some of the middle names that were proven"""
    NOT_TOLD = "not_told"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Weighed:
    """One proof held against the details."""

    name: Likeness
    birth_date: Likeness
    country: Likeness

    def codes(self) -> tuple[Code, ...]:
        """Why a person must look; empty when everything agrees."""
        differs = Likeness.DIFFERENT in (self.name, self.birth_date)
        return (Code.PROOF_MISMATCH,) * differs + (Code.PROOF_COUNTRY,) * (
            self.country is Likeness.DIFFERENT
        )

    def document(self) -> dict[str, Any]:
        """For the sealed record and the reviewer: names nobody."""
        return {
            "name": str(self.name),
            "birth_date": str(self.birth_date),
            "country": str(self.country),
        }


def weigh(details: Details, proven: Proven) -> Weighed:
    """Hold a proof against what the renter told: a person's own, or their representative's.

    The country is compared for persons only, and strictly: a renter must not choose which country's
    rules they fall under.
    """
    if isinstance(details, Person):
        return Weighed(
            name=likeness(details.name, proven.name),
            birth_date=_equal(details.birth_date or "", proven.birth_date or ""),
            country=_equal(details.country, proven.country),
        )
    name = likeness(details.representative, proven.name)
    return Weighed(name, Likeness.NOT_TOLD, Likeness.NOT_TOLD)


def likeness(told: str, proven: str) -> Likeness:
    """How two spellings of one person's name compare.

    Case, accents, apostrophes, hyphens and the order of words do not count; letters do. Passports
    write Ü as UE or as U: either is the same. Middle names may be left out, the first and the last
    word may not.
    """
    best = Likeness.DIFFERENT
    for one in _spellings(told):
        for other in _spellings(proven):
            found = _words_alike(one, other)
            if found is Likeness.SAME:
                return found
            best = found if found is Likeness.SHORTER else best
    return best


def proven_party(details: Details, proven: Proven) -> NamedParty | None:
    """The proven name as a party to screen; None where exactly that was told."""
    born = proven.birth_date or ""
    if isinstance(details, Person) and (details.name, details.birth_date or "") == (
        proven.name,
        born,
    ):
        return None
    return NamedParty(PROVEN, proven.name, Kind.PERSON, proven.country, born)


def _words_alike(told: tuple[str, ...], proven: tuple[str, ...]) -> Likeness:
    if not told or not proven:
        return Likeness.DIFFERENT
    if sorted(told) == sorted(proven):
        return Likeness.SAME
    ends = Counter({proven[0]: 1}) + Counter({proven[-1]: 1})
    if len(proven) > 2 and ends <= Counter(told) <= Counter(proven):
        return Likeness.SHORTER
    return Likeness.DIFFERENT


def _spellings(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The words of a name in both ways passports write it."""
    text = unicodedata.normalize("NFKC", name).casefold()
    text = unicodedata.normalize("NFC", text)
    return _words(text), _words(text.translate(_ICAO))


def _words(text: str) -> tuple[str, ...]:
    plain = []
    for character in unicodedata.normalize("NFKD", text):
        # Accents on Latin, Greek and Cyrillic only: in other scripts a mark is a letter's vowel.
        if "\u0300" <= character <= "\u036f" or character in _JOINS:
            continue
        letter = character.isalnum() or unicodedata.category(character)[0] == "M"
        plain.append(character if letter else " ")
    return tuple("".join(plain).split())


def _equal(told: object, proven: object) -> Likeness:
    if not told or not proven:
        return Likeness.NOT_TOLD
    return Likeness.SAME if told == proven else Likeness.DIFFERENT
