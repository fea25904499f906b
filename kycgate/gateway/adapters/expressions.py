"""JMESPath expressions of a described marketplace: bounded when read, typed when evaluated.

Converts nothing: a value of another type than the one that is needed is no value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from kycgate.errors import Malformed

MOST_CHARACTERS = 200
MOST_PARTS = 40
_FUNCTIONS = frozenset({"length", "not_null"})
"""The rest sort, group or convert: the first costs time, the last turns "8" into 8."""
_PLAIN = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,126}[\x21-\x7e])?")


@dataclass(frozen=True, slots=True)
class Expression:
    """One expression. Equal texts are equal."""

    text: str
    _compiled: Any = field(compare=False, repr=False)

    @classmethod
    def read(cls, text: str) -> Expression:
        """Raises Malformed saying what is wrong with `text`."""
        if len(text) > MOST_CHARACTERS:
            raise Malformed(f"is longer than {MOST_CHARACTERS} characters", field="expression")
        try:
            compiled = jmespath.compile(text)
        except (JMESPathError, ValueError, RecursionError) as error:
            raise Malformed(f"is not JMESPath: {error}", field="expression") from error
        parts = _parts(compiled.parsed)
        if len(parts) > MOST_PARTS:
            raise Malformed(f"has more than {MOST_PARTS} parts", field="expression")
        for part in parts:
            if part["type"] == "function_expression" and part["value"] not in _FUNCTIONS:
                raise Malformed(
                    f"calls {part['value']}: only {', '.join(sorted(_FUNCTIONS))} may be called",
                    field="expression",
                )
        return cls(text, compiled)

    def value(self, context: Any) -> Any:
        """What it finds; None where there is nothing, or nothing it could be asked of."""
        try:
            return self._compiled.search(context)
        except (JMESPathError, TypeError, ValueError, ArithmeticError):
            return None


def _parts(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    waiting = [node]
    while waiting:
        part = waiting.pop()
        found.append(part)
        waiting += part["children"]
    return found


def model_of(value: Any) -> str | None:
    """A GPU's name, or the one name that all of a list have."""
    if isinstance(value, list) and value:
        names = {model_of(item) if isinstance(item, str) else None for item in value}
        return names.pop() if len(names) == 1 else None
    return value if isinstance(value, str) and _PLAIN.fullmatch(value) else None


def whole_of(value: Any, *, least: int, most: int) -> int | None:
    return value if type(value) is int and least <= value <= most else None


def price_of(value: Any) -> Decimal | None:
    """Dollars."""
    if type(value) is int:
        value = Decimal(value)
    return value if isinstance(value, Decimal) and 0 <= value < 1_000_000 else None


def filled(template: Any, words: Mapping[str, str]) -> Any:
    """A JSON value in which every text that is just `{word}` is the word's text.

    `{word:number}` gives the number the text is written as. Nothing inside a longer text is
    replaced, so that no word can write JSON of its own.
    """
    if isinstance(template, dict):
        return {name: filled(item, words) for name, item in template.items()}
    if isinstance(template, list):
        return [filled(item, words) for item in template]
    if isinstance(template, str) and template[:1] == "{" and template[-1:] == "}":
        word, _, form = template[1:-1].partition(":")
        return int(words[word]) if form == "number" else words[word]
    return template


def placeholders(template: Any) -> frozenset[str]:
    """What `filled` would replace, as it is written between the braces."""
    if isinstance(template, dict):
        return frozenset().union(*map(placeholders, template.values()))
    if isinstance(template, list):
        return frozenset().union(*map(placeholders, template))
    if isinstance(template, str) and template[:1] == "{" and template[-1:] == "}":
        return frozenset({template[1:-1]})
    return frozenset()
