"""The sidecar proves what local tools ask, once, and hears nobody else; between raw sockets."""

from __future__ import annotations

import json
import re
import socket
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kycgate.client.sidecar import KeyProof, WalletProof, read_token
from kycgate.client.sidecar.local import require_loopback
from kycgate.client.sidecar.proof import key_field
from kycgate.core.proof import HttpRequest, Profile, ProvenRequest, verify_request
from kycgate.errors import Malformed, Misconfigured, Unavailable
from tests.client.sidecars import TOKEN, Sidecar, sidecar
from tests.gateway.wire import RawUpstream, Seen, body_of, status
from tests.web.browser import ALICE

KEY = KeyProof("kg_" + "k" * 43, "x-api-key")


def wallet(upstream: RawUpstream, profile: Profile = Profile.EIP155) -> WalletProof:
    return WalletProof(ALICE, "http", upstream.url.split("://")[1], 1, profile, time.time)


@contextmanager
def relayed(**how: Any) -> Iterator[tuple[Sidecar, RawUpstream]]:
    with RawUpstream() as upstream:
        proof = how.pop("proof", None) or wallet(upstream)
        with sidecar(upstream.url, proof, **how) as running:
            yield running, upstream


def fields(seen: Seen) -> list[tuple[bytes, bytes]]:
    rows = (row.partition(b":") for row in seen.head.split(b"\r\n")[1:] if row)
    return [(name, value.strip()) for name, _, value in rows]


def proven(seen: Seen, upstream: RawUpstream) -> ProvenRequest:
    """What the gate would find of this request."""
    target = seen.target.decode()
    path, mark, query = target.partition("?")
    verdict = verify_request(
        HttpRequest(
            seen.head.split(b" ")[0].decode(),
            "http",
            upstream.url.split("://")[1],
            path,
            query if mark else None,
            tuple((n.decode(), v.decode("latin-1")) for n, v in fields(seen)),
            seen.body,
        ),
        now=int(time.time()),
        max_age_s=60,
    )
    assert isinstance(verdict, ProvenRequest), verdict
    return verdict


# -- what leaves ---------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", list(Profile))
def test_each_request_is_signed_over_all_of_it_with_a_fresh_nonce(profile: Profile) -> None:
    with RawUpstream() as upstream, sidecar(upstream.url, wallet(upstream, profile)) as local:
        assert status(local.ask("/a/b?c=d&e=%20")) == 200
        assert status(local.ask("/a/b?c=d&e=%20")) == 200
        assert status(local.ask("/deploy", method="POST", body=b'{"x": 1}')) == 200
        proofs = [proven(seen, upstream) for seen in upstream.seen]
    assert {proof.account.address for proof in proofs} == {ALICE.address}
    assert len({proof.nonce for proof in proofs}) == 3
    assert upstream.seen[0].target == b"/a/b?c=d&e=%20"
    assert upstream.seen[2].values(b"content-digest")


def test_a_signed_body_swapped_on_the_way_no_longer_fits() -> None:
    with relayed() as (local, upstream):
        local.ask("/deploy", method="POST", body=b'{"gpus": 1}')
        seen = upstream.seen[0]
        seen.body = b'{"gpus": 8}'
        with pytest.raises(AssertionError):
            proven(seen, upstream)


@pytest.mark.parametrize(
    "named, field, value",
    [
        ("x-api-key", b"x-api-key", KEY.key),
        ("bearer", b"authorization", f"Bearer {KEY.key}"),
        ("X-Other-Key", b"x-other-key", KEY.key),
    ],
)
def test_a_gate_key_travels_in_the_marketplaces_own_field(
    named: str, field: bytes, value: str
) -> None:
    with relayed(proof=KeyProof(KEY.key, key_field(named))) as (local, upstream):
        local.ask("/list", "Authorization: Bearer of-the-tool", "X-Other-Key: of-the-tool")
        assert upstream.seen[0].values(field) == [value.encode()]
        assert TOKEN not in str(upstream.seen[0].head)


@pytest.mark.parametrize("field", ["host", "signature", "kycgate-account", "a b", "", "Connection"])
def test_a_key_does_not_travel_in_a_field_that_means_something_else(field: str) -> None:
    with pytest.raises(Malformed):
        key_field(field)


def test_what_a_tool_sends_of_credentials_and_proofs_stays_here() -> None:
    mine = (
        "Authorization: Basic abc", "Cookie: s=1", "Signature: sig=:AA==:", "Content-Digest: x",
        "Signature-Input: sig=()", "Kycgate-Account: 0xforged", "X-Kycgate-Level: 9",
        "Connection: X-Gone", "X-Gone: 1", "X-Stays: 1",
    )  # fmt: skip
    with relayed() as (local, upstream):
        local.ask("/list", *mine)
        (seen,) = upstream.seen
    names = {name.lower() for name, _ in fields(seen)}
    assert b"x-stays" in names
    gone = {b"authorization", b"cookie", b"x-api-key", b"x-gone", b"content-digest"}
    assert not names & (gone | {b"kycgate-account", b"x-kycgate-level"})
    assert len(seen.values(b"signature")) == 1
    assert seen.values(b"connection") == [b"close"]
    proven(seen, upstream)


def test_credentials_travel_on_when_told_to_and_the_token_never() -> None:
    with relayed(keep_credentials=True) as (local, upstream):
        local.ask("/list", "Authorization: Basic abc", "Cookie: s=1")
        (seen,) = upstream.seen
    assert seen.values(b"authorization") == [b"Basic abc"]
    assert seen.values(b"cookie") == [b"s=1"]
    assert TOKEN not in str(seen.head)


def test_an_answer_comes_back_as_it_was() -> None:
    answer = b"HTTP/1.1 418 Teapot\r\nContent-Length: 3\r\nX-One: 1\r\nX-One: 2\r\n\r\nabc"
    with RawUpstream(answer=answer) as upstream, sidecar(upstream.url, KEY) as local:
        got = local.ask("/x")
    assert status(got) == 418
    assert body_of(got) == b"abc"
    assert re.findall(rb"(?i)x-one: (\d)", got) == [b"1", b"2"]


def test_redirects_are_the_tools_own_affair() -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: http://evil.test/\r\nContent-Length: 0\r\n\r\n"
    with RawUpstream(answer=answer) as upstream, sidecar(upstream.url, wallet(upstream)) as local:
        assert status(local.ask("/x")) == 302
        assert len(upstream.seen) == 1


# -- re-sends ------------------------------------------------------------------------------------


def keys(upstream: RawUpstream) -> list[bytes]:
    return [value for seen in upstream.seen for value in seen.values(b"idempotency-key")]


def test_a_request_with_a_final_answer_is_over_and_the_same_again_is_another() -> None:
    with relayed() as (local, upstream):
        for _ in range(2):
            local.ask("/deploy", method="POST", body=b"{}")
        local.ask("/deploy", "Idempotency-Key: mine", method="POST", body=b"{}")
        local.ask("/list")
        assert len(set(keys(upstream)[:2])) == 2
        assert keys(upstream)[2:] == [b"mine"]


@pytest.mark.parametrize("code", [b"502 Bad", b"500 Err", b"402 Pay", b"409 Wait", b"408 Slow"])
def test_a_tool_that_tries_again_after_no_final_answer_keeps_its_key(code: bytes) -> None:
    answer = b"HTTP/1.1 " + code + b"\r\nContent-Length: 0\r\n\r\n"
    with RawUpstream(answer=answer) as upstream, sidecar(upstream.url, wallet(upstream)) as local:
        for _ in range(2):
            local.ask("/deploy", method="POST", body=b"{}")
        local.ask("/deploy", method="POST", body=b'{"other": 1}')
        first, second, other = keys(upstream)
    assert first == second
    assert other != first


def test_nothing_is_sent_twice_by_the_sidecar_itself() -> None:
    with (
        RawUpstream(lambda sock, seen: None) as upstream,
        sidecar(upstream.url, wallet(upstream)) as local,
    ):
        code, told = local.json("/deploy", method="POST", body=b"{}")
        assert code == 502
        assert "nobody here knows what was done" in told["error"]
        assert len(upstream.seen) == 1


def test_a_marketplace_that_is_away_is_said_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with sidecar(f"http://127.0.0.1:{port}", KEY) as local:
        code, told = local.json("/deploy", method="POST", body=b"{}")
    assert code == 502
    assert "nothing was sent" in told["error"]


def test_an_answer_that_breaks_off_breaks_off_here_too() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
    with (
        RawUpstream(lambda sock, seen: sock.sendall(answer)) as upstream,
        sidecar(upstream.url, KEY) as local,
    ):
        got = local.ask("/x")
    assert body_of(got) == b"half"
    assert b"100" in got.split(b"\r\n\r\n")[0]


def test_a_signer_that_does_not_answer_sends_nothing() -> None:
    class Mute:
        name = "signature"

        def fields(self, request: object) -> tuple[tuple[str, str], ...]:
            raise Unavailable("the signer is away")

    with relayed(proof=Mute()) as (local, upstream):
        code, told = local.json("/deploy", method="POST", body=b"{}")
        assert (code, "the signer is away" in told["error"]) == (502, True)
        assert upstream.seen == []


# -- who is heard --------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/list", "/.kycgate/status", "/.kycgate/permit/0x" + "00" * 32])
@pytest.mark.parametrize("shown", [None, "", "kgl_wrong", TOKEN + "x", TOKEN[:-1]])
def test_another_user_of_the_machine_is_not_heard(target: str, shown: str | None) -> None:
    with relayed() as (local, upstream):
        code, told = local.json(target, token=shown)
        assert code == 401
        assert TOKEN not in json.dumps(told)
        assert upstream.seen == []


@pytest.mark.parametrize(
    "field", [f"Authorization: Bearer {TOKEN}", f"Kycgate-Sidecar-Token: {TOKEN}"]
)
def test_the_token_may_come_where_a_tool_can_put_it(field: str) -> None:
    with relayed() as (local, upstream):
        assert status(local.ask("/list", field, token=None)) == 200
        assert TOKEN not in str(upstream.seen[0].head)


@pytest.mark.parametrize("target", ["/list", "/.kycgate/status"])
def test_a_name_rebound_to_loopback_is_not_answered(target: str) -> None:
    with relayed() as (local, upstream):
        for host in ("evil.test", f"evil.test:{local.port}", "127.0.0.1", "127.0.0.1:1"):
            assert status(local.ask(target, host=host)) == 421
        assert status(local.ask(target, f"Host: 127.0.0.1:{local.port}")) in (400, 421)
        assert upstream.seen == []


@pytest.mark.parametrize("target", ["/list", "/.kycgate/status"])
@pytest.mark.parametrize(
    "field", ["Origin: http://evil.test", "Origin: null", "Sec-Fetch-Site: same-origin",
              "Sec-Fetch-Mode: no-cors"],
)  # fmt: skip
def test_a_web_page_is_not_answered(target: str, field: str) -> None:
    with relayed() as (local, upstream):
        assert status(local.ask(target, field)) == 403
        assert upstream.seen == []


@pytest.mark.parametrize(
    "listen", ["0.0.0.0", "::", "192.168.1.5", "localhost", "", "127.0.0.1.evil.test"]
)
def test_an_address_others_reach_is_refused(listen: str) -> None:
    with pytest.raises(Malformed):
        require_loopback(listen)
    require_loopback("127.0.0.1")
    require_loopback("::1")


def test_a_token_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / "sidecar.token"
    token = read_token(path)
    assert read_token(path) == token
    assert len(token) > 40
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    with pytest.raises(Misconfigured, match="others may read"):
        read_token(path)


@pytest.mark.parametrize("content", ["", "kgl_short", "x" * 60])
def test_a_file_that_holds_no_token_opens_nothing(tmp_path: Path, content: str) -> None:
    path = tmp_path / "token"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(Misconfigured, match="no token"):
        read_token(path)


def test_a_token_behind_a_link_is_not_followed(tmp_path: Path) -> None:
    real = tmp_path / "real"
    read_token(real)
    (tmp_path / "link").symlink_to(real)
    with pytest.raises(Misconfigured):
        read_token(tmp_path / "link")


# -- the wire ------------------------------------------------------------------------------------

HOST = b"Host: 127.0.0.1:%d\r\nX-Api-Key: " + TOKEN.encode() + b"\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\n%sContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST / HTTP/1.1\r\n%sContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\n%sTransfer-Encoding: xchunked\r\n\r\nabc",
        b"POST / HTTP/1.1\r\n%sContent-Length: +3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET http://evil.test/ HTTP/1.1\r\n%s\r\n",
        b"GET evil HTTP/1.1\r\n%s\r\n",
        b"CONNECT evil.test:443 HTTP/1.1\r\n%s\r\n",
        b"GET / HTTP/1.1\r\n%sX : 1\r\n\r\n",
        b"GET / HTTP/1.1\r\n%s\x00: 1\r\n\r\n",
        b"GET /a b HTTP/1.1\r\n%s\r\n",
        b"GET / HTTP/1.1\r\n%sX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
    ],
)
def test_a_request_two_readers_could_take_differently_never_leaves(head: bytes) -> None:
    with relayed() as (local, upstream):
        data = head % (HOST % local.port) if b"%s" in head else head
        got = local.raw(data)
        assert got == b"" or status(got) in (400, 413, 431, 501)
        assert upstream.seen == []


def test_a_body_in_chunks_is_read_whole_and_leaves_with_a_length() -> None:
    with relayed() as (local, upstream):
        data = b"POST /d HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        chunks = b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nKycgate-Account: forged\r\n\r\n"
        assert status(local.raw(data % (HOST % local.port) + chunks)) == 200
        (seen,) = upstream.seen
    assert (seen.body, seen.values(b"content-length")) == (b"abcde", [b"5"])
    assert seen.values(b"transfer-encoding") == []
    assert seen.values(b"kycgate-account") == []


def test_a_body_too_long_is_refused_before_it_is_signed() -> None:
    with relayed(body_limit=1024) as (local, upstream):
        assert status(local.ask("/d", method="POST", body=b"x" * 1025)) == 413
        assert status(local.ask("/d", method="POST", body=b"x" * 1024)) == 200
        assert len(upstream.seen) == 1


def test_a_tool_that_waits_for_a_go_ahead_gets_it() -> None:
    with (
        relayed() as (local, upstream),
        socket.create_connection(("127.0.0.1", local.port), timeout=10) as tool,
    ):
        head = b"POST /d HTTP/1.1\r\n%sContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        tool.sendall(head % (HOST % local.port))
        assert tool.recv(100).startswith(b"HTTP/1.1 100")
        tool.sendall(b"ab")
        assert tool.recv(4096).startswith(b"HTTP/1.1 200")
        assert upstream.seen[0].body == b"ab"


def test_a_connection_carries_one_request_after_another() -> None:
    with relayed() as (local, upstream):
        one = b"GET /%d HTTP/1.1\r\n" + HOST % local.port + b"\r\n"
        last = b"GET /9 HTTP/1.1\r\n" + HOST % local.port + b"Connection: close\r\n\r\n"
        got = local.raw(one % 1 + one % 2 + last)
        assert got.count(b"HTTP/1.1 200") == 3
        assert [seen.target for seen in upstream.seen] == [b"/1", b"/2", b"/9"]


def test_an_answer_to_head_has_no_body() -> None:
    with relayed() as (local, _):
        got = local.ask("/.kycgate/status", method="HEAD")
        assert status(got) == 405
        assert body_of(got) == b""


def test_a_log_flows_as_it_comes() -> None:
    release = threading.Event()

    def drip(connection: socket.socket, seen: Seen) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n")
        release.wait(10)
        connection.sendall(b"4\r\ntwo\n\r\n0\r\n\r\n")

    with (
        RawUpstream(drip) as upstream,
        sidecar(upstream.url, KEY) as local,
        socket.create_connection(("127.0.0.1", local.port), timeout=10) as tool,
    ):
        tool.sendall(b"GET /log HTTP/1.1\r\n" + HOST % local.port + b"Connection: close\r\n\r\n")
        got = b""
        while b"one\n" not in got:
            got += tool.recv(4096)
        assert b"two" not in got
        release.set()
        while chunk := tool.recv(4096):
            got += chunk
        assert b"two" in got
