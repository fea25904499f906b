"""The sign-in message a person reads in the wallet (EIP-4361): read, written, held to account.

Draws no nonce and spends none: the caller hands in the one it drew for this very visitor.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from kycgate.core.claims import Account, Address, Digest, checksum, parse_address
from kycgate.core.proof.account import (
    CLOCK_SKEW_S,
    SIGNATURE_MOST,
    ProvenAccount,
    UndecidedContract,
    needs,
    signed_by,
)
from kycgate.core.signature import Invalid
from kycgate.core.typed import personal_digest
from kycgate.errors import Code, Malformed, Reason

MESSAGE_MOST = 4096
"""Characters of a sign-in message, at most."""

_URI = r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+"
_TIME = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
# The ABNF of EIP-4361, line by line. Optional lines only in this order.
_MESSAGE = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?"
    r"(?P<domain>[A-Za-z0-9._~:\[\]@!$&'()*+,;=%-]+)"
    r" wants you to sign in with your Ethereum account:\n"
    r"(?P<address>0x[0-9a-fA-F]{40})\n"
    r"\n"
    r"(?:(?P<statement>[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;= -]+)\n)?"
    r"\n"
    rf"URI: (?P<uri>{_URI})\n"
    r"Version: 1\n"
    r"Chain ID: (?P<chain_id>[1-9][0-9]{0,17})\n"
    r"Nonce: (?P<nonce>[A-Za-z0-9]{8,128})\n"
    rf"Issued At: (?P<issued_at>{_TIME})"
    rf"(?:\nExpiration Time: (?P<expiration_time>{_TIME}))?"
    rf"(?:\nNot Before: (?P<not_before>{_TIME}))?"
    r"(?:\nRequest ID: (?P<request_id>[A-Za-z0-9._~:@!$&'()*+,;=%-]*))?"
    rf"(?P<resources>\nResources:(?:\n- {_URI})*)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class SiweMessage:
    """The parts of a sign-in message; times are kept as the text that was signed (RFC 3339)."""

    domain: str
    address: Address
    uri: str
    chain_id: int
    nonce: str
    issued_at: str
    statement: str | None = None
    expiration_time: str | None = None
    not_before: str | None = None
    request_id: str | None = None
    resources: tuple[str, ...] | None = None
    scheme: str | None = None

    @classmethod
    def parse(cls, text: str) -> SiweMessage:
        """Read exactly what EIP-4361 allows, address checksummed. Raises Malformed."""
        found = _MESSAGE.fullmatch(text) if len(text) <= MESSAGE_MOST else None
        if found is None:
            raise Malformed("not a sign-in message of EIP-4361", field="message")
        address = parse_address(found["address"], field="message.address")
        if checksum(address) != found["address"]:
            raise Malformed("the address lacks its EIP-55 checksum", field="message.address")
        for name in ("issued_at", "expiration_time", "not_before"):
            if found[name] is not None:
                moment(found[name], field=f"message.{name}")
        return cls(
            domain=found["domain"],
            address=address,
            uri=found["uri"],
            chain_id=int(found["chain_id"]),
            nonce=found["nonce"],
            issued_at=found["issued_at"],
            statement=found["statement"],
            expiration_time=found["expiration_time"],
            not_before=found["not_before"],
            request_id=found["request_id"],
            resources=_resources(found["resources"]),
            scheme=found["scheme"],
        )

    def text(self) -> str:
        """The message to sign. Raises Malformed when a part can't stand in it."""
        lines = [
            f"{self.scheme + '://' if self.scheme else ''}{self.domain}"
            " wants you to sign in with your Ethereum account:",
            checksum(self.address),
            "",
            *([] if self.statement is None else [self.statement]),
            "",
            f"URI: {self.uri}",
            "Version: 1",
            f"Chain ID: {self.chain_id}",
            f"Nonce: {self.nonce}",
            f"Issued At: {self.issued_at}",
        ]
        for label, value in (
            ("Expiration Time", self.expiration_time),
            ("Not Before", self.not_before),
            ("Request ID", self.request_id),
        ):
            if value is not None:
                lines.append(f"{label}: {value}")
        if self.resources is not None:
            lines += ["Resources:", *(f"- {resource}" for resource in self.resources)]
        text = "\n".join(lines)
        # A line break smuggled into a part would read back as something else.
        if SiweMessage.parse(text) != self:
            raise Malformed("a part does not fit its line", field="message")
        return text


def rfc3339(at: int) -> str:
    """A moment, Unix seconds UTC, as the message writes it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str, *, field: str) -> float:
    """Unix seconds of an RFC 3339 text. Raises Malformed."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError) as e:
        raise Malformed("not a date and time", field=field) from e


def verify_siwe(
    message_text: str,
    signature: bytes,
    *,
    domain: str,
    uri: str,
    nonce: str,
    chain_ids: Collection[int],
    now: int,
) -> ProvenAccount | Invalid | UndecidedContract[ProvenAccount]:
    """Hold a signed sign-in message against what this visitor was asked to sign.

    `domain` and `uri` come from configuration, never from the Host header; `nonce` is the one
    drawn for this visitor; `chain_ids` those the operator knows; `now` Unix seconds UTC. Never
    raises for what a stranger sent.
    """
    try:
        message = SiweMessage.parse(message_text)
    except Malformed as e:
        return Invalid(Reason(Code.PROOF_INVALID, f"{e.field}: {e.message}"))
    refusal = _elsewhere(message, domain, uri, chain_ids) or _untimely(message, now)
    if refusal is None and not hmac.compare_digest(message.nonce.encode(), nonce.encode()):
        refusal = Reason(Code.PROOF_INVALID, "the nonce is not the one drawn for this visit")
    if refusal is None and len(signature) > SIGNATURE_MOST:
        refusal = Reason(Code.PROOF_INVALID, f"a signature has at most {SIGNATURE_MOST} bytes")
    if refusal is not None:
        return Invalid(refusal)
    digest = Digest(personal_digest(message_text.encode()))
    if signed_by(message.address, digest, signature):
        return ProvenAccount(Account(message.address), message.nonce, now)
    claimed = ProvenAccount(Account(message.address, message.chain_id), message.nonce, now)
    return UndecidedContract(needs(signature), claimed, digest, signature)


def _elsewhere(
    message: SiweMessage, domain: str, uri: str, chain_ids: Collection[int]
) -> Reason | None:
    """Signed for another site, page or chain."""
    if message.domain != domain:
        return Reason(Code.PROOF_AUDIENCE, "signed for another domain")
    if message.uri != uri:
        return Reason(Code.PROOF_AUDIENCE, "signed for another URI")
    if message.scheme is not None and message.scheme != uri.partition("://")[0]:
        return Reason(Code.PROOF_AUDIENCE, "signed for another scheme")
    if message.chain_id not in chain_ids:
        return Reason(Code.PROOF_AUDIENCE, "signed for another chain")
    return None


def _untimely(message: SiweMessage, now: int) -> Reason | None:
    if moment(message.issued_at, field="issued_at") > now + CLOCK_SKEW_S:
        return Reason(Code.PROOF_NOT_YET_VALID, "issued in the future: is the clock right?")
    start, end = message.not_before, message.expiration_time
    if start is not None and now < moment(start, field="not_before"):
        return Reason(Code.PROOF_NOT_YET_VALID, "not valid yet")
    if end is not None and now >= moment(end, field="expiration_time"):
        return Reason(Code.PROOF_EXPIRED, "the message has expired")
    return None


def _resources(block: str | None) -> tuple[str, ...] | None:
    if block is None:
        return None
    return tuple(line.removeprefix("- ") for line in block.split("\n")[2:])
