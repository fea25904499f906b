"""Whether an SD-JWT VC is genuine, in time, and shown by its own holder to us, now.

Judges no person and asks no status list. Clauses: RFC 9901 for the selective disclosure and key
binding, draft-ietf-oauth-sd-jwt-vc for the credential.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from kycgate.core import wire
from kycgate.errors import Code, Malformed
from kycgate.issuer.credentials import jose
from kycgate.issuer.credentials.chain import Signer, Trust, Use, follow
from kycgate.issuer.credentials.statuslist import reference
from kycgate.issuer.credentials.verdict import Presented, Untrue, judged

SIZE_MOST: Final = 64 * 1024
DISCLOSURES_MOST: Final = 256
SKEW_S: Final = 60
PROOF_MOST_S: Final = 300
"""How old a key binding may be."""
_CREDENTIAL: Final = frozenset({"dc+sd-jwt", "vc+sd-jwt"})
_BINDING: Final = frozenset({"kb+jwt"})
_DIGESTS: Final[dict[str, Callable[..., Any]]] = {
    "sha-256": hashlib.sha256,
    "sha-384": hashlib.sha384,
    "sha-512": hashlib.sha512,
}
_RESERVED: Final = frozenset({"_sd", "...", "_sd_alg"})
_ALWAYS_OPEN: Final = frozenset(
    {"iss", "iat", "nbf", "exp", "cnf", "vct", "vct#integrity", "status"}
)
"""Claims that decide over validity: never from a disclosure (SD-JWT VC, 2.2.2.2)."""


@judged
def verify(
    presentation: str,
    *,
    types: frozenset[str],
    trust: Trust,
    audience: str,
    nonce: str,
    now: int,
) -> Presented:
    """The credential in an SD-JWT+KB, or `Invalid` with the first fault found.

    `types`: the `vct` values that count; `audience` and `nonce`: of our own request; `now`: Unix
    seconds UTC.
    """
    if len(presentation) > SIZE_MOST or not presentation.isascii():
        raise Malformed(f"not ASCII text of at most {SIZE_MOST} characters", field="SD-JWT")
    if "~" not in presentation:
        raise Malformed("not an SD-JWT", field="SD-JWT")
    credential, *disclosures, binding = presentation.split("~")
    # 1. The issuer: the path to a pinned root, then its signature (RFC 9901, 7.1).
    jws = jose.read(credential, most=SIZE_MOST, field="SD-JWT")
    signer = follow(jws.chain(field="SD-JWT header.x5c"), trust, use=Use.SD_JWT, now=now)
    what = "the issuer's signature"
    jose.require(jws, signer.key, typ=_CREDENTIAL, code=Code.CREDENTIAL_SIGNATURE, what=what)
    payload = jws.claims(most=SIZE_MOST, field="SD-JWT")
    # 2. Every disclosure: referred to exactly once by what the issuer signed.
    digest = _digest(payload)
    claims = disclosed(payload, disclosures, digest)
    # 3. The credential: type, validity, country.
    _in_order(claims, types, signer, now)
    # 4. The holder: its signature over this very presentation, for us, now (RFC 9901, 7.3).
    shown = presentation[: len(presentation) - len(binding)]
    held = jose.key(_member(claims, "cnf", "jwk"), field="cnf.jwk")
    proof = jose.read(binding, most=SIZE_MOST, field="KB-JWT") if binding else None
    if proof is None:
        raise Untrue(Code.CREDENTIAL_HOLDER, "no key binding came with the credential")
    what = "the holder's signature"
    jose.require(proof, held, typ=_BINDING, code=Code.CREDENTIAL_HOLDER, what=what)
    _bound(proof, digest(shown.encode()).digest(), audience=audience, nonce=nonce, now=now)
    return Presented(
        type=claims["vct"],
        claims=claims,
        issuer=signer.name,
        test=signer.test,
        valid_until=claims["exp"],
        status=reference(claims.get("status"), field="status"),
    )


def disclosed(
    payload: dict[str, Any], disclosures: list[str], digest: Callable[..., Any]
) -> dict[str, Any]:
    """The payload with what was disclosed put in its place (RFC 9901, 7.1, step 3).

    Raises Untrue for a disclosure the issuer did not sign for or that stands in for another.
    """
    if len(disclosures) > DISCLOSURES_MOST:
        raise Malformed(f"more than {DISCLOSURES_MOST} disclosures", field="SD-JWT")
    found: dict[str, list[Any]] = {}
    for text in disclosures:
        name = jose.b64(digest(text.encode()).digest())
        if name in found:
            raise Untrue(Code.CREDENTIAL_ALTERED, "a disclosure stands twice")
        raw = jose.unb64(text, field="disclosure")
        found[name] = wire.read_array(raw, limit=SIZE_MOST, field="disclosure")
    opening = _Opening(found)
    claims: dict[str, Any] = opening.mapping(payload, top=True)
    if found.keys() - opening.used:
        raise Untrue(Code.CREDENTIAL_ALTERED, "a disclosure the issuer did not sign for")
    return claims


@dataclass(slots=True)
class _Opening:
    """One walk through a payload. Every digest, disclosed or not, may stand once in all of it."""

    found: dict[str, list[Any]]
    seen: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    depth: int = 0

    def value(self, value: Any) -> Any:
        if not isinstance(value, dict | list):
            return value
        # One disclosure may hold the next: each is shallow, a chain of them need not be.
        self.depth += 1
        if self.depth > wire.DEPTH_MOST:
            raise Malformed("nested too deep", field="SD-JWT")
        opened: Any = (
            self.array(value) if isinstance(value, list) else self.mapping(value, top=False)
        )
        self.depth -= 1
        return opened

    def mapping(self, value: dict[str, Any], *, top: bool) -> dict[str, Any]:
        if "..." in value or ("_sd_alg" in value and not top):
            raise Malformed("`...` or `_sd_alg` where it has no meaning", field="SD-JWT")
        digests = value.get("_sd", [])
        if not isinstance(digests, list):
            raise Malformed("not a list", field="SD-JWT._sd")
        opened = {name: self.value(each) for name, each in value.items() if name not in _RESERVED}
        for digest in digests:
            members = self.open(digest, length=3)
            if members is None:
                continue
            _, name, inner = members
            if not isinstance(name, str) or name in _RESERVED or (top and name in _ALWAYS_OPEN):
                raise Untrue(Code.CREDENTIAL_ALTERED, f"{name!a:.80} may not be disclosed")
            if name in opened:
                raise Untrue(Code.CREDENTIAL_ALTERED, f"{name!a:.80} stands twice")
            opened[name] = self.value(inner)
        return opened

    def array(self, value: list[Any]) -> list[Any]:
        opened = []
        for each in value:
            if not (isinstance(each, dict) and "..." in each):
                opened.append(self.value(each))
                continue
            if len(each) != 1:
                raise Malformed("`...` beside other members", field="SD-JWT")
            members = self.open(each["..."], length=2)
            if members is not None:
                opened.append(self.value(members[1]))
        return opened

    def open(self, digest: Any, *, length: int) -> list[Any] | None:
        """The disclosure this digest stands for; None where it was not disclosed."""
        if not isinstance(digest, str) or digest in self.seen:
            raise Untrue(Code.CREDENTIAL_ALTERED, "a digest stands twice, or is none")
        self.seen.add(digest)
        members = self.found.get(digest)
        if members is None:
            return None
        self.used.add(digest)
        if len(members) != length or not isinstance(members[0], str):
            raise Malformed("not a disclosure for this place", field="disclosure")
        return members


def _digest(payload: dict[str, Any]) -> Callable[..., Any]:
    name = payload.get("_sd_alg", "sha-256")
    if not isinstance(name, str) or name not in _DIGESTS:
        text = f"digest algorithm {name!a:.40} is not among those that count"
        raise Untrue(Code.CREDENTIAL_SIGNATURE, text)
    return _DIGESTS[name]


def _in_order(claims: dict[str, Any], types: frozenset[str], signer: Signer, now: int) -> None:
    if not isinstance(claims.get("vct"), str) or claims["vct"] not in types:
        raise Untrue(
            Code.CREDENTIAL_TYPE, f"another type, {claims.get('vct')!a:.80}, was presented"
        )
    issued, start, end = (_seconds(claims, name) for name in ("iat", "nbf", "exp"))
    if end is None:
        raise Untrue(Code.CREDENTIAL_EXPIRED, "the credential never expires, which none may")
    if max(issued or 0, start or 0) > now + SKEW_S:
        raise Untrue(Code.CREDENTIAL_NOT_YET_VALID, "the credential is not valid yet")
    if now >= end:
        raise Untrue(Code.CREDENTIAL_EXPIRED, "the credential has expired")
    stated = claims.get("issuing_country")
    if stated is not None and signer.country is not None and stated != signer.country:
        text = "the certificate is of another country than the credential names"
        raise Untrue(Code.CREDENTIAL_ISSUER, text)


def _bound(proof: jose.Jws, sd_hash: bytes, *, audience: str, nonce: str, now: int) -> None:
    claims = proof.claims(most=SIZE_MOST, field="KB-JWT")
    if claims.get("aud") != audience:
        raise Untrue(Code.CREDENTIAL_HOLDER, "the holder signed for another place")
    if not _same(claims.get("nonce"), nonce):
        raise Untrue(Code.CREDENTIAL_HOLDER, "the holder signed for another request")
    if not _same(claims.get("sd_hash"), jose.b64(sd_hash)):
        raise Untrue(Code.CREDENTIAL_HOLDER, "the holder signed for another presentation")
    signed, end = _seconds(claims, "iat"), _seconds(claims, "exp")
    if signed is None or not now - PROOF_MOST_S <= signed <= now + SKEW_S:
        raise Untrue(Code.CREDENTIAL_HOLDER, "the holder's signature is not of now")
    if end is not None and end <= now:
        raise Untrue(Code.CREDENTIAL_HOLDER, "the holder's signature has expired")


def _same(given: Any, wanted: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(
        given.encode("utf-8", "surrogatepass"), wanted.encode()
    )


def _seconds(claims: dict[str, Any], name: str) -> int | None:
    value = claims.get(name)
    if value is not None and (type(value) is not int or not 0 <= value < 2**53):
        raise Malformed("not whole seconds", field=name)
    return value


def _member(claims: dict[str, Any], name: str, inner: str) -> Any:
    value = claims.get(name)
    if not isinstance(value, dict) or inner not in value:
        raise Untrue(Code.CREDENTIAL_HOLDER, "the credential is bound to no key of a holder")
    return value[inner]
