"""The keys that wrap the subjects' keys: in a file of the operator's, or kept by a service.

Seals no evidence. Whoever holds one of these keys can open everything wrapped under it; a service
(a KMS, an HSM) lets this process ask without ever holding one.

    wrapped here        "KW1" ‖ key id (8) ‖ nonce (12) ‖ AES-256-GCM(key; aad: binding)
    wrapped elsewhere   "KW2" ‖ length of the key id (1) ‖ key id ‖ what the service gave

A plug-in is an entry point of the group `kycgate.vault_keys`: a callable that takes the text of
`[vault] address` and gives a `WrappingService`.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256, Hash

from kycgate.errors import KycgateError, Malformed, Misconfigured, Unavailable

Entropy = Callable[[int], bytes]
"""Gives so many random bytes."""

GROUP: Final = "kycgate.vault_keys"
KEY: Final = 32
NONCE: Final = 12
_KEY_ID: Final = 8
_HERE: Final = b"KW1"
_ELSEWHERE: Final = b"KW2"
_NAME: Final = re.compile(r"[!-~]{1,200}", re.ASCII)


class WrappingService(Protocol):
    """Somebody who wraps keys for us. Thread-safe; answers within seconds.

    `binding` must be authenticated with the key (a KMS's encryption context, an AEAD's associated
    data): what was wrapped under one binding must not unwrap under another. Raises Unavailable
    without an answer, Malformed for what it did not wrap. Never writes a key anywhere.
    """

    @property
    def key_id(self) -> str:
        """Names the key that wraps today: 1 to 200 visible ASCII characters."""

    def wrap(self, key: bytes, *, binding: bytes) -> bytes:
        """`key` (32 bytes) wrapped under today's key."""

    def unwrap(self, wrapped: bytes, *, key_id: str, binding: bytes) -> bytes:
        """What was wrapped under that key, today's or an earlier one."""


class KeySource(Protocol):
    """Where the vault has its keys wrapped."""

    @property
    def current(self) -> str:
        """The public name of the key that wraps today."""

    def wrap(self, key: bytes, binding: bytes) -> bytes: ...
    def unwrap(self, wrapped: bytes, binding: bytes) -> bytes:
        """Raises Unavailable for a key that is not loaded, Malformed for what was altered."""


class FileKeys:
    """Keys held in this process's memory. `kek` wraps; those in `also` only unwrap."""

    def __init__(
        self, kek: bytes, *, also: tuple[bytes, ...] = (), entropy: Entropy = secrets.token_bytes
    ) -> None:
        self._keys = {key_id(key): key for key in (*also, kek)}
        self._current = key_id(kek)
        self._entropy = entropy

    @property
    def current(self) -> str:
        return self._current.hex()

    def wrap(self, key: bytes, binding: bytes) -> bytes:
        nonce = self._entropy(NONCE)
        sealed = AESGCM(self._keys[self._current]).encrypt(nonce, key, binding)
        return _HERE + self._current + nonce + sealed

    def unwrap(self, wrapped: bytes, binding: bytes) -> bytes:
        header = _HERE + (under := wrapped[len(_HERE) : len(_HERE) + _KEY_ID])
        if not wrapped.startswith(_HERE) or under not in self._keys:
            raise not_loaded(wrapped)
        body = wrapped[len(header) + NONCE :]
        if len(body) < 16:
            raise altered()
        try:
            nonce = wrapped[len(header) : len(header) + NONCE]
            return AESGCM(self._keys[under]).decrypt(nonce, body, binding)
        except InvalidTag as e:
            raise altered() from e


class ServiceKeys:
    """Keys that a service holds, behind the vault's own form. What it says is checked."""

    def __init__(self, service: WrappingService) -> None:
        self._service = service
        if not _NAME.fullmatch(service.key_id):
            raise Misconfigured(("vault.keys: the service's key id is not 1 to 200 characters",))

    @property
    def current(self) -> str:
        return self._service.key_id

    def wrap(self, key: bytes, binding: bytes) -> bytes:
        name = self.current.encode()
        wrapped = self._service.wrap(key, binding=binding)
        if not wrapped or key in wrapped:
            raise Unavailable("the vault's key service gave back what is no wrapped key")
        return _ELSEWHERE + bytes([len(name)]) + name + wrapped

    def unwrap(self, wrapped: bytes, binding: bytes) -> bytes:
        if not wrapped.startswith(_ELSEWHERE) or len(wrapped) < 5:
            raise not_loaded(wrapped)
        end = 4 + wrapped[3]
        named = wrapped[4:end].decode("ascii", "replace")
        key = self._service.unwrap(wrapped[end:], key_id=named, binding=binding)
        if len(key) != KEY:
            raise Unavailable("the vault's key service gave back what is no key")
        return key


class ManyKeys:
    """One source that wraps, and others that still unwrap what was wrapped before."""

    def __init__(self, first: KeySource, *others: KeySource) -> None:
        self._first = first
        self._all = (first, *others)

    @property
    def current(self) -> str:
        return self._first.current

    def wrap(self, key: bytes, binding: bytes) -> bytes:
        return self._first.wrap(key, binding)

    def unwrap(self, wrapped: bytes, binding: bytes) -> bytes:
        problem: KycgateError = not_loaded(wrapped)
        for source in self._all:
            try:
                return source.unwrap(wrapped, binding)
            except Unavailable as error:
                problem = error
        raise problem


def open_service(name: str, address: str) -> WrappingService:
    """The plug-in of that name. Raises Misconfigured when there is none or it can't start."""
    for found in entry_points(group=GROUP):
        if found.name == name:
            service: WrappingService = found.load()(address)
            return service
    known = ", ".join(sorted(each.name for each in entry_points(group=GROUP)))
    raise Misconfigured((f"vault.keys: no plug-in {name} is installed; there are: file, {known}",))


def key_id(kek: bytes) -> bytes:
    """The public name of a key-encryption key, 8 bytes. Raises Misconfigured if it is no key."""
    if len(kek) != KEY:
        raise Misconfigured(("the vault key must have 32 bytes: make one with `kycgate keys`",))
    digest = Hash(SHA256())
    digest.update(b"kycgate/vault/key-id/1" + kek)
    return digest.finalize()[:_KEY_ID]


def wrapped_under(wrapped: bytes) -> str:
    """The name of the key something is wrapped under. Raises Malformed."""
    if wrapped.startswith(_HERE):
        return wrapped[len(_HERE) : len(_HERE) + _KEY_ID].hex()
    if wrapped.startswith(_ELSEWHERE) and len(wrapped) > 4:
        return wrapped[4 : 4 + wrapped[3]].decode("ascii", "replace")
    raise Malformed("is of an unknown version", field="subject.wrapped_key")


def not_loaded(wrapped: bytes) -> Unavailable:
    """The answer for a key this process has no access to. Raises Malformed for no wrapped key."""
    return Unavailable(f"the vault key {wrapped_under(wrapped)} this is sealed under is not loaded")


def altered() -> Malformed:
    """The answer for a wrapped key that does not unwrap."""
    return Malformed(
        "the stored key of this subject was altered",
        field="subject.wrapped_key",
        remedy="restore it from a backup",
    )
