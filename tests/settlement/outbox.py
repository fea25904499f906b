"""An outbox in memory that keeps the store's promises: oldest due first, gone once done."""

from __future__ import annotations

from kycgate.settlement.revocations import KIND
from kycgate.store.records.settling import OutboxItem


class MemoryOutbox:
    def __init__(self) -> None:
        self.items: list[OutboxItem] = []

    def add(self, account: str, epoch: int, *, at: int) -> None:
        payload = {"account": account, "epoch": epoch}
        self.items.append(OutboxItem(len(self.items) + 1, KIND, payload, at))

    def due(self, kind: str, *, now: int, limit: int = 100) -> list[OutboxItem]:
        waiting = [item for item in self.items if item.kind == kind and item.due_at <= now]
        return sorted(waiting, key=lambda item: (item.due_at, item.id))[:limit]

    def done(self, item_id: int) -> None:
        self.items = [item for item in self.items if item.id != item_id]
