"""Whether an ISO/IEC 18013-5 document is genuine, in time, and shown by its own holder to us, now.

Judges no person and asks no status list; says what the issuer vouched for and nothing else. What
the device itself asserts (`deviceSigned`) is checked and then left out: it is the holder's word.
Clauses are of ISO/IEC 18013-5:2021.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import cbor2

from kycgate.errors import Code, Malformed
from kycgate.issuer.credentials import cbor, cose
from kycgate.issuer.credentials.chain import Signer, Trust, Use, follow
from kycgate.issuer.credentials.statuslist import reference
from kycgate.issuer.credentials.verdict import Presented, Untrue, judged

_DIGESTS: Final[dict[str, tuple[Callable[..., Any], int]]] = {
    "SHA-256": (hashlib.sha256, 32),
    "SHA-384": (hashlib.sha384, 48),
    "SHA-512": (hashlib.sha512, 64),
}
_SALT_LEAST: Final = 16
"""Bytes of randomness in each element (9.1.2.5)."""
_ITEM: Final = frozenset({"digestID", "random", "elementIdentifier", "elementValue"})
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@dataclass(frozen=True, slots=True)
class _Mso:
    """The mobile security object (9.1.2.4), read but not yet judged."""

    document: dict[Any, Any]
    digests: dict[Any, Any]
    hash: Callable[..., Any]
    hash_size: int
    signed: int
    valid_from: int
    valid_until: int


@judged
def verify(
    response: bytes, *, doctype: str, trust: Trust, transcript: bytes, now: int
) -> Presented:
    """The one document of this type in a DeviceResponse, or `Invalid` with the first fault found.

    `transcript` is the encoded SessionTranscript of our own request; `now` Unix seconds UTC.
    """
    # 1. The response: whole, one document, of the type asked (8.3.2.1.2.2).
    document = _only_document(response)
    if document.get("docType") != doctype:
        raise Untrue(Code.CREDENTIAL_TYPE, f"another document than {doctype} was presented")
    issued, device = _map(document, "issuerSigned"), _map(document, "deviceSigned")
    # 2. The issuer: the path to a pinned root, then its signature over the MSO (9.1.2.4).
    auth = cose.sign1(issued.get("issuerAuth"), field="issuerAuth")
    signer = follow(auth.chain(field="issuerAuth"), trust, use=Use.MDOC, now=now)
    if auth.payload is None:
        raise Malformed("no payload", field="issuerAuth")
    what = "the issuer's signature"
    cose.require(auth, signer.key, auth.payload, code=Code.CREDENTIAL_SIGNATURE, what=what)
    # 3. The MSO: version, the same type again, validity (9.1.2.4, 9.3.1).
    mso = _security_object(auth.payload)
    if mso.document.get("docType") != doctype:
        raise Untrue(Code.CREDENTIAL_TYPE, "the issuer signed a document of another type")
    _in_time(mso, signer, now)
    # 4. Every element shown: digested by the issuer, under its own namespace (9.1.2.4).
    claims = _elements(issued.get("nameSpaces"), mso)
    _one_country(claims, signer)
    # 5. The holder: the device's signature over this very session (9.1.3.4, 9.1.3.6).
    _held(device, mso, doctype, transcript)
    return Presented(
        type=doctype,
        claims=claims,
        issuer=signer.name,
        test=signer.test,
        valid_until=mso.valid_until,
        status=reference(mso.document.get("status"), field="MSO.status"),
    )


def device_authentication(transcript: bytes, doctype: str, name_spaces: bytes) -> bytes:
    """DeviceAuthenticationBytes (9.1.3.4). `name_spaces` is DeviceNameSpacesBytes as sent."""
    # Put together of encoded parts: what was sent is what was signed, however it was encoded.
    parts = [cbor2.dumps("DeviceAuthentication"), transcript, cbor2.dumps(doctype), name_spaces]
    return cbor2.dumps(cbor2.CBORTag(cbor.EMBEDDED, b"\x84" + b"".join(parts)))


def _only_document(response: bytes) -> dict[Any, Any]:
    outer = cbor.read(response, field="DeviceResponse")
    if not isinstance(outer, dict) or outer.get("version") != "1.0":
        raise Malformed("not a DeviceResponse of version 1.0", field="DeviceResponse")
    if type(outer.get("status")) is not int or outer["status"] != 0:
        raise Untrue(Code.CREDENTIAL_INCOMPLETE, "the wallet reports an error, not a document")
    documents = outer.get("documents")
    if not isinstance(documents, list) or len(documents) != 1:
        raise Untrue(Code.CREDENTIAL_TYPE, "not exactly the one document that was asked for")
    if not isinstance(documents[0], dict):
        raise Malformed("not a document", field="documents")
    return documents[0]


def _security_object(payload: bytes) -> _Mso:
    outer = cbor.read(payload, field="issuerAuth.payload")
    if not isinstance(outer, cbor.Embedded):
        raise Malformed("not MobileSecurityObjectBytes", field="issuerAuth.payload")
    mso = cbor.read(outer.content, field="MSO")
    if not isinstance(mso, dict) or mso.get("version") != "1.0":
        raise Malformed("not a mobile security object of version 1.0", field="MSO")
    algorithm = mso.get("digestAlgorithm")
    if not isinstance(algorithm, str) or algorithm not in _DIGESTS:
        text = f"digest algorithm {algorithm!a:.40} is not among those that count"
        raise Untrue(Code.CREDENTIAL_SIGNATURE, text)
    digest, size = _DIGESTS[algorithm]
    validity = _map(mso, "validityInfo")
    moments = [_moment(validity, name) for name in ("signed", "validFrom", "validUntil")]
    return _Mso(mso, _map(mso, "valueDigests"), digest, size, *moments)


def _in_time(mso: _Mso, signer: Signer, now: int) -> None:
    if not signer.not_before <= mso.signed <= signer.not_after:
        text = "signed outside the validity of the signer's certificate"
        raise Untrue(Code.CREDENTIAL_SIGNATURE, text)
    if mso.valid_from < mso.signed:
        raise Untrue(Code.CREDENTIAL_SIGNATURE, "valid from before it was signed")
    if now < mso.valid_from:
        raise Untrue(Code.CREDENTIAL_NOT_YET_VALID, "the credential is not valid yet")
    if now >= mso.valid_until:
        raise Untrue(Code.CREDENTIAL_EXPIRED, "the credential has expired")


def _elements(name_spaces: Any, mso: _Mso) -> dict[str, dict[str, Any]]:
    if not isinstance(name_spaces, dict) or not name_spaces:
        raise Untrue(Code.CREDENTIAL_INCOMPLETE, "no element was disclosed")
    return {
        name: _of_namespace(name, items, mso)
        for name, items in name_spaces.items()
        if _is_namespace(name, items)
    }


def _is_namespace(name: Any, items: Any) -> bool:
    if not isinstance(name, str) or not isinstance(items, list) or not items:
        raise Malformed("not a list of elements", field="nameSpaces")
    return True


def _of_namespace(name: str, items: list[Any], mso: _Mso) -> dict[str, Any]:
    digests = mso.digests.get(name)
    if not isinstance(digests, dict):
        raise Untrue(Code.CREDENTIAL_ALTERED, f"the issuer signed no namespace {name!a:.80}")
    elements: dict[str, Any] = {}
    numbers: set[int] = set()
    for item in items:
        number, element, value = _element(item, digests, mso)
        if number in numbers or element in elements:
            raise Untrue(Code.CREDENTIAL_ALTERED, f"{element!a:.80} or its digest stands twice")
        numbers.add(number)
        elements[element] = value
    return elements


def _element(item: Any, digests: dict[Any, Any], mso: _Mso) -> tuple[int, str, Any]:
    if not isinstance(item, cbor.Embedded):
        raise Malformed("not IssuerSignedItemBytes", field="nameSpaces")
    content = cbor.read(item.content, field="IssuerSignedItem")
    if not isinstance(content, dict) or content.keys() != _ITEM:
        raise Malformed("not the four members of an element", field="IssuerSignedItem")
    number, salt, element = (content[n] for n in ("digestID", "random", "elementIdentifier"))
    if type(number) is not int or not isinstance(element, str):
        raise Malformed("not an element", field="IssuerSignedItem")
    if not isinstance(salt, bytes) or len(salt) < _SALT_LEAST:
        raise Malformed("`random` has less than 16 bytes", field="IssuerSignedItem")
    stated = digests.get(number)
    # The length first: a digest of another algorithm is no digest at all.
    if not isinstance(stated, bytes) or len(stated) != mso.hash_size:
        raise Untrue(Code.CREDENTIAL_ALTERED, f"the issuer signed no digest for {element!a:.80}")
    if not hmac.compare_digest(mso.hash(item.raw).digest(), stated):
        raise Untrue(Code.CREDENTIAL_ALTERED, f"{element!a:.80} is not what the issuer signed")
    return number, element, content["elementValue"]


def _one_country(claims: dict[str, dict[str, Any]], signer: Signer) -> None:
    for elements in claims.values():
        stated = elements.get("issuing_country")
        if stated is not None and signer.country is not None and stated != signer.country:
            text = "the certificate is of another country than the credential names"
            raise Untrue(Code.CREDENTIAL_ISSUER, text)


def _held(device: dict[Any, Any], mso: _Mso, doctype: str, transcript: bytes) -> None:
    info = _map(mso.document, "deviceKeyInfo")
    name_spaces = device.get("nameSpaces")
    if not isinstance(name_spaces, cbor.Embedded):
        raise Malformed("not DeviceNameSpacesBytes", field="deviceSigned.nameSpaces")
    _authorized(cbor.read(name_spaces.content, field="deviceSigned.nameSpaces"), info)
    proof = device.get("deviceAuth")
    if not isinstance(proof, dict) or proof.keys() != {"deviceSignature"}:
        # A MAC needs a key agreed with the reader, and OpenID4VP has no such key: who could check
        # one could have made it.
        raise Untrue(Code.CREDENTIAL_HOLDER, "no device signature came with the document")
    signature = cose.sign1(proof["deviceSignature"], field="deviceSignature")
    if signature.payload is not None:
        raise Malformed("a payload that belongs detached", field="deviceSignature")
    cose.require(
        signature,
        cose.key(info.get("deviceKey"), field="deviceKey"),
        device_authentication(transcript, doctype, name_spaces.raw),
        code=Code.CREDENTIAL_HOLDER,
        what="the device's signature over this session",
    )


def _authorized(asserted: Any, info: dict[Any, Any]) -> None:
    """What the device adds itself must be what the issuer lets its key assert (9.1.2.4)."""
    if not isinstance(asserted, dict):
        raise Malformed("not a map", field="deviceSigned.nameSpaces")
    rights = info.get("keyAuthorizations", {})
    if not isinstance(rights, dict):
        raise Malformed("not a map", field="keyAuthorizations")
    whole, single = rights.get("nameSpaces", []), rights.get("dataElements", {})
    if not isinstance(whole, list) or not isinstance(single, dict):
        raise Malformed("not a list and a map", field="keyAuthorizations")
    for name, elements in asserted.items():
        if not isinstance(elements, dict):
            raise Malformed("not a map", field="deviceSigned.nameSpaces")
        allowed = single.get(name, [])
        if name not in whole and not (
            isinstance(allowed, list) and all(element in allowed for element in elements)
        ):
            text = f"the device asserts what its key may not, in {name!a:.80}"
            raise Untrue(Code.CREDENTIAL_HOLDER, text)


def _map(container: dict[Any, Any], name: str) -> dict[Any, Any]:
    value = container.get(name)
    if not isinstance(value, dict):
        raise Malformed("not a map", field=name)
    return value


def _moment(container: dict[Any, Any], name: str) -> int:
    value = container.get(name)
    # 9.1.2.4: tdate without fractions of a second and without a local offset.
    if not isinstance(value, cbor.Dated) or value.tag != cbor.DATE_TIME:
        raise Malformed("not a date-time", field=f"validityInfo.{name}")
    if not _MOMENT.fullmatch(value.text) or not value.text.isascii():
        raise Malformed("not a date-time in UTC", field=f"validityInfo.{name}")
    try:
        return int(
            datetime.strptime(value.text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
        )
    except ValueError as e:
        raise Malformed("no such moment", field=f"validityInfo.{name}") from e
