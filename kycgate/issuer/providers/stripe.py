"""Stripe Identity: a verification session a visit, opened through its own page.

Copies no image. Stripe's terms let an operator use what it learns for its own decision only: it is
sealed in the case like everything else, and an attestation says no more than the level.

    https://docs.stripe.com/api/identity/verification_sessions
    https://docs.stripe.com/identity/access-verification-results   what a restricted key may read
    https://docs.stripe.com/webhooks#verify-manually               Stripe-Signature
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import urlencode

from kycgate.core import wire
from kycgate.core.claims import Level
from kycgate.errors import Conflict
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
    other_environment,
    require_own_key,
)
from kycgate.issuer.providers.http import Ask, Http

ORIGIN: Final = "https://api.stripe.com"
VERSION: Final = "2024-06-20"
"""The dated API version whose answers are read here."""
LINK_S: Final = 24 * 3600
"""Stripe ends a session's link after a day, and after one use."""
_DOMAINS: Final = ("verify.stripe.com",)
_ID: Final = re.compile(r"vs_[0-9A-Za-z_]{8,80}", re.ASCII)
_EVENT: Final = re.compile(r"evt_[0-9A-Za-z_]{4,80}", re.ASCII)
_SESSIONS: Final = "/v1/identity/verification_sessions"
_EXPAND: Final = (
    "verified_outputs",
    "verified_outputs.dob",
    "last_verification_report",
    "last_verification_report.document.number",
    "last_verification_report.document.expiration_date",
)
_STATUSES: Final = {
    "processing": Outcome.CHECKING,
    "verified": Outcome.PASSED,
    "canceled": Outcome.GONE,
}
_FINAL: Final = frozenset({"under_supported_age", "selfie_manipulated"})
"""Errors that no second photo mends."""
# Own words: the renter reads these, and Stripe's `reason` is written for English readers only.
_NOTES: Final = {
    "abandoned": "The check was left before its end: open it again and finish it.",
    "consent_declined": "The check needs your consent: open it again and give it, or choose"
    " another way.",
    "country_not_supported": "Documents of this country are not accepted there: choose another"
    " way.",
    "device_not_supported": "This device has no camera that can be used: open it on a phone.",
    "document_expired": "The document has expired: use one that is still valid.",
    "document_type_not_supported": "This kind of document is not accepted: use a passport, an"
    " identity card or a driving licence.",
    "document_unverified_other": "The document could not be read: photograph it in good light,"
    " all corners visible.",
    "selfie_document_missing_photo": "The document shows no photo: use one that does.",
    "selfie_face_mismatch": "The photo of you does not match the document's: try again in good"
    " light, without glasses or hat.",
    "selfie_unverified_other": "The photo of you could not be used: try again in good light.",
}
_OTHER_NOTE: Final = "Something could not be confirmed: open the check again."


class StripeIdentity:
    """One key, of live or of test mode. Test mode checks nobody."""

    name: Final = "stripe"
    title: Final = "Stripe Identity"
    minutes: Final = 3

    def __init__(
        self,
        keys: ApiKeys,
        *,
        live: bool,
        countries: reading.Countries,
        flow: str | None = None,
        level: Level = Level.SUBSTANTIAL,
        origin: str = ORIGIN,
    ) -> None:
        """`flow` is a verification flow made in the dashboard (`vf_…`); without one a document
        with live capture and a matching selfie is asked for.

        Raises Misconfigured for a key of the other mode.
        """
        mode = "live" if live else "test"
        require_own_key("stripe.api_key", keys.api_key, (f"rk_{mode}_", f"sk_{mode}_"))
        self._keys = keys
        self._countries = countries
        self._flow = flow
        self._http = Http(self.name, origin)
        self.live = live
        self.level = level

    # -- the visit -------------------------------------------------------------------------------

    def start(self, verification_id: str, *, return_url: str, now: int) -> Link:
        """A session whose client_reference_id is our id; asked twice, Stripe answers the first."""
        wanted = {"client_reference_id": verification_id, "return_url": return_url}
        if self._flow is not None:
            wanted["verification_flow"] = self._flow
        else:
            wanted["type"] = "document"
            wanted["options[document][require_live_capture]"] = "true"
            wanted["options[document][require_matching_selfie]"] = "true"
        headers = self._headers() | {
            "Content-Type": "application/x-www-form-urlencoded",
            "Idempotency-Key": verification_id,
        }
        made = self._http.ask(Ask("POST", _SESSIONS, headers, urlencode(wanted).encode()))
        reference = reading.required(made.get("id"), _ID, "stripe's session")
        # An answer repeated for the key may hold a used link: the session itself has today's.
        link = self.link(reference, verification_id, return_url=return_url, now=now)
        if link is None:
            raise Conflict("the session has ended: begin another")
        return link

    def link(
        self, reference: str, verification_id: str, *, return_url: str, now: int
    ) -> Link | None:
        """Retrieved again, a session that still requires input has a fresh url."""
        found = self._get(f"{_SESSIONS}/{reference}")
        if not goes_on(_outcome(found)):
            return None
        return Link(reference, self._http.hosted(found.get("url"), _DOMAINS), now + LINK_S)

    # -- its messages ----------------------------------------------------------------------------

    def read_event(self, headers: Headers, body: bytes, *, now: int) -> Event:
        """`Stripe-Signature: t=…,v1=…[,v1=…]`."""
        header = headers.get("stripe-signature")
        if not signatures.stamped(self._keys.webhook_secrets, body, header, now=now):
            raise forged()
        said = wire.read_object(body, limit=BODY_MOST, field="body")
        if said.get("livemode") is not self.live:
            raise other_environment(self.name, live=self.live)
        return reading.event(
            said.get("id"), _EVENT, reading.member(said, "data", "object", "id"), _ID
        )

    # -- the result ------------------------------------------------------------------------------

    def fetch(self, reference: str, *, now: int) -> Result:
        """`GET /v1/identity/verification_sessions/{id}`, with the report it stands on."""
        query = urlencode([("expand[]", each) for each in _EXPAND])
        found = self._get(f"{_SESSIONS}/{reference}?{query}")
        outcome = _outcome(found)
        report = found.get("last_verification_report")
        created = reading.member(report, "created")
        # Both say it, and both must: a report of the other mode proves nothing.
        live = found.get("livemode") is True
        if outcome is Outcome.PASSED:
            live = live and reading.member(report, "livemode") is True
        return Result(
            reference=reading.required(found.get("id"), _ID, "stripe's session"),
            ours=str(found.get("client_reference_id")),
            live=live,
            outcome=outcome,
            decided_at=min(created, now) if type(created) is int and created > 0 else None,
            note=_note(found) if outcome is Outcome.RETRY else "",
            claimed=self._claimed(found, report) if outcome is Outcome.PASSED else None,
        )

    def _claimed(self, found: dict[str, Any], report: object) -> Claimed | None:
        outputs = found.get("verified_outputs")
        document = reading.member(report, "document")
        if reading.member(document, "status") != "verified":
            return None
        name = reading.name_of(
            *(reading.member(outputs, each) for each in ("first_name", "last_name"))
        )
        if name is None:
            return None
        home = reading.member(outputs, "address", "country")
        return reading.claimed(
            self._countries,
            name=name,
            birth_date=reading.parts_day(reading.member(outputs, "dob")),
            home=reading.country(home, self._countries),
            issuer=reading.country(reading.member(document, "issuing_country"), self._countries),
            kind=reading.member(document, "type"),
            number=reading.member(document, "number"),
            ends=reading.parts_day(reading.member(document, "expiration_date")),
        )

    # -- requests --------------------------------------------------------------------------------

    def _get(self, target: str) -> dict[str, Any]:
        return self._http.ask(Ask("GET", target, self._headers()))

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._keys.api_key}", "Stripe-Version": VERSION}


def _outcome(found: dict[str, Any]) -> Outcome:
    status = found.get("status")
    if reading.member(found, "redaction", "status") is not None:
        return Outcome.GONE
    if status != "requires_input":
        return _STATUSES.get(str(status), Outcome.CHECKING)
    error = reading.member(found, "last_error", "code")
    if error is None:
        return Outcome.OPEN
    return Outcome.REFUSED if str(error) in _FINAL else Outcome.RETRY


def _note(found: dict[str, Any]) -> str:
    return _NOTES.get(str(reading.member(found, "last_error", "code")), _OTHER_NOTE)
