"""`kycgate audit replay`: one decision of the log again, under the rules of any day.

Starts nothing and changes nothing: what comes out is a description, and no permission.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kycgate.cli.output import Exit, add_json_flag, say
from kycgate.core.wire import require_shallow
from kycgate.errors import Malformed, NotFound, Unavailable

if TYPE_CHECKING:
    from kycgate.core.policy import Policy
    from kycgate.screening.controls.replay import Replay
    from kycgate.store import Store


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("decision", metavar="DECISION", help="its id, as in Kycgate-Decision")
    parser.add_argument(
        "--at",
        nargs="+",
        action="extend",
        default=[],
        metavar="DATE",
        help="days such as 2025-11-10; default: when it was decided",
    )
    parser.add_argument("--policy", metavar="FILE", help="default: the configured rules")
    parser.add_argument("--config", default="kycgate.toml", metavar="FILE")
    add_json_flag(parser)
    parser.set_defaults(run=run_replay)


def run_replay(args: argparse.Namespace) -> int:
    """Exit 0 when the facts are those of the log, 1 when they are not."""
    from kycgate.assembly.rules import rental_policy
    from kycgate.config import load_config
    from kycgate.screening.controls import load_countries
    from kycgate.screening.controls.replay import replay
    from kycgate.store import open_store

    config = load_config(args.config)
    policy = rental_policy(config) if args.policy is None else _policy(args.policy)
    with closing(open_store(config.store_url)) as store:
        told, entry = _recorded(store, args.decision)
    if entry is None:
        say(args, {"decision": args.decision, "in_log": False}, "not what the log holds")
        return Exit.NO
    moments = [_moment(text) for text in args.at] or [int(told["at"])]
    found = [replay(told, at, policy=policy, countries=load_countries()) for at in moments]
    document = {
        "decision": args.decision,
        "decided_at": told["at"],
        "verdict": told["verdict"],
        "in_log": True,
        "log": entry,
        "listed_share": told["listed_share"],
        "listed_share_unknown": told.get("listed_share_unknown"),
        "regions": told["regions"],
        "replays": [_document(each) for each in found],
    }
    say(args, document, "\n".join(map(_told, found)))
    return Exit.YES


def _recorded(store: Store, decision: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """What was kept of the decision, and its line in the log; None where they don't agree."""
    facts = store.facts(decision)
    if facts is None:
        raise NotFound("nothing is kept of that decision")
    try:
        require_shallow(facts.body, field="decision")
        told = dict(json.loads(facts.body)["told"])
    except (LookupError, TypeError, ValueError, Malformed) as e:
        raise Unavailable("what is kept of that decision can't be read") from e
    entry = _line(store, decision)
    agrees = entry is not None and entry.get("facts") == hashlib.sha256(facts.body).hexdigest()
    return told, entry if agrees else None


def _line(store: Store, decision: str) -> dict[str, Any] | None:
    from kycgate.audit.export import entries_of

    for entry in entries_of(store):
        if entry.kind == "decision" and decision.encode() in entry.body:
            require_shallow(entry.body, field="log")
            body = dict(json.loads(entry.body))
            if body.get("decision") == decision:
                return {"seq": entry.seq, "at": entry.at, **body}
    return None


def _document(found: Replay) -> dict[str, Any]:
    return {
        "at": found.at,
        "verdict": found.verdict,
        "same_policy": found.same_policy,
        "reasons": list(found.told["reasons"]),
        "notes": list(found.told["notes"]),
        "rules": [each.document() for each in found.rules],
    }


def _told(found: Replay) -> str:
    day = datetime.fromtimestamp(found.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    rules = "" if found.same_policy else " (other rules than those it was decided under)"
    lines = [f"{day}: {found.verdict}{rules}"]
    for reason in found.told["reasons"]:
        lines.append(f"  {reason['effect']}: {reason['rule'] or reason['code']}: {reason['text']}")
        if reason["citation"]:
            checked = f"; checked: {reason['checked']}" if reason["checked"] else ""
            lines.append(
                f"      {reason['status']}, {reason['basis']}, {reason['citation']}{checked}"
            )
    lines += [f"  note: {note['text']}" for note in found.told["notes"]]
    return "\n".join(lines)


def _moment(text: str) -> int:
    from kycgate.screening.controls.thresholds import midnight

    try:
        return midnight(datetime.strptime(text, "%Y-%m-%d").date())
    except ValueError as e:
        raise Malformed("is no day", field="--at", remedy="such as 2025-11-10") from e


def _policy(path: str) -> Policy:
    from kycgate.screening.controls import read_policy

    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise Malformed(f"{path} can't be read: {e}", field="--policy") from e
    return read_policy(text, source=path)
