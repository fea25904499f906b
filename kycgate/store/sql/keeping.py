"""What is kept of subjects and for how long: images, holds, restrictions. Images arrive sealed."""

from __future__ import annotations

from sqlalchemy import literal

from kycgate.errors import NotFound
from kycgate.store.records.cases import Hold, SealedBlob, Subject
from kycgate.store.sql.part import Part
from kycgate.store.sql.rows import pick, record, records, values
from kycgate.store.tables.cases import account_links, holds, subjects
from kycgate.store.tables.cases import blobs as kept


class Keeping(Part):
    """What must not be forgotten yet, and what must."""

    def subjects_after(self, after: str, *, limit: int) -> list[Subject]:
        statement = pick(Subject, subjects).where(subjects.c.id > after)
        return records(Subject, self._db.rows(statement.order_by(subjects.c.id).limit(limit)))

    def restrict_subject(self, subject_id: str, until: int) -> None:
        update = subjects.update().where(subjects.c.id == subject_id)
        with self._db.write() as connection:
            if connection.execute(update.values(restricted_until=until)).rowcount == 0:
                raise NotFound("no such subject")

    def unlink_accounts(self, subject_id: str) -> None:
        gone = account_links.delete().where(account_links.c.subject_id == subject_id)
        with self._db.write() as connection:
            connection.execute(gone)

    # -- images ----------------------------------------------------------------------------------

    def add_blob(self, blob: SealedBlob) -> None:
        with self._db.write() as connection:
            connection.execute(kept.insert().values(values(blob)))

    def blob(self, blob_id: str) -> SealedBlob | None:
        row = self._db.first(pick(SealedBlob, kept).where(kept.c.id == blob_id))
        return None if row is None else record(SealedBlob, row)

    def blobs_of(self, case_id: str) -> list[SealedBlob]:
        whole = pick(SealedBlob, kept)
        # Megabytes stay where they are: a list shows none of them.
        columns = [
            literal(b"").label("sealed") if column.name == "sealed" else column
            for column in whole.selected_columns
        ]
        statement = whole.with_only_columns(*columns).where(kept.c.case_id == case_id)
        return records(SealedBlob, self._db.rows(statement.order_by(kept.c.created_at, kept.c.id)))

    def drop_blobs(self, subject_id: str) -> None:
        with self._db.write() as connection:
            connection.execute(kept.delete().where(kept.c.subject_id == subject_id))

    # -- holds -----------------------------------------------------------------------------------

    def add_hold(self, hold: Hold) -> None:
        with self._db.write() as connection:
            connection.execute(holds.insert().values(values(hold)))

    def holds_of(self, subject_id: str) -> list[Hold]:
        statement = pick(Hold, holds).where(holds.c.subject_id == subject_id)
        return records(Hold, self._db.rows(statement.order_by(holds.c.placed_at, holds.c.id)))

    def release_hold(self, hold_id: str, *, at: int) -> None:
        mark = holds.update().where(holds.c.id == hold_id, holds.c.released_at.is_(None))
        there = pick(Hold, holds).where(holds.c.id == hold_id)
        with self._db.write() as connection:
            connection.execute(mark.values(released_at=at))
            if connection.execute(there).first() is None:
                raise NotFound("no such hold")
