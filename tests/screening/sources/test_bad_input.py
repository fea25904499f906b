"""Damaged and hostile files: a clear error or a safe result, in bounded time and memory."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kycgate.errors import KycgateError, Malformed, TooLarge
from kycgate.screening.entries import list_data
from kycgate.screening.match import MAX_NAME_LENGTH
from kycgate.screening.sources import source, source_names
from kycgate.screening.sources.opening import read_bytes, xml_records
from kycgate.screening.sources.reading import Reading
from tests.screening.sources.conftest import AT, DATA, Read

SAMPLES = {
    "us-csl": DATA / "us_csl_2025.csv",
    "ofac-advanced": DATA / "sdn_advanced.xml",
    "un": DATA / "un_2026-02-27.xml",
    "uk": DATA / "uk.xml",
    "eu": DATA / "eu.xml",
    "bis-dpl": DATA / "us_dpl_2021.txt",
    "opensanctions": DATA / "entities.ftm.json",
}
XML = ("un", "uk", "eu", "ofac-advanced")
JSON_KEYS = (
    *("results", "list", "source", "name", "ids", "addresses", "id", "schema", "properties"),
    *("topics", "alt_names", "entries", "lists", "urls", "as_of", "names"),
)
LAUGHS = b"".join(b'<!ENTITY l%d "%b">' % (n + 1, b"&l%d;" % n * 10) for n in range(12))


def attempt(name: str, path: Path) -> int | None:
    """Entries read, or None where the file was refused; anything else is a failure."""
    reading = Reading(AT)
    plugin = source(name)
    try:
        plugin.read({part.file: path for part in plugin.parts}, reading)
        list_data(name, reading.entries, as_of=0, source=name)
    except KycgateError:
        return None
    return len(reading.entries)


@pytest.mark.parametrize("name", XML)
@pytest.mark.parametrize(
    "prologue, body",
    [
        (b'<!DOCTYPE r [<!ENTITY l0 "lol">' + LAUGHS + b"]>", b"&l12;"),
        (b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>', b"&x;"),
        (b'<!DOCTYPE r [<!ENTITY % p SYSTEM "http://192.0.2.1/x.dtd"> %p;]>', b""),
        (b'<!DOCTYPE r SYSTEM "http://192.0.2.1/x.dtd">', b""),
        (
            b"<!-- " + b"x" * 10_000 + b' --><!DOCTYPE r [<!ENTITY q "' + b"A" * 50_000 + b'">]>',
            b"&q;" * 100,
        ),
    ],
)
def test_a_document_type_is_refused_before_anything_in_it_is_read(
    read: Read, name: str, prologue: bytes, body: bytes
) -> None:
    started = time.monotonic()
    for encoding in ("utf-8", "utf-16"):
        head = f'<?xml version="1.0" encoding="{encoding}"?>'
        text = head + (prologue + b"<r>" + body + b"</r>").decode()
        with pytest.raises(Malformed, match="document type"):
            read(name, text.encode(encoding))
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("name", XML)
def test_truncated_xml_is_refused_wherever_it_breaks_off(tmp_path: Path, name: str) -> None:
    text = SAMPLES[name].read_bytes()
    for cut in range(0, len(text.rstrip()), max(1, len(text) // 97)):
        path = tmp_path / "cut.xml"
        path.write_bytes(text[:cut])
        assert attempt(name, path) is None


@pytest.mark.parametrize("name", ["us-csl", "bis-dpl"])
def test_a_table_cut_off_inside_a_row_is_refused(tmp_path: Path, name: str) -> None:
    text = SAMPLES[name].read_bytes()
    ends = {at for at, byte in enumerate(text) if byte == ord("\n")}
    for cut in range(1, len(text) - 1, max(1, len(text) // 211)):
        if cut not in ends and cut - 1 not in ends:
            path = tmp_path / "cut.csv"
            path.write_bytes(text[:cut])
            assert attempt(name, path) is None, text[cut - 30 : cut]


@pytest.mark.parametrize("name", SAMPLES)
def test_no_damage_makes_anything_but_an_error_of_ours(tmp_path: Path, name: str) -> None:
    text = SAMPLES[name].read_bytes()
    path = tmp_path / "damaged"

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, len(text) - 1), st.binary(max_size=12), st.integers(0, 400))
    def damage(at: int, put: bytes, drop: int) -> None:
        path.write_bytes(text[:at] + put + text[at + drop :])
        attempt(name, path)

    damage()


@pytest.mark.parametrize("name", source_names())
def test_no_bytes_make_anything_but_an_error_of_ours(tmp_path: Path, name: str) -> None:
    path = tmp_path / "bytes"

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.binary(max_size=300)
        | st.sampled_from(
            [b"\x1f\x8b", b"<", b"{", b"[" * 100_000, b"PK\x03\x04", b"\xff\xfe<\x00"]
        )
        | st.recursive(
            st.none() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        [
                            "results",
                            "list",
                            "source",
                            "name",
                            "ids",
                            "addresses",
                            "id",
                            "schema",
                            "properties",
                            "topics",
                            "alt_names",
                            "entries",
                            "lists",
                            "urls",
                        ]
                    ),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=12,
        ).map(lambda value: json.dumps(value).encode())
    )
    def feed(content: bytes) -> None:
        path.write_bytes(content)
        attempt(name, path)

    feed()


@pytest.mark.parametrize("name", SAMPLES)
def test_a_web_page_is_no_list(read: Read, name: str) -> None:
    page = b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body>Sorry</body></html>"
    for content in (page, b"<html/>", b"not a list\n"):
        with pytest.raises(Malformed):
            read(name, content)


@pytest.mark.parametrize("name", XML)
@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "cp1251"])
def test_another_encoding_is_read_where_declared(read: Read, name: str, encoding: str) -> None:
    text = SAMPLES[name].read_text("utf-8").partition("?>")[2]
    plain = "".join(letter for letter in text if letter.isascii())
    head = f'<?xml version="1.0" encoding="{encoding}"?>'
    assert read(name, (head + plain).encode(encoding)).version == read(name, plain.encode()).version


@pytest.mark.parametrize("name", ["un", "eu"])
def test_an_undeclared_wrong_encoding_is_refused(read: Read, name: str) -> None:
    text = SAMPLES[name].read_text("utf-8").partition("?>")[2]
    with pytest.raises(Malformed):
        read(name, text.replace("E", "É").encode("latin-1", "ignore"))


def test_text_lists_in_windows_letters_are_read_and_others_refused(read: Read) -> None:
    text = (DATA / "us_dpl_2021.txt").read_text("utf-8").replace("AARON", "JOSÉ")
    windows = read("bis-dpl", text.encode("cp1252"), at=1_660_000_000)
    assert windows.version == read("bis-dpl", text.encode(), at=1_660_000_000).version
    csl = (DATA / "us_csl_2025.csv").read_text("utf-8").replace("Atlas", "Ätlas")
    with pytest.raises(Malformed, match="not text in utf-8"):
        read("us-csl", csl.encode("cp1252"))
    assert "Ätlas" in str(read("us-csl", csl.encode("utf-16")).entries)


@pytest.mark.parametrize(
    "name, content",
    [
        ("uk", SAMPLES["uk"].read_bytes().replace(b"JOHN", b"J" * 2**20)),
        ("eu", SAMPLES["eu"].read_bytes().replace(b"T. Primer", "é".encode() * 2**20)),
        ("us-csl", SAMPLES["us-csl"].read_bytes().replace(b"RIM, Ryong Nam", b"R" * 2**20)),
        ("us-csl", SAMPLES["us-csl"].read_bytes().replace(b"RIM, Ryong Nam", b"R" * 100_000)),
        ("wallets", b"0x" + b"1" * 2**20),
        ("opensanctions", SAMPLES["opensanctions"].read_bytes().replace(b"EH", b"E" * 2**20)),
    ],
)
def test_a_name_of_a_megabyte_means_damage(read: Read, name: str, content: bytes) -> None:
    started = time.monotonic()
    with pytest.raises(Malformed):
        read(name, content)
    assert time.monotonic() - started < 2


def test_the_longest_name_that_can_be_screened_is_taken_and_one_more_is_not(read: Read) -> None:
    text = SAMPLES["uk"].read_bytes()
    fits = read("uk", text.replace(b"BEISPIELSTROY LLC", b"x" * MAX_NAME_LENGTH))
    assert any(len(entry.name) == MAX_NAME_LENGTH for entry in fits.entries)
    with pytest.raises(Malformed, match="1001 characters"):
        read("uk", text.replace(b"BEISPIELSTROY LLC", b"x" * (MAX_NAME_LENGTH + 1)))


@pytest.mark.parametrize(
    "written, kept",
    [
        ("EVIL\u202eGPJ.EXE", "EVILGPJ.EXE"),
        ("A\u0000B\u0007C\tD", "A B C D"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("two\u2028lines\r\n", "two lines"),
        ("\ud800 alone", "\ufffd alone"),
        ("e\u0301", "é"),
    ],
)
def test_control_and_direction_marks_do_not_reach_the_screen(
    read: Read, written: str, kept: str
) -> None:
    line = {"id": "1", "schema": "Person", "properties": {"name": [written]}}
    (entry,) = read("opensanctions", json.dumps(line).encode()).entries
    assert entry.name == kept


ODD = (None, True, 7, 1.5, "text", [], [[]], {}, {"a": []}, [None, 7, {"b": 1}])


def _altered(value: Any) -> Iterator[Any]:
    """The value with each of its members, at any depth, turned into each odd one."""
    if not isinstance(value, dict | list):
        return
    for key, member in list(value.items() if isinstance(value, dict) else enumerate(value)):
        for other in (*ODD, *_altered(member)):
            copy = dict(value) if isinstance(value, dict) else list(value)
            copy[key] = other
            yield copy


CSL = {
    "results": [
        {
            "id": "1", "source": "Entity List (EL) - Bureau of Industry and Security",
            "name": "ACME", "type": "Entity", "entity_number": 7, "programs": ["EAR"],
            "alt_names": ["Acme Ltd"], "dates_of_birth": ["1980-01-01"], "remarks": "",
            "addresses": [{"address": "x", "city": "y", "country": "RU"}],
            "ids": [{"type": "Passport", "number": "1", "country": "RU"}],
            "source_list_url": "https://list.example",
        }
    ]
}  # fmt: skip
FTM = json.loads(SAMPLES["opensanctions"].read_bytes().splitlines()[0])


@pytest.mark.parametrize("name, document", [("opensanctions", FTM), ("us-csl", CSL)])
def test_no_member_of_a_document_can_be_of_a_kind_that_breaks_the_reader(
    name: str, document: Any, tmp_path: Path
) -> None:
    path, tried = tmp_path / "list", 0
    path.write_bytes(json.dumps(document).encode())
    assert attempt(name, path)
    for altered in _altered(document):
        path.write_bytes(json.dumps(altered).encode())
        attempt(name, path)
        tried += 1
    assert tried > 50


def test_xml_nested_beyond_reason_is_refused(read: Read) -> None:
    deep = b"<Designations>" + b"<a>" * 200_000 + b"</a>" * 200_000 + b"</Designations>"
    with pytest.raises(TooLarge, match="nested beyond reason"):
        read("uk", deep)
    wide = b"<Designations><Designation>" + b"<a/>" * 200_000 + b"</Designation></Designations>"
    with pytest.raises(TooLarge, match="nested beyond reason"):
        read("uk", wide)


def test_xml_is_streamed_and_not_held(tmp_path: Path) -> None:
    path = tmp_path / "big.xml"
    record = (
        b"<Designation><UniqueID>%d</UniqueID><Names>"
        + b"<x>y</x>" * 200
        + b"</Names></Designation>"
    )
    path.write_bytes(
        b"<Designations>" + b"".join(record % n for n in range(4_000)) + b"</Designations>"
    )
    tracemalloc.start()
    try:
        records = xml_records(path, 2**30, root="Designations", records=frozenset({"Designation"}))
        assert sum(tag == "Designation" for tag, _ in records) == 4_000
        assert path.stat().st_size > 6_000_000
        assert tracemalloc.get_traced_memory()[1] < 2_500_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["uk", "us-csl", "wallets"])
def test_a_gzip_bomb_is_cut_at_the_limit(tmp_path: Path, name: str) -> None:
    path = tmp_path / "bomb.gz"
    plugin = source(name)
    head = b"<Designations><!--" if name == "uk" else b""
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(head)
        for _ in range(plugin.max_bytes // 2**20 + 2):
            file.write(b"0" * 2**20)
    assert path.stat().st_size < plugin.max_bytes // 50
    with pytest.raises(Malformed):
        plugin.read({plugin.parts[0].file: path}, Reading(AT))


def test_a_packed_list_reads_like_the_plain_one_and_a_cut_one_is_refused(read: Read) -> None:
    text = SAMPLES["un"].read_bytes()
    packed = gzip.compress(text)
    assert read("un", packed).version == read("un", text).version
    with pytest.raises(Malformed):
        read("un", packed[: len(packed) // 2])
    csl = gzip.compress(SAMPLES["us-csl"].read_bytes())
    with pytest.raises(Malformed, match="unpacked"):
        read("us-csl", csl[:-9])


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(Malformed, match="can't be read"):
            read_bytes(path, 10)
    (tmp_path / "long").write_bytes(b"x" * 11)
    with pytest.raises(TooLarge):
        read_bytes(tmp_path / "long", 10)


def test_json_nested_beyond_reason_is_refused(read: Read) -> None:
    with pytest.raises(Malformed):
        read("us-csl", b'{"results": ' + b"[" * 200_000 + b"]" * 200_000 + b"}")


def test_an_entry_without_a_name_is_counted_and_not_invented() -> None:
    reading = Reading(AT)
    plugin = source("uk")
    path = DATA / "uk.xml"
    plugin.read({plugin.parts[0].file: path}, reading)
    before = len(reading.entries)
    reading.add("UK", "X1", reading.entries[0].type, [("\u200b ", "primary")])
    assert (len(reading.entries), reading.skipped) == (before, ["UK X1"])
