"""Attacks that live on a request being read in two ways (research: gateways, section 2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kycgate.errors import Code, Malformed
from kycgate.gateway.canonical import answer_fields, canonical
from kycgate.gateway.view import Headers, RequestView

HOST = ("Host", "market.example")


def seen(
    target: bytes = b"/a", *, method: str = "GET", headers: Headers = (), host: str = HOST[1]
) -> RequestView:
    return RequestView(
        method=method,
        target=target,
        authority=host,
        scheme="https",
        headers=(("Host", host), *headers),
        body=None,
        client_ip="192.0.2.1",
        now=1_800_000_000,
        door="test",
    )


def refused(view: RequestView) -> Malformed:
    with pytest.raises(Malformed) as caught:
        canonical(view)
    assert caught.value.code is Code.AMBIGUOUS_REQUEST
    return caught.value


@pytest.mark.parametrize(
    "target",
    [
        b"/public/../admin", b"/public/%2e%2e/admin", b"/public/.%2E/admin", b"/./a", b"/a/.",
        b"/a/..", b"/a/%2e", b"/..;/admin", b"/a/..;x=1/b", b"/a%2fb", b"/a%2Fb", b"/a%5cb",
        b"/a\\b", b"//a", b"/a//b", b"/a%00", b"/a%zz", b"/a%2", b"/a%", b"/a%252fb", b"/a%0ab",
        b"/a%7f", b"/a%c0%afb", b"/a#b", b"/a?b#c", b"/a b", b"/a\tb", b"/a\x00", b"/a\r\nX: 1",
        b"/a\xc3\xa9", b"/a?b=%zz", b"/a?b=%00", b"/a?b=%0d%0a", b"", b"*", b"a", b"?a",
        b"http://evil.example/a", b"https://market.example@evil.example/a",
        b"http://market.example.evil.example/a", b"/" + b"a" * 8192,
    ],
)  # fmt: skip
def test_target_with_two_readings_is_refused(target: bytes) -> None:
    refused(seen(target))


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", "/", None),
        (b"/a/b-c_d~.e/", "/a/b-c_d~.e/", None),
        (b"/...", "/...", None),
        (b"/a;v=1", "/a;v=1", None),
        (b"/a%20b", "/a%20b", None),
        (b"/a?", "/a", ""),
        (b"/a?x=%5B1%2C2%5D&y=/../z", "/a", "x=%5B1%2C2%5D&y=/../z"),
    ],
)
def test_plain_target_passes_byte_for_byte(target: bytes, path: str, query: str | None) -> None:
    clean = canonical(seen(target))
    assert (clean.target, clean.path, clean.query) == (target, path, query)


def test_absolute_form_of_our_own_host_is_read_as_its_path() -> None:
    assert canonical(seen(b"http://Market.example/a?b")).target == b"/a?b"
    assert canonical(seen(b"http://market.example")).target == b"/"


@given(st.binary(max_size=60))
def test_any_target_is_refused_or_passed_as_the_bytes_it_was(tail: bytes) -> None:
    target = b"/" + tail
    try:
        clean = canonical(seen(target))
    except Malformed:
        return
    assert clean.target == target
    query = "" if clean.query is None else f"?{clean.query}"
    assert (clean.path + query).encode("ascii") == target


@given(st.lists(st.sampled_from([b"/", b".", b"..", b"%2e", b"a", b"%2f", b";", b"//", b"\\"])))
def test_no_accepted_path_changes_under_decoding_and_normalising(parts: list[bytes]) -> None:
    from posixpath import normpath
    from urllib.parse import unquote

    try:
        path = canonical(seen(b"/" + b"".join(parts))).path
    except Malformed:
        return
    decoded = unquote(unquote(path.split(";")[0] if ";" in path else path))
    assert normpath(decoded).rstrip("/") == decoded.rstrip("/") or decoded == "/"


@pytest.mark.parametrize(
    "name",
    [
        "Host", "Authorization", "x-api-key", "Content-Type", "Content-Length", "Signature",
        "Signature-Input", "Idempotency-Key", "Content-Digest", "Content-Encoding",
        "Transfer-Encoding", "Expect",
    ],
)  # fmt: skip
def test_two_of_a_single_field_are_refused(name: str) -> None:
    value = HOST[1] if name == "Host" else "1"
    refused(seen(headers=((name, value), (name.upper(), value))))


@pytest.mark.parametrize(
    "name",
    [
        "X_Api_Key", "X-Api_Key", "X.Api.Key", "Kycgate_Account", "x api-key", "X-Api-Key ", "",
        "X-Ké", "a:b", "X-\x00", "n" * 65,
    ],
)  # fmt: skip
def test_field_name_an_upstream_could_fold_into_another_is_refused(name: str) -> None:
    refused(seen(headers=((name, "1"),)))


@pytest.mark.parametrize("value", ["a\x00", "a\r\nX-Api-Key: b", "a\nb", "\x7f", "☃"])
def test_control_bytes_in_a_field_are_refused(value: str) -> None:
    refused(seen(headers=(("X-Any", value),)))


@pytest.mark.parametrize(
    "name",
    ["X-HTTP-Method-Override", "x-method-override", "X-HTTP-Method", "X-Original-URL",
     "X-Rewrite-Url", "X-Original-Method"],
)  # fmt: skip
def test_field_that_makes_it_another_request_is_refused(name: str) -> None:
    refused(seen(headers=((name, "DELETE"),)))


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "get", "G T", "", "G" * 17])
def test_method_we_do_not_pass_on_is_refused(method: str) -> None:
    refused(seen(method=method))


@pytest.mark.parametrize("host", ["", "a b", "a/b", "a@b", "evil.example, market.example"])
def test_host_that_is_no_host_is_refused(host: str) -> None:
    refused(seen(host=host))


def test_host_field_differing_from_the_authority_is_refused() -> None:
    view = RequestView(
        "GET", b"/", "a.example", "https", (("Host", "b.example"),), None, "", 0, "t"
    )
    refused(view)


@pytest.mark.parametrize(
    "headers",
    [
        (("Content-Length", "2"), ("Transfer-Encoding", "chunked")),
        (("Content-Length", "+2"),),
        (("Content-Length", "2, 2"),),
        (("Content-Length", "２"),),
        (("Transfer-Encoding", "xchunked"),),
        (("Transfer-Encoding", "chunked, identity"),),
    ],
)
def test_body_length_stated_twice_or_oddly_is_refused(headers: Headers) -> None:
    refused(seen(headers=headers, method="POST"))


@pytest.mark.parametrize(
    "name",
    [
        "Kycgate-Account", "KYCGATE-DECISION", "X-Kycgate-Level", "x-kycgate-anything",
        "X-Forwarded-For", "X-Forwarded-Prefix", "Forwarded", "X-Real-IP", "Connection",
        "Keep-Alive", "Upgrade", "TE", "Proxy-Authorization", "Transfer-Encoding", "Host",
        "Content-Length", "Signature", "Signature-Input", "True-Client-IP",
    ],
)  # fmt: skip
def test_field_that_is_ours_to_say_does_not_travel_on(name: str) -> None:
    value = {"Transfer-Encoding": "chunked", "Content-Length": "1", "Host": HOST[1]}.get(name, "x")
    headers = () if name == "Host" else ((name, value),)
    clean = canonical(seen(headers=headers, method="POST"))
    assert name.lower() not in {field.lower() for field, _ in clean.onward}


def test_fields_named_by_connection_do_not_travel_on() -> None:
    clean = canonical(
        seen(headers=(("Connection", "close, X-Gone"), ("X-Gone", "1"), ("X-B", "2")))
    )
    assert clean.onward == (("X-B", "2"),)


@pytest.mark.parametrize("name", ["x-api-key", "Content-Type", "Idempotency-Key", "Authorization"])
def test_connection_may_not_take_away_what_is_decided_on(name: str) -> None:
    refused(seen(headers=(("Connection", f"close, {name}"), (name, "1"))))


def test_other_fields_travel_on_as_they_came_in_order_and_number() -> None:
    fields = (("Accept", "application/json"), ("X-A", "1"), ("x-a", "2"), ("Cookie", "c=1; d=2"))
    assert canonical(seen(headers=fields)).onward == fields


def test_answer_loses_hop_by_hop_and_what_only_the_gate_may_say() -> None:
    answer = (
        ("Content-Type", "text/plain"),
        ("Connection", "X-Hop"),
        ("X-Hop", "1"),
        ("Transfer-Encoding", "chunked"),
        ("Kycgate-Permit", "forged"),
        ("X_Kycgate_Permit", "forged"),
        ("Content-Length", "3"),
    )
    assert answer_fields(answer) == (("Content-Type", "text/plain"),)
