"""Two names, one score: what makes names one party's and what does not."""

from __future__ import annotations

import csv

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kycgate.core.claims import Kind
from kycgate.screening.matching.matcher import pair_score
from kycgate.screening.matching.sound import bones, sound
from tests.bench import screening

SAME = [
    ("Yusuf al-Qaradawi", "QARADAWI, Youssef", Kind.PERSON),
    ("Abdurrahman Karimov", "Abd al-Rahman Karimov", Kind.PERSON),
    ("J. Whitcombe", "Jonathan Whitcombe", Kind.PERSON),
    ("Bob Whitcombe", "Robert Whitcombe", Kind.PERSON),
    ("김정은", "Kim Jong Un", Kind.PERSON),
    ("سلمان الكندري", "Salman al-Kandari", Kind.PERSON),
    ("Müller Maschinenbau GmbH", "Mueller Maschinenbau", Kind.ORGANISATION),
    ("AO Zarya Works", "Aktsionernoe obshchestvo Zarya Works", Kind.ORGANISATION),
    ("First Kestrel Bank", "1st Kestrel Bank", Kind.ORGANISATION),
    ("Kestrel Int'l Trading", "Kestrel International Trading Co.", Kind.ORGANISATION),
    ("Blue Water Shipping", "Bluewater Shipping", Kind.ORGANISATION),
]  # fmt: skip
DIFFERENT = [
    ("Antonia Rezende", "Roberto Rezende", Kind.PERSON),
    ("Whitcombe, Jonathan W.", "Whitcombe, Jonathan G.", Kind.PERSON),
    ("J. O'Malley", "James Whitcombe", Kind.PERSON),
    ("Sea Lion 5", "Sea Lion 6", Kind.ORGANISATION),
    ("Kestrel Fund I", "Kestrel Fund II", Kind.ORGANISATION),
    ("Management Company", "Kestrel Management Company", Kind.ORGANISATION),
    ("BKW Industries", "BAQ Industries", Kind.ORGANISATION),
]
THRESHOLD = 0.7


@pytest.mark.parametrize(("one", "other", "kind"), SAME)
def test_one_party_under_two_spellings_scores_above(one: str, other: str, kind: Kind) -> None:
    assert pair_score(one, other, kind).score >= THRESHOLD


@pytest.mark.parametrize(("one", "other", "kind"), DIFFERENT)
def test_two_parties_score_below(one: str, other: str, kind: Kind) -> None:
    assert pair_score(one, other, kind).score < THRESHOLD


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
@example("第十十研究所", "第二十研究所")
@example("\u9fff\u4dbf", "\U00020000 \u4dbf")
def test_a_score_is_a_share_for_any_two_texts(one: str, other: str) -> None:
    assert 0.0 <= pair_score(one, other).score <= 1.0


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.text("abcdefghijklmnopqrstuvwxyz", min_size=4, max_size=12), min_size=2, max_size=4,
        unique=True,
    )
)  # fmt: skip
def test_a_name_is_itself_in_any_order(words: list[str]) -> None:
    name, turned = " ".join(words), " ".join(reversed(words))
    assert pair_score(name, turned, Kind.PERSON).score == pytest.approx(1.0)


def test_the_explanation_accounts_for_every_word() -> None:
    score = pair_score("Ann Maria Whitcombe", "Whitcombe, Ann", Kind.PERSON)
    assert sorted(word for each in score.explanation for word in each.asked) == [
        "ann", "maria", "whitcombe",
    ]  # fmt: skip


@pytest.mark.parametrize("part", ["dev", "held-out"])
def test_labelled_pairs_keep_their_f1(part: str) -> None:
    cases = [case for case in screening.labelled() if case.part == part]
    truth = [case.match for case in cases]
    assert screening.f1(screening.our_scores(cases), truth, THRESHOLD) > 0.8


@pytest.mark.parametrize(
    ("one", "other"),
    [("mohammed", "muhammad"), ("zakharov", "zaharov"), ("xiao", "hsiao"), ("jong", "chong")],
)
def test_habits_of_transliteration_sound_the_same(one: str, other: str) -> None:
    assert bones(one) == bones(other)


def test_a_number_has_no_sound() -> None:
    assert sound("101") == "101"


def test_no_labelled_name_stands_in_the_tables() -> None:
    """The tables hold words: a row made to pass one labelled case would be a whole name."""
    table = screening.REPO / "kycgate" / "screening" / "data" / "match_words.csv"
    words = {row["word"] for row in csv.DictReader(table.read_text("utf-8").splitlines())}
    names = {name.lower() for case in screening.labelled() for name in (case.one, case.other)}
    assert not {word for word in words if " " in word} & names
