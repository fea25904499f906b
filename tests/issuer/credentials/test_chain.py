"""Only a path that leads to a root the operator pinned makes an issuer."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from kycgate.demo.trial_issuer import TrialIssuer, certificate, new_key, usage
from kycgate.errors import Code, Malformed, Misconfigured
from kycgate.issuer.credentials.chain import (
    DOCUMENT_SIGNER,
    Signer,
    Trust,
    Use,
    follow,
    read_roots,
)
from kycgate.issuer.credentials.verdict import Environment, Untrue
from tests.issuer.credentials.world import DAY, ISSUER, NOW, TRUST

ROOT = ISSUER.root


def made(key: Any = None, **changes: Any) -> x509.Certificate:
    """A document signer of the trial root, with changes."""
    given: dict[str, Any] = {
        "subject": "signer",
        "issuer": ROOT.subject,
        "country": "FR",
        "at": NOW - DAY,
        "days": 400,
        "ca": False,
    }
    return certificate(key or new_key(), ISSUER.root_key, **(given | changes))


def der(*path: x509.Certificate) -> list[bytes]:
    return [each.public_bytes(Encoding.DER) for each in path]


def followed(*path: x509.Certificate, trust: Trust = TRUST, use: Use = Use.MDOC) -> Signer:
    return follow(der(*path), trust, use=use, now=NOW)


def refused(*path: x509.Certificate, trust: Trust = TRUST, use: Use = Use.MDOC) -> str:
    with pytest.raises(Untrue) as raised:
        followed(*path, trust=trust, use=use)
    assert raised.value.reason.code == Code.CREDENTIAL_ISSUER
    return raised.value.reason.text


def test_a_document_signer_of_a_pinned_root_is_known_by_its_certificate() -> None:
    signer = followed(made())
    assert (signer.country, signer.test) == ("FR", True)
    assert signer.name == "CN=signer,O=kycgate TEST ONLY,C=FR"
    assert (signer.not_before, signer.not_after) == (NOW - DAY, NOW + 399 * DAY)


def test_a_path_to_an_unpinned_root_is_refused() -> None:
    stranger = TrialIssuer.new(at=NOW - DAY)
    assert "not pinned" in refused(stranger.signer)
    assert "not pinned" in refused(ISSUER.signer, trust=Trust((), Environment.TEST))


def test_a_root_in_the_path_is_refused_the_pinned_one_included() -> None:
    stranger = TrialIssuer.new(at=NOW - DAY)
    for path in ((stranger.signer, stranger.root), (ISSUER.signer, ROOT), (ROOT,)):
        with pytest.raises(Untrue):
            followed(*path, use=Use.SD_JWT)
    assert "self-issued" in refused(stranger.root)


def test_a_signer_without_the_extended_key_usage_is_refused() -> None:
    other = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.1")
    for extended in (None, other):
        assert "1.0.18013.5.1.2" in refused(made(extended=extended))
    assert followed(made(extended=None), use=Use.SD_JWT)


@pytest.mark.parametrize("use", ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.30", "1.0.18013.5.1.6"])
def test_a_certificate_for_something_else_issues_no_credentials(use: str) -> None:
    """Under the same root: for TLS, for status lists, for the gate's own requests to wallets."""
    other = made(extended=x509.ObjectIdentifier(use))
    assert "something else" in refused(other, use=Use.SD_JWT)
    assert followed(other, use=Use.STATUS)


def test_an_expired_or_future_certificate_is_refused() -> None:
    assert "expired" in refused(made(at=NOW - 10 * DAY, days=9))
    assert "not valid yet" in refused(made(at=NOW + 1))


def test_an_expired_root_is_refused() -> None:
    key = new_key()
    root = certificate(key, key, subject="old", country="FR", at=NOW - 10 * DAY, days=9)
    signer = certificate(
        new_key(), key, subject="s", issuer=root.subject, country="FR", at=NOW - DAY, ca=False
    )
    assert "expired" in refused(signer, trust=Trust((root,), Environment.TEST))


def test_a_certificate_authority_signs_no_documents() -> None:
    assert "is a CA" in refused(made(ca=True))


def test_a_signer_that_may_not_sign_is_refused() -> None:
    assert "may not sign" in refused(made(bits=usage(ca=True)))


def test_a_document_signer_issues_no_further_signer() -> None:
    """A stolen document signer must not become an issuer of issuers."""
    key = new_key()
    middle = made(key)
    leaf = certificate(
        new_key(), key, subject="leaf", issuer=middle.subject, country="FR", at=NOW - DAY, ca=False
    )
    assert "1 members" in refused(leaf, middle)
    assert "no CA" in refused(leaf, middle, use=Use.SD_JWT)


def test_a_path_longer_than_the_root_allows_is_refused() -> None:
    key = new_key()
    middle = made(key, ca=True, subject="middle")
    leaf = certificate(
        new_key(), key, subject="leaf", issuer=middle.subject, country="FR", at=NOW - DAY, ca=False
    )
    assert "no path this long" in refused(leaf, middle, use=Use.SD_JWT)


def test_a_longer_path_holds_where_the_root_allows_it_and_for_tokens_only() -> None:
    root_key, key = new_key(), new_key()
    root, middle, leaf = roomy(root_key, key)
    trust = Trust((root,), Environment.TEST)
    assert followed(leaf, middle, trust=trust, use=Use.SD_JWT).name.startswith("CN=leaf")
    assert "1 members" in refused(leaf, middle, trust=trust)
    assert "not signed by the next" in refused(made(), middle, trust=trust, use=Use.SD_JWT)


def roomy(root_key: Any, key: Any) -> list[x509.Certificate]:
    """Root, intermediate and signer where the root leaves room for one."""
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, n)]) for n in "rm"]
    path = []
    for depth, subject, issuer, public in (
        (1, names[0], names[0], root_key),
        (0, names[1], names[0], key),
    ):
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
        builder = builder.public_key(public.public_key()).serial_number(depth + 7)
        builder = builder.not_valid_before(ROOT.not_valid_before_utc)
        builder = builder.not_valid_after(ROOT.not_valid_after_utc)
        constraints = x509.BasicConstraints(ca=True, path_length=depth)
        builder = builder.add_extension(constraints, critical=True)
        builder = builder.add_extension(usage(ca=True), critical=True)
        path.append(builder.sign(root_key, hashes.SHA256()))
    leaf = certificate(
        new_key(), key, subject="leaf", issuer=names[1], country="FR", at=NOW - DAY, ca=False
    )
    return [*path, leaf]


def test_a_signer_of_another_country_than_its_root_is_refused() -> None:
    assert "another country" in refused(made(country="SG"))


@pytest.mark.parametrize("count", [0, 2, 9])
def test_a_path_of_another_length_is_refused(count: int) -> None:
    with pytest.raises(Untrue):
        follow(der(*[ISSUER.signer] * count), TRUST, use=Use.MDOC, now=NOW)


def builder() -> x509.CertificateBuilder:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "odd")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(ROOT.subject)
    made = made.serial_number(5).not_valid_before(ROOT.not_valid_before_utc)
    made = made.not_valid_after(ROOT.not_valid_after_utc)
    made = made.add_extension(usage(ca=False), critical=True)
    return made.add_extension(x509.ExtendedKeyUsage([DOCUMENT_SIGNER]), critical=True)


def test_a_critical_extension_we_do_not_check_is_refused() -> None:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    odd = builder().public_key(new_key().public_key()).add_extension(unknown, critical=True)
    assert "1.2.3.4" in refused(odd.sign(ISSUER.root_key, hashes.SHA256()))


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
        ec.generate_private_key(ec.SECP256K1()),
    ],
    ids=["rsa", "secp256k1"],
)
def test_a_key_of_another_kind_is_refused(key: Any) -> None:
    odd = builder().public_key(key.public_key()).sign(ISSUER.root_key, hashes.SHA256())
    assert "neither P-256" in refused(odd)


def test_a_signature_over_a_short_hash_is_refused() -> None:
    odd = builder().public_key(new_key().public_key())
    assert "sha224" in refused(odd.sign(ISSUER.root_key, hashes.SHA224()))


def test_ed25519_signers_are_followed() -> None:
    public = ed25519.Ed25519PrivateKey.generate().public_key()
    odd = builder().public_key(public).sign(ISSUER.root_key, hashes.SHA256())
    assert followed(odd).key == public


@pytest.mark.parametrize("data", [b"", b"\x30\x00", b"\x30" * 9000, bytes(100)])
def test_what_is_no_certificate_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        follow([data], TRUST, use=Use.MDOC, now=NOW)


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_any_changed_byte_of_a_certificate_makes_no_other_issuer() -> None:
    """Among them another version and a negative serial number, which are no ValueErrors. One byte,
    how many bits of the signature's last byte are unused, is nobody's word: the same is read.
    """
    whole = bytearray(ISSUER.signer.public_bytes(Encoding.DER))
    honest = followed(ISSUER.signer)
    for at, change in ((n, c) for n in range(len(whole)) for c in (0x01, 0x80)):
        changed = bytearray(whole)
        changed[at] ^= change
        verdict = tried(bytes(changed))
        assert verdict in (None, honest)


def tried(certificate: bytes) -> Signer | None:
    try:
        return follow([certificate], TRUST, use=Use.MDOC, now=NOW)
    except (Untrue, Malformed):
        return None


# -- pinning --------------------------------------------------------------------------------------


def problems(pem: bytes, environment: Environment = Environment.TEST) -> str:
    with pytest.raises(Misconfigured) as raised:
        read_roots(pem, name="credentials.pid_roots: roots.pem", environment=environment)
    return "\n".join(raised.value.problems)


def test_a_test_issuers_root_is_not_pinned_by_a_live_gate() -> None:
    assert "run a test gate" in problems(ISSUER.root_pem(), Environment.LIVE)
    assert read_roots(ISSUER.root_pem(), name="", environment=Environment.TEST) == (ROOT,)


@pytest.mark.parametrize("organisation, marked", [(None, True), ("kycgate TEST ONLY", False)])
def test_either_mark_gives_a_test_issuer_away(organisation: str | None, marked: bool) -> None:
    key = new_key()
    root = certificate(
        key, key, subject="r", country="FR", at=NOW, organisation=organisation, marked=marked
    )
    assert "test issuer" in problems(root.public_bytes(Encoding.PEM), Environment.LIVE)


def test_a_test_signer_under_an_unmarked_root_is_still_refused_live() -> None:
    key = new_key()
    plain: dict[str, Any] = {"country": "FR", "at": NOW - DAY, "organisation": None}
    root = certificate(key, key, subject="r", marked=False, **plain)
    trust = Trust((root,), Environment.LIVE)
    marked = certificate(new_key(), key, subject="s", issuer=root.subject, ca=False, **plain)
    with pytest.raises(Untrue) as raised:
        followed(marked, trust=trust)
    assert raised.value.reason.code == Code.CREDENTIAL_TEST_ISSUER
    real = certificate(
        new_key(), key, subject="s", issuer=root.subject, ca=False, marked=False, **plain
    )
    assert followed(real, trust=trust).test is False


def test_only_a_sound_root_is_pinned_and_every_fault_is_named() -> None:
    signer = ISSUER.signer.public_bytes(Encoding.PEM)
    assert "pin the root above it" in problems(signer)
    assert "is no CA" in problems(signer)
    assert "holds no PEM" in problems(b"nothing")
    assert "roots.pem" in problems(b"nothing")
