"""Accounts, the subjects behind them, and their cases. Evidence arrives sealed, and stays so."""

from __future__ import annotations

from sqlalchemy import bindparam, or_, select
from sqlalchemy import case as choose

from kycgate.errors import Conflict, NotFound
from kycgate.store.records.cases import Case, CaseEvent, Clearance, SealedEvidence, Subject
from kycgate.store.sql.database import Prepared
from kycgate.store.sql.part import Part
from kycgate.store.sql.rows import pick, record, records, values
from kycgate.store.tables.cases import (
    account_links,
    case_events,
    cases,
    clearances,
    evidence,
    subjects,
    upstream_keys,
    wallet_proofs,
)

_UPSTREAM_KEY = Prepared(
    select(upstream_keys.c.sealed).where(upstream_keys.c.account == bindparam("account"))
)


class Accounts(Part):
    """Who stands behind a wallet, and how we came to know."""

    # -- accounts --------------------------------------------------------------------------------

    def note_wallet_proof(self, account: str, *, at: int) -> None:
        insert = self._db.insert(wallet_proofs).values(account=account, proved_at=at)
        known, new = wallet_proofs.c.proved_at, insert.excluded.proved_at
        # Two proofs may arrive in the wrong order; the later moment stands.
        later = choose((new > known, new), else_=known)
        with self._db.write() as connection:
            connection.execute(
                insert.on_conflict_do_update(index_elements=["account"], set_={"proved_at": later})
            )

    def wallet_proof_at(self, account: str) -> int | None:
        row = self._db.first(
            select(wallet_proofs.c.proved_at).where(wallet_proofs.c.account == account)
        )
        return None if row is None else int(row[0])

    def set_upstream_key(self, account: str, sealed: bytes | None) -> None:
        with self._db.write() as connection:
            self._bump(connection)
            if sealed is None:
                connection.execute(upstream_keys.delete().where(upstream_keys.c.account == account))
                return
            insert = self._db.insert(upstream_keys).values(account=account, sealed=sealed)
            connection.execute(
                insert.on_conflict_do_update(index_elements=["account"], set_={"sealed": sealed})
            )

    def upstream_key(self, account: str) -> bytes | None:
        rows = self._db.hot(_UPSTREAM_KEY, account=account)
        return bytes(rows[0][0]) if rows else None

    def any_upstream_key(self) -> bool:
        return self._db.first(select(upstream_keys.c.account).limit(1)) is not None

    # -- subjects --------------------------------------------------------------------------------

    def add_subject(self, subject: Subject) -> None:
        with self._db.write() as connection:
            connection.execute(subjects.insert().values(values(subject)))

    def subject(self, subject_id: str) -> Subject | None:
        row = self._db.first(pick(Subject, subjects).where(subjects.c.id == subject_id))
        return None if row is None else record(Subject, row)

    def subject_of(self, account: str) -> Subject | None:
        row = self._db.first(
            pick(Subject, subjects)
            .join(account_links, account_links.c.subject_id == subjects.c.id)
            .where(account_links.c.account == account)
        )
        return None if row is None else record(Subject, row)

    def link_account(self, account: str, subject_id: str, *, at: int) -> None:
        insert = self._db.insert(account_links).values(
            account=account, subject_id=subject_id, linked_at=at
        )
        holder = select(account_links.c.subject_id).where(account_links.c.account == account)
        with self._db.write() as connection:
            connection.execute(insert.on_conflict_do_nothing(index_elements=["account"]))
            if connection.execute(holder).scalar_one() != subject_id:
                raise Conflict("the account belongs to another subject")

    def accounts_of(self, subject_id: str) -> list[str]:
        links = account_links.c
        statement = select(links.account).where(links.subject_id == subject_id)
        rows = self._db.rows(statement.order_by(links.linked_at, links.account))
        return [str(row[0]) for row in rows]

    def rewrap_subject_key(self, subject_id: str, wrapped_key: bytes) -> None:
        update = subjects.update().where(subjects.c.id == subject_id)
        with self._db.write() as connection:
            if connection.execute(update.values(wrapped_key=wrapped_key)).rowcount == 0:
                raise NotFound("no such subject")

    # -- cases -----------------------------------------------------------------------------------

    def add_case(self, case: Case, event: CaseEvent) -> None:
        with self._db.write() as connection:
            connection.execute(cases.insert().values(values(case)))
            connection.execute(case_events.insert().values(values(event)))

    def case(self, case_id: str) -> Case | None:
        row = self._db.first(pick(Case, cases).where(cases.c.id == case_id))
        return None if row is None else record(Case, row)

    def cases(
        self, *, account: str | None = None, state: str | None = None, limit: int = 100
    ) -> list[Case]:
        statement = pick(Case, cases)
        if account is not None:
            statement = statement.where(cases.c.account == account)
        if state is not None:
            statement = statement.where(cases.c.state == state)
        newest_first = statement.order_by(cases.c.opened_at.desc(), cases.c.id).limit(limit)
        return records(Case, self._db.rows(newest_first))

    def move_case(self, case: Case, *, from_state: str, event: CaseEvent) -> None:
        move = cases.update().where(cases.c.id == case.id, cases.c.state == from_state)
        with self._db.write() as connection:
            if connection.execute(move.values(values(case))).rowcount == 0:
                raise Conflict(f"the case is no longer in state {from_state}")
            connection.execute(case_events.insert().values(values(event)))
            self._bump(connection)

    def cases_changed(
        self, *, since: int, after: tuple[int, str] = (-1, ""), limit: int = 1000
    ) -> list[Case]:
        at, last = after
        changed = cases.c.updated_at
        later = or_(changed > at, (changed == at) & (cases.c.id > last))
        statement = pick(Case, cases).where(changed >= since, later)
        return records(Case, self._db.rows(statement.order_by(changed, cases.c.id).limit(limit)))

    def case_events(self, case_id: str) -> list[CaseEvent]:
        statement = pick(CaseEvent, case_events).where(case_events.c.case_id == case_id)
        return records(CaseEvent, self._db.rows(statement.order_by(case_events.c.number)))

    # -- evidence --------------------------------------------------------------------------------

    def add_evidence(self, sealed: SealedEvidence) -> None:
        with self._db.write() as connection:
            connection.execute(evidence.insert().values(values(sealed)))

    def evidence_of(self, case_id: str) -> list[SealedEvidence]:
        statement = pick(SealedEvidence, evidence).where(evidence.c.case_id == case_id)
        oldest_first = statement.order_by(evidence.c.created_at, evidence.c.id)
        return records(SealedEvidence, self._db.rows(oldest_first))

    # -- clearances ------------------------------------------------------------------------------

    def add_clearance(self, clearance: Clearance) -> None:
        insert = self._db.insert(clearances).values(values(clearance))
        with self._db.write() as connection:
            connection.execute(insert.on_conflict_do_nothing(index_elements=["subject_id", "key"]))

    def clearances_of(self, subject_id: str) -> frozenset[bytes]:
        rows = self._db.rows(select(clearances.c.key).where(clearances.c.subject_id == subject_id))
        return frozenset(bytes(row[0]) for row in rows)
