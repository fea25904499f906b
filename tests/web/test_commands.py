"""The lines a renter copies: complete, the operator's own first, understood by the clients."""

from __future__ import annotations

import ast
import os
import shlex
import subprocess
from dataclasses import replace

import pytest

from kycgate.client import RenterSession
from kycgate.web.commands import tabs
from tests.tools import clients
from tests.web.world import World

KEY = "kg_" + "k" * 43


def _text(world: World, name: str) -> str:
    return next(tab.text for tab in tabs(world.parts, KEY) if tab.id == name)


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
