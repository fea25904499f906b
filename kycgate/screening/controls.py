"""Which export-control class a GPU falls under, and which country belongs to which group.

Draws no conclusion from it: that is the policy's work. Pure once its tables are read.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

from kycgate.core.policy import Eccn, GpuClass, Policy
from kycgate.errors import Malformed, Misconfigured

MAX_GPU_TEXT = 200
"""Characters of free text worth reading; a longer one is not a product name."""

REMEMBERED_TEXTS = 4_096
"""Distinct texts whose class is kept: marketplaces list hundreds of spellings, attackers more."""

UNRECOGNISED = GpuClass(
    model=None,
    eccn=Eccn.UNKNOWN,
    controlled=True,
    tpp=None,
    performance_density=None,
    confidence="none",
    note="not recognised: counts as controlled",
)

_MEMORY = "12|16|20|24|32|40|48|64|80|94|96|128|141|144|180|186|188|192|256|268|279|288|480"
# Words that say how a GPU is packed, sold or cooled, never which chip it is.
_VOCABULARY = re.compile(
    rf"(?:{_MEMORY}) ?g(?:i?b)?(?![a-z0-9])|(?:{_MEMORY}) ?gb|nvidia|geforce|quadro|tesla|amd|radeon"
    r"|instinct|intel|habana|huawei|ascend|gaudi|rtx|pro(?=[ 0-9])|sxm[2-6]?|pcie?|pci express|nvl[0-9]*"
    r"|nvlink|hbm(?:2e|3e|2|3)?|gddr[5-7]x?|blackwell|hopper|ampere|volta|turing|lovelace"
    r"|ada(?= ?generation| ?lovelace| |$)|workstation|server|edition|generation|max ?q|tensor ?core"
    r"|graphics|gpus?|cards?|accelerator|oam|hgx|dgx"
)
# What may stand beside an uncontrolled model without casting doubt on it.
_HARMLESS = re.compile(rf"(?:{_VOCABULARY.pattern}|[0-9]{{1,3}} ?x|x ?[0-9]{{1,3}})(?![a-z0-9])")
_BESIDE_AI = re.compile(r"(?<=[0-9])x(?=[0-9]{1,3}$)|^[0-9]{1,3}x(?=[a-z])")
_SEPARATOR = re.compile(r"[^\w]|_")

_STRICTNESS = (Eccn.NONE, Eccn.B, Eccn.A, Eccn.UNKNOWN)


@dataclass(frozen=True, slots=True)
class GpuRow:
    """One product of the table: `pattern` is matched against the normal form of a text."""

    pattern: re.Pattern[str]
    gpu: GpuClass
    vendor: str
    datacenter: str
    source: str


class GpuTable:
    """Recognises the GPUs it knows in free text; whatever it does not know is controlled."""

    def __init__(self, rows: Iterable[GpuRow]) -> None:
        self.rows = tuple(rows)
        if not self.rows:
            raise Misconfigured(("the GPU table is empty: reinstall kycgate",))
        self._remembered = lru_cache(maxsize=REMEMBERED_TEXTS)(self._recognise)

    def classify(self, text: str) -> GpuClass:
        """The class of the one product named in `text`.

        Several rows on one name: the longest match, or the strictest where classes differ. Two
        products, no product, and unexplained words beside anything but a 3A090.a product are
        unknown, hence controlled. Never raises; never matches a part of a longer model number.
        """
        if len(text) > MAX_GPU_TEXT:
            return UNRECOGNISED
        return self._remembered(text)

    def _recognise(self, text: str) -> GpuClass:
        normal = gpu_text(text)
        found = [
            (match.start(), match.end(), row)
            for row in self.rows
            if (match := row.pattern.search(normal))
        ]
        if not found:
            return UNRECOGNISED
        first, last = max(start for start, _, _ in found), min(end for _, end, _ in found)
        if first >= last:
            return _ambiguous(row for _, _, row in found)
        start, end, row = max(found, key=lambda hit: (_strictness(hit[2].gpu), hit[1] - hit[0]))
        rest = normal[:start] + " " + normal[end:]
        if row.gpu.eccn is not Eccn.A and _HARMLESS.sub("", rest).strip():
            return _doubted(row)
        return row.gpu


def gpu_text(text: str) -> str:
    """Lower case, one space between words, run-together marketing words parted from the model."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    spaced = " ".join(_SEPARATOR.sub(" ", folded).split())
    parted = _BESIDE_AI.sub(lambda x: f" {x[0]} " if x.start() == 0 else " x", spaced)
    return " ".join(_VOCABULARY.sub(lambda word: f" {word[0]} ", parted).split())


def _strictness(gpu: GpuClass) -> tuple[int, bool]:
    return _STRICTNESS.index(gpu.eccn), gpu.controlled


def _ambiguous(rows: Iterable[GpuRow]) -> GpuClass:
    named = ", ".join(sorted(row.gpu.model or "?" for row in rows))
    return _unknown(None, f"names several products ({named}): counts as controlled")


def _doubted(row: GpuRow) -> GpuClass:
    return _unknown(None, f"resembles {row.gpu.model}, with words unknown: counts as controlled")


def _unknown(model: str | None, note: str) -> GpuClass:
    return GpuClass(model, Eccn.UNKNOWN, True, None, None, "none", note)
