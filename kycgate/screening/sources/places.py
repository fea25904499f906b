"""Turns the words in which lists name countries into ISO 3166 alpha-2 codes.

Guesses nothing: words it does not know stay as they are listed.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from functools import cache
from importlib.resources import files

# Spellings of OFAC, the UN, the EU and the UK that ISO 3166 does not have, in the form of `_key`.
_ALSO = {
    "bahamas the": "BS",
    "bolivia plurinational state of": "BO",
    "bosnia herzegovina": "BA",
    "brunei": "BN",
    "burma": "MM",
    "cape verde": "CV",
    "china hong kong special administrative region": "HK",
    "china macao special administrative region": "MO",
    "congo democratic republic": "CD",
    "congo democratic republic of": "CD",
    "congo democratic republic of the": "CD",
    "congo republic of the": "CG",
    "cote d ivoire": "CI",
    "czech republic": "CZ",
    "democratic peoples republic of korea": "KP",
    "democratic republic of the congo": "CD",
    "drc": "CD",
    "east timor": "TL",
    "england": "GB",
    "gambia the": "GM",
    "gaza": "PS",
    "great britain": "GB",
    "holy see": "VA",
    "hong kong china": "HK",
    "iran islamic republic of": "IR",
    "islamic republic of iran": "IR",
    "ivory coast": "CI",
    "korea democratic peoples republic of": "KP",
    "korea north": "KP",
    "korea republic of": "KR",
    "korea south": "KR",
    "lao peoples democratic republic": "LA",
    "macau": "MO",
    "macedonia": "MK",
    "macedonia the former yugoslav republic of": "MK",
    "micronesia": "FM",
    "moldova republic of": "MD",
    "occupied palestinian territories": "PS",
    "palestine": "PS",
    "palestinian": "PS",
    "palestinian authority": "PS",
    "palestinian territory": "PS",
    "peoples republic of china": "CN",
    "man isle of": "IM",
    "prc": "CN",
    "region gaza": "PS",
    "region west bank": "PS",
    "republic of korea": "KR",
    "republic of moldova": "MD",
    "republic of the congo": "CG",
    "russia": "RU",
    "state of palestine": "PS",
    "swaziland": "SZ",
    "syrian arab republic": "SY",
    "taiwan province of china": "TW",
    "tanzania united republic of": "TZ",
    "the bahamas": "BS",
    "the gambia": "GM",
    "the netherlands": "NL",
    "the philippines": "PH",
    "the sudan": "SD",
    "turkey": "TR",
    "uae": "AE",
    "uk": "GB",
    "united kingdom of great britain and northern ireland": "GB",
    "united republic of tanzania": "TZ",
    "united states of america": "US",
    "us": "US",
    "usa": "US",
    "vatican": "VA",
    "vatican city": "VA",
    "venezuela bolivarian republic of": "VE",
    "viet nam": "VN",
    "virgin islands british": "VG",
    "british virgin islands": "VG",
    "us virgin islands": "VI",
    "west bank": "PS",
}
# Words that stand for "not known" on the lists.
_UNKNOWN = frozenset({"", "00", "na", "n a", "undetermined", "unknown", "none", "zz"})
_NOT_A_WORD = re.compile(r"[^a-z0-9]+")


def country(words: str) -> str:
    """The alpha-2 code; empty for "unknown"; the words themselves where they name no country."""
    key = _key(words)
    if key in _UNKNOWN:
        return ""
    return _table().get(key) or _ALSO.get(key) or words


@cache
def _table() -> dict[str, str]:
    path = files("kycgate.screening").joinpath("data", "iso3166.csv")
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    by_name = {_key(row["name"]): row["alpha2"] for row in rows}
    return by_name | {row["alpha2"].lower(): row["alpha2"] for row in rows}


def _key(words: str) -> str:
    plain = unicodedata.normalize("NFKD", words.lower().replace("'", "").replace("’", ""))
    ascii_only = plain.encode("ascii", "ignore").decode()
    return _NOT_A_WORD.sub(" ", ascii_only).strip()
