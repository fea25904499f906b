"""What the sanctions and export lists say about everybody in a case, and why that stops it.

Draws no conclusion a person must draw: a name hit asks for a reviewer, a listed wallet is final.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from kycgate.core.claims import Account, Address, Kind
from kycgate.errors import Code
from kycgate.issuer.cases import Details, parties, ultimate_country

WALLET: Final = "wallet"
"""The role of an account in a finding."""


class Hit(Protocol):
    """One list entry that answers to a name or a wallet."""

    @property
    def list(self) -> str: ...
    @property
    def list_version(self) -> str: ...
    @property
    def entry_id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def matched(self) -> str: ...
    @property
    def score(self) -> object: ...
    @property
    def band(self) -> object: ...


class ListVersion(Protocol):
    """A list, and which edition of it was looked at."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def as_of(self) -> int: ...


class Screener(Protocol):
    """The lists. Never answers "clear" for a list it could not read: it raises Unavailable."""

    @property
    def versions(self) -> Sequence[ListVersion]: ...
    def name(self, name: str, *, kind: Kind) -> Sequence[Hit]: ...
    def wallet(self, address: Address) -> Sequence[Hit]: ...
    def stale(self, now: int, max_age_s: int) -> Sequence[ListVersion]:
        """The lists older than that at `now`, Unix seconds UTC."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One hit, and whom in the case it is about: a party's role, or `wallet`."""

    role: str
    hit: Hit

    @property
    def key(self) -> tuple[str, str, str]:
        """What a reviewer has cleared stays cleared for exactly this entry under this name."""
        return (self.hit.list, self.hit.entry_id, self.hit.name)

    def document(self) -> dict[str, Any]:
        """As sealed evidence: holds names."""
        hit = self.hit
        return {
            "role": self.role,
            "list": hit.list,
            "list_version": hit.list_version,
            "entry": hit.entry_id,
            "name": hit.name,
            "matched": hit.matched,
            "score": str(hit.score),
            "band": str(hit.band),
        }


@dataclass(frozen=True, slots=True)
class Screening:
    """What was looked up at one moment, and what was found."""

    at: int
    lists: tuple[tuple[str, str, int], ...]
    """name, version and date (Unix seconds UTC) of each list"""
    findings: tuple[Finding, ...]

    def codes(self) -> tuple[Code, ...]:
        """Why this stops a case, the gravest first; empty when clear."""
        wallet = any(finding.role == WALLET for finding in self.findings)
        name = any(finding.role != WALLET for finding in self.findings)
        return (Code.SCREENING_HIT_WALLET,) * wallet + (Code.SCREENING_HIT_NAME,) * name

    def without(self, cleared: frozenset[tuple[str, str, str]]) -> Screening:
        """Less the name hits a reviewer has cleared. A listed wallet can't be cleared."""
        left = tuple(f for f in self.findings if f.role == WALLET or f.key not in cleared)
        return Screening(self.at, self.lists, left)

    def versions(self) -> list[dict[str, str]]:
        """As the decision log has it: which editions were looked at."""
        return [{"name": name, "version": version} for name, version, _ in self.lists]

    def document(self) -> dict[str, Any]:
        """As sealed evidence: holds names."""
        return {
            "at": self.at,
            "lists": [
                {"name": name, "version": version, "as_of": as_of}
                for name, version, as_of in self.lists
            ],
            "findings": [finding.document() for finding in self.findings],
        }


def screen(
    details: Details, accounts: Sequence[Account], screener: Screener, *, now: int
) -> Screening:
    """Look up every wallet of the subject and every name in its details."""
    wallets = [Finding(WALLET, hit) for each in accounts for hit in screener.wallet(each.address)]
    names = [
        Finding(party.role, hit)
        for party in parties(details)
        for hit in screener.name(party.name, kind=party.kind)
    ]
    lists = tuple((each.name, each.version, each.as_of) for each in screener.versions)
    return Screening(now, lists, tuple(wallets + names))


def doubts(details: Details) -> tuple[Code, ...]:
    """Why a reviewer must look although the lists are clear."""
    return () if ultimate_country(details) else (Code.ULTIMATE_COUNTRY_UNKNOWN,)
