"""Where evidence about a person is kept so that a stolen database tells nobody's name.

Decides nothing about people and knows no form: it seals documents, opens them for a named reader,
and forgets.

Every subject has a data key of 32 random bytes. The store holds it only wrapped under the
operator's key-encryption key: dropping the wrapped key erases all that was sealed for the subject.

    wrapped key   see `vaultkeys`
    evidence      "KE1" ‖ nonce (12) ‖ AES-256-GCM({document, salt}; aad: subject, case, kind, id)
    credential    "KC1" ‖ nonce (12) ‖ AES-256-GCM(text; aad: subject, account)
    note          "KN1" ‖ nonce (12) ‖ AES-256-GCM(text; aad: subject, case)
    blob          see `chunks` (aad: subject, case, kind, id)
    document      HKDF-SHA256(operator secret; a document's number), 32 bytes: a keyed digest

The operator secret is 32 random bytes, kept wrapped like a data key: a new key-encryption key
changes none of the digests made with it.
    commitment    keccak256(salt (32) ‖ RFC 8785 of the document), the salt inside the seal
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

import rfc8785
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kycgate.core.claims import Kind
from kycgate.core.typed import keccak
from kycgate.errors import Conflict, Malformed, NotFound
from kycgate.issuer import chunks
from kycgate.issuer.vaultkeys import (
    KEY,
    NONCE,
    Entropy,
    FileKeys,
    KeySource,
    ManyKeys,
    key_id,
    wrapped_under,
)
from kycgate.store.base import SealedBlob, SealedEvidence, Store, Subject

__all__ = ["RETENTION", "Entropy", "Log", "Vault", "key_id"]

RETENTION: Final = "retention"
"""The name of the duty to keep records: what a restricted subject's data may be opened under."""

_SEALED: Final = b"KE1"
_CREDENTIAL: Final = b"KC1"
_NOTE: Final = b"KN1"
_OPERATOR: Final = "operator"
"""In place of a subject's id where the operator's own secret is wrapped."""
_OPERATOR_SECRET: Final = "vault/operator-secret"  # noqa: S105 - the name of a setting
_BATCH: Final = 500
"""Subjects read at once."""


class Log(Protocol):
    """The decision log, as far as this room writes it."""

    def append(self, kind: str, body: dict[str, Any], *, now: int) -> object:
        """Durable when it returns. Raises Unavailable when it could not be written."""


class Vault:
    """Seals and opens the evidence of each subject under that subject's own key.

    `keys` are a key-encryption key of 32 bytes, or wherever else keys are wrapped; with bytes,
    `also_opens` are keys that only unwrap. To rotate with several processes running: give every
    process the new key in `also_opens`, call `rotate`, then make it everybody's own.

    A subject who asked to be erased while the law keeps the data is restricted: nothing of theirs
    is opened then but under the name of what keeps it.
    """

    def __init__(
        self,
        store: Store,
        keys: bytes | KeySource,
        *,
        log: Log,
        also_opens: tuple[bytes, ...] = (),
        entropy: Entropy = secrets.token_bytes,
    ) -> None:
        self._store = store
        self._log = log
        self._entropy = entropy
        self._keys: KeySource = (
            FileKeys(keys, also=also_opens, entropy=entropy) if isinstance(keys, bytes) else keys
        )

    # -- subjects --------------------------------------------------------------------------------

    def new_subject(self, kind: Kind, *, now: int) -> Subject:
        """A subject with a pseudonym and a data key of its own, stored."""
        subject_id = self._entropy(16).hex()
        subject = Subject(
            id=subject_id,
            pseudonym=self._entropy(32),
            kind=int(kind),
            created_at=now,
            wrapped_key=self._wrap(subject_id, self._entropy(KEY)),
        )
        self._store.add_subject(subject)
        return subject

    def shred(self, subject_id: str, *, now: int) -> None:
        """Erase everything sealed for this subject, for good, by dropping its key.

        The tombstone comes first: a rotation going on meanwhile must not bring the key back.
        """
        self._log.append("subject_shredded", {"subject": subject_id}, now=now)
        self._store.set_setting(_tombstone(subject_id), str(now))
        self._store.rewrap_subject_key(subject_id, b"")
        self._store.forget_documents(subject_id)
        self._store.drop_blobs(subject_id)

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
    def current_key(self) -> str:
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

    # -- evidence --------------------------------------------------------------------------------

    def seal(
        self, subject_id: str, kind: str, document: dict[str, Any], *, case_id: str, now: int
    ) -> SealedEvidence:
        """Evidence as it may be stored. The caller stores it; ids sort in the order of sealing."""
        number = len(self._store.evidence_of(case_id))
        evidence_id = f"{number:06d}-{self._entropy(12).hex()}"
        salt, nonce = self._entropy(32), self._entropy(NONCE)
        plain = rfc8785.dumps({"document": document, "salt": salt.hex()})
        aad = _binding(subject_id, case_id, kind, evidence_id)
        return SealedEvidence(
            id=evidence_id,
            case_id=case_id,
            subject_id=subject_id,
            kind=kind,
            sealed=_SEALED
            + nonce
            + AESGCM(self._cipher_key(subject_id)).encrypt(nonce, plain, aad),
            commitment=_commitment(salt, document),
            created_at=now,
        )

    def open(
        self, evidence: SealedEvidence, *, reader: str, now: int, hold: str | None = None
    ) -> dict[str, Any]:
        """The document, after the reading stands in the decision log.

        Raises Unavailable when the key it was sealed under is not loaded, NotFound when the subject
        was erased, Conflict when they are restricted and `hold` names nothing that keeps the data,
        Malformed when what is stored is not what was sealed.
        """
        said = {"reader": reader, "case": evidence.case_id, "evidence": evidence.id}
        self._log.append("evidence_read", said | ({"hold": hold} if hold else {}), now=now)
        self._require_open(evidence.subject_id, hold, now)
        return self._open(evidence)

    def _require_open(self, subject_id: str, hold: str | None, now: int) -> None:
        subject = self._store.subject(subject_id)
        if subject is None or subject.restricted_until is None:
            return
        names = {RETENTION} if now < subject.restricted_until else set()
        names |= {each.id for each in self._store.holds_of(subject_id) if each.stands(now)}
        if hold not in names:
            raise Conflict(
                "this person asked to be erased: what the law still keeps is opened only under"
                f" the name of what keeps it ({', '.join(sorted(names)) or 'nothing does'})"
            )

    def _open(self, evidence: SealedEvidence) -> dict[str, Any]:
        cipher = AESGCM(self._cipher_key(evidence.subject_id))
        nonce, body = _split(evidence.sealed, _SEALED, "evidence.sealed")
        aad = _binding(evidence.subject_id, evidence.case_id, evidence.kind, evidence.id)
        try:
            inner = json.loads(cipher.decrypt(nonce, body, aad))
        except InvalidTag as e:
            raise _tampered(evidence.id) from e
        document: dict[str, Any] = inner["document"]
        if _commitment(bytes.fromhex(inner["salt"]), document) != evidence.commitment:
            raise _tampered(evidence.id)
        return document

    def attestation_salt(self, subject_id: str, attestation: bytes) -> bytes:
        """32 secret bytes bound to one attestation's own salt, gone once the subject is shredded.

        They salt that attestation's evidence commitment: fresh each time, so that two attestations
        of one subject can't be linked by it, and known again to an auditor without being stored.
        """
        return _derive(self._data_key(subject_id), b"kycgate/vault/attestation/1", attestation)

    def blind(self, subject_id: str, statement: bytes) -> bytes:
        """32 bytes that stand for a statement about this subject, and tell it to nobody else.

        The same statement gives the same bytes until the subject is shredded. Raises as `open`.
        """
        return _derive(self._data_key(subject_id), b"kycgate/vault/statement/1", statement)

    def open_many(
        self, pieces: Sequence[SealedEvidence], *, reader: str, now: int
    ) -> list[dict[str, Any] | None]:
        """The documents for a machine's eyes alone, after one line in the decision log for all.

        None for what is erased, restricted or altered. Raises Unavailable for a key that is not
        loaded.
        """
        self._log.append("evidence_indexed", {"reader": reader, "count": len(pieces)}, now=now)
        return [self._opened(each, now) for each in pieces]

    def _opened(self, evidence: SealedEvidence, now: int) -> dict[str, Any] | None:
        try:
            self._require_open(evidence.subject_id, None, now)
            return self._open(evidence)
        except (NotFound, Malformed, Conflict):
            return None

    # -- images ----------------------------------------------------------------------------------

    def seal_blob(
        self, subject_id: str, kind: str, media: str, plain: bytes, *, case_id: str, now: int
    ) -> SealedBlob:
        """An image as it may be stored, sealed a chunk at a time. The caller stores it."""
        blob_id = self._entropy(16).hex()
        aad = _binding("blob", subject_id, case_id, kind, blob_id)
        prefix = self._entropy(chunks.PREFIX)
        return SealedBlob(
            id=blob_id,
            case_id=case_id,
            subject_id=subject_id,
            kind=kind,
            media=media,
            size=len(plain),
            sealed=chunks.seal(AESGCM(self._blob_key(subject_id)), prefix, plain, aad),
            created_at=now,
        )

    def open_blob(
        self, blob: SealedBlob, *, reader: str, now: int, hold: str | None = None
    ) -> Iterator[bytes]:
        """The image in pieces, after the reading stands in the log. Raises as `open` does.

        A piece is given only when it is what was sealed; one cut off at the end raises too.
        """
        said = {"reader": reader, "case": blob.case_id, "evidence": blob.id}
        self._log.append("evidence_read", said | ({"hold": hold} if hold else {}), now=now)
        self._require_open(blob.subject_id, hold, now)
        aad = _binding("blob", blob.subject_id, blob.case_id, blob.kind, blob.id)
        cipher = AESGCM(self._blob_key(blob.subject_id))
        return _whole(blob, chunks.opened(cipher, blob.sealed, aad))

    # -- notes to the renter, documents known again ----------------------------------------------

    def seal_note(self, subject_id: str, case_id: str, text: str) -> bytes:
        """What a renter is told in a case, as it may be stored."""
        nonce, aad = self._entropy(NONCE), _binding("note", subject_id, case_id)
        cipher = AESGCM(self._note_key(subject_id))
        return _NOTE + nonce + cipher.encrypt(nonce, text.encode(), aad)

    def open_note(self, subject_id: str, case_id: str, sealed: bytes) -> str:
        """What was sealed for this case. It was written for the renter, so this is not logged.

        Raises as `open` does.
        """
        nonce, body = _split(sealed, _NOTE, "case.needs")
        aad = _binding("note", subject_id, case_id)
        try:
            return AESGCM(self._note_key(subject_id)).decrypt(nonce, body, aad).decode()
        except InvalidTag as e:
            raise Malformed(
                "the stored note was altered, or sealed for another case",
                field="case.needs",
                remedy="ask again",
            ) from e

    def document_digest(self, number: str) -> bytes:
        """By what the same document is known again, whoever presents it.

        Keyed, because numbers of passports can be guessed one after another. Raises Unavailable.
        """
        return _derive(self._operator_secret(), b"kycgate/vault/document/1", number.encode())

    def _operator_secret(self) -> bytes:
        kept = self._store.setting(_OPERATOR_SECRET)
        if kept is None:
            fresh = self._wrap(_OPERATOR, self._entropy(KEY)).hex()
            # Several processes may be first together: the first one's stands.
            kept = self._store.keep_setting(_OPERATOR_SECRET, fresh)
        return self._unwrap_key(_OPERATOR, bytes.fromhex(kept))

    # -- credentials -----------------------------------------------------------------------------

    def seal_credential(self, subject_id: str, account: str, credential: str) -> bytes:
        """The account's own credential at the marketplace, as it may be stored."""
        nonce = self._entropy(NONCE)
        cipher = AESGCM(self._credential_key(subject_id))
        aad = _binding("credential", subject_id, account)
        return _CREDENTIAL + nonce + cipher.encrypt(nonce, credential.encode(), aad)

    def open_credential(self, subject_id: str, account: str, sealed: bytes) -> str:
        """What was sealed for this account. No reading of evidence, so not logged.

        Raises as `open` does.
        """
        nonce, body = _split(sealed, _CREDENTIAL, "credential.sealed")
        cipher = AESGCM(self._credential_key(subject_id))
        try:
            return cipher.decrypt(nonce, body, _binding("credential", subject_id, account)).decode()
        except InvalidTag as e:
            raise Malformed(
                "the stored credential was altered, or sealed for another account",
                field="credential.sealed",
                remedy="set it again",
            ) from e

    # -- keys ------------------------------------------------------------------------------------

    def _cipher_key(self, subject_id: str) -> bytes:
        return _derive(self._data_key(subject_id), b"kycgate/vault/evidence/1", b"")

    def _credential_key(self, subject_id: str) -> bytes:
        return _derive(self._data_key(subject_id), b"kycgate/vault/credential/1", b"")

    def _blob_key(self, subject_id: str) -> bytes:
        return _derive(self._data_key(subject_id), b"kycgate/vault/blob/1", b"")

    def _note_key(self, subject_id: str) -> bytes:
        return _derive(self._data_key(subject_id), b"kycgate/vault/note/1", b"")

    def _data_key(self, subject_id: str) -> bytes:
        subject = self._store.subject(subject_id)
        if subject is None:
            raise NotFound("no such subject")
        return self._unwrap(subject)

    def _wrap(self, owner: str, key: bytes) -> bytes:
        return self._keys.wrap(key, _binding("key", owner))

    def _unwrap(self, subject: Subject) -> bytes:
        if not subject.wrapped_key:
            raise NotFound("the personal data of this subject has been erased")
        return self._unwrap_key(subject.id, subject.wrapped_key)

    def _unwrap_key(self, owner: str, wrapped: bytes) -> bytes:
        return self._keys.unwrap(wrapped, _binding("key", owner))


def _whole(blob: SealedBlob, pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from pieces
    except InvalidTag as e:
        raise _tampered(blob.id) from e


def _split(sealed: bytes, header: bytes, field: str) -> tuple[bytes, bytes]:
    body = sealed[len(header) + NONCE :]
    if not sealed.startswith(header) or len(body) < 16:
        raise Malformed("is cut short or of an unknown version", field=field)
    return sealed[len(header) : len(header) + NONCE], body


def _binding(*parts: str) -> bytes:
    # JSON keeps the parts apart: no two lists of parts give the same bytes.
    return rfc8785.dumps(["kycgate/vault/1", *parts])


def _commitment(salt: bytes, document: dict[str, Any]) -> bytes:
    return keccak(salt + rfc8785.dumps(document))


def _derive(key: bytes, info: bytes, salt: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY, salt=salt, info=info).derive(key)


def _tombstone(subject_id: str) -> str:
    return f"shredded/{subject_id}"


def _tampered(evidence_id: str) -> Malformed:
    return Malformed(
        f"evidence {evidence_id} is not what was sealed: it was altered or moved",
        field="evidence.sealed",
        remedy="restore it from a backup",
    )
