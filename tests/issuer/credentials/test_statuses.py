"""Status lists are fetched from named hosts only; silence is neither good nor revoked."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
import requests
import responses

from kycgate.demo.trial_issuer import TrialIssuer
from kycgate.issuer.credentials.statuses import FetchedStatuses
from kycgate.issuer.credentials.statuslist import CWT_TYPE, JWT_TYPE, TOKEN_MOST, Status
from kycgate.issuer.credentials.verdict import StatusAt
from tests.issuer.credentials.world import DAY, ISSUER, NOW, TRUST, trust_in

URI = "https://status.example/lists/1"
AT = StatusAt(URI, 0)


def token(*, revoked: bool = False, **claims: Any) -> str:
    return ISSUER.status_token(URI, zlib.compress(bytes([int(revoked)])), at=NOW - 60, **claims)


def served(body: Any, **changes: Any) -> None:
    given: dict[str, Any] = {"status": 200, "content_type": JWT_TYPE}
    responses.add(responses.GET, URI, body=body, **(given | changes))


@pytest.fixture
def statuses() -> FetchedStatuses:
    return FetchedStatuses(frozenset({"status.example"}))


@responses.activate
def test_a_list_is_asked_once_and_believed_for_its_ttl(statuses: FetchedStatuses) -> None:
    served(token(ttl=100))
    assert [statuses.look(AT, TRUST, now=NOW + s) for s in (0, 50, 99)] == [Status.VALID] * 3
    assert len(responses.calls) == 1
    responses.reset()
    served(token(revoked=True))
    assert statuses.look(AT, TRUST, now=NOW + 100) is Status.REVOKED


@responses.activate
def test_a_list_is_believed_no_longer_than_until_it_expires(statuses: FetchedStatuses) -> None:
    served(token(ttl=3600, exp=NOW + 10))
    assert statuses.look(AT, TRUST, now=NOW) is Status.VALID
    assert statuses.look(AT, TRUST, now=NOW + 10) is Status.UNKNOWN


@responses.activate
def test_a_list_without_bounds_is_believed_for_an_hour(statuses: FetchedStatuses) -> None:
    served(token(ttl=10**9))
    for late in (0, 12 * 3600 - 1, 12 * 3600):
        statuses.look(AT, TRUST, now=NOW + late)
    assert len(responses.calls) == 2


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/lists/1",
        "https://status.example.evil.example/1",
        "https://status.example:8443/1",
        "https://169.254.169.254/latest/meta-data",
        "https://localhost/1",
        "http://status.example/1",
    ],
)
@responses.activate
def test_a_credential_does_not_choose_what_is_connected_to(
    statuses: FetchedStatuses, uri: str
) -> None:
    assert statuses.look(StatusAt(uri, 0), TRUST, now=NOW) is Status.UNKNOWN
    assert len(responses.calls) == 0


@responses.activate
def test_a_redirect_is_not_followed(statuses: FetchedStatuses) -> None:
    served("", status=302, headers={"Location": "https://169.254.169.254/"})
    responses.add(responses.GET, "https://169.254.169.254/", body=token())
    assert statuses.look(AT, TRUST, now=NOW) is Status.UNKNOWN
    assert len(responses.calls) == 1


@pytest.mark.parametrize("status", [204, 404, 500, 503])
@responses.activate
def test_an_answer_that_is_none_is_could_not_tell(statuses: FetchedStatuses, status: int) -> None:
    served(token(), status=status)
    assert statuses.look(AT, TRUST, now=NOW) is Status.UNKNOWN


@pytest.mark.parametrize(
    "error", [requests.ConnectionError("away"), requests.Timeout("slow"), OSError("odd")]
)
@responses.activate
def test_silence_is_could_not_tell(statuses: FetchedStatuses, error: Exception) -> None:
    served(error)
    assert statuses.look(AT, TRUST, now=NOW) is Status.UNKNOWN


@responses.activate
def test_an_endless_list_is_cut_off(statuses: FetchedStatuses) -> None:
    served(b"a" * (TOKEN_MOST + 200_000))
    assert statuses.look(AT, TRUST, now=NOW) is Status.UNKNOWN


@responses.activate
def test_a_trickling_server_is_given_up() -> None:
    clock = iter(range(0, 10_000, 7))
    statuses = FetchedStatuses(frozenset({"status.example"}), clock=lambda: float(next(clock)))
    served(b"a" * 200_000)
    assert statuses.look(AT, TRUST, now=NOW) is Status.UNKNOWN


@pytest.mark.parametrize("body", ["", "not a token", "{}", token() + "x"])
@responses.activate
def test_a_broken_list_is_could_not_tell(statuses: FetchedStatuses, body: str) -> None:
    served(body)
    assert statuses.look(AT, TRUST, now=NOW) is Status.UNKNOWN


@responses.activate
def test_a_list_kept_under_one_root_is_not_believed_under_another(
    statuses: FetchedStatuses,
) -> None:
    served(token())
    assert statuses.look(AT, TRUST, now=NOW) is Status.VALID
    stranger = trust_in(TrialIssuer.new(at=NOW - DAY))
    assert statuses.look(AT, stranger, now=NOW) is Status.UNKNOWN


@responses.activate
def test_both_media_types_are_asked_for(statuses: FetchedStatuses) -> None:
    served(token())
    statuses.look(AT, TRUST, now=NOW)
    accept = responses.calls[0].request.headers["Accept"]
    assert JWT_TYPE in accept
    assert CWT_TYPE in accept


@responses.activate
def test_many_lists_do_not_fill_the_memory(statuses: FetchedStatuses) -> None:
    for number in range(80):
        uri = f"https://status.example/{number}"
        packed = zlib.compress(b"\x00")
        responses.add(
            responses.GET,
            uri,
            body=ISSUER.status_token(uri, packed, at=NOW - 60),
            content_type=JWT_TYPE,
        )
        assert statuses.look(StatusAt(uri, 0), TRUST, now=NOW) is Status.VALID
    assert len(statuses._kept) == 64
