"""One set of claims for every screening engine: our own, and yente as its API is documented."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses

from kycgate.core.claims import Address, Kind
from kycgate.errors import Malformed, Unavailable
from kycgate.screening.backend import Screening, ScreeningBackend
from kycgate.screening.embedded import Embedded
from kycgate.screening.entries import Entry, EntryType, Identifier, Name, Wallet, list_data
from kycgate.screening.ftm import entity
from kycgate.screening.lists import Band
from kycgate.screening.matching.matcher import Query, pair_score
from kycgate.screening.yente import Yente

URL = "https://yente.example"
AS_OF = 1_790_000_000
LISTED_WALLET = Address(b"\xab" * 20)
PERSON = Entry(
    "SDN",
    "1",
    EntryType.PERSON,
    (Name("Bartholomew Quillfeather"), Name("Bart the Quill", "weak")),
    countries=("DE",),
    birth_dates=("1961-04-05",),
)
COMPANY = Entry(
    "SDN",
    "2",
    EntryType.ORGANISATION,
    (Name("Quellfarb Halbleiter GmbH"),),
    identifiers=(Identifier("lei", "5493001KJTIIGC8Y1R12"),),
)
WALLET = Entry(
    "SDN", "3", EntryType.WALLET, (), wallets=(Wallet("ETH", "0x" + LISTED_WALLET.hex()),)
)
ENTRIES = (PERSON, COMPANY, WALLET)
CATALOG: dict[str, Any] = {
    "datasets": [
        {
            "name": "sanctions",
            "title": "Consolidated Sanctions",
            "load": True,
            "version": "20260921123320-abc",
            "index_version": "20260921123320-abc",
            "index_current": True,
            "children": [],
        }
    ],
    "current": ["sanctions"],
    "outdated": [],
    "index_stale": False,
}


def yente_match(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
    """What yente would answer over the same entries: scored by name, shaped as documented."""
    body = request.body
    assert isinstance(body, bytes | str)
    asked = json.loads(body)["queries"]["q"]
    threshold = float(parse_qs(urlsplit(str(request.url)).query)["threshold"][0])
    found = []
    for entry in ENTRIES:
        score = yente_score(entry, asked["properties"])
        if score >= threshold:
            found.append(
                entity(entry)
                | {"score": score, "features": {"name_match": score}, "match": score >= 0.7}
                | {"referents": [], "first_seen": None, "last_seen": None, "last_change": None}
            )
    answer = {
        "responses": {
            "q": {
                "status": 200,
                "results": sorted(found, key=lambda each: -each["score"]),
                "total": {"value": len(found), "relation": "eq"},
                "query": asked,
            }
        },
        "matcher": {},
        "limit": 20,
    }
    return 200, {}, json.dumps(answer)


def yente_score(entry: Entry, properties: dict[str, list[str]]) -> float:
    listed = entity(entry)["properties"]
    if set(properties.get("publicKey", ())) & set(listed.get("publicKey", ())):
        return 1.0
    if set(properties.get("leiCode", ())) & set(listed.get("leiCode", ())):
        return 1.0
    pairs = [(a, b) for a in properties.get("name", ()) for b in listed.get("name", ())]
    return max((pair_score(a, b).score for a, b in pairs), default=0.0)


@pytest.fixture
def network() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def yente(network: responses.RequestsMock) -> Yente:
    network.get(f"{URL}/catalog", json=CATALOG)
    network.add_callback(responses.POST, re.compile(f"{URL}/match/sanctions.*"), yente_match)
    found = Yente(URL, "sanctions", key="secret")
    found.refresh(AS_OF)
    return found


@pytest.fixture(params=["embedded", "yente"])
def backend(request: pytest.FixtureRequest) -> ScreeningBackend:
    if request.param == "yente":
        found: ScreeningBackend = request.getfixturevalue("yente")
        return found
    return Embedded([list_data("us-csl", ENTRIES, as_of=AS_OF, source="us-csl")])


# -- what every engine promises --------------------------------------------------------------------


def test_a_listed_person_is_found_and_never_blocked_by_name_alone(
    backend: ScreeningBackend,
) -> None:
    (hit,) = backend.party(Query("Bartholomew Quilfeather", Kind.PERSON)).hits
    assert (hit.list, hit.band, hit.by) == ("SDN", Band.REVIEW, "name")
    assert hit.matched == "Bartholomew Quilfeather"


def test_who_is_not_listed_is_clear_and_the_answer_says_by_what(
    backend: ScreeningBackend,
) -> None:
    answer = backend.party(Query("Josephine Underhill", Kind.PERSON))
    assert answer.hits == ()
    assert answer.lists == backend.versions
    assert answer.engine
    assert all(each.version and each.as_of > 0 for each in answer.lists)


def test_the_same_number_blocks_whatever_the_name(backend: ScreeningBackend) -> None:
    lei = Identifier("lei", "5493001KJTIIGC8Y1R12")
    (hit,) = backend.party(
        Query("Wholly Unlike Trading", Kind.ORGANISATION, identifiers=(lei,))
    ).hits
    assert (hit.band, hit.by) == (Band.BLOCK, "identifier")


def test_a_listed_wallet_blocks_and_another_is_clear(backend: ScreeningBackend) -> None:
    (hit,) = backend.wallet(LISTED_WALLET).hits
    assert (hit.band, hit.by) == (Band.BLOCK, "wallet")
    assert backend.wallet(Address(b"\xac" * 20)).hits == ()


def test_hits_are_entities_of_followthemoney_with_their_score(backend: ScreeningBackend) -> None:
    (hit,) = backend.party(Query("Quellfarb Halbleiter", Kind.ORGANISATION)).hits
    found = hit.entity
    assert found["schema"] in ("Organization", "Company", "LegalEntity")
    assert found["caption"] == "Quellfarb Halbleiter GmbH"
    assert found["properties"]["name"] == ["Quellfarb Halbleiter GmbH"]
    assert found["properties"]["topics"] == ["sanction"]
    assert found["properties"]["leiCode"] == ["5493001KJTIIGC8Y1R12"]
    assert found["datasets"] == ["SDN"]
    assert found["score"] == hit.score
    assert found["match"] is True
    json.dumps(dict(found))


def test_a_hit_carries_the_digest_of_its_entry_and_keeps_it(backend: ScreeningBackend) -> None:
    one, other = (
        backend.party(Query(name, Kind.PERSON)).hits[0]
        for name in ("Bartholomew Quillfeather", "Bartholomew Quilfeather")
    )
    assert len(one.digest) == 64
    assert one.digest == other.digest


@pytest.mark.parametrize("name", ["", "  ", "!!!", "\u202e"])
def test_a_name_of_nothing_is_malformed_and_never_clear(
    backend: ScreeningBackend, name: str
) -> None:
    with pytest.raises(Malformed):
        backend.party(Query(name, Kind.PERSON))


# -- yente alone -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "schema"),
    [(Kind.PERSON, "Person"), (Kind.ORGANISATION, "Organization"), (None, "LegalEntity")],
)
def test_yente_is_asked_in_its_own_words(
    yente: Yente, network: responses.RequestsMock, kind: Kind | None, schema: str
) -> None:
    number = Identifier("registration", "HRB 7", "DE")
    yente.party(Query("Ada Okafor", kind, "DE", "1990-02-28", (number,)))
    request = network.calls[-1].request
    assert request.headers["Authorization"] == "ApiKey secret"
    assert request.body is not None
    assert json.loads(request.body) == {
        "queries": {
            "q": {
                "schema": schema,
                "properties": {
                    "name": ["Ada Okafor"],
                    "birthDate": ["1990-02-28"],
                    "country": ["de"],
                    "registrationNumber": ["HRB 7"],
                },
            }
        }
    }
    asked = parse_qs(urlsplit(str(request.url)).query)
    assert "role.pep" not in asked["topics"]
    assert "sanction" in asked["topics"]


def altered(change: Callable[[dict[str, Any]], object]) -> str:
    document = {"responses": {"q": {"status": 200, "results": [], "total": {"value": 0}}}}
    change(document)
    return json.dumps(document)


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 500, "json": {"detail": "index"}},
        {"status": 401, "json": {"detail": "key"}},
        {"status": 302, "headers": {"Location": "https://elsewhere.example/"}},
        {"body": "<html>"},
        {"body": "[]"},
        {"body": "[" * 100_000},
        {"body": altered(lambda each: each["responses"].clear())},
        {"body": altered(lambda each: each["responses"]["q"].update(status=400))},
        {"body": altered(lambda each: each["responses"]["q"].pop("results"))},
        {"body": altered(lambda each: each["responses"]["q"].update(results=[{"id": "x"}]))},
        {"body": altered(lambda each: each["responses"]["q"].update(results=None))},
        {"body": requests.ConnectionError("refused")},
        {"body": requests.Timeout("slow")},
    ],
)
def test_no_answer_is_never_clear(network: responses.RequestsMock, answer: dict[str, Any]) -> None:
    network.get(f"{URL}/catalog", json=CATALOG)
    network.post(re.compile(f"{URL}/match/.*"), **answer)
    yente = Yente(URL, "sanctions")
    with pytest.raises(Unavailable):
        yente.party(Query("Ada Okafor", Kind.PERSON))
    with pytest.raises(Unavailable):
        yente.wallet(LISTED_WALLET)


@pytest.mark.parametrize(
    "catalog", [{"datasets": []}, {}, {"datasets": [{"name": "sanctions"}]}, {"datasets": None}]
)
def test_an_unknown_collection_is_no_list(
    network: responses.RequestsMock, catalog: dict[str, Any]
) -> None:
    network.get(f"{URL}/catalog", json=catalog)
    yente = Yente(URL, "sanctions")
    with pytest.raises(Unavailable):
        yente.refresh(AS_OF)
    assert Screening(yente).stale(AS_OF, 10**10), "nothing known is stale"


def test_a_new_version_asks_for_everybody_again(network: responses.RequestsMock) -> None:
    moment = 0.0
    yente = Yente(URL, "sanctions", monotonic=lambda: moment)
    network.get(f"{URL}/catalog", json=CATALOG)
    yente.refresh(AS_OF)
    assert yente.versions[0].as_of == 1_789_994_000
    delta = yente.changes({})
    assert delta.entries is None
    assert delta.backend is yente
    newer = json.loads(json.dumps(CATALOG).replace("20260921", "20260922"))
    network.replace(responses.GET, f"{URL}/catalog", json=newer)
    yente.refresh(AS_OF)
    assert yente.in_force() == {"sanctions": "20260921123320-abc"}
    moment = 31.0
    yente.refresh(AS_OF)
    assert yente.in_force() == {"sanctions": "20260922123320-abc"}
