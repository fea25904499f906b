"""Sumsub: an applicant a visit, opened through its hosted WebSDK link.

Copies no image and no address; of a rejection only `moderationComment` reaches the renter, never
`clientComment`, which Sumsub writes for the operator alone.

    https://docs.sumsub.com/reference/authentication      requests, signed with the app token
    https://docs.sumsub.com/docs/webhook-manager          X-Payload-Digest over the raw body
    https://docs.sumsub.com/reference/get-applicant-data  the result
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from kycgate.core import wire
from kycgate.core.claims import Level
from kycgate.errors import Conflict
from kycgate.issuer.providers import reading, signatures
from kycgate.issuer.providers.base import (
    BODY_MOST,
    Claimed,
    Event,
    Headers,
    Link,
    Outcome,
    Result,
    forged,
    goes_on,
    other_environment,
    require_own_key,
)
from kycgate.issuer.providers.http import Ask, Http

ORIGIN: Final = "https://api.sumsub.com"
LINK_S: Final = 24 * 3600
"""How long we let a link live; the visit itself lives longer, under fresh links."""
_DOMAINS: Final = ("sumsub.com",)
_ID: Final = re.compile(r"[0-9a-zA-Z]{8,64}", re.ASCII)
# HMAC_SHA1_HEX is still offered by Sumsub, and refused here.
_ALGORITHMS: Final = {"HMAC_SHA256_HEX": "sha256", "HMAC_SHA512_HEX": "sha512"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SumsubKeys:
    """What an operator gets from Sumsub's console. Secrets never appear in a repr."""

    app_token: str = field(repr=False)
    secret: str = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(repr=False)


class Sumsub:
    """One app token of one environment. Sumsub binds a token to its environment, as we do."""

    name: Final = "sumsub"
    title: Final = "Sumsub"
    minutes: Final = 4

    def __init__(
        self,
        keys: SumsubKeys,
        *,
        level_name: str,
        live: bool,
        countries: reading.Countries,
        level: Level = Level.SUBSTANTIAL,
        origin: str = ORIGIN,
        clock: Callable[[], float],
    ) -> None:
        """`level_name` is the verification level made in Sumsub's console; `clock` signs requests.

        Raises Misconfigured for a token of the other environment.
        """
        wanted = "prd:" if live else "sbx:"
        require_own_key("sumsub.app_token", keys.app_token, (wanted,))
        self._keys = keys
        self._level_name = level_name
        self._countries = countries
        self._http = Http(self.name, origin)
        self._clock = clock
        self.live = live
        self.level = level

    # -- the visit -------------------------------------------------------------------------------

    def start(self, verification_id: str, *, return_url: str, now: int) -> Link:
        """An applicant whose externalUserId is our id; the one there is where it is there."""
        try:
            level = quote(self._level_name, safe="")
            made = self._post(
                f"/resources/applicants?levelName={level}", {"externalUserId": verification_id}
            )
        except Conflict:
            made = self._get(f"/resources/applicants/-;externalUserId={verification_id}/one")
        reference = reading.required(made.get("id"), _ID, "sumsub's applicant id")
        return self._link(reference, verification_id, return_url, now)

    def link(
        self, reference: str, verification_id: str, *, return_url: str, now: int
    ) -> Link | None:
        """Another link for the same applicant: what was accepted is not asked again."""
        if not goes_on(self.fetch(reference, now=now).outcome):
            return None
        return self._link(reference, verification_id, return_url, now)

    def _link(self, reference: str, verification_id: str, return_url: str, now: int) -> Link:
        answer = self._post(
            "/resources/sdkIntegrations/levels/-/websdkLink",
            {
                "levelName": self._level_name,
                "userId": verification_id,
                "ttlInSecs": LINK_S,
                "redirect": {"successUrl": return_url, "rejectUrl": return_url},
            },
        )
        return Link(reference, self._http.hosted(answer.get("url"), _DOMAINS), now + LINK_S)

    # -- its messages ----------------------------------------------------------------------------

    def read_event(self, headers: Headers, body: bytes, *, now: int) -> Event:
        """`X-Payload-Digest` over the body. It covers no moment: the event counts once, by digest.

        Sumsub's correlationId names a request rather than an event, so it is not the event's name.
        """
        algorithm = _ALGORITHMS.get(headers.get("x-payload-digest-alg", ""))
        given = headers.get("x-payload-digest")
        secrets = self._keys.webhook_secrets
        if algorithm is None or not signatures.plain(secrets, body, given, algorithm):
            raise forged()
        said = wire.read_object(body, limit=BODY_MOST, field="body")
        event_id = hashlib.sha256(body).hexdigest()
        if said.get("testMode") is True:
            return Event(event_id, None)  # sent by hand from Sumsub's console, about nobody
        sandbox = said.get("sandboxMode")
        if sandbox is not None and sandbox is not (not self.live):
            raise other_environment(self.name, live=self.live)
        reference = said.get("applicantId")
        known = isinstance(reference, str) and _ID.fullmatch(reference)
        return Event(event_id, reference if known else None)

    # -- the result ------------------------------------------------------------------------------

    def fetch(self, reference: str, *, now: int) -> Result:
        """`GET /resources/applicants/{id}/one`."""
        found = self._get(f"/resources/applicants/{quote(reference, safe='')}/one")
        review = reading.member(found, "review")
        answer = reading.member(review, "reviewResult")
        outcome = Outcome.GONE if found.get("deleted") is True else _outcome(review, answer)
        if outcome is Outcome.PASSED and reading.member(review, "levelName") != self._level_name:
            outcome = Outcome.CHECKING  # passed something else than what was asked for
        made_by = found.get("createdBy")
        # The one trace of its environment that an applicant carries.
        sandboxed = isinstance(made_by, str) and "-sbx-" in made_by
        shown = outcome is Outcome.RETRY
        return Result(
            reference=reading.required(found.get("id"), _ID, "sumsub's applicant id"),
            ours=str(found.get("externalUserId")),
            live=self.live and not sandboxed,
            outcome=outcome,
            decided_at=reading.moment(reading.member(review, "reviewDate"), now=now),
            note=reading.note(reading.member(answer, "moderationComment")) if shown else "",
            claimed=self._claimed(found) if outcome is Outcome.PASSED else None,
        )

    def _claimed(self, found: dict[str, Any]) -> Claimed | None:
        """From `info`, which Sumsub read off the documents; `fixedInfo` is what was typed."""
        info = reading.member(found, "info")
        documents = reading.member(info, "idDocs")
        document = next(iter(documents if isinstance(documents, list) else []), None)
        name = reading.name_of(
            *(
                reading.member(info, each + "En") or reading.member(info, each)
                for each in ("firstName", "middleName", "lastName")
            )
        )
        if name is None:
            return None
        issuer = reading.country(reading.member(document, "country"), self._countries)
        where = (reading.member(info, "country"), reading.member(info, "nationality"))
        lives = next(filter(None, (reading.country(e, self._countries) for e in where)), 0)
        native = reading.name_of(
            *(reading.member(info, each) for each in ("firstName", "middleName", "lastName"))
        )
        return reading.claimed(
            self._countries,
            name=name,
            birth_date=reading.day(reading.member(info, "dob")),
            home=lives,
            issuer=issuer,
            kind=reading.member(document, "idDocType"),
            number=reading.member(document, "number"),
            ends=reading.day(reading.member(document, "validUntil")),
            name_as_written=native,
        )

    # -- signed requests -------------------------------------------------------------------------

    def _get(self, target: str) -> dict[str, Any]:
        return self._signed("GET", target, b"")

    def _post(self, target: str, document: dict[str, Any]) -> dict[str, Any]:
        return self._signed("POST", target, json.dumps(document).encode())

    def _signed(self, method: str, target: str, body: bytes) -> dict[str, Any]:
        stamp = str(int(self._clock()))
        message = (stamp + method + target).encode() + body
        headers = {
            "X-App-Token": self._keys.app_token,
            "X-App-Access-Ts": stamp,
            "X-App-Access-Sig": signatures.hex_hmac(self._keys.secret, message),
            "Content-Type": "application/json",
        }
        return self._http.ask(Ask(method, target, headers, body))


def _outcome(review: object, answer: object) -> Outcome:
    """`reviewStatus`, `reviewAnswer` and `reviewRejectType`. What is unknown is still looked at."""
    status = reading.member(review, "reviewStatus")
    if status != "completed":
        if status == "init":
            retry = reading.member(answer, "reviewRejectType") == "RETRY"
            return Outcome.RETRY if retry else Outcome.OPEN
        return Outcome.CHECKING
    verdict = reading.member(answer, "reviewAnswer")
    if verdict == "GREEN":
        return Outcome.PASSED
    if verdict != "RED":
        return Outcome.CHECKING
    retry = reading.member(answer, "reviewRejectType") == "RETRY"
    return Outcome.RETRY if retry else Outcome.REFUSED
