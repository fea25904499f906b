"""A status list is believed when its issuer signed it for this address; bombs stay packed."""

from __future__ import annotations

import zlib
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kycgate.demo.trial_issuer import TrialIssuer, sign1
from kycgate.errors import Code, Malformed
from kycgate.issuer.credentials import statuslist
from kycgate.issuer.credentials.statuslist import (
    CWT_TYPE,
    JWT_TYPE,
    LIST_MOST,
    Status,
    StatusList,
    read,
    reference,
)
from kycgate.issuer.credentials.verdict import StatusAt, Untrue
from tests.issuer.credentials.world import DAY, ISSUER, NOW, PID_SD, TRUST, WALLET

URI = "https://status.example/lists/1"
PACKED = zlib.compress(b"\xb9\xa3")


def jwt(
    lst: bytes = PACKED, *, issuer: TrialIssuer = ISSUER, uri: str = URI, **claims: Any
) -> bytes:
    bits = claims.pop("bits", 1)
    return issuer.status_token(uri, lst, at=NOW - 60, bits=bits, **claims).encode()


def cwt(lst: bytes = PACKED, *, headers: Any = None, **claims: Any) -> bytes:
    body: dict[int, Any] = {2: URI, 6: NOW - 60, 65534: 3600, 65533: {"bits": 1, "lst": lst}}
    body.update({int(name[1:]): value for name, value in claims.items()})
    protected = {1: -7, 16: CWT_TYPE} if headers is None else headers
    signed = sign1(ISSUER.key, cbor2.dumps(body), {33: ISSUER.chain[0]}, protected=protected)
    return cbor2.dumps(cbor2.CBORTag(18, signed))


def listed(body: bytes, media_type: str = JWT_TYPE, **changes: Any) -> StatusList:
    given: dict[str, Any] = {"uri": URI, "trust": TRUST, "now": NOW}
    return read(body, media_type, **(given | changes))


def test_a_list_says_what_the_drafts_example_says() -> None:
    """Section 4.1: sixteen entries of one bit in the two bytes b9 a3."""
    values = [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]
    wanted = [Status.REVOKED if each else Status.VALID for each in values]
    for found in (listed(jwt()), listed(cwt(), CWT_TYPE)):
        assert [found.of(index) for index in range(16)] == wanted


def test_two_bits_tell_suspended_from_revoked() -> None:
    """Section 4.1: twelve entries of two bits in the three bytes c9 44 f9."""
    found = listed(jwt(zlib.compress(b"\xc9\x44\xf9"), bits=2))
    told = [found.of(index) for index in range(12)]
    suspended, unknown = Status.SUSPENDED, Status.UNKNOWN
    assert told[:4] == [Status.REVOKED, suspended, Status.VALID, unknown]
    assert told[4:8] == [Status.VALID, Status.REVOKED, Status.VALID, Status.REVOKED]


def test_beyond_its_end_a_list_says_nothing() -> None:
    found = listed(jwt())
    assert [found.of(index) for index in (16, 17, 2**32 - 1)] == [Status.UNKNOWN] * 3


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=1, max_size=64), st.sampled_from([1, 2, 4, 8]), st.data())
def test_an_entry_is_read_from_its_own_bits(data: bytes, bits: int, draw: Any) -> None:
    index = draw.draw(st.integers(0, len(data) * 8 // bits - 1))
    value = int.from_bytes(data, "little") >> index * bits & ((1 << bits) - 1)
    wanted = [Status.VALID, Status.REVOKED, Status.SUSPENDED, *[Status.UNKNOWN] * 253][value]
    assert StatusList(bits, data, None, None).of(index) is wanted


# -- bombs ----------------------------------------------------------------------------------------


def test_a_zlib_bomb_is_not_unpacked() -> None:
    bomb = zlib.compress(bytes(64 * 2**20), 9)
    assert len(bomb) < 100_000
    for body, media_type in ((jwt(bomb), JWT_TYPE), (cwt(bomb), CWT_TYPE)):
        with pytest.raises(Malformed, match=str(LIST_MOST)):
            listed(body, media_type)


@pytest.mark.parametrize("lst", [b"", b"\x00", PACKED[:-1], PACKED + b"\x00", b"\x1f\x8b\x08"])
def test_what_is_not_one_whole_zlib_stream_is_refused(lst: bytes) -> None:
    with pytest.raises(Malformed):
        listed(jwt(lst))


def test_a_token_of_more_than_two_megabytes_is_refused() -> None:
    with pytest.raises(Malformed):
        listed(b"a" * (statuslist.TOKEN_MOST + 1))


# -- forged ---------------------------------------------------------------------------------------


def test_a_list_of_an_unpinned_issuer_is_refused() -> None:
    with pytest.raises(Untrue) as raised:
        listed(jwt(issuer=TrialIssuer.new(at=NOW - DAY)))
    assert raised.value.reason.code == Code.CREDENTIAL_ISSUER


def test_a_list_for_another_address_is_refused() -> None:
    """Another list of the same issuer, say of yesterday's, does not stand in for this one."""
    with pytest.raises(Untrue, match="another one"):
        listed(jwt(uri=URI + "2"))
    with pytest.raises(Untrue, match="another one"):
        listed(cwt(_2=URI + "2"), CWT_TYPE)


@pytest.mark.parametrize(
    "claims",
    [{"exp": NOW}, {"exp": "tomorrow"}, {"iat": NOW + 61}, {"iat": None}, {"iat": 1.5}],
    ids=str,
)
def test_a_list_of_another_time_is_refused(claims: Any) -> None:
    with pytest.raises(Untrue):
        listed(jwt(**claims))


@pytest.mark.parametrize(
    "claims", [{"ttl": 0}, {"ttl": -1}, {"ttl": "x"}, {"bits": 3}, {"bits": True}]
)
def test_a_list_that_means_nothing_is_refused(claims: Any) -> None:
    with pytest.raises(Malformed):
        listed(jwt(**claims))


def test_a_list_of_another_type_is_refused() -> None:
    """An identity token under the same root is no status list, nor the other way round."""
    token = WALLET.credentials[PID_SD].credential.split(b"~")[0]
    with pytest.raises(Untrue, match="typ"):
        listed(token)
    for headers in ({1: -7}, {1: -7, 16: "application/cwt"}):
        with pytest.raises(Malformed):
            listed(cwt(headers=headers), CWT_TYPE)
    for media_type in ("", "application/json", "text/html"):
        with pytest.raises(Malformed, match="media type"):
            listed(jwt(), media_type)


def test_a_changed_list_is_refused() -> None:
    head, body, signature = jwt().split(b".")
    other = jwt(zlib.compress(b"\x00\x00")).split(b".")[1]
    with pytest.raises(Untrue, match="does not hold"):
        listed(b".".join([head, other, signature]))
    assert body != other


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    for media_type in (JWT_TYPE, CWT_TYPE):
        with pytest.raises((Untrue, Malformed)):
            listed(data, media_type)


# -- references -----------------------------------------------------------------------------------


def test_a_credential_without_a_status_has_none() -> None:
    assert reference(None, field="status") is None


@pytest.mark.parametrize(
    "status",
    [
        {},
        [],
        "x",
        {"identifier_list": {}},
        {"status_list": []},
        {"status_list": {"uri": URI}},
        {"status_list": {"idx": -1, "uri": URI}},
        {"status_list": {"idx": True, "uri": URI}},
        {"status_list": {"idx": 2**32, "uri": URI}},
        {"status_list": {"idx": 1, "uri": "http://status.example/1"}},
        {"status_list": {"idx": 1, "uri": "https://user@status.example/1"}},
        {"status_list": {"idx": 1, "uri": "https://a@169.254.169.254/"}},
        {"status_list": {"idx": 1, "uri": "https://status.example/a b"}},
        {"status_list": {"idx": 1, "uri": "https://status.example\\@evil.example/"}},
        {"status_list": {"idx": 1, "uri": "https://[::1]/"}},
        {"status_list": {"idx": 1, "uri": "https://status.example#/"}},
        {"status_list": {"idx": 1, "uri": "file:///etc/passwd"}},
        {"status_list": {"idx": 1, "uri": "https://status.example/\n"}},
        {"status_list": {"idx": 1, "uri": "https://s.example/" + "a" * 1024}},
    ],
    ids=str,
)
def test_a_status_that_points_nowhere_plain_is_refused(status: Any) -> None:
    with pytest.raises(Malformed):
        reference(status, field="status")


def test_a_status_is_read_where_it_points() -> None:
    assert reference({"status_list": {"idx": 5, "uri": URI}}, field="s") == StatusAt(URI, 5)
