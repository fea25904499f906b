"""A wallet without a screen: it answers OpenID4VP requests with trial credentials, asking nobody.

Holds nothing real and shows no consent; it is what demonstrations and tests use where a person
would use a phone.

    wallet = Wallet.new(issuer, Holder(), at=now)
    answer_dc_request(request, wallet, origin="https://gate.example", now=now)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import cbor2
import requests
from joserfc import jwe
from joserfc.jwk import ECKey

from kycgate.demo.trial_issuer import Holder, Issued, TrialIssuer, embedded, sd_digest, sign1
from kycgate.errors import Malformed, Unavailable
from kycgate.issuer.credentials import jose, transcript
from kycgate.issuer.credentials.mdoc import device_authentication
from kycgate.issuer.credentials.query import CredentialType

_TIMEOUT_S = 10
REQUEST_TYPE = "application/oauth-authz-req+jwt"


@dataclass(frozen=True, slots=True)
class Wallet:
    """Credentials by kind."""

    credentials: Mapping[CredentialType, Issued] = field(default_factory=dict)

    @classmethod
    def new(
        cls,
        issuer: TrialIssuer,
        holder: Holder,
        *,
        at: int,
        kinds: tuple[CredentialType, ...] = tuple(CredentialType),
        status: Mapping[str, Any] | None = None,
    ) -> Wallet:
        """A wallet with one credential of each kind."""
        return cls({kind: issuer.issue(kind, holder, at=at, status=status) for kind in kinds})

    def choose(self, query: Mapping[str, Any]) -> Issued:
        """The first asked credential that is here. Raises Malformed when there is none."""
        for asked in query["credentials"]:
            for kind, issued in self.credentials.items():
                if asked["id"] == str(kind):
                    return issued
        raise Malformed("none of the asked credentials is in this wallet", field="dcql_query")


@dataclass(frozen=True, slots=True)
class Session:
    """What a presentation is bound to: whom it is for, and the exact request."""

    audience: str
    nonce: str
    transcript: bytes
    now: int


def answer_dc_request(
    request: Mapping[str, Any], wallet: Wallet, *, origin: str, now: int
) -> dict[str, Any]:
    """What `navigator.credentials.get({digital: request})` would give back, as JSON.

    `request` is the member `request` of POST /v1/presentations; `origin` what the browser would
    tell the wallet, and `now` its clock.
    """
    first = request["requests"][0]
    asked = first["data"]
    if first["protocol"] == "openid4vp-v1-signed":
        asked = _payload(asked["request"])
        if origin not in asked["expected_origins"]:
            raise Malformed("the request is for another origin", field="expected_origins")
    key = asked["client_metadata"]["jwks"]["keys"][0]
    bound = transcript.of_dc_api(origin, asked["nonce"], thumbprint(key))
    session = Session(f"origin:{origin}", asked["nonce"], bound, now)
    return {"protocol": first["protocol"], "data": {"response": answer(asked, wallet, session)}}


def follow_link(link: str, wallet: Wallet, *, now: int, wallet_nonce: str | None = None) -> str:
    """Answer the redirect way's link as a wallet on the phone would.

    Returns where the wallet sends the person's browser afterwards. Raises Unavailable when the
    verifier does not take the answer.
    """
    given = parse_qs(urlsplit(link).query)
    [uri], [client_id] = given["request_uri"], given["client_id"]
    if wallet_nonce is None:
        fetched = requests.get(uri, timeout=_TIMEOUT_S, allow_redirects=False)
    else:
        fields = {"wallet_nonce": wallet_nonce}
        fetched = requests.post(uri, data=fields, timeout=_TIMEOUT_S, allow_redirects=False)
    if fetched.status_code != 200 or fetched.headers["Content-Type"] != REQUEST_TYPE:
        raise Unavailable(f"the request could not be fetched: {fetched.status_code}")
    asked = _payload(fetched.text)
    if asked["client_id"] != client_id or asked.get("wallet_nonce") != wallet_nonce:
        raise Malformed("not the request the link was for", field="request_uri")
    response = {"response": answer_redirect(asked, wallet, now=now)}
    posted = requests.post(
        asked["response_uri"], data=response, timeout=_TIMEOUT_S, allow_redirects=False
    )
    if posted.status_code != 200:
        raise Unavailable(f"the answer was not taken: {posted.status_code} {posted.text[:500]}")
    document: dict[str, str] = json.loads(posted.content)
    return document["redirect_uri"]


def answer_redirect(asked: Mapping[str, Any], wallet: Wallet, *, now: int) -> str:
    """The encrypted answer to a request object of the redirect way."""
    key = asked["client_metadata"]["jwks"]["keys"][0]
    client_id, nonce = asked["client_id"], asked["nonce"]
    bound = transcript.of_redirect(client_id, nonce, thumbprint(key), asked["response_uri"])
    return answer(asked, wallet, Session(client_id, nonce, bound, now))


def answer(asked: Mapping[str, Any], wallet: Wallet, session: Session) -> str:
    """The encrypted response to a request, as compact JWE."""
    issued = wallet.choose(asked["dcql_query"])
    vp_token = {str(issued.kind): [present(issued, session)]}
    document = {"vp_token": vp_token}
    if "state" in asked:
        document["state"] = asked["state"]
    return encrypt(document, asked["client_metadata"]["jwks"]["keys"][0])


def present(issued: Issued, session: Session) -> str:
    """One presentation as it stands in a `vp_token`."""
    if issued.kind is CredentialType.PID_SD_JWT:
        return present_sd_jwt(issued, session)
    return jose.b64(device_response(issued, session))


def device_response(issued: Issued, session: Session) -> bytes:
    """DeviceResponse with the device's signature over this session."""
    doctype, name_spaces = issued.kind.doctype, embedded({})
    message = device_authentication(session.transcript, doctype, cbor2.dumps(name_spaces))
    signature = sign1(issued.key, b"", {}, detached=message)
    document = {
        "docType": doctype,
        "issuerSigned": cbor2.loads(issued.credential),
        "deviceSigned": {
            "nameSpaces": name_spaces,
            "deviceAuth": {"deviceSignature": signature},
        },
    }
    return cbor2.dumps({"version": "1.0", "documents": [document], "status": 0})


def present_sd_jwt(issued: Issued, session: Session, **changes: Any) -> str:
    """The token, all its disclosures, and a key binding for this session."""
    shown = issued.credential.decode()
    claims = {
        "aud": session.audience,
        "nonce": session.nonce,
        "iat": session.now,
        "sd_hash": sd_digest(shown),
        **changes,
    }
    return shown + jose.write({"typ": "kb+jwt"}, claims, issued.key)


def encrypt(document: Mapping[str, Any], key: Mapping[str, Any], **header: Any) -> str:
    """JWE to the verifier's key of this one request."""
    protected = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": key["kid"], **header}
    recipient = ECKey.import_key({name: key[name] for name in ("kty", "crv", "x", "y")})
    body = json.dumps(document).encode()
    return jwe.encrypt_compact(protected, body, recipient, algorithms=["ECDH-ES", "A256GCM"])


def thumbprint(key: Mapping[str, Any]) -> bytes:
    """RFC 7638, SHA-256."""
    required = {name: key[name] for name in ("crv", "kty", "x", "y")}
    return hashlib.sha256(json.dumps(required, separators=(",", ":")).encode()).digest()


def _payload(token: str) -> dict[str, Any]:
    jws = jose.read(token, most=65_536, field="request")
    return jws.claims(most=65_536, field="request")
