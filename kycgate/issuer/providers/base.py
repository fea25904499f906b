"""What a hosted identity provider must be able to do, and the values that pass.

Reaches no provider and decides nothing: each provider is one file beside this one, and the service
weighs what it answers. A provider learns a random id of ours, never an account or a case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol

from kycgate.core.claims import Level
from kycgate.errors import Code, Conflict, Misconfigured, Reason, Refused, Unauthenticated

BODY_MOST: Final = 256 * 1024
"""Bytes of a webhook's body."""
TOLERANCE_S: Final = 300
"""How old, or how far ahead, a signed moment may be."""
NOTE_MOST: Final = 500
"""Characters of what a renter reads."""

Headers = Mapping[str, str]
"""A request's headers, names in lower case, none sent twice."""


class Outcome(StrEnum):
    """What the provider says of one visit today."""

    OPEN = "open"
    """the renter has not finished"""
    CHECKING = "checking"
    """the provider is looking"""
    PASSED = "passed"
    RETRY = "retry"
    """the renter must mend something, and may"""
    REFUSED = "refused"
    """for good"""
    GONE = "gone"
    """ended without a result, or no longer there"""


@dataclass(frozen=True, slots=True)
class Link:
    """Where the renter goes. Good once, and until `expires_at` (Unix seconds UTC)."""

    reference: str
    url: str = field(repr=False)
    expires_at: int


@dataclass(frozen=True, slots=True)
class Event:
    """A message whose sender is proven. Nothing in it is believed: it says where to look."""

    id: str
    reference: str | None
    """None: nothing of ours, to be acknowledged and forgotten"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a provider established. Countries are numeric, 0 unknown; times Unix seconds UTC."""

    name: str
    birth_date: str | None
    country: int
    document_number: str | None
    valid_until: int | None
    document: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """What the provider's own API says of one visit, now."""

    reference: str
    ours: str
    """our id, as the provider has it"""
    live: bool
    outcome: Outcome
    decided_at: int | None = None
    note: str = ""
    """what the renter may read of it"""
    claimed: Claimed | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeys:
    """What an operator gets from a provider's dashboard. Secrets never appear in a repr."""

    api_key: str = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(repr=False)


class Provider(Protocol):
    """One hosted provider. Thread-safe; every call ends within seconds.

    Raises Unavailable when it does not answer or answers in another shape; its messages name
    neither secrets nor people.
    """

    @property
    def name(self) -> str:
        """In addresses and evidence: `sumsub`."""

    @property
    def title(self) -> str:
        """As renters read it."""

    @property
    def live(self) -> bool:
        """False: a sandbox."""

    @property
    def level(self) -> Level:
        """What a pass is worth."""

    @property
    def minutes(self) -> int:
        """How long a renter usually needs."""

    def start(self, verification_id: str, *, return_url: str, now: int) -> Link:
        """Begin a visit, or find the one begun under this id before."""

    def link(
        self, reference: str, verification_id: str, *, return_url: str, now: int
    ) -> Link | None:
        """A fresh link into the same visit, accepted steps kept; None when it can't go on.

        Raises Conflict while the provider is looking, or has looked.
        """

    def read_event(self, headers: Headers, body: bytes, *, now: int) -> Event:
        """Prove the sender over the bytes as they came, then read where to look.

        Raises Unauthenticated, Refused (the other environment's event), Malformed, TooLarge.
        """

    def fetch(self, reference: str, *, now: int) -> Result:
        """What the provider says of it now. Raises NotFound when it knows no such thing."""


def forged() -> Unauthenticated:
    """One answer for every way a signature can be wrong: a forger learns nothing from it."""
    return Unauthenticated("the message is not signed by the provider", code=Code.PROOF_INVALID)


def other_environment(name: str, *, live: bool) -> Refused:
    """A sandbox's word in a live gate, or the reverse."""
    text = f"{name}: a {'sandbox' if live else 'live'} event or result in a" + (
        " live gate" if live else " test gate"
    )
    return Refused(text, reasons=(Reason(Code.PROOF_SANDBOX, text),))


def require_own_key(setting: str, key: str, beginnings: Sequence[str]) -> None:
    """Raises Misconfigured for a key of the provider's other environment."""
    if not key.startswith(tuple(beginnings)):
        wanted = " or ".join(map(repr, beginnings))
        raise Misconfigured(
            (f"{setting}: begins with {wanted} in this environment, and no other way",)
        )


def goes_on(outcome: Outcome) -> bool:
    """Whether the renter may open this visit again. Raises Conflict where it is not their turn."""
    if outcome in (Outcome.CHECKING, Outcome.PASSED):
        raise Conflict("the provider is looking at what was handed in: nothing to do now")
    return outcome not in (Outcome.REFUSED, Outcome.GONE)
