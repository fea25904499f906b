"""The demonstration is a test of its own: every step on real parts, and it can fail."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kycgate.demo.stage import Outcome, Stage, Step
from kycgate.demo.story import STORY
from kycgate.errors import Unavailable
from tests import tools


@pytest.mark.anvil
@pytest.mark.clients
@pytest.mark.slow
def test_the_whole_story_comes_out_as_expected(tmp_path: Path) -> None:
    if tools.anvil() is None or tools.clients() is None:
        pytest.skip("anvil or iocloud is missing: make setup")
    command = [sys.executable, "-m", "kycgate", "demo", "--once", "--json", "--dir", str(tmp_path)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    document = json.loads(told.stdout)
    differing = [each for each in document["steps"] if each["expected"] != each["got"]]
    assert differing == []
    assert told.returncode == 0
    assert [each["name"] for each in document["steps"]] == [step.name for step in STORY]
    assert document["lists"][0]["as_of"] > 0


def played(expected: str, got: str | Exception) -> Outcome:
    def act(stage: Stage) -> str:
        if isinstance(got, Exception):
            raise got
        return got

    stage = object.__new__(Stage)
    stage.notes = []
    return stage.play(Step("step", "says", expected, act))


def test_a_step_that_comes_out_otherwise_is_not_as_expected() -> None:
    assert played("refused", "refused").as_expected
    assert not played("refused", "rented").as_expected


@pytest.mark.parametrize("error", [Unavailable("no chain"), AssertionError("no"), KeyError("jobs")])
def test_a_step_that_breaks_is_told_and_not_as_expected(error: Exception) -> None:
    outcome = played("refused", error)
    assert type(error).__name__ in outcome.got
    assert not outcome.as_expected
