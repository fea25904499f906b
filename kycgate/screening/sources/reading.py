"""Collects the entries of one list while a plug-in reads it, in one clean form.

Knows no format. What it is given is text from outside: control and direction characters go,
a name of a thousand characters is damage, an entry without a name is counted and not invented.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime

from kycgate.errors import Malformed
from kycgate.screening.entries import (
    Entry,
    EntryType,
    Identifier,
    IdentifierType,
    Name,
    NameKind,
    Wallet,
)
from kycgate.screening.match import MAX_NAME_LENGTH
from kycgate.screening.sources.places import country

MAX_ENTRIES = 5_000_000
"""More than every list of the world together; a file with more is not a screening list."""

_PLAIN = re.compile(r"[!-~]+(?: [!-~]+)*")
_EVM = re.compile(r"0[xX][0-9a-fA-F]{40}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_STRENGTH: dict[NameKind, int] = {"primary": 0, "alias": 1, "former": 2, "weak": 3}

Named = tuple[str, NameKind]
Numbered = tuple[IdentifierType, str, str]


class Reading:
    """What a plug-in has read so far. `as_of`: the publisher's date, Unix seconds UTC, if any.

    `at` is the moment it is read for, Unix seconds UTC: entries that ended before it stay out.
    """

    def __init__(self, at: int) -> None:
        self._today = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
        self.entries: list[Entry] = []
        self.skipped: list[str] = []
        self.as_of: int | None = None

    def add(
        self,
        list_: str,
        id_: str,
        type_: EntryType,
        names: Iterable[Named],
        *,
        countries: Iterable[str] = (),
        birth_dates: Iterable[str] = (),
        identifiers: Iterable[Numbered] = (),
        wallets: Iterable[tuple[str, str]] = (),
        addresses: Iterable[str] = (),
        programmes: Iterable[str] = (),
        citation: str = "",
        notice: str = "",
        url: str = "",
    ) -> None:
        """One entry as its publisher writes it. Without a name or wallet it is counted as skipped.

        `countries` in words or ISO 3166 alpha-2; an empty `id_` is made of list, name and notice.
        """
        tidy = _names(list_, id_, names)
        held = tuple(dict.fromkeys(_wallet(*each) for each in wallets if each[1].strip()))
        if not tidy and not held:
            self.skipped.append(f"{list_} {clean(id_)[:60]}")
            return
        if len(self.entries) >= MAX_ENTRIES:
            raise Malformed(f"more than {MAX_ENTRIES} entries", field=list_)
        title = tidy[0].text if tidy else held[0].address
        self.entries.append(
            Entry(
                list=list_,
                id=clean(id_)[:200] or made_id(list_, title, clean(notice)),
                type=type_,
                names=tidy,
                countries=_each(country(clean(word)) for word in countries),
                birth_dates=_each(birth_dates),
                identifiers=_numbers(identifiers),
                wallets=held,
                addresses=_each(clean(text)[:2_000] for text in addresses),
                programmes=_each(clean(text)[:200] for text in programmes),
                citation=clean(citation)[:500],
                notice=clean(notice)[:2_000],
                url=clean(url)[:500],
            )
        )

    def expired(self, day: str) -> bool:
        """Whether a `YYYY-MM-DD` lies before the day the list is read for; no date never does."""
        return bool(_DAY.fullmatch(day)) and day < self._today


def clean(text: str) -> str:
    """One line of readable text: controls are spaces, invisible and direction marks are gone."""
    if _PLAIN.fullmatch(text):
        return text
    kept = "".join(map(_readable, unicodedata.normalize("NFC", text)))
    return " ".join(kept.split())


def made_id(list_: str, name: str, notice: str) -> str:
    """The id of an entry whose publisher gives none (`data/ORIGIN.md`)."""
    digest = hashlib.sha256("\n".join((list_, name, notice)).encode()).hexdigest()
    return "x" + digest[:10]


def _readable(letter: str) -> str:
    match unicodedata.category(letter):
        case "Cc" | "Zl" | "Zp":
            return " "
        case "Cf":
            return ""
        case "Cs":
            return "\ufffd"
    return letter


def _names(list_: str, id_: str, names: Iterable[Named]) -> tuple[Name, ...]:
    """Each spelling once, as the strongest kind it is given; the primary one first."""
    found = dict[str, NameKind]()
    for raw, kind in names:
        # A megabyte is not worth the cleaning.
        text = raw if len(raw) > 4 * MAX_NAME_LENGTH else clean(raw)
        if len(text) > MAX_NAME_LENGTH:
            raise Malformed(
                f"a name of {len(text)} characters, entry {clean(id_[:60])!r}: damaged", field=list_
            )
        if text and (text not in found or _STRENGTH[kind] < _STRENGTH[found[text]]):
            found[text] = kind
    ordered = sorted(found.items(), key=lambda each: each[1] != "primary")
    return tuple(Name(text, kind) for text, kind in ordered)


def _numbers(identifiers: Iterable[Numbered]) -> tuple[Identifier, ...]:
    found = dict.fromkeys(
        Identifier(type_, clean(value)[:200], country(clean(where)))
        for type_, value, where in identifiers
    )
    return tuple(each for each in found if each.value)


def _wallet(ticker: str, address: str) -> Wallet:
    text = clean(address)
    if len(text) > 200 or " " in text:
        raise Malformed(f"not a wallet address: {text[:60]!r}", field="wallet")
    return Wallet(clean(ticker)[:20].upper(), text.lower() if _EVM.fullmatch(text) else text)


def _each(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text))
