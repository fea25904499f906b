"""The requests a wallet is sent (OpenID4VP 1.0): for the browser's API, and for a link.

Keeps nothing and draws nothing: nonce and key are given.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from kycgate.errors import Misconfigured
from kycgate.issuer.credentials import jose
from kycgate.issuer.credentials.answers import ENCRYPTIONS
from kycgate.issuer.credentials.query import formats
from kycgate.issuer.credentials.signing import PrivateKey, algorithm_of

REQUEST_TYPE: Final = "application/oauth-authz-req+jwt"
UNSIGNED: Final = "openid4vp-v1-unsigned"
SIGNED: Final = "openid4vp-v1-signed"
_WALLETS: Final = "https://self-issued.me/v2"
"""The audience of a request to a wallet whose name is not known (5.8)."""


@dataclass(frozen=True, slots=True)
class Client:
    """The operator as wallets know it: the certificate that signs requests, and its name in it.

    `x509_hash:` or `x509_san_dns:` (5.9.3), as EUDI wallets ask. `redirect_uri:` is not offered:
    such a request is unsigned, so whoever carries it can rewrite it.
    """

    id: str
    """with its prefix"""
    chain: tuple[bytes, ...]
    """DER, the signing certificate first, without the root"""
    key: PrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """What one request holds besides the way it travels."""

    nonce: str
    query: Mapping[str, Any]
    encryption: Mapping[str, str]
    """public JWK of this request's own key, with its `kid`"""

    def parameters(self, mode: str) -> dict[str, Any]:
        key = {**self.encryption, "use": "enc", "alg": "ECDH-ES"}
        return {
            "response_type": "vp_token",
            "response_mode": mode,
            "nonce": self.nonce,
            "dcql_query": self.query,
            "client_metadata": {
                "jwks": {"keys": [key]},
                "encrypted_response_enc_values_supported": list(ENCRYPTIONS),
                "vp_formats_supported": formats(),
            },
        }


def for_browser(request: Request, client: Client | None, *, origin: str) -> dict[str, Any]:
    """What `navigator.credentials.get({digital: …})` takes (appendix A).

    The signed request first, where there is a certificate; a wallet takes the first it knows.
    """
    asked = request.parameters("dc_api.jwt")
    requests = [{"protocol": UNSIGNED, "data": asked}]
    if client is not None:
        named = asked | {"client_id": client.id, "expected_origins": [origin], "aud": _WALLETS}
        signed = {"protocol": SIGNED, "data": {"request": _signed(named, client)}}
        requests.insert(0, signed)
    return {"requests": requests}


def for_link(
    request: Request, client: Client, *, state: str, response_uri: str, wallet_nonce: str | None
) -> str:
    """The request object a wallet fetches (5.10), to be answered at `response_uri`."""
    named = {
        "client_id": client.id,
        "aud": _WALLETS,
        "response_uri": response_uri,
        "state": state,
        **request.parameters("direct_post.jwt"),
    }
    if wallet_nonce is not None:
        named["wallet_nonce"] = wallet_nonce
    return _signed(named, client)


def link(client: Client, request_uri: str, *, scheme: str) -> str:
    """What the renter's phone opens."""
    given = {
        "client_id": client.id,
        "request_uri": request_uri,
        "request_uri_method": "post",
    }
    return f"{scheme}://?{urlencode(given)}"


def read_client(certificate: bytes, key: bytes, *, prefix: str, host: str, name: str) -> Client:
    """The operator's certificate path and key from PEM. Raises Misconfigured, naming `name`."""
    try:
        chain = x509.load_pem_x509_certificates(certificate)
        private = load_pem_private_key(key, None)
        algorithm_of(private.public_key())
    except (ValueError, TypeError) as e:
        text = "needs PEM: certificates, and an unencrypted key on P-256, P-384, P-521 or Ed25519"
        raise Misconfigured((f"{name}: {text}",)) from e
    leaf = chain[0]
    if leaf.public_key() != private.public_key():
        raise Misconfigured((f"{name}: the key is not the certificate's",))
    der = tuple(each.public_bytes(Encoding.DER) for each in chain if each.issuer != each.subject)
    if not der:
        raise Misconfigured((f"{name}: a self-signed certificate names nobody to a wallet",))
    if prefix == "x509_hash":
        client_id = f"x509_hash:{jose.b64(hashlib.sha256(der[0]).digest())}"
    else:
        client_id = f"x509_san_dns:{_host(leaf, host, name)}"
    return Client(client_id, der, private)  # type: ignore[arg-type]  # its kind was seen above


def _host(leaf: x509.Certificate, host: str, name: str) -> str:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        if host in names.get_values_for_type(x509.DNSName):
            return host
    except x509.ExtensionNotFound:
        pass
    raise Misconfigured((f"{name}: the certificate does not name {host}, the gate's public host",))


def _signed(claims: Mapping[str, Any], client: Client) -> str:
    header = {"typ": "oauth-authz-req+jwt", "x5c": x5c(client.chain)}
    return jose.write(header, dict(claims), client.key)


def x5c(chain: Sequence[bytes]) -> list[str]:
    """The header of RFC 7515, 4.1.6."""
    return [base64.b64encode(each).decode() for each in chain]
