"""The form that every vector has."""

from __future__ import annotations

from typing import Any

from tests.core import world

Vector = dict[str, Any]


def text(content: bytes) -> str:
    return "0x" + content.hex()


def verdict(reason: str | None) -> dict[str, Any]:
    return {"expected": "valid" if reason is None else "invalid", "reason": reason}


def vector(name: str, given: Any, reason: str | None, context: Any, now: int = world.NOW) -> Vector:
    return {
        "name": name,
        "input": given,
        "now": now,
        "context": context,
        **verdict(reason),
    }
