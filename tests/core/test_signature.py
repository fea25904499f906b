"""One signature has one form, and it is recovered as the curve library does."""

from __future__ import annotations

from coincurve import PrivateKey, PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from kycgate.core.signature import Invalid, Valid, recover
from kycgate.core.typed import keccak
from kycgate.errors import Code
from kycgate.keys import LocalSigner
from tests.core import world

DIGESTS = st.binary(min_size=32, max_size=32)


@given(DIGESTS, DIGESTS)
def test_signer_is_recovered_as_coincurve_says(secret: bytes, digest: bytes) -> None:
    try:
        key = PrivateKey(secret)
    except ValueError:
        return
    signer = LocalSigner(secret)
    signature = signer.sign_digest(digest)
    public = PublicKey.from_signature_and_message(
        signature[:64] + bytes([signature[64] - 27]), digest, hasher=None
    )
    assert public == key.public_key
    expected = keccak(public.format(compressed=False)[1:])[12:]
    assert recover(digest, signature) == Valid(signer.address) == Valid(expected)


@given(DIGESTS)
def test_other_spellings_of_a_signature_are_refused(digest: bytes) -> None:
    signature = world.ISSUER.sign_digest(digest)
    short = signature[:64] + bytes([signature[64] - 27])
    for other in (world.high_s(signature), short, signature + b"\0", signature[:-1], b""):
        verdict = recover(digest, other)
        assert isinstance(verdict, Invalid)
        assert verdict.reason.code is Code.SIGNATURE_INVALID


@given(st.binary(max_size=70), st.binary(max_size=40))
@settings(max_examples=300)
def test_strange_bytes_get_an_answer_and_no_exception(signature: bytes, digest: bytes) -> None:
    assert isinstance(recover(digest, signature), Valid | Invalid)


@given(st.binary(min_size=64, max_size=64), st.sampled_from([27, 28]), DIGESTS)
def test_made_up_points_get_an_answer(point: bytes, v: int, digest: bytes) -> None:
    verdict = recover(digest, point + bytes([v]))
    try:
        public = PublicKey.from_signature_and_message(point + bytes([v - 27]), digest, hasher=None)
    except ValueError:
        assert isinstance(verdict, Invalid)
        return
    if isinstance(verdict, Valid):
        assert verdict.signer == keccak(public.format(compressed=False)[1:])[12:]


def test_digest_of_another_length_is_refused() -> None:
    assert isinstance(recover(b"\1" * 31, world.ISSUER.sign_digest(b"\1" * 32)), Invalid)
