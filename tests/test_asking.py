"""What the gate asks by itself ends in an answer or in Unavailable, whatever comes back."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from kycgate.assembly.asking import Asking, posting
from kycgate.assembly.ticks import running
from kycgate.errors import Unavailable
from kycgate.gateway.asserted import PublishedKeys
from kycgate.screening.yente import Yente
from tests.gateway.wire import RawUpstream, Seen

NOW = 1_800_000_000
HEAD = b"HTTP/1.1 200 OK\r\n"
BROKEN = {
    "cut off": HEAD + b"content-length: 100\r\n\r\n{}",
    "no chunk": HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n{}",
    "chunk cut off": HEAD + b"transfer-encoding: chunked\r\n\r\n10\r\n{}",
    "no gzip": HEAD + b"content-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}",
    "too long": HEAD + b"\r\n" + b" " * (8 * 2**20 + 1),
    "nothing": b"",
    "no HTTP": b"hello\r\n\r\n",
}
ASKERS: dict[str, Callable[[str], object]] = {
    "asking": lambda url: Asking(url, "the marketplace")("GET", "/", ()),
    "posting": lambda url: posting(url, "dstack", "token")("/", {}),
    "keys of a gate": lambda url: PublishedKeys(url).current(NOW),
    "yente": lambda url: Yente(url, dataset="sanctions")._ask("GET", "/catalog"),
}


@pytest.fixture
def answering() -> Iterator[Callable[[bytes], str]]:
    with contextlib.ExitStack() as stack:

        def start(answer: bytes) -> str:
            def speak(sock: socket.socket, seen: Seen) -> None:
                sock.sendall(answer)

            return stack.enter_context(RawUpstream(speak)).url

        yield start


@pytest.mark.parametrize("answer", BROKEN)
@pytest.mark.parametrize("asker", ASKERS)
def test_no_whole_answer_is_unavailable(
    answering: Callable[[bytes], str], asker: str, answer: str
) -> None:
    with pytest.raises(Unavailable):
        ASKERS[asker](answering(BROKEN[answer]))


def test_a_fault_in_one_round_of_background_work_ends_no_other(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a single answer nobody expected would end all stops on revocation, in silence."""
    monkeypatch.setattr("kycgate.assembly.ticks._TICK_S", 0.01)
    again, rounds = threading.Event(), []

    def tick(now: int) -> None:
        rounds.append(now)
        if len(rounds) == 1:
            raise ValueError("a fault of ours")
        again.set()

    with caplog.at_level(logging.ERROR), running([("t", tick)], close=lambda: None):
        assert again.wait(10)
    assert "a fault of ours" in caplog.text
