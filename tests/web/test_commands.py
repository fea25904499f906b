"""The lines a renter copies: complete, the operator's own first, understood by the clients."""

from __future__ import annotations

import argparse
import ast
import hashlib
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kycgate.cli import renter, sidecar
from kycgate.client import RenterSession
from kycgate.gateway.hooks.linking import draw_code
from kycgate.web.commands import CODE_PLACE, SIDECAR_PORT, Tab, showings, tabs
from tests.client.test_sidecar_end_to_end import House
from tests.client.test_sidecar_end_to_end import house as house  # a fixture
from tests.gateway.fronts import free_ports
from tests.tools import clients, hosts
from tests.web.world import World

KEY = "kg_" + "k" * 43


def _tab(world: World, name: str) -> Tab:
    return next(tab for tab in tabs(world.parts, KEY) if tab.id == name)


def _text(world: World, name: str) -> str:
    return _tab(world, name).text


@pytest.mark.parametrize("adapter", ["ionet", "vast", "runpod"])
def test_the_operators_own_client_comes_first(world: World, adapter: str) -> None:
    words = replace(world.parts.words, adapter=adapter, commands=())
    found = [tab.id for tab in tabs(replace(world.parts, words=words), KEY)]
    assert found[0] == adapter
    assert sorted(found[:3]) == ["ionet", "runpod", "vast"]
    assert found[3:] == ["python", "sidecar"]


def test_no_placeholder_is_left(world: World) -> None:
    for tab in tabs(world.parts, KEY):
        assert "{" not in tab.text
        assert not [line for line in tab.then if "{key}" in line or "{marketplace}" in line]
        assert tab.id == "sidecar" or KEY in tab.text


def test_the_python_lines_are_our_sessions_own(world: World) -> None:
    secure = replace(
        world.parts, public_url="https://gate.test", marketplace_url="https://rent.test"
    )
    tree = ast.parse(_text(replace(world, parts=secure), "python"))
    (call,) = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and _named(n, "RenterSession")]
    given = {each.arg: ast.literal_eval(each.value) for each in call.keywords}
    with RenterSession(ast.literal_eval(call.args[0]), **given) as session:
        assert session.marketplace == "https://rent.test"


@pytest.mark.skipif(clients() is None, reason="the marketplaces' clients are missing: make setup")
@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("ionet", "from iocloud import Client; print(Client().base_url)"),
        ("vast", "from vastai.api import client; print(client.server_url_default)"),
        (
            "runpod",
            "import os, runpod; from runpod.api import graphql; print(os.environ"
            "['RUNPOD_API_BASE_URL'])",
        ),
    ],
)
def test_the_clients_read_the_exported_names(world: World, name: str, seen: str) -> None:
    lines = [line for line in _text(world, name).splitlines() if line.startswith("export ")]
    exported = dict(shlex.split(line)[1].split("=", 1) for line in lines)
    assert KEY in exported.values()
    folder = clients()
    assert folder is not None
    found = subprocess.run(
        [str(folder / "bin" / "python"), "-c", seen],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **exported},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "http://rent.test" in found.stdout, found.stderr


def test_runpods_line_is_a_program_that_uses_the_key(world: World) -> None:
    line = _text(world, "runpod").splitlines()[-1]
    program = shlex.split(line)[2]
    assert "runpod.api_key = os.environ['RUNPOD_API_KEY']" in program
    ast.parse(program)


def _named(call: ast.Call, name: str) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == name


# -- the sidecar ---------------------------------------------------------------------------------


def test_the_sidecars_lines_name_the_port_it_listens_at(world: World) -> None:
    parser = argparse.ArgumentParser()
    sidecar.add(parser)
    words = shlex.split(_tab(world, "sidecar").lines[1])
    assert words[:2] == ["kycgate", "sidecar"]
    assert parser.parse_args(words[2:]).listen == f"127.0.0.1:{SIDECAR_PORT}"


def test_what_the_tool_is_told_holds_no_key_and_only_this_machines_address(world: World) -> None:
    for adapter in ("ionet", "vast", "runpod", "of-our-own"):
        words = replace(world.parts.words, adapter=adapter, commands=())
        world.parts = replace(world.parts, words=words)
        then = "\n".join(_tab(world, "sidecar").then)
        assert KEY not in then
        assert world.parts.marketplace_url not in then
        assert "curl -sS -H @- http://127.0.0.1:8484/.kycgate/status" in then
        assert (adapter == "of-our-own") == ("export" not in then)


@pytest.mark.clients
@pytest.mark.skipif(clients() is None, reason="the marketplaces' clients are missing: make setup")
def test_who_copies_the_sidecars_lines_rents(world: World, house: House, tmp_path: Path) -> None:
    """Both boxes, word for word, by a shell: only the port is another, since 8484 may be taken."""
    words = replace(world.parts.words, adapter="ionet", commands=())
    world.parts = replace(
        world.parts,
        public_url="http://127.0.0.1:9",
        marketplace_url=house.origin,
        words=words,
    )
    tab, (port,) = _tab(world, "sidecar"), free_ports(1)
    house.world.renter("alice")
    key = tmp_path / "KEYSTORE"
    key.touch(mode=0o600)
    key.write_text(hashlib.sha256(b"alice").hexdigest())
    folder = clients()
    assert folder is not None
    path = [str(Path(sys.executable).parent), str(folder / "bin"), os.environ["PATH"]]
    shell: dict[str, Any] = {
        "env": {"PATH": ":".join(path), "HOME": str(tmp_path), "COLUMNS": "400"},
        "cwd": tmp_path,
        "stdout": subprocess.PIPE,
        "text": True,
    }
    start = f"exec {tab.lines[1]} --listen 127.0.0.1:{port}"
    with subprocess.Popen(["sh", "-c", start], **shell) as running:
        assert running.stdout is not None
        assert running.stdout.readline().strip().endswith(f":{port}")
        running.stdout.readline()
        then = "set -e\n" + "\n".join(tab.then).replace(str(SIDECAR_PORT), str(port))
        done = subprocess.run(["sh", "-c", then], stderr=subprocess.STDOUT, check=False, **shell)
        running.terminate()
    assert done.returncode == 0, done.stdout
    assert "attestation" in done.stdout, "what curl was answered"
    assert len(house.market.deployments) == 1


# -- showing a code to a scheduler ---------------------------------------------------------------

CODE = draw_code(lambda count: bytes(range(count)))


def test_the_place_of_a_code_is_as_long_as_one() -> None:
    assert len(CODE) == len(CODE_PLACE)


def test_the_page_and_the_command_line_say_the_same_of_a_code(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Gate:
        def draw_user_code(self) -> dict[str, Any]:
            return {"code": CODE, "expires_at": 0}

    monkeypatch.setattr(renter, "_signed_in", lambda _: Gate())
    renter._link(argparse.Namespace(action="code", id=None, json=False))
    said = capsys.readouterr().out
    for showing in showings(world.parts, CODE):
        for line in showing.lines:
            assert f"  {line}\n" in said, line


def _run_file(world: World, folder: Path) -> Path:
    """What the first of dstack's lines writes."""
    [lines] = [each.lines for each in showings(world.parts, CODE) if each.id == "dstack"]
    subprocess.run(["sh", "-c", lines[0]], cwd=folder, check=True)
    assert lines[1] == "dstack apply -f link.dstack.yml"
    return folder / "link.dstack.yml"


@pytest.mark.skipif(hosts() is None, reason="dstack is missing: make setup")
def test_dstack_itself_reads_a_task_named_like_the_code(world: World, tmp_path: Path) -> None:
    folder = hosts()
    assert folder is not None
    program = (
        "import sys, yaml\n"
        "from dstack._internal.core.models.configurations import parse_run_configuration as read\n"
        "got = read(yaml.safe_load(open(sys.argv[1])))\n"
        "print(got.type, got.name)"
    )
    found = subprocess.run(
        [str(folder / "bin" / "python"), "-c", program, str(_run_file(world, tmp_path))],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DO_NOT_TRACK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout.split() == ["task", CODE], found.stderr


def test_skypilots_line_names_the_task_and_runs_next_to_nothing(world: World) -> None:
    [lines] = [each.lines for each in showings(world.parts, CODE) if each.id == "skypilot"]
    assert [shlex.split(line) for line in lines] == [["sky", "launch", "-n", CODE, "true"]]
