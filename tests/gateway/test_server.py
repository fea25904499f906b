"""What strangers send to the listeners, and how little of it reaches the applications."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kycgate.gateway import strict
from kycgate.gateway.server import Running, start_in_thread
from kycgate.gateway.strict import Limits
from tests.gateway.wire import body_of, drain, get, no_control, status, talk, wait_for

TIGHT = Limits(
    header_seconds=0.4,
    body_seconds=0.4,
    write_seconds=0.4,
    keep_alive_seconds=1,
    header_bytes=4096,
    header_count=30,
    target_bytes=1024,
    drain_bytes=200_000,
    grace_seconds=3,
)


class Echo:
    """An ASGI application that remembers every request and answers with its target."""

    def __init__(self) -> None:
        self.scopes: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        self.scopes.append({**scope, "headers": list(scope["headers"])})
        if scope["kycgate.target"] != b"/early":
            await self._read(receive)
        target = scope["kycgate.target"]
        if target == b"/slow":
            await asyncio.sleep(1.0)
        elif target == b"/big":
            target = b"x" * 30_000_000
        fields = [(b"content-length", b"%d" % len(target))]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": target})

    async def _read(self, receive: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if message["type"] == "http.disconnect":
                return
        self.bodies.append(body)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Running, Echo]]:
    echo = Echo()
    with start_in_thread(echo, hello, limits=TIGHT) as running:
        yield running, echo


def hello(environ: dict[str, Any], start: Any) -> list[bytes]:
    body = environ["wsgi.input"].read() or environ["PATH_INFO"].encode()
    start("200 OK", [("content-length", str(len(body)))])
    return [body]


REFUSED = {
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": get(b"/", b"Host: other.test"),
    "empty host": b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "host with a path": b"GET / HTTP/1.1\r\nHost: a.test/b\r\n\r\n",
    "host with user": b"GET / HTTP/1.1\r\nHost: me@a.test\r\n\r\n",
    "length and chunks": get(b"/", b"Content-Length: 5", b"Transfer-Encoding: chunked")
    + b"0\r\n\r\n",
    "two lengths": get(b"/", b"Content-Length: 2", b"Content-Length: 3") + b"abc",
    "two equal lengths": get(b"/", b"Content-Length: 2", b"Content-Length: 2") + b"ab",
    "listed lengths": get(b"/", b"Content-Length: 2, 2") + b"ab",
    "signed length": get(b"/", b"Content-Length: +2") + b"ab",
    "length with underscore": get(b"/", b"Content-Length: 2_0") + b"ab",
    "unknown coding": get(b"/", b"Transfer-Encoding: xchunked") + b"0\r\n\r\n",
    "two codings": get(b"/", b"Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n",
    "chunked twice": get(b"/", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "coding not chunked": get(b"/", b"Transfer-Encoding: identity"),
    "space before colon": get(b"/", b"Transfer-Encoding : chunked") + b"0\r\n\r\n",
    "vertical tab before chunked": get(b"/", b"Transfer-Encoding: \x0bchunked") + b"0\r\n\r\n",
    "folded line": get(b"/", b"X-A: one\r\n two"),
    "bare line feeds": b"GET / HTTP/1.1\nHost: gate.test\n\n",
    "one bare line feed": b"GET / HTTP/1.1\r\nHost: gate.test\nX-A: b\r\n\r\n",
    "bare carriage return": get(b"/", b"X-A: a\rX-Kycgate-Level: 3"),
    "NUL in a value": get(b"/", b"X-A: a\x00b"),
    "escape in a value": get(b"/", b"X-A: a\x1bb"),
    "latin-1 in a value": get(b"/", b"X-A: \xe9"),
    "underscore name": get(b"/", b"X_Kycgate_Level: 3"),
    "dotted name": get(b"/", b"X.Kycgate.Level: 3"),
    "name with a space": get(b"/", b"X-Kycgate Level: 3"),
    "name with a quote": get(b"/", b"X'A: 3"),
    "empty name": get(b"/", b": 3"),
    "non-ASCII name": get(b"/", b"X-K\xc3\xa9: 3"),
    "two API keys": get(b"/", b"X-Api-Key: a", b"x-api-key: b"),
    "two authorizations": get(b"/", b"Authorization: a", b"Authorization: b"),
    "two content types": get(b"/", b"Content-Type: a/b", b"Content-Type: c/d"),
    "two idempotency keys": get(b"/", b"Idempotency-Key: a", b"Idempotency-Key: b"),
    "HTTP/1.0": b"GET / HTTP/1.0\r\nHost: gate.test\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/1.2": b"GET / HTTP/1.2\r\nHost: gate.test\r\n\r\n",
    "lower-case version": b"GET / http/1.1\r\nHost: gate.test\r\n\r\n",
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "unknown method": get(b"/", method=b"FROB"),
    "lower-case method": get(b"/", method=b"get"),
    "CONNECT": get(b"gate.test:443", method=b"CONNECT"),
    "asterisk form": get(b"*", method=b"OPTIONS"),
    "target of another host": get(b"http://other.test/"),
    "target with user": get(b"http://me@gate.test/"),
    "target of another scheme": get(b"ftp://gate.test/"),
    "target without slash": get(b"admin"),
    "non-ASCII target": get(b"/caf\xc3\xa9"),
    "target with fragment": get(b"/a#b"),
    "target with backslash": get(b"/a\\b"),
    "target with tab": get(b"/a\tb"),
    "target with NUL": get(b"/a\x00b"),
    "upgrade to h2c": get(b"/", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__"),
    "upgrade to websocket": get(b"/", b"Upgrade: websocket").replace(b"close", b"upgrade"),
    "unknown expectation": get(b"/", b"Expect: 200-ok"),
    "too many fields": get(b"/", *(b"X-%d: a" % i for i in range(40))),
    "header too large": get(b"/", b"X-A: " + b"a" * 5000),
    "target too long": get(b"/" + b"a" * 2000),
    "bad chunk size": get(b"/", b"Transfer-Encoding: chunked", method=b"POST")
    + b"zz\r\nab\r\n0\r\n\r\n",
    "negative chunk size": get(b"/", b"Transfer-Encoding: chunked", method=b"POST") + b"-1\r\n\r\n",
    "chunk longer than it says": get(b"/", b"Transfer-Encoding: chunked", method=b"POST")
    + b"1\r\nabc\r\n0\r\n\r\n",
}
OTHER_STATUS = {
    "HTTP/1.0": 505,
    "HTTP/0.9": 505,
    "CONNECT": 405,
    "unknown expectation": 417,
    "too many fields": 431,
    "header too large": 431,
    "target too long": 414,
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_request_two_readers_could_take_differently_is_refused_and_the_connection_closed(
    server: tuple[Running, Echo], name: str
) -> None:
    running, echo = server
    before = len(echo.bodies)
    answer = talk(running.gateway_port, REFUSED[name] + get(b"/smuggled"))
    assert status(answer) == OTHER_STATUS.get(name, 400)
    assert len(re.findall(rb"HTTP/1\.1 \d", answer)) == 1
    assert len(echo.bodies) == before
    assert not any(scope["kycgate.target"] == b"/smuggled" for scope in echo.scopes)


def test_a_refusal_is_json_with_a_code_and_a_sentence(server: tuple[Running, Echo]) -> None:
    answer = talk(server[0].gateway_port, REFUSED["two hosts"])
    assert json.loads(body_of(answer)) == {
        "code": "ambiguous_request",
        "error": "host is sent twice",
    }


@pytest.mark.parametrize(
    "target",
    [
        b"/",
        b"//evil.test/admin",
        b"/public/../admin",
        b"/public/%2e%2e/admin",
        b"/adm%69n",
        b"/a%2fb%2Fc",
        b"/a;b=c//d/./e",
        b"/?",
        b"/a?",
        b"/a?b?c=/d&e=%20+%zz",
        b"/%00%0d%0a",
        b"/a[b]{c}|d^e`f\"g<h>i'j",
        b"/http://other.test/",
    ],
)
def test_the_target_reaches_the_application_byte_for_byte(
    server: tuple[Running, Echo], target: bytes
) -> None:
    assert body_of(talk(server[0].gateway_port, get(target))) == target


@pytest.mark.parametrize(
    "sent, seen", [(b"http://gate.test/a?b", b"/a?b"), (b"HTTP://GATE.test", b"/")]
)
def test_a_target_with_our_own_authority_is_taken_as_its_path(
    server: tuple[Running, Echo], sent: bytes, seen: bytes
) -> None:
    assert body_of(talk(server[0].gateway_port, get(sent))) == seen


def test_header_fields_keep_order_values_and_duplicates(server: tuple[Running, Echo]) -> None:
    running, echo = server
    talk(running.gateway_port, get(b"/dup", b"Signature: a", b"X-B:  spaced\t", b"Signature: b"))
    fields = [pair for pair in echo.scopes[-1]["headers"] if pair[0] in (b"signature", b"x-b")]
    assert fields == [(b"signature", b"a"), (b"x-b", b"spaced"), (b"signature", b"b")]


def test_a_trailer_never_becomes_a_field_of_the_request(server: tuple[Running, Echo]) -> None:
    running, echo = server
    body = b"2\r\nok\r\n0\r\nX-Kycgate-Level: 3\r\nHost: evil.test\r\n\r\n"
    request = get(b"/trailer", b"Transfer-Encoding: chunked", method=b"POST") + body
    assert status(talk(running.gateway_port, request)) == 200
    assert echo.bodies[-1] == b"ok"
    names = [name for name, _ in echo.scopes[-1]["headers"]]
    assert b"x-kycgate-level" not in names
    assert names.count(b"host") == 1


def test_a_request_sent_before_the_last_answer_is_not_run(server: tuple[Running, Echo]) -> None:
    running, echo = server
    two = get(b"/first").replace(b"Connection: close\r\n", b"") + get(b"/second")
    answer = talk(running.gateway_port, two)
    assert (status(answer), body_of(answer)) == (200, b"/first")
    assert b"connection: close" in answer
    assert echo.scopes[-1]["kycgate.target"] == b"/first"


def test_requests_one_after_the_other_share_a_connection(server: tuple[Running, Echo]) -> None:
    keep = get(b"/kept").replace(b"Connection: close\r\n", b"")
    with socket.create_connection(("127.0.0.1", server[0].gateway_port), timeout=5) as sock:
        for _ in range(3):
            sock.sendall(keep)
            assert sock.recv(4096).endswith(b"/kept")


def test_a_caller_that_asks_first_is_told_to_continue(server: tuple[Running, Echo]) -> None:
    running, echo = server
    ask = b"POST /x HTTP/1.1\r\nHost: g\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection(("127.0.0.1", running.gateway_port), timeout=5) as sock:
        sock.sendall(ask)
        assert sock.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"body")
        assert body_of(drain(sock)) == b"/x"
    assert echo.bodies[-1] == b"body"


def test_an_early_answer_to_one_that_asked_first_ends_the_connection(
    server: tuple[Running, Echo],
) -> None:
    ask = b"POST /early HTTP/1.1\r\nHost: g\r\nContent-Length: 60\r\nExpect: 100-continue\r\n\r\n"
    answer = talk(server[0].gateway_port, ask)
    assert b"connection: close" in answer
    assert b"100 Continue" not in answer


def test_an_answer_before_the_body_leaves_the_next_request_in_step(
    server: tuple[Running, Echo],
) -> None:
    with socket.create_connection(("127.0.0.1", server[0].gateway_port), timeout=5) as sock:
        sock.sendall(b"POST /early HTTP/1.1\r\nHost: g\r\nContent-Length: 30\r\n\r\n")
        assert sock.recv(4096).endswith(b"/early")
        sock.sendall(get(b"/smuggled")[:30])  # still body
        sock.sendall(get(b"/next"))
        assert body_of(drain(sock)) == b"/next"
    assert b"/smuggled" not in [scope["kycgate.target"] for scope in server[1].scopes]


def test_after_an_early_answer_only_so_much_body_is_swallowed(
    server: tuple[Running, Echo],
) -> None:
    with socket.create_connection(("127.0.0.1", server[0].gateway_port), timeout=5) as sock:
        sock.sendall(b"POST /early HTTP/1.1\r\nHost: g\r\nContent-Length: 90000000\r\n\r\n")
        assert sock.recv(4096).endswith(b"/early")
        with pytest.raises(ConnectionError):
            _send_often(sock, b"x" * 100_000, times=900)


def _send_often(sock: socket.socket, data: bytes, *, times: int, pause: float = 0.0) -> None:
    for _ in range(times):
        sock.sendall(data)
        time.sleep(pause)


@pytest.mark.parametrize(
    "start, code",
    [
        (b"", 0),
        (b"\r\n", 0),
        (b"GET / HTTP/1.1\r\nHost: g\r\nX-", 408),
        (b"POST / HTTP/1.1\r\nHost: g\r\nContent-Length: 9\r\n\r\nabc", 408),
        (b"POST / HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", 408),
    ],
)
def test_a_caller_that_falls_silent_is_cut_off(
    server: tuple[Running, Echo], start: bytes, code: int
) -> None:
    began = time.monotonic()
    before = len(server[1].bodies)
    assert status(talk(server[0].gateway_port, start)) == code
    assert time.monotonic() - began < 3
    assert len(server[1].bodies) == before


def test_a_header_that_drips_in_is_cut_off_all_the_same(server: tuple[Running, Echo]) -> None:
    with socket.create_connection(("127.0.0.1", server[0].gateway_port), timeout=5) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n")
        with pytest.raises(ConnectionError):
            _send_often(sock, b"X-A: b\r\n", times=100, pause=0.05)


def test_stray_line_ends_do_not_cost_a_caller_its_answer(server: tuple[Running, Echo]) -> None:
    with socket.create_connection(("127.0.0.1", server[0].gateway_port), timeout=5) as sock:
        sock.sendall(b"GET /slow HTTP/1.1\r\nHost: g\r\n\r\n")
        time.sleep(0.1)
        sock.sendall(b"\r\n")
        assert drain(sock).endswith(b"/slow")


def test_a_broken_body_after_the_answer_gets_no_second_answer(
    server: tuple[Running, Echo],
) -> None:
    with socket.create_connection(("127.0.0.1", server[0].gateway_port), timeout=5) as sock:
        sock.sendall(b"POST /early HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert sock.recv(4096).endswith(b"/early")
        sock.sendall(b"zz\r\n" + get(b"/next"))
        assert drain(sock) == b""


def test_a_caller_that_leaves_its_answer_unread_is_cut_off(server: tuple[Running, Echo]) -> None:
    with socket.create_connection(("127.0.0.1", server[0].gateway_port), timeout=5) as sock:
        sock.sendall(get(b"/big"))
        time.sleep(1.2)
        assert len(drain(sock)) < 30_000_000


def test_an_idle_connection_is_closed(server: tuple[Running, Echo]) -> None:
    with socket.create_connection(("127.0.0.1", server[0].gateway_port), timeout=5) as sock:
        sock.sendall(get(b"/idle").replace(b"Connection: close\r\n", b""))
        assert drain(sock).endswith(b"/idle")


def test_the_control_plane_is_served_by_the_same_strict_reader(
    server: tuple[Running, Echo],
) -> None:
    port = server[0].control_port
    answer = talk(port, get(b"/r/abc"))
    assert (status(answer), body_of(answer)) == (200, b"/r/abc")
    assert b"date: " in answer
    assert b"server: " not in answer.lower()
    assert body_of(talk(port, get(b"/", b"Content-Length: 3", method=b"POST") + b"abc")) == b"abc"
    assert status(talk(port, REFUSED["underscore name"])) == 400


def test_a_running_request_is_finished_before_the_server_stops() -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(environ: dict[str, Any], start: Any) -> list[bytes]:
        entered.set()
        leave.wait(5)
        return hello(environ, start)

    running = start_in_thread(Echo(), slow, limits=TIGHT)
    with socket.create_connection(("127.0.0.1", running.control_port), timeout=5) as sock:
        sock.sendall(get(b"/slow").replace(b"Connection: close\r\n", b""))
        assert entered.wait(5)
        stopping = threading.Thread(target=running.stop)
        stopping.start()
        assert wait_for(lambda: _refused(running.control_port))
        leave.set()
        answer = drain(sock)
    stopping.join()
    assert (status(answer), body_of(answer)) == (200, b"/slow")


def _refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return True
    return False


def test_a_taken_address_is_reported_and_not_hung_on() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(OSError, match="in use"),
    ):
        start_in_thread(Echo(), no_control, control_at=taken.getsockname())


FIELDS = st.lists(
    st.tuples(
        st.sampled_from([b"host", b"content-length", b"transfer-encoding", b"upgrade", b"x-a"]),
        st.sampled_from([b"gate.test", b"3", b"chunked", b"a.test:80", b"h2c", b"gzip, chunked"]),
    ),
    max_size=5,
)


@given(st.sampled_from(["1.1", "1.0"]), st.binary(max_size=40), FIELDS)
def test_whatever_passes_has_one_host_one_framing_and_a_printable_path(
    version: str, target: bytes, fields: list[tuple[bytes, bytes]]
) -> None:
    try:
        path = strict._check(version, b"GET", b"/" + target, fields)
    except strict._Fault:
        return
    names = [name for name, _ in fields]
    assert names.count(b"host") == 1
    assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1
    assert path == b"/" + target
    assert path.isascii()
    assert path.decode().isprintable()
    assert not set(path) & set(b" #\\")
