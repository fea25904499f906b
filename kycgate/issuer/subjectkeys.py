"""The keys a vault seals with: one for each subject and one of the operator's own, kept wrapped.

Seals nothing itself, and never gives a kept key away: only what is derived from it for one use.

Every subject has a data key of 32 random bytes. The store holds it only wrapped under the
operator's key-encryption key (see `vaultkeys`): dropping the wrapped key erases all that was sealed
for the subject.

    derived key   HKDF-SHA256(data key; info "kycgate/vault/USE/1", salt), 32 bytes

The operator secret is 32 random bytes, kept wrapped like a data key: a new key-encryption key
changes none of the digests made with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import rfc8785
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kycgate.errors import NotFound
from kycgate.issuer.vaultkeys import KEY, Entropy, FileKeys, KeySource, ManyKeys, wrapped_under
from kycgate.store.base import Store
from kycgate.store.records.cases import Subject

_OPERATOR: Final = "operator"
"""In place of a subject's id where the operator's own secret is wrapped."""
_OPERATOR_SECRET: Final = "vault/operator-secret"  # noqa: S105 - the name of a setting
_BATCH: Final = 500
"""Subjects read at once."""


class SubjectKeys:
    """Makes, derives from, rewraps and drops the keys."""

    def __init__(self, store: Store, keys: KeySource, *, entropy: Entropy) -> None:
        self._store = store
        self._keys = keys
        self._entropy = entropy

    def new(self, subject_id: str) -> bytes:
        """A fresh data key, wrapped as it may be stored."""
        return self._wrap(subject_id, self._entropy(KEY))

    def drop(self, subject_id: str, *, now: int) -> None:
        """For good. The tombstone comes first: a rotation going on meanwhile must not bring it
        back."""
        self._store.set_setting(_tombstone(subject_id), str(now))
        self._store.rewrap_subject_key(subject_id, b"")

    # -- deriving --------------------------------------------------------------------------------

    def derived(self, subject_id: str, use: str, salt: bytes = b"") -> bytes:
        """32 bytes for one use. Raises NotFound once it was dropped, Unavailable for a key that is
        not loaded."""
        subject = self._store.subject(subject_id)
        if subject is None:
            raise NotFound("no such subject")
        return _derive(self._unwrap(subject), use, salt)

    def of_operator(self, use: str, salt: bytes) -> bytes:
        """32 bytes that only this operator can make, the same in every process."""
        kept = self._store.setting(_OPERATOR_SECRET)
        if kept is None:
            fresh = self._wrap(_OPERATOR, self._entropy(KEY)).hex()
            # Several processes may be first together: the first one's stands.
            kept = self._store.keep_setting(_OPERATOR_SECRET, fresh)
        return _derive(self._unwrap_key(_OPERATOR, bytes.fromhex(kept)), use, salt)

    # -- wrapping anew ---------------------------------------------------------------------------

    def rotate(self, new: bytes | KeySource) -> int:
        """Rewrap every subject's key under the new key; what is sealed stays as it is.

        Returns how many were rewrapped. May be repeated after a crash: what is done is skipped.
        """
        first = FileKeys(new, entropy=self._entropy) if isinstance(new, bytes) else new
        self._keys = ManyKeys(first, self._keys)
        return self.rewrap()

    def rewrap(self) -> int:
        """`rotate` to the key that wraps today: whatever is still under an older one."""
        self._rewrap_operator_secret()
        return sum(self._rewrap(subject) for subject in self._subjects())

    def wrapped_under(self) -> dict[str, int]:
        """How many subjects' keys are wrapped under which key; erased ones under ``."""
        counts: dict[str, int] = {}
        for subject in self._subjects():
            name = wrapped_under(subject.wrapped_key) if subject.wrapped_key else ""
            counts[name] = counts.get(name, 0) + 1
        return counts

    @property
    def current(self) -> str:
        """The public name of the key that wraps today."""
        return self._keys.current

    def _rewrap_operator_secret(self) -> None:
        kept = self._store.setting(_OPERATOR_SECRET)
        if kept is not None and wrapped_under(bytes.fromhex(kept)) != self._keys.current:
            secret = self._unwrap_key(_OPERATOR, bytes.fromhex(kept))
            self._store.set_setting(_OPERATOR_SECRET, self._wrap(_OPERATOR, secret).hex())

    def _rewrap(self, subject: Subject) -> bool:
        if not subject.wrapped_key or wrapped_under(subject.wrapped_key) == self._keys.current:
            return False
        wrapped = self._wrap(subject.id, self._unwrap(subject))
        self._store.rewrap_subject_key(subject.id, wrapped)
        if self._store.setting(_tombstone(subject.id)) is not None:
            self._store.rewrap_subject_key(subject.id, b"")
            return False
        return True

    def _subjects(self) -> Iterator[Subject]:
        after = ""
        while batch := self._store.subjects_after(after, limit=_BATCH):
            yield from batch
            after = batch[-1].id

    # -- wrapping --------------------------------------------------------------------------------

    def _wrap(self, owner: str, key: bytes) -> bytes:
        return self._keys.wrap(key, binding("key", owner))

    def _unwrap(self, subject: Subject) -> bytes:
        if not subject.wrapped_key:
            raise NotFound("the personal data of this subject has been erased")
        return self._unwrap_key(subject.id, subject.wrapped_key)

    def _unwrap_key(self, owner: str, wrapped: bytes) -> bytes:
        return self._keys.unwrap(wrapped, binding("key", owner))


def binding(*parts: str) -> bytes:
    """What sealed bytes are bound to. JSON keeps the parts apart: no two lists of parts give the
    same bytes."""
    return rfc8785.dumps(["kycgate/vault/1", *parts])


def _derive(key: bytes, use: str, salt: bytes) -> bytes:
    info = f"kycgate/vault/{use}/1".encode()
    return HKDF(algorithm=SHA256(), length=KEY, salt=salt, info=info).derive(key)


def _tombstone(subject_id: str) -> str:
    return f"shredded/{subject_id}"
