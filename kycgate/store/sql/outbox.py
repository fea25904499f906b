"""Work to be done after the fact, and single settings. Does none of the work."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from kycgate.store.records.settling import OutboxItem
from kycgate.store.sql.part import Part
from kycgate.store.sql.rows import pick, records
from kycgate.store.tables.log import outbox, settings


class Outbox(Part):
    """At least once: an item stays until it is done."""

    def enqueue(self, kind: str, payload: dict[str, Any], *, due_at: int) -> int:
        insert = outbox.insert().values(kind=kind, payload=payload, due_at=due_at, attempts=0)
        with self._db.write() as connection:
            key = connection.execute(insert).inserted_primary_key
            assert key is not None
            return int(key[0])

    def due(self, kind: str, *, now: int, limit: int = 100) -> list[OutboxItem]:
        statement = pick(OutboxItem, outbox).where(outbox.c.kind == kind, outbox.c.due_at <= now)
        oldest_first = statement.order_by(outbox.c.due_at, outbox.c.id).limit(limit)
        return records(OutboxItem, self._db.rows(oldest_first))

    def done(self, item_id: int) -> None:
        with self._db.write() as connection:
            connection.execute(outbox.delete().where(outbox.c.id == item_id))

    def retry(self, item_id: int, *, due_at: int) -> None:
        update = outbox.update().where(outbox.c.id == item_id)
        with self._db.write() as connection:
            connection.execute(update.values(due_at=due_at, attempts=outbox.c.attempts + 1))

    def setting(self, name: str) -> str | None:
        row = self._db.first(select(settings.c.value).where(settings.c.name == name))
        return None if row is None else str(row[0])

    def set_setting(self, name: str, value: str) -> None:
        insert = self._db.insert(settings).values(name=name, value=value)
        with self._db.write() as connection:
            connection.execute(
                insert.on_conflict_do_update(index_elements=["name"], set_={"value": value})
            )

    def keep_setting(self, name: str, value: str) -> str:
        insert = self._db.insert(settings).values(name=name, value=value)
        kept = select(settings.c.value).where(settings.c.name == name)
        with self._db.write() as connection:
            connection.execute(insert.on_conflict_do_nothing(index_elements=["name"]))
            return str(connection.execute(kept).scalar_one())
