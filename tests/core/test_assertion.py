"""An assertion holds for one request, one upstream, one minute, in one spelling."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from kycgate.core.assertion import (
    EMPTY,
    LIFE_S,
    SKEW_S,
    Assertion,
    AssertionKey,
    AssertionKeys,
    InvalidAssertion,
    ValidAssertion,
    verify,
)
from kycgate.errors import Code, Malformed
from kycgate.keys import AssertionSigner

NOW = 1_800_000_000
BODY = b'{"gpus":8}'
ED = AssertionSigner(ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"a").digest()))
EC = AssertionSigner(ec.derive_private_key(7**40, ec.SECP256R1()))
OTHER = AssertionSigner(ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"b").digest()))
KEYS = AssertionKeys((ED.public, EC.public))
SAID = Assertion(
    issuer="https://gate.example",
    audience="https://upstream.internal",
    issued_at=NOW,
    expires_at=NOW + LIFE_S,
    id="00ff" * 8,
    job=b"\x11" * 32,
    method="POST",
    target="/deploy?a=%20b",
    body=hashlib.sha256(BODY).digest(),
    account="eip155:0x" + "22" * 20,
)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def check(token: str | None, **changes: Any) -> ValidAssertion | InvalidAssertion:
    asked: dict[str, Any] = {
        "keys": KEYS, "issuer": SAID.issuer, "audience": SAID.audience, "method": "POST",
        "target": SAID.target.encode(), "body": BODY, "now": NOW,
    }  # fmt: skip
    return verify(token, **(asked | changes))


def code(token: str | None, **changes: Any) -> Code | None:
    verdict = check(token, **changes)
    return verdict.reason.code if isinstance(verdict, InvalidAssertion) else None


def token(said: Assertion = SAID, signer: AssertionSigner = ED) -> str:
    return said.to_jws(signer.public, signer.sign)


def signed(payload: bytes, *, header: str | None = None, signer: AssertionSigner = ED) -> str:
    """Any payload under a real signature: what a faulty gate could say."""
    message = f"{header or signer.public.header}.{b64(payload)}"
    return f"{message}.{b64(signer.sign(message.encode()))}"


def payload() -> dict[str, Any]:
    middle = token().split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4))))


@pytest.mark.parametrize("signer", [ED, EC], ids=["EdDSA", "ES256"])
def test_what_the_gate_said_is_read_back_whole(signer: AssertionSigner) -> None:
    assert check(token(signer=signer)) == ValidAssertion(SAID)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"issuer": "https://other.example"}, Code.ASSERTION_ISSUER),
        ({"audience": "https://other.internal"}, Code.ASSERTION_AUDIENCE),
        ({"method": "DELETE"}, Code.ASSERTION_REQUEST),
        ({"target": b"/deploy"}, Code.ASSERTION_REQUEST),
        ({"target": b"/deploy?a=%20B"}, Code.ASSERTION_REQUEST),
        ({"target": b"/deploy?a= b"}, Code.ASSERTION_REQUEST),
        ({"target": b"\xff"}, Code.ASSERTION_REQUEST),
        ({"body": BODY + b" "}, Code.ASSERTION_REQUEST),
        ({"body": b""}, Code.ASSERTION_REQUEST),
        ({"now": NOW + LIFE_S}, Code.EXPIRED),
        ({"now": NOW - SKEW_S - 1}, Code.NOT_YET_VALID),
        ({"keys": AssertionKeys((OTHER.public,))}, Code.ASSERTION_KEY),
        ({"keys": AssertionKeys(())}, Code.ASSERTION_KEY),
    ],
)
def test_an_assertion_of_another_request_place_or_minute_is_refused(
    changes: dict[str, Any], expected: Code
) -> None:
    assert code(token(), **changes) is expected


def test_the_last_second_and_the_stated_skew_still_count() -> None:
    assert code(token(), now=NOW + LIFE_S - 1) is None
    assert code(token(), now=NOW - SKEW_S) is None


@pytest.mark.parametrize("life", [LIFE_S + 1, 0, -1])
def test_a_life_longer_than_a_minute_or_none_is_refused(life: int) -> None:
    if life < 0:
        said = replace(SAID, issued_at=NOW + 5, expires_at=NOW + 4)
    else:
        said = replace(SAID, expires_at=NOW + life)
    assert code(token(said)) is Code.LIFE_TOO_LONG


def test_a_change_whose_body_is_not_covered_is_refused_and_a_read_is_not() -> None:
    said = replace(SAID, body=None)
    assert code(token(said)) is Code.ASSERTION_REQUEST
    assert code(token(replace(said, method="GET")), method="GET") is None
    empty = replace(SAID, method="DELETE", body=EMPTY)
    assert code(token(empty), method="DELETE", body=b"") is None


HEADERS = {
    "none": {"alg": "none"},
    "none with our key": {"alg": "none", "typ": "kycgate-assertion+jwt", "kid": ED.public.kid},
    "another algorithm": {"alg": "ES256", "typ": "kycgate-assertion+jwt", "kid": ED.public.kid},
    "keyed hash": {"alg": "HS256", "typ": "kycgate-assertion+jwt", "kid": ED.public.kid},
    "another type": {"alg": "EdDSA", "typ": "JWT", "kid": ED.public.kid},
    "a key of its own": {"alg": "EdDSA", "typ": "kycgate-assertion+jwt", "kid": ED.public.kid,
                         "jwk": OTHER.public.jwk()},
    "another order": {"typ": "kycgate-assertion+jwt", "alg": "EdDSA", "kid": ED.public.kid},
    "critical": {"alg": "EdDSA", "typ": "kycgate-assertion+jwt", "kid": ED.public.kid, "crit": []},
}  # fmt: skip


@pytest.mark.parametrize("name", HEADERS)
def test_no_header_but_the_keys_own_is_read(name: str) -> None:
    header = b64(json.dumps(HEADERS[name], separators=(",", ":")).encode())
    body = json.dumps(payload()).encode()
    assert code(signed(body, header=header)) is Code.ASSERTION_KEY
    assert code(f"{header}.{b64(body)}.") is Code.ASSERTION_KEY


def test_a_signature_by_another_key_is_refused() -> None:
    forged = signed(json.dumps(payload()).encode(), header=ED.public.header, signer=OTHER)
    assert code(forged) is Code.SIGNATURE_INVALID
    swapped = signed(json.dumps(payload()).encode(), header=EC.public.header, signer=ED)
    assert code(swapped) is Code.SIGNATURE_INVALID


@pytest.mark.parametrize(
    "change",
    [{"extra": 1}, {"aud": ["https://upstream.internal"]}, {"exp": str(NOW) + ".5"}, {"job": "0x"},
     {"body": 5}, {"jti": ""}, {"iat": True}, {"account": "a\nb"}],
)  # fmt: skip
def test_claims_of_another_shape_are_refused(change: dict[str, Any]) -> None:
    assert code(signed(json.dumps(payload() | change).encode())) is Code.MALFORMED


def test_a_missing_or_repeated_claim_is_refused() -> None:
    short = {name: value for name, value in payload().items() if name != "aud"}
    assert code(signed(json.dumps(short).encode())) is Code.MALFORMED
    twice = json.dumps(payload())[:-1] + ', "method": "POST"}'
    assert code(signed(twice.encode())) is Code.MALFORMED


def test_an_assertion_has_one_spelling() -> None:
    good = token()
    for odd in (good + "=", good + ".", " " + good, good + "\n", good.replace(".", ".."), "é.b.c"):
        assert check(odd) != ValidAssertion(SAID)
    # The last character of 64 bytes in base64url carries four bits that mean nothing.
    last = good[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = alphabet[alphabet.index(last) ^ 1]
    assert code(good[:-1] + twin) is Code.MALFORMED


def test_no_assertion_is_said_to_be_missing() -> None:
    assert code(None) is Code.ASSERTION_MISSING
    assert code("") is Code.ASSERTION_MISSING


@given(st.text(max_size=300))
def test_any_text_is_refused_with_a_reason(text: str) -> None:
    assert isinstance(check(text), InvalidAssertion)


@given(st.binary(max_size=200))
def test_any_signed_payload_is_read_or_refused(data: bytes) -> None:
    assert isinstance(check(signed(data or b" ")), InvalidAssertion)


@given(st.integers(0, 10**6), st.integers(1, 255))
def test_any_changed_character_is_noticed(place: int, by: int) -> None:
    good = token().encode()
    place %= len(good)
    bad = good[:place] + bytes([good[place] ^ by]) + good[place + 1 :]
    assert isinstance(check(bad.decode("latin-1")), InvalidAssertion)


def test_published_keys_are_read_back() -> None:
    assert AssertionKeys.from_jwks(KEYS.to_jwks()) == KEYS
    assert all("d" not in jwk for jwk in json.loads(KEYS.to_jwks())["keys"])


@pytest.mark.parametrize("change", [{"kid": "x"}, {"alg": "none"}, {"x": "AA"}, {"kty": "oct"},
                                    {"use": "enc"}, {"d": "AA"}, {"crv": "X25519"}])  # fmt: skip
def test_a_published_key_of_another_kind_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(Malformed):
        AssertionKeys.from_jwks(json.dumps({"keys": [ED.public.jwk() | change]}).encode())


@given(st.binary(max_size=200))
def test_any_key_set_is_read_or_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        AssertionKeys.from_jwks(data)


def test_a_point_off_the_curve_is_no_key() -> None:
    with pytest.raises(Malformed):
        AssertionKey("ES256", b"\x04" + b"\x01" * 64)


def test_thumbprints_follow_rfc_8037() -> None:
    # RFC 8037 appendix A.3
    x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    key = AssertionKey("EdDSA", base64.urlsafe_b64decode(x + "="))
    assert key.kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
