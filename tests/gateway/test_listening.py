"""Sockets in the file system: who may connect, what is left behind, what is taken away."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kycgate.cli import main
from kycgate.gateway.forward_auth import CONTRACTS, ForwardAuth
from kycgate.gateway.listening import listening, port
from kycgate.gateway.proxy import Proxy
from kycgate.gateway.server import Running, start_in_thread
from tests.gateway.live import LiveWorld
from tests.gateway.wire import drain, get, no_control, status, talk
from tests.gateway.world import CAAS, Renter


def test_a_socket_lets_in_its_owner_and_its_group_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "s"
    before = os.umask(0)
    try:
        with listening(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
    finally:
        os.umask(before)


def test_a_socket_is_taken_away_at_the_end_and_has_no_port(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with listening(path, ("127.0.0.1", 0)) as (local, network):
        assert path.is_socket()
        assert port(local) == 0
        assert port(network) > 0
    assert not path.exists()


def test_a_socket_left_by_a_killed_server_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with listening(path), socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(path))


def test_a_socket_somebody_answers_at_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with listening(path):
        with pytest.raises(OSError, match="in use"), listening(path):
            pass
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(path))  # the first still listens


def test_another_file_of_that_name_is_never_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("somebody's")
    with pytest.raises(FileExistsError, match="something else than a socket"), listening(path):
        pass
    assert path.read_text() == "somebody's"


def test_a_link_to_a_socket_elsewhere_is_never_followed(tmp_path: Path) -> None:
    """Whoever may write to the folder could else point the gate at a socket of theirs."""
    with listening(tmp_path / "elsewhere"):
        (tmp_path / "s").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(FileExistsError), listening(tmp_path / "s"):
            pass


def test_a_socket_put_there_by_the_next_server_outlives_this_one(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with listening(path):
        path.unlink()
        with socket.socket(socket.AF_UNIX) as following:
            following.bind(str(path))
    assert path.is_socket()


def test_what_keeps_a_listener_from_opening_is_told_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "s"
    with pytest.raises(FileNotFoundError) as raised, listening(path):
        pass
    assert raised.value.strerror == f"can't listen at unix:{path}: No such file or directory"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        said = f"can't listen at 127.0.0.1:{number}: .*in use"
        with pytest.raises(OSError, match=said), listening(("127.0.0.1", number)):
            pass


def test_serve_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def refused(config: object, started: object) -> None:
        with listening(tmp_path / "nowhere" / "s"):
            pass

    monkeypatch.setattr("kycgate.assembly.load_config", lambda path: None)
    monkeypatch.setattr("kycgate.assembly.serve", refused)
    assert main(["serve"]) != 0
    said = capsys.readouterr().err
    assert f"can't listen at unix:{tmp_path}/nowhere/s: No such file or directory" in said
    assert "Traceback" not in said


# -- asked over one --------------------------------------------------------------------------------


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LiveWorld]:
    with contextlib.closing(LiveWorld(tmp_path, "http://127.0.0.1:9")) as world:
        yield world


@contextlib.contextmanager
def asked(world: LiveWorld, at: Path | tuple[str, int]) -> Iterator[Running]:
    """A gate that hears nobody on the network."""
    app = ForwardAuth(
        world.gate, CONTRACTS["nginx"], peers=[], only=frozenset({"read"}), clock=time.time
    )
    proxy = Proxy(world.gate, "http://127.0.0.1:9")
    with start_in_thread(proxy, no_control, beside=(app, at)) as running:
        yield running


def question(renter: Renter, *, close: bool = True) -> bytes:
    rows = get(
        b"/auth",
        b"X-Original-Method: GET",
        b"X-Original-URI: %b/hardware" % CAAS.encode(),
        b"X-Original-Host: gate.test",
        b"X-Forwarded-For: 192.0.2.7",
        b"X-Forwarded-Proto: https",
        b"X-Api-Key: " + renter.secret.encode(),
    )
    return rows if close else rows.replace(b"Connection: close\r\n", b"")


def test_whoever_the_file_system_lets_connect_is_heard_and_nobody_on_the_network(
    world: LiveWorld, tmp_path: Path
) -> None:
    alice = world.renter("alice")
    with asked(world, tmp_path / "s"), socket.socket(socket.AF_UNIX) as front:
        front.connect(str(tmp_path / "s"))
        front.sendall(question(alice))
        assert status(drain(front)) == 200
    with asked(world, ("127.0.0.1", 0)) as running:
        assert running.beside_port
        answer = talk(running.beside_port, question(alice))
        assert status(answer) == 403
        assert b"answers its front only" in answer


def test_a_known_question_is_answered_again_over_a_socket(world: LiveWorld, tmp_path: Path) -> None:
    alice = world.renter("alice")
    asks = question(alice, close=False)
    with asked(world, tmp_path / "s"), socket.socket(socket.AF_UNIX) as front:
        front.settimeout(5)
        front.connect(str(tmp_path / "s"))
        answers = []
        for _ in range(3):
            front.sendall(asks)
            answers.append(front.recv(65536))
    assert answers[0].startswith(b"HTTP/1.1 200 ")
    assert answers[1] == answers[2]  # the assertion in it included: said again, not signed again


def test_more_connections_than_an_address_may_hold_are_the_fronts_own(
    world: LiveWorld, tmp_path: Path
) -> None:
    alice = world.renter("alice")
    with asked(world, tmp_path / "s"), contextlib.ExitStack() as stack:
        fronts = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(300)]
        for front in fronts:
            front.connect(str(tmp_path / "s"))
        fronts[-1].settimeout(10)
        fronts[-1].sendall(question(alice))
        assert status(drain(fronts[-1])) == 200


def test_two_servers_never_share_a_socket(world: LiveWorld, tmp_path: Path) -> None:
    with asked(world, tmp_path / "s"):
        threads = threading.active_count()
        with pytest.raises(OSError, match="in use"), asked(world, tmp_path / "s"):
            pass
        assert threading.active_count() == threads
