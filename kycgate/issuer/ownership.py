"""Follows a case's owners: whom to screen, what to doubt, and what the gate must know of them.

Decides no case and no rental. What the gate is given, the standing, holds shares, families of lists
and region codes; names stay in the sealed evidence and in the reviewer's view.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import rfc8785

from kycgate.core.claims import Account, Kind
from kycgate.core.policy import ListedShare, Place, Regime, Region
from kycgate.core.wire import require_shallow
from kycgate.errors import Code, Conflict, Malformed, NotFound, Unavailable
from kycgate.issuer.cases import (
    Countries,
    Details,
    NamedParty,
    Organisation,
    Person,
    parties,
    ultimate_country,
)
from kycgate.issuer.checks import OPINION, WALLET, Finding, Screener, Screening, is_owner, names
from kycgate.issuer.picture import Picture, picture, region_missing, regions
from kycgate.screening.ownership.graph import Explanation, OwnershipGraph, document, step
from kycgate.screening.ownership.headquarters import Parent
from kycgate.screening.ownership.listed import Listing, listed_share, regimes_of
from kycgate.screening.ownership.parties import Register
from kycgate.store.base import Case, Standing, Store

OWNERS: Final = "owners"
"""Who reads the details, where the machine looks for owners."""
_NOBODY: Final = ListedShare(0, 0)
_NOT_TOLD: Final = "nobody said who owns it"
_FORMAT: Final = 1


class Registered(Protocol):
    """The registers of one moment."""

    @property
    def opened(self) -> Sequence[Any]: ...
    @property
    def versions(self) -> Mapping[str, str]: ...


class Registers(Protocol):
    """Where registers are followed. `current` raises Unavailable while one was never read."""

    def current(self) -> Registered: ...


@dataclass(frozen=True, slots=True)
class Known:
    """A standing as the gate reads it. `digest`: SHA-256 hex of what is stored."""

    share: ListedShare | None
    gap: str
    regions: frozenset[Region]
    digest: str | None


UNKNOWN: Final = Known(None, "nothing is recorded of its owners", frozenset(), None)


class OwnershipDesk:
    """The owners of every case of one operator. Thread-safe; keeps nothing between questions."""

    def __init__(
        self,
        store: Store,
        *,
        screener: Screener,
        countries: Countries,
        blind: Callable[[str, bytes], bytes],
        registers: Registers | None = None,
        restricted: frozenset[int] = frozenset(),
    ) -> None:
        self._store = store
        self._screener = screener
        self._countries = countries
        self._blind = blind
        self._registers = registers
        self._restricted = restricted

    # -- whom to screen, what to doubt -------------------------------------------------------------

    def also(self, told: Details, *, now: int) -> tuple[NamedParty, ...]:
        """Whom registers name as owners or parents beyond what was told."""
        return self._picture(told, now).also if isinstance(told, Organisation) else ()

    def doubts(self, told: Details, *, now: int) -> tuple[Code, ...]:
        """Why a reviewer must look although the lists are clear."""
        found: tuple[Code, ...] = ()
        if isinstance(told, Organisation):
            seen = self._picture(told, now)
            unknown = not seen.ultimate(self._countries)
            found = (*seen.codes, *(Code.ULTIMATE_COUNTRY_UNKNOWN,) * unknown)
        missing = region_missing(told, self._countries)
        return (*found, *(Code.REGION_UNKNOWN,) * missing)

    @property
    def versions(self) -> Mapping[str, str]:
        """The registers in use; none while they are still being read."""
        try:
            return {} if self._registers is None else self._registers.current().versions
        except Unavailable:
            return {}

    # -- what the gate must know -------------------------------------------------------------------

    def settle(self, case: Case, told: Details, found: Screening | None = None, *, now: int) -> int:
        """Store what the gate must know of the case; returns the ultimate parent's country.

        `found`: a screening against newer lists than the ones in use, whose hits count too. While a
        register can't be asked, what was known before stays. Raises Unavailable.
        """
        if isinstance(told, Person):
            self._put(case, _body(_NOBODY, "", regions(told, None), (), {}), now)
            return ultimate_country(told)
        seen = self._picture(told, now)
        if seen.unread and self._store.standing(case.id) is not None:
            return case.ultimate_country
        share, gap = self._weigh(case, seen, self._hits(seen, told, found))
        top = seen.merged.ultimate()
        where = regions(told, top.id if isinstance(top, Parent) else None)
        self._put(case, _body(share, gap, where, seen.codes, self.versions), now)
        return seen.ultimate(self._countries)

    def new_doubts(self, case: Case, told: Details, *, now: int) -> tuple[Code, ...]:
        """What registers say against the case that they did not say when it was last settled."""
        if isinstance(told, Person):
            return ()
        stored = self._store.standing(case.id)
        known = set() if stored is None else set(_read(stored)["codes"])
        known.add(str(Code.REGISTER_UNAVAILABLE))
        return tuple(code for code in self._picture(told, now).codes if str(code) not in known)

    def known(self, account: Account, *, now: int) -> Known:
        """What the gate must know of the account's owners today."""
        attested = self._store.current_attestation(account.key, now=now)
        stored = None if attested is None else self._store.standing(attested.case_id)
        return UNKNOWN if stored is None else read_standing(stored)

    def check(self, case: Case) -> str | None:
        """How far the owners are known, in a word a renter may read; None for a person."""
        stored = self._store.standing(case.id)
        if case.kind != Kind.ORGANISATION or stored is None:
            return None
        raw = _read(stored)
        if raw["codes"] or (raw["share"] is not None and raw["share"]["max"]):
            return "under_review"
        return "not_told" if raw["gap"] else "known"

    def _put(self, case: Case, body: bytes, now: int) -> None:
        self._store.put_standing(Standing(case.id, now, body))

    # -- listed owners -----------------------------------------------------------------------------

    def _hits(self, seen: Picture, told: Details, found: Screening | None) -> list[Finding]:
        named = [each for each in (*parties(told), *seen.also) if each.role != "representative"]
        hits = names(named, self._screener, self._countries)
        newer = () if found is None else (*found.findings, *found.acknowledged)
        return [*hits, *(each for each in newer if each.role not in (WALLET, OPINION))]

    def _weigh(
        self, case: Case, seen: Picture, hits: Sequence[Finding]
    ) -> tuple[ListedShare | None, str]:
        listings = self._listings(case, seen, hits)
        gap = "" if seen.owners_told else _NOT_TOLD
        if seen.unread:
            gap = "a register of owners could not be asked"
        elif seen.merged.cut:
            gap = "more parties stand above it than can be looked at"
        elif not gap and seen.open_ends:
            gap = "nobody said who owns " + ", ".join(seen.open_ends[:5])
        share = listed_share(seen.merged, listings)
        untold = not seen.owners_told or seen.merged.cut
        return (None if untold and share.maximum == 0 else share), gap

    def _listings(self, case: Case, seen: Picture, hits: Sequence[Finding]) -> dict[str, Listing]:
        """Id in the picture → where that party is listed; less whom a reviewer has cleared."""
        judged = self._store.clearances_of(case.subject_id) if hits else frozenset()
        found = dict[str, Listing]()
        for each in hits:
            known = self._blind(case.subject_id, each.listed) in judged
            if not known and self._blind(case.subject_id, each.statement) in judged:
                continue
            id_ = seen.merged.ids.get(each.role, each.role)
            before = found.get(id_, Listing(frozenset(), sure=False))
            found[id_] = before.and_on(regimes_of(each.hit.list), sure=known or each.sure)
        return found

    # -- for the reviewer --------------------------------------------------------------------------

    def view(self, case: Case, told: Details, *, now: int) -> dict[str, Any] | None:
        """What was told beside what registers say, for a reviewer; None for a person."""
        if isinstance(told, Person):
            return None
        seen = self._picture(told, now)
        stored = self._store.standing(case.id)
        explanation = self.explain(case, told, now=now)
        snapshot = explanation.snapshot
        above = snapshot.closure(explanation.entity.id)
        return {
            "chain": [step(snapshot, each) for id_ in above for each in snapshot.holdings(id_)],
            "differences": seen.differences(self._countries),
            "registers": dict(self.versions),
            "unread": seen.unread,
            "standing": None if stored is None else _read(stored),
            **document(explanation, country_name=self._countries.alpha2),
        }

    def explain(self, case: Case, told: Organisation, *, now: int) -> Explanation:
        """All ownership rules over the merged picture and today's hits."""
        seen = self._picture(told, now)
        listings = self._listings(case, seen, self._hits(seen, told, None))
        listed = [id_ for id_, each in listings.items() if each.anywhere]
        graph = OwnershipGraph(seen.merged.register)
        at, subject = seen.merged.at, seen.merged.subject
        return graph.explain(subject, listed, at=at, restricted=self._restricted)

    def hits_of(self, case: Case, told: Details, role: str, *, now: int) -> list[Finding]:
        """The list entries that answer to one owner. Raises NotFound where none does."""
        if not is_owner(role):
            raise Malformed(
                "is no owner or parent", field="role", remedy="as the case shows it: owner.1"
            )
        if isinstance(told, Person):
            raise Conflict("a person has no owners")
        hits = [each for each in self._hits(self._picture(told, now), told, None)
                if each.role == role]  # fmt: skip
        if not hits:
            raise NotFound("no list entry answers to that owner")
        return hits

    # -- the picture -------------------------------------------------------------------------------

    def _picture(self, told: Organisation, now: int) -> Picture:
        registers, unread = list[tuple[str, Register]](), False
        if self._registers is not None:
            try:
                current = self._registers.current()
                registers = [(each.source.kind, each.register) for each in current.opened]
            except Unavailable:
                unread = True
        return picture(told, registers, now=now, unread=unread)


# -- the standing ----------------------------------------------------------------------------------


def _body(
    share: ListedShare | None,
    gap: str,
    where: frozenset[Region],
    codes: Sequence[Code],
    registers: Mapping[str, str],
) -> bytes:
    held: dict[str, Any] | None = None
    if share is not None:
        held = {
            "min": share.minimum,
            "max": share.maximum,
            "regimes": sorted(share.regimes),
            "apart": [[sorted(some), low, high] for some, low, high in share.apart],
        }
    return rfc8785.dumps(
        {
            "v": _FORMAT,
            "share": held,
            "gap": gap,
            "regions": sorted([str(place), code] for place, code in where),
            "codes": sorted(map(str, codes)),
            "registers": dict(registers),
        }
    )


def read_standing(stored: Standing) -> Known:
    """What a stored standing says. Raises Unavailable for one that can't be read."""
    raw = _read(stored)
    try:
        share = None if raw["share"] is None else _share(raw["share"])
        where = frozenset((Place(place), str(code)) for place, code in raw["regions"])
        return Known(share, str(raw["gap"]), where, hashlib.sha256(stored.body).hexdigest())
    except (LookupError, TypeError, ValueError) as e:
        raise Unavailable("what is stored of this case's owners can't be read") from e


def _share(raw: Mapping[str, Any]) -> ListedShare:
    apart = tuple(
        (frozenset(map(Regime, some)), float(low), float(high)) for some, low, high in raw["apart"]
    )
    regimes = frozenset(map(Regime, raw["regimes"]))
    return ListedShare(float(raw["min"]), float(raw["max"]), regimes, apart)


def _read(stored: Standing) -> dict[str, Any]:
    try:
        require_shallow(stored.body, field="standing")
        raw = json.loads(stored.body)
        if raw["v"] != _FORMAT:
            raise ValueError("another format")
    except (LookupError, TypeError, ValueError, Malformed) as e:
        raise Unavailable("what is stored of this case's owners can't be read") from e
    return dict(raw)
