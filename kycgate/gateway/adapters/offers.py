"""What a described marketplace says its offers hold, as the gate itself learns it.

Believes no caller, and nothing for longer than a minute.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from kycgate.errors import Malformed, Unavailable
from kycgate.gateway.adapters.base import Fetch, Search, decode
from kycgate.gateway.adapters.description import CatalogueSpec
from kycgate.gateway.adapters.expressions import filled, model_of, price_of, whole_of

CATALOGUE_AGE_S = 60
"""Oldest answer on whose word a GPU may count as uncontrolled."""
_RETRY_S = 5
"""After a question that got no answer: a dead upstream is not asked once per rental."""
_ANSWERS_KEPT = 64
MAX_GPUS = 10_000
_WORD = re.compile(r"[\x20-\x7e]{1,128}")


@dataclass(frozen=True, slots=True)
class Offer:
    """What the marketplace says an offer holds; None where it says two things, or none."""

    model: str | None
    count: int | None
    price: Decimal | None

    def as_context(self) -> dict[str, Any]:
        return {"model": self.model, "count": self.count, "price": self.price}


@dataclass(frozen=True, slots=True)
class _Learned:
    """Offers by their ids, and while they are believed."""

    offers: Mapping[str, Offer]
    since: int
    until: int


class Catalogue:
    """Offers as the marketplace itself describes them to the gate, at most a minute old."""

    def __init__(self, spec: CatalogueSpec, fetch: Fetch, search: Search) -> None:
        self._spec, self._fetch, self._search = spec, fetch, search
        self._lock = threading.Lock()
        self._answers: dict[tuple[str, bytes], _Learned] = {}

    def find(self, offer: str, words: Mapping[str, str], now: int) -> Offer | None:
        """None where it is not listed, or nothing can be learned."""
        try:
            words = {**words, "offer": offer}
            path = path_of(self._spec.path, words)
            question = json.dumps(filled(dict(self._spec.question or {}), words))
        except (KeyError, ValueError):
            return None
        key = (path, question.encode() if self._spec.question is not None else b"")
        with self._lock:
            known = self._answers.get(key)
        # A clock set back must not make an old answer young again.
        if known is None or not known.since <= now < known.until:
            known = self._learn(key, now)
            self._keep(key, known)
        return known.offers.get(offer)

    def _learn(self, key: tuple[str, bytes], now: int) -> _Learned:
        path, question = key
        try:
            answer = self._search(path, question) if question else self._fetch(path)
            return _Learned(self._read(answer), now, now + CATALOGUE_AGE_S)
        except (Unavailable, Malformed):
            return _Learned({}, now, now + _RETRY_S)

    def _read(self, answer: bytes) -> dict[str, Offer]:
        offers: dict[str, Offer] = {}
        for row in rows_of(decode(answer, field="answer"), self._spec.rows):
            number = id_text(self._spec.id.value(row))
            if number is not None:
                offers[number] = _merged(offers.get(number), self._offer(row))
        return offers

    def _offer(self, row: Any) -> Offer:
        spec = self._spec
        return Offer(
            model_of(spec.model.value(row)),
            None if spec.count is None else whole_of(spec.count.value(row), least=1, most=MAX_GPUS),
            None if spec.price is None else price_of(spec.price.value(row)),
        )

    def _keep(self, key: tuple[str, bytes], learned: _Learned) -> None:
        with self._lock:
            self._answers.pop(key, None)
            while len(self._answers) >= _ANSWERS_KEPT:
                del self._answers[next(iter(self._answers))]
            self._answers[key] = learned


def _merged(known: Offer | None, other: Offer) -> Offer:
    if known is None:
        return other
    prices = [price for price in (known.price, other.price) if price is not None]
    return Offer(
        known.model if known.model == other.model else None,
        known.count if known.count == other.count else None,
        max(prices, default=None),
    )


def path_of(template: str, words: Mapping[str, str]) -> str:
    return re.sub(r"\{([a-z0-9_]+)\}", lambda found: quote(words[found[1]], safe=""), template)


def rows_of(answer: Any, path: tuple[str, ...]) -> list[Any]:
    for name in path:
        answer = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(answer, list):
        raise Malformed("The answer holds no list.", field="answer")
    return answer


def id_text(value: Any) -> str | None:
    text = str(value) if type(value) is int else value
    return text if isinstance(text, str) and _WORD.fullmatch(text) else None
