"""Counts in how many listed names each word stands: `screening/data/match_frequency.csv`.

    python -m tests.bench.frequency

Not run with the others: its result is a table of the package, and changing it changes scores.
"""

from __future__ import annotations

import csv
from collections import Counter

from kycgate.screening.matching.parse import parse
from kycgate.screening.matching.words import Sort
from tests.bench import screening
from tests.tools import REPO

OUT = REPO / "kycgate" / "screening" / "data" / "match_frequency.csv"
LEAST = 12
"""Names in which a word stands before it counts as common."""


def main() -> None:
    """Count and write the table."""
    counts, total = Counter[str](), 0
    for data in screening.lists():
        for entry in data.entries:
            for name in entry.names:
                words = parse(name.text, person=False).words
                counts.update({word.text for word in words if _counts(word.text, word.sort)})
                total += 1
    with OUT.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["word", "names"])
        writer.writerow(["", total])
        writer.writerows(row for row in counts.most_common() if row[1] >= LEAST)


def _counts(text: str, sort: Sort) -> bool:
    return len(text) > 1 and sort not in (Sort.FORM, Sort.NUMBER)


if __name__ == "__main__":
    main()
