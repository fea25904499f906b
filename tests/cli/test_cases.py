"""`kycgate cases`, driven as a reviewer would, over a real store."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from kycgate.cli import cases
from kycgate.cli.output import Exit
from kycgate.core.claims import checksum
from kycgate.errors import Conflict, Malformed, NotFound, Refused
from kycgate.issuer.identity import Identity
from kycgate.store import open_store
from kycgate.store.base import Case, Store
from tests.issuer.conftest import (
    Edition,
    FewCountries,
    Lines,
    Lists,
    Office,
    account,
    an_office,
    open_person,
    organisation,
)
from tests.issuer.pictures import a_jpeg
from tests.issuer.proofs import a_proof

ADA = account(0xADA)


@dataclass(frozen=True)
class Opened:
    identity: Identity
    store: Store


@dataclass
class Desk:
    """A reviewer's terminal."""

    office: Office
    screen: Any

    def __call__(self, *words: str) -> int:
        @contextmanager
        def opener(path: str) -> Iterator[Opened]:
            assert path == "gate.toml"
            yield Opened(self.office.identity, self.office.store)

        parser = argparse.ArgumentParser()
        cases.add(parser, opener=opener)
        args = parser.parse_args([*words, "--config", "gate.toml"])
        return int(args.run(args))

    def json(self, *words: str) -> Any:
        assert self(*words, "--json") == Exit.YES
        return json.loads(self.screen.readouterr().out)

    def text(self, *words: str) -> str:
        assert self(*words) == Exit.YES
        return str(self.screen.readouterr().out)


@pytest.fixture
def desk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    monkeypatch.setenv("USER", "mara")
    store = open_store(f"sqlite:///{tmp_path}/gate.db")
    lists = Lists(edition=Edition(as_of=int(time.time())))
    yield Desk(an_office(store, Lines(), lists, FewCountries()), capsys)
    store.close()


def waiting(desk: Desk, form: dict[str, Any] | None = None) -> Case:
    now = int(time.time())
    if form is None:
        return open_person(desk.office, ADA, now=now)
    return desk.office.identity.open_case(ADA, 2, form, refusal_id=None, now=now)


def test_an_empty_desk_says_so(desk: Desk) -> None:
    assert desk.text("list") == "No such cases.\n"
    assert desk.json("list") == {"cases": []}


def test_the_list_shows_who_waits_and_why_but_no_name(desk: Desk) -> None:
    parent = {"name": "Open End Ltd", "country": "US"}
    case = waiting(desk, organisation(parent=parent))
    text = desk.text("list")
    assert case.id in text
    assert "ultimate_country_unknown" in text
    assert "Merlion" not in text
    (row,) = desk.json("list")["cases"]
    assert (row["case"], row["state"], row["ultimate_country"]) == (case.id, "review", None)


def test_a_renter_is_asked_for_more_in_words_they_will_read(desk: Desk) -> None:
    case = waiting(desk)
    words = ("--item", "document", "--text", "Blurred.", "--item", "details", "--text", "Spell it.")
    text = desk.text("ask", case.id, *words)
    assert "with the renter again" in text
    assert "Blurred." in desk.text("show", case.id)
    standing = desk.office.identity.standing(
        desk.office.identity.case(case.id), now=int(time.time())
    )
    assert [need.item for need in standing.needs] == ["document", "details"]
    with pytest.raises(Malformed):
        desk("ask", case.id, "--item", "document", "--text", "a", "--text", "b")


def test_proofs_and_the_same_document_elsewhere_are_shown(desk: Desk) -> None:
    now = int(time.time())
    proof = a_proof(name="Tan Wei Ling", proven_at=now, valid_until=now + 9_000_000)
    other = desk.office.identity.prove(account(0xB0B), proof, now=now)
    case = waiting(desk)
    desk.office.identity.prove(ADA, replace(proof, reference="p2", name="Tan Wei"), now=now)
    text = desk.text("show", case.id)
    assert f"SAME DOCUMENT, OTHER SUBJECT: case {other.id}" in text
    assert "credential by openid4vp" in text
    assert "name different" in text


def test_a_picture_is_written_once_to_a_private_file(desk: Desk, tmp_path: Path) -> None:
    case = waiting(desk)
    assert desk.text("documents", case.id) == "No pictures.\n"
    desk.office.identity.add_picture(ADA, "front", a_jpeg(), now=int(time.time()))
    (row,) = desk.json("documents", case.id)["documents"]
    out = tmp_path / "front.jpg"
    assert desk.json("document", case.id, row["id"], "--out", str(out))["size"] == row["size"]
    assert out.read_bytes().startswith(b"\xff\xd8\xff")
    assert out.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Malformed):
        desk("document", case.id, row["id"], "--out", str(out))
    with pytest.raises(NotFound):
        desk("document", case.id, "f" * 32, "--out", str(tmp_path / "other.jpg"))


def test_the_list_can_be_narrowed_to_a_state(desk: Desk) -> None:
    case = waiting(desk)
    assert desk.json("list", "--state", "approved") == {"cases": []}
    desk.json("approve", case.id, "--reason", "passport seen")
    assert [row["case"] for row in desk.json("list", "--state", "approved")["cases"]] == [case.id]
    assert len(desk.json("list", "--state", "all")["cases"]) == 1
    assert desk.json("list") == {"cases": []}
    with pytest.raises(Malformed):
        desk("list", "--limit", "0")


def test_a_case_reads_from_top_to_bottom(desk: Desk) -> None:
    desk.office.lists.names["Lantern Holdings"] = "e77"
    above = {"name": "Lantern Holdings", "country": "CN", "parent": None}
    parent = {"name": "Middle Ltd", "country": "AE", "registration_number": "77-1", "parent": above}
    case = waiting(desk, organisation(parent=parent))
    text = desk.text("show", case.id)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "State review" in lines
    assert "Name Merlion Compute Pte. Ltd." in lines
    assert "Represented by Tan Wei Ling" in lines
    assert "1 Middle Ltd AE 77-1" in lines
    assert "2 Lantern Holdings CN" in lines
    assert "nobody above (as told)" in lines
    assert "ultimate country CN" in lines
    (hit,) = [line for line in lines if line.startswith("HIT")]
    assert hit == "HIT parent.parent Lantern Holdings listed as LANTERN HOLDINGS TEST e77 exact 100"
    assert any(line.startswith("Screened 2") and "against TEST 1 of 2" in line for line in lines)
    assert any(line.endswith("renter submit draft → submitted") for line in lines)
    despite = '--despite-hit "why it is somebody else"'
    assert f'kycgate cases approve {case.id} --reason "…" {despite}' in lines
    assert text == "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def test_records_of_other_issuers_are_shown_as_evidence_only(desk: Desk) -> None:
    case = open_person(desk.office, ADA)
    record = {
        "source": "coinbase",
        "where": "on chain",
        "uid": "0x" + "77" * 32,
        "says": {"verified_country": "SG"},
        "checked_at": 1_785_000_000,
    }
    desk.office.identity.book.keep(case, "import", record, 1_785_000_000)
    desk("show", case.id, "--reviewer", "mara")
    shown = desk.screen.readouterr().out
    assert "Records of other issuers, evidence only" in shown
    assert "coinbase, on chain" in shown
    assert "verified_country SG" in shown
    assert "0x" + "77" * 32 in shown


def test_columns_stay_straight_beside_chinese_names(desk: Desk) -> None:
    above = {"name": "上海灯河控股有限公司", "country": "CN", "parent": None}
    parent = {"name": "Lantern River", "country": "SG", "parent": above}
    lines = desk.text("show", waiting(desk, organisation(parent=parent)).id).splitlines()
    latin = next(line for line in lines if "Lantern River" in line)
    chinese = next(line for line in lines if "上海" in line)
    assert latin.index("SG") == chinese.index("CN") + len("上海灯河控股有限公司")


def test_earlier_screenings_take_one_line_each(desk: Desk) -> None:
    case = waiting(desk)
    desk.office.lists.names["Ada Okafor"] = "e7"
    with pytest.raises(Refused):
        desk("approve", case.id, "--reason", "passport seen")
    text = desk.text("show", case.id)
    assert text.count("HIT ") == 1
    assert "Screened before" in text
    assert "clear" in text


def test_a_listed_wallet_is_said_to_be_final(desk: Desk) -> None:
    desk.office.lists.wallets.add(ADA.address)
    text = desk.text("show", waiting(desk).id)
    assert "can't be approved" in text
    assert "cases approve" not in text


def test_an_open_end_of_the_owners_is_shouted(desk: Desk) -> None:
    text = desk.text("show", waiting(desk, organisation(parent={"name": "P", "country": "US"})).id)
    assert "NOT TOLD who is above" in text
    assert "UNKNOWN" in text


def test_showing_is_logged_under_the_reader(desk: Desk) -> None:
    case = waiting(desk)
    desk.office.log.entries.clear()
    desk.json("show", case.id, "--reviewer", "noor")
    desk.json("show", case.id)
    readers = [entry["reader"] for entry in desk.office.log.of("evidence_read")]
    assert set(readers) == {"noor", "mara"}


def test_approval_prints_what_was_issued(desk: Desk) -> None:
    case = waiting(desk)
    document = desk.json("approve", case.id, "--reason", "lease and passport seen", "--level", "2")
    assert (document["case"]["state"], document["case"]["level"]) == ("approved", 2)
    (attested,) = document["attestations"]
    assert attested["account"] == checksum(ADA.address)
    issued = desk.office.store.current_attestation(ADA.key, now=int(time.time()))
    assert issued is not None
    assert attested["uid"] == "0x" + issued.uid.hex()
    text = desk.text("show", case.id)
    assert "lease and passport seen" in text
    assert "valid until" in text
    assert "To decide" not in text


def test_a_hit_needs_a_reason_of_its_own(desk: Desk) -> None:
    desk.office.lists.names["Ada Okafor"] = "e7"
    case = waiting(desk)
    with pytest.raises(Refused):
        desk("approve", case.id, "--reason", "passport seen")
    desk.json("approve", case.id, "--reason", "passport seen", "--despite-hit", "born later")
    assert "despite hit: born later" in desk.text("show", case.id)


def test_a_refusal_is_kept_with_its_reason(desk: Desk) -> None:
    case = waiting(desk)
    assert desk.text("refuse", case.id, "--reason", "forged") == f"Case {case.id} is refused.\n"
    assert "forged" in desk.text("show", case.id)
    with pytest.raises(Conflict):
        desk("approve", case.id, "--reason", "after all")


@pytest.mark.parametrize("who", ["case", "account", "subject", "checksummed"])
def test_revoking_takes_a_case_an_account_or_a_subject(desk: Desk, who: str) -> None:
    case = waiting(desk)
    desk.json("approve", case.id, "--reason", "passport seen")
    names = {
        "case": case.id,
        "account": ADA.key,
        "subject": case.subject_id,
        "checksummed": checksum(ADA.address),
    }
    document = desk.json("revoke", names[who], "--reason", "fraud")
    assert (document["case"]["case"], document["case"]["state"]) == (case.id, "revoked")
    assert desk.office.store.epoch(ADA.key) == 1


@pytest.mark.parametrize("words", [["show", "f" * 16], ["revoke", "f" * 32, "--reason", "x"]])
def test_what_does_not_exist_is_not_found(desk: Desk, words: list[str]) -> None:
    with pytest.raises(NotFound):
        desk(*words)


def test_a_case_can_be_opened_from_a_file(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "details.json"
    file.write_text(json.dumps(organisation()))
    words = ["open", checksum(ADA.address), "--kind", "organisation", "--details", str(file)]
    document = desk.json(*words)
    assert (document["case"]["account"], document["case"]["state"]) == (ADA.key, "submitted")


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ("{", "details"),
        ('{"name": "a", "name": "b"}', "details"),
        ("[]", "details"),
        ('{"name": "Ada"}', "country"),
        ('{"name": "' + "x" * 70_000 + '"}', "details"),
    ],
)
def test_a_bad_file_is_named_and_opens_nothing(
    desk: Desk, tmp_path: Path, content: str, field: str
) -> None:
    file = tmp_path / "details.json"
    file.write_text(content)
    with pytest.raises(Malformed) as refused:
        desk("open", ADA.key, "--kind", "person", "--details", str(file))
    assert refused.value.field == field
    assert desk.office.store.cases() == []


def test_a_missing_file_and_a_missing_reviewer_are_usage_errors(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Malformed) as refused:
        desk("open", ADA.key, "--kind", "person", "--details", str(tmp_path / "none.json"))
    assert refused.value.field == "--details"
    monkeypatch.delenv("USER")
    with pytest.raises(Malformed) as refused:
        desk("show", "f" * 16)
    assert refused.value.field == "--reviewer"
