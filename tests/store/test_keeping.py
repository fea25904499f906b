"""Images, holds and restrictions are kept as they were given, and forgotten when told to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kycgate.errors import Conflict, NotFound
from kycgate.store import Store
from tests.store.samples import ALICE, BLOB, BOB, CASE, HOLD, NOW, OPENED, SUBJECT

OTHER = replace(SUBJECT, id="subject-2", pseudonym=b"2" * 32)


@pytest.fixture
def opened(store: Store) -> Store:
    store.add_subject(SUBJECT)
    store.add_subject(OTHER)
    store.add_case(CASE, OPENED)
    return store


def test_an_image_comes_back_whole_and_is_listed_without_its_bytes(opened: Store) -> None:
    big = replace(BLOB, sealed=bytes(range(256)) * 16_384, size=4_194_304)
    second = replace(BLOB, id="blob-2", kind="back", created_at=NOW + 1)
    opened.add_blob(second)
    opened.add_blob(big)
    assert opened.blob(BLOB.id) == big
    assert opened.blob("blob-9") is None
    assert opened.blobs_of(CASE.id) == [replace(big, sealed=b""), replace(second, sealed=b"")]
    with pytest.raises(Conflict):
        opened.add_blob(BLOB)


def test_dropping_images_drops_one_subjects(opened: Store) -> None:
    theirs = replace(BLOB, id="blob-2", subject_id=OTHER.id)
    for each in (BLOB, theirs):
        opened.add_blob(each)
    opened.drop_blobs(SUBJECT.id)
    assert opened.blob(BLOB.id) is None
    assert opened.blob("blob-2") == theirs


def test_a_hold_stands_until_its_end_or_its_release(opened: Store) -> None:
    opened.add_hold(HOLD)
    assert opened.holds_of(SUBJECT.id) == [HOLD]
    assert HOLD.stands(HOLD.until - 1)
    assert not HOLD.stands(HOLD.until)
    for at in (NOW + 5, NOW + 9):
        opened.release_hold(HOLD.id, at=at)
    (released,) = opened.holds_of(SUBJECT.id)
    assert released == replace(HOLD, released_at=NOW + 5)
    assert not released.stands(NOW + 6)
    with pytest.raises(NotFound):
        opened.release_hold("hold-9", at=NOW)


def test_subjects_are_read_in_order_and_restricted(opened: Store) -> None:
    assert [each.id for each in opened.subjects_after("", limit=1)] == [SUBJECT.id]
    assert [each.id for each in opened.subjects_after(SUBJECT.id, limit=9)] == [OTHER.id]
    opened.restrict_subject(SUBJECT.id, NOW + 5)
    assert opened.subject(SUBJECT.id) == replace(SUBJECT, restricted_until=NOW + 5)
    with pytest.raises(NotFound):
        opened.restrict_subject("subject-9", NOW)


def test_unlinked_accounts_are_nobodys(opened: Store) -> None:
    opened.link_account(ALICE, SUBJECT.id, at=NOW)
    opened.link_account(BOB, OTHER.id, at=NOW)
    opened.unlink_accounts(SUBJECT.id)
    assert opened.subject_of(ALICE) is None
    assert opened.accounts_of(SUBJECT.id) == []
    opened.link_account(ALICE, OTHER.id, at=NOW + 1)
    assert opened.accounts_of(OTHER.id) == [BOB, ALICE]
