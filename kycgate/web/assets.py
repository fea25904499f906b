"""Where the pages' own style, script and pictures are: an address that changes with their content.

Serves nothing itself. One version names the whole folder, so that scripts can import one another by
relative address and still be kept by the browser for good.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "static"
LASTING: Final = "public, max-age=31536000, immutable"


@cache
def base() -> str:
    """`/static/<version>`: the first 12 hex digits of a hash over every file's name and bytes."""
    digest = hashlib.sha256()
    for path in sorted(FOLDER.iterdir()):
        digest.update(hashlib.sha256(path.name.encode("utf-8")).digest())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return f"/static/{digest.hexdigest()[:12]}"


def asset(name: str) -> str:
    """The address of a file of the folder."""
    return f"{base()}/{name}"
