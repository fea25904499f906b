"""The languages of the renter's pages: which one a visitor reads, and each sentence in it.

Translates no code of the API and no word a person typed: codes and names pass through unchanged.

A catalogue is a flat JSON object, key to sentence, with `{name}` where a value goes in. All
catalogues hold the same keys and the same placeholders: a test says so, and that each key is used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from kycgate.errors import Malformed

FOLDER: Final = Path(__file__).parent / "locales"
NAMES: Final = {"en": "English", "fr": "Français", "zh-Hans": "简体中文"}
"""BCP 47 tag to the language's own name, in the order they are offered."""
DEFAULT: Final = "en"
_SCRIPT: Final = ("js.", "reason.")
"""Sentences that begin so travel to the page's script, without `js.`."""
_SYSTEM_NEEDS: Final = "need."
_RANGE: Final = re.compile(r"([a-z]{1,8})(?:-[a-z0-9-]{1,40})?(?:\s*;\s*q=([01](?:\.\d{0,3})?))?")
_PLACE: Final = re.compile(r"\{([a-z_]+)\}")
_RANGES: Final = 20
"""Accept-Language is a stranger's text: no more than this much of it is read."""


@dataclass(frozen=True, slots=True)
class Language:
    """One language's sentences."""

    tag: str
    sentences: Mapping[str, str]

    def say(self, key: str, **values: object) -> str:
        """The sentence, values put in as plain text. A key that is not there is a fault of ours."""
        return _PLACE.sub(lambda place: str(values[place[1]]), self.sentences[key])

    def of_code(self, kind: str, code: str) -> str:
        """The sentence for a code of the API (`reason`, `state`, `why`, `way`), or the fallback."""
        return self.sentences.get(f"{kind}.{code}") or self.say(f"{kind}.?", code=code)

    @property
    def for_script(self) -> dict[str, str]:
        """What the page's script may say."""
        return {
            key.removeprefix("js."): sentence
            for key, sentence in self.sentences.items()
            if key.startswith(_SCRIPT)
        }

    def of_need(self, text: str) -> str:
        """What is asked of a renter: the rules' own sentences translated, a person's as typed."""
        return self.sentences.get(_needs().get(text, ""), text)


@cache
def language(tag: str) -> Language:
    """A catalogue by its exact tag."""
    sentences = json.loads((FOLDER / f"{tag}.json").read_text("utf-8"))
    return Language(tag, sentences)


@cache
def _needs() -> Mapping[str, str]:
    english = language(DEFAULT).sentences
    return {text: key for key, text in english.items() if key.startswith(_SYSTEM_NEEDS)}


def chosen(tag: str) -> str:
    """A tag somebody chose. Raises Malformed for one that is not offered."""
    if tag not in NAMES:
        raise Malformed("no such language here", field="lang", remedy="one of " + ", ".join(NAMES))
    return tag


def preferred(cookie: str | None, accept: str | None) -> str:
    """The visitor's earlier choice, else the best of Accept-Language (RFC 4647 lookup), else
    English.
    """
    if cookie in NAMES:
        return str(cookie)
    offered = {tag.split("-")[0]: tag for tag in NAMES}
    best, quality = DEFAULT, 0.0
    for wanted in (accept or "").lower().split(",")[:_RANGES]:
        read = _RANGE.fullmatch(wanted.strip())
        if read is None or read[1] not in offered:
            continue
        weight = 1.0 if read[2] is None else float(read[2])
        if weight > quality:
            best, quality = offered[read[1]], weight
    return best
