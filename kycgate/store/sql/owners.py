"""What gates must know of owners, and what past decisions stood on. Holds no names."""

from __future__ import annotations

from sqlalchemy import select

from kycgate.store.records.attesting import Standing
from kycgate.store.records.jobs import DecisionFacts
from kycgate.store.sql.part import Part
from kycgate.store.sql.rows import pick, record, values
from kycgate.store.tables.owners import decision_facts, standings


class Owners(Part):
    """Standings of cases, facts of decisions."""

    # -- standings -------------------------------------------------------------------------------

    def put_standing(self, standing: Standing) -> None:
        insert = self._db.insert(standings).values(values(standing))
        known = select(standings.c.body).where(standings.c.case_id == standing.case_id)
        new = {"made_at": standing.made_at, "body": standing.body}
        with self._db.write() as connection:
            before = connection.execute(known).scalar_one_or_none()
            connection.execute(insert.on_conflict_do_update(index_elements=["case_id"], set_=new))
            if before is None or bytes(before) != standing.body:
                self._bump(connection)

    def standing(self, case_id: str) -> Standing | None:
        row = self._db.first(pick(Standing, standings).where(standings.c.case_id == case_id))
        return None if row is None else record(Standing, row)

    def drop_standing(self, case_id: str) -> None:
        with self._db.write() as connection:
            gone = connection.execute(standings.delete().where(standings.c.case_id == case_id))
            if gone.rowcount:
                self._bump(connection)

    # -- facts of decisions ----------------------------------------------------------------------

    def add_facts(self, facts: DecisionFacts) -> None:
        with self._db.write() as connection:
            connection.execute(decision_facts.insert().values(values(facts)))

    def facts(self, decision_id: str) -> DecisionFacts | None:
        of_decision = decision_facts.c.decision_id == decision_id
        row = self._db.first(pick(DecisionFacts, decision_facts).where(of_decision))
        return None if row is None else record(DecisionFacts, row)

    def drop_facts(self, *, before: int) -> int:
        with self._db.write() as connection:
            gone = connection.execute(decision_facts.delete().where(decision_facts.c.at < before))
            return int(gone.rowcount)
