"""One corpus of attacks through every front and server the gate runs behind or inside here.

What must hold of each attack, in each of them:

1. whatever reached the marketplace, the gate let through: same method, same target, same body;
2. no more of it than the row says, and no rent of an unverified caller ever;
3. nothing the caller wrote under the gate's names, or about where it comes from, arrived;
4. the answer is a refusal or an answer, never a broken server;
5. the next caller's request is answered for itself, on its own.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attack.corpus import CORPUS
from tests.attack.houses import HOUSES, NEEDS, Arrived, House, Judged, secret_of
from tests.attack.kit import DEPLOY, HARDWARE, Attack, Kit
from tests.gateway.wire import body_of, status
from tests.gateway.world import SHARED_KEY

NEVER = frozenset({
    "x-http-method-override", "x-http-method", "x-method-override", "x-original-url",
    "x-original-uri", "x-original-method", "x-rewrite-url", "upgrade", "http2-settings",
})  # fmt: skip
"""Fields that must not reach a marketplace, whoever wrote them."""
ANSWERS = frozenset({
    0, 100, 200, 400, 401, 403, 404, 405, 408, 411, 413, 414, 415, 417, 421, 426, 431, 501, 505,
})  # fmt: skip
"""0: the line was closed without a word."""
_marks = itertools.count()


@pytest.fixture(scope="module", params=HOUSES)
def house(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    name = request.param
    if name in NEEDS and NEEDS[name] is None:
        pytest.skip(f"{name} is missing: make setup")
    house = House(name, tmp_path_factory.mktemp(name.replace(" ", "-")))
    with HOUSES[name](house):
        yield house


@pytest.mark.parametrize(
    "attack", CORPUS, ids=lambda a: f"{a.row}: {a.name}".encode("unicode_escape").decode()
)
def test_what_arrives_is_what_was_let_through(house: House, attack: Attack) -> None:
    mark = f"mark-{next(_marks)}"
    kit = Kit(house, mark)
    said = exchange(house.port, attack.bytes(kit))
    next_one = exchange(house.port, kit.read(target=f"{HARDWARE}?next={mark}"), whole=True)
    arrived, judged = house.arrived(), house.judged()

    mine = [each for each in arrived if f"next={mark}".encode() not in each.target]
    for each in arrived:
        assert any(_same(each, verdict) for verdict in judged), each
        _check_fields(each)
    assert len(mine) <= attack.reaches, mine
    assert len(mine) >= attack.at_least, said
    for each in mine:
        rented = each.method == "POST" and DEPLOY.encode() in each.target
        assert not rented or each.account == house.alice.account, each
    for code in re.findall(rb"HTTP/1\.[01] (\d{3})", said) or [b"0"]:
        assert int(code) in ANSWERS | house.says, said
    assert status(next_one) == 200, next_one
    assert [e.target for e in arrived if e not in mine] == [f"{HARDWARE}?next={mark}".encode()]


def test_a_key_sent_in_an_address_stands_in_no_log(house: House) -> None:
    secret = secret_of("alice")
    exchange(house.port, Kit(house, "log").read(target=f"{HARDWARE}?api_key={secret}"), whole=True)
    exchange(house.port, Kit(house, "log").rent("alice"), whole=True)
    written = b"".join(p.read_bytes() for p in house.folder.rglob("*.log") if p.is_file())
    assert secret.encode() not in written
    assert secret not in str(house.world.log.lines)


def test_a_refusal_is_stored_by_no_cache(house: House) -> None:
    answer = exchange(house.port, Kit(house, "cache").rent("bob"), whole=True)
    assert status(answer) == 403
    assert b"no-store" in answer.partition(b"\r\n\r\n")[0].lower()


def test_a_signed_rent_counts_once_through_any_door(house: House) -> None:
    kit = Kit(house, "once")
    first = exchange(house.port, kit.signed(nonce="once-and-never-again"), whole=True)
    second = exchange(house.port, kit.signed(nonce="once-and-never-again"), whole=True)
    assert status(first) == 200, first
    assert status(second) in (401, 403), second
    assert len(_rents(house, kit)) == 1


def test_the_houses_do_let_a_verified_renter_through(house: House) -> None:
    """A wall would pass every other test here."""
    kit = Kit(house, "control")
    answer = exchange(house.port, kit.rent("alice"), whole=True)
    assert status(answer) == 200
    assert b"dep-1" in body_of(answer)
    (rent,) = _rents(house, kit)
    assert rent.account == house.alice.account


def _rents(house: House, kit: Kit) -> list[Arrived]:
    return [each for each in house.arrived() if kit.mark.encode() in each.body]


def _same(arrived: Arrived, judged: Judged) -> bool:
    target = arrived.target
    if not target.startswith(b"/"):
        target = re.sub(rb"^[a-zA-Z]+://[^/]*", b"", target)
    return (
        judged.forwarded
        and arrived.method == judged.method
        and target == judged.target
        and (judged.body is None or arrived.body == judged.body)
    )


def _check_fields(arrived: Arrived) -> None:
    for name, value in arrived.fields:
        folded = name.lower().replace("_", "-").replace(".", "-").strip()
        assert folded not in NEVER or value == "", arrived
        assert "evil" not in value, arrived
        assert "evil" not in folded, arrived
    assert set(arrived.values("x-api-key")) <= {SHARED_KEY, ""}, arrived
    assert len([value for value in arrived.values("kycgate-account") if value]) <= 1, arrived


def exchange(port: int, data: bytes, *, whole: bool = False) -> bytes:
    """Send bytes; what comes back until the line is closed, or falls silent after an answer."""
    got, quiet = b"", 20.0 if whole else 0.25
    end = time.monotonic() + (20.0 if whole else 0.8)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
        with contextlib.suppress(ConnectionError):
            sock.sendall(data)
        with contextlib.suppress(ConnectionError, TimeoutError):
            while time.monotonic() < end:
                sock.settimeout(quiet if got else max(0.01, end - time.monotonic()))
                piece = sock.recv(65536)
                if not piece:
                    break
                got += piece
    return got


def test_every_row_of_the_corpus_has_a_name_of_its_own() -> None:
    names = [(attack.row, attack.name) for attack in CORPUS]
    assert len(set(names)) == len(names)
    assert len(names) > 250


def test_the_journal_is_read_where_it_was_left(tmp_path: Path) -> None:
    house = House("journal", tmp_path)
    house.arrivals.write("GET", "/", [], "", None)
    assert [each.target for each in house.arrived()] == [b"/"]
    assert house.arrived() == []
