"""How long a list change takes to find whom it concerns among a hundred thousand subjects.

    python -m tests.bench.rescreen

Subjects are made up: given and family names of strangers put together anew, and companies named as
companies are (a family name, one or two words of business, a legal form). The change is 500 entries
of the shipped US list and the UN list with all their names. The peer is the plain way, every
subject screened against what is new, timed on a sample and multiplied.
"""

from __future__ import annotations

import csv
import random
import resource
import time
from collections import Counter
from pathlib import Path
from typing import Any

from kycgate.core.claims import Kind
from kycgate.screening.entries import Entry, EntryType, list_data
from kycgate.screening.match import normalise
from kycgate.screening.matching.matcher import Matcher, Query
from kycgate.screening.subjects import Indexed, PartyOf, SubjectIndex
from tests.bench.screening import DATA, SEED, lists

SUBJECTS = 100_000
CHANGED = 500
TARGET_S = 0.5
_ROUNDS = 5
_SAMPLE = 200
_FORMS = ("Ltd", "LLC", "GmbH", "Inc", "Pte. Ltd.", "S.A.", "B.V.", "Limited", "AG", "Co., Ltd.")
_TYPES = (EntryType.PERSON, EntryType.ORGANISATION)


def entries() -> list[Entry]:
    """Every listed person and organisation."""
    return [each for data in lists() for each in data.entries if each.type in _TYPES]


def subjects(listed: list[Entry]) -> list[Indexed]:
    """A hundred thousand, seven of ten persons."""
    rng = random.Random(SEED)
    with (DATA / "negatives_us_1k.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    words = Counter(
        word
        for each in listed
        if each.type is EntryType.ORGANISATION
        for word in normalise(each.name).split()
    )
    business = [word for word, count in words.most_common(400) if len(word) > 4]
    return [_subject(number, rng, rows, business) for number in range(SUBJECTS)]


def _subject(
    number: int, rng: random.Random, rows: list[dict[str, str]], business: list[str]
) -> Indexed:
    one, other = rng.sample(rows, 2)
    if rng.random() < 0.7:
        party = PartyOf(f"{one['first_name']} {other['last_name']}", Kind.PERSON)
    else:
        what = " ".join(rng.sample(business, rng.randint(1, 2)))
        name = f"{one['last_name']} {what} {rng.choice(_FORMS)}"
        party = PartyOf(name, Kind.ORGANISATION)
    return Indexed(str(number), (party,), (f"0x{rng.getrandbits(160):040x}",))


def rows() -> list[dict[str, Any]]:
    """The median of five changes, and what the index costs."""
    rng, listed = random.Random(SEED), entries()
    everybody = subjects(listed)
    before = _resident()
    index = SubjectIndex()
    started = time.perf_counter()
    index.add(everybody)
    built = time.perf_counter() - started
    grown = _resident() - before
    took = list[float]()
    for _ in range(_ROUNDS):
        changed = rng.sample(listed, CHANGED)
        started = time.perf_counter()
        index.affected(changed)
        took.append(time.perf_counter() - started)
    ours, peer = sorted(took)[_ROUNDS // 2], _one_by_one(everybody, changed)
    return [
        _row(f"{CHANGED} changed entries, {SUBJECTS:,} subjects", ours, peer, "s", TARGET_S),
        _row("  its index: build", built, None, "s", None),
        _row("  its index: memory", grown, None, "MB", None),
    ]


def _resident() -> float:
    """Resident memory now, MB: the peak would hide what earlier benchmarks had given back."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def _one_by_one(everybody: list[Indexed], changed: list[Entry]) -> float:
    matcher = Matcher([list_data("us-csl", changed, as_of=0, source="us-csl")])
    started = time.perf_counter()
    for each in random.Random(SEED).sample(everybody, _SAMPLE):
        matcher.screen(Query(each.parties[0].name, each.parties[0].kind))
    return (time.perf_counter() - started) / _SAMPLE * SUBJECTS


def _row(
    name: str, ours: float, peer: float | None, unit: str, target: float | None
) -> dict[str, Any]:
    return {
        "name": name,
        "ours": ours,
        "peer": peer,
        "ratio": None if peer is None else ours / peer,
        "unit": unit,
        "target": None if target is None else f"<= {target}",
        "met": True if target is None else ours <= target,
    }


if __name__ == "__main__":
    from tests.bench.__main__ import table

    print(table(rows()))
