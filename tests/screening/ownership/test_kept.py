"""A register is read once: what is kept answers as what was read, and never as anything else."""

from __future__ import annotations

import os
import shutil
from datetime import date
from pathlib import Path

import pytest

from kycgate.errors import KycgateError, Malformed, Unavailable
from kycgate.screening.ownership.graph import OwnershipGraph, document
from kycgate.screening.ownership.kept import head_of, recall
from kycgate.screening.ownership.live import BuilderApart, LiveRegisters, Trouble, status
from kycgate.screening.ownership.parties import plain_number
from kycgate.screening.ownership.sources import Source, build, last_good, opened, read
from tests.screening.ownership.test_bods import shenzhen, wire
from tests.screening.ownership.world import COUNTRIES, RESTRICTED, country_of

DATA = Path(__file__).parent / "data"
AT, NOW = date(2026, 11, 23), 1_795_000_000
DENTSU, FIDELITY = "213800FERQ5LE3H7WJ58", "001GPB6A9XPE8XJICC14"


@pytest.fixture
def gleif(tmp_path: Path) -> Source:
    folder = tmp_path / "gleif"
    folder.mkdir()
    for name in ("lei-data.xml", "rr-data.xml", "repex-data.xml"):
        shutil.copy(DATA / "gleif" / name, folder / name)
    return Source("gleif", (folder,), tmp_path / "kept" / "gleif.register")


@pytest.fixture
def bods(tmp_path: Path) -> Source:
    path = tmp_path / "shenzhen.json"
    path.write_bytes(wire(*shenzhen()))
    return Source("bods", (path,), tmp_path / "kept" / "bods.register")


def made(source: Source) -> OwnershipGraph:
    return OwnershipGraph(build(source, country_of=country_of, now=NOW).register)


def told(graph: OwnershipGraph, entity: str) -> object:
    explained = graph.explain(entity, ["parent"], at=AT, restricted=RESTRICTED)
    return document(explained, country_name=COUNTRIES.alpha2)


def test_a_gleif_register_recalled_says_what_the_one_read_says(gleif: Source) -> None:
    fresh = OwnershipGraph(read(gleif, country_of=country_of).register)
    kept = made(gleif)
    assert len(kept.register) == len(fresh.register) > 10  # type: ignore[arg-type]
    for row in range(len(fresh.register)):  # type: ignore[arg-type]
        lei = fresh.register.companies.leis[row].decode()  # type: ignore[attr-defined]
        assert told(kept, lei) == told(fresh, lei)
    assert kept.register.find("DENTSU INTERNATIONAL LIMITED") == [DENTSU]


def test_a_declared_register_recalled_says_what_the_one_read_says(bods: Source) -> None:
    fresh = OwnershipGraph(read(bods, country_of=country_of).register)
    assert told(made(bods), "sub") == told(fresh, "sub")


@pytest.mark.parametrize("example", sorted((DATA / "bods").glob("*.json")), ids=lambda p: p.stem)
def test_every_published_example_survives_being_kept(example: Path, tmp_path: Path) -> None:
    source = Source("bods", (example,), tmp_path / "kept.register")
    fresh = read(source, country_of=country_of).register
    kept = build(source, country_of=country_of, now=NOW).register
    for party in fresh.described:  # type: ignore[union-attr]
        assert kept.party(party.id, AT) == fresh.party(party.id, AT)
        assert kept.stakes(party.id) == fresh.stakes(party.id)


def test_companies_are_found_by_their_registration_number(gleif: Source) -> None:
    register = made(gleif).register
    gb = COUNTRIES.numeric("GB")
    assert register.numbered(gb, plain_number("0140-3668")) == [DENTSU]
    assert register.numbered(COUNTRIES.numeric("US"), plain_number("01403668")) == []
    assert register.numbered(0, plain_number("01403668")) == []
    assert register.identified(DENTSU) == (DENTSU,)


def test_what_is_kept_is_not_read_again_until_a_file_changes(gleif: Source) -> None:
    assert opened(gleif) is None
    made(gleif)
    first = opened(gleif)
    assert first is not None
    assert build(gleif, country_of=country_of, now=NOW + 9).made_at == first.made_at == NOW
    shutil.copy(DATA / "gleif" / "lei-updates-data2.xml", gleif.files[0] / "delta-1.xml")
    assert opened(gleif) is None
    again = build(gleif, country_of=country_of, now=NOW + 9)
    assert (again.made_at, again.version == first.version) == (NOW + 9, False)


@pytest.mark.parametrize("at", [0, 20, 40, 300, -200, -1])
def test_a_flipped_bit_in_what_is_kept_is_as_good_as_nothing_kept(gleif: Source, at: int) -> None:
    made(gleif)
    content = bytearray(gleif.kept.read_bytes())
    content[at] ^= 4
    gleif.kept.write_bytes(bytes(content))
    if opened(gleif) is not None:  # a changed head may only say other harmless things
        assert told(OwnershipGraph(last_good(gleif).register), DENTSU)
    rebuilt = build(gleif, country_of=country_of, now=NOW + 1)
    assert rebuilt.register.party(DENTSU, AT).name == "DENTSU INTERNATIONAL LIMITED"


@pytest.mark.parametrize("length", [0, 5, 24, 200, 1_000])
def test_a_kept_file_cut_short_is_unavailable(gleif: Source, length: int) -> None:
    made(gleif)
    gleif.kept.write_bytes(gleif.kept.read_bytes()[:length])
    with pytest.raises(Unavailable):
        recall(gleif.kept)
    assert opened(gleif) is None


def test_a_file_in_the_place_of_a_register_that_nests_without_end_is_refused(
    gleif: Source,
) -> None:
    gleif.kept.parent.mkdir()
    bomb = b"[" * 100_000
    gleif.kept.write_bytes(b"KYCGATE\x00REGISTER" + len(bomb).to_bytes(8, "little") + bomb)
    assert head_of(gleif.kept) is None
    assert opened(gleif) is None


def test_a_register_that_has_lost_half_is_refused_and_what_was_kept_stays(gleif: Source) -> None:
    made(gleif)
    version = last_good(gleif).version
    (gleif.files[0] / "lei-data.xml").unlink()
    with pytest.raises(Malformed, match="0 entities where there were 13"):
        build(gleif, country_of=country_of, now=NOW)
    assert last_good(gleif).version == version
    taken = build(gleif, country_of=country_of, now=NOW, accept_shrunk=True)
    assert taken.version != version


# -- in use ----------------------------------------------------------------------------------------


class Built:
    """A builder in this process that counts."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, source: Source) -> None:
        self.times += 1
        build(source, country_of=country_of, now=NOW)

    def close(self) -> None:
        """Nothing goes on."""


def test_a_gate_reads_in_the_background_and_follows_changes(gleif: Source, bods: Source) -> None:
    builder = Built()
    live = LiveRegisters([bods, gleif], builder=builder)
    with pytest.raises(Unavailable, match="still being read"):
        live.current()
    assert live.troubles() == (Trouble("bods", None), Trouble("gleif", None))
    live.refresh(NOW)
    live.refresh(NOW + 1)
    assert live.troubles() == ()
    assert set(live.current().versions) == {"bods", "gleif"}
    assert builder.times == 2
    live.refresh(NOW + 2)
    assert builder.times == 2
    before = live.current().versions["gleif"]
    shutil.copy(DATA / "gleif" / "lei-updates-data2.xml", gleif.files[0] / "delta-1.xml")
    live.refresh(NOW + 3)
    assert live.current().versions["gleif"] == before, "it may still be being copied"
    live.refresh(NOW + 4)
    assert live.current().versions["gleif"] != before
    other = LiveRegisters([bods, gleif], builder=builder)
    other.refresh(NOW + 5)
    assert other.current().versions == live.current().versions
    assert builder.times == 3, "another process finds it done"


def test_a_broken_new_file_leaves_the_last_good_register_and_says_so(
    gleif: Source, caplog: pytest.LogCaptureFixture
) -> None:
    builder = Built()
    live = LiveRegisters([gleif], builder=builder)
    live.refresh(NOW)
    live.refresh(NOW)
    before = live.current().versions
    broken = (DATA / "gleif" / "rr-data.xml").read_bytes()[:5_000]
    (gleif.files[0] / "rr-data.xml").write_bytes(broken)
    for later in range(4):
        live.refresh(NOW + later)
    assert live.current().versions == before
    assert live.troubles() == (Trouble("gleif", before["gleif"]),)
    assert builder.times == 2, "what can't be read is not tried again and again"
    assert "stays in use" in caplog.text
    found = status(gleif)
    assert found["state"] == "older than the files"
    assert "rr-data.xml" in found["failure"]["message"]
    restarted = LiveRegisters([gleif], builder=builder)
    restarted.refresh(NOW + 9)
    assert restarted.current().versions == before
    shutil.copy(DATA / "gleif" / "rr-data.xml", gleif.files[0] / "rr-data.xml")
    for later in range(20, 24):
        live.refresh(NOW + later)
    assert (status(gleif)["state"], status(gleif)["failure"]) == ("current", None)
    assert live.troubles() == ()


def test_sources_that_are_gone_leave_the_register_in_use(gleif: Source) -> None:
    live = LiveRegisters([gleif], builder=Built())
    live.refresh(NOW)
    live.refresh(NOW)
    shutil.rmtree(gleif.files[0])
    live.refresh(NOW + 1)
    assert live.troubles() == (Trouble("gleif", live.current().versions["gleif"]),)
    assert status(gleif)["state"] == "older than the files"


def test_the_builder_is_a_process_of_its_own(gleif: Source) -> None:
    build_apart = BuilderApart()
    build_apart(gleif)
    assert opened(gleif) is not None
    (gleif.files[0] / "lei-data.xml").write_bytes(b"<LEIData><LEIRecord>")
    with pytest.raises(KycgateError, match=r"lei-data\.xml"):
        build_apart(gleif)


def test_a_gate_that_stops_waits_for_no_register(gleif: Source) -> None:
    apart = BuilderApart()
    apart.close()
    with pytest.raises(Unavailable, match="stopped"):
        apart(gleif)


def test_a_process_without_a_background_recalls_what_is_kept(gleif: Source) -> None:
    build(gleif, country_of=country_of, now=NOW)
    assert LiveRegisters([gleif], builder=Built()).current().versions


def test_the_kept_file_needs_no_permission_to_write_the_sources(gleif: Source) -> None:
    os.chmod(gleif.files[0], 0o555)
    try:
        assert made(gleif).register.party(FIDELITY, AT).country == COUNTRIES.numeric("US")
    finally:
        os.chmod(gleif.files[0], 0o755)


def test_load_and_status_on_the_command_line(gleif: Source) -> None:
    from kycgate.cli import main

    words = ["--gleif", str(gleif.files[0]), "--kept", str(gleif.kept), "--json"]
    assert main(["ownership", "status", *words]) == 2
    assert main(["ownership", "load", *words]) == 0
    assert main(["ownership", "status", *words]) == 0
