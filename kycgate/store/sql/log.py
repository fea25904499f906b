"""The decision log's rows: none changed, none removed. The chain itself is made in `audit`."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import bindparam

from kycgate.store.records.log import LOG_GENESIS, LogEntry
from kycgate.store.sql.database import Prepared
from kycgate.store.sql.part import Part
from kycgate.store.sql.rows import pick, values
from kycgate.store.tables.log import log

_HEAD = Prepared(pick(LogEntry, log).order_by(log.c.seq.desc()).limit(1))
_ENTRIES = Prepared(
    pick(LogEntry, log)
    .where(log.c.seq > bindparam("after"))
    .order_by(log.c.seq)
    .limit(bindparam("count"))
)


class Log(Part):
    """Append, read, nothing else. The migration's triggers refuse UPDATE and DELETE."""

    def append_log(self, build: Callable[[int, bytes], LogEntry]) -> LogEntry:
        with self._db.write(lock="kycgate decision log") as connection:
            last = self.log_head()
            seq, prev_hash = (last.seq + 1, last.hash) if last else (1, LOG_GENESIS)
            entry = build(seq, prev_hash)
            if (entry.seq, entry.prev_hash) != (seq, prev_hash):
                raise ValueError("the entry built does not continue the log")
            connection.execute(log.insert().values(values(entry)))
        return entry

    def log_entries(self, *, after: int = 0, limit: int = 1000) -> list[LogEntry]:
        return [LogEntry(*row) for row in self._db.hot(_ENTRIES, after=after, count=limit)]

    def log_head(self) -> LogEntry | None:
        rows = self._db.hot(_HEAD)
        return LogEntry(*rows[0]) if rows else None
