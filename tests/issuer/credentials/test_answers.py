"""A wallet's answer opens for its own request's key alone, in the one way that was asked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwk import ECKey, OctKey, RSAKey

from kycgate.demo.trial_wallet import encrypt
from kycgate.errors import Malformed
from kycgate.issuer.credentials import jose
from kycgate.issuer.credentials.answers import JWE_MOST, answer, opened
from kycgate.issuer.credentials.query import CredentialType

KEY = ec.generate_private_key(ec.SECP256R1())
JWK = jose.jwk(KEY.public_key()) | {"kid": "k1"}
DOCUMENT = {"vp_token": {"mdl": ["AAAA"]}}


def refused(token: str, kid: str = "k1") -> str:
    with pytest.raises(Malformed) as raised:
        opened(token, KEY, kid)
    assert raised.value.field.startswith("response")
    return raised.value.message


@pytest.mark.parametrize("enc", ["A256GCM", "A128GCM"])
def test_an_honest_answer_opens(enc: str) -> None:
    algorithms = ["ECDH-ES", enc]
    key = ECKey.import_key({name: JWK[name] for name in ("kty", "crv", "x", "y")})
    header = {"alg": "ECDH-ES", "enc": enc, "kid": "k1", "apu": "YQ", "apv": "Yg"}
    token = jwe.encrypt_compact(header, json.dumps(DOCUMENT).encode(), key, algorithms=algorithms)
    assert opened(token, KEY, "k1") == DOCUMENT


def test_an_answer_to_another_key_does_not_open() -> None:
    other = jose.jwk(ec.generate_private_key(ec.SECP256R1()).public_key()) | {"kid": "k1"}
    assert "decrypted" in refused(encrypt(DOCUMENT, other))
    assert "this request" in refused(encrypt(DOCUMENT, JWK), kid="k2")


@pytest.mark.parametrize(
    "changes",
    [
        {"alg": "none"},
        {"alg": "dir"},
        {"alg": "ECDH-ES+A128KW"},
        {"alg": "RSA-OAEP"},
        {"alg": "PBES2-HS256+A128KW"},
        {"enc": "A128CBC-HS256"},
        {"enc": "A192GCM"},
        {"kid": None},
        {"kid": ["k1"]},
        {"zip": "DEF"},
        {"crit": ["x"], "x": 1},
        {"p2c": 10**9},
        {"jku": "https://evil.example"},
        {"epk": None},
        {"epk": {"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"}},
        {"epk": {"kty": "OKP", "crv": "X25519", "x": "AA"}},
        {"epk": {"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43}},
        {"epk": {**jose.jwk(KEY.public_key()), "d": "AAAA"}},
        {"enc": ["A256GCM"]},
    ],
    ids=lambda changes: ",".join(f"{k}={len(str(v))}" for k, v in changes.items()),
)
def test_a_header_that_asks_for_anything_else_is_refused(changes: Any) -> None:
    head, *rest = encrypt(DOCUMENT, JWK).split(".")
    header = json.loads(jose.unb64(head, field="x")) | changes
    refused(".".join([jose.b64(json.dumps(header).encode()), *rest]))


def test_another_ephemeral_key_than_was_used_does_not_open() -> None:
    head, *rest = encrypt(DOCUMENT, JWK).split(".")
    header = json.loads(jose.unb64(head, field="x"))
    header["epk"] = jose.jwk(ec.generate_private_key(ec.SECP256R1()).public_key())
    assert "decrypted" in refused(".".join([jose.b64(json.dumps(header).encode()), *rest]))


def test_a_compression_bomb_is_refused_unread() -> None:
    key = ECKey.import_key({name: JWK[name] for name in ("kty", "crv", "x", "y")})
    header = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": "k1", "zip": "DEF"}
    algorithms = ["ECDH-ES", "A256GCM", "DEF"]
    token = jwe.encrypt_compact(header, b"[" * 2**24, key, algorithms=algorithms)
    assert "this request" in refused(token)


def test_a_wrapped_key_is_refused() -> None:
    head, _, *rest = encrypt(DOCUMENT, JWK).split(".")
    assert "encrypted response" in refused(".".join([head, "AAAA", *rest]))


@pytest.mark.parametrize("part", [2, 3, 4])
def test_a_changed_part_does_not_open(part: int) -> None:
    parts = encrypt(DOCUMENT, JWK).split(".")
    parts[part] = ("B" if parts[part][0] == "A" else "A") + parts[part][1:]
    assert "decrypted" in refused(".".join(parts))


@pytest.mark.parametrize("token", ["", ".", "....", "a.b.c", "é....", "x" * (JWE_MOST + 1)])
def test_what_is_no_jwe_is_refused(token: str) -> None:
    refused(token)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_refused(text: str) -> None:
    refused(text)
    refused(f"{jose.b64(text.encode('utf-8', 'surrogatepass'))}....")


def test_what_is_inside_is_read_as_strictly() -> None:
    key = ECKey.import_key({name: JWK[name] for name in ("kty", "crv", "x", "y")})
    header = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": "k1"}
    for inside in (b"", b"[]", b'{"a":1,"a":2}', b"[" * 2000, b"\xff"):
        algorithms = ["ECDH-ES", "A256GCM"]
        refused(jwe.encrypt_compact(header, inside, key, algorithms=algorithms))


def test_keys_of_other_kinds_are_never_tried() -> None:
    for other, alg in ((OctKey.generate_key(256), "dir"), (RSAKey.generate_key(2048), "RSA-OAEP")):
        header = {"alg": alg, "enc": "A256GCM", "kid": "k1"}
        token = jwe.encrypt_compact(header, b"{}", other, algorithms=[alg, "A256GCM"])
        refused(token)


# -- what is inside --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"vp_token": "AAAA"},
        {"vp_token": {}},
        {"vp_token": ["AAAA"]},
        {"vp_token": {"mdl": []}},
        {"vp_token": {"mdl": "AAAA"}},
        {"vp_token": {"mdl": ["A", "B"]}},
        {"vp_token": {"mdl": [{"a": 1}]}},
        {"vp_token": {"pid-mdoc": ["A"]}},
        {"vp_token": {"mdl": ["A"], "pid-sd-jwt": ["B"]}},
    ],
    ids=str,
)
def test_anything_but_one_asked_presentation_is_refused(document: Any) -> None:
    with pytest.raises(Malformed) as raised:
        answer(document, [CredentialType.MDL])
    assert raised.value.field == "vp_token"


def test_the_one_asked_presentation_is_taken() -> None:
    found = answer(DOCUMENT | {"state": "s"}, [CredentialType.PID_MDOC, CredentialType.MDL])
    assert (found.kind, found.presentation, found.state) == (CredentialType.MDL, "AAAA", "s")
