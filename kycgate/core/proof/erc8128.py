"""A request that its sender's wallet signed: ERC-8128, a profile of HTTP Message Signatures.

Both spellings in use are read and written. Delegated keys are not accepted, and a signature that
does not cover the whole request is none.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from kycgate.core.claims import Account, Address, Digest, parse_address
from kycgate.core.proof import fields
from kycgate.core.proof.account import (
    CLOCK_SKEW_S,
    SIGNATURE_MOST,
    UndecidedContract,
    needs,
    signed_by,
)
from kycgate.core.signature import Invalid
from kycgate.core.typed import personal_digest
from kycgate.errors import Code, Malformed, Reason

Header = tuple[str, str]


class Profile(StrEnum):
    """Which spelling: ERC text and npm 0.2, or the rewritten draft that is CAIP-10 with a tag."""

    ERC8128 = "erc8128"
    EIP155 = "eip155"


_LABEL = {Profile.ERC8128: "eth", Profile.EIP155: "request"}
_TAG = "erc8128"
_KEY_ID = re.compile(r"(erc8128|eip155):([1-9][0-9]{0,17}):(0x[0-9a-fA-F]{40})", re.ASCII)
_NONCE = re.compile(r"[\x21-\x7e]{8,128}", re.ASCII)
_FIELD_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_DEFAULT_PORT = {"http": ":80", "https": ":443"}
_PARAMETERS = {"created": int, "expires": int, "nonce": str, "keyid": str, "tag": str}


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as it crossed the wire.

    `path` and `query` (without `?`; None when there is none) are the bytes of the request line,
    not decoded. `authority` is the one the operator answers to, `scheme` the one the caller used:
    both are the door's to vouch for, never taken from a forwarded header.
    """

    method: str
    scheme: str
    authority: str
    path: str
    query: str | None
    headers: tuple[Header, ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """A field's value as RFC 9421 2.1 combines it; None when absent."""
        values = [value.strip(" \t") for key, value in self.headers if key.lower() == name]
        return ", ".join(values) if values else None


@dataclass(frozen=True, slots=True)
class ProvenRequest:
    """The account signed this very request. Its nonce is still to be spent by the caller of this.

    Times are Unix seconds UTC; `digest` is the EIP-191 hash that was signed.
    """

    account: Account
    nonce: str
    created: int
    expires: int
    profile: Profile
    digest: Digest


@dataclass(frozen=True, slots=True)
class _Signature:
    """One signature of ours in the headers, its parameters already of the right types."""

    profile: Profile
    address: Address
    chain_id: int
    created: int
    expires: int
    nonce: str
    covered: tuple[str, ...]
    parameters_text: str
    content: bytes


def verify_request(
    request: HttpRequest, *, now: int, max_age_s: int
) -> ProvenRequest | Invalid | UndecidedContract[ProvenRequest]:
    """Hold a request against its ERC-8128 signature (RFC 9421 section 3.2).

    `max_age_s` bounds `expires - created`, seconds; `now` Unix seconds UTC. Never raises for what
    a stranger sent.
    """
    try:
        # 1. Exactly one signature in one of the two profiles, readable to the last character.
        found = _find(request)
        if isinstance(found, Reason):
            return Invalid(found)
        # 2. It covers all that the request asks; 3. now; 4. with the body that came.
        refusal = (
            _uncovered(found, request) or _untimely(found, now, max_age_s) or _body(found, request)
        )
        if refusal is not None:
            return Invalid(refusal)
        base = _signature_base(found.covered, found.parameters_text, request)
    except Malformed as e:
        return Invalid(Reason(Code.PROOF_INVALID, f"{e.field}: {e.message}"))
    # 5. The account in keyid signed the signature base (EIP-191).
    return _signed(found, Digest(personal_digest(base)))


def _signed(found: _Signature, digest: Digest) -> ProvenRequest | UndecidedContract[ProvenRequest]:
    def proven(chain_id: int | None) -> ProvenRequest:
        return ProvenRequest(
            account=Account(found.address, chain_id),
            nonce=found.nonce,
            created=found.created,
            expires=found.expires,
            profile=found.profile,
            digest=digest,
        )

    if signed_by(found.address, digest, found.content):
        return proven(None)
    return UndecidedContract(needs(found.content), proven(found.chain_id), digest, found.content)


def _find(request: HttpRequest) -> _Signature | Reason:
    inputs, signatures = request.header("signature-input"), request.header("signature")
    if inputs is None and signatures is None:
        return Reason(Code.PROOF_MISSING, "the request is not signed")
    if inputs is None or signatures is None:
        return Reason(Code.PROOF_INVALID, "Signature-Input and Signature belong together")
    members = fields.dictionary(inputs, field="Signature-Input")
    contents = fields.dictionary(signatures, field="Signature")
    ours = [
        (label, member)
        for label, member in members.items()
        if isinstance(member, fields.InnerList) and _profile(member) is not None
    ]
    if len(ours) != 1:
        return Reason(Code.PROOF_INVALID, f"{len(ours)} ERC-8128 signatures where one is wanted")
    label, member = ours[0]
    content = contents.get(label)
    if not isinstance(content, fields.Item) or type(content.value) is not bytes:
        return Reason(Code.PROOF_INVALID, f"Signature has no {label}")
    if content.parameters or len(content.value) > SIGNATURE_MOST:
        return Reason(Code.PROOF_INVALID, "the signature is too long or has parameters")
    return _read(member, content.value)


def _profile(member: fields.InnerList) -> Profile | None:
    """Which of our profiles a signature declares; None: somebody else's signature."""
    parameters = dict(member.parameters)
    key_id, tag = parameters.get("keyid"), parameters.get("tag")
    if type(key_id) is not str:
        return None
    if key_id.startswith("erc8128:") and tag is None:
        return Profile.ERC8128
    if key_id.startswith("eip155:") and tag == _TAG:
        return Profile.EIP155
    return None


def _read(member: fields.InnerList, content: bytes) -> _Signature:
    profile = _profile(member)
    parameters = dict(member.parameters)
    for name, value in parameters.items():
        # `alg` included: the profile fixes the algorithm (draft, section on parameters).
        if type(value) is not _PARAMETERS.get(name):
            raise Malformed("unknown or of the wrong type", field=f"Signature-Input;{name}")
    missing = _PARAMETERS.keys() - parameters.keys() - {"tag"}
    if missing or profile is None:
        raise Malformed(f"lacks {', '.join(sorted(missing))}", field="Signature-Input")
    chain_id, address = _key(str(parameters["keyid"]), profile)
    nonce = str(parameters["nonce"])
    if not _NONCE.fullmatch(nonce):
        raise Malformed("8 to 128 printable characters are wanted", field="Signature-Input;nonce")
    return _Signature(
        profile=profile,
        address=address,
        chain_id=chain_id,
        created=int(parameters["created"]),
        expires=int(parameters["expires"]),
        nonce=nonce,
        covered=tuple(_component(item) for item in member.items),
        parameters_text=member.text,
        content=content,
    )


def _key(key_id: str, profile: Profile) -> tuple[int, Address]:
    found = _KEY_ID.fullmatch(key_id)
    if found is None or found[1] != profile.value:
        raise Malformed("not <profile>:<chain>:<address>", field="Signature-Input;keyid")
    if profile is Profile.EIP155 and found[3] != found[3].lower():
        raise Malformed("the address is not in lower case", field="Signature-Input;keyid")
    return int(found[2]), parse_address(found[3], field="Signature-Input;keyid")


def _component(item: fields.Item) -> str:
    if type(item.value) is not str or item.parameters:
        raise Malformed("components with parameters are not read", field="Signature-Input")
    return item.value


def _uncovered(found: _Signature, request: HttpRequest) -> Reason | None:
    """What the signature leaves open; request-bound signatures leave nothing open."""
    if len(set(found.covered)) != len(found.covered):
        return Reason(Code.PROOF_INVALID, "a component is covered twice")
    wanted = {"@method", "@authority", "@path"}
    if request.query:
        wanted.add("@query")
    if request.body:
        wanted.add("content-digest")
    open_parts = sorted(wanted - set(found.covered))
    if open_parts:
        return Reason(Code.PROOF_INCOMPLETE, f"does not cover {', '.join(open_parts)}")
    return None


def _untimely(found: _Signature, now: int, max_age_s: int) -> Reason | None:
    if not found.created < found.expires <= found.created + max_age_s:
        return Reason(Code.PROOF_INVALID, f"a signature lives 1 to {max_age_s} seconds")
    if found.created > now + CLOCK_SKEW_S:
        return Reason(Code.PROOF_NOT_YET_VALID, "signed in the future: is the clock right?")
    if now >= found.expires:
        return Reason(Code.PROOF_EXPIRED, "the signature has expired")
    return None


def _body(found: _Signature, request: HttpRequest) -> Reason | None:
    """RFC 9530: the one digest is SHA-256, and it is the digest of this body."""
    if "content-digest" not in found.covered:
        return None
    members = fields.dictionary(request.header("content-digest") or "", field="Content-Digest")
    item = members.get("sha-256")
    if len(members) != 1 or not isinstance(item, fields.Item) or type(item.value) is not bytes:
        return Reason(Code.PROOF_INVALID, "Content-Digest holds something else than one sha-256")
    if not hmac.compare_digest(item.value, hashlib.sha256(request.body).digest()):
        return Reason(Code.PROOF_INVALID, "Content-Digest is another body's")
    return None


def _signature_base(covered: Iterable[str], parameters_text: str, request: HttpRequest) -> bytes:
    """RFC 9421 section 2.5."""
    lines = [f'"{name}": {_value(name, request)}' for name in covered]
    lines.append(f'"@signature-params": {parameters_text}')
    return "\n".join(lines).encode("ascii")


def _value(name: str, request: HttpRequest) -> str:
    value = _derived(name, request) if name.startswith("@") else _plain(name, request)
    # A line break would begin a component of the sender's own invention.
    if not (value.isascii() and value.isprintable()):
        raise Malformed("holds characters that can't be signed", field=name)
    return value


def _derived(name: str, request: HttpRequest) -> str:
    """RFC 9421 section 2.2, of the request as it came."""
    if name == "@method":
        return request.method
    if name == "@scheme":
        return request.scheme.lower()
    if name == "@authority":
        scheme = request.scheme.lower()
        return request.authority.lower().removesuffix(_DEFAULT_PORT.get(scheme, "\0"))
    if name == "@path":
        return request.path or "/"
    if name == "@query":
        return "?" + (request.query or "")
    raise Malformed("a component that is not read here", field=name)


def _plain(name: str, request: HttpRequest) -> str:
    value = request.header(name) if _FIELD_NAME.fullmatch(name) else None
    if value is None:
        raise Malformed("covered, but not in the request", field=name)
    return value


def sign_request(
    request: HttpRequest,
    *,
    signer_address: Address,
    chain_id: int,
    sign: Callable[[bytes], bytes],
    nonce: str,
    created: int,
    expires: int,
    profile: Profile,
) -> tuple[Header, ...]:
    """The headers that sign `request`: Content-Digest (with a body), Signature-Input, Signature.

    `sign` makes 65 bytes out of a digest; `nonce` is fresh random text of 8 to 128 characters;
    times Unix seconds UTC. Replaces any Content-Digest the request has.
    """
    if not _NONCE.fullmatch(nonce):
        raise ValueError("a nonce has 8 to 128 printable characters")
    digest_header = _content_digest(request.body)
    others = tuple(pair for pair in request.headers if pair[0].lower() != "content-digest")
    complete = HttpRequest(
        request.method,
        request.scheme,
        request.authority,
        request.path,
        request.query,
        others + digest_header,
        request.body,
    )
    covered = _coverage(complete, profile)
    key_id = f"{profile.value}:{chain_id}:0x{signer_address.hex()}"
    tag = f";tag={fields.quoted(_TAG)}" if profile is Profile.EIP155 else ""
    parameters = (
        f"({' '.join(fields.quoted(name) for name in covered)})"
        f";created={created};expires={expires};nonce={fields.quoted(nonce)}"
        f";keyid={fields.quoted(key_id)}{tag}"
    )
    signature = sign(personal_digest(_signature_base(covered, parameters, complete)))
    label = _LABEL[profile]
    return (
        *digest_header,
        ("Signature-Input", f"{label}={parameters}"),
        ("Signature", f"{label}={fields.encoded(signature)}"),
    )


def _content_digest(body: bytes) -> tuple[Header, ...]:
    if not body:
        return ()
    return (("Content-Digest", "sha-256=" + fields.encoded(hashlib.sha256(body).digest())),)


def _coverage(request: HttpRequest, profile: Profile) -> tuple[str, ...]:
    """What each profile's own signer covers, in its order."""
    parts = ["@authority", "@method", "@path"]
    if request.query:
        parts.append("@query")
    if request.body:
        parts.append("content-digest")
    if profile is Profile.EIP155:
        parts.insert(0, "@scheme")
        if request.header("content-type") is not None:
            parts.append("content-type")
    return tuple(parts)
