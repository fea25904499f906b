"""`kycgate chain status|publish`: what waits for the chains, how nodes are, one round by hand.

Revokes nobody. `publish` beside a running server sends nothing twice: both keep to one record.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kycgate.cli.output import Exit, add_json_flag, complain, say
from kycgate.core.claims import Address, checksum
from kycgate.errors import KycgateError, Misconfigured, Unavailable

if TYPE_CHECKING:
    from kycgate.chain import NodeState
    from kycgate.settlement.revocations import Plan, Publishers, Revocations

_GWEI = 10**9


def add(group: argparse.ArgumentParser) -> None:
    commands = group.add_subparsers(dest="command", metavar="COMMAND", required=True)
    status = commands.add_parser(
        "status", help="exit 0: in time, 1: a revocation waits too long, 2: no node answers"
    )
    publish = commands.add_parser("publish", help="one round: send what waits, tend what was sent")
    publish.add_argument("--dry-run", action="store_true", help="say what would be sent, no more")
    for command, run in ((status, run_status), (publish, run_publish)):
        command.add_argument("--config", default="kycgate.toml", metavar="FILE")
        add_json_flag(command)
        command.set_defaults(run=run)


@contextmanager
def _publishers(args: argparse.Namespace) -> Iterator[tuple[Publishers, int]]:
    """The configured publishers, and the seconds a revocation may wait."""
    from kycgate.assembly import load_config, open_services

    config = load_config(args.config)
    with open_services(config) as services:
        if services.settling.revocations is None:
            problem = 'settlement.revoker_key: is needed to publish, with mode = "escrow"'
            raise Misconfigured((problem,))
        yield services.settling.revocations, config.settlement.publish_bound_s


# -- status ----------------------------------------------------------------------------------------


def run_status(args: argparse.Namespace) -> int:
    """Exit 0 in time, 1 when a revocation has waited beyond its bound, 2 when no node answers."""
    now = int(time.time())
    with _publishers(args) as (publishers, bound_s):
        chains = [_chain(one, now) for one in publishers.chains]
    late = any(chain["oldest_waiting_s"] > bound_s for chain in chains)
    document = {"chains": chains, "publish_bound_s": bound_s, "late": late}
    say(args, document, "\n".join(_told(chain, bound_s) for chain in chains))
    if late:
        return Exit.NO
    silent = any(all(node["problem"] for node in chain["nodes"]) for chain in chains)
    return Exit.UNDECIDED if silent else Exit.YES


def _chain(one: Revocations, now: int) -> dict[str, Any]:
    nodes = [_node(state) for state in one.nodes()]
    return {**one.status(now).document(), "nodes": nodes}


def _node(state: NodeState) -> dict[str, Any]:
    head = None if state.head is None else state.head.number
    return {"host": state.host, "head": head, "problem": state.problem}


def _told(chain: dict[str, Any], bound_s: int) -> str:
    lines = [
        f"chain {chain['chain_id']}: {chain['waiting']} waiting, the oldest for"
        f" {chain['oldest_waiting_s']} s of {bound_s} s; done after"
        f" {chain['confirmations']} confirmations"
    ]
    lines += [
        f"  number {sent['nonce']}: {sent['items']} revocations in {sent['hash']},"
        f" attempt {sent['attempts']}, at most {sent['max_fee'] / _GWEI:.2f} gwei"
        for sent in chain["pending"]
    ]
    lines += [
        f"  node {node['host']}: {node['problem'] or 'good'}, block {node['head']}"
        for node in chain["nodes"]
    ]
    return "\n".join(lines)


# -- publish ---------------------------------------------------------------------------------------


def run_publish(args: argparse.Namespace) -> int:
    """Exit 0 when the round went through on every chain, 2 when some chain did not answer."""
    now = int(time.time())
    with _publishers(args) as (publishers, _):
        if args.dry_run:
            return _rehearse(args, publishers, now)
        return _publish(args, publishers, now)


def _publish(args: argparse.Namespace, publishers: Publishers, now: int) -> int:
    try:
        sent, failure = publishers.publish(now=now), None
    except Unavailable as e:
        sent, failure = None, e.message
    chains = [status.document() for status in publishers.status(now)]
    text = f"{sent} revocations sent" if failure is None else "the round did not go through"
    say(args, {"sent": sent, "chains": chains, "error": failure}, text)
    if failure is not None:
        complain(failure)
        return Exit.UNDECIDED
    return Exit.YES


def _rehearse(args: argparse.Namespace, publishers: Publishers, now: int) -> int:
    chains, failed = [], False
    for one in publishers.chains:
        try:
            chains.append(_planned(one.chain_id, one.plan(now=now)))
        except KycgateError as e:
            failed = True
            chains.append({"chain_id": one.chain_id, "error": e.message})
    say(args, {"dry_run": True, "chains": chains}, "\n".join(map(_would, chains)))
    return Exit.UNDECIDED if failed else Exit.YES


def _planned(chain_id: int, plan: Plan) -> dict[str, Any]:
    made = plan.transaction
    transaction = made and {
        "to": checksum(Address(made.to)),
        "nonce": made.nonce,
        "gas": made.gas,
        "max_fee": made.max_fee,
        "tip": made.tip,
        "data": "0x" + made.data.hex(),
    }
    return {
        "chain_id": chain_id,
        "revocations": [
            {"account": account, "epoch": epoch, "key": "0x" + key.hex()}
            for account, epoch, key in plan.revocations
        ],
        "transaction": transaction,
        "under_way": len(plan.under_way),
    }


def _would(chain: dict[str, Any]) -> str:
    name = f"chain {chain['chain_id']}"
    if "error" in chain:
        return f"{name}: can't tell: {chain['error']}"
    made = chain["transaction"]
    if made is None:
        return f"{name}: nothing new to send; {chain['under_way']} transactions under way"
    lines = [
        f"{name}: would send {len(chain['revocations'])} revocations as number {made['nonce']} to"
        f" {made['to']}, {made['gas']} gas at most {made['max_fee'] / _GWEI:.2f} gwei"
    ]
    lines += [f"  {one['account']} epoch {one['epoch']}" for one in chain["revocations"]]
    return "\n".join(lines)
