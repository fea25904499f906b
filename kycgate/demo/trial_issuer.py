"""A throw-away issuer of identity credentials, for demonstrations and tests only.

Proves nobody's identity. Its certificates say so twice, by organisation and by a mark of their own,
and a live gate refuses both: to pin its root, and to believe a credential that leads to it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from kycgate.issuer.credentials import jose
from kycgate.issuer.credentials.chain import DOCUMENT_SIGNER, TEST_MARK, TEST_ORGANISATION
from kycgate.issuer.credentials.query import (
    MDL_DOCTYPE,
    MDL_NAMESPACE,
    PID_DOCTYPE,
    PID_NAMESPACE,
    PID_VCT,
    CredentialType,
)
from kycgate.issuer.credentials.signing import sign

_DAY = 86_400
_ROOT_DAYS, _SIGNER_DAYS, _CREDENTIAL_DAYS = 3650, 450, 30
_NUL = b"\x05\x00"
Key = ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Holder:
    """A person of the demonstration. Dates are YYYY-MM-DD, countries ISO 3166-1 alpha-2."""

    given_name: str = "Ada"
    family_name: str = "Lovelace"
    birth_date: str = "1985-12-10"
    nationality: str = "FR"
    residence: str = "FR"
    document_number: str = "TEST-0001"
    expiry_date: str = "2035-12-31"


@dataclass(frozen=True, slots=True)
class Issued:
    """A credential in a wallet: what the issuer signed, and the key it is bound to."""

    kind: CredentialType
    key: Key
    credential: bytes
    """mdoc: IssuerSigned in CBOR; SD-JWT VC: the token with every disclosure"""


@dataclass(frozen=True, slots=True)
class TrialIssuer:
    """One root and one signer. `at` is when both began, Unix seconds UTC."""

    root: x509.Certificate
    signer: x509.Certificate
    key: Key
    country: str
    root_key: Key = field(repr=False)

    @classmethod
    def new(cls, *, at: int, country: str = "FR") -> TrialIssuer:
        """A new issuer with keys that exist nowhere else."""
        root_key, key = new_key(), new_key()
        root = certificate(root_key, root_key, subject="trial root", country=country, at=at)
        signer = certificate(
            key,
            root_key,
            subject="trial signer",
            issuer=root.subject,
            country=country,
            at=at,
            days=_SIGNER_DAYS,
            ca=False,
        )
        return cls(root, signer, key, country, root_key)

    def root_pem(self) -> bytes:
        return self.root.public_bytes(Encoding.PEM)

    @property
    def chain(self) -> tuple[bytes, ...]:
        return (self.signer.public_bytes(Encoding.DER),)

    def issue(
        self,
        kind: CredentialType,
        holder: Holder,
        *,
        at: int,
        key: Key | None = None,
        status: Mapping[str, Any] | None = None,
    ) -> Issued:
        """A credential of this kind, valid for thirty days from `at`."""
        bound = key or new_key()
        if kind is CredentialType.PID_SD_JWT:
            return Issued(kind, bound, self._sd_jwt(holder, bound, at, status))
        name_space = MDL_NAMESPACE if kind is CredentialType.MDL else PID_NAMESPACE
        doctype = MDL_DOCTYPE if kind is CredentialType.MDL else PID_DOCTYPE
        values = self._elements(kind, holder)
        return Issued(kind, bound, self.mdoc(doctype, {name_space: values}, bound, at, status))

    def _elements(self, kind: CredentialType, holder: Holder) -> dict[str, Any]:
        nationality: Any = holder.nationality
        if kind is CredentialType.PID_MDOC:
            nationality = [holder.nationality]
        return {
            "family_name": holder.family_name,
            "given_name": holder.given_name,
            "birth_date": cbor2.CBORTag(1004, holder.birth_date),
            "issuing_country": self.country,
            "document_number": holder.document_number,
            "expiry_date": cbor2.CBORTag(1004, holder.expiry_date),
            "nationality": nationality,
            "resident_country": holder.residence,
        }

    def mdoc(
        self,
        doctype: str,
        name_spaces: Mapping[str, Mapping[str, Any]],
        key: Key,
        at: int,
        status: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> bytes:
        """IssuerSigned (ISO/IEC 18013-5, 8.3.2.1.2.2). `changes` replace members of the MSO."""
        items = {
            name: [issuer_item(n, *pair) for n, pair in enumerate(elements.items())]
            for name, elements in name_spaces.items()
        }
        mso = {
            "version": "1.0",
            "digestAlgorithm": "SHA-256",
            "valueDigests": {name: digests(each) for name, each in items.items()},
            "deviceKeyInfo": {"deviceKey": cose_key(key)},
            "docType": doctype,
            "validityInfo": validity(at, at, at + _CREDENTIAL_DAYS * _DAY),
            **({"status": dict(status)} if status else {}),
            **changes,
        }
        auth = sign1(self.key, cbor2.dumps(embedded(mso)), {33: self._x5chain()})
        return cbor2.dumps({"nameSpaces": items, "issuerAuth": auth})

    def _x5chain(self) -> bytes | list[bytes]:
        return self.chain[0] if len(self.chain) == 1 else list(self.chain)

    def _sd_jwt(self, holder: Holder, key: Key, at: int, status: Mapping[str, Any] | None) -> bytes:
        address, number = disclosure("country", holder.residence), holder.document_number
        open_claims = {"issuing_country": self.country, "address": {"_sd": [sd_digest(address)]}}
        hidden = [
            disclosure("given_name", holder.given_name),
            disclosure("family_name", holder.family_name),
            disclosure("birthdate", holder.birth_date),
            disclosure("nationalities", [holder.nationality]),
            disclosure("document_number", number),
            disclosure("date_of_expiry", holder.expiry_date),
        ]
        claims = {
            "vct": PID_VCT,
            "iat": at,
            "exp": at + _CREDENTIAL_DAYS * _DAY,
            "cnf": {"jwk": jose.jwk(key.public_key())},
            "_sd_alg": "sha-256",
            "_sd": sorted(sd_digest(each) for each in hidden),
            **open_claims,
            **({"status": dict(status)} if status else {}),
        }
        return self.sd_jwt(claims, [*hidden, address])

    def sd_jwt(self, claims: Mapping[str, Any], disclosures: Sequence[str], **header: Any) -> bytes:
        """A signed SD-JWT VC with these disclosures. `header` replaces header members."""
        headed = {"typ": "dc+sd-jwt", "x5c": x5c(self.chain), **header}
        token = jose.write(headed, dict(claims), self.key)
        return ("~".join([token, *disclosures]) + "~").encode()

    def status_token(self, uri: str, lst: bytes, *, at: int, bits: int = 1, **claims: Any) -> str:
        """A status list as a JWT. `lst` is the packed list."""
        body = {"sub": uri, "iat": at, "ttl": 3600, **claims}
        body["status_list"] = {"bits": bits, "lst": jose.b64(lst)}
        return jose.write({"typ": "statuslist+jwt", "x5c": x5c(self.chain)}, body, self.key)


def new_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def certificate(
    key: Key,
    issuer_key: Key,
    *,
    subject: str,
    country: str,
    at: int,
    issuer: x509.Name | None = None,
    days: int = _ROOT_DAYS,
    ca: bool = True,
    organisation: str | None = TEST_ORGANISATION,
    marked: bool = True,
    extended: x509.ObjectIdentifier | None = DOCUMENT_SIGNER,
    alternative: str | None = None,
    certified: ec.EllipticCurvePublicKey | None = None,
    bits: x509.KeyUsage | None = None,
) -> x509.Certificate:
    """A certificate of the trial issuer's kind; tests make their broken ones with it too.

    `certified`: the key it is about, where its private half is somebody else's.
    """
    parts = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, country),
        x509.NameAttribute(NameOID.COMMON_NAME, subject),
    ]
    if organisation is not None:
        parts.insert(1, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
    name = x509.Name(parts)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer or name)
        .public_key(certified or key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(at, UTC))
        .not_valid_after(datetime.fromtimestamp(at + days * _DAY, UTC))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=0 if ca else None), critical=True)
        .add_extension(bits or usage(ca=ca), critical=True)
    )
    if not ca and extended is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([extended]), critical=True)
    if alternative is not None:
        names = x509.SubjectAlternativeName([x509.DNSName(alternative)])
        builder = builder.add_extension(names, critical=False)
    if marked:
        mark = x509.UnrecognizedExtension(TEST_MARK, _NUL)
        builder = builder.add_extension(mark, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


# -- mdoc ------------------------------------------------------------------------------------------


def embedded(value: Any) -> cbor2.CBORTag:
    """#6.24(bstr .cbor value)."""
    return cbor2.CBORTag(24, cbor2.dumps(value))


def issuer_item(number: int, element: str, value: Any, *, salt: bytes | None = None) -> Any:
    """IssuerSignedItemBytes."""
    return embedded(
        {
            "digestID": number,
            "random": salt or secrets.token_bytes(32),
            "elementIdentifier": element,
            "elementValue": value,
        }
    )


def digests(items: Sequence[Any]) -> dict[int, bytes]:
    """What the issuer signs of a namespace."""
    numbers = (cbor2.loads(item.value)["digestID"] for item in items)
    return {
        number: hashlib.sha256(cbor2.dumps(item)).digest()
        for number, item in zip(numbers, items, strict=True)
    }


def validity(signed: int, start: int, end: int) -> dict[str, Any]:
    """ValidityInfo of these moments, Unix seconds UTC."""
    names = ("signed", "validFrom", "validUntil")
    return {name: _tdate(at) for name, at in zip(names, (signed, start, end), strict=True)}


def _tdate(at: int) -> cbor2.CBORTag:
    return cbor2.CBORTag(0, datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


def cose_key(key: Key) -> dict[int, Any]:
    """The public half, as COSE_Key."""
    numbers = key.public_key().public_numbers()
    return {1: 2, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}


def sign1(
    key: Key,
    payload: bytes,
    unprotected: Mapping[Any, Any],
    *,
    protected: Mapping[int, Any] | None = None,
    detached: bytes | None = None,
) -> list[Any]:
    """COSE_Sign1 over `payload`, or over `detached` where given: then no payload is sent."""
    headers = cbor2.dumps({1: -7} if protected is None else dict(protected))
    signed = cbor2.dumps(["Signature1", headers, b"", payload if detached is None else detached])
    return [headers, dict(unprotected), payload if detached is None else None, sign(key, signed)]


# -- SD-JWT VC -------------------------------------------------------------------------------------


def disclosure(name: str, value: Any) -> str:
    """One member of an object, disclosable."""
    return disclosure_of([jose.b64(secrets.token_bytes(16)), name, value])


def disclosure_of(members: Sequence[Any]) -> str:
    return jose.b64(_json(members))


def sd_digest(text: str) -> str:
    return jose.b64(hashlib.sha256(text.encode()).digest())


def x5c(chain: Sequence[bytes]) -> list[str]:
    return [base64.b64encode(each).decode() for each in chain]


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
