"""What the sanctions and export lists say about everybody in a case, and why that stops it.

Draws no conclusion a person must draw: a name hit asks for a reviewer, a listed wallet is final.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import rfc8785

from kycgate.core.claims import Account, Address, Kind
from kycgate.errors import Code
from kycgate.issuer.details import Details, NamedParty, parties, ultimate_country
from kycgate.issuer.form import Countries
from kycgate.screening.entries import Identifier
from kycgate.screening.oracle import Opinion

WALLET: Final = "wallet"
"""The role of an account in a finding."""
OPINION: Final = "second_opinion"
"""The role of an account that only a second opinion speaks against: a person must look."""
_BLOCK: Final = "block"

Oracle = Callable[[Address], Opinion]
"""A second opinion on a wallet. Raises nothing: no answer is an answer."""


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
    @property
    def digest(self) -> str:
        """Of the list entry: another one when what is said of that party changes."""

    @property
    def by(self) -> str: ...
    @property
    def entity(self) -> Mapping[str, Any]:
        """The party in FollowTheMoney shape with the explanation of the hit; may be empty."""


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
    def name(
        self,
        name: str,
        *,
        kind: Kind,
        country: str,
        birth_date: str,
        identifiers: tuple[Identifier, ...],
    ) -> Sequence[Hit]:
        """`country` ISO 3166 alpha-2 or empty; what is told beside the name may be empty too."""

    def wallet(self, address: Address) -> Sequence[Hit]: ...
    def stale(self, now: int, max_age_s: int) -> Sequence[ListVersion]:
        """The lists older than that at `now`, Unix seconds UTC."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One hit, and whom in the case it is about: a party's role, `wallet` or `second_opinion`."""

    role: str
    hit: Hit
    asked: bytes
    """canonical: who was asked about, with everything that was told"""
    decisive: bool = True
    """False: an owner whose share alone does not block the subject"""

    @property
    def sure(self) -> bool:
        """Whether the name, or a number, leaves no doubt that it is that party."""
        return str(self.hit.band) == _BLOCK

    @property
    def listed(self) -> bytes:
        """What a reviewer says who finds that it is that party: the reverse of `statement`."""
        return b"listed:" + self.statement

    @property
    def key(self) -> tuple[str, str, str]:
        """What a reviewer has cleared, as they read it."""
        return (self.hit.list, self.hit.entry_id, self.hit.name)

    @property
    def statement(self) -> bytes:
        """What a clearance is about: this party is not that entry, as the entry stands today."""
        return self.asked + rfc8785.dumps([self.hit.list, self.hit.entry_id, self.hit.digest])

    @property
    def shown(self) -> tuple[str, ...]:
        """By what a reviewer's copy of it is known again."""
        return (self.role, self.hit.list, self.hit.entry_id, self.hit.digest)

    @property
    def final(self) -> bool:
        """Whether an attestation can't wait for a reviewer."""
        return self.role == WALLET or (self.role != OPINION and self.sure and self.decisive)

    def document(self) -> dict[str, Any]:
        """As sealed evidence: holds names."""
        hit = self.hit
        return {
            "role": self.role,
            "list": hit.list,
            "list_version": hit.list_version,
            "entry": hit.entry_id,
            "digest": hit.digest,
            "name": hit.name,
            "matched": hit.matched,
            "by": hit.by,
            "score": str(hit.score),
            "band": str(hit.band),
            "entity": dict(hit.entity),
        }


@dataclass(frozen=True, slots=True)
class Screening:
    """What was looked up at one moment, and what was found."""

    at: int
    lists: tuple[tuple[str, str, int], ...]
    """name, version and date (Unix seconds UTC) of each list"""
    findings: tuple[Finding, ...]
    cleared: tuple[Finding, ...] = ()
    """hits that a reviewer has found to be somebody else"""
    acknowledged: tuple[Finding, ...] = ()
    """hits that are that party, as a reviewer has found: an owner whose share rules then weigh"""
    notes: tuple[str, ...] = ()
    """what else was asked, and what came of it"""

    def codes(self) -> tuple[Code, ...]:
        """Why this stops a case, the gravest first; empty when clear."""
        roles = {finding.role for finding in self.findings}
        return (
            (Code.SCREENING_HIT_WALLET,) * (WALLET in roles)
            + (Code.SCREENING_HIT_NAME,) * bool(roles - {WALLET, OPINION})
            + (Code.SCREENING_SECOND_OPINION,) * (OPINION in roles)
        )

    @property
    def final(self) -> bool:
        """Whether an attestation can't wait for a reviewer."""
        return any(finding.final for finding in self.findings)

    def without(
        self,
        cleared: Callable[[Finding], bool],
        acknowledged: Callable[[Finding], bool] = lambda finding: False,
    ) -> Screening:
        """Less the hits a reviewer has cleared, or knows of. A listed wallet can't be cleared."""
        names = tuple(f for f in self.findings if f.role != WALLET)
        known = tuple(f for f in names if is_owner(f.role) and acknowledged(f))
        gone = tuple(f for f in names if f not in known and cleared(f))
        left = tuple(f for f in self.findings if f not in gone and f not in known)
        return replace(self, findings=left, cleared=gone, acknowledged=known)

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
            "cleared": [finding.document() for finding in self.cleared],
            **(
                {"acknowledged": [finding.document() for finding in self.acknowledged]}
                if self.acknowledged
                else {}
            ),
            "notes": list(self.notes),
        }


def screen(
    details: Details,
    accounts: Sequence[Account],
    screener: Screener,
    *,
    countries: Countries,
    now: int,
    oracle: Oracle | None = None,
    also: tuple[NamedParty, ...] = (),
) -> Screening:
    """Look up every wallet of the subject, every name in its details, and who is meant besides.

    All of it against the same lists: where a new version comes between, once more.
    """
    while True:
        before = tuple(screener.versions)
        named = (*parties(details), *also)
        findings = [*_wallets(accounts, screener), *names(named, screener, countries)]
        lists = tuple((each.name, each.version, each.as_of) for each in screener.versions)
        if [(name, version) for name, version, _ in lists] == [
            (each.name, each.version) for each in before
        ]:
            break
    opinions = [] if oracle is None else [(each, oracle(each.address)) for each in accounts]
    listed = {finding.asked for finding in findings if finding.role == WALLET}
    findings += [
        Finding(OPINION, opinion.hit, _wallet(account))
        for account, opinion in opinions
        if opinion.hit is not None and _wallet(account) not in listed
    ]
    notes = tuple(opinion.note for _, opinion in opinions)
    return Screening(now, lists, tuple(findings), notes=notes)


def identifiers(party: NamedParty, country: str) -> tuple[Identifier, ...]:
    """The numbers that were told of a party."""
    found = [Identifier("lei", party.lei)] if party.lei else []
    if party.registration_number:
        found.append(Identifier("registration", party.registration_number, country))
    return tuple(found)


def is_owner(role: str) -> bool:
    """Whether the role is that of somebody who stands above the subject."""
    return role.startswith(("owner.", "parent", "bods:", "gleif:"))


def doubts(details: Details) -> tuple[Code, ...]:
    """Why a reviewer must look although the lists are clear."""
    return () if ultimate_country(details) else (Code.ULTIMATE_COUNTRY_UNKNOWN,)


def _wallets(accounts: Sequence[Account], screener: Screener) -> list[Finding]:
    return [
        Finding(WALLET, hit, _wallet(each))
        for each in accounts
        for hit in screener.wallet(each.address)
    ]


def _wallet(account: Account) -> bytes:
    return rfc8785.dumps(["wallet", "0x" + account.address.hex()])


def names(named: Sequence[NamedParty], screener: Screener, countries: Countries) -> list[Finding]:
    """Look up every one of these parties."""
    found = []
    for party in named:
        country = countries.alpha2(party.country) if party.country else ""
        numbers = identifiers(party, country)
        told = [each.value for each in numbers]
        asked = rfc8785.dumps([int(party.kind), party.name, country, party.birth_date, *told])
        hits = screener.name(
            party.name,
            kind=party.kind,
            country=country,
            birth_date=party.birth_date,
            identifiers=numbers,
        )
        found += [Finding(party.role, hit, asked, party.decisive) for hit in hits]
    return found
