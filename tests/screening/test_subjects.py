"""The screening turned around finds whoever the screening itself would have found."""

from __future__ import annotations

import csv
import random
from functools import cache

import pytest

from kycgate.core.claims import Kind
from kycgate.screening.entries import (
    Entry,
    EntryType,
    Identifier,
    ListData,
    Name,
    Wallet,
    list_data,
)
from kycgate.screening.matching.matcher import Matcher, Query
from kycgate.screening.sources.shipped import CSL, shipped_list
from kycgate.screening.subjects import Indexed, PartyOf, SubjectIndex
from tests.tools import REPO

SEED = 20261123
KINDS = {EntryType.PERSON: Kind.PERSON, EntryType.ORGANISATION: Kind.ORGANISATION}


@cache
def changed() -> ListData:
    """Four hundred entries of the shipped list, as a list change."""
    entries = [each for each in shipped_list(CSL).entries if each.type in KINDS]
    found = random.Random(SEED).sample(entries, 400)
    return list_data("us-csl", found, as_of=0, source="us-csl")


def misspelt(name: str, rng: random.Random) -> str:
    """As people type: a letter changed, lost, doubled or swapped; words turned, joined or lost."""
    words = name.split()
    way = rng.randrange(7)
    if way == 0 and len(words) > 1:
        words = words[1:] + words[:1]
    elif way == 1 and len(words) > 2:
        del words[rng.randrange(1, len(words))]
    elif way == 2 and len(words) > 1:
        at = rng.randrange(len(words) - 1)
        words[at : at + 2] = ["".join(words[at : at + 2])]
    else:
        longest = max(range(len(words)), key=lambda at: len(words[at]))
        word, at = words[longest], rng.randrange(max(1, len(words[longest]) - 1))
        words[longest] = {
            3: word[:at] + rng.choice("aeiostn") + word[at + 1 :],
            4: word[:at] + word[at + 1 :],
            5: word[:at] + word[at : at + 1] + word[at:],
            6: word[:at] + word[at + 1 : at + 2] + word[at : at + 1] + word[at + 2 :],
        }.get(way, word)
    return " ".join(words)


@cache
def asked() -> tuple[tuple[str, Kind], ...]:
    """Listed names as they are, misspelt, and strangers' names."""
    rng = random.Random(SEED + 1)
    found = list[tuple[str, Kind]]()
    for entry in changed().entries:
        for name in rng.sample(entry.names, min(2, len(entry.names))):
            kind = KINDS[entry.type]
            found += [(name.text, kind), (misspelt(name.text, rng), kind)]
            found.append((misspelt(misspelt(name.text, rng), rng), kind))
    path = REPO / "tests" / "bench" / "data" / "negatives_us_1k.csv"
    with path.open(encoding="utf-8", newline="") as rows:
        found += [(row["full_name"], Kind.PERSON) for row in csv.DictReader(rows)]
    return tuple(found)


def test_whom_the_screening_finds_the_index_finds() -> None:
    matcher, index = Matcher([changed()]), SubjectIndex()
    subjects = [
        Indexed(str(number), (PartyOf(name, kind),), ())
        for number, (name, kind) in enumerate(asked())
    ]
    for at in range(0, len(subjects), 700):
        index.add(subjects[at : at + 700])
    turned = set(index.affected(changed().entries))
    forward = {
        str(number)
        for number, (name, kind) in enumerate(asked())
        if any(hit.by == "name" for hit in matcher.screen(Query(name, kind)).hits)
    }
    missed = [asked()[int(each)] for each in forward - turned]
    assert len(forward) > 1_500
    assert len(missed) <= 0.005 * len(forward), missed
    # What it finds beyond costs a screening each, and stops nobody.
    assert len(turned - forward) < 0.1 * len(turned)


ENTRY = Entry(
    "T",
    "1",
    EntryType.ORGANISATION,
    (Name("Quellfarb Halbleiter GmbH"),),
    identifiers=(Identifier("lei", "5493001KJTIIGC8Y1R12"),),
    wallets=(Wallet("ETH", "0x" + "ab" * 20),),
)


@pytest.mark.parametrize(
    "subject",
    [
        Indexed("s", (PartyOf("Quellfarb Halbleitr", Kind.ORGANISATION),), ()),
        Indexed("s", (PartyOf("QuellfarbHalbleiter", Kind.ORGANISATION),), ()),
        Indexed("s", (), ("0x" + "AB" * 20,)),
        Indexed("s", (PartyOf("X Y", Kind.ORGANISATION, (ENTRY.identifiers)),), ()),
        Indexed(
            "s",
            (PartyOf("Nobody Known", Kind.PERSON), PartyOf("Quellfarb", Kind.ORGANISATION)),
            (),
        ),
    ],
)
def test_name_number_and_wallet_each_lead_to_the_subject(subject: Indexed) -> None:
    index = SubjectIndex()
    index.add([subject, Indexed("other", (PartyOf("Jane Fairweather", Kind.PERSON),), ("0x1",))])
    assert index.affected([ENTRY]) == ["s"]


def test_a_wallet_comes_before_a_name() -> None:
    index = SubjectIndex()
    index.add([Indexed("a", (PartyOf("Quellfarb Halbleiter", Kind.ORGANISATION),), ())])
    index.add([Indexed("b", (), ("0x" + "ab" * 20,))])
    assert index.affected([ENTRY]) == ["b", "a"]


def test_a_subject_told_anew_is_found_by_the_new_name_only() -> None:
    index = SubjectIndex()
    index.add([Indexed("a", (PartyOf("Quellfarb Halbleiter", Kind.ORGANISATION),), ())])
    index.add([Indexed("a", (PartyOf("Another Company", Kind.ORGANISATION),), ())])
    assert index.affected([ENTRY]) == []
    index.remove("a")
    assert len(index) == 0


def test_many_small_additions_and_removals_stay_one_index() -> None:
    index = SubjectIndex()
    for number in range(40):
        name = f"Quellfarb Halbleiter {number}"
        index.add([Indexed(str(number), (PartyOf(name, Kind.ORGANISATION),), ())])
    for number in range(20):
        index.remove(str(number))
    assert {*index.affected([ENTRY])} <= {str(number) for number in range(20, 40)}
    assert len(index) == 20


def test_nobody_and_nothing_are_no_error() -> None:
    index = SubjectIndex()
    assert index.affected([ENTRY]) == []
    index.add([])
    index.add([Indexed("a", (PartyOf("!!!", Kind.PERSON),), ())])
    assert index.affected([]) == []
    assert index.affected([ENTRY]) == []
