"""The vectors' generator and the two judges. The files themselves ship: `kycgate/vectors/`."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

FOLDER = Path(str(files("kycgate") / "vectors"))


def load(name: str) -> Any:
    """One file of vectors."""
    return json.loads((FOLDER / name).read_text("utf-8"))
