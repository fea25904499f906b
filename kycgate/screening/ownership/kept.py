"""A register read once and kept in one file, from which it is recalled in an instant.

Parses no publisher's format and decides nothing. The file is private to this program: one that is
damaged, cut short or of another format is as good as none, and is made again from its sources.

    magic · length of head (8 bytes, little-endian) · head (JSON) · sections, each on an 8th byte
"""

from __future__ import annotations

import json
import mmap
import os
import sys
import tempfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kycgate.core.wire import require_shallow
from kycgate.errors import Malformed, Unavailable

if TYPE_CHECKING:
    from kycgate.screening.ownership.leis import Buffer

FORMAT = 1
_MAGIC = b"KYCGATE\x00REGISTER"
_HEAD_MOST = 16 << 20
_DAMAGED = (OSError, ValueError, LookupError, TypeError, Malformed)


@dataclass(frozen=True, slots=True)
class Kept:
    """One file recalled. `columns` are views into the mapped file, `head` what `save` was given."""

    path: Path
    head: Mapping[str, Any]
    columns: Mapping[str, memoryview]
    size: int


def save(path: Path, head: Mapping[str, Any], columns: Mapping[str, tuple[str, Buffer]]) -> None:
    """The whole file or none of it, also when the power goes. Raises OSError."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".new-", delete=False) as file:
        try:
            sections, at, check = list[list[Any]](), 0, 0
            for name, (code, buffer) in columns.items():
                view = memoryview(buffer).cast("B")
                sections.append([name, code, at, len(view)])
                at += len(view) + -len(view) % 8
                check = zlib.crc32(bytes(-len(view) % 8), zlib.crc32(view, check))
            facts = {
                **head,
                "format": FORMAT,
                "byteorder": sys.byteorder,
                "sections": sections,
                "check": check,
                "length": at,
            }
            text = json.dumps(facts, separators=(",", ":"), sort_keys=True).encode()
            text += b" " * (-(len(_MAGIC) + 8 + len(text)) % 8)
            file.write(_MAGIC + len(text).to_bytes(8, "little") + text)
            for _, buffer in columns.values():
                view = memoryview(buffer).cast("B")
                file.write(view)
                file.write(bytes(-len(view) % 8))
            file.flush()
            os.chmod(file.name, 0o644)  # public data; the gate may be another user
            os.fsync(file.fileno())
            os.replace(file.name, path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def head_of(path: Path) -> Mapping[str, Any] | None:
    """What the file says of itself, the rest unread; None where there is none to be read."""
    try:
        with path.open("rb") as file:
            return _head(file.read(len(_MAGIC) + 8), file.read)[0]
    except _DAMAGED:
        return None


def recall(path: Path) -> Kept:
    """The file, mapped. Raises Unavailable where it is missing, damaged or of another format."""
    try:
        with path.open("rb") as file:
            head, begins = _head(file.read(len(_MAGIC) + 8), file.read)
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError as e:
        raise Unavailable(f"there is no register kept at {path}") from e
    except _DAMAGED as e:
        raise Unavailable(f"the register kept at {path} is damaged: {e}") from e
    whole = memoryview(mapped)
    body = whole[begins:]
    if len(body) != head["length"] or zlib.crc32(body) != head["check"]:
        raise Unavailable(f"the register kept at {path} is damaged: it is not what was written")
    columns = {name: body[at : at + size].cast(code) for name, code, at, size in head["sections"]}
    return Kept(path, head, columns, len(whole))


def _head(start: bytes, read: Any) -> tuple[dict[str, Any], int]:
    """The head, and where the sections begin. Raises ValueError, LookupError, TypeError."""
    if start[: len(_MAGIC)] != _MAGIC or len(start) != len(_MAGIC) + 8:
        raise ValueError("it is no register")
    length = int.from_bytes(start[len(_MAGIC) :], "little")
    if length > _HEAD_MOST:
        raise ValueError("its head is longer than any")
    text = read(length)
    require_shallow(text, field="register")
    head = json.loads(text)
    if head["format"] != FORMAT or head["byteorder"] != sys.byteorder:
        raise ValueError("it was written by another version or machine")
    return head, len(start) + length
