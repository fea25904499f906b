"""The peer: nomenklatura's logic-v2, run by the Python of its own environment, not by ours.

Reads JSON on stdin: `pairs` [[name, name, schema]…] and `searches` [[name, schema, [[name,
schema]…]]…]; answers the scores of the pairs, the best score of each search, and milliseconds.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any


def main() -> None:
    """Score what stands on stdin."""
    from followthemoney import EntityProxy, model  # type: ignore[import-not-found]
    from nomenklatura.matching import get_algorithm  # type: ignore[import-not-found]
    from nomenklatura.matching.types import ScoringConfig  # type: ignore[import-not-found]

    algorithm = get_algorithm("logic-v2")
    config = ScoringConfig.defaults()

    def party(name: str, schema: str) -> Any:
        return EntityProxy(model.get(schema), {"id": name, "properties": {"name": [name]}})

    def score(one: Any, other: Any) -> float:
        return float(algorithm.compare(one, other, config).score)

    work = json.load(sys.stdin)
    # Its tables load with the first comparison.
    score(party("Jane Doe", "Person"), party("John Doe", "Person"))
    pairs = [score(party(a, schema), party(b, schema)) for a, b, schema in work["pairs"]]
    best, times = [], []
    for name, schema, candidates in work["searches"]:
        asked = party(name, schema)
        listed = [party(each, kind) for each, kind in candidates]
        started = time.perf_counter()
        best.append(max((score(asked, each) for each in listed), default=0.0))
        times.append((time.perf_counter() - started) * 1000)
    json.dump({"pairs": pairs, "best": best, "ms": times}, sys.stdout)


if __name__ == "__main__":
    main()
