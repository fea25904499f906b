"""The lists inside the package: read whole or not at all."""

from __future__ import annotations

import gzip
from importlib.resources import files

import pytest

from kycgate.screening.entries import EntryType, decode_entry, encode_entry, version_of
from kycgate.screening.sources.shipped import read_compact, read_wallets, shipped

PACKED = files("kycgate.screening").joinpath("data", "us_csl.jsonl.gz").read_bytes()


def test_a_shortened_list_is_refused_with_the_counts() -> None:
    text = gzip.decompress(PACKED).splitlines(keepends=True)
    with pytest.raises(ValueError, match="25920 entries where 25921 are announced"):
        read_compact(gzip.compress(b"".join(text[:-1]), compresslevel=1))


def test_nineteen_names_of_the_entity_list_are_addresses() -> None:
    places = [entry for entry in shipped()[0].entries if entry.type is EntryType.ADDRESS]
    assert len(places) == 19
    assert {entry.list for entry in places} == {"EL"}


def test_a_damaged_wallet_is_refused_and_not_skipped() -> None:
    with pytest.raises(ValueError):
        read_wallets(b"address,name\n0x12\xff,\n")


def test_every_entry_comes_back_from_its_row_and_the_version_is_of_the_content() -> None:
    csl = shipped()[0]
    some = csl.entries[::50]
    assert tuple(decode_entry(encode_entry(entry)) for entry in some) == some
    assert version_of(csl.entries) == csl.version != version_of(csl.entries[1:])
