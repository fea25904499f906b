"""From where an address is: known from the operator's database, or unknown with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kycgate.core.decision import Allow, Deny
from kycgate.core.policy import Place
from kycgate.errors import Code, Misconfigured
from kycgate.screening.network import MmdbNetwork, NoNetwork, Whereabouts
from tests.screening.mmdb import BUILT_AT, Uint, mmdb
from tests.screening.rules_world import COUNTRIES, NOW, SG, T4, UA, decided

CITY = {
    "1.0.0.0/24": {"country": {"iso_code": "SG"}},
    "2.0.0.0/24": {"country": {"iso_code": "UA"}, "subdivisions": [{"iso_code": "43"}]},
    "3.0.0.0/24": {"country_code": "IR"},
    "4.0.0.0/24": {"country": "AE"},
    "5.0.0.0/24": {"registered_country": {"iso_code": "US"}},
    "6.0.0.0/24": {"country": {"iso_code": "XQ"}},
    "7.0.0.0/24": {"country": {"iso_code": "de"}},
    "8.0.0.0/24": {"country": {"iso_code": "UA"}, "subdivisions": [{"iso_code": "not one"}]},
    "9.0.0.0/24": ["SG"],
    "11.0.0.0/24": {"country": {"iso_code": Uint(16, 5)}, "subdivisions": {"iso_code": "43"}},
}


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MmdbNetwork]:
    path = tmp_path_factory.mktemp("mmdb") / "city.mmdb"
    path.write_bytes(mmdb(CITY))
    with MmdbNetwork(path, COUNTRIES) as found:
        yield found


@pytest.mark.parametrize(
    "address, country, region",
    [
        ("1.0.0.9", "SG", None),
        ("2.0.0.9", "UA", "UA-43"),
        ("::ffff:2.0.0.9", "UA", "UA-43"),
        ("3.0.0.9", "IR", None),
        ("4.0.0.9", "AE", None),
        ("8.0.0.9", "UA", None),
    ],
)
def test_an_address_is_where_the_database_says(
    network: MmdbNetwork, address: str, country: str, region: str | None
) -> None:
    found = network.where(address)
    assert (found.country, found.region) == (COUNTRIES.numeric(country), region)
    assert found.note == f"GeoLite2-City built at {BUILT_AT}"


@pytest.mark.parametrize(
    "address, why",
    [
        ("10.0.0.1", "is not in it"),
        ("5.0.0.9", "has no country in it"),
        ("7.0.0.9", "has no country in it"),
        ("11.0.0.9", "has no country in it"),
        ("9.0.0.9", "is not in it"),
        ("6.0.0.9", "is in XQ, which is no country code"),
        ("2001:db8::1", "can't be looked up"),
        ("fe80::1%eth0", "can't be looked up"),
        ("1.0.0.9\0", "can't be looked up"),
        ("", "can't be looked up"),
        ("1.0.0.9, 2.0.0.9", "can't be looked up"),
    ],
)
def test_what_is_not_known_says_why(network: MmdbNetwork, address: str, why: str) -> None:
    found = network.where(address)
    assert (found.country, found.region, found.regions) == (None, None, frozenset())
    assert why in found.note


@given(address=st.text(max_size=60))
def test_no_address_is_an_exception(network: MmdbNetwork, address: str) -> None:
    found = network.where(address)
    assert found.country is None or found.country > 0


def test_without_a_database_nobody_knows_and_the_decision_says_so() -> None:
    found = NoNetwork().where("1.0.0.9")
    assert found == Whereabouts(None, None, "no network database is configured")
    made = decided(NOW, gpu=T4, network=found.country, regions=found.regions)
    assert isinstance(made, Allow)
    assert [note.code for note in made.notes] == [Code.NOT_CHECKED]
    assert "embargo-iran" in made.notes[0].text


def test_an_embargoed_network_is_refused_whoever_asks(network: MmdbNetwork) -> None:
    for address, rule in (("3.0.0.1", "embargo-iran"), ("2.0.0.1", "embargo-crimea")):
        found = network.where(address)
        made = decided(NOW, gpu=T4, network=found.country, regions=found.regions)
        assert isinstance(made, Deny)
        assert [reason.rule for reason in made.reasons] == [rule]
    assert network.where("2.0.0.1").regions == {(Place.NETWORK, "UA-43")}
    assert network.where("2.0.0.1").country == UA != SG


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\xab\xcd\xefMaxMind.com\xff\xff\xff"])
def test_a_damaged_database_is_named_at_the_start(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.mmdb"
    path.write_bytes(content)
    with pytest.raises(Misconfigured, match=r"bad\.mmdb is no network database"):
        MmdbNetwork(path, COUNTRIES)


def test_a_missing_database_is_named_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"none\.mmdb"):
        MmdbNetwork(tmp_path / "none.mmdb", COUNTRIES)


def test_a_database_damaged_inside_answers_that_nobody_knows(tmp_path: Path) -> None:
    path = tmp_path / "torn.mmdb"
    whole = mmdb({"1.0.0.0/24": {"country": {"iso_code": "SG"}}})
    path.write_bytes(whole.replace(b"\x47country", b"\x47\xff\xfe\xfd\xfc\xfb\xfa\xf9"))
    with MmdbNetwork(path, COUNTRIES) as torn:
        found = torn.where("1.0.0.9")
    assert found.country is None
    assert found.note
