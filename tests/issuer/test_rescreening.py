"""A list changes, and whoever it concerns is stopped: nobody else, nothing twice, nothing lost."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from kycgate.core.attestation import InvalidAttestation, SignedAttestation, ValidAttestation
from kycgate.core.claims import Account
from kycgate.errors import Malformed, NotFound, Refused, Unavailable
from kycgate.issuer.checks import screen
from kycgate.issuer.issuing import IssuingRules
from kycgate.issuer.ownership import OwnershipDesk, read_standing
from kycgate.issuer.rescreening import DONE, SETTLE_S, Rescreening
from kycgate.screening.backend import Screening
from kycgate.screening.controls import load_countries
from kycgate.screening.embedded import recalled
from kycgate.screening.library import Library
from kycgate.screening.live import LiveLists
from kycgate.store.base import Case, Store
from tests.issuer.conftest import (
    DAY,
    NOW,
    POLICY,
    Lines,
    Office,
    account,
    an_office,
    approve,
    open_person,
    organisation,
)
from tests.screening.listing import NAMES, copied, party, publish, publish_wallets

ADA, BEN = account(0xADA), account(0xBE4)
NOBODY = party(1, "Zebulon Quarrymaster")
RULES = IssuingRules(policy=POLICY, list_max_age_s=10 * 365 * DAY)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library") / "lists"
    Library(folder, now=NOW)
    return folder


class World:
    """An office, the lists it follows and the job that carries changes to its subjects."""

    def __init__(self, store: Store, log: Lines, library: Library) -> None:
        self.store, self.library = store, library
        publish(library, NOBODY, now=NOW)
        publish_wallets(library, "0x" + "99" * 20, now=NOW)
        self.start(log)

    def start(self, log: Lines) -> None:
        """As after a restart: nothing is known but what is stored."""
        self.lists = LiveLists(self.library, now=NOW)
        self.office: Office = an_office(
            self.store, log, Screening(self.lists), load_countries(), rules=RULES
        )
        self.job = Rescreening(self.store, self.office.identity, self.lists)

    def settle(self, now: int) -> int:
        """Steps until everything is done and written down."""
        stopped = sum(self.job.run(now=now) for _ in range(4))
        return stopped + self.job.run(now=now + SETTLE_S)

    def case(self, case: Case) -> Case:
        return self.office.identity.case(case.id)

    def dead(self, signed: SignedAttestation, who: Account, now: int) -> bool:
        verdict = self.office.verify(signed, who, now)
        assert isinstance(verdict, ValidAttestation | InvalidAttestation)
        return isinstance(verdict, InvalidAttestation)


@pytest.fixture
def world(store: Store, log: Lines, template: Path, tmp_path: Path) -> World:
    world = World(store, log, copied(template, tmp_path / "lists", now=NOW))
    world.settle(NOW)
    return world


def attested(world: World, who: Account, name: str) -> tuple[Case, SignedAttestation]:
    case = open_person(world.office, who, name=name)
    return case, approve(world.office, case)


def test_a_wallet_listed_today_is_void_at_the_next_step_and_its_neighbour_is_not(
    world: World,
) -> None:
    (case, ada), (other, ben) = (
        attested(world, ADA, "Ada Okafor"),
        attested(world, BEN, "Ben Adeyemi"),
    )
    publish_wallets(world.library, "0x" + "99" * 20, "0x" + ADA.address.hex(), now=NOW + 60)
    assert world.job.run(now=NOW + 61) == 1
    assert world.dead(ada, ADA, NOW + 61)
    assert world.case(case).reason_codes == ("screening_hit_wallet",)
    assert len(world.store.due("revoke_onchain", now=NOW + DAY)) == 1
    assert len(world.store.due("stop_jobs", now=NOW + DAY)) == 1
    assert not world.dead(ben, BEN, NOW + 61)
    assert world.case(other).state == "approved"
    assert world.office.identity.attestation(ADA, now=NOW + 61) is None


def test_a_name_in_the_review_band_asks_a_reviewer_and_is_not_renewed(world: World) -> None:
    case, signed = attested(world, ADA, "Zebulon Okafor-Quarry")
    publish(world.library, NOBODY, party(2, "Zebulun Okafor Quarry"), now=NOW + 60)
    assert world.settle(NOW + 61) == 1
    assert (world.case(case).state, world.case(case).reason_codes) == (
        "review",
        ("screening_hit_name",),
    )
    assert not world.dead(signed, ADA, NOW + 61)
    assert world.office.identity.attestation(ADA, now=NOW + 61) is None


def test_an_organisation_listed_by_its_whole_name_is_void_at_once(world: World) -> None:
    case = world.office.identity.open_case(
        ADA, 2, organisation(name="Quellfarb Halbleiter GmbH"), refusal_id=None, now=NOW
    )
    signed = approve(world.office, case)
    listed = party(3, "Quellfarb Halbleiter GmbH", schema="Company")
    publish(world.library, NOBODY, listed, now=NOW + 60)
    assert world.settle(NOW + 61) == 1
    assert world.dead(signed, ADA, NOW + 61)
    view = world.office.identity.case_view(case.id, reader="mara", now=NOW + 62)
    (finding,) = view["screenings"][-1]["findings"]
    assert (finding["band"], finding["entry"], finding["list"]) == ("block", "T-3", "FTM")
    assert finding["entity"]["schema"] == "Organization"
    assert finding["entity"]["explanations"]


def test_the_parent_and_a_number_are_looked_for_too(world: World) -> None:
    parent = {"name": "Obscurum Holding AG", "country": "CN", "parent": None}
    case = world.office.identity.open_case(
        ADA, 2, organisation(parent=parent), refusal_id=None, now=NOW
    )
    approve(world.office, case)
    other = world.office.identity.open_case(
        BEN, 2, organisation(name="Clear Sky Pte Ltd", lei="5493001KJTIIGC8Y1R12"),
        refusal_id=None, now=NOW,
    )  # fmt: skip
    approve(world.office, other)
    by_name = party(4, "Obscurum Holding AG", schema="Company")
    by_number = party(5, "Quite Another Name", schema="Company", leiCode="5493001KJTIIGC8Y1R12")
    publish(world.library, NOBODY, by_name, by_number, now=NOW + 60)
    assert world.settle(NOW + 61) == 2
    for each, role, by in ((case, "parent", "name"), (other, "subject", "identifier")):
        view = world.office.identity.case_view(each.id, reader="mara", now=NOW + 62)
        assert [(f["role"], f["by"]) for f in view["screenings"][-1]["findings"]] == [(role, by)]


def test_a_reviewers_word_survives_list_updates_until_the_entry_changes(world: World) -> None:
    case, _ = attested(world, ADA, "Ada Okafor")
    listed = party(6, "Ada Okafor", country="ng")
    publish(world.library, NOBODY, listed, now=NOW + 60)
    assert world.settle(NOW + 61) == 1
    approve(world.office, world.case(case), now=NOW + 100, despite_hit="born elsewhere")
    # Another list version, the entry as it was: nothing happens.
    publish(world.library, NOBODY, listed, party(7, "Somebody Else"), now=NOW + 160)
    assert world.settle(NOW + 161) == 0
    assert world.case(case).state == "approved"
    assert world.office.identity.attestation(ADA, now=NOW + 170) is not None
    # What is said of the party changes: it may be her now.
    changed = party(6, "Ada Okafor", country="ng", birthDate="1990-02-28")
    publish(world.library, NOBODY, changed, party(7, "Somebody Else"), now=NOW + 260)
    assert world.settle(NOW + 261) == 1
    assert world.case(case).state == "review"


def test_a_clearance_tells_a_thief_neither_name_nor_entry(world: World, database: Path) -> None:
    case, _ = attested(world, ADA, "Ada Okafor")
    publish(world.library, NOBODY, party(6, "Ada Okafor"), now=NOW + 60)
    world.settle(NOW + 61)
    approve(world.office, world.case(case), now=NOW + 100, despite_hit="born elsewhere")
    (key,) = world.store.clearances_of(case.subject_id)
    assert len(key) == 32
    files = b"".join(path.read_bytes() for path in database.parent.glob("kycgate.db*"))
    assert key in files
    for secret in (b"Okafor", b"T-6"):
        assert secret not in files


def test_a_hit_that_came_after_the_reviewer_looked_is_not_cleared_by_their_word(
    world: World,
) -> None:
    case, _ = attested(world, ADA, "Ada Okafor")
    publish(world.library, NOBODY, party(6, "Ada Okafor"), now=NOW + 60)
    world.settle(NOW + 61)
    both = (party(6, "Ada Okafor"), party(7, "Ada Okafor", country="ng"))
    publish(world.library, NOBODY, *both, now=NOW + 90)
    world.settle(NOW + 91)
    with pytest.raises(Refused):
        approve(world.office, world.case(case), now=NOW + 120, despite_hit="the 1952 one")
    assert world.store.clearances_of(case.subject_id) == frozenset()
    # Now both have been shown.
    assert approve(world.office, world.case(case), now=NOW + 130, despite_hit="neither")


def test_a_listed_wallet_can_not_be_cleared(world: World) -> None:
    case, _ = attested(world, ADA, "Ada Okafor")
    publish_wallets(world.library, "0x" + ADA.address.hex(), now=NOW + 60)
    world.settle(NOW + 61)
    with pytest.raises(Refused, match="wallet"):
        approve(world.office, world.case(case), now=NOW + 100, despite_hit="not hers")


def test_who_is_taken_off_a_list_is_no_news(world: World) -> None:
    case, _ = attested(world, ADA, "Ada Okafor")
    publish(world.library, party(9, "Wholly Different"), now=NOW + 60)
    assert world.settle(NOW + 61) == 0
    assert world.case(case).state == "approved"


def test_a_change_that_came_while_nobody_ran_is_found_at_the_next_start(
    world: World, log: Lines
) -> None:
    _, signed = attested(world, ADA, "Ada Okafor")
    publish_wallets(world.library, "0x" + ADA.address.hex(), now=NOW + 60)
    world.start(log)
    assert world.settle(NOW + 61) == 1
    assert world.dead(signed, ADA, NOW + 61)
    assert json.loads(world.store.setting(DONE) or "")[NAMES]


class Killed(Exception):
    """The process is gone."""


def test_a_job_killed_half_way_does_the_rest_and_nothing_twice(world: World, log: Lines) -> None:
    cases = [attested(world, account(0x500 + n), f"Ada Okafor {word}")[0] for n, word in
             enumerate(("Uno", "Due", "Tre"))]  # fmt: skip
    publish_wallets(
        world.library, *("0x" + account(0x500 + n).address.hex() for n in range(3)), now=NOW + 60
    )
    rescreen, seen = world.office.identity.rescreen, list[str]()

    class Dying:
        book = world.office.identity.book
        proofs = world.office.identity.proofs

        def rescreen(self, case_id: str, screener: Screening, *, now: int) -> object:
            if seen:
                raise Killed
            seen.append(case_id)
            return rescreen(case_id, screener, now=now)

    world.job = Rescreening(world.store, Dying(), world.lists)  # type: ignore[arg-type]
    with pytest.raises(Killed):
        world.job.run(now=NOW + 61)
    world.start(log)
    assert world.settle(NOW + 62) == 2
    assert {world.case(each).state for each in cases} == {"review"}
    assert len(world.store.due("stop_jobs", now=NOW + DAY)) == 3


def test_killed_between_the_case_and_the_void_the_void_is_made_up_for(
    world: World, log: Lines
) -> None:
    case, signed = attested(world, ADA, "Ada Okafor")
    publish_wallets(world.library, "0x" + ADA.address.hex(), now=NOW + 60)
    flagged = replace(world.case(case), state="review", reason_codes=("screening_hit_wallet",))
    event = world.store.case_events(case.id)[-1]
    world.store.move_case(flagged, from_state="approved", event=replace(event, at=NOW + 61))
    assert not world.dead(signed, ADA, NOW + 61)
    world.settle(NOW + 62)
    assert world.dead(signed, ADA, NOW + 62)


def test_a_case_approved_with_the_old_lists_while_the_new_are_taken_in_is_caught(
    world: World,
) -> None:
    publish_wallets(world.library, "0x" + ADA.address.hex(), now=NOW + 60)
    # Another process, which has not looked yet.
    stale = LiveLists(Library(world.library.directory, now=NOW), now=NOW)
    old = an_office(world.store, Lines(), Screening(stale), load_countries(), rules=RULES)
    world.job.run(now=NOW + 61)
    world.job.run(now=NOW + 62)
    case = open_person(old, ADA, now=NOW + 63)
    signed = approve(old, case, now=NOW + 63)
    assert world.job.run(now=NOW + 64) == 1
    assert world.dead(signed, ADA, NOW + 64)


def test_a_lost_library_stops_nothing_that_runs_and_says_so(world: World) -> None:
    case, _ = attested(world, ADA, "Ada Okafor")
    manifest = world.library.directory / NAMES / "manifest.json"
    manifest.write_text("{")
    with pytest.raises(Unavailable):
        world.job.run(now=NOW + 61)
    assert world.case(case).state == "approved"


def test_reading_for_the_index_stands_in_the_log_once_a_batch_without_names(
    world: World, log: Lines
) -> None:
    attested(world, ADA, "Ada Okafor")
    attested(world, BEN, "Ben Adeyemi")
    before = len(log.of("evidence_read"))
    world.job.run(now=NOW + 61)
    assert log.of("evidence_indexed")[-1] == {
        "reader": "rescreening", "count": 2, "at": NOW + 61
    }  # fmt: skip
    assert len(log.of("evidence_read")) == before


# -- looking back ----------------------------------------------------------------------------------


def test_what_was_found_is_found_again_with_the_versions_the_evidence_carries(
    world: World,
) -> None:
    publish(world.library, NOBODY, party(8, "Ada Okafor"), now=NOW + 60)
    world.settle(NOW + 61)
    case = open_person(world.office, ADA, now=NOW + 90, name="Ada Okafor")
    kept = world.office.identity.case_view(case.id, reader="mara", now=NOW + 91)["screenings"][-1]
    assert [each["entry"] for each in kept["findings"]] == ["T-8"]
    # The party is off the list by now: today the case would be clear.
    publish(world.library, NOBODY, party(9, "Wholly Different"), now=NOW + 120)
    world.settle(NOW + 121)
    told = world.office.identity.book.details(case, reader="mara", now=NOW + 130)

    def screened(screener: Screening) -> list[dict[str, object]]:
        found = screen(told, [ADA], screener, countries=load_countries(), now=NOW)
        return [each.document() for each in found.findings]

    assert screened(world.office.lists) == []
    versions = [(each["name"], each["version"]) for each in kept["lists"]]
    then = Screening(recalled(world.library, versions))
    assert screened(then) == kept["findings"]
    assert {(each.name, each.version) for each in then.versions} == set(versions)


def test_a_version_the_library_never_kept_can_not_be_looked_back_to(world: World) -> None:
    with pytest.raises(NotFound):
        recalled(world.library, [(NAMES, "0" * 12)])


def followed(world: World) -> None:
    """As the assembly does it: owners are followed."""
    world.office.identity.book.owners = OwnershipDesk(
        world.store,
        screener=Screening(world.lists),
        countries=load_countries(),
        blind=world.office.vault.blind,
    )


def owned_by(name: str, share: object) -> dict[str, object]:
    owner = {"name": name, "kind": "organisation", "country": "CN", "share": share, "owners": []}
    return organisation(name="Straitwater Render Pte. Ltd.", owners=[owner])


@pytest.mark.parametrize("share, dead", [(50, True), (49, False)])
def test_an_owner_listed_today_changes_the_share_and_half_of_it_voids(
    world: World, share: int, dead: bool
) -> None:
    followed(world)
    told = owned_by("Quellfarb Halbleiter GmbH", share)
    case = world.office.identity.open_case(ADA, 2, told, refusal_id=None, now=NOW)
    signed = approve(world.office, case)
    owners = world.office.identity.book.owners
    assert owners is not None
    before = owners.known(ADA, now=NOW)
    assert before.share is not None
    assert (before.share.maximum, before.gap) == (0, "")
    version = world.store.version()
    listed = party(3, "Quellfarb Halbleiter GmbH", schema="Company")
    publish(world.library, NOBODY, listed, now=NOW + 60)
    assert world.settle(NOW + 61) == 1
    assert world.dead(signed, ADA, NOW + 61) is dead
    assert world.case(case).state == "review"
    after = read_standing(world.store.standing(case.id))
    assert after.share is not None
    assert (after.share.minimum, after.share.maximum) == ((50, 50) if dead else (49, 49))
    assert world.store.version() > version


def test_an_owner_that_is_acknowledged_stops_no_renewal_and_keeps_its_share(world: World) -> None:
    followed(world)
    publish(world.library, NOBODY, party(3, "Quellfarb Halbleiter GmbH", schema="Company"),
            now=NOW + 1)  # fmt: skip
    world.settle(NOW + 2)
    identity = world.office.identity
    told = owned_by("Quellfarb Halbleiter GmbH", 30)
    case = identity.open_case(ADA, 2, told, refusal_id=None, now=NOW + 30)
    assert case.reason_codes == ("screening_hit_name",)
    with pytest.raises(Refused):
        approve(world.office, case, now=NOW + 30)
    with pytest.raises(NotFound):
        identity.owner_is_listed(case.id, "owner.2", reviewer="mara", reason="x", now=NOW + 31)
    identity.owner_is_listed(case.id, "owner.1", reviewer="mara", reason="it is", now=NOW + 31)
    approve(world.office, case, now=NOW + 32)
    world.store.note_wallet_proof(ADA.key, at=NOW + DAY)
    assert identity.attestation(ADA, now=NOW + 2 * DAY) is not None
    owners = identity.book.owners
    assert owners is not None
    share = owners.known(ADA, now=NOW + 2 * DAY).share
    assert share is not None
    assert (share.minimum, share.maximum) == (30, 30)
    lines = [body for kind, body in world.office.log.entries if kind == "owner_listed"]
    assert [line["reviewer"] for line in lines] == ["mara"]
    assert "Quellfarb" not in json.dumps(lines)


def test_a_subject_that_is_listed_can_not_be_acknowledged_away(world: World) -> None:
    followed(world)
    publish(world.library, NOBODY, party(3, "Straitwater Render Pte. Ltd.", schema="Company"),
            now=NOW + 1)  # fmt: skip
    world.settle(NOW + 2)
    identity = world.office.identity
    case = identity.open_case(ADA, 2, owned_by("X", 30), refusal_id=None, now=NOW + 30)
    for role in ("subject", "representative", "wallet"):
        with pytest.raises(Malformed):
            identity.owner_is_listed(case.id, role, reviewer="mara", reason="x", now=NOW + 31)
    with pytest.raises(Refused):
        approve(world.office, case, now=NOW + 32)
