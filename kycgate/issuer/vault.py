"""Where evidence about a person is kept so that a stolen database tells nobody's name.

Decides nothing about people and knows no form: it seals documents, opens them for a named reader,
and forgets.

Everything is sealed under a key of its subject's own, derived for that use: see `subjectkeys`.

    evidence      "KE1" ‖ nonce (12) ‖ AES-256-GCM({document, salt}; aad: subject, case, kind, id)
    credential    "KC1" ‖ nonce (12) ‖ AES-256-GCM(text; aad: subject, account)
    note          "KN1" ‖ nonce (12) ‖ AES-256-GCM(text; aad: subject, case)
    blob          see `chunks` (aad: subject, case, kind, id)
    document      32 bytes derived from the operator secret and a document's number: a keyed digest
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

from kycgate.core.claims import Kind
from kycgate.core.typed import keccak
from kycgate.errors import Conflict, Malformed, NotFound
from kycgate.issuer import chunks
from kycgate.issuer.subjectkeys import SubjectKeys, binding
from kycgate.issuer.vaultkeys import NONCE, Entropy, FileKeys, KeySource, key_id
from kycgate.store.base import Store
from kycgate.store.records.cases import SealedBlob, SealedEvidence, Subject

__all__ = ["RETENTION", "Entropy", "Log", "Vault", "key_id"]

RETENTION: Final = "retention"
"""The name of the duty to keep records: what a restricted subject's data may be opened under."""

_SEALED: Final = b"KE1"
_CREDENTIAL: Final = b"KC1"
_NOTE: Final = b"KN1"


class Log(Protocol):
    """The decision log, as far as this room writes it."""

    def append(self, kind: str, body: dict[str, Any], *, now: int) -> object:
        """Durable when it returns. Raises Unavailable when it could not be written."""


class Vault:
    """Seals and opens the evidence of each subject under that subject's own key.

    `keys` are a key-encryption key of 32 bytes, or wherever else keys are wrapped; with bytes,
    `also_opens` are keys that only unwrap. To rotate with several processes running: give every
    process the new key in `also_opens`, call `keys.rotate`, then make it everybody's own.

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
        self.keys = SubjectKeys(
            store,
            FileKeys(keys, also=also_opens, entropy=entropy) if isinstance(keys, bytes) else keys,
            entropy=entropy,
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
            wrapped_key=self.keys.new(subject_id),
        )
        self._store.add_subject(subject)
        return subject

    def shred(self, subject_id: str, *, now: int) -> None:
        """Erase everything sealed for this subject, for good, by dropping its key."""
        self._log.append("subject_shredded", {"subject": subject_id}, now=now)
        self.keys.drop(subject_id, now=now)
        self._store.forget_documents(subject_id)
        self._store.drop_blobs(subject_id)

    # -- evidence --------------------------------------------------------------------------------

    def seal(
        self, subject_id: str, kind: str, document: dict[str, Any], *, case_id: str, now: int
    ) -> SealedEvidence:
        """Evidence as it may be stored. The caller stores it; ids sort in the order of sealing."""
        number = len(self._store.evidence_of(case_id))
        evidence_id = f"{number:06d}-{self._entropy(12).hex()}"
        salt, nonce = self._entropy(32), self._entropy(NONCE)
        plain = rfc8785.dumps({"document": document, "salt": salt.hex()})
        aad = binding(subject_id, case_id, kind, evidence_id)
        return SealedEvidence(
            id=evidence_id,
            case_id=case_id,
            subject_id=subject_id,
            kind=kind,
            sealed=_SEALED
            + nonce
            + AESGCM(self.keys.derived(subject_id, "evidence")).encrypt(nonce, plain, aad),
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
        cipher = AESGCM(self.keys.derived(evidence.subject_id, "evidence"))
        nonce, body = _split(evidence.sealed, _SEALED, "evidence.sealed")
        aad = binding(evidence.subject_id, evidence.case_id, evidence.kind, evidence.id)
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
        return self.keys.derived(subject_id, "attestation", attestation)

    def blind(self, subject_id: str, statement: bytes) -> bytes:
        """32 bytes that stand for a statement about this subject, and tell it to nobody else.

        The same statement gives the same bytes until the subject is shredded. Raises as `open`.
        """
        return self.keys.derived(subject_id, "statement", statement)

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
        aad = binding("blob", subject_id, case_id, kind, blob_id)
        prefix = self._entropy(chunks.PREFIX)
        return SealedBlob(
            id=blob_id,
            case_id=case_id,
            subject_id=subject_id,
            kind=kind,
            media=media,
            size=len(plain),
            sealed=chunks.seal(AESGCM(self.keys.derived(subject_id, "blob")), prefix, plain, aad),
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
        aad = binding("blob", blob.subject_id, blob.case_id, blob.kind, blob.id)
        cipher = AESGCM(self.keys.derived(blob.subject_id, "blob"))
        return _whole(blob, chunks.opened(cipher, blob.sealed, aad))

    # -- notes to the renter, documents known again ----------------------------------------------

    def seal_note(self, subject_id: str, case_id: str, text: str) -> bytes:
        """What a renter is told in a case, as it may be stored."""
        return self._seal_text(_NOTE, "note", subject_id, case_id, text)

    def open_note(self, subject_id: str, case_id: str, sealed: bytes) -> str:
        """What was sealed for this case. It was written for the renter, so this is not logged.

        Raises as `open` does.
        """
        altered = Malformed(
            "the stored note was altered, or sealed for another case",
            field="case.needs",
            remedy="ask again",
        )
        return self._open_text(_NOTE, "note", subject_id, case_id, sealed, altered)

    def document_digest(self, number: str) -> bytes:
        """By what the same document is known again, whoever presents it.

        Keyed, because numbers of passports can be guessed one after another. Raises Unavailable.
        """
        return self.keys.of_operator("document", number.encode())

    # -- credentials -----------------------------------------------------------------------------

    def seal_credential(self, subject_id: str, account: str, credential: str) -> bytes:
        """The account's own credential at the marketplace, as it may be stored."""
        return self._seal_text(_CREDENTIAL, "credential", subject_id, account, credential)

    def open_credential(self, subject_id: str, account: str, sealed: bytes) -> str:
        """What was sealed for this account. No reading of evidence, so not logged.

        Raises as `open` does.
        """
        altered = Malformed(
            "the stored credential was altered, or sealed for another account",
            field="credential.sealed",
            remedy="set it again",
        )
        return self._open_text(_CREDENTIAL, "credential", subject_id, account, sealed, altered)

    # -- short texts -----------------------------------------------------------------------------

    def _seal_text(self, header: bytes, use: str, subject_id: str, about: str, text: str) -> bytes:
        nonce, aad = self._entropy(NONCE), binding(use, subject_id, about)
        cipher = AESGCM(self.keys.derived(subject_id, use))
        return header + nonce + cipher.encrypt(nonce, text.encode(), aad)

    def _open_text(
        self,
        header: bytes,
        use: str,
        subject_id: str,
        about: str,
        sealed: bytes,
        altered: Malformed,
    ) -> str:
        nonce, body = _split(sealed, header, str(altered.field))
        aad = binding(use, subject_id, about)
        try:
            return AESGCM(self.keys.derived(subject_id, use)).decrypt(nonce, body, aad).decode()
        except InvalidTag as e:
            raise altered from e


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


def _commitment(salt: bytes, document: dict[str, Any]) -> bytes:
    return keccak(salt + rfc8785.dumps(document))


def _tampered(evidence_id: str) -> Malformed:
    return Malformed(
        f"evidence {evidence_id} is not what was sealed: it was altered or moved",
        field="evidence.sealed",
        remedy="restore it from a backup",
    )
