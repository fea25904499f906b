"""Taking lists in: conditional, bounded, and never to the harm of the version in force."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
import requests
import responses

from kycgate.errors import (
    Conflict,
    KycgateError,
    Malformed,
    Misconfigured,
    NotFound,
    TooLarge,
    Unavailable,
)
from kycgate.screening.intake import Intake, Taken
from kycgate.screening.library import Library
from kycgate.screening.sources import source
from kycgate.screening.sources.shipped import CSL
from tests.screening.conftest import NOW
from tests.screening.sources.conftest import DATA

HOUR = 3_600
UN = (DATA / "un_2026-02-27.xml").read_bytes()
UN_URL = source("un").parts[0].url or ""
SDN_URLS = {part.file: part.url or "" for part in source("ofac-sdn").parts}


def uk(count: int, *, day: str = "10/09/2026", first: int = 0) -> bytes:
    """A UK list of so many companies."""
    record = (
        "<Designation><UniqueID>X{0}</UniqueID><Names><Name><Name6>Company {0}</Name6>"
        "<NameType>Primary Name</NameType></Name></Names>"
        "<IndividualEntityShip>Entity</IndividualEntityShip></Designation>"
    )
    rows = "".join(record.format(number) for number in range(first, first + count))
    text = f"<Designations><DateGenerated>{day}</DateGenerated>{rows}</Designations>"
    return text.encode()


@pytest.fixture
def web() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


def take(
    library: Library, name: str, content: bytes, tmp_path: Path, *, accept: int | None = None
) -> Taken:
    path = tmp_path / "given"
    path.write_bytes(content)
    return Intake(library, accept_entries=accept).take_file(name, path, now=NOW, as_of=None)


def test_an_update_keeps_the_list_with_its_checksum_and_asks_for_changes_after(
    library: Library, web: responses.RequestsMock, session: requests.Session
) -> None:
    marks = {"ETag": '"v1"', "Last-Modified": "Fri, 27 Feb 2026 00:00:10 GMT"}
    web.get(UN_URL, body=UN, headers=marks)
    taken = Intake(library).update("un", now=NOW, session=session)
    assert (taken.fresh, taken.before, taken.release.entries) == (True, None, 8)
    assert taken.release.sha256 == {"consolidated.xml": hashlib.sha256(UN).hexdigest()}
    assert "If-None-Match" not in web.calls[0].request.headers

    web.get(UN_URL, status=304)
    again = Intake(library).update("un", now=NOW + HOUR, session=session)
    asked = web.calls[-1].request.headers
    assert asked["If-None-Match"] == '"v1"'
    assert asked["If-Modified-Since"] == marks["Last-Modified"]
    assert not again.fresh
    (release,) = library.history("un").releases
    assert release.confirmed == (NOW, NOW + HOUR)


def test_a_server_that_never_saw_us_may_not_say_not_modified(
    library: Library, web: responses.RequestsMock, session: requests.Session
) -> None:
    web.get(UN_URL, status=304)
    with pytest.raises(Unavailable, match="answers 304"):
        Intake(library).update("un", now=NOW, session=session)


def test_after_an_import_the_next_update_is_not_conditional(
    library: Library, web: responses.RequestsMock, session: requests.Session, tmp_path: Path
) -> None:
    web.get(UN_URL, body=UN, headers={"ETag": '"v1"'})
    Intake(library).update("un", now=NOW, session=session)
    newer = UN.replace(b"BADEGE", b"BADEGES").replace(b'"2026-02-27', b'"2026-02-28')
    take(library, "un", newer, tmp_path)
    web.replace(responses.GET, UN_URL, body=newer)
    Intake(library).update("un", now=NOW + 1, session=session)
    assert "If-None-Match" not in web.calls[-1].request.headers


def test_four_files_are_never_of_two_days(
    library: Library, web: responses.RequestsMock, session: requests.Session
) -> None:
    for file, url in SDN_URLS.items():
        body = (DATA / "ofac_2021" / file).read_bytes()
        web.get(url, body=body, headers={"ETag": f'"{file}"'})
    Intake(library).update("ofac-sdn", now=NOW, session=session)
    before = len(web.calls)
    for file, url in SDN_URLS.items():
        body = (DATA / "ofac_2021" / file).read_bytes().replace(b"FORWARDERZ", b"FORWARDERS")
        if file == "alt.csv":
            web.replace(responses.GET, url, body=body)
        else:
            web.replace(responses.GET, url, status=304)
            web.get(url, body=body)
    taken = Intake(library).update("ofac-sdn", now=NOW + HOUR, session=session)
    assert taken.fresh
    assert len(web.calls) - before == 7


def test_the_date_comes_from_the_server_where_the_file_does_not_say_it(
    library: Library, web: responses.RequestsMock, session: requests.Session
) -> None:
    for file, url in SDN_URLS.items():
        body = (DATA / "ofac_2021" / file).read_bytes()
        web.get(url, body=body, headers={"Last-Modified": "Wed, 11 Nov 2026 08:00:00 GMT"})
    taken = Intake(library).update("ofac-sdn", now=NOW, session=session)
    assert taken.release.as_of == 1_794_384_000


@pytest.mark.parametrize(
    "answer, error",
    [
        ({"status": 500}, Unavailable),
        ({"status": 404}, Unavailable),
        ({"status": 403, "body": "blocked"}, Unavailable),
        ({"body": requests.ConnectionError("refused")}, Unavailable),
        ({"body": requests.exceptions.ChunkedEncodingError("broken off")}, Unavailable),
        ({"body": b"<!DOCTYPE html><html></html>"}, Malformed),
        ({"body": UN[: len(UN) // 2]}, Malformed),
        ({"body": b""}, Malformed),
        ({"body": UN.replace(b'"2026-02', b'"2036-02')}, Malformed),
        ({"body": UN.replace(b'"2026-02', b'"2025-02').replace(b"ERIC", b"ERIK")}, Conflict),
    ],
)
def test_a_broken_download_leaves_the_last_good_version_and_says_so(
    library: Library,
    web: responses.RequestsMock,
    session: requests.Session,
    tmp_path: Path,
    answer: dict[str, object],
    error: type[KycgateError],
) -> None:
    good = take(library, "un", UN, tmp_path).release
    web.get(UN_URL, **answer)
    with pytest.raises(error):
        Intake(library).update("un", now=NOW + HOUR, session=session)
    history = library.history("un")
    assert [each.version for each in history.releases] == [good.version]
    assert library.version("un", good.version).entries
    assert history.failure is not None
    assert (history.failure.at, history.failure.kept) == (NOW + HOUR, 8)


@pytest.mark.parametrize(
    "before, after, allowed",
    [(100, 91, True), (100, 90, True), (100, 89, False), (100, 0, False), (9, 1, True)],
)
def test_a_list_that_shrinks_by_more_than_a_tenth_is_refused_with_the_counts(
    library: Library, tmp_path: Path, before: int, after: int, allowed: bool
) -> None:
    take(library, "uk", uk(before), tmp_path)
    if allowed:
        assert take(library, "uk", uk(after), tmp_path).release.entries == after
        return
    with pytest.raises((Conflict, Malformed)) as caught:
        take(library, "uk", uk(after), tmp_path)
    history = library.history("uk")
    assert [each.entries for each in history.releases] == [before]
    assert history.failure is not None
    assert (history.failure.kept, history.failure.found) == (before, after)
    if after:
        assert f"{after} entries where {before} are in force" in str(caught.value)
        assert "2026-09-10 stays in force" in str(caught.value)


def test_a_shrunken_list_passes_with_the_very_number_the_operator_names(
    library: Library, tmp_path: Path
) -> None:
    take(library, "uk", uk(100), tmp_path)
    for accepted in (None, 51, 100):
        with pytest.raises(Conflict):
            take(library, "uk", uk(50), tmp_path, accept=accepted)
    assert take(library, "uk", uk(50), tmp_path, accept=50).release.entries == 50


def test_one_of_twelve_lists_in_a_file_may_not_vanish_in_the_crowd(
    library: Library, tmp_path: Path
) -> None:
    """Without its 70 military end users the US list is only a third of a percent shorter."""
    packed = files("kycgate.screening").joinpath("data", "us_csl.jsonl.gz").read_bytes()
    head, *rows = gzip.decompress(packed).decode().splitlines()
    meta = json.loads(head)
    meu = [each["code"] for each in meta["lists"]].index("MEU")
    kept = [row for row in map(json.loads, rows) if row[0] != meu]
    meta |= {"entries": len(kept), "names": sum(len(row[3]) for row in kept)}
    text = "\n".join(json.dumps(row) for row in (meta, *kept))
    with pytest.raises(Conflict, match="0 entries of MEU where 70 are in force"):
        take(library, CSL, text.encode(), tmp_path)


def test_lost_wallets_are_noticed_though_every_party_is_there(
    library: Library, tmp_path: Path
) -> None:
    """A changed label would leave every name in place and every wallet out."""
    folder = tmp_path / "sdn"
    folder.mkdir()
    for path in (DATA / "ofac_2021").iterdir():
        (folder / path.name.upper()).write_bytes(path.read_bytes())
    Intake(library).take_file("ofac-sdn", folder, now=NOW, as_of=NOW - HOUR)
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes().replace(b"Digital Currency Address", b"Digital Address"))
    with pytest.raises(Conflict, match=r"\d wallets where \d+ are in force"):
        Intake(library).take_file("ofac-sdn", folder, now=NOW, as_of=NOW)


def test_a_file_without_a_date_needs_one_and_the_older_of_two_counts(
    library: Library, tmp_path: Path
) -> None:
    path = DATA / "us_dpl_2021.txt"
    with pytest.raises(Malformed) as caught:
        Intake(library).take_file("bis-dpl", path, now=NOW, as_of=None)
    assert "--as-of" in caught.value.remedy
    dated = Intake(library).take_file("bis-dpl", path, now=NOW, as_of=NOW - 5)
    assert dated.release.as_of == NOW - 5
    un = Intake(library).take_file("un", DATA / "un_2026-02-27.xml", now=NOW, as_of=NOW)
    assert un.release.as_of == 1_772_150_409


def test_a_folder_must_hold_every_file_of_the_list(library: Library, tmp_path: Path) -> None:
    (tmp_path / "SDN.CSV").write_bytes((DATA / "ofac_2021" / "sdn.csv").read_bytes())
    with pytest.raises(Malformed, match=r"lacks alt\.csv, add\.csv, sdn_comments\.csv"):
        Intake(library).take_file("ofac-sdn", tmp_path / "SDN.CSV", now=NOW, as_of=NOW)
    with pytest.raises(Malformed, match="can't be opened"):
        Intake(library).take_file("un", tmp_path / "none.xml", now=NOW, as_of=NOW)


def test_a_list_half_of_whose_entries_have_no_name_is_refused(
    library: Library, tmp_path: Path
) -> None:
    nameless = uk(100).replace(b"Company 1", b"", 1)
    assert take(library, "uk", nameless, tmp_path).release.skipped == 1
    broken = uk(100).replace(b"Name6", b"Name7")
    with pytest.raises(Malformed):
        take(library, "uk", broken, tmp_path)


def test_downloads_are_bounded(
    library: Library, web: responses.RequestsMock, session: requests.Session
) -> None:
    web.get(UN_URL, body=b"x", headers={"Content-Length": str(10**12)})
    with pytest.raises(TooLarge, match="announces"):
        Intake(library).update("un", now=NOW, session=session)


def test_a_packed_answer_is_bounded_by_what_it_unpacks_to(
    library: Library, web: responses.RequestsMock, session: requests.Session
) -> None:
    limit = source("bis-dpl").max_bytes
    bomb = gzip.compress(b"0" * (limit + 2**20), compresslevel=9)
    assert len(bomb) < 50_000
    url = source("bis-dpl").parts[0].url or ""
    web.get(url, body=bomb, headers={"Content-Encoding": "gzip"})
    with pytest.raises(TooLarge, match=f"more than {limit} bytes"):
        Intake(library).update("bis-dpl", now=NOW, session=session)


def test_an_answer_may_not_lead_away_from_tls(
    library: Library, web: responses.RequestsMock, session: requests.Session
) -> None:
    web.get(UN_URL, status=302, headers={"Location": "http://evil.example/un.xml"})
    web.get("http://evil.example/un.xml", body=UN)
    with pytest.raises(Unavailable, match="without TLS"):
        Intake(library).update("un", now=NOW, session=session)


def test_a_token_in_an_address_stands_in_no_message_and_no_file(
    library: Library, web: responses.RequestsMock, session: requests.Session
) -> None:
    address = "https://webgate.example/fsf?token=s3cret"
    environ = {"KYCGATE_LIST_EU_URL": address}
    for answer in ({"body": requests.ConnectionError(f"failed: {address}")}, {"status": 401}):
        web.reset()
        web.get(address, **answer)
        with pytest.raises(Unavailable) as caught:
            Intake(library).update("eu", now=NOW, session=session, environ=environ)
        assert "s3cret" not in str(caught.value)
        assert caught.value.__cause__ is None
        assert "webgate.example" in str(caught.value)
    web.reset()
    web.get(address, body=(DATA / "eu.xml").read_bytes(), headers={"ETag": '"1"'})
    Intake(library).update("eu", now=NOW, session=session, environ=environ)
    kept = b"".join(p.read_bytes() for p in library.directory.rglob("*") if p.is_file())
    assert b"s3cret" not in kept


def test_a_list_without_an_address_says_what_to_set(
    library: Library, session: requests.Session
) -> None:
    with pytest.raises(Misconfigured, match="KYCGATE_LIST_EU_URL"):
        Intake(library).update("eu", now=NOW, session=session, environ={})
    with pytest.raises(NotFound):
        Intake(library).update("ofsi", now=NOW, session=session)
