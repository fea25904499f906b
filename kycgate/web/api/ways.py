"""Which ways to prove identity this operator offers.

Starts none of them.
"""

from __future__ import annotations

from typing import Any

from kycgate.web.access import session_holder
from kycgate.web.parts import Way, WebParts
from kycgate.web.wire import Answer, Call, read_query


def list_ways(parts: WebParts, call: Call) -> Answer:
    """GET /v1/ways: the strongest first, among equals the quickest."""
    session_holder(parts, call)
    read_query(call, ())
    return Answer(200, {"ways": [_shown(way) for way in offered(parts)]})


def offered(parts: WebParts) -> list[Way]:
    """Every way of every room."""
    found = [way for ask in parts.ways for way in ask()]
    return sorted(found, key=lambda way: (-way.level, way.minutes, way.id))


def _shown(way: Way) -> dict[str, Any]:
    return {
        "id": way.id,
        "means": str(way.means),
        "level": int(way.level),
        "minutes": way.minutes,
        "live": way.live,
        "title": way.title,
    }
