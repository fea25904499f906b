"""How well and how fast the matcher finds listed parties, beside nomenklatura's logic-v2.

    python -m tests.bench.screening

Lists: the shipped US lists and the UN list of 2026-02-27. The peer runs in the same run in its own
environment (KYCGATE_PEERS, else <repo>/.peers: `python3 -m venv .peers`, then `.peers/bin/pip
install nomenklatura`, which builds PyICU and so wants g++ and libicu-dev). It has no index of its
own to search quickly, so it is handed the candidates ours found, and only its scoring is timed.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from kycgate.core.claims import Kind
from kycgate.screening.entries import EntryType, ListData, list_data
from kycgate.screening.matching.bands import Band
from kycgate.screening.matching.latin import latin_words
from kycgate.screening.matching.matcher import Matcher, Query, pair_score
from kycgate.screening.sources import source
from kycgate.screening.sources.reading import Reading
from kycgate.screening.sources.shipped import CSL, shipped_list
from tests.tools import REPO

DATA = Path(__file__).parent / "data"
THRESHOLD = 0.7
SEED = 20261123
_SAMPLE = 150
"""Names that the peer scores too, of each kind: it takes some 25 ms each."""
_LATER = 1_772_150_400
"""2026-02-27, the date of the UN list, Unix seconds."""

Make = Callable[[str, random.Random], str]


@dataclass(frozen=True, slots=True)
class Labelled:
    """Two names and whether they are one party's."""

    one: str
    other: str
    schema: str
    match: bool
    part: str


# -- data ------------------------------------------------------------------------------------------


@cache
def lists() -> tuple[ListData, ...]:
    """All US lists and the UN list."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "consolidated.xml"
        path.write_bytes(gzip.decompress((DATA / "un_consolidated_2026-02-27.xml.gz").read_bytes()))
        reading = Reading(_LATER)
        un = source("un")
        un.read({part.file: path for part in un.parts}, reading)
    return shipped_list(CSL), list_data("un", reading.entries, as_of=_LATER, source="un")


@cache
def matcher() -> Matcher:
    return Matcher(lists())


def column(file: str, name: str) -> list[str]:
    with (DATA / file).open(encoding="utf-8", newline="") as rows:
        return [row[name] for row in csv.DictReader(rows)]


def positives() -> list[str]:
    """UN persons as listed at some time before; three of them are off the list by now."""
    return column("positives_un_untreated.csv", "full_name")


def negatives() -> list[str]:
    return column("negatives_us_1k.csv", "full_name")


def recombined(count: int = 1_000) -> list[str]:
    """Names nobody chose by hand: given names of one stranger, family name of another."""
    rng = random.Random(SEED)
    with (DATA / "negatives_us_1k.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    pairs = [rng.sample(rows, 2) for _ in range(count)]
    return [
        " ".join(filter(None, (one["first_name"], one["middle_name"], other["last_name"])))
        for one, other in pairs
    ]


def labelled() -> list[Labelled]:
    with (DATA / "labelled_pairs.csv").open(encoding="utf-8", newline="") as file:
        return [
            Labelled(row["name1"], row["name2"], row["schema"], row["match"] == "1", row["part"])
            for row in csv.DictReader(file)
        ]


def aliases() -> list[Labelled]:
    """UN and SDN parties: an alias that shares a word is one party, the nearest other is not."""
    from kycgate.screening.matching.trigrams import TrigramIndex

    rng, found = random.Random(SEED), list[Labelled]()
    for data in lists():
        entries = [
            each
            for each in data.entries
            if each.list in ("UN", "SDN")
            and each.type in (EntryType.PERSON, EntryType.ORGANISATION)
            and len(each.names) > 1
        ]
        texts = [" ".join(latin_words(each.name, person=False)) for each in entries]
        index = TrigramIndex(texts)
        for number in rng.sample(range(len(entries)), min(700, len(entries))):
            entry = entries[number]
            schema = "Person" if entry.type is EntryType.PERSON else "Company"
            own = set(texts[number].split())
            shared = [
                name.text
                for name in entry.names[1:]
                if name.kind == "alias" and own & set(latin_words(name.text, person=False))
            ]
            near = [
                place
                for place in index.nearest(texts[number], 6).tolist()
                if entries[place].type is entry.type and texts[place] != texts[number]
            ]
            if shared:
                found.append(Labelled(entry.name, rng.choice(shared), schema, True, "aliases"))
            if near:
                other = entries[rng.choice(near[:3])].name
                found.append(Labelled(entry.name, other, schema, False, "aliases"))
    return found


# -- alterations -----------------------------------------------------------------------------------


def one_typo(name: str, rng: random.Random) -> str:
    """A letter missing, added, changed or swapped in one word of three letters or more."""
    words = name.split()
    places = [place for place, word in enumerate(words) if len(word) > 2] or [0]
    place = rng.choice(places)
    words[place] = _typo(words[place], rng)
    return " ".join(words)


def typo_everywhere(name: str, rng: random.Random) -> str:
    return " ".join(_typo(word, rng) if len(word) > 3 else word for word in name.split())


def shuffled(name: str, rng: random.Random) -> str:
    words = name.split()
    rng.shuffle(words)
    return " ".join(words)


def joined(name: str, rng: random.Random) -> str:
    words = name.split()
    place = rng.randrange(max(1, len(words) - 1))
    return " ".join([*words[:place], "".join(words[place : place + 2]), *words[place + 2 :]])


def one_dropped(name: str, rng: random.Random) -> str:
    words = name.split()
    if len(words) > 2:
        words.pop(rng.randrange(len(words)))
    return " ".join(words)


ALTERATIONS: dict[str, Make] = {
    "as listed": lambda name, rng: name,
    "one typo": one_typo,
    "words shuffled": shuffled,
    "two words joined": joined,
    "one word left out": one_dropped,
    "a typo in every word": typo_everywhere,
}
TARGETS = {"as listed": 0.98, "one typo": 0.98, "words shuffled": 0.98, "two words joined": 0.98}


def _typo(word: str, rng: random.Random) -> str:
    place, letter = rng.randrange(len(word)), rng.choice("abcdefghijklmnopqrstuvwxyz")
    match rng.randrange(4):
        case 0:
            return word[:place] + word[place + 1 :]
        case 1:
            return word[:place] + letter + word[place:]
        case 2:
            return word[:place] + letter + word[place + 1 :]
    place = min(place, len(word) - 2)
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :] if place >= 0 else word


# -- measuring -------------------------------------------------------------------------------------


def hit_share(names: Sequence[str], kind: Kind | None = Kind.PERSON) -> tuple[float, float]:
    """(share of the names with a hit, mean milliseconds of CPU a name)."""
    engine, found = matcher(), 0
    started = time.process_time()
    for name in names:
        found += engine.screen(Query(name, kind)).band is not Band.CLEAR
    spent = time.process_time() - started
    return found / len(names), spent * 1000 / len(names)


def f1(scores: Sequence[float], truth: Sequence[bool], threshold: float) -> float:
    precision, recall = precision_recall(scores, truth, threshold)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def precision_recall(
    scores: Sequence[float], truth: Sequence[bool], threshold: float
) -> tuple[float, float]:
    said = [score >= threshold for score in scores]
    right = sum(one and other for one, other in zip(said, truth, strict=True))
    return right / max(1, sum(said)), right / max(1, sum(truth))


def our_scores(cases: Sequence[Labelled]) -> list[float]:
    return [pair_score(case.one, case.other, kind_of(case.schema)).score for case in cases]


def kind_of(schema: str) -> Kind | None:
    if schema == "LegalEntity":
        return None
    return Kind.PERSON if schema == "Person" else Kind.ORGANISATION


def ask_peer(
    pairs: Sequence[Labelled], searches: Sequence[tuple[str, str]]
) -> dict[str, Any] | None:
    """The peer's scores of the pairs, and its best of our candidates of each search."""
    python = Path(os.environ.get("KYCGATE_PEERS", REPO / ".peers")) / "bin" / "python"
    if not python.is_file():
        print(f"screening: no peer at {python}", file=sys.stderr)
        return None
    work = {
        "pairs": [[case.one, case.other, case.schema] for case in pairs],
        "searches": [[name, schema, _candidates(name)] for name, schema in searches],
    }
    done = subprocess.run(
        [str(python), str(Path(__file__).with_name("logic_v2.py"))],
        input=json.dumps(work).encode(),
        capture_output=True,
        timeout=600,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@cache
def _named() -> tuple[list[tuple[str, str]], Any]:
    from kycgate.screening.matching.trigrams import TrigramIndex

    schemas = {EntryType.PERSON: "Person", EntryType.UNSTATED: "LegalEntity"}
    names = [
        (name.text, schemas.get(entry.type, "Organization"))
        for data in lists()
        for entry in data.entries
        for name in entry.names
    ]
    return names, TrigramIndex([" ".join(latin_words(name, person=False)) for name, _ in names])


def _candidates(name: str) -> list[list[str]]:
    names, index = _named()
    text = " ".join(latin_words(name, person=True))
    return [list(names[number]) for number in index.nearest(text, 50).tolist()]


def han_cases() -> list[tuple[str, str, str]]:
    """(Chinese company name, words of the listed name or nothing, part)."""
    with (DATA / "han_companies.csv").open(encoding="utf-8", newline="") as file:
        return [(row["han"], row["listed"], row["part"]) for row in csv.DictReader(file)]


def han_found(part: str) -> float:
    cases = [case for case in han_cases() if case[1] and case[2] == part]
    return sum(_finds(han, listed) for han, listed, _ in cases) / len(cases)


def _finds(han: str, listed: str) -> bool:
    hits = matcher().screen(Query(han, Kind.ORGANISATION)).hits
    plain = ["".join(c if c.isalnum() else " " for c in hit.name.lower()) for hit in hits]
    return any(listed in " ".join(name.split()) for name in plain)


def build_seconds() -> float:
    lists()
    started = time.process_time()
    Matcher(lists())
    return time.process_time() - started


def batch_rate(rows: int = 3_000) -> float:
    """Names per second of CPU of `kycgate screen batch`, start-up and index included.

    Of CPU, not of the clock: on a machine with two free cores and more rows it is twice that.
    """
    names = (negatives() + positives()) * (1 + rows // 1_600)
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "names.csv", Path(folder) / "out.jsonl"
        path.write_text("name\n" + "".join(f'"{name}"\n' for name in names[:rows]), "utf-8")
        command = [sys.executable, "-m", "kycgate", "screen", "batch", str(path)]
        command += ["--name-column", "name", "--kind", "person", "--out", str(out)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, stderr=subprocess.DEVNULL, check=False, cwd=REPO)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        done = sum(1 for _ in out.open(encoding="utf-8"))
    if done != rows:
        raise RuntimeError(f"{done} answers for {rows} rows")
    return rows / spent


# -- rows ------------------------------------------------------------------------------------------


def rows() -> list[dict[str, Any]]:
    """Measure everything; recall and false positives of the peer are of a sample."""
    rng = random.Random(SEED)
    pairs, alias_pairs = labelled(), aliases()
    altered = {
        name: [make(each, rng) for each in positives()] for name, make in ALTERATIONS.items()
    }
    samples = {name: names[:_SAMPLE] for name, names in altered.items()}
    samples["strangers"] = rng.sample(negatives(), _SAMPLE)
    searches = [(name, "Person") for names in samples.values() for name in names]
    peer = ask_peer([*pairs, *alias_pairs], searches)
    best = peer["best"] if peer else []
    theirs = {
        name: _share(best[place * _SAMPLE : (place + 1) * _SAMPLE])
        for place, name in enumerate(samples)
    }
    found = [_row("screening index build, all US lists + UN", build_seconds(), None, "s CPU", 2.0)]
    missed, spent = hit_share(negatives())
    ms = sum(peer["ms"]) / len(peer["ms"]) if peer else None
    found.append(_row("screening, one name, mean", spent, ms, "ms CPU", 3.0))
    found.append(
        _row("screening, false positives, 1,000 strangers", missed, theirs["strangers"], "", 0.01)
    )
    mixed, _ = hit_share(recombined())
    found.append(_row("screening, false positives, recombined strangers", mixed, None, "", 0.01))
    for name, names in altered.items():
        share, _ = hit_share(names)
        target = TARGETS.get(name)
        found.append(_row(f"screening, recall, {name}", share, theirs[name], "", target, more=True))
    found += _pair_rows(pairs, alias_pairs, peer)
    for part in ("tuned", "held-out"):
        share = han_found(part)
        found.append(
            _row(f"screening, Chinese company names, {part}", share, None, "", None, more=True)
        )
    found.append(_row("screening batch", batch_rate(), None, "names/s CPU", 300, more=True))
    return found


def _pair_rows(
    pairs: list[Labelled], alias_pairs: list[Labelled], peer: dict[str, Any] | None
) -> list[dict[str, Any]]:
    cases = [*pairs, *alias_pairs]
    ours, found = our_scores(cases), []
    for part, target in (("dev", 0.8), ("held-out", 0.8), ("aliases", None)):
        places = [place for place, case in enumerate(cases) if case.part == part]
        truth = [cases[place].match for place in places]
        ours_f1 = f1([ours[place] for place in places], truth, THRESHOLD)
        peer_f1 = f1([peer["pairs"][place] for place in places], truth, THRESHOLD) if peer else None
        name = f"screening, pair F1 at .70, {part} ({len(places)})"
        found.append(_row(name, ours_f1, peer_f1, "", target, more=True))
    return found


def _share(scores: Sequence[float]) -> float | None:
    return sum(score >= THRESHOLD for score in scores) / len(scores) if scores else None


def _row(
    name: str,
    ours: float,
    peer: float | None,
    unit: str,
    target: float | None,
    *,
    more: bool = False,
) -> dict[str, Any]:
    """`more`: the target is the least that will do, not the most."""
    met = target is None or (ours >= target if more else ours <= target)
    return {
        "name": name,
        "ours": round(ours, 4),
        "peer": None if peer is None else round(peer, 4),
        "ratio": round(ours / peer, 4) if peer else None,
        "unit": unit,
        "target": target,
        "met": met,
    }


def main() -> None:
    """Print the rows."""
    from tests.bench.__main__ import table

    print(table(rows()))


if __name__ == "__main__":
    main()
