"""What the gate asks of a marketplace: which route means what, and how its clients are spoken to.

Decides nothing about callers: an adapter translates between one marketplace's wire and our words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Set
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple, Protocol

from kycgate.core import wire
from kycgate.core.claims import Action, JobRequest
from kycgate.errors import Malformed
from kycgate.gateway.canonical import KEY_FIELDS
from kycgate.gateway.view import Headers

Fetch = Callable[[str], bytes]
"""The gate's own GET of an upstream path with the operator's key: the body of a 200 answer.

Raises Unavailable for everything else. Bounded in time and size by its giver.
"""

Search = Callable[[str, bytes], bytes]
"""The gate's own question, a JSON body POSTed to an upstream path that changes nothing there, with
the operator's key: the body of a 200 answer. Raises Unavailable for everything else. Bounded in
time and size by its giver.
"""


class Kind(Enum):
    """What a route does, as far as the gate must tell apart."""

    RENT = "rent"
    EXTEND = "extend"
    MODIFY = "modify"
    STOP = "stop"
    """Ends a deployment: never subject to policy, a refused renter must be able to stop paying."""
    PAUSE = "pause"
    """Halts a deployment that goes on existing: never subject to policy either."""
    OWN_READ = "own_read"
    """Reads one deployment."""
    LIST = "list"
    """Lists deployments: filtered to the caller's under a shared upstream key."""
    ACCOUNT_READ = "account_read"
    """Reads what belongs to the upstream key as a whole: only with the account's own key."""
    PUBLIC_READ = "public_read"
    """Catalogue and prices: anybody, without an upstream key when not proven."""
    ADMIT = "admit"
    """A scheduler's question whether it may place work (hooks): decided like a rental, but nothing
    is forwarded and no deployment is named. No marketplace has such a route."""


ACTIONS = {
    Kind.RENT: Action.RENT,
    Kind.EXTEND: Action.EXTEND,
    Kind.MODIFY: Action.MODIFY,
    Kind.ADMIT: Action.RENT,
}
"""The kinds that are decided, and the action each asks for."""

READS = frozenset({Kind.OWN_READ, Kind.ACCOUNT_READ, Kind.PUBLIC_READ})
"""The kinds that change nothing and are passed on as they are."""


@dataclass(frozen=True, slots=True)
class Route:
    """One entry of a route table, matched. `resource` is the deployment it names."""

    kind: Kind
    name: str
    resource: str | None = None
    named: tuple[tuple[str, str], ...] = ()
    """What else the path names, such as an offer, by the table's own words."""
    long_lived: bool = False
    """Its answer may go on for hours (logs, server-sent events): only through a door that can cut
    it off, and only while the account stays cleared."""


@dataclass(frozen=True, slots=True)
class Ending:
    """One request that may end a deployment; `body` is JSON, empty for none."""

    method: str
    target: str
    body: bytes = b""


class Entry(NamedTuple):
    """One line of a route table, for people."""

    method: str
    path: str
    kind: str
    name: str


class Adapter(Protocol):
    """One marketplace. Thread-safe; pure but for `job`, which may ask the catalogue."""

    @property
    def name(self) -> str: ...

    def table(self) -> tuple[Entry, ...]:
        """Every route, as the adapter's own table has it."""

    @property
    def heeds_429(self) -> bool:
        """Whether this marketplace's own client, told 429, neither sends the request again by
        itself nor hides why. Else it is told 403, which none of them re-sends."""

    def match(self, method: str, path: str) -> Route | None:
        """The route of exactly this method and path, or None. Nothing is decoded or repaired.

        Where only the body says what is done, or to which deployment, it is a kind that is decided:
        so the body is read, and what can't be read is refused.
        """

    def narrowed(self, route: Route, body: bytes) -> Route:
        """`route`, or what it is where only the body tells. Raises Malformed if it can't be read:
        then it stays what the path says, which is never the milder of the two."""

    def job(
        self, route: Route, body: bytes, *, recorded: JobRequest | None, now: int
    ) -> JobRequest:
        """What a decided route asks for; `recorded` is the job its deployment stands on.

        Raises Malformed naming the field. What can't be learned is None, which policy treats as
        unknown: never a guess.
        """

    def credential(self, fields: dict[str, str]) -> str | None:
        """The secret the caller presented, from single-valued fields by lower-case name."""

    def with_key(self, headers: Headers, key: str | None) -> Headers:
        """`headers` with every credential of the caller removed, and `key` put in its place."""

    def refusal(self, message: str, code: str) -> tuple[Headers, bytes]:
        """This marketplace's own error body, as its clients show it, with its content type;
        `code` is the outward one, for those that have a place for it."""

    def accepted(self, status: int, answer: bytes) -> bool:
        """Whether the upstream says it did what it was asked: some say no with a status of 200."""

    def deployment(self, answer: bytes) -> str | None:
        """The deployment an accepted rental created, from the upstream's answer."""

    def stops(self, deployment: str) -> tuple[Ending, ...]:
        """Each request that may end the deployment; 404 from one is no harm."""

    def filter_list(self, answer: bytes, owned: Set[str]) -> bytes:
        """A listing with only `owned` deployments left. Raises Malformed if it can't be read."""


def succeeded(status: int) -> bool:
    """A status of 2xx: what a marketplace that speaks plain HTTP says yes with."""
    return 200 <= status < 300


def decode_object(body: bytes, *, field: str = "body") -> dict[str, Any]:
    """Read one JSON object as `decode` does. Raises Malformed for any other value."""
    value = decode(body, field=field)
    if not isinstance(value, dict):
        raise Malformed("The body is not a JSON object.", field=field)
    return value


def decode(body: bytes, *, field: str = "body") -> Any:
    """Read one JSON value in the only way every JSON reader agrees on.

    UTF-8 without byte order mark, no duplicate member at any depth, no NaN or Infinity; numbers
    with a fraction or exponent become Decimal, so that they never pass for integers. Raises
    Malformed.
    """
    wire.require_shallow(body, field=field)
    try:
        return json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_float=Decimal,
            parse_constant=_no_constant,
        )
    except (ValueError, ArithmeticError) as e:
        raise Malformed("The body is not JSON that can be read.", field=field) from e


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise Malformed(f"The member {twice[:64]!r} appears twice.", field=twice[:64])
    return members


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def whole(members: dict[str, Any], name: str, *, least: int, most: int) -> int:
    """The integer member `name` within its limits. Raises Malformed: nothing is converted."""
    value = members.get(name)
    if type(value) is not int or not least <= value <= most:
        raise Malformed(
            f"{name} must be a whole number from {least} to {most}.",
            field=name,
            remedy=f"a whole number from {least} to {most}",
        )
    return value


def only(members: dict[str, Any], known: frozenset[str]) -> None:
    """Refuses, with Malformed, a body with a member that is not in `known`."""
    strange = min(members.keys() - known, default=None)
    if strange is not None:
        raise Malformed(
            f"The member {strange[:64]!r} is not one this gate knows on this route.",
            field=strange[:64],
            remedy="leave it out",
        )


def text_of(item: dict[str, Any], *names: str) -> str | None:
    """The first of these members that is a text of 1 to 128 characters."""
    for name in names:
        text = item.get(name)
        if isinstance(text, str) and 0 < len(text) <= 128:
            return text
    return None


def without_keys(headers: Headers) -> Headers:
    """`headers` without any field in which a marketplace may look for a credential."""
    return tuple(
        field for field in headers if (lower := field[0].lower()) not in KEY_FIELDS
        and lower != "cookie"
    )  # fmt: skip


def bearer(fields: dict[str, str]) -> str | None:
    """The Bearer token a client shows; None for none, or an empty one."""
    said = fields.get("authorization", "")
    return (said[7:].strip() or None) if said[:7].lower() == "bearer " else None


def with_key_in(field: str, value: str | None, headers: Headers) -> Headers:
    """`headers` with the key in this field, in place of those the client's own may stand in."""
    kept = tuple(
        each for each in headers if each[0].lower() not in ("x-api-key", "authorization", "cookie")
    )
    return kept if value is None else (*kept, (field, value))


def entry(method: str, pattern: str, kind: Kind, name: str) -> Entry:
    """A line for a path given as a regular expression: its groups are shown as `{name}`."""
    shown = re.sub(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)", r"{\1}", pattern)
    return Entry(method, re.sub(r"\\(.)", r"\1", shown), kind.value, name)
