"""Whether a certificate path leads to an issuer the operator pinned, by rules of our own choosing.

Fetches nothing: no AIA, no CRL, no system trust store. `cryptography`'s own path validation follows
the web's profile: it knows neither Ed25519 nor ISO/IEC 18013-5's key usage, and takes any name;
the paths here are one to four certificates, so each rule is written out.

1. Every certificate parses, and holds no critical extension that is not checked here.
2. Every key is on P-256, P-384, P-521 or Ed25519, every signature over SHA-256 or longer.
3. Now lies within the validity of every certificate, the pinned root's included.
4. No self-issued certificate is in the path: the root is ours to know, not the sender's to show.
5. Each is issued, by name and signature, by the next; the last by a pinned root.
6. Each issuer is a CA that may sign certificates, its path length respected; the signer is no CA,
   and may sign documents.
7. An mdoc's signer carries the extended key usage of document signers (18013-5, B.1.4), and is
   issued by the root itself. For an SD-JWT VC no such mark is settled; a certificate marked only
   for something else (TLS, readers, status lists) signs none.
8. The signer's country is its root's, where both are told.
9. No certificate is marked as a test issuer's, unless the gate runs in the test environment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from kycgate.errors import Code, Malformed, Misconfigured
from kycgate.issuer.credentials.signing import PublicKey, algorithm_of
from kycgate.issuer.credentials.verdict import Environment, Untrue

DOCUMENT_SIGNER: Final = x509.ObjectIdentifier("1.0.18013.5.1.2")
TEST_MARK: Final = x509.ObjectIdentifier("2.25.329800735698586629295641978511506172918")
"""Stands in certificates of our throw-away issuer. A UUID's arc: nobody else's by chance."""
TEST_ORGANISATION: Final = "kycgate TEST ONLY"
_E = TypeVar("_E", bound=x509.ExtensionType)
_UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""All that `cryptography` raises on certificates it can't make sense of; most are no ValueError."""
_PATH_MOST: Final = 4
_CERTIFICATE_MOST: Final = 8192
"""Bytes."""
READER: Final = x509.ObjectIdentifier("1.0.18013.5.1.6")
_STATUS_SIGNER: Final = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.30")
_OTHER_USES: Final = frozenset(
    {
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.CODE_SIGNING,
        ExtendedKeyUsageOID.EMAIL_PROTECTION,
        ExtendedKeyUsageOID.TIME_STAMPING,
        ExtendedKeyUsageOID.OCSP_SIGNING,
        READER,
        _STATUS_SIGNER,
    }
)
_HASHES: Final = frozenset({"sha256", "sha384", "sha512"})
_CHECKED: Final = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.ISSUER_ALTERNATIVE_NAME,
    }
)


class Use(StrEnum):
    """What the path's first certificate signs."""

    MDOC = "mdoc"
    SD_JWT = "sd-jwt"
    STATUS = "status"


@dataclass(frozen=True, slots=True)
class Trust:
    """The roots an operator pinned for one kind of credential, and the environment it runs in."""

    roots: tuple[x509.Certificate, ...]
    environment: Environment


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed, by the certificate whose path was followed."""

    key: PublicKey
    name: str
    country: str | None
    """ISO 3166-1 alpha-2, upper case"""
    test: bool
    not_before: int
    not_after: int
    """Unix seconds UTC, both inclusive"""


def follow(chain: Sequence[bytes], trust: Trust, *, use: Use, now: int) -> Signer:
    """The signer of a path that leads to a pinned root. Raises Untrue or Malformed."""
    try:
        return _followed(chain, trust, use, now)
    except _UNREADABLE as e:
        # Parts of a certificate are only parsed when they are asked for.
        raise Malformed("a certificate can't be read", field="certificate") from e


def _followed(chain: Sequence[bytes], trust: Trust, use: Use, now: int) -> Signer:
    path = _parsed(chain, most=1 if use is Use.MDOC else _PATH_MOST - 1)
    path.append(_root_of(path[-1], trust))
    moment = datetime.fromtimestamp(now, UTC)
    for place, certificate in enumerate(path):
        _sound(certificate, moment)
        if place:
            _issues(certificate, path[place - 1], cas_below=place - 1)
    _signs(path[0], use)
    _one_country(path)
    test = any(is_test(certificate) for certificate in path)
    if test and trust.environment is not Environment.TEST:
        raise Untrue(Code.CREDENTIAL_TEST_ISSUER, "the issuer is a test issuer; this gate is live")
    signer = path[0]
    return Signer(
        key=signer.public_key(),  # type: ignore[arg-type]  # `_sound` has seen its kind
        name=signer.subject.rfc4514_string(),
        country=_country(signer.subject),
        test=test,
        not_before=int(signer.not_valid_before_utc.timestamp()),
        not_after=int(signer.not_valid_after_utc.timestamp()),
    )


def read_roots(pem: bytes, *, name: str, environment: Environment) -> tuple[x509.Certificate, ...]:
    """The roots in a PEM file of the operator's. Raises Misconfigured, naming `name`."""
    try:
        roots = tuple(x509.load_pem_x509_certificates(pem))
    except _UNREADABLE as e:
        raise Misconfigured((f"{name}: holds no PEM certificates",)) from e
    problems = [f"{name}: {problem}" for root in roots for problem in _faults(root, environment)]
    if problems:
        raise Misconfigured(tuple(problems))
    return roots


def is_test(certificate: x509.Certificate) -> bool:
    """Whether this certificate says that it is a test issuer's."""
    organisations = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    if any(each.value == TEST_ORGANISATION for each in organisations):
        return True
    return any(extension.oid == TEST_MARK for extension in _extensions(certificate))


def _faults(root: x509.Certificate, environment: Environment) -> list[str]:
    """Why this certificate can't be pinned. Validity is asked at each use, so it may have ended."""
    name = root.subject.rfc4514_string()
    faults = []
    try:
        root.verify_directly_issued_by(root)
    except (*_UNREADABLE, InvalidSignature):
        faults.append(f"{name} is no root: it did not sign itself; pin the root above it")
    try:
        _strong(root)
        _may_issue(root, cas_below=0)
        if is_test(root) and environment is not Environment.TEST:
            faults.append(f"{name} is a test issuer's; take it out, or run a test gate")
    except (Untrue, Malformed) as wrong:
        faults.append(str(wrong))
    return faults


def _parsed(chain: Sequence[bytes], *, most: int) -> list[x509.Certificate]:
    if not 1 <= len(chain) <= most:
        raise Untrue(Code.CREDENTIAL_ISSUER, f"the certificate path has not 1 to {most} members")
    path = []
    for der in chain:
        if len(der) > _CERTIFICATE_MOST:
            raise Malformed("a certificate is too large", field="certificate")
        try:
            certificate = x509.load_der_x509_certificate(der)
        except _UNREADABLE as e:
            raise Malformed("not a certificate", field="certificate") from e
        if certificate.serial_number <= 0:
            raise Malformed("a serial number that is none", field="certificate")
        if certificate.subject == certificate.issuer:
            raise Untrue(Code.CREDENTIAL_ISSUER, "a self-issued certificate stands in the path")
        path.append(certificate)
    return path


def _root_of(last: x509.Certificate, trust: Trust) -> x509.Certificate:
    for root in trust.roots:
        if root.subject == last.issuer and _issued(last, root):
            return root
    name = last.issuer.rfc4514_string()
    raise Untrue(Code.CREDENTIAL_ISSUER, f"the path ends at {name:.200}, which is not pinned")


def _issued(certificate: x509.Certificate, by: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(by)
    except (*_UNREADABLE, InvalidSignature):
        return False
    return True


def _sound(certificate: x509.Certificate, moment: datetime) -> None:
    for extension in _extensions(certificate):
        if extension.critical and extension.oid not in _CHECKED:
            raise _no(certificate, f"critical extension {extension.oid.dotted_string}")
    _strong(certificate)
    if moment < certificate.not_valid_before_utc:
        raise _no(certificate, "is not valid yet")
    if moment > certificate.not_valid_after_utc:
        raise _no(certificate, "has expired")


def _strong(certificate: x509.Certificate) -> None:
    try:
        algorithm_of(certificate.public_key())
        algorithm = certificate.signature_hash_algorithm
    except ValueError as e:
        raise _no(certificate, f"its key or signature is {e}") from e
    if algorithm is not None and algorithm.name not in _HASHES:
        raise _no(certificate, f"is signed over {algorithm.name}")


def _issues(issuer: x509.Certificate, certificate: x509.Certificate, *, cas_below: int) -> None:
    _may_issue(issuer, cas_below=cas_below)
    if not _issued(certificate, issuer):
        raise _no(certificate, "was not signed by the next in the path")


def _may_issue(issuer: x509.Certificate, *, cas_below: int) -> None:
    constraints = _extension(issuer, x509.BasicConstraints)
    usage = _extension(issuer, x509.KeyUsage)
    if constraints is None or not constraints.ca or usage is None or not usage.key_cert_sign:
        raise _no(issuer, "is no CA that may sign certificates")
    if constraints.path_length is not None and constraints.path_length < cas_below:
        raise _no(issuer, "allows no path this long")


def _signs(signer: x509.Certificate, use: Use) -> None:
    constraints = _extension(signer, x509.BasicConstraints)
    usage = _extension(signer, x509.KeyUsage)
    if constraints is not None and constraints.ca:
        raise _no(signer, "is a CA, and CAs sign no documents")
    if usage is None or not usage.digital_signature:
        raise _no(signer, "may not sign documents")
    extended = _extension(signer, x509.ExtendedKeyUsage)
    if use is Use.MDOC and (extended is None or DOCUMENT_SIGNER not in extended):
        raise _no(signer, "is not marked as a document signer (1.0.18013.5.1.2)")
    if use is Use.SD_JWT and extended is not None and _OTHER_USES.issuperset(extended):
        raise _no(signer, "is marked for something else than issuing")


def _one_country(path: list[x509.Certificate]) -> None:
    countries = {country for each in path if (country := _country(each.subject)) is not None}
    if len(countries) > 1:
        raise _no(path[0], "is of another country than its issuer")


def _country(name: x509.Name) -> str | None:
    values = [str(each.value) for each in name.get_attributes_for_oid(NameOID.COUNTRY_NAME)]
    if len(values) > 1:
        raise Untrue(Code.CREDENTIAL_ISSUER, "a certificate names several countries")
    return values[0].upper() if values else None


def _extensions(certificate: x509.Certificate) -> x509.Extensions:
    try:
        return certificate.extensions
    except _UNREADABLE as e:
        raise Malformed("a certificate's extensions can't be read", field="certificate") from e


def _extension(certificate: x509.Certificate, kind: type[_E]) -> _E | None:
    try:
        return _extensions(certificate).get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _no(certificate: x509.Certificate, text: str) -> Untrue:
    name = certificate.subject.rfc4514_string()
    return Untrue(Code.CREDENTIAL_ISSUER, f"certificate {name:.200}: {text}")
