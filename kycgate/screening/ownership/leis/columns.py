"""Flat arrays as the columns of a register: texts of one width, numbers, days.

Knows nothing of companies. Whatever is looked for in ascending order is found by bisection.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, overload

LEI_LENGTH = 20

if TYPE_CHECKING:  # at run time an array has no parameters
    Buffer = bytes | bytearray | memoryview | array[int]
    Numbers = memoryview | array[int]
else:
    Buffer = bytes | bytearray | memoryview | array
    Numbers = memoryview | array


class Column(Sequence[bytes]):
    """Texts of one width, end to end."""

    __slots__ = ("_blob", "_width")

    def __init__(self, blob: bytes | bytearray | memoryview, width: int = LEI_LENGTH) -> None:
        self._blob, self._width = blob, width

    def __len__(self) -> int:
        return len(self._blob) // self._width

    @overload
    def __getitem__(self, at: int) -> bytes: ...
    @overload
    def __getitem__(self, at: slice) -> list[bytes]: ...
    def __getitem__(self, at: int | slice) -> bytes | list[bytes]:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        found = self._blob[at * self._width : (at + 1) * self._width]
        if not found:
            raise IndexError(at)
        return bytes(found)

    @property
    def blob(self) -> Buffer:
        """All of them as they lie."""
        return self._blob

    def near(self, value: bytes, at: int) -> int:
        """Its place or the one it would take, looked for first just behind `at`."""
        for place in range(at, min(at + 8, len(self))):
            if self[place] >= value:
                return place if not place or self[place - 1] < value else bisect_left(self, value)
        return bisect_left(self, value)

    def find(self, value: bytes) -> int:
        """Its place in ascending order, -1 where it isn't."""
        at = bisect_left(self, value)
        return at if at < len(self) and self[at] == value else -1


def is_lei(text: str) -> bool:
    """Twenty capital letters and digits; the check digits are the publisher's business."""
    return len(text) == LEI_LENGTH and text.isascii() and text.isalnum() and text == text.upper()


def in_bytes(text: str) -> bytes:
    """A text as a column holds it; what was never in one is in none."""
    return text.encode("utf-8", "replace")


def ordinal(day: date | None) -> int:
    return day.toordinal() if day else 0


def day_of(number: int) -> date | None:
    return date.fromordinal(number) if number else None
