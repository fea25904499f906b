"""Whatever bytes arrive, the verifiers give a verdict; what was changed is never accepted."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from kycgate.core.signature import Invalid
from kycgate.demo.trial_issuer import disclosure_of, sd_digest
from kycgate.demo.trial_wallet import present_sd_jwt
from kycgate.issuer.credentials.cbor import read
from kycgate.issuer.credentials.verdict import Presented
from tests.issuer.credentials.test_chain import followed, tried
from tests.issuer.credentials.test_sdjwt import issued, presented
from tests.issuer.credentials.world import (
    BOUND,
    ISSUER,
    PID_SD,
    WALLET,
    checked,
    checked_sd,
    resigned,
    shown,
)

# cryptography warns of a country that is not two letters long, and goes on: so do we, to a refusal.
pytestmark = pytest.mark.filterwarnings("ignore:Attribute's length must be:UserWarning")

BOUNDED = settings(max_examples=100, deadline=None)
RESPONSE, TOKEN = shown(), present_sd_jwt(WALLET.credentials[PID_SD], BOUND)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=8,
)
CBOR = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.binary(max_size=40) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=6) | st.integers(-9, 40), inner, max_size=3)
    ),
    max_leaves=8,
)
MSO = (
    "version",
    "digestAlgorithm",
    "valueDigests",
    "deviceKeyInfo",
    "docType",
    "validityInfo",
    "status",
)
CLAIMS = ("vct", "iat", "nbf", "exp", "cnf", "status", "_sd", "_sd_alg", "issuing_country", "x")


@BOUNDED
@given(st.binary(max_size=400))
def test_any_bytes_are_no_mdoc(data: bytes) -> None:
    assert isinstance(checked(data), Invalid)


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@BOUNDED
@given(st.data())
def test_a_changed_byte_is_never_accepted_as_something_else(draw: Any) -> None:
    """Some bytes are nobody's word (headers outside the signatures): there the same is read."""
    at = draw.draw(st.integers(0, len(RESPONSE) - 1))
    changed = bytearray(RESPONSE)
    changed[at] ^= draw.draw(st.integers(1, 255))
    verdict = checked(bytes(changed))
    honest = checked(RESPONSE)
    assert isinstance(honest, Presented)
    assert isinstance(verdict, Invalid) or verdict == honest


@BOUNDED
@given(st.data())
def test_a_cut_or_spliced_response_is_refused(draw: Any) -> None:
    start = draw.draw(st.integers(0, len(RESPONSE)))
    end = draw.draw(st.integers(start, len(RESPONSE)))
    inserted = draw.draw(st.binary(max_size=20))
    spliced = RESPONSE[:start] + inserted + RESPONSE[end:]
    verdict = checked(spliced)
    assert spliced == RESPONSE or isinstance(verdict, Invalid) or verdict == checked(RESPONSE)


@BOUNDED
@given(st.sampled_from(MSO), CBOR)
def test_an_issuer_that_signs_nonsense_gets_a_verdict(name: str, value: Any) -> None:
    def odd(mso: dict[str, Any]) -> None:
        mso[name] = value

    verdict = checked(shown(resigned(odd)))
    assert isinstance(verdict, Invalid) or value is None


@BOUNDED
@given(CBOR)
def test_any_cbor_in_the_place_of_a_part_gets_a_verdict(value: Any) -> None:
    for path in (
        ("issuerSigned",),
        ("issuerSigned", "nameSpaces"),
        ("issuerSigned", "issuerAuth"),
        ("deviceSigned",),
        ("deviceSigned", "nameSpaces"),
        ("deviceSigned", "deviceAuth"),
    ):
        outer = cbor2.loads(RESPONSE)
        part = outer["documents"][0]
        for step in path[:-1]:
            part = part[step]
        part[path[-1]] = value
        assert isinstance(checked(cbor2.dumps(outer)), Invalid)


@BOUNDED
@given(st.text(max_size=200))
def test_any_text_is_no_sd_jwt(text: str) -> None:
    assert isinstance(checked_sd(text), Invalid)
    assert isinstance(checked_sd(f"{text}~{TOKEN}"), Invalid)


@BOUNDED
@given(st.data())
def test_a_changed_character_is_never_accepted(draw: Any) -> None:
    at = draw.draw(st.integers(0, len(TOKEN) - 1))
    other = draw.draw(st.characters(min_codepoint=32, max_codepoint=126))
    changed = TOKEN[:at] + other + TOKEN[at + 1 :]
    assert changed == TOKEN or isinstance(checked_sd(changed), Invalid)


@BOUNDED
@given(st.sampled_from(CLAIMS), JSON)
def test_an_issuer_that_signs_odd_claims_gets_a_verdict(name: str, value: Any) -> None:
    verdict = checked_sd(presented(issued(**{name: value})))
    assert isinstance(verdict, Invalid | Presented)


@BOUNDED
@given(st.lists(JSON, max_size=4))
def test_any_disclosure_an_issuer_signs_for_gets_a_verdict(members: list[Any]) -> None:
    text = disclosure_of(members)
    for changes in ({"_sd": [sd_digest(text)]}, {"a": [{"...": sd_digest(text)}]}):
        verdict = checked_sd(presented(issued([text], **changes)))
        assert isinstance(verdict, Invalid | Presented)


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@BOUNDED
@given(st.data())
def test_a_changed_certificate_makes_no_issuer(draw: Any) -> None:
    whole = bytearray(ISSUER.signer.public_bytes(Encoding.DER))
    at = draw.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= draw.draw(st.integers(1, 255))
    assert tried(bytes(whole)) in (None, followed(ISSUER.signer))


@BOUNDED
@given(st.binary(max_size=300))
def test_any_bytes_are_no_certificate(data: bytes) -> None:
    assert tried(data) is None


@BOUNDED
@given(CBOR)
def test_reading_is_a_function_of_the_bytes(value: Any) -> None:
    data = cbor2.dumps(value)
    assert read(data, field="x") == read(data, field="x")
