"""Reads what providers answer into our values: texts, dates, countries, numbers.

Pure. What is not told, or not in the documented shape, is None or 0, never guessed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final, Protocol

from kycgate.errors import Malformed, Unavailable
from kycgate.issuer.proven import numbered
from kycgate.issuer.providers.base import NOTE_MOST

_NAME_MOST: Final = 400
_NUMBER_MOST: Final = 64

# ISO 3166-1: alpha-2 and alpha-3 side by side; passports, and so providers, write the latter.
_ALPHA3: Final = """
ADAND AEARE AFAFG AGATG AIAIA ALALB AMARM AOAGO AQATA ARARG ASASM ATAUT AUAUS AWABW AXALA AZAZE
BABIH BBBRB BDBGD BEBEL BFBFA BGBGR BHBHR BIBDI BJBEN BLBLM BMBMU BNBRN BOBOL BQBES BRBRA BSBHS
BTBTN BVBVT BWBWA BYBLR BZBLZ CACAN CCCCK CDCOD CFCAF CGCOG CHCHE CICIV CKCOK CLCHL CMCMR CNCHN
COCOL CRCRI CUCUB CVCPV CWCUW CXCXR CYCYP CZCZE DEDEU DJDJI DKDNK DMDMA DODOM DZDZA ECECU EEEST
EGEGY EHESH ERERI ESESP ETETH FIFIN FJFJI FKFLK FMFSM FOFRO FRFRA GAGAB GBGBR GDGRD GEGEO GFGUF
GGGGY GHGHA GIGIB GLGRL GMGMB GNGIN GPGLP GQGNQ GRGRC GSSGS GTGTM GUGUM GWGNB GYGUY HKHKG HMHMD
HNHND HRHRV HTHTI HUHUN IDIDN IEIRL ILISR IMIMN ININD IOIOT IQIRQ IRIRN ISISL ITITA JEJEY JMJAM
JOJOR JPJPN KEKEN KGKGZ KHKHM KIKIR KMCOM KNKNA KPPRK KRKOR KWKWT KYCYM KZKAZ LALAO LBLBN LCLCA
LILIE LKLKA LRLBR LSLSO LTLTU LULUX LVLVA LYLBY MAMAR MCMCO MDMDA MEMNE MFMAF MGMDG MHMHL MKMKD
MLMLI MMMMR MNMNG MOMAC MPMNP MQMTQ MRMRT MSMSR MTMLT MUMUS MVMDV MWMWI MXMEX MYMYS MZMOZ NANAM
NCNCL NENER NFNFK NGNGA NINIC NLNLD NONOR NPNPL NRNRU NUNIU NZNZL OMOMN PAPAN PEPER PFPYF PGPNG
PHPHL PKPAK PLPOL PMSPM PNPCN PRPRI PSPSE PTPRT PWPLW PYPRY QAQAT REREU ROROU RSSRB RURUS RWRWA
SASAU SBSLB SCSYC SDSDN SESWE SGSGP SHSHN SISVN SJSJM SKSVK SLSLE SMSMR SNSEN SOSOM SRSUR SSSSD
STSTP SVSLV SXSXM SYSYR SZSWZ TCTCA TDTCD TFATF TGTGO THTHA TJTJK TKTKL TLTLS TMTKM TNTUN TOTON
TRTUR TTTTO TVTUV TWTWN TZTZA UAUKR UGUGA UMUMI USUSA UYURY UZUZB VAVAT VCVCT VEVEN VGVGB VIVIR
VNVNM VUVUT WFWLF WSWSM XKXKX XKRKS YEYEM YTMYT ZAZAF ZMZMB ZWZWE
"""
ALPHA2: Final[Mapping[str, str]] = {pair[2:]: pair[:2] for pair in _ALPHA3.split()}


class Countries(Protocol):
    """The country table, as far as it is needed here."""

    def numeric(self, alpha2: str) -> int:
        """Raises Malformed for what is no code."""

    def alpha2(self, numeric: int) -> str:
        """The reverse."""


def member(document: object, *path: str) -> Any:
    """What stands at the path of nested objects; None where nothing does."""
    for name in path:
        if not isinstance(document, dict):
            return None
        document = document.get(name)
    return document


def text(value: object, most: int = _NAME_MOST) -> str | None:
    """One line as a person may have it, NFC; None for anything else or too long."""
    if not isinstance(value, str):
        return None
    cleaned = unicodedata.normalize("NFC", value.strip())
    visible = all(unicodedata.category(each)[0] != "C" for each in cleaned)
    return cleaned if 0 < len(cleaned) <= most and visible else None


def name_of(given: object, *rest: object) -> str | None:
    """Given names first; None unless at least one part is told."""
    return text(" ".join(part for part in map(text, (given, *rest)) if part))


def note(value: object) -> str:
    """A provider's words for the renter: one paragraph, bounded, nothing invisible in it."""
    if not isinstance(value, str):
        return ""
    spaced = " ".join(value[: 4 * NOTE_MOST].split())
    plain = "".join(each for each in spaced if unicodedata.category(each)[0] != "C")[:NOTE_MOST]
    return plain.strip() if any(each.isalnum() for each in plain) else ""


def country(value: object, countries: Countries) -> int:
    """ISO 3166-1 numeric of a two- or three-letter code; 0 for what is none."""
    if not isinstance(value, str):
        return 0
    code = ALPHA2.get(value.upper(), value.upper())
    try:
        return countries.numeric(code)
    except Malformed:
        return 0


def document_number(value: object, issuer: int) -> str | None:
    """A document's number as every source spells it."""
    number = text(value, _NUMBER_MOST)
    if number is None or not re.search(r"[0-9A-Za-z]", number):
        return None
    return numbered(issuer, number)


def day(value: object) -> str | None:
    """`YYYY-MM-DD`, a real day."""
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
        return None
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        return None


def parts_day(value: object) -> str | None:
    """`{"year", "month", "day"}` as YYYY-MM-DD."""
    found = [member(value, each) for each in ("year", "month", "day")]
    if not all(type(each) is int for each in found):
        return None
    return (
        day("{:04d}-{:02d}-{:02d}".format(*found)) if all(0 < n < 10_000 for n in found) else None
    )


def last_second(value: str | None) -> int | None:
    """The end of that day, Unix seconds UTC: a document is good on the day it names."""
    if value is None:
        return None
    moment = datetime.combine(date.fromisoformat(value), datetime.min.time(), UTC)
    return int(moment.timestamp()) + 86_399


def moment(value: object, *, now: int) -> int | None:
    """An ISO 8601 moment, or Sumsub's `2020-06-24 05:11:07+0000`; never later than `now`."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    stamp = found.timestamp() if found.tzinfo else found.replace(tzinfo=UTC).timestamp()
    return max(0, min(int(stamp), now))


def required(value: object, pattern: re.Pattern[str], what: str) -> str:
    """An id in the provider's own shape: it becomes part of an address. Raises Unavailable."""
    if isinstance(value, str) and pattern.fullmatch(value):
        return value
    raise Unavailable(f"{what} is not in the documented shape")
