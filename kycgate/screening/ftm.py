"""Hits in the shape FollowTheMoney gives to a party, so that a larger engine is a mapping away.

Scores nothing and asks nobody: it only says the same thing in the words other tools read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kycgate.screening.entries import Entry, EntryType, IdentifierType, NameKind

SCHEMAS: Final[Mapping[EntryType, str]] = {
    EntryType.PERSON: "Person",
    EntryType.ORGANISATION: "Organization",
    EntryType.VESSEL: "Vessel",
    EntryType.AIRCRAFT: "Airplane",
    EntryType.ADDRESS: "Address",
    EntryType.WALLET: "CryptoWallet",
    EntryType.UNSTATED: "LegalEntity",
}
NAMES: Final[Mapping[NameKind, str]] = {
    "primary": "name",
    "alias": "alias",
    "weak": "weakAlias",
    "former": "previousName",
}
NUMBERS: Final[Mapping[IdentifierType, str]] = {
    "lei": "leiCode",
    "uscc": "uscCode",
    "passport": "passportNumber",
    "imo": "imoNumber",
    "tax": "taxNumber",
    "national": "idNumber",
    "registration": "registrationNumber",
    "uen": "registrationNumber",
    "other": "idNumber",
}
_EXPORT: Final = frozenset({"EL", "UVL", "MEU"})
_DEBARRED: Final = frozenset({"DTC", "DPL"})


def entity(entry: Entry) -> dict[str, Any]:
    """A listed party as an entity: id, caption, schema, datasets, topics inside its properties."""
    found: dict[str, list[str]] = {}
    for name in entry.names:
        found.setdefault(NAMES[name.kind], []).append(name.text)
    for identifier in entry.identifiers:
        found.setdefault(NUMBERS[identifier.type], []).append(identifier.value)
    for wallet in entry.wallets:
        found.setdefault("publicKey", []).append(wallet.address)
    found |= {
        "country": [each.lower() if len(each) == 2 else each for each in entry.countries],
        "birthDate": list(entry.birth_dates),
        "address": list(entry.addresses),
        "program": list(entry.programmes),
        "sourceUrl": [entry.url] if entry.url else [],
        "topics": [topic(entry.list)],
    }
    return {
        "id": f"{entry.list}:{entry.id}",
        "caption": entry.name,
        "schema": SCHEMAS[entry.type],
        "datasets": [entry.list],
        "target": True,
        "properties": {name: values for name, values in found.items() if values},
    }


def topic(list_code: str) -> str:
    """Why a party stands on that list, in the words of FollowTheMoney."""
    if list_code in _EXPORT:
        return "export.control"
    return "debarment" if list_code in _DEBARRED else "sanction"
