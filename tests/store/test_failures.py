"""A database that is gone, broken or busy is Unavailable in every method, never an empty answer."""

from __future__ import annotations

import gc
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kycgate.errors import Misconfigured, Unavailable
from kycgate.store import Clearance, Store, open_store
from kycgate.store.records.attesting import Standing
from kycgate.store.records.jobs import DecisionFacts
from kycgate.store.sql.database import LOOK_EVERY_S, WAIT_S
from tests.store.conftest import Database
from tests.store.samples import (
    ALICE,
    ATTESTATION,
    BLOB,
    CASE,
    EVIDENCE,
    HOLD,
    ISSUER,
    JOB,
    KEY,
    NOW,
    OPENED,
    PROOF,
    REFUSAL,
    RENTAL,
    SENT,
    SESSION,
    SUBJECT,
    USER_CODE,
    entry,
)
from tests.store.test_handoffs import HANDOFF
from tests.store.test_presentations import ASKED
from tests.store.test_verifications import EVENT, VISIT

CALLS: dict[str, Callable[[Store], object]] = {
    "ping": lambda s: s.ping(),
    "version": lambda s: s.version(),
    "add_nonce": lambda s: s.add_nonce("n", purpose="p", binding=b"b", expires_at=NOW),
    "spend_nonce": lambda s: s.spend_nonce("n", purpose="p", binding=b"b", now=NOW),
    "claim_nonce": lambda s: s.claim_nonce("s", "n", expires_at=NOW, now=NOW),
    "sweep": lambda s: s.sweep(now=NOW),
    "add_session": lambda s: s.add_session(SESSION),
    "session": lambda s: s.session(SESSION.token_hash, now=NOW),
    "end_session": lambda s: s.end_session(SESSION.token_hash),
    "note_wallet_proof": lambda s: s.note_wallet_proof(ALICE, at=NOW),
    "wallet_proof_at": lambda s: s.wallet_proof_at(ALICE),
    "set_upstream_key": lambda s: s.set_upstream_key(ALICE, b"k"),
    "upstream_key": lambda s: s.upstream_key(ALICE),
    "any_upstream_key": lambda s: s.any_upstream_key(),
    "add_subject": lambda s: s.add_subject(SUBJECT),
    "subject": lambda s: s.subject(SUBJECT.id),
    "subject_of": lambda s: s.subject_of(ALICE),
    "link_account": lambda s: s.link_account(ALICE, SUBJECT.id, at=NOW),
    "accounts_of": lambda s: s.accounts_of(SUBJECT.id),
    "rewrap_subject_key": lambda s: s.rewrap_subject_key(SUBJECT.id, b"k"),
    "add_case": lambda s: s.add_case(CASE, OPENED),
    "case": lambda s: s.case(CASE.id),
    "cases_changed": lambda s: s.cases_changed(since=NOW),
    "add_clearance": lambda s: s.add_clearance(Clearance(SUBJECT.id, b"c", CASE.id, "r", NOW)),
    "clearances_of": lambda s: s.clearances_of(SUBJECT.id),
    "subjects_after": lambda s: s.subjects_after("", limit=1),
    "restrict_subject": lambda s: s.restrict_subject(SUBJECT.id, NOW),
    "unlink_accounts": lambda s: s.unlink_accounts(SUBJECT.id),
    "add_blob": lambda s: s.add_blob(BLOB),
    "blob": lambda s: s.blob(BLOB.id),
    "blobs_of": lambda s: s.blobs_of(CASE.id),
    "drop_blobs": lambda s: s.drop_blobs(SUBJECT.id),
    "add_hold": lambda s: s.add_hold(HOLD),
    "holds_of": lambda s: s.holds_of(SUBJECT.id),
    "release_hold": lambda s: s.release_hold(HOLD.id, at=NOW),
    "put_standing": lambda s: s.put_standing(Standing(CASE.id, NOW, b"{}")),
    "standing": lambda s: s.standing(CASE.id),
    "drop_standing": lambda s: s.drop_standing(CASE.id),
    "add_facts": lambda s: s.add_facts(DecisionFacts("d", NOW, b"{}")),
    "facts": lambda s: s.facts("d"),
    "drop_facts": lambda s: s.drop_facts(before=NOW),
    "add_proof": lambda s: s.add_proof(PROOF),
    "proof": lambda s: s.proof(PROOF.source, PROOF.reference),
    "proofs_of": lambda s: s.proofs_of(CASE.id),
    "proofs_of_document": lambda s: s.proofs_of_document(b"d"),
    "withdraw_proof": lambda s: s.withdraw_proof("s", "r", at=NOW, code="c"),
    "forget_documents": lambda s: s.forget_documents(SUBJECT.id),
    "cases": lambda s: s.cases(),
    "move_case": lambda s: s.move_case(CASE, from_state="draft", event=OPENED),
    "case_events": lambda s: s.case_events(CASE.id),
    "add_evidence": lambda s: s.add_evidence(EVIDENCE),
    "evidence_of": lambda s: s.evidence_of(CASE.id),
    "add_attestation": lambda s: s.add_attestation(ATTESTATION),
    "current_attestation": lambda s: s.current_attestation(ALICE, now=NOW),
    "epoch": lambda s: s.epoch(ALICE),
    "revoke_account": lambda s: s.revoke_account(ALICE, at=NOW, reason="r"),
    "revoke_attestation": lambda s: s.revoke_attestation(ISSUER, b"d", b"u", at=NOW, reason="r"),
    "revoke_issuer": lambda s: s.revoke_issuer(ISSUER, at=NOW, reason="r"),
    "revocations": lambda s: s.revocations(now=NOW),
    "add_key": lambda s: s.add_key(KEY),
    "key_by_hash": lambda s: s.key_by_hash(KEY.secret_hash),
    "keys_of": lambda s: s.keys_of(ALICE),
    "revoke_key": lambda s: s.revoke_key(ALICE, KEY.id, at=NOW),
    "touch_keys": lambda s: s.touch_keys({KEY.id: NOW}),
    "add_user_code": lambda s: s.add_user_code(USER_CODE),
    "claim_user_code": lambda s: s.claim_user_code(
        b"c", scheduler="m", user="u", expires_at=NOW, now=NOW
    ),
    "linked_user": lambda s: s.linked_user("m", "u", now=NOW),
    "user_links_of": lambda s: s.user_links_of(ALICE),
    "end_user_link": lambda s: s.end_user_link(ALICE, "l", at=NOW),
    "forget_user_links": lambda s: s.forget_user_links(ALICE),
    "add_handoff": lambda s: s.add_handoff(HANDOFF),
    "open_handoff": lambda s: s.open_handoff(b"c", now=NOW),
    "claim_handoff": lambda s: s.claim_handoff(b"c", SESSION, now=NOW),
    "handoff": lambda s: s.handoff("h"),
    "end_handoffs": lambda s: s.end_handoffs(ALICE),
    "add_presentation": lambda s: s.add_presentation(ASKED),
    "presentation": lambda s: s.presentation("p"),
    "move_presentation": lambda s: s.move_presentation(ASKED, from_state="waiting"),
    "presentations_of": lambda s: s.presentations_of(ALICE),
    "presentations_waiting": lambda s: s.presentations_waiting(ALICE, now=NOW),
    "presentations_proving": lambda s: s.presentations_proving(before=NOW),
    "presentations_to_check": lambda s: s.presentations_to_check(before=NOW),
    "forget_presentations": lambda s: s.forget_presentations(ALICE),
    "begin_verification": lambda s: s.begin_verification(VISIT, since=NOW, most=1, most_of_all=1),
    "put_verification": lambda s: s.put_verification(VISIT),
    "verification": lambda s: s.verification("v"),
    "verification_by_reference": lambda s: s.verification_by_reference("p", "r"),
    "due_verifications": lambda s: s.due_verifications(now=NOW),
    "claim_verification": lambda s: s.claim_verification("v", until=NOW, now=NOW),
    "forget_verifications": lambda s: s.forget_verifications(ALICE),
    "take_provider_event": lambda s: s.take_provider_event(EVENT, kind="k", payload={}, due_at=NOW),
    "forget_provider_events": lambda s: s.forget_provider_events(before=NOW),
    "begin_job": lambda s: s.begin_job(JOB, repeat_window_s=60),
    "mark_forwarded": lambda s: s.mark_forwarded(JOB.id, at=NOW),
    "finish_job": lambda s: s.finish_job(JOB.id, state="unknown", at=NOW),
    "reopen_unpaid": lambda s: s.reopen_unpaid(JOB.id, at=NOW),
    "job": lambda s: s.job(JOB.id),
    "jobs_of": lambda s: s.jobs_of(ALICE),
    "set_permit": lambda s: s.set_permit(JOB.id, b"p"),
    "own_deployment": lambda s: s.own_deployment("d", ALICE, JOB.id, at=NOW),
    "deployment_owner": lambda s: s.deployment_owner("d"),
    "deployments_of": lambda s: s.deployments_of(ALICE),
    "close_deployment": lambda s: s.close_deployment("d", at=NOW),
    "add_refusal": lambda s: s.add_refusal(REFUSAL),
    "refusal": lambda s: s.refusal(REFUSAL.id),
    "add_sent": lambda s: s.add_sent(SENT),
    "sent": lambda s: s.sent(SENT.chain_id, SENT.sender),
    "forget_sent": lambda s: s.forget_sent(SENT.chain_id, SENT.sender, SENT.nonce),
    "put_rentals": lambda s: s.put_rentals([RENTAL]),
    "rental_state": lambda s: s.rental_state(RENTAL.job),
    "rentals_after": lambda s: s.rentals_after(RENTAL.chain_id, RENTAL.escrow, 0),
    "append_log": lambda s: s.append_log(entry),
    "log_entries": lambda s: s.log_entries(),
    "log_head": lambda s: s.log_head(),
    "enqueue": lambda s: s.enqueue("k", {}, due_at=NOW),
    "due": lambda s: s.due("k", now=NOW),
    "done": lambda s: s.done(1),
    "retry": lambda s: s.retry(1, due_at=NOW),
    "setting": lambda s: s.setting("n"),
    "keep_setting": lambda s: s.keep_setting("n", "v"),
    "set_setting": lambda s: s.set_setting("n", "v"),
}


def answering(store: Store) -> list[str]:
    """The methods that gave an answer where none can be given."""
    answered = []
    for name, call in CALLS.items():
        try:
            call(store)
        except Unavailable:
            continue
        answered.append(name)
    return answered


def test_every_method_of_the_store_is_called_here() -> None:
    unasked = {"close", "brief_reads"}  # neither asks the database anything
    promised = {name for name in vars(Store) if not name.startswith("_")} - unasked
    assert set(CALLS) == promised


def test_every_method_is_unavailable_when_the_database_goes_away(
    database: Database, store: Store
) -> None:
    store.ping()
    if database.server is None:
        database.file.unlink()
        time.sleep(LOOK_EVERY_S)  # a caller's key may still be read that long
    else:
        database.administer(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false")
        database.administer(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{database.name}'"
        )
    assert answering(store) == []
    if database.server is None:
        assert not database.file.exists()


def test_every_method_is_unavailable_once_the_store_is_closed(store: Store) -> None:
    store.ping()
    store.close()
    assert answering(store) == []


def test_a_server_that_restarts_is_used_again_without_a_failed_call(
    database: Database, store: Store
) -> None:
    store.add_key(KEY)
    hang_up(database)
    assert store.key_by_hash(KEY.secret_hash) == KEY
    hang_up(database)
    assert store.keys_of(ALICE) == [KEY]
    hang_up(database)
    assert store.append_log(entry).seq == 1


def hang_up(database: Database) -> None:
    """Cut every connection, as a restart of PostgreSQL does."""
    if database.server is not None:
        database.administer(
            f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            f"WHERE datname = '{database.name}'"
        )


def test_a_connection_lost_inside_a_write_is_unavailable_and_nothing_is_written(
    database: Database, store: Store
) -> None:
    def lose(seq: int, prev_hash: bytes) -> object:
        if database.server is None:
            os.rename(database.file, database.file.with_suffix(".moved"))
        else:
            hang_up(database)
        return entry(seq, prev_hash)

    with pytest.raises(Unavailable):
        store.append_log(lambda seq, prev: (lose(seq, prev), store.log_head(), entry(seq, prev))[2])
    if database.server is None:
        os.rename(database.file.with_suffix(".moved"), database.file)
    assert store.log_head() is None
    assert store.append_log(entry).seq == 1


def test_a_message_about_the_database_names_no_value(database: Database, store: Store) -> None:
    store.close()
    with pytest.raises(Unavailable) as raised:
        store.key_by_hash(KEY.secret_hash)
    assert KEY.secret_hash.hex() not in raised.value.message


# -- SQLite ----------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite3"


def test_a_replaced_file_is_unavailable(path: Path) -> None:
    store = open_store(f"sqlite:///{path}")
    store.add_key(KEY)
    path.rename(path.with_suffix(".old"))
    open_store(f"sqlite:///{path}").close()
    time.sleep(LOOK_EVERY_S)
    with pytest.raises(Unavailable):
        store.key_by_hash(KEY.secret_hash)
    store.close()


def test_a_damaged_file_is_unavailable(path: Path) -> None:
    store = open_store(f"sqlite:///{path}")
    for number in range(50):
        store.set_setting(f"s{number}", "v" * 500)
    store.close()
    content = bytearray(path.read_bytes())
    content[100:] = os.urandom(len(content) - 100)
    path.write_bytes(content)
    with pytest.raises(Unavailable):
        open_store(f"sqlite:///{path}")


def test_a_file_that_is_no_database_is_unavailable(path: Path) -> None:
    path.write_text("these are somebody's notes, and they stay\n" * 99)
    before = path.read_bytes()
    with pytest.raises(Unavailable):
        open_store(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_a_store_that_lost_its_tables_is_unavailable(path: Path) -> None:
    store = open_store(f"sqlite:///{path}")
    with sqlite3.connect(path) as other:
        other.execute("DELETE FROM counters")
        other.execute("DROP TABLE keys")
    other.close()
    with pytest.raises(Unavailable):
        store.version()
    with pytest.raises(Unavailable):
        store.key_by_hash(KEY.secret_hash)
    store.close()


def test_a_lock_held_too_long_is_unavailable_and_reads_go_on(path: Path) -> None:
    store = open_store(f"sqlite:///{path}")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable):
        store.append_log(entry)
    assert store.log_head() is None
    other.execute("ROLLBACK")
    other.close()
    assert store.append_log(entry).seq == 1
    store.close()


def test_the_file_and_its_journals_are_private(path: Path) -> None:
    store = open_store(f"sqlite:///{path}")
    store.append_log(entry)
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert modes == dict.fromkeys([path.name, f"{path.name}-wal", f"{path.name}-shm"], 0o600)
    store.close()


def test_an_open_file_is_made_private(path: Path) -> None:
    path.touch(0o644)
    open_store(f"sqlite:///{path}").close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_every_connection_is_durable_and_checks_references(path: Path) -> None:
    store = open_store(f"sqlite:///{path}")
    found = []

    def look() -> None:
        pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ask = store._db._lease().connection.exec_driver_sql  # type: ignore[attr-defined]
        found.append([ask(f"PRAGMA {name}").scalar() for name in pragmas])

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    look()
    assert found == [["wal", 2, 1, WAIT_S * 1000]] * 2
    store.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "kycgate.sqlite3",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:////no/such/folder/file",
        "mysql://localhost/x",
        "sqlite:///x?mode=ro",
    ],
)
def test_a_url_that_can_not_be_right_is_misconfigured(url: str) -> None:
    with pytest.raises(Misconfigured):
        open_store(url)


def test_no_server_is_unavailable_and_the_password_is_not_told() -> None:
    with pytest.raises(Unavailable) as raised:
        open_store("postgresql://kycgate:hunter2@localhost/x?host=/no/such/folder")
    assert "hunter2" not in raised.value.message


# -- threads ---------------------------------------------------------------------------------------


def test_many_short_threads_leave_no_connection_behind(database: Database, store: Store) -> None:
    for _ in range(60):
        thread = threading.Thread(target=store.version)
        thread.start()
        thread.join()
    gc.collect()
    leases = store._db._leases  # type: ignore[attr-defined]
    assert len(leases) <= 1


def test_opening_a_store_loads_sqlalchemy_and_importing_the_room_does_not() -> None:
    code = "import sys, kycgate.store, kycgate.audit; print('sqlalchemy' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"
