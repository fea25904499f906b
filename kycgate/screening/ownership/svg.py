"""Draws who stands above a company, for people: owners on top, shares and dates on the arrows.

Decides nothing; everything in the picture is also text, so that no colour has to be seen.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from xml.sax.saxutils import escape

from kycgate.screening.ownership.cycles import components
from kycgate.screening.ownership.graph import Explanation
from kycgate.screening.ownership.headquarters import Parent
from kycgate.screening.ownership.parties import Control, PartyKind
from kycgate.screening.ownership.snapshot import Holding

BOXES_MOST = 40
"""More parties than that don't fit a page; the ones the answers rest on come first."""

_BOX, _GAP, _TALL, _LEVEL, _EDGE, _LANE = 230, 40, 92, 210, 24, 190
_LINE = 27
"""Units of width in a line of a box: one for a small Latin letter, two for a Chinese one."""

_ORDINARY = (PartyKind.ENTITY, PartyKind.UNSTATED)
_WORD_START = re.compile(r"(?<=[a-z])(?=[A-Z])")
_COLOURS = {"clear": "#1a7f37", "unknown": "#9a6700", "restricted": "#bc4c00", "blocked": "#b42318"}

_MARKER = (
    '<defs><marker id="a" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8"'
    ' markerHeight="8" orient="auto-start-reverse">'
    '<path d="M0 0L10 5L0 10z" fill="#57606a"/></marker></defs>'
)

CountryName = Callable[[int], str]


@dataclass(frozen=True, slots=True)
class _Box:
    id: str
    x: int
    y: int

    @property
    def middle(self) -> int:
        return self.x + _BOX // 2


def draw(explanation: Explanation, *, country_name: CountryName) -> str:
    """The picture as an SVG document, readable without colours and by screen readers."""
    snapshot = explanation.snapshot
    shown = _shown(explanation)
    holdings = [each for id_ in shown for each in snapshot.holdings(id_) if each.holder in shown]
    boxes, width, height = _placed(explanation.entity.id, shown, holdings)
    aside = [each for each in holdings if _rows_between(boxes, each) != 1]
    head = _heading(explanation, country_name)
    top = _EDGE + 24 * len(head) + 28
    wide = max(width + _LANE * len(aside), 720)
    shift = (wide - width - _LANE * len(aside)) // 2
    tall = top + height + 2 * _EDGE
    more = len(snapshot.closure(explanation.entity.id)) - len(shown)
    title = f"Who stands above {explanation.entity.name} on {explanation.at}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {tall}" width="{wide}"'
        f' height="{tall}" role="img" aria-labelledby="t d" font-family="sans-serif">',
        f'<title id="t">{_text(title)}</title>',
        f'<desc id="d">{_text(_told(explanation, holdings))}</desc>',
        _MARKER,
        f'<rect width="{wide}" height="{tall}" fill="#ffffff"/>',
        *_lines(head, explanation.result),
    ]
    if more > 0:
        parts.append(
            f'<text x="{_EDGE}" y="{tall - 8}" font-size="12" fill="#57606a">'
            f"and {more} more parties above, left out of the picture</text>"
        )
    parts.append(f'<g transform="translate({shift} {top})">')
    parts.extend(_arrows(holdings, boxes, width))
    for box in boxes.values():
        parts.extend(_drawn(explanation, box, country_name))
    return "\n".join([*parts, "</g>", "</svg>"]) + "\n"


def _shown(explanation: Explanation) -> list[str]:
    """The parties to draw: the entity, those on the answers' paths, then the nearest others."""
    on_paths = [
        id_
        for answer in explanation.answers
        for holding in answer.path
        for id_ in (holding.subject, holding.holder)
    ]
    nearest = explanation.snapshot.closure(explanation.entity.id)
    return list(dict.fromkeys([explanation.entity.id, *on_paths, *nearest]))[:BOXES_MOST]


def _placed(
    entity: str, shown: list[str], holdings: list[Holding]
) -> tuple[dict[str, _Box], int, int]:
    """A box for each party, its owners at least one row above it."""
    rows = _rows(entity, shown, holdings)
    width = max(len(row) for row in rows) * (_BOX + _GAP) - _GAP + 2 * _EDGE
    boxes = dict[str, _Box]()
    for at, row in enumerate(rows):
        y = (len(rows) - 1 - at) * _LEVEL
        left = (width - len(row) * (_BOX + _GAP) + _GAP) // 2
        below = {id_: _pull(id_, holdings, boxes) for id_ in row}
        for place, id_ in enumerate(sorted(row, key=lambda id_: (below[id_], id_))):
            boxes[id_] = _Box(id_, left + place * (_BOX + _GAP), y)
    return boxes, width, (len(rows) - 1) * _LEVEL + _TALL


def _rows(entity: str, shown: list[str], holdings: list[Holding]) -> list[list[str]]:
    """Rows from the entity upwards, each party as high as its longest way; circles are cut where
    they come back down."""
    near = _nearness(entity, holdings)
    owners = dict[str, list[str]]()
    for each in holdings:
        owners.setdefault(each.subject, []).append(each.holder)
    circle_of = {
        id_: at
        for at, circle in enumerate(components([entity, *shown], lambda id_: owners.get(id_, ())))
        for id_ in circle
    }
    level = dict.fromkeys(shown, 0)
    for id_ in sorted(shown, key=lambda id_: (-circle_of[id_], near.get(id_, 0))):
        for owner in owners.get(id_, ()):
            if circle_of[owner] != circle_of[id_] or near.get(owner, 0) > near.get(id_, 0):
                level[owner] = max(level[owner], level[id_] + 1)
    used = sorted(set(level.values()))
    return [[id_ for id_ in shown if level[id_] == each] for each in used]


def _nearness(entity: str, holdings: list[Holding]) -> dict[str, int]:
    """Party → the fewest steps from the entity."""
    near, queue = {entity: 0}, [entity]
    for id_ in queue:
        for each in holdings:
            if each.subject == id_ and each.holder not in near:
                near[each.holder] = near[id_] + 1
                queue.append(each.holder)
    return near


def _pull(id_: str, holdings: list[Holding], boxes: dict[str, _Box]) -> float:
    """Where the boxes stand that it owns: it wants to be above them."""
    below = [
        boxes[each.subject].x for each in holdings if each.holder == id_ and each.subject in boxes
    ]
    return sum(below) / len(below) if below else 0.0


def _heading(explanation: Explanation, country_name: CountryName) -> list[str]:
    top = explanation.ultimate_parent
    if isinstance(top, Parent):
        place = country_name(top.country) if top.country else "country not stated"
        parent = f"Ultimate parent: {top.name} ({place})"
    else:
        parent = f"Ultimate parent unknown: {top.text}"
    told = ", ".join(f"{each.rule.name} {each.result}" for each in explanation.answers)
    answers = textwrap.wrap(told, 90, break_on_hyphens=False)
    return [
        f"{explanation.entity.name} on {explanation.at}: {explanation.result}",
        parent,
        f"Listed share: {explanation.listed_share}",
        *answers,
    ]


def _lines(head: list[str], result: str) -> Iterator[str]:
    for at, line in enumerate(head):
        size, weight = (18, "bold") if at == 0 else (13, "normal")
        fill = _COLOURS[result] if at == 0 else "#24292f"
        yield (
            f'<text x="{_EDGE}" y="{_EDGE + 24 * at}" font-size="{size}" font-weight="{weight}"'
            f' fill="{fill}">{_text(_cut(line, 100))}</text>'
        )


def _told(explanation: Explanation, holdings: list[Holding]) -> str:
    """The whole picture as sentences."""
    name = explanation.snapshot.label
    edges = ". ".join(
        f"{name(each.holder)} in {name(each.subject)}: {_label(each)}" for each in holdings
    )
    return f"Result {explanation.result}. {edges}." if edges else f"Result {explanation.result}."


def _label(holding: Holding) -> str:
    """A holding in one line."""
    return ", ".join(_sayings(holding))


def _sayings(holding: Holding) -> list[str]:
    """What an arrow says: the share, the control where there is any, and since when."""
    stated = holding.ownership is not None and holding.ownership.stated
    share = str(holding.ownership) if stated else ""
    way = [*(["indirectly"] if holding.indirect else []), *(["nominee"] if holding.nominee else [])]
    said = [" ".join(filter(None, (share, *way)))] if share or way else []
    if not share or holding.control is not Control.NONE:
        words = [
            each for each in holding.basis.split(", ") if not (share and each == "shareholding")
        ]
        said.append(_WORD_START.sub(" ", ", ".join(words)).lower())
    starts = [stake.start for stake in holding.stakes if stake.start]
    ends = [stake.end for stake in holding.stakes if stake.end]
    when = [
        *([f"since {min(starts)}"] if starts else []),
        *([f"until {max(ends)}"] if ends else []),
    ]
    return [*said, *([" ".join(when)] if when else [])]


def _rows_between(boxes: dict[str, _Box], holding: Holding) -> int:
    return (boxes[holding.subject].y - boxes[holding.holder].y) // _LEVEL


def _arrows(holdings: list[Holding], boxes: dict[str, _Box], width: int) -> Iterator[str]:
    """Owner to owned. Arrows to the next row go straight, others round by a lane of their own, so
    that none runs behind a box; labels come last, so that no arrow runs through one."""
    labels, lane = list[str](), width - _EDGE
    for holding in holdings:
        start, end = boxes[holding.holder], boxes[holding.subject]
        dash = ' stroke-dasharray="6 4"' if holding.indirect or holding.nominee else ""
        if _rows_between(boxes, holding) == 1:
            path, x, y = _down(start, end)
        else:
            lane += _LANE
            path, x, y = _round(start, end, lane - _LANE // 2)
        yield (
            f'<path d="{path}" fill="none" stroke="#57606a" stroke-width="1.5"{dash}'
            ' marker-end="url(#a)"/>'
        )
        labels.extend(_tag(x, y, _sayings(holding)))
    yield from labels


def _down(start: _Box, end: _Box) -> tuple[str, int, int]:
    """A curve from the owner down to what it owns, and where its label goes: nearer the owner,
    where arrows are further apart."""
    x1, y1, x2, y2 = start.middle, start.y + _TALL, end.middle, end.y - 2
    bend = (y2 - y1) // 2
    path = f"M{x1} {y1}C{x1} {y1 + bend} {x2} {y2 - bend} {x2} {y2}"
    return path, int(x1 + (x2 - x1) * _ease(0.35)), int(y1 + (y2 - y1) * 0.35)


def _round(start: _Box, end: _Box, lane: int) -> tuple[str, int, int]:
    """Under the owner's row to the lane, along it, and in above what is owned."""
    y1, y2 = start.y + _TALL, end.y
    turn = lane // _LANE % 4
    out, into, port = y1 + 10 + 5 * turn, y2 - 12 - 5 * turn, 50 + 15 * turn
    path = f"M{start.middle + port} {y1}V{out}H{lane}V{into}H{end.middle + port}V{y2 - 2}"
    return path, lane, (out + into) // 2


def _ease(part: float) -> float:
    """Where the curve is after `part` of its way down."""
    return 3 * part * part - 2 * part * part * part


def _tag(x: int, y: int, lines: list[str]) -> Iterator[str]:
    cut = [_cut(line, 30) for line in lines]
    wide = int(max(map(_width, cut), default=0) * 6.2) + 10
    yield (
        f'<rect x="{x - wide // 2}" y="{y - 13}" width="{wide}" height="{15 * len(cut) + 4}"'
        ' fill="#ffffff" fill-opacity="0.92"/>'
    )
    for at, line in enumerate(cut):
        yield (
            f'<text x="{x}" y="{y + 15 * at}" font-size="11.5" text-anchor="middle"'
            f' fill="#24292f">{_text(line)}</text>'
        )


def _drawn(explanation: Explanation, box: _Box, country_name: CountryName) -> Iterator[str]:
    party = explanation.snapshot.party(box.id)
    listed = box.id in explanation.listed
    top = explanation.ultimate_parent
    words = [
        country_name(party.country) if party.country else "country not stated",
        *([party.kind.value] if party.kind not in _ORDINARY else []),
        *(["LISTED"] if listed else []),
        *(["ultimate parent"] if isinstance(top, Parent) and top.id == box.id else []),
        *(["not identified"] if party.unknown else []),
    ]
    stroke = "#b42318" if listed else "#24292f" if box.y or not party.unknown else "#9a6700"
    radius = 30 if party.kind is PartyKind.PERSON else 6
    heavy = 3 if listed or box.id == explanation.entity.id else 1.5
    yield (
        f"<g><title>{_text(party.name)} {_text(party.id)}</title>"
        f'<rect x="{box.x}" y="{box.y}" width="{_BOX}" height="{_TALL}" rx="{radius}"'
        f' fill="#f6f8fa" stroke="{stroke}" stroke-width="{heavy}"/>'
    )
    lines = _wrapped(party.name)
    for at, line in enumerate(lines):
        yield (
            f'<text x="{box.middle}" y="{box.y + 44 - 9 * len(lines) + 17 * at}"'
            ' font-size="14" font-weight="bold" text-anchor="middle" fill="#24292f">'
            f"{_text(line)}</text>"
        )
    yield (
        f'<text x="{box.middle}" y="{box.y + _TALL - 11}" font-size="12" text-anchor="middle"'
        f' fill="{stroke if listed else "#57606a"}">{_text(_cut(", ".join(words), 36))}</text></g>'
    )


# -- text ------------------------------------------------------------------------------------------


def _width(text: str) -> float:
    return sum(map(_wide, text))


def _wide(sign: str) -> float:
    if unicodedata.east_asian_width(sign) in "WF":
        return 2
    return 1.3 if sign.isupper() or sign in "mw@%&" else 1


def _cut(text: str, most: float) -> str:
    if _width(text) <= most:
        return text
    used, kept = 1.0, list[str]()
    for sign in text:
        used += _wide(sign)
        if used > most:
            break
        kept.append(sign)
    return "".join(kept).rstrip() + "…"


def _wrapped(name: str) -> list[str]:
    """Up to three lines, broken at spaces where there are any; the last one may be cut."""
    lines, rest = list[str](), name
    while len(lines) < 2 and _width(rest) > _LINE:
        head = _cut(rest, _LINE + 1)[:-1]
        at = head.rfind(" ")
        if at > len(head) // 3:
            head = head[:at]
        lines.append(head)
        rest = rest[len(head) :].strip()
    return [*lines, _cut(rest, _LINE)]


def _text(text: str) -> str:
    """Escaped, and without what XML 1.0 can't hold."""
    return escape("".join(sign if sign.isprintable() else " " for sign in text))
