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
# Words that say how a GPU is packed and sold; run-together texts are parted at them.
_PACKING = (
    rf"(?:{_MEMORY}) ?gi?b|(?:{_MEMORY})g(?![a-z0-9])|nvidia|geforce|quadro|tesla|amd|radeon"
    r"|instinct|intel|habana|huawei|ascend|gaudi|rtx|pro(?=[ 0-9])|sxm[2-6]?|pcie?|pci express"
    r"|nvlink|nvl[0-9]*"
    r"|hbm(?:2e|3e|2|3)?|gddr[5-7]x?|workstation|server|edition|generation|max ?q|tensor ?core"
    r"|graphics|gpus?|cards?|accelerator|oam|hgx|dgx"
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


class CountryTable:
    """ISO 3166-1 codes both ways, and the country groups of the EAR.

    Groups are `A:1` to `A:6`, `B`, `D:1` to `D:5`, `E:1`, `E:2`, and `3A090.b`: the destinations
    that class' control text names, which are the United Arab Emirates by name, then D:1, D:4 and
    D:5 less A:5 and A:6. Hong Kong has China's groups; Macau is not in D:5, so rules name it beside
    D:5. A country the groups don't list belongs to none.
    """

    def __init__(self, codes: Mapping[str, int], groups: Mapping[str, Iterable[str]]) -> None:
        self._numeric = dict(codes)
        self._alpha2 = {number: code for code, number in codes.items()}
        self._groups = {
            group: frozenset(codes[member] for member in members)
            for group, members in groups.items()
        }

    def numeric(self, alpha2: str) -> int:
        """ISO 3166-1 numeric. Raises Malformed for what is no code."""
        try:
            return self._numeric[alpha2]
        except KeyError as e:
            raise _no_country(alpha2) from e

    def alpha2(self, numeric: int) -> str:
        """ISO 3166-1 alpha-2. Raises Malformed for what is no code, 0 included."""
        try:
            return self._alpha2[numeric]
        except KeyError as e:
            raise _no_country(str(numeric)) from e

    def group(self, code: str) -> frozenset[int]:
        """Its members, numeric. Raises Malformed for what is no group."""
        try:
            return self._groups[code]
        except KeyError as e:
            raise Malformed(
                f"`{code[:40]}` is no country group",
                field="country group",
                remedy="one of " + ", ".join(sorted(self._groups)),
            ) from e

    def member(self, country: int, group: str) -> bool:
        """Whether the country (numeric) is in the group. Unknown (0) is in none."""
        return country in self.group(group)

    def labels(self) -> Mapping[int, str]:
        """numeric → alpha-2, all of them."""
        return self._alpha2

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of all groups."""
        return tuple(sorted(self._groups))


def _no_country(text: str) -> Malformed:
    return Malformed(
        f"`{text[:40]}` is no country code", field="country", remedy="ISO 3166-1, such as SG or 702"
    )


@cache
def load_gpus() -> GpuTable:
    """The GPU table that ships with the package. Raises Misconfigured when it is damaged."""
    try:
        return GpuTable(_gpu_row(row) for row in _rows("gpus.csv"))
    except (KeyError, ValueError, re.error) as e:
        raise Misconfigured((f"gpus.csv is damaged ({e}): reinstall kycgate",)) from e


@cache
def load_countries() -> CountryTable:
    """The country table that ships with the package. Raises Misconfigured when it is damaged."""
    try:
        codes = {row["alpha2"]: int(row["numeric"]) for row in _rows("iso3166.csv")}
        groups = dict[str, list[str]]()
        for row in _rows("country_groups.csv"):
            for group in row["groups"].split():
                groups.setdefault(group, []).append(row["alpha2"])
        return CountryTable(codes, groups)
    except (KeyError, ValueError) as e:
        raise Misconfigured((f"the country tables are damaged ({e}): reinstall kycgate",)) from e


@cache
def load_default_policy() -> Policy:
    """The policy a gate starts with (`default_policy.toml`, DESIGN 3)."""
    text = files(__package__).joinpath("data", "default_policy.toml").read_text("utf-8")
    return Policy.from_toml(text, countries=load_countries(), source="default_policy.toml")


def _rows(name: str) -> list[dict[str, str]]:
    text = files(__package__).joinpath("data", name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def _gpu_row(row: Mapping[str, str]) -> GpuRow:
    eccn = Eccn(row["eccn"])
    gpu = GpuClass(
        model=row["model"],
        eccn=eccn,
        controlled=eccn is not Eccn.NONE or row["controlled_by_letter"] == "Y",
        tpp=int(row["tpp"]) if row["tpp"] else None,
        performance_density=float(row["performance_density"])
        if row["performance_density"]
        else None,
        confidence=row["confidence"],
        note=row["note"],
    )
    pattern = re.compile(rf"(?<![a-z0-9])(?:{row['pattern']})(?![a-z0-9])")
    return GpuRow(pattern, gpu, row["vendor"], row["datacenter"], row["source"])
