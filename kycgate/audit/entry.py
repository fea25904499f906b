"""What one line of the decision log may say, and the bytes its hash covers.

Stores nothing. Names, documents and contact data have no word here, so they can't be written.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

import rfc8785

from kycgate.errors import Malformed, TooLarge
from kycgate.store.records.log import LogEntry

BODY_MOST: Final = 16 * 1024
"""bytes of one entry's body"""

_TAG: Final = b"kycgate-log-1"
_KIND: Final = re.compile("[a-z][a-z0-9_]{0,39}")

# Words are only added. `at` and `kind` stand in the entry itself, under the same hash.
VOCABULARY: Final = frozenset(
    {
        # what was decided
        "door",
        "granted",
        "mode",
        "account",
        "reason_codes",
        "rules",
        "notes",
        "policy",
        "lists",
        "attestation",
        "job",
        "decision",
        "ownership",
        "facts",
        "deployment",
        # about which request, and what came of it
        "marketplace",
        "action",
        "request",
        "request_id",
        "refusal",
        "route",
        "status",
        "outcome",
        "permit",
        "escrow",
        "deadline",
        "max_value",
        "transaction",
        # verification
        "case",
        "subject",
        "evidence",
        "state",
        "level",
        "actor",
        "reviewer",
        "reader",
        "issuer",
        "epoch",
        # keys, and what is counted rather than listed
        "key",
        "signer",
        "scope",
        "count",
        "counts",
        "since",
        "until",
        # proofs of identity, and what is asked of a renter
        "source",
        "means",
        "items",
        "hold",
        "country",
        # whose users rent as an account
        "scheduler",
        "link",
    }
)

REQUIRED: Final = {
    "decision": frozenset(
        {"door", "granted", "mode", "account", "reason_codes", "policy", "decision"}
    ),
}
"""kind → words an entry of that kind can't do without"""


def canonical_body(kind: str, body: dict[str, Any]) -> bytes:
    """The RFC 8785 bytes of an entry's body.

    Raises Malformed for an unknown or missing word, or for a value other than text, whole number
    (|n| < 2**53), true, false, null and lists and objects of these; TooLarge above `BODY_MOST`.
    """
    if not _KIND.fullmatch(kind):
        raise Malformed("not a kind of entry", field="kind", remedy="lower case, digits and _")
    for word in sorted(body.keys() - VOCABULARY, key=str):
        raise Malformed("unknown word", field=f"{kind}.{word}", remedy="see audit.entry.VOCABULARY")
    for word in sorted(REQUIRED.get(kind, frozenset()) - body.keys()):
        raise Malformed("the word is missing", field=f"{kind}.{word}")
    _refuse_floats(body, kind)
    try:
        content = rfc8785.dumps(body)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise Malformed("has no canonical form", field=kind) from error
    if len(content) > BODY_MOST:
        raise TooLarge(f"longer than {BODY_MOST} bytes", field=kind)
    return content


def _refuse_floats(value: Any, field: str) -> None:
    # RFC 8785 has a form for floats; money and times never come as one.
    if isinstance(value, float):
        raise Malformed("not a whole number", field=field)
    if isinstance(value, dict):
        for name, each in value.items():
            _refuse_floats(each, f"{field}.{name}")
    elif isinstance(value, list | tuple):
        for each in value:
            _refuse_floats(each, field)


def entry_hash(*, prev_hash: bytes, seq: int, at: int, kind: str, body: bytes) -> bytes:
    """SHA-256(tag ‖ prev_hash (32) ‖ seq (8) ‖ at (8) ‖ length of kind (2) ‖ kind ‖ body).

    Numbers big-endian. Raises ValueError or OverflowError where a field does not fit its place.
    """
    if len(prev_hash) != 32:
        raise ValueError("a hash has 32 bytes")
    name = kind.encode()
    place = seq.to_bytes(8) + at.to_bytes(8) + len(name).to_bytes(2)
    return hashlib.sha256(_TAG + prev_hash + place + name + body).digest()


def chained(seq: int, prev_hash: bytes, *, at: int, kind: str, body: bytes) -> LogEntry:
    """The entry at this place of the chain."""
    digest = entry_hash(prev_hash=prev_hash, seq=seq, at=at, kind=kind, body=body)
    return LogEntry(seq=seq, at=at, kind=kind, body=body, prev_hash=prev_hash, hash=digest)
