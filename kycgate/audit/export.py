"""The log as a file: one JSON object a line, in one spelling only, for auditors to keep and check.

Checks no chain: `verify` does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from kycgate.audit.entry import BODY_MOST
from kycgate.core.wire import digest, members, read_object, uint
from kycgate.errors import Malformed
from kycgate.store.base import Store
from kycgate.store.records.log import LogEntry

_FIELDS = frozenset({"seq", "at", "kind", "body", "prev_hash", "hash"})
LINE_MOST = 6 * BODY_MOST + 1024
"""bytes of a line: a body's characters may take six bytes each once quoted"""

_PAGE = 1000


def entries_of(store: Store) -> Iterator[LogEntry]:
    """Every entry of a store in order, a page at a time: a long log never stands in memory."""
    after = 0
    while page := store.log_entries(after=after, limit=_PAGE):
        yield from page
        after = page[-1].seq


def to_line(entry: LogEntry) -> bytes:
    """One line, without its end. Raises Malformed when the body is not text."""
    try:
        body = entry.body.decode()
    except UnicodeDecodeError as error:
        raise Malformed("is not UTF-8", field=f"entry {entry.seq}.body") from error
    document = {
        "seq": entry.seq,
        "at": entry.at,
        "kind": entry.kind,
        "body": body,
        "prev_hash": f"0x{entry.prev_hash.hex()}",
        "hash": f"0x{entry.hash.hex()}",
    }
    return json.dumps(document, separators=(",", ":")).encode()


def from_line(line: bytes, *, number: int) -> LogEntry:
    """Read a line. Raises Malformed unless it is, byte for byte, what `to_line` writes."""
    field = f"line {number}"
    document = members(read_object(line, limit=LINE_MOST, field=field), _FIELDS, field=field)
    kind, body = document["kind"], document["body"]
    if type(kind) is not str or type(body) is not str:
        raise Malformed("kind and body are text", field=field)
    try:
        content = body.encode()
        entry = LogEntry(
            seq=uint(document["seq"], field=f"{field}.seq"),
            at=uint(document["at"], field=f"{field}.at"),
            kind=kind,
            body=content,
            prev_hash=digest(document["prev_hash"], field=f"{field}.prev_hash"),
            hash=digest(document["hash"], field=f"{field}.hash"),
        )
    except UnicodeEncodeError as error:
        raise Malformed("is not text", field=f"{field}.body") from error
    if to_line(entry) != line:
        raise Malformed("is not spelled as an export spells it", field=field)
    return entry


def read_lines(lines: Iterable[bytes]) -> Iterator[LogEntry]:
    """Every entry of an export. Raises Malformed naming the line."""
    for number, line in enumerate(lines, 1):
        if not line.endswith(b"\n"):
            raise Malformed("the line has no end: the file was cut", field=f"line {number}")
        yield from_line(line[:-1], number=number)
