"""What finding an ultimate parent costs in a register as large as GLEIF's, and what it takes.

    python -m tests.bench.ownership

The register is made here: 3.4 million companies, 483,000 relationships in groups up to nine levels
deep, 4 million reported exceptions. The peer is what one would write without this room: the same
relationships in SQLite (in memory, indexed), walked by a recursive query. Both run in this process
over the same questions; memory is measured in a process of its own.
"""

from __future__ import annotations

import json
import random
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

from kycgate.screening.ownership.graph import OwnershipGraph
from kycgate.screening.ownership.headquarters import Parent
from kycgate.screening.ownership.kept import recall, save
from kycgate.screening.ownership.leis import (
    ExceptionRecord,
    LeiBuilder,
    LeiRecord,
    LeiRegister,
    LinkRecord,
)
from tests import tools

TARGET_MS = 1.0
ENTITIES, EDGES = 3_400_000, 483_000
_QUESTIONS, _ROUNDS, _DEEPEST = 2_000, 5, 9
_DAY, _AT = date(2026, 8, 1), date(2026, 11, 23)
_COUNTRIES = (156, 344, 702, 840, 826, 276, 392, 136)
_DIRECT, _ULTIMATE = "IS_DIRECTLY_CONSOLIDATED_BY", "IS_ULTIMATELY_CONSOLIDATED_BY"


def lei(number: int) -> str:
    """Ascending with the number, as GLEIF's files are."""
    return f"{number:018d}00"


def links(entities: int, edges: int) -> Iterator[tuple[int, int, str]]:
    """(subsidiary, parent, type): chains of one to nine, a direct and an ultimate edge each."""
    draw, at, made = random.Random(7), 0, 0
    step = max(entities // edges, 1)
    while made + 2 <= edges:
        depth = min(draw.choice((1, 1, 1, 1, 2, 2, 3, 4, 6, _DEEPEST)), (edges - made) // 2)
        chain = [at + each * step for each in range(depth + 1)]
        at += (depth + 1) * step
        for lower, upper in pairwise(chain):
            yield lower, upper, _DIRECT
            yield lower, chain[-1], _ULTIMATE
            made += 2


def register(entities: int = ENTITIES, edges: int = EDGES) -> LeiRegister:
    builder = LeiBuilder()
    for number in range(entities):
        name, country = f"Generated Company {number} Holdings", _COUNTRIES[number % 8]
        builder.add_entity(LeiRecord(lei(number), name, country, country, True, _DAY))
    below = set[int]()
    for lower, upper, type_ in links(entities, edges):
        below.add(lower)
        link = LinkRecord(lei(lower), lei(upper), type_, None, date(2020, 1, 1), None, _DAY)
        builder.add_link(link)
    for number in range(0, entities, 5):
        for ultimate in (False, True) if number not in below else ():
            reason = ("NATURAL_PERSONS", "NO_KNOWN_PERSON", "NON_CONSOLIDATING")[number % 3]
            builder.add_exception(ExceptionRecord(lei(number), ultimate, (reason,), _DAY))
    return builder.build()


def rows() -> list[dict[str, Any]]:
    """Measure; milliseconds of CPU per question, megabytes, seconds."""
    made = register()
    questions = _questions()
    graph, database = OwnershipGraph(made), _database()
    ours = _median(lambda subject: _parent(graph, subject), questions)
    peer = _median(lambda subject: _recursive(database, subject), questions)
    database.close()
    kept = _alone()
    size = f"{ENTITIES / 1e6:.1f} M entities, {EDGES // 1000} k edges"
    return [
        _row(
            f"ultimate parent, {size}, vs SQLite recursive query", ours, peer, "ms CPU", TARGET_MS
        ),
        _row("the register of that size in memory", kept["resident"], None, "MB resident", None),
        _row("the most it took while being made", kept["peak"], None, "MB resident", None),
        _row("making it, records already parsed", kept["seconds"], None, "s CPU", None),
        _row("recalling it from the file it is kept in", kept["recalled"], None, "s", 0.5),
        _row("the file", kept["file"], None, "MB", None),
        _row("reading level 1 as XML, 100,000 records", _reading(), None, "s CPU", None),
    ]


def _row(
    name: str, ours: float, peer: float | None, unit: str, target: float | None
) -> dict[str, Any]:
    return {
        "name": name,
        "ours": round(ours, 4),
        "peer": None if peer is None else round(peer, 4),
        "ratio": None if peer is None else round(ours / peer, 4),
        "unit": unit,
        "target": target,
        "met": target is None or ours <= target,
    }


def _questions() -> list[int]:
    """Subsidiaries only: the others have nothing to walk."""
    lower = sorted({subsidiary for subsidiary, _, _ in links(ENTITIES, EDGES)})
    return random.Random(11).sample(lower, _QUESTIONS)


def _parent(graph: OwnershipGraph, number: int) -> str:
    found = graph.ultimate_parent(lei(number), at=_AT)
    assert isinstance(found, Parent), found
    return found.id


def _database() -> sqlite3.Connection:
    database = sqlite3.connect(":memory:")
    database.execute("create table edge (lower text, upper text, type text)")
    each = ((lei(a), lei(b), c) for a, b, c in links(ENTITIES, EDGES))
    database.executemany("insert into edge values (?, ?, ?)", each)
    database.execute("create index below on edge (lower)")
    return database


def _recursive(database: sqlite3.Connection, number: int) -> str:
    """Everybody above, of whom the one with nobody above is the answer."""
    found = database.execute(
        "with recursive above(id) as (values (?) union select upper from edge join above"
        " on lower = id) select id from above where not exists"
        " (select 1 from edge where lower = id)",
        (lei(number),),
    ).fetchone()
    return str(found[0])


def _median(ask: Callable[[int], str], questions: list[int]) -> float:
    times = []
    for _ in range(_ROUNDS):
        started = time.process_time()
        for question in questions:
            ask(question)
        times.append((time.process_time() - started) / len(questions) * 1e3)
    return statistics.median(times)


def _alone() -> dict[str, float]:
    """Make the register in a fresh process and look at what it takes."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.ownership", "--alone"],
        capture_output=True,
        cwd=tools.REPO,
        timeout=600,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _measure_alone() -> None:
    before, started = _resident(), time.process_time()
    made = register()
    seconds = time.process_time() - started
    resident = _resident() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert len(made) == ENTITIES
    measured = {"resident": resident, "peak": peak, "seconds": seconds, **_recalling(made)}
    print(json.dumps(measured))


def _recalling(made: LeiRegister) -> dict[str, float]:
    """Keep the register in a file, and recall it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gleif.register"
        facts = json.dumps(made.facts()).encode()
        save(path, {}, {**made.columns(), "facts": ("B", facts)})
        started = time.perf_counter()
        kept = recall(path)
        again = LeiRegister.recalled(kept.columns, json.loads(bytes(kept.columns["facts"])))
        seconds = time.perf_counter() - started
        assert len(again) == len(made)
        return {"recalled": seconds, "file": kept.size / 2**20}


def _resident() -> float:
    with open("/proc/self/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def _reading() -> float:
    from kycgate.screening.ownership.gleif import GleifReader

    record = (
        "<LEIRecord><LEI>{}</LEI><Entity><LegalName xml:lang='en'>Company {}</LegalName>"
        "<LegalAddress><FirstAddressLine>1 Road</FirstAddressLine><City>City</City>"
        "<Country>SG</Country></LegalAddress><HeadquartersAddress><FirstAddressLine>1 Road"
        "</FirstAddressLine><City>City</City><Country>SG</Country></HeadquartersAddress>"
        "<LegalJurisdiction>SG</LegalJurisdiction><EntityStatus>ACTIVE</EntityStatus></Entity>"
        "<Registration><LastUpdateDate>2024-01-01T00:00:00Z</LastUpdateDate><RegistrationStatus>"
        "ISSUED</RegistrationStatus></Registration></LEIRecord>"
    )
    body = (record.format(lei(number), number).encode() for number in range(100_000))
    reader = GleifReader(country_of=lambda _: 702)
    started = time.process_time()
    reader.read((b"<LEIData>", *body, b"</LEIData>"), name="generated")
    return time.process_time() - started


def main() -> None:
    """Print the rows as a table."""
    if "--alone" in sys.argv:
        _measure_alone()
        return
    for row in rows():
        peer = "" if row["peer"] is None else f" vs {row['peer']} (ratio {row['ratio']})"
        target = "" if row["target"] is None else f"  target {row['target']}, met: {row['met']}"
        print(f"{row['name']:<70} {row['ours']:>10}{peer} {row['unit']}{target}")


if __name__ == "__main__":
    main()
