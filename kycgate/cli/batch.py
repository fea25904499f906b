"""Runs the matcher over whole files: CSV in, JSON lines or CSV out, in the order of the rows.

A bad row is reported in its place and never stops the others.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, TextIO

from kycgate.cli.in_force import KINDS, load_matcher
from kycgate.cli.output import Exit, complain
from kycgate.core.claims import Kind
from kycgate.errors import KycgateError, Malformed
from kycgate.screening.matching.document import screening_document
from kycgate.screening.matching.matcher import Matcher, Query, pair_score

Row = tuple[int, dict[str, str]]

_CHUNK = 50
_WORTH_PROCESSES = 10_000
"""Rows from which a second process pays for building its own index."""
_MOST_FIELD = 16 * 1024 * 1024
"""Bytes of one field that are read in order to refuse it: a name has 1,000 characters."""
_BAR = 30
_SCHEMAS = {
    "person": Kind.PERSON,
    "organisation": Kind.ORGANISATION,
    "organization": Kind.ORGANISATION,
    "company": Kind.ORGANISATION,
    "vessel": Kind.ORGANISATION,
    "airplane": Kind.ORGANISATION,
}

_matcher: Matcher | None = None
"""Of a worker process, built once when it starts."""


def screen_rows(args: argparse.Namespace) -> int:
    """Write one JSON line a row. Exit 1 when a row blocks, 2 when one is to be looked at or bad."""
    columns = {
        "name": args.name_column,
        "country": args.country_column,
        "birth_date": args.birth_date_column,
    }
    rows = _read(args.file, [column for column in columns.values() if column])
    worst = Exit.YES
    with _writer(args.out) as out:
        for line, done in _progress(_screened(args, columns, rows), len(rows)):
            out.write(line + "\n")
            worst = _worse(worst, done)
    return worst


def score_pairs(args: argparse.Namespace) -> int:
    """Write every row again with its score. Exit 2 when a row could not be scored."""
    rows = _read(args.file, ["name1", "name2"])
    failed = 0
    with _writer(args.out) as out:
        columns = [column for column in (rows[0][1] if rows else ()) if column != "score"]
        writer = csv.DictWriter(out, [*columns, "score"], extrasaction="ignore")
        writer.writeheader()
        for number, row in rows:
            try:
                kind = _SCHEMAS.get((row.get("schema") or "").strip().lower())
                score: object = pair_score(_text(row, "name1"), _text(row, "name2"), kind).score
            except KycgateError as error:
                score, failed = "", failed + 1
                complain(f"row {number}: {error.message}")
            writer.writerow({**row, "score": score})
    return Exit.UNDECIDED if failed else Exit.YES


def _screened(
    args: argparse.Namespace, columns: dict[str, str | None], rows: list[Row]
) -> Iterator[tuple[str, str]]:
    """(JSON line, band or `error`) of each row in order."""
    tasks = ((number, row, columns, args.kind) for number, row in rows)
    processes = args.processes or os.cpu_count() or 1
    if processes < 2 or (args.processes is None and len(rows) < _WORTH_PROCESSES):
        _start(args.dir)
        yield from map(_screen, tasks)
        return
    # Not forked: numpy's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, initializer=_start, initargs=(args.dir,)) as pool:
        yield from pool.imap(_screen, tasks, chunksize=_CHUNK)


def _start(directory: str | None) -> None:
    global _matcher
    _matcher = load_matcher(directory)


def _screen(task: tuple[int, dict[str, str], dict[str, str | None], str]) -> tuple[str, str]:
    number, row, columns, kind = task
    assert _matcher is not None
    head: dict[str, Any] = {"row": number}
    try:
        asked = {field: _text(row, column) for field, column in columns.items() if column}
        head["name"] = asked["name"]
        answer = screening_document(_matcher.screen(Query(kind=KINDS[kind], **asked)))  # type: ignore[arg-type]
    except KycgateError as error:
        # A name too long to screen is too long to repeat.
        head["name"] = head.get("name", "")[:200]
        return _json({**head, "error": error.message}), "error"
    return _json({**head, **answer}), answer["band"]


def _text(row: dict[str, str], column: str) -> str:
    value = row.get(column)
    if value is None:
        raise Malformed(f"the row has no {column}", field=column)
    if "\ufffd" in value:
        raise Malformed(f"{column} is not UTF-8", field=column)
    return value


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _worse(worst: Exit, band: str) -> Exit:
    if band == "block":
        return Exit.NO
    return Exit.UNDECIDED if band != "clear" and worst is Exit.YES else worst


def _read(path: str, columns: Iterable[str]) -> list[Row]:
    """The rows with their line numbers. Raises Malformed when the file or a column is missing."""
    limit = csv.field_size_limit(_MOST_FIELD)
    try:
        with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
            reader = csv.DictReader(file)
            missing = [each for each in columns if each not in (reader.fieldnames or ())]
            if missing:
                raise Malformed(f"{path} has no column {', '.join(missing)}", field="columns")
            return [(reader.line_num, row) for row in reader]
    except OSError as error:
        raise Malformed(f"{path} can't be read: {error.strerror}", field="FILE") from error
    except csv.Error as error:
        raise Malformed(f"{path} is no CSV file: {error}", field="FILE") from error
    finally:
        csv.field_size_limit(limit)


@contextmanager
def _writer(path: str | None) -> Iterator[TextIO]:
    if path is None:
        yield sys.stdout
        return
    try:
        with open(path, "w", encoding="utf-8", newline="") as file:
            yield file
    except OSError as error:
        raise Malformed(f"{path} can't be written: {error.strerror}", field="--out") from error


def _progress(items: Iterator[tuple[str, str]], total: int) -> Iterator[tuple[str, str]]:
    """A bar on a terminal; one line at the end elsewhere."""
    counts = dict.fromkeys(("clear", "review", "block", "error"), 0)
    live = sys.stderr.isatty()
    while chunk := list(islice(items, _CHUNK)):
        for item in chunk:
            counts[item[1]] += 1
            yield item
        done = sum(counts.values())
        if live:
            filled = _BAR * done // max(1, total)
            bar = "#" * filled + "-" * (_BAR - filled)
            print(f"\r[{bar}] {done}/{total}", end="", file=sys.stderr, flush=True)
    told = ", ".join(f"{count} {band}" for band, count in counts.items())
    print(f"{chr(10) if live else ''}{total} rows: {told}", file=sys.stderr)
