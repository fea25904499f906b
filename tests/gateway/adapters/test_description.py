"""A described marketplace: every fault of a description is told, with its line and a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kycgate.errors import Misconfigured
from kycgate.gateway.adapters.description import read

SOUND = """\
name = "mine"
facts = "made up"
ids = { deployment = "name", offer = "number" }
refusal = { error = "{message}" }

[key]
header = "x-api-key"

[answer]
deployment = "id"

[list]
rows = "pods"
id = "id"

[catalogue]
path = "/offers"
rows = "offers"
id = "id"
model = "gpu"

[[stop]]
method = "DELETE"
path = "/pods/{deployment}"

[[route]]
name = "rent"
method = "POST"
path = "/offers/{offer}"
kind = "rent"
members = ["image"]
offer = "path.offer"
model = "offer.model"

[[route]]
name = "pods"
method = "GET"
path = "/pods"
kind = "list"
"""


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(Misconfigured) as caught:
        read(text, source="mine.toml")
    return caught.value.problems


def test_a_sound_description_is_read() -> None:
    described = read(SOUND, source="mine.toml")
    assert described.name == "mine"
    assert [route.name for route in described.routes] == ["rent", "pods"]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('name = "mine"', "", "mine.toml:1: name: is missing"),
        ('name = "mine"', 'name = "Mine!"', "mine.toml:1: name: needs a name"),
        ('facts = "made up"', "", "facts: is missing"),
        ('facts = "made up"', 'facts = "x"\nsecret = 1', "mine.toml:3: secret: is not known here"),
        ('deployment = "name", offer', "offer", "mine.toml:3: ids: needs deployment"),
        ('"number" }', '"any" }', "mine.toml:3: ids: needs one of"),
        ('"{message}"', '"no"', 'mine.toml:4: refusal: needs "{message}"'),
        ('"{message}"', '"{message}", x = "{body}"', "refusal: needs"),
        ('header = "x-api-key"', 'header = "cookie"', "mine.toml:7: key.header: needs one of"),
        ('header = "x-api-key"', "", "key.header: is missing"),
        ('[answer]\ndeployment = "id"', "", "answer: is missing"),
        ('deployment = "id"\n', 'deployment = "to_number(id)"\n', "answer.deployment: calls"),
        ('deployment = "id"\n', 'deployment = "id."\n', "mine.toml:10: answer.deployment: is not"),
        ('[list]\nrows = "pods"\nid = "id"', "", "list: is missing"),
        ('rows = "pods"', 'rows = "pods[*]"', "mine.toml:13: list.rows: needs member names"),
        ('path = "/offers"\n', 'path = "/offers?x={y}"\n', "catalogue: {y} is neither"),
        ('path = "/offers"\n', 'method = "POST"\npath = "/offers"\n', "catalogue.question: goes"),
        ('path = "/pods/{deployment}"', 'path = "/pods"', "stop.path: needs {deployment}"),
        ('[[stop]]\nmethod = "DELETE"\npath = "/pods/{deployment}"', "", "stop: needs a [[stop]]"),
        ("[[stop]]", "[stop]", "stop: needs double brackets"),
        ('method = "POST"', 'method = "post"', "mine.toml:28: route.method: needs one of"),
        ('"/offers/{offer}"', '"/offers/{thing}"', "mine.toml:29: route.path: {thing} needs"),
        ('"/offers/{offer}"', '"/offers/../{offer}?x=1"', "route.path: needs a path"),
        ('"/offers/{offer}"', '"offers"', "route.path: needs a path such as"),
        ('kind = "rent"', 'kind = "hire"', "mine.toml:30: route.kind: needs one of"),
        ('members = ["image"]\n', "", "mine.toml:26: route.members: is missing"),
        ('model = "offer.model"', "", "route.model: is missing"),
        ('model = "offer.model"', 'model = "offer.model"\nunit = "weeks"', "route.unit: needs one"),
        ('model = "offer.model"', 'model = "offer.model"\nmodle = "x"', "route.modle: is not"),
        ('kind = "list"', 'kind = "own_read"', "mine.toml:38: route.path: needs {deployment}"),
        ('kind = "list"', 'kind = "list"\nrefused = "no"', "mine.toml:40: route.refused: goes"),
        ('kind = "rent"', 'kind = "admit"', "mine.toml:30: route.kind: needs one of"),
        ('kind = "list"', 'kind = "list"\nlong_lived = true', "route.long_lived: goes with"),
        ('kind = "list"', 'kind = "list"\nlong_lived = 1', "route.long_lived: needs true or"),
        ('name = "pods"', 'name = "rent"', 'two routes are named "rent"'),
        ('"GET"\npath = "/pods"', '"POST"\npath = "/offers/{offer}"', "one method and path"),
    ],
)  # fmt: skip
def test_every_fault_is_told_with_its_place_and_remedy(old: str, new: str, problem: str) -> None:
    assert SOUND.count(old) >= 1
    found = problems(SOUND.replace(old, new, 1))
    assert any(problem in each for each in found), found


def test_all_faults_are_told_together() -> None:
    text = SOUND.replace('name = "mine"', "").replace('kind = "list"', 'kind = "x"')
    text = text.replace('header = "x-api-key"', 'header = "x"')
    assert len(problems(text)) == 3


@pytest.mark.parametrize("text", ["", "name = ", "[" * 5000, "x = 1\n" * 20_000])
def test_a_file_that_is_no_description_is_refused(text: str) -> None:
    assert problems(text)


@given(st.sampled_from(SOUND.splitlines()), st.sampled_from(["1", "[]", "{}", '""', "true", "[1]"]))
def test_no_value_of_another_type_crashes_the_reader(line: str, value: str) -> None:
    key, mark, _ = line.partition(" = ")
    if not mark:
        return
    found: tuple[str, ...] = ()
    try:
        read(SOUND.replace(line, f"{key} = {value}", 1), source="mine.toml")
    except Misconfigured as error:
        found = error.problems
    assert all(each.startswith("mine.toml:") for each in found)


def test_the_manuals_example_is_a_sound_description() -> None:
    manual = (Path(__file__).parents[3] / "docs" / "ADAPTERS.md").read_text()
    example = manual.split("<!-- a test reads this example -->\n```toml\n")[1].split("```")[0]
    described = read(example, source="docs/ADAPTERS.md")
    assert {route.kind.value for route in described.routes} >= {"rent", "stop", "pause", "list"}
