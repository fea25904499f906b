"""Vast.ai: routes, bodies and error shape of its instance API.

Decides nothing. Facts: the client `vastai` 1.9.1 sends exactly these; a rental names nothing but
an offer, so the gate asks the marketplace itself what the offer holds.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Set
from dataclasses import dataclass, replace
from typing import Any

from kycgate.core.claims import JobRequest
from kycgate.errors import Malformed, Unavailable
from kycgate.gateway.adapters.base import (
    ACTIONS,
    Ending,
    Entry,
    Kind,
    Route,
    Search,
    bearer,
    decode_object,
    entry,
    only,
    succeeded,
    text_of,
    with_key_in,
)
from kycgate.gateway.view import Headers

_API = "/api/v0"
_BUNDLES = f"{_API}/bundles/"

OFFER_AGE_S = 60
"""Oldest answer on whose word a GPU may count as uncontrolled."""
_RETRY_S = 5
"""After an offer that could not be learned: one that is dead is not asked for at once again."""
_OFFERS_KEPT = 4096
_MAX_GPUS = 1024
_MAX_ID = 2**53 - 1

# No leading zero: two spellings of one id would be two owners.
_ID = r"(?P<id>[1-9][0-9]{0,15})"
_INSTANCE = re.compile(_ID)

_EXACT = {
    ("PUT", f"{_API}/launch_instance/"): Route(Kind.RENT, "launch"),
    ("GET", f"{_API}/instances/"): Route(Kind.LIST, "instances"),
    ("GET", "/api/v1/instances/"): Route(Kind.LIST, "instances.v1"),
    ("GET", f"{_API}/users/current"): Route(Kind.ACCOUNT_READ, "user"),
    ("GET", f"{_API}/users/current/"): Route(Kind.ACCOUNT_READ, "user"),
    ("GET", f"{_API}/ssh/"): Route(Kind.ACCOUNT_READ, "ssh"),
    ("POST", _BUNDLES): Route(Kind.PUBLIC_READ, "bundles"),
    ("PUT", f"{_API}/search/asks/"): Route(Kind.PUBLIC_READ, "search"),
    ("GET", f"{_API}/gpu_names/unique/"): Route(Kind.PUBLIC_READ, "gpu_names"),
    ("GET", f"{_API}/gpu_types/"): Route(Kind.PUBLIC_READ, "gpu_types"),
}
_OF_ONE = tuple(
    (method, re.compile(_API + path), kind, name)
    for method, path, kind, name in (
        ("GET", f"/instances/{_ID}/", Kind.OWN_READ, "instance"),
        ("PUT", f"/instances/request_logs/{_ID}/", Kind.OWN_READ, "logs"),
        ("DELETE", f"/instances/{_ID}/", Kind.STOP, "destroy"),
        # A start, until its body says that it is a stop (`narrowed`).
        ("PUT", f"/instances/{_ID}/", Kind.EXTEND, "update"),
        ("PUT", f"/instances/bid_price/{_ID}/", Kind.EXTEND, "bid_price"),
        ("PUT", f"/instances/prepay/{_ID}/", Kind.EXTEND, "prepay"),
        ("PUT", f"/instances/reboot/{_ID}/", Kind.MODIFY, "reboot"),
        ("PUT", f"/instances/recycle/{_ID}/", Kind.MODIFY, "recycle"),
        ("PUT", f"/instances/update_template/{_ID}/", Kind.MODIFY, "update_template"),
        ("PUT", f"/instances/command/{_ID}/", Kind.MODIFY, "command"),
        ("POST", f"/instances/{_ID}/ssh/", Kind.MODIFY, "attach_ssh"),
    )
)
_OFFER = re.compile(f"{_API}/asks/{_ID}/")

_ONE_BY_ONE = "This gate keeps a record of every instance: name one per request."
_BY_ITSELF = (
    "This would let the marketplace rent machines later, with nobody asked: rent instances one by"
    " one."
)
_REFUSED = tuple(
    (method, re.compile(_API + path), why)
    for method, path, why in (
        ("POST", r"/asks/bulk/", _ONE_BY_ONE),
        ("PUT", r"/instances/", _ONE_BY_ONE),
        ("DELETE", r"/instances/", _ONE_BY_ONE),
        ("POST", r"/(?:endptjobs|autojobs|workergroups)/", _BY_ITSELF),
        ("PUT", r"/(?:endptjobs|autojobs|workergroups)/[0-9]{1,16}/", _BY_ITSELF),
        ("PUT", r"/deployments/", _BY_ITSELF),
        ("POST", r"/cluster/", _BY_ITSELF),
        ("PUT", r"/cluster/", _BY_ITSELF),
    )
)
"""Routes that rent, or act on many instances at once, and can't be held to one recorded job."""

# Every member the client sends. One we don't know might name another machine or more of them.
_RENT_MEMBERS = frozenset(
    {
        "client_id", "image", "env", "price", "disk", "label", "extra", "onstart", "image_login",
        "python_utf8", "lang_utf8", "use_jupyter_lab", "jupyter_dir", "force", "cancel_unavail",
        "template_hash_id", "user", "runtype", "args", "volume_info",
    }
)  # fmt: skip
_LAUNCH_MEMBERS = _RENT_MEMBERS | {"q"}
_CHANGE_MEMBERS = {
    "update": frozenset({"state", "label"}),
    "bid_price": frozenset({"client_id", "price"}),
    "prepay": frozenset({"amount"}),
    "reboot": frozenset[str](),
    "recycle": frozenset[str](),
    "update_template": frozenset(
        {"id", "template_id", "template_hash_id", "image", "args", "env", "onstart"}
    ),
    "command": frozenset({"command"}),
    "attach_ssh": frozenset({"ssh_key"}),
}


@dataclass(frozen=True, slots=True)
class _Offer:
    """What an offer rents."""

    model: str
    gpus: int


@dataclass(frozen=True, slots=True)
class _Learned:
    """What the marketplace said of an offer (None: nothing usable), and while it is believed."""

    offer: _Offer | None
    since: int
    until: int


class _Offers:
    """Offers as the marketplace itself describes them to the gate, at most `OFFER_AGE_S` old."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._lock = threading.Lock()
        self._learned: dict[tuple[int, str], _Learned] = {}

    def find(self, number: int, kind: str, now: int) -> _Offer | None:
        """The offer with this id; None where it can't be learned or is described in two ways."""
        key = (number, kind)
        with self._lock:
            known = self._learned.get(key)
        # A clock set back must not make an old answer young again.
        if known is None or not known.since <= now < known.until:
            known = self._learn(number, kind, now)
            self._keep(key, known)
        return known.offer

    def agreed(self, query: dict[str, Any]) -> _Offer | None:
        """The one model and count that every offer answering `query` has, asked anew."""
        rows = self._rows(query)
        return _same(rows) if rows else None

    def _learn(self, number: int, kind: str, now: int) -> _Learned:
        query = {"id": {"eq": number}, "type": kind, "disable_bundling": True, "limit": 8}
        offer = _same([row for row in self._rows(query) if number in _numbers(row)])
        return _Learned(offer, now, now + (_RETRY_S if offer is None else OFFER_AGE_S))

    def _keep(self, key: tuple[int, str], learned: _Learned) -> None:
        with self._lock:
            self._learned.pop(key, None)
            while len(self._learned) >= _OFFERS_KEPT:
                del self._learned[next(iter(self._learned))]
            self._learned[key] = learned

    def _rows(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        """The offers answering `query`; none where the marketplace can't be asked or read."""
        try:
            answer = decode_object(
                self._search(_BUNDLES, json.dumps(query, default=float).encode())
            )
        except (Unavailable, Malformed):
            return []
        rows = answer.get("offers")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            return []
        return rows


def _numbers(row: dict[str, Any]) -> frozenset[int]:
    found = (row.get("id"), row.get("ask_contract_id"))
    return frozenset(number for number in found if type(number) is int)


def _same(rows: list[dict[str, Any]]) -> _Offer | None:
    offers = {_offer(row) for row in rows}
    return offers.pop() if len(offers) == 1 else None


def _offer(row: dict[str, Any]) -> _Offer | None:
    model, gpus = text_of(row, "gpu_name"), row.get("num_gpus")
    if model is None or type(gpus) is not int or not 1 <= gpus <= _MAX_GPUS:
        return None
    return _Offer(model, gpus)


class Vast:
    """The Vast.ai adapter. Rentals are open-ended: neither hours nor value are ever known."""

    name = "vast"
    heeds_429 = False  # re-sends a renting PUT twice

    def __init__(self, *, search: Search) -> None:
        self._offers = _Offers(search)

    def table(self) -> tuple[Entry, ...]:
        exact = (entry(*at, route.kind, route.name) for at, route in _EXACT.items())
        return (
            *exact,
            *(entry(m, path.pattern, kind, name) for m, path, kind, name in _OF_ONE),
            entry("PUT", _OFFER.pattern, Kind.RENT, "ask"),
        )

    def match(self, method: str, path: str) -> Route | None:
        route = _EXACT.get((method, path))
        if route is not None:
            return route
        if method == "PUT" and (offer := _OFFER.fullmatch(path)) is not None:
            # The offer is no deployment of anybody's: it travels in the name.
            return Route(Kind.RENT, f"ask {offer['id']}")
        for wanted, pattern, kind, name in _OF_ONE:
            if method == wanted and (found := pattern.fullmatch(path)) is not None:
                return Route(kind, name, found["id"])
        for wanted, pattern, why in _REFUSED:
            if method == wanted and pattern.fullmatch(path) is not None:
                return Route(Kind.RENT, f"refused {why}")
        return None

    def narrowed(self, route: Route, body: bytes) -> Route:
        """`{"state": "stopped"}` and nothing besides is a stop; the instance goes on existing."""
        if route.name != "update" or decode_object(body) != {"state": "stopped"}:
            return route
        return Route(Kind.PAUSE, "stop", route.resource)

    def job(
        self, route: Route, body: bytes, *, recorded: JobRequest | None, now: int
    ) -> JobRequest:
        members = decode_object(body)
        if route.kind is not Kind.RENT:
            return self._change(route, members, recorded)
        what, _, rest = route.name.partition(" ")
        if what == "refused":
            raise Malformed(rest, field="path", remedy="one instance per request")
        offer = self._launch(members) if what == "launch" else self._ask(int(rest), members, now)
        return self._request(route, offer)

    def _ask(self, number: int, members: dict[str, Any], now: int) -> _Offer | None:
        _rentable(members, _RENT_MEMBERS)
        if number > _MAX_ID:
            raise Malformed("There is no such offer.", field="path")
        # A bid takes the same machine, but searches for the two kinds list it apart.
        kind = "on-demand" if members.get("price") is None else "bid"
        return self._offers.find(number, kind, now)

    def _launch(self, members: dict[str, Any]) -> _Offer | None:
        """The marketplace picks the offer: known only where its renter pinned model and count, and
        all that the marketplace would pick from is just that."""
        _rentable(members, _LAUNCH_MEMBERS)
        query = members.get("q")
        if not isinstance(query, dict):
            raise Malformed("q must be an object.", field="q")
        model, gpus = _pinned(query, "gpu_name"), _pinned(query, "num_gpus")
        if model is None or gpus is None:
            return None
        found = self._offers.agreed(query)
        wanted = found is not None and (found.model, str(found.gpus)) == (model, gpus)
        return found if wanted else None

    def _change(
        self, route: Route, members: dict[str, Any], recorded: JobRequest | None
    ) -> JobRequest:
        """Model and count are the running instance's, as they were recorded when it was rented."""
        only(members, _CHANGE_MEMBERS[route.name])
        if members.get("state", "running") != "running":
            raise Malformed(
                'state must be "running", or "stopped" with nothing besides.', field="state"
            )
        if str(members.get("id", route.resource)) != route.resource:
            raise Malformed("id names another instance than the path.", field="id")
        if recorded is None:
            return self._request(route, None)
        return replace(recorded, action=ACTIONS[route.kind], resource=route.resource)

    def _request(self, route: Route, offer: _Offer | None) -> JobRequest:
        return JobRequest(
            marketplace=self.name,
            action=ACTIONS[route.kind],
            gpu_model=None if offer is None else offer.model,
            gpu_count=None if offer is None else offer.gpus,
            hours=None,
            value=None,
            resource=route.resource,
            end_user=None,
        )

    def credential(self, fields: dict[str, str]) -> str | None:
        """The Bearer token: the only way the client shows its key."""
        return bearer(fields)

    def with_key(self, headers: Headers, key: str | None) -> Headers:
        said = None if key is None else f"Bearer {key}"
        return with_key_in("Authorization", said, headers)

    def refusal(self, message: str, code: str) -> tuple[Headers, bytes]:
        body = json.dumps({"success": False, "error": code, "msg": message}).encode()
        return (("Content-Type", "application/json"),), body

    def accepted(self, status: int, answer: bytes) -> bool:
        return succeeded(status)

    def deployment(self, answer: bytes) -> str | None:
        try:
            members = decode_object(answer)
        except Malformed:
            return None
        return _instance_id(members.get("new_contract"))

    def stops(self, deployment: str) -> tuple[Ending, ...]:
        if _INSTANCE.fullmatch(deployment) is None:
            raise Malformed("This is no instance of Vast.ai.", field="deployment")
        return (Ending("DELETE", f"{_API}/instances/{deployment}/"),)

    def filter_list(self, answer: bytes, owned: Set[str]) -> bytes:
        """Keeps the caller's rows and the way to the next page; no count that tells of others'."""
        members = decode_object(answer, field="answer")
        rows = members.get("instances")
        if not isinstance(rows, list):
            raise Malformed("The answer holds no list.", field="answer")
        kept = [
            row for row in rows if isinstance(row, dict) and _instance_id(row.get("id")) in owned
        ]
        said: dict[str, Any] = {"success": True, "instances": kept, "total_instances": len(kept)}
        if "next_token" in members:
            said["next_token"] = members["next_token"]
        return json.dumps(said, default=float).encode()


def _rentable(members: dict[str, Any], known: frozenset[str]) -> None:
    only(members, known)
    if members.get("client_id", "me") != "me":
        raise Malformed('client_id must be "me".', field="client_id")


def _pinned(query: dict[str, Any], name: str) -> str | None:
    """The one value a search asks for under `name`; None unless it is just that."""
    asked = query.get(name)
    if not isinstance(asked, dict) or set(asked) != {"eq"}:
        return None
    value = asked["eq"]
    return str(value) if type(value) is int or isinstance(value, str) else None


def _instance_id(value: object) -> str | None:
    return str(value) if type(value) is int and 0 < value <= _MAX_ID else None
