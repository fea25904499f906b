"""Keeps parties and stakes in memory, as many as people declare, and finds them again.

Reads no file and weighs nothing: contradicting statements stand side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

from kycgate.screening.ownership.parties import Gap, Party, PartyKind, Stake, Unknown, clean


class MemoryRegister:
    """A `Register` over dictionaries. The order of what is put in makes no difference."""

    must_report_parents = False

    def __init__(
        self,
        parties: Iterable[Party],
        stakes: Iterable[Stake],
        gaps: Mapping[str, Sequence[Gap]] | None = None,
    ) -> None:
        self._parties = dict[str, list[Party]]()
        self._named = dict[str, set[str]]()
        self._numbered = dict[tuple[int, str], set[str]]()
        for party in parties:
            self._parties.setdefault(party.id, []).append(party)
            for text in (party.id, party.name, *party.identifiers):
                self._named.setdefault(text, set()).add(party.id)
            for number in party.numbers:
                self._numbered.setdefault(number, set()).add(party.id)
        for versions in self._parties.values():
            versions.sort(key=lambda party: (party.since or date.min, party.statement))
        self._stakes = dict[str, list[Stake]]()
        for stake in stakes:
            self._stakes.setdefault(stake.subject, []).append(stake)
        for each in self._stakes.values():
            each.sort(key=_order)
        self._gaps = {subject: tuple(each) for subject, each in (gaps or {}).items()}

    def party(self, id_: str, at: date) -> Party:
        """The last description up to that day, else the first; else a party nobody describes."""
        versions = self._parties.get(id_)
        if versions is None:
            return undescribed(id_)
        known = [party for party in versions if party.since is None or party.since <= at]
        return known[-1] if known else versions[0]

    def stakes(self, subject: str) -> Sequence[Stake]:
        return self._stakes.get(subject, ())

    def gaps(self, subject: str) -> Sequence[Gap]:
        return self._gaps.get(subject, ())

    def find(self, text: str) -> Sequence[str]:
        if text in self._parties:
            return (text,)
        return tuple(sorted(self._named.get(text, ()) or self._named.get(clean(text), ())))

    def identified(self, lei: str) -> Sequence[str]:
        return tuple(sorted(self._named.get(lei, ())))

    def numbered(self, country: int, number: str) -> Sequence[str]:
        return tuple(sorted(self._numbered.get((country, number), ())))

    def must_report(self, subject: str) -> bool:
        return self.must_report_parents

    def __len__(self) -> int:
        return len(self._parties)

    @property
    def described(self) -> Iterator[Party]:
        """Every description of a party."""
        return (party for versions in self._parties.values() for party in versions)

    @property
    def held(self) -> Iterator[Stake]:
        """Every stake."""
        return (stake for each in self._stakes.values() for stake in each)

    def __contains__(self, id_: object) -> bool:
        return id_ in self._parties or id_ in self._stakes


def undescribed(id_: str) -> Party:
    """A party that is only mentioned: whoever stands behind the id is not known."""
    return Party(
        id=id_,
        name=id_,
        kind=PartyKind.UNSTATED,
        unknown=Unknown("record_missing", "it is mentioned, and nothing describes it", id_),
    )


def _order(stake: Stake) -> tuple[str, str]:
    """Total, so that the order of reading can't show in any answer."""
    return stake.holder, repr(stake)
