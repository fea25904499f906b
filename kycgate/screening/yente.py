"""A yente service behind the screening seam: OpenSanctions' own engine, asked over its /match API.

Keeps no list. What does not answer, or answers in another shape, is `Unavailable`: nobody is clear.

Its hits never block by name, for its score alone does not tell a namesake from the party: only a
number or a wallet that is the same blocks. `POST /match/<dataset>` and `GET /catalog` as in yente 5
(`EntityMatchResponse`, `DataCatalogModel`).
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import requests
from urllib3.exceptions import HTTPError

from kycgate.core.claims import Address, Kind
from kycgate.core.policy import ListVersion
from kycgate.core.wire import require_shallow
from kycgate.errors import Malformed, Unavailable
from kycgate.screening.backend import Answer
from kycgate.screening.entries import Identifier
from kycgate.screening.ftm import NUMBERS
from kycgate.screening.lists import Band, Hit
from kycgate.screening.live import Delta
from kycgate.screening.match import normalise
from kycgate.screening.matching.attributes import check_birth_date
from kycgate.screening.matching.exact import identifier_key
from kycgate.screening.matching.matcher import Query

THRESHOLD: Final = 0.7
"""Score from which yente's hits are looked at, as its own default and our review band have it."""
TOPICS: Final = (
    "sanction",
    "sanction.linked",
    "sanction.control",
    "debarment",
    "export.control",
    "export.control.linked",
)
"""Why a party may be a hit. Politically exposed persons are not asked for."""
_LIMIT: Final = 20
_MOST: Final = 8 * 2**20
_TIMEOUT_S: Final = (3.0, 15.0)
_CATALOG_S: Final = 30.0
"""How often its catalogue is asked for other versions."""
_STAMP: Final = re.compile(r"(\d{14})|(\d{8})")
_SCHEMAS: Final[Mapping[Kind | None, str]] = {
    Kind.PERSON: "Person",
    Kind.ORGANISATION: "Organization",
    None: "LegalEntity",
}


class Yente:
    """One collection of one yente service."""

    def __init__(
        self,
        url: str,
        dataset: str,
        *,
        key: str | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._dataset = dataset
        self._monotonic = monotonic
        self._headers = {"Authorization": f"ApiKey {key}"} if key else {}
        self._local = threading.local()
        self._versions: tuple[ListVersion, ...] = ()
        self._engine = "yente"
        self._looked_at = float("-inf")

    # -- which lists -----------------------------------------------------------------------------

    @property
    def versions(self) -> tuple[ListVersion, ...]:
        """The collection as of the last look at the catalogue; none before the first."""
        return self._versions

    def refresh(self, now: int) -> None:
        """Look which version is in force, at most twice a minute. Raises Unavailable."""
        if self._monotonic() - self._looked_at < _CATALOG_S:
            return
        # Before asking: a service that hangs is not asked again at every step.
        self._looked_at = self._monotonic()
        found = self._ask("GET", "/catalog")
        with _expected("/catalog"):
            datasets = {each["name"]: each for each in found["datasets"]}
            if self._dataset not in datasets:
                raise Unavailable(f"yente has no collection {self._dataset!r}")
            self._versions = (_version(datasets[self._dataset]),)

    def in_force(self) -> dict[str, str]:
        """The collection and its version."""
        return {each.name: each.version for each in self._versions}

    def changes(self, since: Mapping[str, str]) -> Delta:
        """yente does not say what has changed: everybody must be asked for again."""
        return Delta(None, self)

    def swap(self) -> None:
        """Nothing to do: it answers from the version it has."""

    # -- asking ----------------------------------------------------------------------------------

    def party(self, query: Query) -> Answer:
        """Everybody in the collection who may be the one asked for."""
        if not normalise(query.name):
            raise Malformed("a name without letters or digits", field="name", remedy="write it out")
        if query.birth_date:
            check_birth_date(query.birth_date)
        numbers = {
            NUMBERS[each.type]: [
                other.value
                for other in query.identifiers
                if NUMBERS[other.type] == NUMBERS[each.type]
            ]
            for each in query.identifiers
        }
        properties = {
            "name": [query.name],
            "birthDate": [query.birth_date],
            "country": [query.country.lower()],
            "address": [query.address],
            **numbers,
        }
        asked = {identifier_key(each) for each in query.identifiers} - {None}
        return self._match(
            _SCHEMAS[query.kind],
            {name: values for name, values in properties.items() if any(values)},
            lambda found: _same_number(found, asked),
            query.name,
        )

    def wallet(self, address: Address) -> Answer:
        """Whether the wallet is in the collection."""
        text = "0x" + address.hex()
        return self._match(
            "CryptoWallet",
            {"publicKey": [text]},
            lambda found: text in map(str.lower, _texts(found, "publicKey")),
            text,
            only_certain=True,
        )

    def _match(
        self,
        schema: str,
        properties: Mapping[str, Any],
        certain: Callable[[Mapping[str, Any]], bool],
        matched: str,
        *,
        only_certain: bool = False,
    ) -> Answer:
        self._first_look()
        document = self._ask(
            "POST",
            f"/match/{self._dataset}",
            params={"limit": _LIMIT, "threshold": THRESHOLD, "topics": TOPICS},
            json={"queries": {"q": {"schema": schema, "properties": properties}}},
        )
        with _expected("/match"):
            answer = document["responses"]["q"]
            if answer["status"] != 200:
                raise Unavailable(f"yente answered {answer['status']} to a query")
            results = [each for each in answer["results"] if each["score"] >= THRESHOLD]
            sure = [(each, certain(each)) for each in results]
            hits = [self._hit(each, own, matched) for each, own in sure if own or not only_certain]
        hits.sort(key=lambda hit: (hit.band is not Band.BLOCK, -hit.score, hit.list, hit.entry_id))
        return Answer(tuple(hits), self._versions, self._engine)

    def _first_look(self) -> None:
        # A process that never ticks (a command) must know what it screens against, too.
        if not self._versions:
            self.refresh(0)
        if not self._versions:
            raise Unavailable("yente has not said yet which lists it has")

    def _hit(self, found: Mapping[str, Any], certain: bool, matched: str) -> Hit:
        datasets = [str(each) for each in found["datasets"]]
        wallet = found["schema"] == "CryptoWallet"
        return Hit(
            datasets[0] if datasets else self._dataset,
            self._versions[0].version,
            str(found["id"]),
            str(found["caption"]),
            matched,
            float(found["score"]),
            Band.BLOCK if certain else Band.REVIEW,
            _digest(found),
            ("wallet" if wallet else "identifier") if certain else "name",
            dict(found),
        )

    def _ask(self, method: str, path: str, **more: Any) -> Any:
        try:
            with self._session().request(
                method,
                self._url + path,
                headers=self._headers,
                timeout=_TIMEOUT_S,
                allow_redirects=False,
                stream=True,
                **more,
            ) as answer:
                if answer.status_code != 200:
                    raise Unavailable(f"yente answered {answer.status_code} to {path}")
                body = answer.raw.read(_MOST + 1, decode_content=True)
        except (requests.RequestException, HTTPError, OSError) as error:
            # The body is read from urllib3 itself, whose errors are no RequestException.
            raise Unavailable(f"yente did not answer {path}") from error
        if len(body) > _MOST:
            raise Unavailable(f"yente's answer to {path} exceeds {_MOST} bytes")
        try:
            require_shallow(body, field="yente")
            return json.loads(body)
        except (ValueError, Malformed) as error:
            raise Unavailable(
                f"yente answered {path} with something else than plain JSON"
            ) from error

    def _session(self) -> requests.Session:
        # A Session is not promised to be safe for several threads.
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            self._local.session.trust_env = False
        session: requests.Session = self._local.session
        return session


@contextmanager
def _expected(path: str) -> Iterator[None]:
    """An answer of another shape is no answer."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise Unavailable(f"yente answered {path} in another shape than documented") from error


def _version(dataset: Mapping[str, Any]) -> ListVersion:
    """`index_version` is what is searched; `version` what there is. Their head is a moment."""
    version = str(dataset.get("index_version") or dataset["version"])
    return ListVersion(str(dataset["name"]), version, _moment(version, dataset))


def _moment(version: str, dataset: Mapping[str, Any]) -> int:
    """When the data is of, Unix seconds UTC; 0, and so stale, where nothing says."""
    found = _STAMP.search(version)
    text = found[0] if found else ""
    try:
        if text:
            return int(
                datetime.strptime(text.ljust(14, "0"), "%Y%m%d%H%M%S")
                .replace(tzinfo=UTC)
                .timestamp()
            )
        for name in ("last_export", "updated_at"):
            if dataset.get(name):
                at = datetime.fromisoformat(str(dataset[name]))
                return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        pass  # no date anybody wrote
    return 0


def _texts(found: Mapping[str, Any], name: str) -> list[str]:
    return [each for each in found["properties"].get(name, []) if isinstance(each, str)]


def _same_number(found: Mapping[str, Any], asked: set[Any]) -> bool:
    listed = {
        identifier_key(Identifier(kind, value))
        for kind, name in NUMBERS.items()
        for value in _texts(found, name)
    }
    return bool(asked & listed)


def _digest(found: Mapping[str, Any]) -> str:
    """Of what is said of the party, not of how it scored or when it was seen."""
    said = {name: found[name] for name in ("id", "caption", "schema", "properties", "datasets")}
    text = json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
