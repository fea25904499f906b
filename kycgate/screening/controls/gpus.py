"""Which GPU a text names, and which export-control class it falls under.

Draws no conclusion from it: that is the policy's work. Pure once its table is read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cache, lru_cache

from kycgate.core.policy import Eccn, GpuClass, day
from kycgate.errors import Misconfigured
from kycgate.screening.controls import tables
from kycgate.screening.controls.thresholds import Thresholds, load_thresholds, midnight

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
# Words that say how a GPU is packed and sold; run-together texts are parted at them.
_PACKING = (
    rf"(?:{_MEMORY}) ?gi?b|(?:{_MEMORY})g(?![a-z0-9])|nvidia|geforce|quadro|tesla|amd|radeon"
    r"|instinct|intel|habana|huawei|ascend|gaudi|rtx|pro(?=[ 0-9])|sxm[2-6]?|pcie?|pci express"
    r"|nvlink|nvl[0-9]*"
    r"|hbm(?:2e|3e|2|3)?|gddr[5-7]x?|workstation|server|edition|generation|max ?q|tensor ?core"
    r"|graphics|gpus?|cards?|accelerator|oam|fhhl|hgx|dgx"
)
# Names of architectures: parted at too, but beside an uncontrolled model they may be a newer chip.
_ARCHITECTURE = r"|blackwell|hopper|ampere|volta|turing|lovelace|ada(?= ?generation| ?lovelace| |$)"
_VOCABULARY = re.compile(_PACKING + _ARCHITECTURE)
# What may stand beside a model without casting doubt on it: packing, and counts such as `8x`.
_HARMLESS = re.compile(rf"(?<![a-z0-9])(?:{_PACKING}|[0-9]{{1,3}}x|x ?[0-9]{{1,3}})(?![a-z0-9])")
_COUNT_BEFORE = re.compile(r"^([0-9]{1,3}) ?x ?(?=[a-z])")
_COUNT_BEHIND = re.compile(r"(?<=[0-9])x(?=[0-9]{1,3}$)")
# ASCII only: any other sign stays, as a word nobody knows.
_SEPARATOR = re.compile(r"[\s!-/:-@\[-`{-~]+")
_TRADE_MARKS = str.maketrans(dict.fromkeys("®™©", " "))

_STRICTNESS = (Eccn.NONE, Eccn.B, Eccn.A, Eccn.UNKNOWN)


@dataclass(frozen=True, slots=True)
class GpuRow:
    """One product of the table: `pattern` is matched against the normal form of a text.

    `datacenter` Y, N or ?; `dense_tops` in the `format` of `bit_length`, `die_area_mm2` of logic
    dies; `letter_from` when a letter put it under licence (Unix seconds). `doubts` is why a person
    should hold it against the datasheet, empty for a row read from a cited source and off limits.
    """

    pattern: re.Pattern[str]
    gpu: GpuClass
    vendor: str
    datacenter: str
    source: str
    dense_tops: float | None = None
    bit_length: int | None = None
    format: str = ""
    die_area_mm2: float | None = None
    letter_from: int | None = None
    doubts: tuple[str, ...] = ()

    def by_figures(self, thresholds: Thresholds) -> Eccn:
        """The class that the figures alone give."""
        gpu = self.gpu
        return thresholds.eccn(gpu.tpp, gpu.performance_density, datacenter=self.datacenter != "N")


class GpuTable:
    """Recognises the GPUs it knows in free text; whatever it does not know is controlled."""

    def __init__(self, rows: Iterable[GpuRow]) -> None:
        self.rows = tuple(rows)
        if not self.rows:
            raise Misconfigured(("the GPU table is empty: reinstall kycgate",))
        self._remembered = lru_cache(maxsize=REMEMBERED_TEXTS)(self._recognise)
        self._letters = {
            row.gpu.model: row.letter_from for row in self.rows if row.letter_from is not None
        }

    def classify(self, text: str) -> GpuClass:
        """The class of the one product named in `text`.

        Several rows on one name: the longest match, or the strictest where classes differ. Two
        products, no product, and unexplained words beside anything but a 3A090.a product are
        unknown, hence controlled. Never raises; never matches a part of a longer model number.
        """
        if len(text) > MAX_GPU_TEXT:
            return UNRECOGNISED
        return self._remembered(text)

    def classify_at(self, text: str, at: int) -> GpuClass:
        """As `classify`, by what was in force at a moment (Unix seconds UTC).

        Before the thresholds on file began, every class is unknown; before its letter, a product
        under licence by letter is what its figures make it.
        """
        gpu = self.classify(text)
        starts = load_thresholds().starts
        if at < starts:
            note = f"the thresholds on file begin on {day(starts)}: counts as controlled"
            return replace(gpu, eccn=Eccn.UNKNOWN, controlled=True, note=note)
        letter = self._letters.get(gpu.model)
        if letter is not None and at < letter:
            note = f"controlled by letter only since {day(letter)}; {gpu.note}"
            return replace(gpu, controlled=gpu.eccn is not Eccn.NONE, note=note)
        return gpu

    def disagreements(self, thresholds: Thresholds) -> tuple[str, ...]:
        """Rows whose stated class is not the one their figures give, in words."""
        pairs = ((row, row.by_figures(thresholds)) for row in self.rows)
        return tuple(
            f"{row.gpu.model}: stated {row.gpu.eccn}, by its figures {eccn}"
            for row, eccn in pairs
            if row.gpu.eccn is not eccn
        )

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
    folded = unicodedata.normalize("NFKC", text.translate(_TRADE_MARKS)).casefold()
    spaced = " ".join(_SEPARATOR.sub(" ", folded).split())
    parted = _COUNT_BEHIND.sub(" x", _COUNT_BEFORE.sub(r"\1x ", spaced))
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


@cache
def load_gpus() -> GpuTable:
    """The GPU table that ships with the package. Raises Misconfigured when it is damaged."""
    try:
        return GpuTable(_gpu_row(row) for row in tables.rows("gpus.csv"))
    except (KeyError, ValueError, re.error) as e:
        raise Misconfigured((f"gpus.csv is damaged ({e}): reinstall kycgate",)) from e


def _gpu_row(row: Mapping[str, str]) -> GpuRow:
    eccn, letter = Eccn(row["eccn"]), row["controlled_by_letter"]
    tpp, density = _number(row["tpp"]), _number(row["performance_density"])
    datacenter = row["datacenter"]
    near = load_thresholds().borderline(tpp, density, datacenter=datacenter != "N")
    doubts = _doubts(row["confidence"], near=near, complete=tpp is not None)
    gpu = GpuClass(
        model=row["model"],
        eccn=eccn,
        controlled=eccn is not Eccn.NONE or bool(letter),
        tpp=None if tpp is None else int(tpp),
        performance_density=density,
        confidence=row["confidence"],
        note="; ".join(part for part in (row["note"], *doubts) if part),
    )
    bits = _number(row["bit_length"])
    return GpuRow(
        pattern=re.compile(rf"(?<![a-z0-9])(?:{row['pattern']})(?![a-z0-9])"),
        gpu=gpu,
        vendor=row["vendor"],
        datacenter=datacenter,
        source=row["source"],
        dense_tops=_number(row["dense_tops"]),
        bit_length=None if bits is None else int(bits),
        format=row["format"],
        die_area_mm2=_number(row["die_area_mm2"]),
        letter_from=midnight(date.fromisoformat(letter)) if letter else None,
        doubts=doubts,
    )


def _number(text: str) -> float | None:
    return float(text) if text else None


def _doubts(confidence: str, *, near: bool, complete: bool) -> tuple[str, ...]:
    found = list[str]()
    if not complete:
        found.append("no public figures")
    if confidence != "high":
        found.append(f"figures of {confidence} confidence, to be held against the datasheet")
    if near:
        found.append("borderline: a change of 2 % in a figure changes the class")
    return tuple(found)
