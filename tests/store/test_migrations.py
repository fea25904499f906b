"""The migrations make exactly the tables the code describes, and leave a newer database alone."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, text

from kycgate.errors import Misconfigured
from kycgate.store import Store, base, open_store
from kycgate.store.tables import REVISION, metadata
from tests.store.conftest import Database
from tests.store.samples import RENTAL, SENT, entry

MIGRATIONS = Path(base.__file__).parent / "migrations"


def engine(database: Database) -> Engine:
    return create_engine(database.url.replace("postgresql:", "postgresql+psycopg:"))


def test_the_migrated_database_has_the_tables_the_code_describes(database: Database) -> None:
    plain = engine(database)
    with plain.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    plain.dispose()
    assert differences == []


def test_the_newest_migration_is_the_one_the_tables_name() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]


def test_every_field_of_a_record_has_a_column() -> None:
    records = {
        "sessions": base.Session,
        "handoffs": base.Handoff,
        "keys": base.Key,
        "user_links": base.UserLink,
        "subjects": base.Subject,
        "cases": base.Case,
        "case_events": base.CaseEvent,
        "evidence": base.SealedEvidence,
        "clearances": base.Clearance,
        "proofs": base.KeptProof,
        "blobs": base.SealedBlob,
        "holds": base.Hold,
        "attestations": base.IssuedAttestation,
        "jobs": base.Job,
        "refusals": base.Refusal,
        "sent_transactions": base.SentTransaction,
        "rentals": base.RentalState,
        "presentations": base.Presentation,
        "verifications": base.Verification,
        "provider_events": base.ProviderEvent,
        "log": base.LogEntry,
        "outbox": base.OutboxItem,
    }
    for table, record in records.items():
        missing = {each.name for each in fields(record)} - set(metadata.tables[table].c.keys())
        assert not missing, table


def test_opening_again_keeps_everything_and_loads_no_alembic(
    database: Database, store: Store
) -> None:
    store.append_log(entry)
    code = (
        "import sys; from kycgate.store import open_store; s = open_store(sys.argv[1]); "
        "print(len(s.log_entries()), 'alembic' in sys.modules); s.close()"
    )
    command = [sys.executable, "-c", code, database.url]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["1", "False"]


def test_a_database_of_the_first_version_keeps_everything_and_gains_the_rest(
    tmp_path: Path,
) -> None:
    path = tmp_path / "old.sqlite3"
    plain = create_engine(f"sqlite:///{path}")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with plain.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(text("INSERT INTO settings VALUES ('trust_sequence', '7')"))
    plain.dispose()
    path.chmod(0o600)
    store = open_store(f"sqlite:///{path}")
    store.add_sent(SENT)
    store.put_rentals([RENTAL])
    assert store.setting("trust_sequence") == "7"
    assert store.sent(SENT.chain_id, SENT.sender) == [SENT]
    assert store.rental_state(RENTAL.job) == RENTAL
    store.close()


def test_of_two_open_cases_of_one_subject_the_approved_one_stays_open(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite3"
    plain = create_engine(f"sqlite:///{path}")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    row = (
        "INSERT INTO cases (id, subject_id, account, kind, state, opened_at, updated_at, level,"
        " country, ultimate_country, verified_at, screened_at, reason_codes)"
        " VALUES (:id, :subject, 'a', 1, :state, :at, 1, 0, 0, 0, 0, 0, '[]')"
    )
    with plain.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        for subject in ("s1", "s2"):
            values = {"id": subject, "pseudonym": subject.encode()}
            insert = "INSERT INTO subjects VALUES (:id, :pseudonym, 1, 1, x'00')"
            connection.execute(text(insert), values)
        for number, (subject, state) in enumerate(
            [
                ("s1", "approved"),
                ("s1", "draft"),
                ("s1", "refused"),
                ("s2", "draft"),
                ("s2", "review"),
            ]
        ):
            said = {"id": f"c{number}", "subject": subject, "state": state, "at": number}
            connection.execute(text(row), said)
    plain.dispose()
    path.chmod(0o600)
    store = open_store(f"sqlite:///{path}")
    found = {case.id: case.state for case in store.cases()}
    store.close()
    assert found == {
        "c0": "approved",
        "c1": "closed",
        "c2": "refused",
        "c3": "closed",
        "c4": "review",
    }


def test_a_database_of_a_newer_version_is_refused_untouched(database: Database) -> None:
    plain = engine(database)
    with plain.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Misconfigured, match="9999"):
        open_store(database.url)
    with plain.connect() as connection:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    plain.dispose()
    assert found == "9999"
