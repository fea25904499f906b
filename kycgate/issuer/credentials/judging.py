"""What a wallet's answer to one of our requests proves: opened, verified, and read as a person.

Keeps nothing and asks nobody: neither the store nor a status list.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from kycgate.core import wire
from kycgate.core.signature import Invalid
from kycgate.errors import Code, Malformed, NotFound
from kycgate.issuer.credentials import answers, asking, jose, mdoc, sdjwt, transcript
from kycgate.issuer.credentials.chain import Trust
from kycgate.issuer.credentials.persons import Person, person
from kycgate.issuer.credentials.query import CredentialType
from kycgate.issuer.credentials.verdict import Presented, Untrue
from kycgate.store.records.visits import Presentation


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator accepts, and under which name wallets know the gate."""

    origin: str
    """of the control plane, as browsers state it"""
    trusts: Mapping[CredentialType, Trust]
    """the accepted types and the roots of each, the preferred type first"""
    vct: tuple[str, ...]
    client: asking.Client | None
    """None: no certificate, hence only the browser's API with an unsigned request"""
    scheme: str = "openid4vp"
    """of the links that open a wallet on the phone"""

    def trust(self, kind: CredentialType) -> Trust:
        """The roots of this type. Raises Untrue where it is no longer accepted."""
        try:
            return self.trusts[kind]
        except KeyError as e:
            raise Untrue(Code.CREDENTIAL_TYPE, f"{kind} is no longer accepted here") from e

    def named(self) -> asking.Client:
        """The gate as wallets know it. Raises NotFound where it has no certificate."""
        if self.client is None:
            raise NotFound("this gate has no certificate for wallets")
        return self.client

    def address(self, asked: Presentation) -> str:
        """Where a wallet finds this presentation."""
        return f"{self.origin}/v1/presentations/{asked.id}"

    def response_uri(self, asked: Presentation) -> str:
        return f"{self.address(asked)}/direct"


@dataclass(frozen=True, slots=True)
class Kept:
    """What is sealed while a presentation runs."""

    key: ec.EllipticCurvePrivateKey
    random: bytes
    answer: str = ""
    received_at: int = 0

    def document(self) -> dict[str, Any]:
        der = self.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return {
            "key": der.hex(),
            "random": self.random.hex(),
            "answer": self.answer,
            "received_at": self.received_at,
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Kept:
        key = load_der_private_key(bytes.fromhex(document["key"]), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        random = bytes.fromhex(document["random"])
        return cls(key, random, document["answer"], document["received_at"])

    @property
    def jwk(self) -> dict[str, str]:
        return jose.jwk(self.key.public_key())

    @property
    def thumbprint(self) -> bytes:
        return hashlib.sha256(wire.write_object(self.jwk)).digest()

    @property
    def kid(self) -> str:
        return jose.b64(self.thumbprint)


def commitment(asked: Presentation, random: bytes) -> str:
    """The nonce: SHA-256 over 32 random bytes, the account and the presentation, base64url.

    It is never stored: a record whose account was exchanged asks, and expects, another nonce.
    """
    parts = [b"kycgate/openid4vp/nonce/1", random, asked.account.encode(), asked.id.encode()]
    digest = hashlib.sha256(b"".join(len(part).to_bytes(4) + part for part in parts)).digest()
    return jose.b64(digest)


def judged(
    asked: Presentation, kept: Kept, settings: Settings
) -> tuple[CredentialType, Presented, Person]:
    """What the answer proves. Raises Malformed for what can't be read, Untrue for the rest."""
    document = answers.opened(kept.answer, kept.key, kept.kid)
    if "error" in document:
        raise Untrue(Code.PRESENTATION_DECLINED, "the wallet showed no credential")
    answer = answers.answer(document, [CredentialType(kind) for kind in asked.kinds])
    if asked.mode == "redirect" and answer.state != asked.id:
        raise Malformed("not the state of this request", field="state")
    verdict = _verified(asked, kept, settings, answer)
    if isinstance(verdict, Invalid):
        raise Untrue(verdict.reason.code, verdict.reason.text)
    told = person(answer.kind, verdict)
    if told.document_until is not None and told.document_until <= kept.received_at:
        raise Untrue(Code.CREDENTIAL_EXPIRED, "the document has expired")
    return answer.kind, verdict, told


def _verified(
    asked: Presentation, kept: Kept, settings: Settings, answer: answers.Answer
) -> Presented | Invalid:
    trust, nonce = settings.trust(answer.kind), commitment(asked, kept.random)
    if answer.kind.is_mdoc:
        return mdoc.verify(
            jose.unb64(answer.presentation, field="vp_token"),
            doctype=answer.kind.doctype,
            trust=trust,
            transcript=_transcript(asked, kept, settings, nonce),
            now=kept.received_at,
        )
    # By the browser's API the audience is the origin, for signed requests too (A.4).
    browser = asked.mode == "dc"
    return sdjwt.verify(
        answer.presentation,
        types=frozenset(settings.vct),
        trust=trust,
        audience=f"origin:{settings.origin}" if browser else settings.named().id,
        nonce=nonce,
        now=kept.received_at,
    )


def _transcript(asked: Presentation, kept: Kept, settings: Settings, nonce: str) -> bytes:
    if asked.mode == "dc":
        return transcript.of_dc_api(settings.origin, nonce, kept.thumbprint)
    client, response_uri = settings.named().id, settings.response_uri(asked)
    return transcript.of_redirect(client, nonce, kept.thumbprint, response_uri)
