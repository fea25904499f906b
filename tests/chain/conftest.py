from __future__ import annotations

from tests.chain_world import anvil, shared_anvil

__all__ = ["anvil", "shared_anvil"]
