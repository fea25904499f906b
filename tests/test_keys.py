"""A key goes in and only signatures come out."""

from __future__ import annotations

import json
import pickle
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from eth_account import Account

from kycgate.core.claims import checksum
from kycgate.core.signature import Valid, recover
from kycgate.errors import Misconfigured
from kycgate.keys import (
    LocalSigner,
    generate_key,
    generate_secret,
    load_assertion_signer,
    load_secret,
    load_signer,
)

SECRET = "42" * 32
PASSWORD = "correct horse battery"


def key_file(folder: Path, content: str, mode: int = 0o600) -> str:
    path = folder / "key"
    path.write_text(content)
    path.chmod(mode)
    return f"file:{path}"


def test_signer_signs_as_its_account_and_deterministically(tmp_path: Path) -> None:
    signer = load_signer(key_file(tmp_path, SECRET + "\n"))
    digest = b"\7" * 32
    assert recover(digest, signer.sign_digest(digest)) == Valid(signer.address)
    assert signer.sign_digest(digest) == signer.sign_digest(digest)
    assert checksum(signer.address) == Account.from_key(SECRET).address


def test_key_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATE_KEY", "0x" + SECRET)
    assert load_signer("env:GATE_KEY").address == LocalSigner(bytes.fromhex(SECRET)).address


def test_generated_key_is_private_and_loads(tmp_path: Path) -> None:
    path = tmp_path / "key"
    address = generate_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_signer(f"file:{path}").address == address
    assert generate_key(tmp_path / "other") != address


def test_generated_keystore_opens_with_its_password_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSWORD", PASSWORD)
    monkeypatch.setenv("WRONG", PASSWORD + "!")
    path = tmp_path / "keystore"
    address = generate_key(path, password="env:PASSWORD")
    assert json.loads(path.read_text())["version"] == 3
    assert load_signer(f"file:{path}", password="env:PASSWORD").address == address
    with pytest.raises(Misconfigured, match="does not open"):
        load_signer(f"file:{path}", password="env:WRONG")
    with pytest.raises(Misconfigured, match="needs a password"):
        load_signer(f"file:{path}")


def test_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key"
    generate_key(path)
    before = path.read_bytes()
    for generate in (generate_key, generate_secret):
        with pytest.raises(Misconfigured, match="can't be created"):
            generate(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666])
def test_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(Misconfigured, match="chmod 600"):
        load_signer(key_file(tmp_path, SECRET, mode))


@pytest.mark.parametrize(
    "content",
    ["", "00" * 32, "ff" * 32, "42" * 31, "42" * 33, "zz" * 32, "42 " * 32, "{", '{"version":3}'],
)
def test_what_is_no_key_is_refused_without_repeating_it(
    tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSWORD", PASSWORD)
    with pytest.raises(Misconfigured) as caught:
        load_signer(key_file(tmp_path, content), password="env:PASSWORD")
    message = str(caught.value)
    assert not content or content not in message.replace(str(tmp_path), "")
    assert PASSWORD not in message


@pytest.mark.parametrize("spec", [SECRET, "0x" + SECRET, "", "file:", "env:", "vault:x"])
def test_pasted_key_is_not_repeated_in_the_message(spec: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        load_signer(spec)
    assert SECRET not in str(caught.value)


def test_missing_things_are_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="not set"):
        load_signer("env:KYCGATE_NO_SUCH_KEY")
    with pytest.raises(Misconfigured, match="No such file"):
        load_signer(f"file:{tmp_path / 'none'}")
    with pytest.raises(Misconfigured, match="regular"):
        load_signer("file:/dev/null")


def test_signer_shows_its_address_and_never_its_key() -> None:
    signer = LocalSigner(bytes.fromhex(SECRET))
    for shown in (repr(signer), str(signer), f"{signer}"):
        assert shown == f"LocalSigner({checksum(signer.address)})"
    with pytest.raises(TypeError):
        pickle.dumps(signer)
    assert not hasattr(signer, "__dict__")


def test_signer_signs_digests_only() -> None:
    with pytest.raises(ValueError):
        LocalSigner(bytes.fromhex(SECRET)).sign_digest(b"hello")


def test_secret_has_32_random_bytes(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    generate_secret(path)
    assert len(load_secret(f"file:{path}")) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(Misconfigured, match="not random"):
        load_secret(key_file(tmp_path, "00" * 32))


def pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def test_assertion_key_is_a_seed_or_a_pem_and_signs_as_itself(tmp_path: Path) -> None:
    seed = bytes(range(32)).hex()
    ed = ed25519.Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))
    p256 = ec.generate_private_key(ec.SECP256R1())
    contents = {seed: "EdDSA", pem(ed): "EdDSA", pem(p256): "ES256"}
    for content, alg in contents.items():
        signer = load_assertion_signer(key_file(tmp_path, content))
        assert signer.public.alg == alg
        assert signer.public.accepts(signer.sign(b"said"), b"said")
        assert not signer.public.accepts(signer.sign(b"said"), b"else")
        assert seed not in repr(signer)
        with pytest.raises(TypeError):
            pickle.dumps(signer)


def test_assertion_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    wrong = {
        pem(rsa.generate_private_key(65537, 2048)): "Ed25519 or P-256",
        pem(ec.generate_private_key(ec.SECP256K1())): "Ed25519 or P-256",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n": "not a PEM",
        "00" * 32: "not random",
        "zz": "64 hex digits",
    }
    for content, why in wrong.items():
        with pytest.raises(Misconfigured, match=why):
            load_assertion_signer(key_file(tmp_path, content))
