"""An entry says only what the vocabulary has words for, in order of time, or is not written."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from kycgate.audit import DecisionLog, SignedHead
from kycgate.audit.entry import BODY_MOST, REQUIRED, VOCABULARY
from kycgate.audit.log import CLOCK_TOLERANCE_S
from kycgate.errors import Malformed, Misconfigured, TooLarge, Unavailable
from kycgate.store import LogEntry, Store
from tests.audit.conftest import DECISION, NOW


def test_an_entry_is_stored_in_canonical_form_and_chained(log: DecisionLog, store: Store) -> None:
    first = log.append("case_opened", {"subject": "ж", "case": "a", "count": 1}, now=NOW)
    second = log.append("case_opened", {}, now=NOW + 1)
    assert first.body == '{"case":"a","count":1,"subject":"ж"}'.encode()
    # The bytes under the hash, spelled out: a published format.
    place = (1).to_bytes(8, "big") + NOW.to_bytes(8, "big") + b"\x00\x0bcase_opened"
    assert first.hash == hashlib.sha256(b"kycgate-log-1" + bytes(32) + place + first.body).digest()
    assert second.prev_hash == first.hash
    assert store.log_entries() == [first, second]


def test_the_body_comes_back_as_it_went_in(log: DecisionLog) -> None:
    assert json.loads(log.append("decision", DECISION, now=NOW).body) == DECISION


@pytest.mark.parametrize("word", ["name", "email", "birth_date", "at", "kind", "", "Door"])
def test_a_word_outside_the_vocabulary_is_refused(
    log: DecisionLog, store: Store, word: str
) -> None:
    with pytest.raises(Malformed, match="unknown word"):
        log.append("decision", {**DECISION, word: "x"}, now=NOW)
    assert store.log_head() is None


@pytest.mark.parametrize("word", sorted(REQUIRED["decision"]))
def test_a_decision_without_one_of_its_words_is_refused(
    log: DecisionLog, store: Store, word: str
) -> None:
    with pytest.raises(Malformed) as refused:
        log.append("decision", {each: DECISION[each] for each in DECISION if each != word}, now=NOW)
    assert refused.value.field == f"decision.{word}"
    assert store.log_head() is None


def test_every_required_word_is_in_the_vocabulary() -> None:
    assert all(words <= VOCABULARY for words in REQUIRED.values())


@pytest.mark.parametrize(
    "value",
    [1.5, 1.0, float("nan"), [1.5], {"a": [0.1]}, 2**53, -(2**53), "\ud800", b"x", {1: 2}, {1, 2}],
)
def test_a_value_without_one_canonical_form_is_refused(
    log: DecisionLog, store: Store, value: Any
) -> None:
    with pytest.raises(Malformed):
        log.append("case_opened", {"state": value}, now=NOW)
    assert store.log_head() is None


@pytest.mark.parametrize("kind", ["", "Decision", "a b", "1st", "x" * 41, "naïve", "a\n"])
def test_a_kind_is_one_plain_word(log: DecisionLog, kind: str) -> None:
    with pytest.raises(Malformed):
        log.append(kind, {}, now=NOW)


def test_a_body_has_a_limit(log: DecisionLog, store: Store) -> None:
    log.append("case_opened", {"state": "x" * (BODY_MOST - len('{"state":""}'))}, now=NOW)
    with pytest.raises(TooLarge):
        log.append("case_opened", {"state": "x" * (BODY_MOST - len('{"state":""}') + 1)}, now=NOW)
    assert len(store.log_entries()) == 1


def test_a_clock_behind_the_log_stops_it(
    log: DecisionLog, store: Store, entries: list[LogEntry]
) -> None:
    behind = entries[-1].at - CLOCK_TOLERANCE_S - 1
    with pytest.raises(Unavailable):
        log.append("case_opened", {}, now=behind)
    with pytest.raises(Unavailable):
        log.head(behind)
    assert store.log_entries() == entries


def test_replicas_whose_clocks_differ_a_little_never_write_backwards(
    log: DecisionLog, entries: list[LogEntry]
) -> None:
    # Each a tolerance behind the one before: were the time taken as it comes, it would drift.
    last = entries[-1].at
    written = [log.append("case_opened", {}, now=last - CLOCK_TOLERANCE_S) for _ in range(3)]
    assert [each.at for each in written] == [last] * 3


def test_a_head_is_signed_by_the_log_key(
    log: DecisionLog, entries: list[LogEntry], log_key: Any
) -> None:
    head = log.head(NOW + 100)
    assert (head["seq"], head["at"]) == (5, NOW + 100)
    assert head["hash"] == "0x" + entries[-1].hash.hex()
    read = SignedHead.from_wire(json.dumps(head).encode(), signer=log_key.address)
    assert read.document() == head


def test_an_empty_log_has_a_head_too(log: DecisionLog) -> None:
    head = log.head(NOW)
    assert (head["seq"], head["hash"]) == (0, "0x" + "00" * 32)


def test_without_a_log_key_entries_are_written_and_no_head_is_signed(store: Store) -> None:
    log = DecisionLog(store, None)
    assert log.append("case_opened", {}, now=NOW).seq == 1
    with pytest.raises(Misconfigured):
        log.head(NOW)
