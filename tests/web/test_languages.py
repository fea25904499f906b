"""Every sentence of the pages exists in every language, with the same places for values, and is
used.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from kycgate.errors import Code, outward
from kycgate.issuer import opening, proving
from kycgate.web import assets, words
from kycgate.web.api import cases
from kycgate.web.languages import DEFAULT, FOLDER, NAMES, language

WEB = FOLDER.parent
OTHERS = [tag for tag in NAMES if tag != DEFAULT]
_SAME = {"way.?", "way_text.?", "state.?", "item.?", "organisation.lei", "connect.signature"}
"""What reads the same in more than one language."""


def _sentences(tag: str) -> dict[str, str]:
    return dict(language(tag).sentences)


def _places(sentence: str) -> list[str]:
    return sorted(re.findall(r"\{(\w+)\}", sentence))


def test_every_catalogue_is_a_flat_object_without_repeats() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(NAMES)
    for tag in NAMES:
        pairs = json.loads((FOLDER / f"{tag}.json").read_text("utf-8"), object_pairs_hook=list)
        keys = [key for key, _ in pairs]
        assert len(set(keys)) == len(keys), tag
        assert all(isinstance(value, str) and value.strip() for _, value in pairs), tag


@pytest.mark.parametrize("tag", OTHERS)
def test_no_sentence_is_missing_left_over_or_untranslated(tag: str) -> None:
    ours, theirs = _sentences(DEFAULT), _sentences(tag)
    assert set(theirs) == set(ours)
    same = {key for key in ours if ours[key] == theirs[key]} - _SAME
    kept = {key for key in same if not re.search(r"[a-z]{4}", re.sub(r"\{\w+\}", "", ours[key]))}
    assert same - kept <= {"documents.type", "owners.organisation"}, (
        "translated, or the same word on purpose"
    )


@pytest.mark.parametrize("tag", OTHERS)
def test_placeholders_are_the_same(tag: str) -> None:
    for key, sentence in _sentences(DEFAULT).items():
        assert _places(_sentences(tag)[key]) == _places(sentence), key


def test_chinese_is_written_in_chinese() -> None:
    """At least one Han character in each sentence that is not a mere place for a value."""
    for key, sentence in _sentences("zh-Hans").items():
        if key not in _SAME:
            assert re.search(r"[\u4e00-\u9fff]", sentence), key


def test_no_sentence_carries_markup() -> None:
    for tag in NAMES:
        for key, sentence in _sentences(tag).items():
            assert not re.search(r"</?[a-z]|&\w+;", sentence), (tag, key)


# -- what the pages and scripts say ------------------------------------------------------------


def _used_in_templates() -> set[str]:
    used = set()
    for path in (WEB / "templates").iterdir():
        text = path.read_text("utf-8")
        used |= set(re.findall(r"\bt\('([\w.:?]+)'[,)]", text))
    for path in WEB.glob("*.py"):
        used |= set(re.findall(r'\.say\("([\w.]+)"', path.read_text("utf-8")))
    return used


def _used_in_scripts() -> set[str]:
    used = set()
    for path in assets.FOLDER.glob("*.js"):
        used |= {"js." + key for key in re.findall(r'"([a-z_]+)"', path.read_text("utf-8"))}
    return used


_BUILT = (
    "steps.", "reason.", "state.", "way.", "way_text.", "problem.", "js.handoff_", "js.wrong_",
    "js.documents_", "js.mrz_", "item.", "need.",
)  # fmt: skip
"""Keys put together from a code at run time: held by the tests below instead."""


def test_every_key_a_page_names_exists() -> None:
    missing = _used_in_templates() - set(_sentences(DEFAULT))
    assert missing == set()


def test_every_sentence_is_used() -> None:
    used = _used_in_templates() | _used_in_scripts()
    unused = {key for key in _sentences(DEFAULT) if key not in used and not key.startswith(_BUILT)}
    assert unused == set()


def test_every_sentence_a_script_says_exists() -> None:
    known = _sentences(DEFAULT)
    for path in assets.FOLDER.glob("*.js"):
        text = path.read_text("utf-8")
        for key in re.findall(r'\bsay\("([a-z_]+)"', text):
            assert f"js.{key}" in known, (path.name, key)
        for start in re.findall(r"\bsay\(`([a-z_]+)_\$\{", text):
            assert any(key.startswith(f"js.{start}_") for key in known), (path.name, start)


def test_every_outward_code_has_a_sentence_and_the_english_is_the_apis_own() -> None:
    known = _sentences(DEFAULT)
    for code, sentence in words._REASONS.items():
        assert known[f"reason.{code}"] == sentence.replace("'", "’"), code
    for state in words._STATES:
        assert f"state.{state}" in known, state
    for code in ("declined", "under_review", *(outward(c) for c in Code)):
        assert language("fr").of_code("reason", code), code


def test_what_the_rules_ask_of_a_renter_is_said_in_their_language() -> None:
    asked = (cases._AGAIN[0], proving._COUNTRY, opening._PROOF)
    for need in asked:
        assert language("en").of_need(need.text) == need.text
        assert language("fr").of_need(need.text) != need.text, need
        assert f"item.{need.item}" in _sentences("fr")
    assert language("fr").of_need("Envoyez le verso.") == "Envoyez le verso.", "a person's words"


def test_an_unknown_code_is_shown_as_it_is() -> None:
    assert language("fr").of_code("reason", "brand_new").endswith("(brand_new).")
    assert language("fr").of_code("way", "some_provider") == "some_provider"


def test_a_value_is_put_in_once_and_is_never_read_as_a_place() -> None:
    said = language("en").say("job.hours", machines="{hours} × {evil}", hours=3)
    assert said == "{hours} × {evil}, 3 h"


def test_no_template_or_script_speaks_by_itself() -> None:
    """Text between tags comes from the catalogue; so does what a script writes into the page."""
    for path in (WEB / "templates").iterdir():
        text = re.sub(r"\{[%#{].*?[%#}]\}", "", path.read_text("utf-8"), flags=re.DOTALL)
        text = re.sub(r"<(pre|code)\b.*?</\1>", "", text, flags=re.DOTALL)
        words_left = re.findall(r"[A-Za-z]{3,}", re.sub(r"<[^>]*>", "", text))
        assert words_left == [], path.name
    for path in assets.FOLDER.glob("*.js"):
        for line in path.read_text("utf-8").splitlines():
            written = re.search(r"(textContent|title|innerText) = [\"`']([^\"`']*)", line)
            assert written is None or not re.search(r"[A-Za-z]{3,}", written[2]), (path.name, line)
            assert "innerHTML" not in line, path.name
    assert Path(WEB).is_dir()
