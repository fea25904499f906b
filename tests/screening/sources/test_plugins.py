"""Finding plug-ins by name, and where their lists are fetched."""

from __future__ import annotations

from configparser import ConfigParser

import pytest

from kycgate.errors import Malformed, NotFound
from kycgate.screening import sources
from kycgate.screening.sources import GROUP, Part, source, source_names, url_of
from tests.tools import REPO


def test_every_plug_in_fits_and_bears_its_own_name() -> None:
    for name in source_names():
        plugin = source(name)
        assert plugin.name == name
        assert plugin.title
        assert plugin.parts
        assert plugin.max_bytes <= 4 * 2**30
        assert all(part.url is None or part.url.startswith("https://") for part in plugin.parts)


def test_the_package_offers_the_plug_ins_it_is_built_with() -> None:
    parser = ConfigParser()
    parser.read(REPO / "setup.cfg", "utf-8")
    lines = parser["options.entry_points"][GROUP].split("\n")
    offered = dict(line.split(" = ") for line in lines if line)
    assert offered == sources._BUILT_IN


def test_a_label_makes_a_second_list_of_one_format() -> None:
    assert source("wallets:exchange") is source("wallets")


@pytest.mark.parametrize("name", ["", "..", "../un", "UN", "un/../x", "un:", ":x", "a" * 99])
def test_what_could_be_a_path_is_no_list_name(name: str) -> None:
    with pytest.raises(Malformed):
        source(name)


def test_an_unknown_list_names_those_there_are() -> None:
    with pytest.raises(NotFound, match="ofac-sdn"):
        source("ofsi-conlist")


def test_the_operators_address_wins_and_a_token_needs_one() -> None:
    (part,) = source("eu").parts
    assert url_of("eu", part, {}) is None
    address = {"KYCGATE_LIST_EU_URL": "https://example.eu/fsf?token=secret"}
    assert url_of("eu", part, address) == "https://example.eu/fsf?token=secret"
    mirror = {"KYCGATE_LIST_OFAC_SDN_URL": "https://mirror.example/sdn/"}
    assert url_of("ofac-sdn", Part("alt.csv"), mirror) == "https://mirror.example/sdn/ALT.CSV"
    labelled = {"KYCGATE_LIST_WALLETS_EXCHANGE_URL": "https://x.example/w"}
    assert url_of("wallets:exchange", Part("wallets.txt"), labelled) == "https://x.example/w"
