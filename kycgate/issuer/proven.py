"""What a proof of identity established about one natural person, whoever did the proving.

Proves nothing and decides nothing: a wallet credential, a hosted provider or a reviewed document
fills a `Proven` in, and the identity office weighs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from kycgate.core.claims import Account, Level
from kycgate.errors import Code
from kycgate.store.records.cases import Case


class Means(StrEnum):
    """How a person proved who they are. The value is what the store and the API carry."""

    DOCUMENT = "document"
    """Uploaded and looked at by a reviewer: level 1."""
    PROVIDER = "provider"
    """A hosted identity provider: level 2."""
    CREDENTIAL = "credential"
    """A credential in a wallet, presented by OpenID4VP: level 3."""


@dataclass(frozen=True, slots=True)
class Proven:
    """One successful proof. `source` and `reference` together name it, and it counts once."""

    means: Means
    source: str
    """who did the proving: `openid4vp`, `sumsub`, `persona`, `stripe`, `documents`"""
    reference: str
    """the source's own id of this check, at most 200 visible ASCII characters"""
    level: Level
    live: bool
    """False: a sandbox or a test issuer said so. Never enough for a live attestation."""
    name: str
    """as the source has it, given names first where it tells them apart"""
    birth_date: str | None
    """YYYY-MM-DD"""
    country: int
    """of residence, else of nationality, ISO 3166-1 numeric; 0 not told"""
    proven_at: int
    """Unix seconds UTC, as `valid_until`"""
    valid_until: int | None
    """when the document or credential ends; None not told"""
    document_number: str | None = None
    """as `numbered` makes it; in the open only under seal, beside it a keyed digest, to know the
    same document again"""
    document: Mapping[str, Any] = field(default_factory=dict)
    """everything else that was established, as RFC 8785 JSON values: sealed, never shown outside"""
    doubts: tuple[Code, ...] = ()
    """what the source could not tell: where there is one a person decides, never the rules alone"""


def numbered(issuing: int, number: str) -> str:
    """A document's number with the country that issued it (ISO 3166-1 numeric), one form for all
    sources: the same passport must be known again whoever read it."""
    plain = "".join(each for each in number.upper() if each.isascii() and each.isalnum())
    return f"{issuing:03d}:{plain}"


class Office(Protocol):
    """The identity office, as far as those who prove need it. Thread-safe and repeatable.

    Raises Malformed, Conflict (the case is in a state that takes no proof), Refused (a sandbox
    proof in a live gate), Unavailable.
    """

    def prove(self, account: Account, proven: Proven, *, now: int) -> Case:
        """Take a proof for the account's open case, or open a person's case on what was proven.

        The case is then decided as far as rules allow: approved at once when proof, screening and
        parents are clear, else handed to a reviewer. The same proof again changes nothing.
        """

    def need(
        self, account: Account, needs: Sequence[tuple[str, str]], *, source: str, now: int
    ) -> Case | None:
        """The source could not finish and asks the renter for more: (item, text for the renter).

        None when the account has no case that can take it: nothing then changes.
        """

    def withdraw(self, source: str, reference: str, *, code: Code, now: int) -> Case | None:
        """The source takes a proof back. A case that stands on it is reviewed, and what was
        attested on it is void. None when no case stands on it; again is no change."""
