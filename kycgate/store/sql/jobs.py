"""Jobs, the deployments they became, and refusals. Remembers what was decided; decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import Connection, Select, Update, bindparam, select

from kycgate.errors import Code, Conflict, NotFound
from kycgate.store.records.jobs import Begun, Job, Refusal
from kycgate.store.sql.database import Prepared
from kycgate.store.sql.part import Part
from kycgate.store.sql.rows import pick, record, records, values
from kycgate.store.tables.jobs import deployments, jobs, refusals

_UNANSWERED = ("decided", "forwarded", "unknown")
_OWNER = Prepared(
    select(deployments.c.account).where(deployments.c.deployment == bindparam("deployment"))
)


class Jobs(Part):
    """One decision starts at most one job."""

    def begin_job(self, job: Job, *, repeat_window_s: int) -> Begun:
        # PostgreSQL: two first requests find no row to lock, so the account itself is the lock.
        with self._db.write(lock=f"jobs of {job.account}") as connection:
            earlier = connection.execute(_earlier(job, repeat_window_s)).first()
            if earlier is not None:
                return Begun(record(Job, earlier), fresh=False)
            connection.execute(jobs.insert().values(values(job)))
        return Begun(job, fresh=True)

    def mark_forwarded(self, job_id: bytes, *, at: int) -> None:
        self._move(job_id, state="forwarded", updated_at=at)

    def finish_job(
        self,
        job_id: bytes,
        *,
        state: Literal["answered", "unknown"],
        at: int,
        status: int | None = None,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        deployment: str | None = None,
        permit: bytes | None = None,
    ) -> None:
        answer: dict[str, Any] = {
            "answer_status": status,
            "answer_headers": tuple(headers),
            "answer_body": body,
        }
        # What is known already is not forgotten by an answer that does not repeat it.
        if deployment is not None:
            answer["deployment"] = deployment
        if permit is not None:
            answer["permit"] = permit
        self._move(job_id, state=state, updated_at=at, **answer)

    def _move(self, job_id: bytes, **changes: Any) -> None:
        # An answered job is final: a straggler must not reopen it or replace its answer.
        move = jobs.update().where(jobs.c.id == job_id, jobs.c.state.in_(_UNANSWERED))
        with self._db.write() as connection:
            if connection.execute(move.values(changes)).rowcount == 0:
                _require_job(connection, job_id)
                raise Conflict("the job has its final answer already")

    def reopen_unpaid(self, job_id: bytes, *, at: int) -> bool:
        # Of two racing updates the database lets one find the job answered.
        reopen = jobs.update().where(
            jobs.c.id == job_id, jobs.c.state == "answered", jobs.c.answer_status == 402
        )
        with self._db.write() as connection:
            return connection.execute(reopen.values(state="decided", updated_at=at)).rowcount == 1

    def job(self, job_id: bytes) -> Job | None:
        row = self._db.first(pick(Job, jobs).where(jobs.c.id == job_id))
        return None if row is None else record(Job, row)

    def jobs_of(self, account: str, *, limit: int = 100) -> list[Job]:
        statement = pick(Job, jobs).where(jobs.c.account == account)
        newest_first = statement.order_by(jobs.c.created_at.desc(), jobs.c.id).limit(limit)
        return records(Job, self._db.rows(newest_first))

    def set_permit(self, job_id: bytes, permit: bytes) -> None:
        update: Update = jobs.update().where(jobs.c.id == job_id).values(permit=permit)
        with self._db.write() as connection:
            if connection.execute(update).rowcount == 0:
                _require_job(connection, job_id)

    # -- deployments -----------------------------------------------------------------------------

    def own_deployment(self, deployment: str, account: str, job_id: bytes, *, at: int) -> None:
        insert = self._db.insert(deployments).values(
            deployment=deployment, account=account, job_id=job_id, owned_at=at
        )
        owner = select(deployments.c.account).where(deployments.c.deployment == deployment)
        with self._db.write() as connection:
            connection.execute(insert.on_conflict_do_nothing(index_elements=["deployment"]))
            if connection.execute(owner).scalar_one() != account:
                raise Conflict("the deployment belongs to another account", code=Code.NOT_OWNER)

    def deployment_owner(self, deployment: str) -> str | None:
        rows = self._db.hot(_OWNER, deployment=deployment)
        return str(rows[0][0]) if rows else None

    def deployments_of(self, account: str) -> list[str]:
        held = deployments.c
        statement = select(held.deployment).where(held.account == account, held.closed_at.is_(None))
        rows = self._db.rows(statement.order_by(held.owned_at, held.deployment))
        return [str(row[0]) for row in rows]

    def close_deployment(self, deployment: str, *, at: int) -> None:
        held = deployments.c
        update = deployments.update().where(held.deployment == deployment, held.closed_at.is_(None))
        with self._db.write() as connection:
            connection.execute(update.values(closed_at=at))

    # -- refusals --------------------------------------------------------------------------------

    def add_refusal(self, refusal: Refusal) -> None:
        with self._db.write() as connection:
            connection.execute(refusals.insert().values(values(refusal)))

    def refusal(self, refusal_id: str) -> Refusal | None:
        row = self._db.first(pick(Refusal, refusals).where(refusals.c.id == refusal_id))
        return None if row is None else record(Refusal, row)


def _earlier(job: Job, repeat_window_s: int) -> Select[Any]:
    """The job this one would repeat, as `Store.begin_job` defines it."""
    mine = pick(Job, jobs).where(jobs.c.account == job.account)
    if job.idempotency_key is not None:
        return mine.where(jobs.c.idempotency_key == job.idempotency_key)
    return (
        mine.where(jobs.c.fingerprint == job.fingerprint, jobs.c.state.in_(_UNANSWERED))
        .where(jobs.c.created_at > job.created_at - repeat_window_s)
        .order_by(jobs.c.created_at.desc())
        .limit(1)
    )


def _require_job(connection: Connection, job_id: bytes) -> None:
    if connection.execute(select(jobs.c.id).where(jobs.c.id == job_id)).first() is None:
        raise NotFound("no such job")
