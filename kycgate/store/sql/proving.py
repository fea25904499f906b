"""Proofs of identity that were taken: each counts once. What they said stands elsewhere, sealed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select

from kycgate.errors import NotFound
from kycgate.store.records.cases import KeptProof
from kycgate.store.sql.part import Part
from kycgate.store.sql.rows import pick, record, records, values
from kycgate.store.tables.cases import proofs


class Proving(Part):
    """Whose word a case stands on."""

    def add_proof(self, proof: KeptProof) -> None:
        with self._db.write() as connection:
            connection.execute(proofs.insert().values(values(proof)))

    def proof(self, source: str, reference: str) -> KeptProof | None:
        named = (proofs.c.source == source, proofs.c.reference == reference)
        row = self._db.first(pick(KeptProof, proofs).where(*named))
        return None if row is None else record(KeptProof, row)

    def proofs_of(self, case_id: str) -> list[KeptProof]:
        statement = pick(KeptProof, proofs).where(proofs.c.case_id == case_id)
        return self._in_order(statement)

    def proofs_of_document(self, document: bytes) -> list[KeptProof]:
        return self._in_order(pick(KeptProof, proofs).where(proofs.c.document == document))

    def withdraw_proof(self, source: str, reference: str, *, at: int, code: str) -> None:
        named = (proofs.c.source == source, proofs.c.reference == reference)
        mark = proofs.update().where(*named, proofs.c.withdrawn_at.is_(None))
        there = pick(KeptProof, proofs).where(*named)
        with self._db.write() as connection:
            connection.execute(mark.values(withdrawn_at=at, withdrawn_code=code))
            if connection.execute(there).first() is None:
                raise NotFound("no such proof of identity")

    def forget_documents(self, subject_id: str) -> None:
        update = proofs.update().where(proofs.c.subject_id == subject_id)
        with self._db.write() as connection:
            connection.execute(update.values(document=None))

    def _in_order(self, statement: Select[Any]) -> list[KeptProof]:
        held = proofs.c
        ordered = statement.order_by(held.kept_at, held.source, held.reference)
        return records(KeptProof, self._db.rows(ordered))
