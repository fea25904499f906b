"""Every way to make an mdoc say what its issuer or its holder did not is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from kycgate.demo.trial_issuer import (
    TrialIssuer,
    certificate,
    cose_key,
    embedded,
    issuer_item,
    new_key,
    sign1,
    validity,
)
from kycgate.demo.trial_wallet import Session, device_response
from kycgate.errors import Code
from kycgate.issuer.credentials import transcript
from kycgate.issuer.credentials.chain import Trust
from kycgate.issuer.credentials.mdoc import device_authentication
from kycgate.issuer.credentials.query import MDL_DOCTYPE, MDL_NAMESPACE, PID_DOCTYPE
from kycgate.issuer.credentials.verdict import Environment, Presented, StatusAt
from tests.issuer.credentials.world import (
    AUDIENCE,
    BOUND,
    DAY,
    ISSUER,
    MDL,
    NONCE,
    NOW,
    ORIGIN,
    PID,
    THUMBPRINT,
    TRANSCRIPT,
    WALLET,
    checked,
    code_of,
    licence,
    remade,
    resigned,
    shown,
    vector,
)

Change = Callable[[dict[str, Any]], object]


def document(outer: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = outer["documents"][0]
    return found


def items(outer: dict[str, Any]) -> list[Any]:
    found: list[Any] = document(outer)["issuerSigned"]["nameSpaces"][MDL_NAMESPACE]
    return found


# -- the honest ones ------------------------------------------------------------------------------


def test_an_honest_licence_is_accepted() -> None:
    verdict = checked(shown())
    assert isinstance(verdict, Presented)
    assert verdict.claims[MDL_NAMESPACE]["family_name"] == "Lovelace"
    assert (verdict.type, verdict.test, verdict.status) == (MDL_DOCTYPE, True, None)
    assert verdict.valid_until == NOW + 29 * DAY


def test_an_honest_pid_is_accepted() -> None:
    verdict = checked(shown(WALLET.credentials[PID]), doctype=PID_DOCTYPE)
    assert isinstance(verdict, Presented)
    assert verdict.type == PID_DOCTYPE


def test_the_status_an_issuer_signed_is_given_on() -> None:
    at = {"status_list": {"idx": 7, "uri": "https://status.example/1"}}
    verdict = checked(shown(licence(status=at)))
    assert isinstance(verdict, Presented)
    assert verdict.status == StatusAt("https://status.example/1", 7)


def test_a_status_mechanism_we_do_not_read_is_not_ignored() -> None:
    at = {"identifier_list": {"id": b"1", "uri": "https://status.example/1"}}
    assert code_of(checked(shown(licence(status=at)))) == Code.CREDENTIAL_MALFORMED


@pytest.mark.parametrize("name", ["annex_d_4_1_2", "android_response"])
def test_the_published_examples_hold_up_to_the_mac_they_carry(name: str) -> None:
    """Their root is not published, so their signer's key is certified anew: the path is not part
    of what was signed. Signature, digests and validity then hold as they were published, and the
    refusal comes from the last step alone.
    """
    moment = 1_610_000_000
    assert code_of(checked(vector(name), now=moment)) == Code.CREDENTIAL_ISSUER
    response, trust = certified_anew(vector(name), at=moment - 200 * DAY)
    verdict = checked(response, trust=trust, now=moment)
    assert code_of(verdict) == Code.CREDENTIAL_HOLDER
    assert "no device signature" in str(verdict)
    broken = response.replace(b"Doe", b"Dob")
    assert code_of(checked(broken, trust=trust, now=moment)) == Code.CREDENTIAL_ALTERED
    after = moment + 300 * DAY
    assert code_of(checked(response, trust=trust, now=after)) == Code.CREDENTIAL_EXPIRED


def certified_anew(response: bytes, *, at: int) -> tuple[bytes, Trust]:
    outer = cbor2.loads(response)
    headers = outer["documents"][0]["issuerSigned"]["issuerAuth"][1]
    published: Any = x509.load_der_x509_certificate(headers[33])
    root_key = new_key()
    root = certificate(root_key, root_key, subject="root", country="US", at=at)
    signer = certificate(
        root_key,
        root_key,
        subject="signer",
        issuer=root.subject,
        country="US",
        at=at,
        days=900,
        ca=False,
        certified=published.public_key(),
    )
    headers[33] = signer.public_bytes(Encoding.DER)
    return cbor2.dumps(outer), Trust((root,), Environment.TEST)


# -- forged, altered, injected --------------------------------------------------------------------


def test_a_forged_issuer_signature_is_refused() -> None:
    def forge(outer: dict[str, Any]) -> None:
        auth = document(outer)["issuerSigned"]["issuerAuth"]
        auth[3] = auth[3][:-1] + bytes([auth[3][-1] ^ 1])

    assert code_of(checked(remade(forge))) == Code.CREDENTIAL_SIGNATURE


def test_a_security_object_signed_by_another_key_is_refused() -> None:
    other = resigned(lambda mso: None, key=new_key())
    assert code_of(checked(shown(other))) == Code.CREDENTIAL_SIGNATURE


def test_an_altered_element_is_refused() -> None:
    def alter(outer: dict[str, Any]) -> None:
        item = cbor2.loads(items(outer)[0].value)
        items(outer)[0] = embedded(item | {"elementValue": "Byron"})

    assert code_of(checked(remade(alter))) == Code.CREDENTIAL_ALTERED


def test_an_injected_namespace_is_refused() -> None:
    def inject(outer: dict[str, Any]) -> None:
        spaces = document(outer)["issuerSigned"]["nameSpaces"]
        spaces["org.iso.18013.5.1.FR"] = [issuer_item(0, "resident_country", "SG")]

    assert code_of(checked(remade(inject))) == Code.CREDENTIAL_ALTERED


def test_an_injected_element_is_refused() -> None:
    def inject(outer: dict[str, Any]) -> None:
        items(outer).append(issuer_item(99, "resident_address", "nowhere"))

    assert code_of(checked(remade(inject))) == Code.CREDENTIAL_ALTERED


def test_an_element_moved_to_another_namespace_is_refused() -> None:
    spaces = {"a": {"family_name": "Lovelace"}, "b": {"family_name": "Byron"}}
    issued = replace(
        WALLET.credentials[MDL],
        credential=ISSUER.mdoc(MDL_DOCTYPE, spaces, WALLET.credentials[MDL].key, NOW - DAY),
    )

    def swap(outer: dict[str, Any]) -> None:
        held = document(outer)["issuerSigned"]["nameSpaces"]
        held["a"], held["b"] = held["b"], held["a"]

    assert isinstance(checked(shown(issued)), Presented)
    assert code_of(checked(remade(swap, shown(issued)))) == Code.CREDENTIAL_ALTERED


def test_an_element_shown_twice_is_refused() -> None:
    assert (
        code_of(checked(remade(lambda outer: items(outer).append(items(outer)[0]))))
        == Code.CREDENTIAL_ALTERED
    )


def test_a_duplicated_digest_id_is_refused() -> None:
    """Two elements may not stand under one number, were their issuer to sign it."""
    both = [issuer_item(0, "family_name", "Lovelace"), issuer_item(0, "given_name", "Ada")]

    def double(outer: dict[str, Any]) -> None:
        document(outer)["issuerSigned"]["nameSpaces"][MDL_NAMESPACE] = both

    assert code_of(checked(remade(double))) == Code.CREDENTIAL_ALTERED


def test_a_digest_of_another_algorithm_is_refused() -> None:
    def longer(mso: dict[str, Any]) -> None:
        mso["digestAlgorithm"] = "SHA-512"

    def older(mso: dict[str, Any]) -> None:
        mso["digestAlgorithm"] = "SHA-1"

    assert code_of(checked(shown(resigned(longer)))) == Code.CREDENTIAL_ALTERED
    assert code_of(checked(shown(resigned(older)))) == Code.CREDENTIAL_SIGNATURE


@pytest.mark.parametrize("digest", [b"", b"\x00" * 31, "text", None, 5])
def test_a_digest_that_is_none_is_refused(digest: Any) -> None:
    def blunt(mso: dict[str, Any]) -> None:
        mso["valueDigests"][MDL_NAMESPACE][0] = digest

    assert code_of(checked(shown(resigned(blunt)))) == Code.CREDENTIAL_ALTERED


def test_an_element_without_its_salt_is_refused() -> None:
    def bare(outer: dict[str, Any]) -> None:
        items(outer)[0] = issuer_item(0, "family_name", "Lovelace", salt=b"\x00" * 15)

    def without(outer: dict[str, Any]) -> None:
        item = cbor2.loads(items(outer)[0].value)
        del item["random"]
        items(outer)[0] = embedded(item)

    for change in (bare, without):
        assert code_of(checked(remade(change))) == Code.CREDENTIAL_MALFORMED


@pytest.mark.parametrize("spaces", [{}, None, [], {MDL_NAMESPACE: []}])
def test_a_document_that_shows_nothing_is_refused(spaces: Any) -> None:
    def bare(outer: dict[str, Any]) -> None:
        document(outer)["issuerSigned"]["nameSpaces"] = spaces

    verdict = checked(remade(bare))
    assert code_of(verdict) in (Code.CREDENTIAL_INCOMPLETE, Code.CREDENTIAL_MALFORMED)


# -- another document -----------------------------------------------------------------------------


def test_a_swapped_doctype_is_refused_in_each_of_the_three_places() -> None:
    def outside(outer: dict[str, Any]) -> None:
        document(outer)["docType"] = PID_DOCTYPE

    def inside(mso: dict[str, Any]) -> None:
        mso["docType"] = PID_DOCTYPE

    assert code_of(checked(remade(outside))) == Code.CREDENTIAL_TYPE
    assert code_of(checked(remade(outside), doctype=PID_DOCTYPE)) == Code.CREDENTIAL_TYPE
    assert code_of(checked(shown(resigned(inside)))) == Code.CREDENTIAL_TYPE
    assert code_of(checked(shown(), doctype=PID_DOCTYPE)) == Code.CREDENTIAL_TYPE


def test_several_documents_or_none_are_refused() -> None:
    def doubled(outer: dict[str, Any]) -> None:
        outer["documents"] *= 2

    def none(outer: dict[str, Any]) -> None:
        outer["documents"] = []

    def left_out(outer: dict[str, Any]) -> None:
        del outer["documents"]

    for change in (doubled, none, left_out):
        assert code_of(checked(remade(change))) == Code.CREDENTIAL_TYPE


@pytest.mark.parametrize("status", [10, 11, 12, None, False, "0"])
def test_a_response_that_reports_an_error_is_refused(status: Any) -> None:
    verdict = checked(remade(lambda outer: outer.update(status=status)))
    assert code_of(verdict) == Code.CREDENTIAL_INCOMPLETE


@pytest.mark.parametrize("version", ["2.0", "", 1, None])
def test_another_version_is_refused(version: Any) -> None:
    outside = remade(lambda outer: outer.update(version=version))
    inside = shown(resigned(lambda mso: mso.update(version=version)))
    assert code_of(checked(outside)) == code_of(checked(inside)) == Code.CREDENTIAL_MALFORMED


# -- time -----------------------------------------------------------------------------------------


def test_an_expired_credential_is_refused_from_its_last_second_on() -> None:
    end = NOW + 29 * DAY
    assert isinstance(checked(shown(), now=end - 1), Presented)
    assert code_of(checked(shown(), now=end)) == Code.CREDENTIAL_EXPIRED


def test_a_credential_that_is_not_yet_valid_is_refused() -> None:
    later = licence(validityInfo=validity(NOW - DAY, NOW + 1, NOW + DAY))
    assert code_of(checked(shown(later))) == Code.CREDENTIAL_NOT_YET_VALID
    assert isinstance(checked(shown(later), now=NOW + 1), Presented)


def test_a_validity_that_starts_before_the_signature_is_refused() -> None:
    odd = licence(validityInfo=validity(NOW - DAY, NOW - 2 * DAY, NOW + DAY))
    assert code_of(checked(shown(odd))) == Code.CREDENTIAL_SIGNATURE


@pytest.mark.parametrize("signed", [NOW - 11 * DAY, NOW + 451 * DAY])
def test_a_signature_outside_its_certificates_life_is_refused(signed: int) -> None:
    odd = licence(validityInfo=validity(signed, signed, signed + DAY))
    assert code_of(checked(shown(odd))) == Code.CREDENTIAL_SIGNATURE


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-27",
        "2026-11-27T10:00:00+00:00",
        "2026-11-27T10:00:00.5Z",
        "2026-02-30T10:00:00Z",
        "٢٠٢٦-11-27T10:00:00Z",
        "",
    ],
)
def test_a_moment_in_another_form_is_refused(text: str) -> None:
    def odd(mso: dict[str, Any]) -> None:
        mso["validityInfo"]["validUntil"] = cbor2.CBORTag(0, text)

    assert code_of(checked(shown(resigned(odd)))) == Code.CREDENTIAL_MALFORMED


# -- the holder -----------------------------------------------------------------------------------


def test_a_missing_device_signature_is_refused() -> None:
    def without(outer: dict[str, Any]) -> None:
        del document(outer)["deviceSigned"]

    def empty(outer: dict[str, Any]) -> None:
        document(outer)["deviceSigned"]["deviceAuth"] = {}

    def null(outer: dict[str, Any]) -> None:
        document(outer)["deviceSigned"]["deviceAuth"] = {"deviceSignature": None}

    codes = [code_of(checked(remade(change))) for change in (without, empty, null)]
    assert codes == [
        Code.CREDENTIAL_MALFORMED,
        Code.CREDENTIAL_HOLDER,
        Code.CREDENTIAL_MALFORMED,
    ]


def test_a_device_mac_or_both_proofs_at_once_are_refused() -> None:
    def mac(outer: dict[str, Any]) -> None:
        document(outer)["deviceSigned"]["deviceAuth"] = {
            "deviceMac": [b"\xa1\x01\x05", {}, None, b""]
        }

    def both(outer: dict[str, Any]) -> None:
        document(outer)["deviceSigned"]["deviceAuth"]["deviceMac"] = [b"", {}, None, b""]

    for change in (mac, both):
        assert code_of(checked(remade(change))) == Code.CREDENTIAL_HOLDER


def test_a_presentation_for_another_session_is_refused() -> None:
    """Replayed, for another origin, another nonce (so another account), another key."""
    for other in (
        transcript.of_dc_api("https://evil.example", NONCE, THUMBPRINT),
        transcript.of_dc_api(ORIGIN, "another", THUMBPRINT),
        transcript.of_dc_api(ORIGIN, NONCE, b"\x01" * 32),
        transcript.of_redirect("x509_hash:a", NONCE, THUMBPRINT, ORIGIN),
    ):
        stolen = device_response(WALLET.credentials[MDL], Session(AUDIENCE, NONCE, other, NOW))
        assert code_of(checked(stolen)) == Code.CREDENTIAL_HOLDER


def test_key_substitution_is_refused() -> None:
    """The thief's own key signs: the issuer bound the credential to another."""
    thief = replace(WALLET.credentials[MDL], key=new_key())
    assert code_of(checked(shown(thief))) == Code.CREDENTIAL_HOLDER

    def own_key(mso: dict[str, Any]) -> None:
        mso["deviceKeyInfo"]["deviceKey"] = cose_key(thief.key)

    unsigned = replace(resigned(own_key, key=thief.key), key=thief.key)
    assert code_of(checked(shown(unsigned))) == Code.CREDENTIAL_SIGNATURE


@pytest.mark.parametrize(
    "key",
    [
        None,
        {},
        {1: 2, -1: 1, -2: b"\x01" * 32},
        {1: 2, -1: 1, -2: b"\x01" * 32, -3: b"\x01" * 32},
        {1: 2, -1: 1, -2: b"\x01" * 32, -3: True},
        {1: 2, -1: 8, -2: b"\x01" * 32, -3: b"\x01" * 32},
        {1: 4, -1: b"secret"},
        {1: 1, -1: 6, -2: b"\x01" * 31},
    ],
    ids=["none", "empty", "no y", "off curve", "compressed", "k1", "symmetric", "short"],
)
def test_a_device_key_that_is_none_is_refused(key: Any) -> None:
    odd = licence(deviceKeyInfo={"deviceKey": key})
    assert code_of(checked(shown(odd))) == Code.CREDENTIAL_MALFORMED


def test_a_private_device_key_is_refused() -> None:
    key = cose_key(WALLET.credentials[MDL].key) | {-4: b"\x01" * 32}
    odd = licence(deviceKeyInfo={"deviceKey": key})
    assert code_of(checked(shown(odd))) == Code.CREDENTIAL_MALFORMED


def test_a_device_signature_with_its_own_payload_is_refused() -> None:
    def attached(outer: dict[str, Any]) -> None:
        document(outer)["deviceSigned"]["deviceAuth"]["deviceSignature"][2] = b"own"

    assert code_of(checked(remade(attached))) == Code.CREDENTIAL_MALFORMED


def device_signed(asserted: Any, **rights: Any) -> Any:
    """A licence with what the device asserts itself, signed, and what its key may."""
    info = {"deviceKey": cose_key(WALLET.credentials[MDL].key), **rights}
    issued = licence(deviceKeyInfo=info)
    spaces = embedded(asserted)
    message = device_authentication(TRANSCRIPT, MDL_DOCTYPE, cbor2.dumps(spaces))

    def sign(outer: dict[str, Any]) -> None:
        signature = sign1(issued.key, b"", {}, detached=message)
        document(outer)["deviceSigned"] = {
            "nameSpaces": spaces,
            "deviceAuth": {"deviceSignature": signature},
        }

    return checked(remade(sign, shown(issued)))


def test_what_the_device_asserts_without_a_right_is_refused() -> None:
    asserted = {MDL_NAMESPACE: {"resident_country": "SG"}}
    assert code_of(device_signed(asserted)) == Code.CREDENTIAL_HOLDER
    other = {"keyAuthorizations": {"dataElements": {MDL_NAMESPACE: ["age"]}}}
    assert code_of(device_signed(asserted, **other)) == Code.CREDENTIAL_HOLDER


@pytest.mark.parametrize(
    "rights",
    [
        {"nameSpaces": [MDL_NAMESPACE]},
        {"dataElements": {MDL_NAMESPACE: ["resident_country"]}},
    ],
)
def test_what_the_device_may_assert_is_still_no_claim_of_the_issuers(rights: Any) -> None:
    asserted = {MDL_NAMESPACE: {"resident_country": "SG"}}
    verdict = device_signed(asserted, keyAuthorizations=rights)
    assert isinstance(verdict, Presented)
    assert "resident_country" not in verdict.claims[MDL_NAMESPACE]


# -- algorithms and headers -----------------------------------------------------------------------


@pytest.mark.parametrize("alg", [None, 0, 5, -257, -37, -47, "ES256", True, -8, -35])
def test_an_issuer_signature_by_another_algorithm_is_refused(alg: Any) -> None:
    """None, HMAC, RSA, secp256k1, and those that do not fit the key."""
    protected = {} if alg is None else {1: alg}
    odd = resigned(lambda mso: None, protected=protected)
    assert code_of(checked(shown(odd))) == Code.CREDENTIAL_SIGNATURE


def test_an_algorithm_outside_the_signature_is_refused() -> None:
    def unsigned(outer: dict[str, Any]) -> None:
        document(outer)["issuerSigned"]["issuerAuth"][1][1] = -7

    assert code_of(checked(remade(unsigned))) == Code.CREDENTIAL_MALFORMED


def test_critical_headers_are_refused() -> None:
    odd = resigned(lambda mso: None, protected={1: -7, 2: [99], 99: 1})
    assert code_of(checked(shown(odd))) == Code.CREDENTIAL_MALFORMED


def test_a_test_issuer_proves_nothing_in_a_live_gate_though_it_is_pinned() -> None:
    live = Trust((ISSUER.root,), Environment.LIVE)
    assert code_of(checked(shown(), trust=live)) == Code.CREDENTIAL_TEST_ISSUER


def test_another_issuer_of_the_same_names_is_refused() -> None:
    """Same subject, same everything, another key: names prove nothing."""
    twin = TrialIssuer.new(at=NOW - 10 * DAY)
    forged = resigned(lambda mso: None, twin)
    assert code_of(checked(shown(forged))) == Code.CREDENTIAL_ISSUER


def test_a_credential_of_another_country_than_its_certificate_is_refused() -> None:
    odd = licence({"issuing_country": "SG"})
    assert code_of(checked(shown(odd))) == Code.CREDENTIAL_ISSUER
    assert isinstance(checked(shown(licence({"issuing_country": "FR"}))), Presented)


def test_the_response_of_an_honest_wallet_says_nothing_else() -> None:
    """The baseline every change above starts from."""
    assert isinstance(checked(remade(lambda outer: None)), Presented)
    assert BOUND.transcript == TRANSCRIPT
