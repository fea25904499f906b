"""Finds parties by the numbers and wallets that are theirs alone: equal or not, nothing between.

A number that is not here proves nothing: most listed parties have none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from kycgate.screening.entries import Entry, Identifier, IdentifierType, Wallet

_NOISE = re.compile(r"[^0-9A-Za-z]+")
_EVM = re.compile(r"0x[0-9a-f]{40}")
# The same number stands under these types by who wrote the list: a passport is only a passport.
_COMPANY_NUMBERS = frozenset({"uen", "uscc", "tax", "registration", "national", "other"})
_LEAST = 5
"""Characters below which a number is too short to be anybody's alone."""
_ANYWHERE = ("lei", "imo")
"""Numbers that are unique in the world; all others want the same country, where both are known."""

Key = tuple[str, str]


class ExactIndex:
    """Identifiers and wallets → the numbers of the parties that have them."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._identifiers = dict[Key, list[tuple[int, Identifier]]]()
        self._wallets = dict[str, list[tuple[int, Wallet]]]()
        for number, entry in enumerate(entries):
            for identifier in entry.identifiers:
                if (key := identifier_key(identifier)) is not None:
                    self._identifiers.setdefault(key, []).append((number, identifier))
            for wallet in entry.wallets:
                self._wallets.setdefault(wallet_key(wallet.address), []).append((number, wallet))

    def identified(self, asked: Sequence[Identifier]) -> Mapping[int, Identifier]:
        """The parties one of these numbers belongs to → their number as listed."""
        found = dict[int, Identifier]()
        for identifier in asked:
            key = identifier_key(identifier)
            for number, listed in self._identifiers.get(key, ()) if key else ():
                if same_country(identifier, listed):
                    found.setdefault(number, listed)
        return found

    def wallet(self, address: str) -> tuple[tuple[int, Wallet], ...]:
        """The parties that hold the address. An EVM address is one key on every EVM chain."""
        return tuple(self._wallets.get(wallet_key(address), ()))


def identifier_key(identifier: Identifier) -> Key | None:
    """What must be equal for two numbers to be one; None for one too short to tell anything."""
    value = _NOISE.sub("", identifier.value).upper()
    if identifier.type == "imo":
        value = value.removeprefix("IMO")
    if len(value) < _LEAST:
        return None
    return _family(identifier.type), value


def same_country(one: Identifier, other: Identifier) -> bool:
    """Whether both may have been issued by one country."""
    if one.type in _ANYWHERE or not one.country or not other.country:
        return True
    return one.country == other.country


def wallet_key(address: str) -> str:
    """EVM addresses without regard to case; others as they are, for there case counts."""
    text = address.strip()
    lower = text.lower()
    return lower if _EVM.fullmatch(lower) else text


def _family(kind: IdentifierType) -> str:
    return "number" if kind in _COMPANY_NUMBERS else kind
