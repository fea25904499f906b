"""The listener for schedulers from a configuration, and what tells them to stop.

Takes no decision: the gate does, through the parts it is made of.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from kycgate.assembly.asking import posting
from kycgate.assembly.ground import Ground
from kycgate.gateway.hooks import HookCaller, HookDoor
from kycgate.gateway.hooks.admission import Admissions
from kycgate.gateway.hooks.asking import Classify, Scheduler
from kycgate.gateway.hooks.dstack import Dstack
from kycgate.gateway.hooks.ending import DstackServer, RunStopper
from kycgate.gateway.hooks.linking import Linking
from kycgate.gateway.hooks.skypilot import SkyPilot
from kycgate.gateway.parts import GateParts
from kycgate.keys import load_token

_KINDS: dict[str, Callable[[Classify], Scheduler]] = {"dstack": Dstack, "skypilot": SkyPilot}


def hook_door(ground: Ground, parts: GateParts) -> HookDoor | None:
    """None where no scheduler is named."""
    config, store = ground.config, ground.store
    callers = [
        HookCaller(
            name=name,
            secret_hash=bytes.fromhex(digest),
            scheduler=made(parts.classify),
            admissions=Admissions(parts, store, name, kind),
            linking=Linking(store, ground.log, name, config.gate.public_url),
        )
        for kind, made in _KINDS.items()
        for name, digest in getattr(config.hooks, kind)
    ]
    if not callers:
        return None
    return HookDoor(
        callers,
        peers=config.hooks.peers,
        body_limit=parts.limits.body_bytes,
        clock=time.time,
    )


def run_stopper(ground: Ground) -> RunStopper:
    """Ends at schedulers what those run who may not any more."""
    servers = {
        name: DstackServer(posting(origin, name, load_token(ground.config.key(spec))))
        for name, origin, spec in ground.config.hooks.stop
    }
    return RunStopper(ground.store, servers)
