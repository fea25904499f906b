"""Where the operator's keys live, and the only place that signs with them.

A key goes in and signatures come out; no key is ever shown, logged, pickled or handed on.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import stat
from pathlib import Path
from typing import Never, Protocol

from coincurve import PrivateKey
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

from kycgate.core.assertion import EDDSA, ES256, AssertionKey
from kycgate.core.claims import Address, checksum
from kycgate.core.typed import keccak
from kycgate.errors import Misconfigured

_FILE_MOST = 64 * 1024
_PASSWORD_LEAST = 12
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
_KEYLIKE = re.compile(r"[A-Za-z0-9_+=\-]{20,}")
"""A long word without a dot or a slash: digits of a key, a token; hardly a path."""


class Signer(Protocol):
    """Signs 32-byte digests as one account.

    Deterministic (RFC 6979) where the key is local. Raises Unavailable where a remote signer
    does not answer; never returns a signature by another key.
    """

    @property
    def address(self) -> Address:
        """The account whose signatures these are."""
        ...

    def sign_digest(self, digest: bytes) -> bytes:
        """65 bytes r‖s‖v, low s, v 27 or 28."""
        ...


class LocalSigner:
    """A secp256k1 key in this process."""

    __slots__ = ("_key", "address")

    def __init__(self, secret: bytes) -> None:
        """Take the 32 bytes of a key. Raises ValueError when they are no key."""
        self._key = PrivateKey(secret)
        public = self._key.public_key.format(compressed=False)
        self.address = Address(keccak(public[1:])[12:])

    def sign_digest(self, digest: bytes) -> bytes:
        """65 bytes r‖s‖v, low s, v 27 or 28."""
        if len(digest) != 32:
            raise ValueError("a digest has 32 bytes")
        signature = self._key.sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes([27 + signature[64]])

    def __repr__(self) -> str:
        return f"LocalSigner({checksum(self.address)})"

    def __reduce__(self) -> Never:
        raise TypeError("a signer is not pickled: the key would leave the process")


class AssertionSigner:
    """The key that signs what the marketplace is told: Ed25519 or P-256, in this process."""

    __slots__ = ("_key", "public")

    def __init__(self, key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        form, point = serialization.PublicFormat.Raw, serialization.PublicFormat.UncompressedPoint
        if isinstance(key, ed25519.Ed25519PrivateKey):
            raw = key.public_key().public_bytes(serialization.Encoding.Raw, form)
            self.public = AssertionKey(EDDSA, raw)
        else:
            raw = key.public_key().public_bytes(serialization.Encoding.X962, point)
            self.public = AssertionKey(ES256, raw)

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes a JWS carries."""
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            return self._key.sign(message)
        r, s = utils.decode_dss_signature(self._key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def __repr__(self) -> str:
        return f"AssertionSigner({self.public.kid})"

    def __reduce__(self) -> Never:
        raise TypeError("a signer is not pickled: the key would leave the process")


def load_pem(spec: str) -> bytes:
    """The PEM text of a private key that `spec` names, guarded as every key. Raises Misconfigured.

    For keys whose certificate somebody else reads: what it holds is not looked at here.
    """
    content = _read(spec)
    if not content.startswith("-----BEGIN"):
        raise _wrong(spec, "holds no PEM")
    return content.encode()


def load_assertion_signer(spec: str) -> AssertionSigner:
    """The assertion key that `spec` names: 64 hex digits (an Ed25519 seed) or an unencrypted PEM.

    A PEM holds an Ed25519 or a P-256 private key. Raises Misconfigured.
    """
    content = _read(spec)
    if not content.startswith("-----BEGIN"):
        return AssertionSigner(ed25519.Ed25519PrivateKey.from_private_bytes(load_secret(spec)))
    try:
        key = serialization.load_pem_private_key(content.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _wrong(spec, "not a PEM private key without a password") from None
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return AssertionSigner(key)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return AssertionSigner(key)
    raise _wrong(spec, "an assertion key is Ed25519 or P-256")


def load_signer(spec: str, *, password: str | None = None) -> Signer:
    """The signer that `spec` names: `file:PATH` or `env:NAME`.

    The content is 64 hex digits, or in a file also a keystore (Web3 Secret Storage, version 3)
    opened with `password`, itself a spec of the same two forms. Raises Misconfigured.
    """
    content = _read(spec)
    secret = _open_keystore(spec, content, password) if content.startswith("{") else _hex(spec)
    try:
        return LocalSigner(secret)
    except ValueError:
        # Without `from`: the cause may quote the bytes.
        raise _wrong(spec, "the 32 bytes are not a secp256k1 key") from None


def load_secret(spec: str) -> bytes:
    """The 32 random bytes that `spec` names, as 64 hex digits. Raises Misconfigured."""
    secret = _hex(spec)
    if len(set(secret)) < 8:
        raise _wrong(spec, "not random: make one with `kycgate keys secret`")
    return secret


def load_token(spec: str) -> str:
    """The text that `spec` names: somebody else's API key, one printable line."""
    text = _read(spec)
    if not text.isascii() or not text.isprintable() or " " in text:
        raise _wrong(spec, "not one line of printable characters without spaces")
    return text


def generate_key(path: str | Path, *, password: str | None = None) -> Address:
    """Make a new key in a new file, mode 0600; with `password` (a spec) as a keystore.

    Raises Misconfigured when the file exists: a key is never overwritten.
    """
    while True:
        secret = secrets.token_bytes(32)
        try:
            signer = LocalSigner(secret)
            break
        except ValueError:  # one in 2**128: not a number below the group order
            continue
    _write_new(Path(path), _keystore(secret, password) if password else secret.hex() + "\n")
    return signer.address


def generate_secret(path: str | Path) -> None:
    """Make 32 random bytes in a new file, mode 0600. Raises Misconfigured when the file exists."""
    _write_new(Path(path), secrets.token_hex(32) + "\n")


def _read(spec: str) -> str:
    scheme, colon, name = spec.partition(":")
    if scheme == "env" and colon and name:
        value = os.environ.get(name)
        if not value:
            raise _wrong(spec, "the environment variable is not set")
        return value.strip()
    if scheme == "file" and colon and name:
        return _read_file(spec, name).strip()
    # The spec may be a key pasted by mistake: it is not repeated.
    raise Misconfigured(("a key is named as file:PATH or env:NAME",))


def _read_file(spec: str, path: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as e:
        raise _wrong(spec, f"can't be opened ({e.strerror})") from e
    with open(descriptor, "rb") as file:
        # The open descriptor is asked, not the path: nobody can swap the file in between.
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _wrong(spec, "not a regular file")
        if status.st_mode & 0o077:
            raise _wrong(spec, "others may read it: chmod 600")
        content = file.read(_FILE_MOST + 1)
    if len(content) > _FILE_MOST:
        raise _wrong(spec, f"longer than {_FILE_MOST} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise _wrong(spec, "not text") from None


def _hex(spec: str) -> bytes:
    digits = _read(spec).removeprefix("0x")
    try:
        secret = bytes.fromhex(digits)
    except ValueError:
        secret = b""
    if len(secret) != 32 or len(digits) != 64:
        raise _wrong(spec, "not 64 hex digits")
    return secret


def _password(spec: str | None, wanted_by: str) -> str:
    if spec is None:
        raise _wrong(wanted_by, "a keystore needs a password (env:NAME or file:PATH)")
    return _read(spec)


def _open_keystore(spec: str, content: str, password: str | None) -> bytes:
    # Imported here: most set-ups have no keystore, and this loads half a wallet.
    from eth_account import Account

    given = _password(password, spec)
    try:
        secret = bytes(Account.decrypt(json.loads(content), given))
    except (ValueError, TypeError, KeyError, NotImplementedError):
        raise _wrong(spec, "the keystore does not open with this password") from None
    if len(secret) != 32:
        raise _wrong(spec, "the keystore holds no 32-byte key")
    return secret


def _keystore(secret: bytes, password: str) -> str:
    from eth_account import Account

    given = _password(password, password)
    if len(given) < _PASSWORD_LEAST:
        raise _wrong(password, f"a password has at least {_PASSWORD_LEAST} characters")
    return json.dumps(Account.encrypt(secret, given)) + "\n"


def _write_new(path: Path, content: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as e:
        raise Misconfigured((f"{path}: can't be created ({e.strerror})",)) from e
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _wrong(spec: str, text: str) -> Misconfigured:
    return Misconfigured((f"{_shown(spec)}: {text}",))


def _shown(spec: str) -> str:
    """The spec, unless its name looks like a key that was given in the place of a name."""
    scheme, _, name = spec.partition(":")
    if scheme == "env":
        return spec if _VARIABLE.fullmatch(name) else "env:(not the name of a variable)"
    if _KEYLIKE.fullmatch(name) or name.startswith(("{", "-----")) or len(name.split()) >= 12:
        return f"{scheme}:(looks like a key itself; the path of a file is wanted: ./NAME)"
    return spec
