"""Small lists that a test writes: parties as FollowTheMoney lines, wallets a line each."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from kycgate.screening.intake import Intake, Taken
from kycgate.screening.library import Library

NAMES, WALLETS = "opensanctions", "wallets"


def party(number: int, name: str, *, schema: str = "Person", **more: Any) -> dict[str, Any]:
    """A listed party."""
    properties = {"name": [name], "topics": ["sanction"]}
    properties |= {key: [value] for key, value in more.items()}
    return {"id": f"T-{number}", "schema": schema, "properties": properties, "datasets": ["test"]}


def publish(library: Library, *parties: dict[str, Any], now: int) -> Taken:
    """Put a list of these parties in force."""
    path = library.directory / "entities.ftm.json"
    path.write_text("".join(json.dumps(each) + "\n" for each in parties))
    return Intake(library).take_file(NAMES, path, now=now, as_of=now)


def publish_wallets(library: Library, *addresses: str, now: int) -> Taken:
    """Put a list of these wallets in force."""
    path = library.directory / "wallets.txt"
    path.write_text("\n".join(addresses) + "\n")
    return Intake(library).take_file(WALLETS, path, now=now, as_of=now)


def copied(template: Path, to: Path, *, now: int) -> Library:
    """A library of its own that begins with the shipped lists."""
    shutil.copytree(template, to)
    return Library(to, now=now)
