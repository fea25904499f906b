"""The lists in force where a command is run, and a matcher over them.

Screens nobody: the commands do.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from kycgate.core.claims import Kind
from kycgate.errors import Malformed
from kycgate.screening.entries import ListData

if TYPE_CHECKING:
    from kycgate.screening.matching.matcher import Matcher

KINDS = {"person": Kind.PERSON, "organisation": Kind.ORGANISATION, "any": None}
"""Kinds of party as commands name them."""


def load_matcher(directory: str | None) -> Matcher:
    """A matcher over the lists that are in force now."""
    from kycgate.screening.matching.matcher import Matcher

    return Matcher(load_data(directory))


def load_data(directory: str | None) -> tuple[ListData, ...]:
    """The lists in force now: of the directory, else of `./kycgate-lists`, else the shipped."""
    from kycgate.screening.library import Library
    from kycgate.screening.sources.shipped import shipped

    path = Path(directory or "kycgate-lists")
    if not path.is_dir():
        if directory:
            raise Malformed(f"there are no lists in {path}", field="--dir")
        return shipped()
    now = int(time.time())
    return Library(path, now=now).load(now)
