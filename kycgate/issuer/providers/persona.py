"""Persona: an inquiry a visit, opened through a one-time link.

Copies no image. Believes only a government-id verification that passed: an inquiry's `fields` hold
what the renter typed as well.

    https://docs.withpersona.com/api-reference/inquiries     create, retrieve, resume, one-time link
    https://docs.withpersona.com/webhooks-best-practices     Persona-Signature
    https://docs.withpersona.com/model-lifecycle             statuses
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from kycgate.core import wire
from kycgate.core.claims import Level
from kycgate.issuer.providers import reading, signatures
from kycgate.issuer.providers.base import (
    BODY_MOST,
    ApiKeys,
    Claimed,
    Event,
    Headers,
    Link,
    Outcome,
    Result,
    forged,
    goes_on,
    require_own_key,
)
from kycgate.issuer.providers.http import Ask, Http

ORIGIN: Final = "https://api.withpersona.com"
VERSION: Final = "2023-01-05"
"""The dated API version whose answers are read here."""
LINK_S: Final = 24 * 3600
"""Persona ends a pending inquiry after a day by default; a fresh link resumes it."""
_DOMAINS: Final = ("withpersona.com",)
_ID: Final = re.compile(r"inq_[0-9A-Za-z]{8,64}", re.ASCII)
_EVENT: Final = re.compile(r"evt_[0-9A-Za-z]{4,64}", re.ASCII)
_STATUSES: Final = {
    "created": Outcome.OPEN,
    "pending": Outcome.OPEN,
    "expired": Outcome.OPEN,
    "needs_review": Outcome.CHECKING,
    "approved": Outcome.PASSED,
    # The renter may begin another; this inquiry takes nothing more.
    "failed": Outcome.GONE,
    "declined": Outcome.REFUSED,
    "redacted": Outcome.GONE,
}
_FAILED: Final = (
    "The check did not succeed. Begin another: a document still valid, good light, all corners"
    " visible."
)


class Persona:
    """One API key, which belongs to one environment and sees nothing of the other."""

    name: Final = "persona"
    title: Final = "Persona"
    minutes: Final = 3

    def __init__(
        self,
        keys: ApiKeys,
        *,
        template: str,
        live: bool,
        countries: reading.Countries,
        completed_passes: bool = False,
        level: Level = Level.SUBSTANTIAL,
        origin: str = ORIGIN,
    ) -> None:
        """`template` is an inquiry template's id (`itmpl_…`).

        `completed_passes`: no workflow decides afterwards, so "completed" (every required check
        passed) is the last word. Raises Misconfigured for a key of the other environment.
        """
        wanted = "persona_production_" if live else "persona_sandbox_"
        require_own_key("persona.api_key", keys.api_key, (wanted,))
        self._keys = keys
        self._template = template
        self._countries = countries
        self._completed = Outcome.PASSED if completed_passes else Outcome.CHECKING
        self._http = Http(self.name, origin)
        self.live = live
        self.level = level

    # -- the visit -------------------------------------------------------------------------------

    def start(self, verification_id: str, *, return_url: str, now: int) -> Link:
        """An inquiry whose reference-id is our id; asked twice, Persona answers with the first."""
        wanted = {
            "inquiry-template-id": self._template,
            "reference-id": verification_id,
            "redirect-uri": return_url,
        }
        made = self._post(
            "/api/v1/inquiries", {"data": {"attributes": wanted}}, once=verification_id
        )
        reference = reading.required(reading.member(made, "data", "id"), _ID, "persona's inquiry")
        return self._link(reference, now)

    def link(
        self, reference: str, verification_id: str, *, return_url: str, now: int
    ) -> Link | None:
        """A one-time link into the same inquiry, resumed first where it had expired."""
        found = self._get(f"/api/v1/inquiries/{reference}")
        status = reading.member(found, "data", "attributes", "status")
        if not goes_on(self._outcome(status)):
            return None
        if status == "expired":
            self._post(f"/api/v1/inquiries/{reference}/resume", {})
        return self._link(reference, now)

    def _link(self, reference: str, now: int) -> Link:
        answer = self._post(f"/api/v1/inquiries/{reference}/generate-one-time-link", {})
        url = self._http.hosted(reading.member(answer, "meta", "one-time-link"), _DOMAINS)
        return Link(reference, url, now + LINK_S)

    # -- its messages ----------------------------------------------------------------------------

    def read_event(self, headers: Headers, body: bytes, *, now: int) -> Event:
        """`Persona-Signature: t=…,v1=…`, two of them while a secret rotates."""
        header = headers.get("persona-signature")
        if not signatures.stamped(self._keys.webhook_secrets, body, header, now=now):
            raise forged()
        said = wire.read_object(body, limit=BODY_MOST, field="body")
        about = reading.member(said, "data", "attributes", "payload", "data", "id")
        return reading.event(reading.member(said, "data", "id"), _EVENT, about, _ID)

    # -- the result ------------------------------------------------------------------------------

    def fetch(self, reference: str, *, now: int) -> Result:
        """`GET /api/v1/inquiries/{id}`, with its verifications."""
        found = self._get(f"/api/v1/inquiries/{reference}?include=verifications")
        said = reading.member(found, "data", "attributes")
        status = reading.member(said, "status")
        outcome = self._outcome(status)
        decided = reading.member(said, "decisioned-at") or reading.member(said, "completed-at")
        return Result(
            reference=reading.required(
                reading.member(found, "data", "id"), _ID, "persona's inquiry"
            ),
            ours=str(reading.member(said, "reference-id")),
            live=self.live,
            outcome=outcome,
            decided_at=reading.moment(decided, now=now),
            note=_FAILED if status == "failed" else "",
            claimed=self._claimed(found) if outcome is Outcome.PASSED else None,
        )

    def _outcome(self, status: object) -> Outcome:
        if status == "completed":
            return self._completed
        return _STATUSES.get(str(status), Outcome.CHECKING)

    def _claimed(self, found: dict[str, Any]) -> Claimed | None:
        document = _passed_document(found)
        name = reading.name_of(
            *(reading.member(document, f"name-{each}") for each in ("first", "middle", "last"))
        )
        if name is None:
            return None
        home, issuer = (
            reading.country(reading.member(document, each), self._countries)
            for each in ("address-country-code", "country-code")
        )
        return reading.claimed(
            self._countries,
            name=name,
            birth_date=reading.day(reading.member(document, "birthdate")),
            home=home,
            issuer=issuer,
            kind=reading.member(document, "id-class"),
            number=reading.member(document, "identification-number"),
            ends=reading.day(reading.member(document, "expiration-date")),
            reused=reading.member(document, "from-reusable-persona") is True,
        )

    # -- requests --------------------------------------------------------------------------------

    def _get(self, target: str) -> dict[str, Any]:
        return self._http.ask(Ask("GET", target, self._headers()))

    def _post(
        self, target: str, document: dict[str, Any], *, once: str | None = None
    ) -> dict[str, Any]:
        headers = self._headers() | {"Content-Type": "application/json"}
        if once is not None:
            headers["Idempotency-Key"] = once
        return self._http.ask(Ask("POST", target, headers, json.dumps(document).encode()))

    def _headers(self) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self._keys.api_key}",
            "Persona-Version": VERSION,
            "Key-Inflection": "kebab",
        }


def _passed_document(found: dict[str, Any]) -> Any:
    """The attributes of the newest government id that passed, among what belongs to the inquiry."""
    own = reading.member(found, "data", "relationships", "verifications", "data")
    ids = [reading.member(each, "id") for each in own] if isinstance(own, list) else []
    included = found.get("included")
    passed = [
        each
        for each in (included if isinstance(included, list) else [])
        if reading.member(each, "type") == "verification/government-id"
        and reading.member(each, "id") in ids
        and reading.member(each, "attributes", "status") == "passed"
    ]
    passed.sort(key=lambda each: str(reading.member(each, "attributes", "created-at")))
    return reading.member(passed[-1], "attributes") if passed else None
