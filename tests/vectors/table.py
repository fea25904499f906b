"""Prints every vector with what Python and what the contracts say of it.

    python -m tests.vectors.table [--summary]

Exit 1 when one of them says something else than the vector.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.vectors import load
from tests.vectors.in_python import JUDGES, Verdict, judge_permit_bytes
from tests.vectors.on_chain import OnChain

FILES = (
    "permit.json",
    "replay.json",
    "revocation.json",
    "attestation.json",
    "request.json",
    "siwe.json",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One case. None: this language is not concerned.

    `same_bytes` is Python's answer to what the contract got, where no document can hold it.
    """

    file: str
    name: str
    python: Verdict | None
    same_bytes: Verdict | None
    solidity: Verdict | None
    right: bool


def rows(contracts: OnChain) -> Iterator[Row]:
    for file in FILES:
        for entry in load(file):
            yield _row(file, entry, contracts)


def _row(file: str, entry: dict[str, Any], contracts: OnChain) -> Row:
    python = JUDGES[file](entry) if file in JUDGES else None
    solidity = contracts.judge(file, entry)
    on_chain = entry.get("onchain") or entry
    right = python in (None, (entry["expected"], entry["reason"])) and solidity in (
        None,
        (on_chain["expected"], on_chain["reason"]),
    )
    same_bytes = judge_permit_bytes(entry) if "signature" in on_chain else python
    return Row(file, entry["name"], python, same_bytes, solidity, right)


def _cell(verdict: Verdict | None) -> str:
    return "–" if verdict is None else str(verdict[1] or verdict[0])


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _python(row: Row) -> str:
    if row.same_bytes == row.python:
        return _cell(row.python)
    return f"{_cell(row.python)}; its bytes: {_cell(row.same_bytes)}"


def _summary(found: list[Row]) -> Iterator[str]:
    yield _line("file", "cases", "Python", "Solidity", "both, same answer", "as stated")
    yield _line("---", "---", "---", "---", "---", "---")
    for file in FILES:
        these = [row for row in found if row.file == file]
        both = [row for row in these if row.python and row.solidity]
        yield _line(
            file,
            str(len(these)),
            str(sum(row.python is not None for row in these)),
            str(sum(row.solidity is not None for row in these)),
            f"{sum(row.same_bytes == row.solidity for row in both)} of {len(both)}",
            str(sum(row.right for row in these)),
        )


def _cases(found: list[Row]) -> Iterator[str]:
    yield _line("file", "case", "Python", "Solidity")
    yield _line("---", "---", "---", "---")
    for row in found:
        mark = "" if row.right else " **WRONG**"
        yield _line(row.file, row.name + mark, _python(row), _cell(row.solidity))


def main() -> int:
    contracts = OnChain()
    try:
        found = list(rows(contracts))
    finally:
        contracts.close()
    if "--summary" not in sys.argv[1:]:
        print("\n".join(_cases(found)), end="\n\n")
    print("\n".join(_summary(found)))
    return 0 if all(row.right for row in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
