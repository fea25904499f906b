"""Schedulers that ask before they place work: the hooks of dstack and SkyPilot, answered here.

Decides nothing: each file reads one scheduler's question, and the gate decides on what was read.
Nothing is forwarded here; the scheduler acts on the answer itself.
"""

from __future__ import annotations

from kycgate.gateway.hooks.door import HookCaller, HookDoor

__all__ = ["HookCaller", "HookDoor"]
