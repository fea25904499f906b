"""Says what kind of number a list means by its label for it (`Passport`, `NIT #`, `C.R. No.`).

Checks no number. Labels of what does not name a party (web sites, telephones) have no kind.
"""

from __future__ import annotations

import re

from kycgate.screening.entries import IdentifierType

WALLET_LABEL = re.compile(r"Digital Currency Address\s*-\s*([A-Za-z0-9]{2,12})")

# The first that is found in the label decides.
_PATTERNS: tuple[tuple[IdentifierType, str], ...] = (
    ("uscc", r"unified social credit|\buscc\b"),
    ("lei", r"legal entity identifier|\blei\b"),
    ("uen", r"unique entity number|\buen\b"),
    ("passport", r"passport|pasaporte|passeport"),
    ("imo", r"\bimo\b|vessel registration"),
    (
        "tax",
        r"\btax|v\.?a\.?t\.? (number|no)|\bnit\b|\br\.?f\.?c\b|\bruc\b|\brif\b|fiscal"
        r"|\bfein\b|c\.u\.i\.t|\binn\b|\btin\b",
    ),
    (
        "national",
        r"national|cedula|c\.u\.r\.p|d\.n\.i|identification number|personal id|identidad"
        r"|citizen|\bssn\b|residen|birth certificate|i\.f\.e|elector|le number"
        r"|\bid no|\bid card",
    ),
    (
        "registration",
        r"regist|company|commerc|c\.r\.|trade licen|business|chamber|incorporation|folio"
        r"|enterprise|matricula|charity|gazette|legal entity number|\brtn\b"
        r"|organi[sz]ation code",
    ),
    (
        "other",
        r"swift|\bbik\b|\bmmsi\b|d-u-n-s|\bisin\b|travel document|driver|visa|tail number"
        r"|serial|identification|\bid\b|number|\bno\.?$|document",
    ),
)
_KINDS = tuple((kind, re.compile(pattern, re.I)) for kind, pattern in _PATTERNS)
_NOT_A_PARTY = re.compile(
    r"phone|fax|e-?mail|web ?site|sanctions|transactions prohibited|directive|determination|date"
    r"|chinese commercial code|gender|equity ticker|issuer name|target type|nationality"
    r"|executive order"
    r"|organi[sz]ation (type|established)|aircraft (model|manufactur|operator|mode s)|information",
    re.I,
)


def kind_of(label: str) -> IdentifierType | None:
    """The kind of number; None where the label names no number of a party."""
    if _NOT_A_PARTY.search(label):
        return None
    return next((kind for kind, pattern in _KINDS if pattern.search(label)), None)


def wallet_ticker(label: str) -> str | None:
    """The ticker in `Digital Currency Address - ETH`; read from the file, so new ones work."""
    found = WALLET_LABEL.search(label)
    return found[1] if found else None
