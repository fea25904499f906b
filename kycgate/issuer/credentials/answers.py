"""Opens what a wallet sends back: one JWE to one request's own key, one credential inside.

Believes nothing of the credential; that is for `mdoc` and `sdjwt`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from kycgate.core import wire
from kycgate.errors import Malformed
from kycgate.issuer.credentials import jose
from kycgate.issuer.credentials.query import CredentialType

JWE_MOST: Final = 56 * 1024
"""Characters; a body has room for 64 KiB."""
ENCRYPTIONS: Final = ("A256GCM", "A128GCM")
_ALGORITHMS: Final = ("ECDH-ES", *ENCRYPTIONS)
_HEADER: Final = frozenset({"alg", "enc", "kid", "epk", "apu", "apv", "typ", "cty"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What was inside: one presentation, and the `state` it came with."""

    kind: CredentialType
    presentation: str
    state: str | None


def opened(token: str, key: ec.EllipticCurvePrivateKey, kid: str) -> dict[str, Any]:
    """The JSON document encrypted to this key. Raises Malformed, whatever is wrong with it."""
    header = _header(token)
    # Nothing but the one key agreement and the two ciphers we asked for: no key wrapping, no
    # password, no compression (a short text could unpack to gigabytes), no other key's name.
    if header.get("alg") != "ECDH-ES" or header.get("enc") not in ENCRYPTIONS:
        raise Malformed("not ECDH-ES with A256GCM or A128GCM", field="response")
    if header.get("kid") != kid or not header.keys() <= _HEADER:
        raise Malformed("not encrypted for this request", field="response")
    sent = header.get("epk")
    if not isinstance(sent, dict) or (sent.get("kty"), sent.get("crv")) != ("EC", "P-256"):
        raise Malformed("its ephemeral key is not on P-256", field="response")
    jose.key(sent, field="response")
    try:
        found = jwe.decrypt_compact(token, ECKey.import_key(key), algorithms=list(_ALGORITHMS))
    except (JoseError, InvalidTag, ValueError, TypeError) as e:
        raise Malformed("can't be decrypted", field="response") from e
    return wire.read_object(found.plaintext or b"", limit=JWE_MOST, field="response")


def answer(document: dict[str, Any], asked: Sequence[CredentialType]) -> Answer:
    """The one presentation of a type that was asked for (OpenID4VP 1.0, 8.1). Raises Malformed."""
    token = document.get("vp_token")
    if not isinstance(token, dict) or len(token) != 1:
        raise Malformed("not exactly one credential", field="vp_token")
    [(name, presentations)] = token.items()
    kind = next((each for each in asked if str(each) == name), None)
    if kind is None:
        raise Malformed("not a credential that was asked for", field="vp_token")
    if not isinstance(presentations, list) or len(presentations) != 1:
        raise Malformed("not exactly one presentation", field="vp_token")
    [presentation] = presentations
    if not isinstance(presentation, str):
        raise Malformed("not a presentation", field="vp_token")
    state = document.get("state")
    return Answer(kind, presentation, state if isinstance(state, str) else None)


def _header(token: str) -> dict[str, Any]:
    parts = token.split(".") if len(token) <= JWE_MOST else []
    # ECDH-ES agrees on the content key itself: the second part is empty.
    if len(parts) != 5 or parts[1]:
        raise Malformed("not an encrypted response", field="response")
    raw = jose.unb64(parts[0], field="response")
    return wire.read_object(raw, limit=JWE_MOST, field="response header")
