"""The data that ships with the package, as text and rows; draws nothing from it."""

from __future__ import annotations

import csv
from importlib.resources import files


def text(name: str) -> str:
    """A file of `screening/data`, by its name there."""
    return files("kycgate.screening").joinpath("data", *name.split("/")).read_text("utf-8")


def rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text(name).splitlines()))
