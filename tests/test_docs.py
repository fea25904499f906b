"""What the papers say is true: named tests exist, shown code runs, shown commands parse."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from kycgate.cli import build_parser

REPO = Path(__file__).parent.parent
README = (REPO / "README.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_every_test_a_threat_names_exists() -> None:
    defined = set()
    for path in (REPO / "tests").rglob("test_*.py"):
        defined |= set(re.findall(r"def (test_\w+)", path.read_text()))
    for path in (REPO / "tests").rglob("*.py"):
        defined |= set(re.findall(r"def (test_\w+)", path.read_text()))
    named = set(re.findall(r"`(test_\w+)`", (REPO / "docs" / "THREATS.md").read_text()))
    assert len(named) > 50
    assert sorted(named - defined) == []


def test_every_threat_row_names_a_test() -> None:
    rows = [
        line
        for line in (REPO / "docs" / "THREATS.md").read_text().splitlines()
        if line.startswith("| ") and not line.startswith("| actor")
    ]
    assert [row for row in rows if "`test_" not in row.rsplit("|", 2)[1]] == []


def test_the_readmes_example_is_the_one_that_is_run() -> None:
    [example, *_] = blocks(README, "python")
    assert example in (REPO / "examples" / "quickstart.py").read_text()


def commands() -> list[str]:
    papers = [README, (REPO / "docs" / "OPERATING.md").read_text()]
    shown = []
    for line in "\n".join(block for text in papers for block in blocks(text, "sh")).splitlines():
        command = line.split("#")[0].strip()
        if command.startswith("kycgate "):
            shown.append(command)
    return shown


@pytest.mark.parametrize("command", commands())
def test_every_command_the_papers_show_parses(command: str) -> None:
    words = shlex.split(command.replace("…", "1" * 40))[1:]
    assert build_parser(words[0]).parse_args(words).run


@pytest.mark.parametrize("name", ["PROTOCOL", "THREATS", "DECISIONS", "OPERATING", "architecture"])
def test_links_between_the_papers_lead_somewhere(name: str) -> None:
    path = REPO / "docs" / f"{name}.md"
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        assert target.startswith("http") or (path.parent / target).exists(), target


def test_the_readmes_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (REPO / target).exists(), target
