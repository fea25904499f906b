"""A screening as JSON: what commands print and decisions keep.

Leaves nothing out that the answer stands on: engine, list versions, thresholds, every word.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kycgate.screening.matching.align import Pairing
from kycgate.screening.matching.matcher import Match, Screening


def screening_document(screening: Screening) -> dict[str, Any]:
    """`band`, `hits`, `lists`, `engine`, `thresholds`."""
    limits = screening.thresholds
    return {
        "band": str(screening.band),
        "hits": [_hit(hit) for hit in screening.hits],
        "lists": [
            {"name": each.name, "version": each.version, "as_of": each.as_of}
            for each in screening.lists
        ],
        "engine": screening.engine,
        "thresholds": {"review": limits.review, "block": limits.block},
    }


def explanation(pairings: Sequence[Pairing]) -> list[dict[str, Any]]:
    """Word by word: what was asked, what is listed, how they stand to each other."""
    return [
        {
            "asked": " ".join(each.asked),
            "listed": " ".join(each.listed),
            "how": each.how,
            "similarity": round(each.similarity, 3),
            "weight": round(each.weight, 3),
        }
        for each in pairings
    ]


def _hit(hit: Match) -> dict[str, Any]:
    return {
        "list": hit.list,
        "list_version": hit.list_version,
        "entry_id": hit.entry_id,
        "name": hit.name,
        "score": hit.score,
        "band": str(hit.band),
        "by": hit.by,
        "matched": hit.matched,
        "explanation": explanation(hit.explanation),
        "attributes": [
            {
                "name": each.name,
                "agreement": str(each.agreement),
                "asked": each.asked,
                "listed": each.listed,
                "effect": each.effect,
            }
            for each in hit.attributes
        ],
    }
