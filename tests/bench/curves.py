"""Draws how precision and recall trade against each other: `docs/screening.svg` and its figures.

    python -m tests.bench.curves

Left: labelled name pairs and aliases of listed parties, ours beside logic-v2 (needs the peer's
environment, see `tests.bench.screening`). Right: listed persons with one typo found, against
strangers hit, for each review threshold. Draws the SVG itself: a plot needs no plotting library.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from dataclasses import dataclass

from kycgate.core.claims import Kind
from kycgate.screening.matching.bands import Thresholds
from kycgate.screening.matching.matcher import Matcher, Query
from tests.bench import screening
from tests.tools import REPO

OUT = REPO / "docs" / "screening.svg"
FIGURES = REPO / "docs" / "screening.csv"
THRESHOLDS = [step / 100 for step in range(50, 100, 2)]
_WIDE, _HIGH, _EDGE, _GAP = 330, 250, 46, 70
_COLOURS = ("#1f5fbf", "#8fb3e6", "#b3541e", "#e5b48f")


@dataclass(frozen=True, slots=True)
class Curve:
    """Points (threshold, x, y) in the order of thresholds; x and y from 0 to 1."""

    name: str
    points: tuple[tuple[float, float, float], ...]


def pair_curves() -> list[Curve]:
    """Recall and precision of ours and the peer's."""
    cases = screening.labelled()
    places = screening.aliases()
    peer = screening.ask_peer([*cases, *places], [])
    ours = screening.our_scores([*cases, *places])
    found = []
    for who, scores in (("kycgate", ours), ("logic-v2", peer["pairs"] if peer else None)):
        if scores is not None:
            found.append(_pair_curve(f"{who}, labelled pairs", cases, scores[: len(cases)]))
            found.append(_pair_curve(f"{who}, list aliases", places, scores[len(cases) :]))
    return found


def _pair_curve(name: str, cases: Sequence[screening.Labelled], scores: Sequence[float]) -> Curve:
    truth = [case.match for case in cases]
    points = []
    for threshold in THRESHOLDS:
        precision, recall = screening.precision_recall(scores, truth, threshold)
        points.append((threshold, recall, precision))
    return Curve(name, tuple(points))


def screening_curve() -> Curve:
    """Share of strangers hit (x) and of listed persons with a typo found (y)."""
    engine = Matcher(screening.lists(), thresholds=Thresholds(review=THRESHOLDS[0]))
    rng = random.Random(screening.SEED)
    listed = _best(engine, [screening.one_typo(name, rng) for name in screening.positives()])
    strangers = _best(engine, screening.negatives())
    return Curve(
        "by review threshold",
        tuple(
            (threshold, _share(strangers, threshold), _share(listed, threshold))
            for threshold in THRESHOLDS
        ),
    )


def _best(engine: Matcher, names: Sequence[str]) -> list[float]:
    answers = [engine.screen(Query(name, Kind.PERSON)) for name in names]
    return [max((hit.score for hit in answer.hits), default=0.0) for answer in answers]


def _share(scores: Sequence[float], threshold: float) -> float:
    return sum(score >= threshold for score in scores) / len(scores)


# -- drawing ---------------------------------------------------------------------------------------


def draw(pairs: Sequence[Curve], screened: Curve) -> str:
    """Both panels as one SVG."""
    width, height = 2 * (_WIDE + _GAP) + _EDGE, _HIGH + 2 * _EDGE + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        *_panel(_EDGE, "recall", "precision", 1.0, 0.4, pairs, "name pairs, threshold .50 to .98"),
        *_panel(
            _EDGE + _WIDE + _GAP, "strangers hit", "listed persons with a typo found",
            0.10, 0.8, [screened], "screening all US lists + UN, name only",
        ),
        "</svg>",
    ]  # fmt: skip
    return "\n".join(parts) + "\n"


def _panel(
    left: float,
    across: str,
    up: str,
    most: float,
    least: float,
    curves: Sequence[Curve],
    title: str,
) -> list[str]:
    def place(x: float, y: float) -> tuple[float, float]:
        return left + min(x, most) / most * _WIDE, _EDGE + (1 - y) / (1 - least) * _HIGH

    parts = [
        f'<text x="{left}" y="{_EDGE - 14}" font-weight="bold">{title}</text>',
        f'<rect x="{left}" y="{_EDGE}" width="{_WIDE}" height="{_HIGH}" '
        'fill="none" stroke="#999"/>',
        f'<text x="{left + _WIDE / 2}" y="{_EDGE + _HIGH + 34}" '
        f'text-anchor="middle">{across}</text>',
        f'<text transform="translate({left - 32},{_EDGE + _HIGH / 2}) rotate(-90)" '
        f'text-anchor="middle">{up}</text>',
    ]
    for step in range(6):
        x, y = most * step / 5, least + (1 - least) * step / 5
        px, py = place(x, y)
        parts.append(
            f'<text x="{px:.0f}" y="{_EDGE + _HIGH + 16}" text-anchor="middle">{x:.2g}</text>'
            f'<text x="{left - 6}" y="{py + 4:.0f}" text-anchor="end">{y:.2g}</text>'
            f'<path d="M{left} {py:.1f}h{_WIDE}" stroke="#eee"/>'
        )
    for number, curve in enumerate(curves):
        parts += _line(curve, _COLOURS[number], place, least)
        parts.append(
            f'<text x="{left + 10}" y="{_EDGE + _HIGH - 12 - 15 * number}" '
            f'fill="{_COLOURS[number]}">{curve.name}</text>'
        )
    return parts


def _line(curve: Curve, colour: str, place: object, least: float) -> list[str]:
    assert callable(place)
    kept = [(threshold, *place(x, y)) for threshold, x, y in curve.points if y >= least]
    path = " ".join(f"{x:.1f},{y:.1f}" for _, x, y in kept)
    marks = [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'
        for threshold, x, y in kept
        if threshold == screening.THRESHOLD
    ]
    return [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>', *marks]


def main() -> None:
    """Measure, write the figures and draw them."""
    pairs, screened = pair_curves(), screening_curve()
    with FIGURES.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["curve", "threshold", "x", "y"])
        for curve in [*pairs, screened]:
            writer.writerows(
                [curve.name, threshold, round(x, 4), round(y, 4)]
                for threshold, x, y in curve.points
            )
    OUT.write_text(draw(pairs, screened), "utf-8")


if __name__ == "__main__":
    main()
