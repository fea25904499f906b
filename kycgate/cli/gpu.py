"""`kycgate gpu classify|list`: which class a GPU has, who may rent it at a date, what to check.

Looks at no renter: `classify` asks the dated rules only, and starts nothing.
"""

from __future__ import annotations

import argparse
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kycgate.cli.output import Exit, add_json_flag, say
from kycgate.errors import Malformed
from kycgate.screening.controls.findings import Result

if TYPE_CHECKING:
    from kycgate.core.policy import Policy
    from kycgate.screening.controls import GpuRow
    from kycgate.screening.controls.rental import Assessment

_EXITS = {"allow": Exit.YES, "deny": Exit.NO, "review": Exit.UNDECIDED}


def add(group: argparse.ArgumentParser) -> None:
    commands = group.add_subparsers(dest="command", metavar="COMMAND", required=True)
    classify = commands.add_parser("classify", help="a GPU's class, and what the rules say of it")
    classify.add_argument("text", metavar="TEXT", help="as the marketplace spells it")
    classify.add_argument("--count", type=int, metavar="N", help="default: not known")
    classify.add_argument("--renter-country", metavar="XX", help="SG, or a region such as UA-43")
    classify.add_argument("--ultimate-country", metavar="XX", help="of the ultimate parent")
    classify.add_argument("--at", metavar="DATE", help="such as 2025-11-10; default: now")
    classify.add_argument("--policy", metavar="FILE", help="default: the standard policy")
    add_json_flag(classify)
    classify.set_defaults(run=run_classify)
    listing = commands.add_parser("list", help="the GPU table, with figures and sources")
    listing.add_argument(
        "--review", action="store_true", help="only what a person should check, and why"
    )
    add_json_flag(listing)
    listing.set_defaults(run=run_list)


# -- classify --------------------------------------------------------------------------------------


def run_classify(args: argparse.Namespace) -> int:
    """Exit 0 allow, 1 deny, 2 review."""
    from kycgate.screening.controls import load_countries, load_gpus
    from kycgate.screening.controls.rental import Where, assess

    countries = load_countries()
    found = assess(
        args.text,
        count=args.count,
        renter=Where.read(args.renter_country, countries),
        ultimate=Where.read(args.ultimate_country, countries),
        at=_moment(args.at),
        policy=_policy(args.policy),
        gpus=load_gpus(),
    )
    say(args, found.document(), _told(found))
    return _EXITS[found.result]


def _moment(text: str | None) -> int:
    """The first second of a day, or a moment with its offset; in Unix seconds."""
    if text is None:
        return int(time.time())
    try:
        if len(text) == len("2025-11-10"):
            day = date.fromisoformat(text)
            return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
        moment = datetime.fromisoformat(text)
    except ValueError as e:
        raise Malformed(f"`{text[:40]}` is no date", field="--at", remedy="2025-11-10") from e
    if moment.tzinfo is None:
        raise Malformed("a time of day needs its offset", field="--at", remedy="…T12:00:00Z")
    return int(moment.timestamp())


def _policy(path: str | None) -> Policy:
    from kycgate.screening.controls import load_standard_policy, read_policy

    if path is None:
        return load_standard_policy()
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise Malformed(f"{path} can't be read: {e}", field="--policy") from e
    return read_policy(text, source=path)


def _told(found: Assessment) -> str:
    """The grounds in full; rules that could not be asked by what was missing; the rest counted."""
    gpu = found.gpu
    lines = [f"{found.result}: {gpu.model or 'not recognised'}, {gpu.eccn}"]
    missing = dict[str, list[str]]()
    for each in found.findings:
        if each.result is Result.UNKNOWN:
            named = f"{each.id} ({each.remark.split(';')[0]})" if each.remark else each.id
            missing.setdefault(each.gap, []).append(named)
        elif each.result is not Result.CLEAR:
            note = f" ({each.note})" if each.note else ""
            lines.append(f"  {each.result}: {each.id}: {each.says}{note}")
            checked = f"; checked: {each.checked}" if each.checked else ""
            lines.append(f"      {each.status}, {each.basis}, {each.citation}{checked}")
    lines += [f"  unknown, {gap}: {', '.join(names)}" for gap, names in missing.items()]
    clear = sum(each.result is Result.CLEAR for each in found.findings)
    return "\n".join([*lines, f"  clear: {clear} more rules"])


# -- list ------------------------------------------------------------------------------------------


def run_list(args: argparse.Namespace) -> int:
    from kycgate.screening.controls import load_gpus

    rows = [row for row in load_gpus().rows if row.doubts or not args.review]
    say(args, [_row(row) for row in rows], "\n".join(_line(row) for row in rows))
    return Exit.YES


def _row(row: GpuRow) -> dict[str, Any]:
    gpu = row.gpu
    return {
        "vendor": row.vendor,
        "model": gpu.model,
        "eccn": str(gpu.eccn),
        "controlled": gpu.controlled,
        "tpp": gpu.tpp,
        "performance_density": gpu.performance_density,
        "dense_tops": row.dense_tops,
        "format": row.format,
        "bit_length": row.bit_length,
        "die_area_mm2": row.die_area_mm2,
        "datacenter": row.datacenter,
        "confidence": gpu.confidence,
        "source": row.source,
        "note": gpu.note,
        "check": list(row.doubts),
    }


def _line(row: GpuRow) -> str:
    gpu = row.gpu
    figures = f"{row.dense_tops or '?'} dense {row.format} TOPS, {row.die_area_mm2 or '?'} mm²"
    derived = f"TPP {gpu.tpp or '?'}, density {gpu.performance_density or '?'}"
    text = f"{row.vendor} {gpu.model}: {gpu.eccn}, {derived} from {figures}; {row.source}"
    return "\n".join([text, *(f"    check: {doubt}" for doubt in row.doubts)])
