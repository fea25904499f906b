"""Keys kept elsewhere wrap ours, keys change while people work, and large things stay whole."""

from __future__ import annotations

import stat
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kycgate.core.claims import Kind
from kycgate.errors import Malformed, Misconfigured, NotFound, Unavailable
from kycgate.issuer.vault import Vault
from kycgate.issuer.vaultcommand import CommandKeys
from kycgate.issuer.vaultkeys import (
    FileKeys,
    ManyKeys,
    ServiceKeys,
    open_service,
    wrapped_under,
)
from kycgate.store.base import Store
from kycgate.store.records.cases import Case, CaseEvent, SealedBlob, Subject
from tests.issuer.conftest import KEK, NOW, Lines

DOCUMENT = {"name": "Ada Okafor"}


@dataclass
class Kms:
    """A key service in memory: keys by name, the newest wraps."""

    keys: dict[str, bytes] = field(default_factory=lambda: {"alias/kyc/1": b"\x01" * 32})
    down: bool = False
    nonce: int = 0

    @property
    def key_id(self) -> str:
        return list(self.keys)[-1]

    def wrap(self, key: bytes, *, binding: bytes) -> bytes:
        self._answer()
        self.nonce += 1
        nonce = self.nonce.to_bytes(12, "big")
        return nonce + AESGCM(self.keys[self.key_id]).encrypt(nonce, key, binding)

    def unwrap(self, wrapped: bytes, *, key_id: str, binding: bytes) -> bytes:
        self._answer()
        if key_id not in self.keys:
            raise Unavailable("no such key")
        try:
            return AESGCM(self.keys[key_id]).decrypt(wrapped[:12], wrapped[12:], binding)
        except InvalidTag as e:
            raise Malformed("was altered", field="wrapped") from e

    def _answer(self) -> None:
        if self.down:
            raise Unavailable("the key service does not answer")


def a_case(store: Store, vault: Vault, name: str = "c1") -> Subject:
    subject = vault.new_subject(Kind.PERSON, now=NOW)
    case = Case(name, subject.id, "0x" + "11" * 20, 1, "draft", NOW, NOW)
    store.add_case(case, CaseEvent(name, NOW, "renter", "open", "", "draft"))
    return subject


# -- keys kept elsewhere -----------------------------------------------------------------------


def test_a_service_wraps_and_opens_without_its_key_ever_being_here(
    store: Store, log: Lines
) -> None:
    kms = Kms()
    vault = Vault(store, ServiceKeys(kms), log=log)
    subject = a_case(store, vault)
    evidence = vault.seal(subject.id, "details", DOCUMENT, case_id="c1", now=NOW)
    assert vault.open(evidence, reader="mara", now=NOW) == DOCUMENT
    assert wrapped_under(subject.wrapped_key) == "alias/kyc/1"
    assert vault.keys.wrapped_under() == {"alias/kyc/1": 1}
    kms.down = True
    with pytest.raises(Unavailable):
        vault.open(evidence, reader="mara", now=NOW)


def test_a_key_wrapped_for_one_subject_opens_nothing_of_another(store: Store, log: Lines) -> None:
    vault = Vault(store, ServiceKeys(Kms()), log=log)
    first, second = a_case(store, vault), a_case(store, vault, "c2")
    evidence = vault.seal(second.id, "details", DOCUMENT, case_id="c2", now=NOW)
    store.rewrap_subject_key(second.id, first.wrapped_key)
    with pytest.raises(Malformed):
        vault.open(evidence, reader="mara", now=NOW)


def test_moving_from_a_file_to_a_service_keeps_everything_readable_throughout(
    store: Store, log: Lines
) -> None:
    """What another process still does with the old key meanwhile goes on, too."""
    old = Vault(store, KEK, log=log)
    subject = a_case(store, old)
    evidence = old.seal(subject.id, "details", DOCUMENT, case_id="c1", now=NOW)
    digest = old.document_digest("250:1")
    kms = Kms()
    both = Vault(store, ManyKeys(ServiceKeys(kms), FileKeys(KEK)), log=log)
    assert both.open(evidence, reader="mara", now=NOW) == DOCUMENT
    assert both.keys.rewrap() == 1
    assert both.keys.rewrap() == 0
    alone = Vault(store, ServiceKeys(kms), log=log)
    assert alone.open(evidence, reader="mara", now=NOW) == DOCUMENT
    assert alone.document_digest("250:1") == digest
    with pytest.raises(Unavailable, match="alias/kyc/1"):
        old.open(evidence, reader="mara", now=NOW)


def test_a_services_own_new_key_is_taken_up_by_rewrapping(store: Store, log: Lines) -> None:
    kms = Kms()
    vault = Vault(store, ServiceKeys(kms), log=log)
    a_case(store, vault)
    kms.keys["alias/kyc/2"] = b"\x02" * 32
    assert vault.keys.rewrap() == 1
    del kms.keys["alias/kyc/1"]
    assert vault.keys.wrapped_under() == {"alias/kyc/2": 1}
    vault.attestation_salt(store.subjects_after("", limit=1)[0].id, b"a" * 32)


def test_a_service_that_gives_the_key_back_unwrapped_is_not_used(store: Store, log: Lines) -> None:
    class Leaky(Kms):
        def wrap(self, key: bytes, *, binding: bytes) -> bytes:
            return b"v1" + key

    with pytest.raises(Unavailable):
        Vault(store, ServiceKeys(Leaky()), log=log).new_subject(Kind.PERSON, now=NOW)
    assert store.subjects_after("", limit=9) == []


@pytest.mark.parametrize("name", ["", "a b", "ключ", "x" * 201])
def test_a_service_must_name_its_key(name: str) -> None:
    kms = Kms({name: b"\x01" * 32})
    with pytest.raises(Misconfigured):
        ServiceKeys(kms)


def test_an_unknown_plug_in_is_named() -> None:
    with pytest.raises(Misconfigured, match="nonesuch"):
        open_service("nonesuch", "x")


PROGRAM = """#!{python}
import base64, json, sys
asked = json.load(sys.stdin)
b64 = lambda text: base64.b64decode(asked[text])
mask = lambda data, binding: bytes(a ^ b for a, b in zip(data, (binding * 9)[:len(data)]))
if sys.argv[1] == "id":
    answer = {{"key_id": "pkcs11:slot=0;id=7"}}
elif sys.argv[1] == "wrap":
    answer = {{"wrapped": base64.b64encode(mask(b64("key"), b64("binding"))).decode()}}
else:
    assert asked["key_id"] == "pkcs11:slot=0;id=7"
    answer = {{"key": base64.b64encode(mask(b64("wrapped"), b64("binding"))).decode()}}
json.dump(answer, sys.stdout)
"""


def a_program(folder: Path, text: str) -> str:
    path = folder / "keys"
    path.write_text(text.format(python=sys.executable))
    path.chmod(stat.S_IRWXU)
    return str(path)


def test_a_program_of_the_operators_wraps_keys(tmp_path: Path, store: Store, log: Lines) -> None:
    service = open_service("command", a_program(tmp_path, PROGRAM))
    assert service.key_id == "pkcs11:slot=0;id=7"
    vault = Vault(store, ServiceKeys(service), log=log)
    subject = a_case(store, vault)
    evidence = vault.seal(subject.id, "details", DOCUMENT, case_id="c1", now=NOW)
    assert vault.open(evidence, reader="mara", now=NOW) == DOCUMENT


@pytest.mark.parametrize(
    "text",
    [
        "#!/bin/sh\nexit 3\n",
        "#!/bin/sh\necho secret-key-material\n",
        "#!/bin/sh\necho '{{}}'\n",
        "#!/bin/sh\necho '{{\"key_id\": 7}}'\n",
        "#!/nonexistent\n",
    ],
)
def test_a_program_that_fails_stops_the_start_and_is_not_quoted(tmp_path: Path, text: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        CommandKeys(a_program(tmp_path, text))
    assert "secret" not in str(refused.value)


def test_a_program_is_named_by_its_whole_path() -> None:
    with pytest.raises(Misconfigured):
        CommandKeys("keys")


# -- large things ------------------------------------------------------------------------------


@pytest.fixture
def vault(store: Store, log: Lines) -> Vault:
    return Vault(store, KEK, log=log)


def a_blob(vault: Vault, subject: Subject, plain: bytes, case: str = "c1") -> SealedBlob:
    return vault.seal_blob(subject.id, "front", "image/jpeg", plain, case_id=case, now=NOW)


def read(vault: Vault, blob: SealedBlob) -> bytes:
    return b"".join(vault.open_blob(blob, reader="mara", now=NOW))


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 3 * 65_536, 5_000_000])
def test_a_large_thing_is_opened_as_it_was_sealed(store: Store, vault: Vault, size: int) -> None:
    plain = (bytes(range(256)) * (size // 256 + 1))[:size]
    blob = a_blob(vault, a_case(store, vault), plain)
    assert blob.size == size
    assert read(vault, blob) == plain


def test_pieces_cut_off_swapped_or_altered_are_noticed(store: Store, vault: Vault) -> None:
    subject, other = a_case(store, vault), a_case(store, vault, "c2")
    blob = a_blob(vault, subject, b"x" * 200_000)
    head, step = 10, 65_536 + 16
    body = blob.sealed[head:]
    pieces = [body[at : at + step] for at in range(0, len(body), step)]
    assert len(pieces) == 4
    again = a_blob(vault, subject, b"x" * 200_000)
    for wrong in (
        blob.sealed[:head] + b"".join(pieces[:-1]),
        blob.sealed[:head] + b"".join(pieces[1:]),
        blob.sealed[:head] + pieces[1] + pieces[0] + b"".join(pieces[2:]),
        blob.sealed + b"\0",
        blob.sealed[:-1],
        blob.sealed[:head],
        blob.sealed[:3],
        b"",
        b"KB9" + blob.sealed[3:],
        blob.sealed[:-1] + bytes([blob.sealed[-1] ^ 1]),
        blob.sealed[:head] + again.sealed[head : head + step] + body[step:],
    ):
        with pytest.raises(Malformed):
            read(vault, replace(blob, sealed=wrong))
    for moved in ({"subject_id": other.id}, {"case_id": "c2"}, {"kind": "back"}, {"id": "0"}):
        with pytest.raises(Malformed):
            read(vault, replace(blob, **moved))


def test_a_shredded_subjects_pictures_are_gone(store: Store, vault: Vault) -> None:
    subject = a_case(store, vault)
    blob = a_blob(vault, subject, b"x" * 1000)
    store.add_blob(blob)
    vault.shred(subject.id, now=NOW)
    assert store.blob(blob.id) is None
    with pytest.raises(NotFound):
        read(vault, blob)
