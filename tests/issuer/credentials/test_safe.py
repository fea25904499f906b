"""What is sealed opens for its own presentation and account, under the keys that are named."""

from __future__ import annotations

import pytest

from kycgate.errors import Malformed
from kycgate.issuer.credentials.safe import Safe

OLD, NEW = b"o" * 32, b"n" * 32
DOCUMENT = {"key": "secret", "n": 1}


def sealed(safe: Safe) -> bytes:
    return safe.seal(DOCUMENT, presentation="p", account="a")


def test_what_is_sealed_opens_again() -> None:
    safe = Safe(OLD)
    assert safe.open(sealed(safe), presentation="p", account="a") == DOCUMENT
    assert sealed(safe) != sealed(safe)
    assert b"secret" not in sealed(safe)


@pytest.mark.parametrize("where", [("q", "a"), ("p", "b"), ("pa", ""), ("a", "p")])
def test_what_was_moved_does_not_open(where: tuple[str, str]) -> None:
    safe = Safe(OLD)
    with pytest.raises(Malformed):
        safe.open(sealed(safe), presentation=where[0], account=where[1])


def test_any_flipped_bit_or_cut_is_noticed() -> None:
    safe, whole = Safe(OLD), sealed(Safe(OLD))
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1
        for data in (bytes(changed), whole[:at]):
            with pytest.raises(Malformed):
                safe.open(data, presentation="p", account="a")


def test_after_a_change_of_keys_the_old_one_still_opens_and_no_longer_seals() -> None:
    before = sealed(Safe(OLD))
    both = Safe(NEW, also=(OLD,))
    assert both.open(before, presentation="p", account="a") == DOCUMENT
    with pytest.raises(Malformed):
        Safe(NEW).open(before, presentation="p", account="a")
    assert Safe(NEW).open(sealed(both), presentation="p", account="a") == DOCUMENT
