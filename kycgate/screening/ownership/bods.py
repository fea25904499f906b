"""Reads beneficial ownership statements (BODS 0.4): who declared what about whom, and when.

Decides nothing about ownership and opens no file: chunks of bytes come in, statements go out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from kycgate.errors import Malformed, TooLarge
from kycgate.screening.ownership.dates import first_day, last_day
from kycgate.screening.ownership.parties import NAME_MOST, clean, plain
from kycgate.screening.ownership.shares import Share
from kycgate.screening.ownership.streams import Number, Record, json_records

Status = str
"""`new`, `updated`, `closed`, or empty where not stated."""

INTERESTS = frozenset(
    (
        "shareholding",
        "votingRights",
        "appointmentOfBoard",
        "otherInfluenceOrControl",
        "seniorManagingOfficial",
        "settlor",
        "trustee",
        "protector",
        "beneficiaryOfLegalArrangement",
        "rightsToSurplusAssetsOnDissolution",
        "rightsToProfitOrIncome",
        "rightsGrantedByContract",
        "conditionalRightsGrantedByContract",
        "controlViaCompanyRulesOrArticles",
        "controlByLegalFramework",
        "boardMember",
        "boardChair",
        "unknownInterest",
        "unpublishedInterest",
        "enjoymentAndUseOfAssets",
        "rightToProfitOrIncomeFromAssets",
        "nominee",
        "nominator",
    )
)
ENTITY_TYPES = frozenset(
    (
        "registeredEntity",
        "legalEntity",
        "arrangement",
        "anonymousEntity",
        "unknownEntity",
        "state",
        "stateBody",
    )
)
PERSON_TYPES = frozenset(["knownPerson", "anonymousPerson", "unknownPerson"])


@dataclass(frozen=True, slots=True)
class Unspecified:
    """A party that is not named, with the reason given."""

    reason: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Identifier:
    scheme: str
    id: str


@dataclass(frozen=True, slots=True)
class Address:
    """`country` is the code as stated, or empty."""

    type: str
    text: str
    country: str


@dataclass(frozen=True, slots=True)
class Entity:
    """A company, state or arrangement. `jurisdiction` is the code as stated."""

    type: str
    subtype: str
    name: str
    jurisdiction: str
    identifiers: tuple[Identifier, ...]
    addresses: tuple[Address, ...]
    component: bool
    listed: bool
    unspecified: Unspecified | None


@dataclass(frozen=True, slots=True)
class Person:
    """A natural person. `nationalities` are codes as stated."""

    type: str
    names: tuple[str, ...]
    nationalities: tuple[str, ...]
    identifiers: tuple[Identifier, ...]
    component: bool
    unspecified: Unspecified | None


@dataclass(frozen=True, slots=True)
class Interest:
    """One interest; `type` is empty where not stated, `share` None where not stated."""

    type: str
    direct: str
    beneficial: bool | None
    share: Share | None
    start: date | None
    end: date | None
    details: str = ""


@dataclass(frozen=True, slots=True)
class Relationship:
    subject: str | Unspecified
    holder: str | Unspecified
    interests: tuple[Interest, ...]
    component: bool
    components: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. `document` is the JSON it was read from, for handing on what is not ours."""

    id: str
    date: date
    record: str
    status: Status
    declaration_subject: str
    source: str
    details: Entity | Person | Relationship
    document: Mapping[str, Any] | None = field(default=None, compare=False, hash=False, repr=False)


def read_bods(chunks: Iterable[bytes], *, field: str = "bods") -> Iterator[Statement]:
    """The statements of a BODS 0.4 file: a JSON array or JSON lines.

    Raises Malformed or TooLarge, naming the statement by its id and the field at fault. A
    statement repeated word for word counts once; the same id over other words is refused.
    """
    seen = dict[str, Record]()
    for number, document in enumerate(json_records(chunks, field=field), start=1):
        statement = _statement(_Node(document, f"{field}, statement {number}"))
        if statement.id not in seen:
            seen[statement.id] = document
            yield statement
        elif seen[statement.id] != document:
            raise Malformed("the same statementId stands over two statements", field=statement.id)


class _Node:
    """A JSON object with the way to it, so that what is wrong can be named."""

    __slots__ = ("_record", "where")

    def __init__(self, record: Record, where: str) -> None:
        self._record, self.where = record, where

    def malformed(self, key: str, why: str, remedy: str = "") -> Malformed:
        return Malformed(why, field=f"{self.where}: {key}", remedy=remedy)

    def _typed(self, key: str, kind: type, name: str) -> Any:
        value = self._record.get(key)
        if value is not None and not isinstance(value, kind):
            raise self.malformed(key, f"not {name}")
        return value

    def text(self, key: str, *, most: int = NAME_MOST) -> str:
        """A text fit to show; empty where missing."""
        value: str = self._typed(key, str, "a text") or ""
        if len(value) > most:
            raise TooLarge(f"longer than {most} characters", field=f"{self.where}: {key}")
        return clean(value)

    def id(self, key: str) -> str:
        value: str = self._typed(key, str, "a text") or ""
        if not plain(value):
            raise self.malformed(key, "no usable id", "1 to 512 printable characters")
        return value

    def flag(self, key: str) -> bool | None:
        value: bool | None = self._typed(key, bool, "true or false")
        return value

    def code(self, key: str, known: frozenset[str], *, required: bool) -> str:
        value = self.text(key)
        if value not in known and (value or required):
            raise self.malformed(key, f"`{value[:40]}` is no code of BODS 0.4")
        return value

    def day(self, key: str, read: Callable[[str], date]) -> date | None:
        value = self.text(key)
        try:
            return read(value) if value else None
        except ValueError as e:
            raise self.malformed(key, str(e), "YYYY-MM-DD") from e

    def node(self, key: str) -> _Node | None:
        value = self._typed(key, dict, "an object")
        return None if value is None else _Node(value, f"{self.where}: {key}")

    def nodes(self, key: str) -> tuple[_Node, ...]:
        values = self._typed(key, list, "an array") or []
        if not all(isinstance(each, dict) for each in values):
            raise self.malformed(key, "not an array of objects")
        return tuple(_Node(each, f"{self.where}: {key}[{at}]") for at, each in enumerate(values))

    def texts(self, key: str) -> tuple[str, ...]:
        values = self._typed(key, list, "an array") or []
        if not all(isinstance(each, str) for each in values):
            raise self.malformed(key, "not an array of texts")
        return tuple(values)

    def party(self, key: str) -> str | Unspecified:
        """A record id, or why there is none."""
        if isinstance(self._record.get(key), dict):
            node = self.node(key)
            assert node is not None
            return Unspecified(_reason(node), node.text("description"))
        return self.id(key)

    def percent(self, key: str) -> Fraction | None:
        """An exact percentage. Raises Malformed outside 0 to 100."""
        value = self._record.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.malformed(key, "not a number", "0 to 100")
        number = Decimal(value.text) if isinstance(value, Number) else Decimal(value)
        exponent = number.as_tuple().exponent
        if not 0 <= number <= 100 or not isinstance(exponent, int) or exponent < -60:
            raise self.malformed(key, f"a share of {str(number)[:24]} %", "0 to 100")
        return Fraction(number)

    def has(self, key: str) -> bool:
        return key in self._record

    @property
    def record(self) -> Record:
        return self._record


def _reason(node: _Node) -> str:
    return node.text("reason", most=200) or "unknown"


def _statement(node: _Node) -> Statement:
    if node.has("statementType") or node.has("statementID"):
        raise node.malformed("statementType", "an older BODS layout", "BODS 0.4")
    id_ = node.id("statementId")
    node = _Node(node.record, f"{node.where} ({id_})")
    day = node.day("statementDate", first_day)
    if day is None:
        raise node.malformed("statementDate", "missing", "YYYY-MM-DD")
    details = node.node("recordDetails")
    if details is None:
        raise node.malformed("recordDetails", "missing")
    kind = node.code("recordType", frozenset(_READERS), required=True)
    return Statement(
        id=id_,
        date=day,
        record=node.id("recordId"),
        status=node.code("recordStatus", frozenset(("new", "updated", "closed")), required=False),
        declaration_subject=node.text("declarationSubject"),
        source=_source(node),
        details=_READERS[kind](details),
        document=node.record,
    )


def _source(node: _Node) -> str:
    """Who says so: the parties that assert it, else the description, kinds or publisher."""
    source = node.node("source")
    if source is not None:
        names = [each.text("name") for each in source.nodes("assertedBy")]
        told = ", ".join(filter(None, names)) or source.text("description")
        if told := told or ", ".join(source.texts("type")):
            return clean(told)[:NAME_MOST]
    publication = node.node("publicationDetails")
    publisher = publication.node("publisher") if publication else None
    return publisher.text("name") if publisher else ""


def _identifiers(node: _Node) -> tuple[Identifier, ...]:
    return tuple(
        Identifier(each.text("scheme") or each.text("schemeName"), each.text("id"))
        for each in node.nodes("identifiers")
    )


def _country(node: _Node | None) -> str:
    return node.text("code", most=16).upper() if node else ""


def _unspecified(node: _Node, key: str) -> Unspecified | None:
    inner = node.node(key)
    return None if inner is None else Unspecified(_reason(inner), inner.text("description"))


def _entity(node: _Node) -> Entity:
    type_ = node.node("entityType")
    if type_ is None:
        raise node.malformed("entityType", "missing")
    listing = node.node("publicListing")
    return Entity(
        type=type_.code("type", ENTITY_TYPES, required=True),
        subtype=type_.text("subtype", most=80),
        name=node.text("name"),
        jurisdiction=_country(node.node("jurisdiction")),
        identifiers=_identifiers(node),
        addresses=tuple(
            Address(
                each.text("type", most=80), each.text("address"), _country(each.node("country"))
            )
            for each in node.nodes("addresses")
        ),
        component=bool(node.flag("isComponent")),
        listed=bool(listing and listing.flag("hasPublicListing")),
        unspecified=_unspecified(node, "unspecifiedEntityDetails"),
    )


def _person(node: _Node) -> Person:
    return Person(
        type=node.code("personType", PERSON_TYPES, required=True),
        names=tuple(each.text("fullName") for each in node.nodes("names")),
        nationalities=tuple(_country(each) for each in node.nodes("nationalities")),
        identifiers=_identifiers(node),
        component=bool(node.flag("isComponent")),
        unspecified=_unspecified(node, "unspecifiedPersonDetails"),
    )


def _relationship(node: _Node) -> Relationship:
    return Relationship(
        subject=node.party("subject"),
        holder=node.party("interestedParty"),
        interests=tuple(_interest(each) for each in node.nodes("interests")),
        component=bool(node.flag("isComponent")),
        components=node.texts("componentRecords"),
    )


def _interest(node: _Node) -> Interest:
    start, end = node.day("startDate", first_day), node.day("endDate", last_day)
    if start and end and end < start:
        raise node.malformed("endDate", "lies before startDate")
    return Interest(
        type=node.code("type", INTERESTS, required=False),
        direct=node.code(
            "directOrIndirect", frozenset(("direct", "indirect", "unknown")), required=False
        ),
        beneficial=node.flag("beneficialOwnershipOrControl"),
        share=_share(node.node("share")),
        start=start,
        end=end,
        details=node.text("details"),
    )


def _share(node: _Node | None) -> Share | None:
    """The interval stated. Bounds that contradict each other are refused, not mended."""
    if node is None:
        return None
    exact = node.percent("exact")
    lows = [(node.percent("minimum"), False), (node.percent("exclusiveMinimum"), True)]
    highs = [(node.percent("maximum"), False), (node.percent("exclusiveMaximum"), True)]
    low, low_open = max((each for each in lows if each[0] is not None), default=(None, False))
    high, open_at = min(
        ((each[0], not each[1]) for each in highs if each[0] is not None), default=(None, True)
    )
    if exact is low is high is None:
        return None
    try:
        bounds = Share.between(
            Fraction(0) if low is None else low,
            Fraction(100) if high is None else high,
            low_open=low_open,
            high_open=not open_at,
        )
        point = bounds if exact is None else Share.exact(exact)
    except ValueError as e:
        raise node.malformed("minimum", str(e)) from e
    if not bounds.low <= point.low <= point.high <= bounds.high:
        raise node.malformed("exact", "lies outside its own bounds")
    return point


_READERS: dict[str, Callable[[_Node], Entity | Person | Relationship]] = {
    "entity": _entity,
    "person": _person,
    "relationship": _relationship,
}
