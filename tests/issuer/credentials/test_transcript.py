"""What binds a device signature to a request, byte for byte as the specifications have it."""

from __future__ import annotations

import hmac
from typing import Any

import cbor2
import pytest

from kycgate.issuer.credentials import jose, transcript
from kycgate.issuer.credentials.judging import Kept
from kycgate.issuer.credentials.mdoc import device_authentication
from tests.issuer.credentials.world import json_vector, vector

EXAMPLE = json_vector("openid4vp_b_2_6")


def test_the_browsers_transcript_is_the_specifications_example() -> None:
    bound = transcript.of_dc_api(
        EXAMPLE["origin"], EXAMPLE["nonce"], bytes.fromhex(EXAMPLE["thumbprint"])
    )
    assert bound.hex() == EXAMPLE["dc_api"]


def test_the_redirects_transcript_is_the_specifications_example() -> None:
    bound = transcript.of_redirect(
        EXAMPLE["client_id"],
        EXAMPLE["nonce"],
        bytes.fromhex(EXAMPLE["thumbprint"]),
        EXAMPLE["response_uri"],
    )
    assert bound.hex() == EXAMPLE["redirect"]


def test_the_thumbprint_is_the_specifications_example() -> None:
    key: Any = jose.key(EXAMPLE["jwk"], field="jwk")

    class Half:
        """A key of which we have the public half only."""

        def public_key(self) -> Any:
            return key

    half: Any = Half()
    assert Kept(half, b"").thumbprint.hex() == EXAMPLE["thumbprint"]


def test_device_authentication_is_what_the_device_of_the_android_example_signed() -> None:
    """ISO/IEC 18013-5, 9.1.3.4, 9.1.3.5: its MAC is over our bytes, with the key they derived."""
    session = json_vector("android_session")
    bound = cbor2.dumps(
        [
            cbor2.CBORTag(24, bytes.fromhex(session["device_engagement"])),
            cbor2.CBORTag(24, bytes.fromhex(session["e_reader_key"])),
            None,
        ]
    )
    device = cbor2.loads(vector("android_response"))["documents"][0]["deviceSigned"]
    protected, _, _, tag = device["deviceAuth"]["deviceMac"]
    name_spaces = cbor2.dumps(device["nameSpaces"])
    signed = device_authentication(bound, "org.iso.18013.5.1.mDL", name_spaces)
    message = cbor2.dumps(["MAC0", protected, b"", signed])
    assert hmac.digest(bytes.fromhex(session["e_mac_key"]), message, "sha256") == tag


@pytest.mark.parametrize("part", range(3))
def test_another_origin_nonce_or_key_makes_another_transcript(part: int) -> None:
    given: list[Any] = ["https://a.example", "n", bytes(32)]
    other = [*given]
    other[part] = ["https://b.example", "m", b"\x01" * 32][part]
    assert transcript.of_dc_api(*given) != transcript.of_dc_api(*other)
