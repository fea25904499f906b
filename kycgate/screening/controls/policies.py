"""The policies and rule books that ship with the package.

Reads no file of an operator: callers bring its text.
"""

from __future__ import annotations

from functools import cache

from kycgate.core.policy import Policy
from kycgate.screening.controls import tables
from kycgate.screening.controls.countries import load_countries

RULE_BOOKS = ("embargoes", "export-controls", "ownership")
"""What a policy may `include`: `data/rules/<name>.toml`."""


@cache
def load_default_policy() -> Policy:
    """The policy a gate starts with (`default_policy.toml`, DESIGN 3)."""
    return read_policy(tables.text("default_policy.toml"), source="default_policy.toml")


@cache
def load_standard_policy() -> Policy:
    """Every rule book, and what the default asks beyond them (`standard_policy.toml`)."""
    return read_policy(tables.text("standard_policy.toml"), source="standard_policy.toml")


def read_policy(text: str, *, source: str) -> Policy:
    """An operator's file, which may include the rule books. Raises Misconfigured."""
    return Policy.from_toml(text, countries=load_countries(), source=source, books=rule_books())


@cache
def rule_books() -> dict[str, str]:
    """Name → text of each rule book."""
    return {name: tables.text(f"rules/{name}.toml") for name in RULE_BOOKS}
