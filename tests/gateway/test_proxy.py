"""The reverse proxy between raw sockets: what leaves it upstream, and what comes back."""

from __future__ import annotations

import gzip
import ipaddress
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kycgate.errors import Misconfigured
from kycgate.gateway.proxy import Proxy
from kycgate.gateway.upstream import Patience
from kycgate.gateway.view import Forward, Headers, Identity, Reply, RequestView
from tests.gateway.wire import (
    OK,
    RawUpstream,
    ScriptedGate,
    Seen,
    body_of,
    drain,
    get,
    serving,
    status,
    talk,
    wait_for,
)

KEEP = b"GET /%b HTTP/1.1\r\nHost: gate.test\r\n\r\n"
SHORT = Patience(connect_seconds=0.5, answer_seconds=0.5, idle_seconds=0.5)


def post(target: bytes, body: bytes, *fields: bytes) -> bytes:
    return get(target, b"Content-Length: %d" % len(body), *fields, method=b"POST") + body


@pytest.fixture(scope="module")
def plain() -> Iterator[tuple[ScriptedGate, RawUpstream, int]]:
    gate = ScriptedGate()
    with RawUpstream() as upstream, serving(gate, upstream.url) as running:
        yield gate, upstream, running.gateway_port


@pytest.mark.parametrize(
    "target",
    [
        b"/",
        b"//evil.test/admin",
        b"/public/../admin",
        b"/public/%2e%2e/admin",
        b"/./a/./b",
        b"/adm%69n",
        b"/a%2fb%2Fc%5C",
        b"/a;b=c?d=e;f",
        b"/?",
        b"/a?",
        b"/a??",
        b"/a?b=c&&d=%20+%zz",
        b"/%00%0d%0aX-Evil:%201",
        b"/a[b]{c}|d^e`f\"g<h>i'j",
        b"/http://other.test/",
        b"/@other.test",
        b"/:80/a",
    ],
)
def test_upstream_gets_the_very_bytes_the_gate_judged(
    plain: tuple[ScriptedGate, RawUpstream, int], target: bytes
) -> None:
    gate, upstream, port = plain
    assert body_of(talk(port, get(target))) == b"ok"
    assert upstream.seen[-1].line == b"GET " + target + b" HTTP/1.1"
    assert gate.views[-1].target == target


def test_only_the_fields_of_the_forward_leave_and_framing_is_ours() -> None:
    gate = ScriptedGate()
    gate.outcome = lambda view: Forward(
        "GET", b"/x", (("x-kycgate-assertion", "signed"), ("a", "1"), ("a", "2")), None, fail
    )
    with RawUpstream() as upstream, serving(gate, upstream.url) as running:
        talk(running.gateway_port, get(b"/", b"X-Kycgate-Level: 3", b"Connection: a, x-api-key"))
        rows = upstream.seen[0].head.split(b"\r\n")
        host = b"host: 127.0.0.1:%d" % upstream.port
        assert rows == [
            b"GET /x HTTP/1.1",
            host,
            b"x-kycgate-assertion: signed",
            b"a: 1",
            b"a: 2",
            b"",
        ]


def fail(sent: bool) -> Reply:
    return Reply(403, (), b"failed, sent" if sent else b"failed, not sent")


def test_a_forward_whose_field_would_break_the_framing_is_not_sent() -> None:
    gate = ScriptedGate()
    gate.outcome = lambda view: Forward("GET", b"/", (("a", "b\r\nX-Evil: 1"),), None, fail)
    with RawUpstream() as upstream, serving(gate, upstream.url) as running:
        assert body_of(talk(running.gateway_port, get(b"/"))) == b"failed, not sent"
        assert upstream.seen == []


def test_a_reply_is_sent_as_it_stands_and_nothing_goes_upstream() -> None:
    gate = ScriptedGate(outcome=lambda view: Reply(403, (("x-a", "b"),), b'{"error":"no"}'))
    with RawUpstream() as upstream, serving(gate, upstream.url) as running:
        answer = talk(running.gateway_port, post(b"/deploy", b"{}"))
        assert (status(answer), body_of(answer)) == (403, b'{"error":"no"}')
        assert b"x-a: b\r\n" in answer
        assert b"content-length: 14\r\n" in answer
        assert upstream.connections == 0


def test_a_reply_to_head_has_the_length_and_no_body() -> None:
    gate = ScriptedGate(outcome=lambda view: Reply(403, (), b"12345"))
    with RawUpstream() as upstream, serving(gate, upstream.url) as running:
        answer = talk(running.gateway_port, get(b"/", method=b"HEAD"))
        assert b"content-length: 5\r\n" in answer
        assert body_of(answer) == b""


def test_the_body_the_gate_wants_is_read_first_and_sent_on_whole() -> None:
    gate = ScriptedGate(body_limit=100)
    with RawUpstream() as upstream, serving(gate, upstream.url) as running:
        chunked = get(b"/", b"Transfer-Encoding: chunked", method=b"POST")
        talk(running.gateway_port, chunked + b"3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\n\r\n")
        assert gate.views[0].body == b"abcde"
        assert upstream.seen[0].body == b"abcde"
        assert upstream.seen[0].values(b"content-length") == [b"5"]
        assert upstream.seen[0].values(b"transfer-encoding") == []
        talk(running.gateway_port, get(b"/"))
        assert gate.views[1].body == b""


def test_the_body_of_the_forward_replaces_the_callers() -> None:
    gate = ScriptedGate(body_limit=100)
    gate.outcome = lambda view: gate.forward(view, body=b"longer than it was")
    with RawUpstream() as upstream, serving(gate, upstream.url) as running:
        talk(running.gateway_port, post(b"/", b"short"))
        assert upstream.seen[0].body == b"longer than it was"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_413_and_never_judged(chunked: bool) -> None:
    gate = ScriptedGate(body_limit=4)
    request = post(b"/", b"12345")
    if chunked:
        request = (
            get(b"/", b"Transfer-Encoding: chunked", method=b"POST") + b"5\r\n12345\r\n0\r\n\r\n"
        )
    with RawUpstream() as upstream, serving(gate, upstream.url) as running:
        assert status(talk(running.gateway_port, request)) == 413
        assert status(talk(running.gateway_port, post(b"/", b"1234"))) == 200
        assert len(gate.views) == 1
        assert len(upstream.seen) == 1


@pytest.mark.parametrize("fields", [(), (b"Transfer-Encoding: chunked",)])
def test_a_body_cut_short_is_neither_judged_nor_forwarded(fields: tuple[bytes, ...]) -> None:
    gate = ScriptedGate(body_limit=100)
    request = get(b"/", *(fields or (b"Content-Length: 9",)), method=b"POST") + b"3\r\nabc\r\n"
    with RawUpstream() as upstream, serving(gate, upstream.url) as running:
        with socket.create_connection(("127.0.0.1", running.gateway_port), timeout=5) as sock:
            sock.sendall(request if fields else request[:-4])
            sock.shutdown(socket.SHUT_WR)
            assert drain(sock) == b""
        assert gate.views == []
        assert upstream.connections == 0


def test_a_streamed_upload_cut_short_never_looks_whole_upstream() -> None:
    with RawUpstream() as upstream, serving(ScriptedGate(), upstream.url) as running:
        with socket.create_connection(("127.0.0.1", running.gateway_port), timeout=5) as sock:
            sock.sendall(get(b"/", b"Transfer-Encoding: chunked", method=b"PUT") + b"3\r\nabc\r\n")
            assert wait_for(lambda: upstream.connections)
        assert wait_for(lambda: not upstream._open)
        assert upstream.seen == []


def test_a_streamed_upload_with_broken_chunks_never_looks_whole_upstream() -> None:
    with RawUpstream() as upstream, serving(ScriptedGate(), upstream.url) as running:
        bad = get(b"/", b"Transfer-Encoding: chunked", method=b"PUT") + b"3\r\nabc\r\nzz\r\n"
        assert status(talk(running.gateway_port, bad)) == 400
        assert wait_for(lambda: not upstream._open)
        assert upstream.seen == []


def test_a_streamed_upload_keeps_its_framing() -> None:
    with RawUpstream() as upstream, serving(ScriptedGate(), upstream.url) as running:
        talk(running.gateway_port, post(b"/", b"abc", b"Expect: 100-continue"))
        chunked = get(b"/", b"Transfer-Encoding: chunked", method=b"POST")
        talk(running.gateway_port, chunked + b"3\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n")
        known, unknown = upstream.seen
        assert (known.values(b"content-length"), known.body) == ([b"3"], b"abc")
        assert (unknown.values(b"transfer-encoding"), unknown.body) == ([b"chunked"], b"abc")
        assert known.values(b"expect") == []
        assert b"railer" not in unknown.head


def test_safe_requests_share_pooled_connections_and_rents_never_do() -> None:
    with RawUpstream() as upstream, serving(ScriptedGate(), upstream.url) as running:
        with socket.create_connection(("127.0.0.1", running.gateway_port), timeout=5) as sock:
            for n in range(5):
                sock.sendall(KEEP % b"%d" % n)
                assert sock.recv(4096).endswith(b"ok")
        assert upstream.connections == 1
        talk(running.gateway_port, get(b"/"))
        assert upstream.connections == 1
        for method in (b"POST", b"DELETE", b"PATCH", b"PUT"):
            talk(running.gateway_port, get(b"/", method=method))
        assert upstream.connections == 5
        assert len({seen.connection for seen in upstream.seen[-4:]}) == 4


def test_a_dead_pooled_connection_is_replaced_without_the_caller_noticing() -> None:
    with RawUpstream() as upstream, serving(ScriptedGate(), upstream.url) as running:
        assert status(talk(running.gateway_port, get(b"/"))) == 200
        upstream.drop_connections()
        assert status(talk(running.gateway_port, get(b"/"))) == 200
        assert upstream.connections == 2


def test_a_read_is_sent_again_when_its_pooled_connection_dies_under_it() -> None:
    def once(sock: socket.socket, seen: Seen) -> None:
        if seen.target != b"/dies" or seen.connection > 1:
            sock.sendall(OK)
            if seen.target == b"/first":  # stay open for one more request, then close unanswered
                sock.settimeout(5)
                sock.recv(4096)

    with RawUpstream(once) as upstream, serving(ScriptedGate(), upstream.url) as running:
        assert status(talk(running.gateway_port, get(b"/first"))) == 200
        assert status(talk(running.gateway_port, get(b"/dies"))) == 200
        assert upstream.connections == 2


def test_a_rent_whose_connection_dies_is_not_sent_again() -> None:
    gate = ScriptedGate()
    with (
        RawUpstream(lambda sock, seen: None) as upstream,
        serving(gate, upstream.url) as running,
    ):
        answer = talk(running.gateway_port, post(b"/deploy", b"{}"))
        assert (status(answer), body_of(answer)) == (403, b'{"error":"unreachable"}')
        assert len(upstream.seen) == 1
        assert gate.failures == [True]


def test_a_marketplace_that_is_down_is_told_apart_from_one_that_may_have_heard() -> None:
    gate = ScriptedGate()
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with serving(gate, url) as running:
        answer = talk(running.gateway_port, post(b"/deploy", b"{}"))
        assert body_of(answer) == b'{"error":"unreachable"}'
        assert gate.failures == [False]


def test_a_marketplace_that_never_answers_is_given_up_on() -> None:
    gate = ScriptedGate()

    def silent(sock: socket.socket, seen: Seen) -> None:
        sock.settimeout(5)
        sock.recv(1)

    with RawUpstream(silent) as upstream, serving(gate, upstream.url, patience=SHORT) as running:
        began = time.monotonic()
        assert status(talk(running.gateway_port, get(b"/"))) == 403
        assert time.monotonic() - began < 3
        assert gate.failures == [True]


def test_nonsense_from_the_marketplace_is_not_passed_on() -> None:
    for nonsense in (
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nA: " + b"a" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    ):
        gate = ScriptedGate()
        with RawUpstream(nonsense) as upstream, serving(gate, upstream.url) as running:
            assert status(talk(running.gateway_port, get(b"/"))) == 403
            assert gate.failures == [True]


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\npart",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_an_answer_that_breaks_off_breaks_off_for_the_caller_too(start: bytes) -> None:
    with (
        RawUpstream(lambda sock, seen: sock.sendall(start)) as upstream,
        serving(ScriptedGate(), upstream.url) as running,
    ):
        answer = talk(running.gateway_port, get(b"/"))
        assert not answer.endswith(b"0\r\n\r\n")
        assert len(body_of(answer)) < 1000


def test_an_answer_that_goes_silent_breaks_off() -> None:
    def stall(sock: socket.socket, seen: Seen) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\npart")
        sock.settimeout(5)
        sock.recv(1)

    with (
        RawUpstream(stall) as upstream,
        serving(ScriptedGate(), upstream.url, patience=SHORT) as running,
    ):
        assert body_of(talk(running.gateway_port, get(b"/"))) == b"part"


def test_an_answer_that_ends_with_the_connection_is_whole() -> None:
    answer = b"HTTP/1.1 200 OK\r\n\r\nto the end"
    with (
        RawUpstream(lambda sock, seen: sock.sendall(answer)) as upstream,
        serving(ScriptedGate(), upstream.url) as running,
    ):
        assert body_of(talk(running.gateway_port, get(b"/"))) == b"a\r\nto the end\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "sent, expected",
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", (204, b"")),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", (304, b"")),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK, (200, b"ok")),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + OK, (200, b"ok")),
        (b"HTTP/1.1 302 Found\r\nLocation: /b\r\ncontent-length: 0\r\n\r\n", (302, b"")),
        (b"HTTP/1.1 599 Odd\r\ncontent-length: 1\r\n\r\nx", (599, b"x")),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA: b\r\n\r\n",
            (200, b"1\r\nx\r\n0\r\n\r\n"),
        ),
    ],
)
def test_answers_of_every_shape_arrive(sent: bytes, expected: tuple[int, bytes]) -> None:
    with (
        RawUpstream(sent) as upstream,
        serving(ScriptedGate(), upstream.url) as running,
        socket.create_connection(("127.0.0.1", running.gateway_port), timeout=5) as sock,
    ):
        for _ in range(2):  # the second shows that both connections stayed in step
            sock.sendall(KEEP % b"a")
            time.sleep(0.1)
            answer = sock.recv(65536)
            assert (status(answer), body_of(answer)) == expected


def test_head_passes_the_length_and_waits_for_no_body() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n"
    with RawUpstream(head) as upstream, serving(ScriptedGate(), upstream.url) as running:
        answer = talk(running.gateway_port, get(b"/", method=b"HEAD"))
        assert b"content-length: 1234\r\n" in answer
        assert body_of(answer) == b""


def test_what_ends_at_us_and_what_only_we_may_say_is_taken_from_an_answer() -> None:
    answer = (
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Private\r\nX-Private: 1\r\n"
        b"Keep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nTrailer: A\r\nUpgrade: h2c\r\n"
        b"Kycgate-Permit: forged\r\nX-KYCGATE-Level: 3\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"
        b"content-length: 2\r\n\r\nok"
    )
    with RawUpstream(answer) as upstream, serving(ScriptedGate(), upstream.url) as running:
        got = talk(running.gateway_port, get(b"/")).partition(b"\r\n\r\n")[0]
        assert got.split(b"\r\n")[1:] == [
            b"set-cookie: a=1",
            b"set-cookie: b=2",
            b"content-length: 2",
            b"connection: close",
        ]


def test_a_compressed_answer_travels_as_it_is() -> None:
    packed = gzip.compress(b"hello" * 100)
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(
        packed
    )
    with RawUpstream(answer + packed) as upstream, serving(ScriptedGate(), upstream.url) as running:
        got = talk(running.gateway_port, get(b"/", b"Accept-Encoding: gzip"))
        assert body_of(got) == packed
        assert upstream.seen[0].values(b"accept-encoding") == [b"gzip"]


# -- forwards whose answer the gate must see ---------------------------------------------------


def finishing(gate: ScriptedGate, seen: list[tuple[int, Headers, bytes]]) -> None:
    def finish(code: int, headers: Headers, body: bytes) -> Reply:
        seen.append((code, headers, body))
        return Reply(code, (*headers, ("kycgate-permit", "p")), body + b"!")

    gate.outcome = lambda view: gate.forward(view, finish=finish)


def test_finish_gets_the_whole_answer_and_its_reply_is_sent() -> None:
    gate, seen = ScriptedGate(body_limit=10), []
    finishing(gate, seen)
    head = b"HTTP/1.1 201 Created\r\nX-A: b\r\ntransfer-encoding: chunked\r\n\r\n"
    chunked = head + b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n"
    with RawUpstream(chunked) as upstream, serving(gate, upstream.url) as running:
        got = talk(running.gateway_port, post(b"/deploy", b"{}"))
        assert seen == [(201, (("X-A", "b"),), b"ab")]
        assert (status(got), body_of(got)) == (201, b"ab!")
        assert b"kycgate-permit: p\r\n" in got


def test_an_answer_too_long_for_finish_counts_as_unknown() -> None:
    gate, seen = ScriptedGate(body_limit=10), []
    finishing(gate, seen)
    long = b"HTTP/1.1 200 OK\r\ncontent-length: 5000000\r\n\r\n" + b"x" * 5_000_000
    with RawUpstream(long) as upstream, serving(gate, upstream.url) as running:
        assert status(talk(running.gateway_port, post(b"/deploy", b"{}"))) == 403
        assert (seen, gate.failures) == ([], [True])


def test_a_rent_is_recorded_to_its_end_though_the_caller_hung_up() -> None:
    gate, seen = ScriptedGate(body_limit=10), []
    finishing(gate, seen)
    go = threading.Event()

    def later(sock: socket.socket, request: Seen) -> None:
        go.wait(5)
        sock.sendall(OK)

    with RawUpstream(later) as upstream, serving(gate, upstream.url) as running:
        with socket.create_connection(("127.0.0.1", running.gateway_port)) as sock:
            sock.sendall(post(b"/deploy", b"{}"))
            assert wait_for(lambda: upstream.seen)
        time.sleep(0.6)
        go.set()
        assert wait_for(lambda: seen)
        assert (seen[0][2], gate.failures) == (b"ok", [])


def test_a_half_answer_to_a_rent_is_an_unknown_outcome() -> None:
    gate, seen = ScriptedGate(body_limit=10), []
    finishing(gate, seen)
    half = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\npart"
    with (
        RawUpstream(lambda sock, request: sock.sendall(half)) as upstream,
        serving(gate, upstream.url) as running,
    ):
        answer = talk(running.gateway_port, post(b"/deploy", b"{}"))
        assert body_of(answer) == b'{"error":"unreachable"}'
        assert (seen, gate.failures) == ([], [True])


# -- hanging up, early answers, many at once ---------------------------------------------------


def test_a_caller_that_hangs_up_takes_its_upstream_request_with_it() -> None:
    closed = threading.Event()

    def forever(sock: socket.socket, seen: Seen) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                sock.sendall(b"log line\n")
                time.sleep(0.02)
        except OSError:
            closed.set()

    with RawUpstream(forever) as upstream, serving(ScriptedGate(), upstream.url) as running:
        with socket.create_connection(("127.0.0.1", running.gateway_port), timeout=5) as sock:
            sock.sendall(KEEP % b"log")
            assert b"log line" in sock.recv(4096) + sock.recv(4096)
        assert closed.wait(5)


def test_a_caller_that_hangs_up_before_the_answer_takes_its_request_with_it() -> None:
    closed = threading.Event()

    def silent(sock: socket.socket, seen: Seen) -> None:
        sock.settimeout(5)
        if sock.recv(1) == b"":
            closed.set()

    gate = ScriptedGate()
    with RawUpstream(silent) as upstream, serving(gate, upstream.url) as running:
        with socket.create_connection(("127.0.0.1", running.gateway_port), timeout=5) as sock:
            sock.sendall(KEEP % b"log")
            assert wait_for(lambda: upstream.seen)
        assert closed.wait(5)
        assert gate.failures == []


def test_a_stream_ends_when_the_proof_behind_it_ends() -> None:
    gate = ScriptedGate()

    def brief(view: RequestView) -> Forward:
        plain = gate.forward(view)
        who = Identity("0xabc", None, None, 2, expires_at=view.now + 1)
        return Forward(plain.method, plain.target, plain.headers, None, plain.failed, identity=who)

    def forever(sock: socket.socket, seen: Seen) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            sock.sendall(b"log line\n")
            time.sleep(0.05)

    gate.outcome = brief
    with RawUpstream(forever) as upstream, serving(gate, upstream.url) as running:
        began = time.monotonic()
        answer = talk(running.gateway_port, get(b"/log"))
        assert 0.8 < time.monotonic() - began < 3
        assert b"log line" in answer
        assert not answer.endswith(b"0\r\n\r\n")


def test_an_answer_to_half_an_upload_arrives_and_its_connection_is_not_used_again() -> None:
    early = b"HTTP/1.1 413 Too Large\r\ncontent-length: 4\r\n\r\nstop"

    with (
        RawUpstream(early, read_body=False) as upstream,
        serving(ScriptedGate(), upstream.url) as running,
    ):
        with socket.create_connection(("127.0.0.1", running.gateway_port), timeout=5) as sock:
            sock.sendall(b"PUT /up HTTP/1.1\r\nHost: g\r\nContent-Length: 30\r\n\r\nabc")
            assert sock.recv(4096).endswith(b"stop")
        assert body_of(talk(running.gateway_port, get(b"/next"))) == b"stop"
        up, after = (seen for seen in upstream.seen if seen.target in (b"/up", b"/next"))
        assert up.connection != after.connection


def test_two_hundred_at_once_all_get_their_own_answer() -> None:
    def echo(sock: socket.socket, seen: Seen) -> None:
        time.sleep(0.05)
        sock.sendall(
            b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(seen.target) + seen.target
        )

    with RawUpstream(echo) as upstream, serving(ScriptedGate(), upstream.url) as running:
        with ThreadPoolExecutor(50) as pool:
            targets = [b"/%d" % n for n in range(200)]
            answers = list(pool.map(lambda t: talk(running.gateway_port, get(t)), targets))
        assert [body_of(answer) for answer in answers] == targets


def test_a_gate_that_waits_for_its_store_holds_up_nobody_else() -> None:
    release = threading.Event()
    gate = ScriptedGate()

    def outcome(view: RequestView) -> Reply:
        if view.target == b"/slow":
            release.wait(5)
        return Reply(200, (), view.target)

    gate.outcome = outcome
    with (
        RawUpstream() as upstream,
        serving(gate, upstream.url) as running,
        ThreadPoolExecutor(1) as pool,
    ):
        slow = pool.submit(talk, running.gateway_port, get(b"/slow"))
        assert wait_for(lambda: gate.views)
        assert body_of(talk(running.gateway_port, get(b"/fast"))) == b"/fast"
        assert not slow.done()
        release.set()
        assert body_of(slow.result()) == b"/slow"


def test_a_gate_that_knows_at_once_is_asked_without_a_thread() -> None:
    names: list[str] = []
    gate = ScriptedGate(slow=False)

    def outcome(view: RequestView) -> Reply:
        names.append(threading.current_thread().name)
        return Reply(200, (), b"")

    gate.outcome = outcome
    with RawUpstream() as upstream, serving(gate, upstream.url) as running:
        talk(running.gateway_port, get(b"/"))
    assert names == ["kycgate-server"]


def test_a_gate_that_breaks_lets_nothing_through() -> None:
    gate = ScriptedGate()

    def broken(view: RequestView) -> Reply:
        raise RuntimeError("bug")

    gate.outcome = broken
    with RawUpstream() as upstream, serving(gate, upstream.url) as running:
        answer = talk(running.gateway_port, get(b"/"))
        assert status(answer) == 500
        assert b"bug" not in answer
        assert upstream.connections == 0


def test_a_reset_by_the_caller_leaves_the_proxy_working() -> None:
    with RawUpstream() as upstream, serving(ScriptedGate(), upstream.url) as running:
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", running.gateway_port)) as sock:
                sock.sendall(KEEP % b"a")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert body_of(talk(running.gateway_port, get(b"/"))) == b"ok"


@pytest.mark.parametrize(
    "url", ["api.example", "ftp://a", "http://", "http://a/b", "http://a?b", "http://me@a"]
)
def test_an_upstream_that_is_not_an_origin_is_refused_at_start(url: str) -> None:
    with pytest.raises(Misconfigured):
        Proxy(ScriptedGate(), url)


# -- TLS to the marketplace --------------------------------------------------------------------


def _certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.fromtimestamp(time.time(), UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "cert.pem", folder / "key.pem"
    public.write_bytes(certificate.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context


@pytest.mark.parametrize("trusted", [True, False])
def test_a_marketplace_behind_tls_must_show_a_certificate_we_trust(
    trusted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, context = _certificate(tmp_path)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    gate = ScriptedGate()
    with RawUpstream(tls=context) as upstream, serving(gate, upstream.url) as running:
        bodies = [body_of(talk(running.gateway_port, get(b"/"))) for _ in range(2)]
        if trusted:
            assert bodies == [b"ok", b"ok"]
            assert upstream.connections == 1
        else:
            assert upstream.seen == []
            assert gate.failures == [False, False]
