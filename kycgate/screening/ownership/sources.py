"""Where a register comes from: GLEIF's files or declared ownership, read once and then recalled.

Answers no question about owners. A source that can't be read, or has lost half of what it held,
leaves what was kept before in its place.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Literal

from kycgate.core.wire import require_shallow
from kycgate.errors import KycgateError, Malformed, Unavailable
from kycgate.screening.ownership import rows
from kycgate.screening.ownership.bods import read_bods
from kycgate.screening.ownership.declared import register_of
from kycgate.screening.ownership.gleif import read_directory
from kycgate.screening.ownership.kept import Kept, head_of, recall, save
from kycgate.screening.ownership.leis import LeiRegister
from kycgate.screening.ownership.register import MemoryRegister

if TYPE_CHECKING:
    from kycgate.screening.ownership.leis import Buffer

CountryOf = Callable[[str], int]
Print = list[list[Any]]
"""Name, bytes and time of change (nanoseconds) of each file: tells that one has changed."""

SHRUNK_BELOW: Final = 0.5
"""A register with less than this part of what was kept before is taken for a broken download."""
_CHUNK: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class Source:
    """`files`: one directory of GLEIF files, or declared statements file by file.

    `kept`: where the register read from them is kept.
    """

    kind: Literal["gleif", "bods"]
    files: tuple[Path, ...]
    kept: Path

    @property
    def failure_file(self) -> Path:
        return self.kept.with_name(self.kept.name + ".failed.json")

    def print(self) -> Print:
        """What is there now. Raises Malformed."""
        try:
            if self.kind == "gleif":
                found = [each for each in self.files[0].iterdir() if _counts(each)]
            else:
                found = list(self.files)
            seen = [(each.name, each.stat()) for each in sorted(found)]
        except OSError as e:
            field = f"--{self.kind}"
            raise Malformed(f"can't be read: {e.strerror}: {e.filename}", field=field) from e
        return [[name, stat.st_size, stat.st_mtime_ns] for name, stat in seen]


@dataclass(frozen=True, slots=True)
class Read:
    """A register as its files have it today. `version` is a digest of their contents."""

    register: LeiRegister | MemoryRegister
    counts: dict[str, int]
    notes: tuple[str, ...]
    """what was left out"""
    version: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A register in use, and what it was made of. `version` is a digest of its files' contents."""

    source: Source
    register: LeiRegister | MemoryRegister
    print: Print
    version: str
    made_at: int
    counts: dict[str, int]
    notes: tuple[str, ...]
    size: int
    """bytes of the file it is kept in, 0 where it is kept in memory alone"""


def _counts(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and ".register" not in path.suffixes


def opened(source: Source) -> Opened | None:
    """What is kept of the source, if it is of the files there are now; None where it is not."""
    head = head_of(source.kept)
    if head is None or head.get("kind") != source.kind or head.get("print") != source.print():
        return None
    with suppress(Unavailable):
        return last_good(source)
    return None


def last_good(source: Source) -> Opened:
    """What is kept of the source, whatever has become of its files. Raises Unavailable."""
    kept = recall(source.kept)
    try:
        return _opened(source, kept)
    except (LookupError, TypeError, ValueError, Malformed) as e:
        raise Unavailable(f"the register kept at {source.kept} is damaged: {e}") from e


def build(
    source: Source, *, country_of: CountryOf, now: int, accept_shrunk: bool = False
) -> Opened:
    """Read the files and keep what they say; one process at a time, the others find it done.

    Raises Malformed naming file and record, Unavailable where it can't be kept. What was kept
    before then stays.
    """
    with _turn(source):
        found = opened(source)
        if found is not None:
            return found
        before = head_of(source.kept)
        print_ = source.print()
        now_read = read(source, country_of=country_of)
        if print_ != source.print():
            raise Unavailable("the ownership data changed while it was read: read it again")
        if before is not None and not accept_shrunk:
            _require_whole(now_read.counts, before["counts"])
        _keep(source, now_read, print_, now)
    return last_good(source)


def read(source: Source, *, country_of: CountryOf) -> Read:
    """What the files say; nothing is kept."""
    if source.kind == "gleif":
        leis, reader = read_directory(source.files[0], country_of=country_of)
        version = _version(reader.digests)
        return Read(leis, dict(reader.counts), tuple(reader.notes), version)
    digests = dict[str, str]()
    statements = (
        statement
        for path in source.files
        for statement in read_bods(_chunks(path, digests), field=str(path))
    )
    declared = register_of(statements, country_of=country_of)
    counts = {"parties": len(declared), "stakes": sum(1 for _ in declared.held)}
    return Read(declared, counts, (), _version(digests))


def why(error: KycgateError) -> str:
    """What went wrong, and where."""
    return f"{error.field}: {error.message}" if isinstance(error, Malformed) else error.message


def note_failure(source: Source, error: KycgateError, *, now: int) -> None:
    """Write down what went wrong, for `status`; the next success takes it away."""
    with suppress(OSError):
        text = json.dumps({"at": now, "message": why(error)[:500]})
        source.failure_file.write_text(text, encoding="utf-8")


def failure(source: Source) -> dict[str, Any] | None:
    """The last thing that went wrong since the last success."""
    try:
        text = source.failure_file.read_bytes()[:8_192]
        require_shallow(text, field="register")
        found = json.loads(text)
    except (OSError, ValueError, Malformed):
        return None
    known = isinstance(found, dict) and isinstance(found.get("message"), str)
    return {"at": found.get("at"), "message": found["message"]} if known else None


def _keep(source: Source, found: Read, print_: Print, now: int) -> None:
    head = {
        "kind": source.kind,
        "print": print_,
        "counts": found.counts,
        "notes": list(found.notes),
        "version": found.version,
        "made_at": now,
    }
    columns: dict[str, tuple[str, Buffer]]
    register = found.register
    if isinstance(register, LeiRegister):
        columns = register.columns()
        columns["facts"] = ("B", json.dumps(register.facts()).encode())
    else:
        columns = {"rows": ("B", b"".join(rows.to_lines(register)))}
    try:
        save(source.kept, head, columns)
        source.failure_file.unlink(missing_ok=True)
    except OSError as e:
        raise Unavailable(f"the register can't be kept at {source.kept}: {e}") from e


def _opened(source: Source, kept: Kept) -> Opened:
    head = kept.head
    register: LeiRegister | MemoryRegister
    if source.kind == "gleif":
        text = bytes(kept.columns["facts"])
        require_shallow(text, field="register")
        facts = json.loads(text)
        register = LeiRegister.recalled(kept.columns, facts)
    else:
        register = rows.from_lines(bytes(kept.columns["rows"]))
    return Opened(
        source,
        register,
        head["print"],
        head["version"],
        head["made_at"],
        dict(head["counts"]),
        tuple(head["notes"]),
        kept.size,
    )


def _require_whole(counts: dict[str, int], before: dict[str, int]) -> None:
    for what, had in before.items():
        if counts.get(what, 0) < had * SHRUNK_BELOW:
            raise Malformed(
                f"{counts.get(what, 0)} {what} where there were {had}: taken for a broken download",
                field="ownership",
                remedy="look at the files; `kycgate ownership load --accept-shrunk` takes them",
            )


def _version(digests: dict[str, str]) -> str:
    text = json.dumps(sorted(digests.items())).encode()
    return hashlib.sha256(text).hexdigest()[:12]


def _chunks(path: Path, digests: dict[str, str]) -> Iterator[bytes]:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                yield chunk
    except OSError as e:
        raise Malformed(f"{path} can't be read: {e.strerror}", field="--bods") from e
    digests[path.name] = digest.hexdigest()


@contextmanager
def _turn(source: Source) -> Iterator[None]:
    """One at a time on this machine builds the file; the next finds it built."""
    try:
        source.kept.parent.mkdir(parents=True, exist_ok=True)
        with source.kept.with_name(source.kept.name + ".lock").open("a+b") as lock:
            _lock(lock)
            yield
    except OSError as e:
        raise Unavailable(f"the register can't be kept at {source.kept}: {e}") from e


if sys.platform == "win32":

    def _lock(file: IO[bytes]) -> None:
        import msvcrt

        while True:
            try:
                return msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
            except OSError:
                time.sleep(1)
else:

    def _lock(file: IO[bytes]) -> None:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)
