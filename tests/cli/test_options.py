"""Options are written out, and no message repeats a secret that was put in a wrong place."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest

from kycgate.cli import build_parser, main
from kycgate.cli.output import Exit

SECRET = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
GATE = ("--gate", "http://127.0.0.1:9")


def every_parser(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from every_parser(each)


def test_no_parser_takes_a_shortened_option() -> None:
    found = list(every_parser(build_parser()))
    assert len(found) > 60
    assert [each.prog for each in found if each.allow_abbrev] == []


def test_every_parser_of_the_product_is_made_by_the_command_line() -> None:
    package = Path(__file__).parents[2] / "kycgate"
    made = {
        str(file.relative_to(package))
        for file in package.rglob("*.py")
        if "ArgumentParser(" in file.read_text()
    }
    assert made == set(), "derive it from the one parser there is"


@pytest.mark.parametrize(
    "words",
    [
        ("--key", SECRET),
        (f"--key={SECRET}",),
        ("--key-f", SECRET),
        (SECRET,),
        ("--key-file", SECRET),
        ("--key-file", "0x" + SECRET),
        ("--key-file", f'{{"crypto": "{SECRET}"}}'),
        ("--key-file", "kgs_" + SECRET[:40]),
        ("--key-file", " ".join(["abandon"] * 11 + ["about"])),
        ("--key-file", f"-----BEGIN PRIVATE KEY-----{SECRET}"),
    ],
)
@pytest.mark.parametrize("command", [("renter", "login"), ("sidecar",)])
def test_attack_a_key_on_the_line_is_not_repeated(
    command: tuple[str, ...], words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main([*command, *GATE, *words])
    except SystemExit as stop:
        code = int(stop.code or 0)
    out, err = capsys.readouterr()
    assert code == Exit.USAGE
    assert err
    assert SECRET[:40] not in out + err
    assert "abandon" not in out + err
    assert "Traceback" not in err


@pytest.mark.parametrize("spec", [f"file:{SECRET}", f"env:{SECRET}", SECRET])
def test_attack_a_key_in_the_place_of_a_spec_is_not_repeated(
    spec: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", "show", spec]) == Exit.USAGE
    out, err = capsys.readouterr()
    assert SECRET not in out + err
    assert err


def test_an_unknown_option_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["keys", "show", "env:NONE", "--passwort=geheim"])
    assert stop.value.code == Exit.USAGE
    assert "unknown: --passwort" in (err := capsys.readouterr().err)
    assert "geheim" not in err


def test_a_file_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "show", "file:keys/none.key"]) == Exit.USAGE
    assert "file:keys/none.key" in capsys.readouterr().err
