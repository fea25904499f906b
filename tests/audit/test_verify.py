"""Whatever is changed, removed, swapped, added or cut off in a log is found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kycgate.audit import Broken, DecisionLog, SignedHead, Verified, verify_log
from kycgate.audit.entry import chained
from kycgate.audit.export import entries_of, from_line, read_lines, to_line
from kycgate.core.signature import Valid, recover
from kycgate.core.typed import personal_digest
from kycgate.errors import Code, Malformed
from kycgate.keys import LocalSigner
from kycgate.store import LogEntry, Store
from kycgate.store.records.log import LOG_GENESIS
from tests.audit.conftest import NOW

KEY = LocalSigner(b"\x01" * 32)


def build(count: int) -> list[LogEntry]:
    entries: list[LogEntry] = []
    previous = LOG_GENESIS
    for seq in range(1, count + 1):
        body = b'{"count":%d}' % seq
        entries.append(chained(seq, previous, at=NOW + seq // 2, kind="test", body=body))
        previous = entries[-1].hash
    return entries


LOG = build(6)


def head_of(entries: list[LogEntry], *, signer: LocalSigner = KEY) -> SignedHead:
    digest = entries[-1].hash if entries else LOG_GENESIS
    return SignedHead.sign(seq=len(entries), digest=digest, at=NOW + 99, signer=signer)


def flips(entry: LogEntry) -> Iterator[LogEntry]:
    """The entry with each single bit of each field turned over."""
    for name in ("seq", "at"):
        for bit in range(64):
            yield replace(entry, **{name: getattr(entry, name) ^ (1 << bit)})
    for name in ("body", "prev_hash", "hash"):
        content = getattr(entry, name)
        for bit in range(8 * len(content)):
            yield replace(entry, **{name: flipped(content, bit)})
    for bit in range(8 * len(entry.kind)):
        yield replace(entry, kind=flipped(entry.kind.encode(), bit).decode("latin-1"))


def flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_a_log_as_written_verifies(entries: list[LogEntry], store: Store) -> None:
    assert verify_log(entries_of(store)) == Verified(5, entries[-1].hash)
    assert verify_log(entries, head=head_of(entries)) == Verified(5, entries[-1].hash)
    assert verify_log([]) == Verified(0, LOG_GENESIS)
    assert verify_log([], head=head_of([])) == Verified(0, LOG_GENESIS)


def test_any_flipped_bit_of_any_entry_is_found() -> None:
    for place, entry in enumerate(LOG):
        for changed in flips(entry):
            verdict = verify_log([*LOG[:place], changed, *LOG[place + 1 :]])
            assert isinstance(verdict, Broken), changed
            assert verdict.seq == place + 1


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_other_order_or_selection_is_found(data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(LOG), max_size=8))
    verdict = verify_log(chosen, head=head_of(LOG))
    assert isinstance(verdict, Verified) == (chosen == LOG)


@pytest.mark.parametrize("place", range(6))
def test_a_removed_entry_is_found(place: int) -> None:
    verdict = verify_log([*LOG[:place], *LOG[place + 1 :]], head=head_of(LOG))
    assert isinstance(verdict, Broken)
    assert verdict.seq == place + 1


def test_a_log_cut_short_is_found_by_the_head_alone() -> None:
    assert verify_log(LOG[:4]) == Verified(4, LOG[3].hash)
    assert verify_log(LOG[:4], head=head_of(LOG)) == Broken(
        5, "the log ends here; the signed head saw 6 entries"
    )
    assert isinstance(verify_log([], head=head_of(LOG)), Broken)


def test_a_log_rewritten_whole_is_found_by_the_head_alone() -> None:
    rewritten, previous = [], LOG_GENESIS
    for entry in LOG:
        body = b'{"granted":true}' if entry.seq == 3 else entry.body
        rewritten.append(chained(entry.seq, previous, at=entry.at, kind=entry.kind, body=body))
        previous = rewritten[-1].hash
    assert isinstance(verify_log(rewritten), Verified)
    assert verify_log(rewritten, head=head_of(LOG)) == Broken(
        6, "the signed head names another entry here"
    )


def test_a_log_that_grew_since_the_head_verifies() -> None:
    assert verify_log(LOG, head=head_of(LOG[:3])) == Verified(6, LOG[-1].hash)


def test_an_entry_dated_before_its_predecessor_is_found() -> None:
    last = LOG[-1]
    early = chained(7, last.hash, at=last.at - 1, kind="test", body=b"{}")
    assert verify_log([*LOG, early]) == Broken(7, "is dated before the entry before")


@pytest.mark.parametrize(
    "changes", [{"seq": -1}, {"at": -1}, {"at": 2**64}, {"kind": "\ud800"}, {"hash": b""}]
)
def test_a_field_no_entry_can_have_is_found(changes: dict[str, Any]) -> None:
    assert isinstance(verify_log([replace(LOG[0], **changes)]), Broken)


def test_a_long_log_is_read_a_page_at_a_time(store: Store) -> None:
    log = DecisionLog(store, None)
    for number in range(1005):
        log.append("test", {"count": number}, now=NOW)
    verdict = verify_log(entries_of(store))
    assert isinstance(verdict, Verified)
    assert verdict.count == 1005


# -- heads -----------------------------------------------------------------------------------------


def test_the_signed_words_of_a_head_are_published() -> None:
    head = head_of(LOG)
    message = f"kycgate decision log head\nseq: 6\nhash: 0x{LOG[-1].hash.hex()}\nat: {NOW + 99}"
    assert recover(personal_digest(message.encode()), head.signature) == Valid(KEY.address)


@pytest.mark.parametrize("field", ["seq", "hash", "at", "signer", "signature"])
def test_a_changed_head_is_refused(field: str) -> None:
    document = head_of(LOG).document()
    other = head_of(build(5), signer=LocalSigner(b"\x02" * 32)).document()
    document[field] = document["at"] + 1 if field == "at" else other[field]
    with pytest.raises(Malformed):
        SignedHead.from_wire(json.dumps(document).encode(), signer=None)


def test_a_head_signed_by_another_key_is_refused() -> None:
    wire = json.dumps(head_of(LOG, signer=LocalSigner(b"\x02" * 32)).document()).encode()
    with pytest.raises(Malformed) as refused:
        SignedHead.from_wire(wire, signer=KEY.address)
    assert refused.value.code == Code.SIGNATURE_INVALID


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_any_bytes_as_a_head_are_refused_in_one_way(data: bytes) -> None:
    with pytest.raises(Malformed):
        SignedHead.from_wire(data, signer=None)


# -- exports ---------------------------------------------------------------------------------------


def test_an_export_reads_back_as_the_same_entries() -> None:
    lines = [to_line(entry) + b"\n" for entry in LOG]
    assert list(read_lines(lines)) == LOG


@given(st.integers(0, 5), st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_flipped_bit_of_an_export_is_found(place: int, data: st.DataObject) -> None:
    lines = [to_line(entry) + b"\n" for entry in LOG]
    bit = data.draw(st.integers(0, 8 * len(lines[place]) - 1))
    lines[place] = flipped(lines[place], bit)
    assert isinstance(verify_log(read_lines(lines)), Broken)


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_any_bytes_as_a_line_are_refused_in_one_way(data: bytes) -> None:
    with pytest.raises(Malformed):
        from_line(data, number=1)


def test_a_line_without_its_end_is_refused() -> None:
    lines = [to_line(entry) + b"\n" for entry in LOG]
    lines[-1] = lines[-1][:-1]
    assert verify_log(read_lines(lines)) == Broken(
        6, "line 6: the line has no end: the file was cut"
    )


def test_a_body_that_is_no_text_is_not_exported() -> None:
    with pytest.raises(Malformed):
        to_line(replace(LOG[0], body=b"\xff"))
