"""The reader of upstream answers, byte by byte: how they are cut up must not matter."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from kycgate.gateway.upstream import Broken, Patience, Upstream, _Connection

ANSWERS = {
    b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 3\r\n\r\nabc": (200, b"abc", True),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: x\r\n\r\n": (
        200,
        b"abc",
        True,
    ),
    b"HTTP/1.1 103 Hints\r\nB: c\r\n\r\nHTTP/1.1 204 No\r\n\r\n": (204, b"", True),
    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc": (200, b"abc", False),
    b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc": (200, b"abc", False),
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\n": (200, b"abc", False),
}


class FakeTransport:
    """Swallows what is written; hanging up is told to the protocol, as a real one does."""

    def __init__(self, protocol: _Connection) -> None:
        self.protocol = protocol
        self.aborted = False

    def write(self, data: bytes) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def abort(self) -> None:
        if not self.aborted:
            self.aborted = True
            self.protocol.connection_lost(None)


async def _exchange(chunks: list[bytes], *, hang_up: bool) -> tuple[int, bytes, bool]:
    """(status, body, whether the connection was kept), or what `Broken` says."""
    owner = Upstream("http://market.test", Patience())
    connection = _Connection(asyncio.get_running_loop(), owner)
    transport: Any = FakeTransport(connection)
    connection.connection_made(transport)
    asked = asyncio.ensure_future(connection.exchange("GET", b"", b"", chunked=False))
    await asyncio.sleep(0)
    for chunk in chunks:
        if connection.alive:
            connection.data_received(chunk)
    if hang_up and connection.alive:
        connection.connection_lost(None)
    answer = await asked
    body = b"".join([chunk async for chunk in answer.chunks(0.05)])
    answer.close()
    return answer.status, body, bool(owner._idle)


def _cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted({place % len(data) for place in places} - {0}), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


@given(st.sampled_from(sorted(ANSWERS)), st.lists(st.integers(min_value=1), max_size=12))
def test_an_answer_reads_the_same_however_it_is_cut(data: bytes, places: list[int]) -> None:
    assert asyncio.run(_exchange(_cut(data, places), hang_up=False)) == ANSWERS[data]


@given(st.sampled_from(sorted(ANSWERS)), st.integers(min_value=1))
def test_an_answer_cut_short_is_broken_or_was_whole(data: bytes, place: int) -> None:
    short = data[: place % len(data)]
    try:
        status, body, _ = asyncio.run(_exchange([short], hang_up=True))
    except Broken:
        return
    assert (status, body) == ANSWERS[data][:2]


@given(st.lists(st.binary(max_size=60), max_size=4))
@example([b"\r\n"])
def test_no_bytes_from_the_marketplace_do_more_than_break_the_exchange(chunks: list[bytes]) -> None:
    sent = [b"HTTP/1.1 200 OK\r\n", *chunks, b"\x00"]
    try:
        status, body, _ = asyncio.run(_exchange(sent, hang_up=True))
    except Broken:
        return
    # A header that happens to be whole, and a body up to the end of the connection.
    assert status == 200
    _, end, rest = b"".join(sent).partition(b"\r\n\r\n")
    assert end
    assert rest.endswith(body)
