"""The running gate goes by what a case says of its owners: told, registered, listed, and where."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from kycgate.assembly import Services, open_services
from kycgate.cli import main
from kycgate.core.claims import Account, Address
from kycgate.demo.marketplace import Marketplace
from kycgate.errors import Refused
from kycgate.gateway.view import Forward, Reply, RequestView
from kycgate.store.records.signin import Key
from tests.gateway.world import CAAS, deploy
from tests.operating import set_up
from tests.screening.ownership.test_bods import entity, relationship, wire

YEARS = 10 * 365 * 86_400
NAME = "Quellwater Rendering Pte. Ltd."
LISTED = "Rayscience Optoelectronics Innovation Co., Ltd"
"""On the Entity List that ships with the package."""
BLOCKED = "SOVCOMBANK FACTORING LIMITED LIABILITY COMPANY"
"""On the SDN List that ships with the package."""
STAYED = 1_786_000_000
"""2026-08-06: the Affiliates Rule is stayed."""


@pytest.fixture(scope="module")
def market() -> Iterator[Marketplace]:
    with Marketplace(api_key="upstream-key") as running:
        yield running


def configured(folder: Path, market: Marketplace, more: str = "") -> Path:
    return set_up(
        folder,
        more,
        secrets={"upstream": "upstream-key"},
        marketplace={"upstream": market.url, "upstream_key": "file:keys/upstream.key"},
        screening={"max_age_s": YEARS},
        policy={"rules": "standard"},
    )


def registered(number: str, name: str = NAME, country: str = "SG") -> Any:
    """A company in the register, with `number` for its id there too."""
    known = [{"scheme": "SG-ACRA", "id": number}]
    return entity(number, country, name=name, identifiers=known)


def owned(number: str, by: str) -> Any:
    stake = {"type": "shareholding", "share": {"exact": 60}}
    return relationship(by, number, stake, record=f"stake-{number}")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, market: Marketplace) -> Path:
    folder = tmp_path_factory.mktemp("owners")
    statements = (
        registered("R1"),
        entity("them", "RU", name=BLOCKED),
        owned("R1", "them"),
        registered("R2", "Something Else Entirely Ltd", "CN"),
        registered("R3"),
        entity("above", "CN", name="Shenzhen Parent Ltd"),
        owned("R3", "above"),
    )
    (folder / "owners.json").write_bytes(wire(*statements))
    return configured(folder, market, '[ownership]\nbods = ["owners.json"]')


@pytest.fixture(scope="module")
def services(config: Path) -> Iterator[Services]:
    with open_services(config) as opened:
        for now in range(2):
            opened.verifying.tick_registers(now)
        yield opened


_RENTERS = count(1)


@pytest.fixture
def gate(services: Services) -> Gate:
    return Gate(services, Account(Address(next(_RENTERS).to_bytes(20))))


def company(**more: Any) -> dict[str, Any]:
    form = {
        "name": NAME,
        "registration_number": "202155555Z",
        "country": "SG",
        "headquarters_country": "SG",
        "parent": None,
        "representative": {"name": "Zebulon Quarrymaster"},
    }
    return form | more


def held(name: str, share: Any, country: str = "SG", **more: Any) -> dict[str, Any]:
    return {"name": name, "kind": "organisation", "country": country, "share": share} | more


def cascade(name: str, country: str = "CN") -> list[dict[str, Any]]:
    """50 % of what holds 50 %: by the whole stake it counts with 50 %, not with 25 %."""
    return [held("Quellwater Holding Ltd", 50, owners=[held(name, 50, country, owners=[])])]


class Gate:
    """One renter's case and requests, at the running gate."""

    def __init__(self, services: Services, renter: Account) -> None:
        self.services, self.identity, self.renter = services, services.identity, renter
        self.secret = "kg_" + renter.address.hex()

    def opened(self, details: dict[str, Any], now: int) -> Any:
        store, digest = self.services.store, hashlib.sha256(self.secret.encode()).digest()
        if store.key_by_hash(digest) is None:
            scope, name = ("read", "stop", "rent"), self.renter.address.hex()[-16:]
            store.add_key(Key(name, digest, self.renter.key, "", scope, "kg_5", now, now + YEARS))
        store.note_wallet_proof(self.renter.key, at=now)
        kind = 2 if "representative" in details else 1
        return self.identity.open_case(self.renter, kind, details, refusal_id=None, now=now)

    def approved(self, details: dict[str, Any], now: int, *roles: str) -> Any:
        case = self.opened(details, now)
        identity = self.identity
        for role in roles:
            identity.owner_is_listed(case.id, role, reviewer="mara", reason="it is", now=now)
        identity.approve(case.id, reviewer="mara", reason="papers seen", level=2, now=now)
        return identity.case(case.id)

    def rents(self, now: int, *, hardware: int = 78) -> tuple[bool, dict[str, Any]]:
        """Whether it went through, and its line in the log."""
        self.services.store.note_wallet_proof(self.renter.key, at=now)
        body = json.dumps(deploy(hardware=hardware, gpus=1)).encode()
        fields = (
            ("Host", "127.0.0.1:8080"),
            ("x-api-key", self.secret),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Idempotency-Key", str(now)),
        )
        view = RequestView(
            "POST", f"{CAAS}/deploy".encode(), "127.0.0.1:8080", "http", fields, body, "192.0.2.7",
            now, "test",
        )  # fmt: skip
        verdict = self.services.gate.check(view)
        assert isinstance(verdict, Forward | Reply)
        lines = [json.loads(e.body) for e in self.services.store.log_entries(limit=10_000)
                 if e.kind == "decision"]  # fmt: skip
        return isinstance(verdict, Forward), lines[-1]


def replayed(config: Path, capsys: pytest.CaptureFixture[str], decision: str, *days: str) -> Any:
    capsys.readouterr()
    words = ["audit", "replay", decision, "--config", str(config), "--json"]
    assert main([*words, *(["--at", *days] if days else [])]) == 0
    return json.loads(capsys.readouterr().out)


def reasons(replay: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["rule"]: each for each in replay["reasons"]}


def test_an_organisation_half_owned_by_a_blocked_party_in_two_layers_is_denied(
    gate: Gate, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = int(time.time())
    case = gate.opened(company(owners=cascade(BLOCKED, "RU")), now)
    assert case.reason_codes[0] == "screening_hit_name"
    with pytest.raises(Refused):
        gate.identity.approve(case.id, reviewer="mara", reason="seen", level=2, now=now)
    role = "owner.1.owner.1"
    identity = gate.identity
    identity.owner_is_listed(case.id, role, reviewer="mara", reason="it is them", now=now)
    identity.approve(case.id, reviewer="mara", reason="papers seen", level=2, now=now)
    passed, line = gate.rents(now)
    assert not passed
    assert "owner_listed" in line["reason_codes"]
    assert "us-ofac-50" in line["rules"]
    assert line["ownership"]
    told = replayed(config, capsys, line["decision"])
    assert told["listed_share"]["min"] == told["listed_share"]["max"] == 50
    assert told["listed_share"]["regimes"] == ["us-ofac"]
    assert "FAQ 398 and 401" in reasons(told["replays"][0])["us-ofac-50"]["citation"]
    assert "SOVCOMBANK" not in json.dumps(told)


def test_the_affiliates_rule_follows_its_dates_at_the_running_gate(
    tmp_path: Path, market: Marketplace, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configured(tmp_path, market)
    with open_services(config) as opened:
        gate = Gate(opened, Account(Address(b"\x78" * 20)))
        gate.approved(company(owners=cascade(LISTED)), STAYED, "owner.1.owner.1")
        passed, during = gate.rents(STAYED)
        assert passed, during
        now = int(time.time())
        passed, after = gate.rents(now)
        assert not passed
        assert after["rules"] == ["us-affiliates-50"]
    told = replayed(
        config, capsys, during["decision"],
        "2025-09-28", "2025-11-09", "2025-11-10", "2026-11-09", "2026-11-10",
    )  # fmt: skip
    assert [each["verdict"] for each in told["replays"]] == [
        "allow", "deny", "allow", "allow", "deny",
    ]  # fmt: skip
    before, lapsed = (reasons(told["replays"][n])["us-affiliates-50"] for n in (1, 4))
    assert (before["status"], before["citation"]) == ("in force", "90 FR 47201 (Affiliates Rule)")
    assert (lapsed["status"], lapsed["basis"]) == ("unverified", "licence-risk")
    assert "unverified since 2026-11-10" in lapsed["text"]
    stayed = next(r for r in told["replays"][2]["rules"] if r["id"] == "us-affiliates-50")
    assert stayed["result"] == "inactive"


def test_owners_nobody_told_of_are_unknown_with_the_reason(
    gate: Gate, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = int(time.time())
    gate.approved(company(), now)
    passed, line = gate.rents(now)
    assert passed
    assert line["notes"] == ["not_checked"]
    told = replayed(config, capsys, line["decision"])
    assert told["listed_share"] is None
    assert told["listed_share_unknown"] == "nobody said who owns it"
    [replay] = told["replays"]
    assert any("nobody said who owns it" in note["text"] for note in replay["notes"])
    rule = next(each for each in replay["rules"] if each["id"] == "us-ofac-50")
    assert (rule["result"], "nobody said who owns it" in rule["note"]) == ("unknown", True)


def test_owners_told_and_clear_leave_nothing_unknown(gate: Gate) -> None:
    now = int(time.time())
    person = {"name": "Zebulon Quarrymaster", "kind": "person", "country": "SG", "share": 100}
    gate.approved(company(owners=[person]), now)
    passed, line = gate.rents(now)
    assert passed
    assert line["notes"] == ["not_checked"], "only where the network is was not looked up"


def test_a_share_that_may_reach_half_asks_for_a_review(
    gate: Gate, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = int(time.time())
    owners = [held(BLOCKED, {"min": 25, "max": 50}, "RU", owners=[])]
    gate.approved(company(owners=owners), now, "owner.1")
    passed, line = gate.rents(now)
    assert not passed
    assert set(line["reason_codes"]) == {"ownership_unknown"}
    assert line["rules"] == ["us-affiliates-50-undecided", "us-ofac-50-undecided"]
    told = replayed(config, capsys, line["decision"])
    assert (told["listed_share"]["min"], told["listed_share"]["max"]) == (25, 50)


@pytest.mark.parametrize("region, passes", [("UA-43", False), ("UA-14", False), ("UA-30", True)])
def test_a_subject_in_a_partly_embargoed_country_is_judged_by_its_region(
    gate: Gate, config: Path, region: str, passes: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    now = int(time.time())
    details = {"name": "Zebulon Quarrymaster", "country": "UA", "region": region}
    gate.approved(details, now)
    passed, line = gate.rents(now)
    assert passed is passes
    if not passes:
        assert line["reason_codes"] == ["country_embargoed"]
        told = replayed(config, capsys, line["decision"])
        assert told["regions"] == {"subject": [region], "ultimate": [region]}
        assert told["replays"][0]["verdict"] == "deny"


def test_a_parent_in_an_embargoed_region_denies_and_an_untold_region_asks(gate: Gate) -> None:
    now = int(time.time())
    parent = {"name": "Quellwater Crimea LLC", "country": "UA", "region": "UA-43", "parent": None}
    gate.approved(company(parent=parent), now)
    passed, line = gate.rents(now)
    assert (passed, line["rules"]) == (False, ["embargo-crimea"])
    gate.identity.revoke(gate.renter, reviewer="mara", reason="again", now=now)
    untold = {"name": "Quellwater Kyiv LLC", "country": "UA", "parent": None}
    case = gate.opened(company(parent=untold), now)
    assert "region_unknown" in case.reason_codes


def test_an_owner_a_register_names_and_the_renter_did_not_is_screened_and_weighed(
    gate: Gate,
) -> None:
    now = int(time.time())
    case = gate.opened(company(registration_number="R1", owners=[]), now)
    assert "screening_hit_name" in case.reason_codes
    assert "registered_parent_differs" in case.reason_codes
    assert case.ultimate_country == 643
    view = gate.identity.case_view(case.id, reader="mara", now=now)
    [difference] = view["ownership"]["differences"]
    assert (difference["about"], difference["registered"]) == ("parent", BLOCKED)
    assert {f["role"] for f in view["screenings"][-1]["findings"]} == {"bods:them"}
    identity = gate.identity
    identity.owner_is_listed(case.id, "bods:them", reviewer="mara", reason="it is", now=now)
    identity.approve(case.id, reviewer="mara", reason="seen", level=2, now=now)
    passed, line = gate.rents(now)
    assert not passed
    assert "us-ofac-50" in line["rules"]


def test_another_name_or_headquarters_in_the_register_asks_a_reviewer(gate: Gate) -> None:
    now = int(time.time())
    case = gate.opened(company(registration_number="R2", owners=[]), now)
    assert set(case.reason_codes) >= {
        "registered_name_differs", "registered_country_differs",
    }  # fmt: skip


def test_a_register_that_was_never_read_asks_a_reviewer_and_is_not_taken_for_clear(
    tmp_path: Path, market: Marketplace
) -> None:
    now = int(time.time())
    (tmp_path / "owners.json").write_bytes(wire(registered("R1")))
    path = configured(tmp_path, market, '[ownership]\nbods = ["owners.json"]')
    with open_services(path) as opened:
        gate = Gate(opened, Account(Address(b"\x77" * 20)))
        case = gate.opened(company(owners=[]), now)
        assert "register_unavailable" in case.reason_codes
        gate.identity.approve(case.id, reviewer="mara", reason="seen", level=2, now=now)
        passed, line = gate.rents(now)
        assert "not_checked" in line["notes"]
        assert passed


def test_the_reviewer_sees_both_sides_and_the_picture(
    gate: Gate, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = int(time.time())
    case = gate.opened(company(registration_number="R3", owners=[]), now)
    words = [case.id, "--config", str(config), "--reviewer", "mara"]
    capsys.readouterr()
    assert main(["cases", "owners", *words]) == 0
    text = capsys.readouterr().out
    assert "DIFFERS: subject, parent: told Quellwater Rendering Pte. Ltd., bods says Shenz" in text
    assert main(["cases", "owners", *words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["chain"][0]["holder_name"] == "Shenzhen Parent Ltd"
    assert document["ultimate_parent"]["country"] == "CN"
    assert main(["cases", "owners", *words, "--svg"]) == 0
    assert "Shenzhen Parent Ltd" in capsys.readouterr().out
    assert main(["cases", "show", *words]) == 0
    assert "ultimate parent: Shenzhen Parent Ltd" in capsys.readouterr().out


def test_facts_that_are_not_those_of_the_log_are_no_replay(
    gate: Gate, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = int(time.time())
    gate.approved(company(), now)
    _, line = gate.rents(now)
    with sqlite3.connect(config.parent / "kycgate.sqlite3") as database:
        which = "from decision_facts where decision_id = ?"
        [body] = database.execute(f"select body {which}", (line["decision"],)).fetchone()
        forged = bytes(body).replace(b'"SG"', b'"CN"')
        change = "update decision_facts set body = ? where decision_id = ?"
        database.execute(change, (forged, line["decision"]))
    database.close()
    words = ["audit", "replay", line["decision"], "--config", str(config)]
    assert main(words) == 1
    assert "not what the log holds" in capsys.readouterr().out
    assert main(["audit", "replay", "0" * 32, "--config", str(config)]) == 1
