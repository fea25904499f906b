"""A process that appends to a decision log and says each number once it is durable.

Run as `python -m tests.store.writer URL COUNT`. It says `ready` first and opens the store when it
reads a line, so that two can be started together.
"""

from __future__ import annotations

import sys

from kycgate.audit import DecisionLog
from kycgate.store import open_store
from tests.store.samples import NOW


def main(url: str, count: int) -> None:
    """Append `count` entries; each printed number has been promised."""
    print("ready", flush=True)
    sys.stdin.readline()
    store = open_store(url)
    log = DecisionLog(store, None)
    for number in range(count):
        entry = log.append("test", {"count": number}, now=NOW + number % 3)
        print(entry.seq, flush=True)
    store.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
