"""The three providers as they answer over HTTP, an office in memory, and a service over both.

Answers are `responses`; payloads are of `answers/`, whose ORIGIN.md says where each is documented.
Holds no assertions.
"""

from __future__ import annotations

import copy
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import requests
import responses

from kycgate.core.claims import Account, Address
from kycgate.errors import Code
from kycgate.issuer.proven import Proven
from kycgate.issuer.providers.base import ApiKeys, Provider
from kycgate.issuer.providers.persona import Persona
from kycgate.issuer.providers.service import Verifications
from kycgate.issuer.providers.stripe import StripeIdentity
from kycgate.issuer.providers.sumsub import Sumsub, SumsubKeys
from kycgate.issuer.providers.visit import Limits
from kycgate.screening.controls import load_countries
from kycgate.store.base import Store
from kycgate.store.records.cases import Case

NOW = 1_785_000_000
"""2026-07-25T17:20:00Z"""
ALICE, BOB = Account(Address(b"\xa1" * 20)), Account(Address(b"\xb0" * 20))
RETURN = "https://gate.test/back"
SECRET, OLD_SECRET = "whsec_today", "whsec_yesterday"
NAMES = ("sumsub", "persona", "stripe")
REFERENCES = {
    "sumsub": "5b594ade0a975a36c9349e66",
    "persona": "inq_2CVZ4HyVg7qaboXz2PUHknAn",
    "stripe": "vs_1NuNAILkdIwHu7ixh7OtGMLw",
}
_ANSWERS = {
    "sumsub": "sumsub_applicant",
    "persona": "persona_inquiry",
    "stripe": "stripe_session",
}
_EVENTS = {"sumsub": "sumsub_reviewed", "persona": "persona_event", "stripe": "stripe_event"}
_URLS = {
    "sumsub": "https://in.sumsub.com/websdk/p/sbx_fresh",
    "persona": "https://harbour.withpersona.com/verify?code=us1-fresh",
    "stripe": "https://verify.stripe.com/start/live_fresh",
}


def recorded(name: str) -> dict[str, Any]:
    """One payload, a copy to change."""
    path = Path(__file__).parent / "answers" / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def make(name: str, *, live: bool = True, secrets: tuple[str, ...] = (SECRET,)) -> Provider:
    """One provider, as an operator would configure it."""
    countries = load_countries()
    if name == "sumsub":
        token = "prd:token" if live else "sbx:token"
        keys = SumsubKeys(app_token=token, secret="sumsub-secret", webhook_secrets=secrets)
        return Sumsub(
            keys, level_name="renter-level", live=live, countries=countries, clock=lambda: NOW
        )
    if name == "persona":
        key = "persona_production_k" if live else "persona_sandbox_k"
        return Persona(
            ApiKeys(api_key=key, webhook_secrets=secrets),
            template="itmpl_Renter1",
            live=live,
            countries=countries,
        )
    key = "rk_live_k" if live else "rk_test_k"
    return StripeIdentity(
        ApiKeys(api_key=key, webhook_secrets=secrets), live=live, countries=countries
    )


# -- as they sign --------------------------------------------------------------------------------


def mac(secret: str, message: bytes, algorithm: str = "sha256") -> str:
    return hmac.new(secret.encode(), message, algorithm).hexdigest()


def signed(name: str, body: bytes, *, at: int = NOW, secret: str = SECRET) -> dict[str, str]:
    """The headers this provider would send with the body."""
    if name == "sumsub":
        digest = mac(secret, body)
        return {"x-payload-digest": digest, "x-payload-digest-alg": "HMAC_SHA256_HEX"}
    stamp = f"t={at},v1={mac(secret, str(at).encode() + b'.' + body)}"
    return {f"{name}-signature": stamp}


def event(name: str, *, ours: str = "OURS", reference: str | None = None, n: int = 0) -> bytes:
    """The body of a message about a visit; `n` makes it another message."""
    said = json.dumps(recorded(_EVENTS[name])).replace("OURS", ours)
    said = said.replace(REFERENCES[name], reference or REFERENCES[name])
    for original in ("evt_XGuYWp7WuDzNxie5z16s7sGJ", "evt_1NuN9cLkdIwHu7ix2qwQGq5z"):
        said = said.replace(original, f"{original}{n or ''}")
    return said.replace("05:11:07.382", f"05:11:{7 + n:02d}.382").encode()


# -- as they answer ------------------------------------------------------------------------------


@dataclass
class World:
    """Every provider's API on this machine's `responses`, and the service that asks them."""

    store: Store
    http: responses.RequestsMock
    office: MemoryOffice
    visits: Verifications = field(init=False)
    state: dict[str, dict[str, Any]] = field(default_factory=dict)
    """what each provider says of its one visit"""
    down: dict[str, int | Exception] = field(default_factory=dict)
    asked: list[requests.PreparedRequest] = field(default_factory=list)
    live: bool = True
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        self.state = {name: recorded(file) for name, file in _ANSWERS.items()}
        self.visits = self.service()
        sumsub, persona = "https://api.sumsub.com", "https://api.withpersona.com/api/v1"
        stripe = "https://api.stripe.com/v1/identity/verification_sessions"
        session = f"{stripe}/{REFERENCES['stripe']}"
        inquiry = f"{persona}/inquiries/{REFERENCES['persona']}"
        applicant = f"{sumsub}/resources/applicants/{REFERENCES['sumsub']}/one"
        links = f"{sumsub}/resources/sdkIntegrations/levels/-/websdkLink"
        one_time = {"meta": {"one-time-link": _URLS["persona"]}}
        self._answer("sumsub", "POST", f"{sumsub}/resources/applicants", self._begun)
        self._answer("sumsub", "POST", links, lambda _: {"url": _URLS["sumsub"]})
        self._answer("sumsub", "GET", applicant, lambda _: self.state["sumsub"])
        self._answer("persona", "POST", f"{persona}/inquiries", self._begun)
        self._answer("persona", "POST", f"{inquiry}/generate-one-time-link", lambda _: one_time)
        self._answer("persona", "POST", f"{inquiry}/resume", lambda _: {"meta": {}})
        self._answer("persona", "GET", inquiry, lambda _: self.state["persona"])
        self._answer("stripe", "POST", stripe, self._begun)
        self._answer("stripe", "GET", session, lambda _: self.state["stripe"])

    def service(self, names: tuple[str, ...] = NAMES) -> Verifications:
        """Another process over the same store."""
        return Verifications(
            self.store,
            self.office,
            [make(name, live=self.live) for name in names],
            return_url=RETURN,
            live=self.live,
            limits=self.limits,
        )

    def _answer(
        self, name: str, method: str, url: str, say: Callable[[requests.PreparedRequest], Any]
    ) -> None:
        def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
            self.asked.append(request)
            trouble = self.down.get(name)
            if isinstance(trouble, Exception):
                raise trouble
            if trouble is not None:
                return trouble, {}, "trouble"
            return 200, {}, json.dumps(say(request))

        self.http.add_callback(method, url, callback=answer)

    def _begun(self, request: requests.PreparedRequest) -> dict[str, Any]:
        """A visit begun: from now on the provider speaks of it, unfinished."""
        body = (request.body or b"").decode() if isinstance(request.body, bytes) else ""
        if "sumsub" in str(request.url):
            self.says("sumsub", "open", ours=json.loads(body)["externalUserId"])
            return self.state["sumsub"]
        if "persona" in str(request.url):
            self.says(
                "persona", "open", ours=json.loads(body)["data"]["attributes"]["reference-id"]
            )
            return self.state["persona"]
        self.says("stripe", "open", ours=parse_qs(body)["client_reference_id"][0])
        return self.state["stripe"]

    def says(self, name: str, outcome: str, *, ours: str | None = None) -> None:
        """Let the provider say from now on: open, checking, passed, retry, refused, gone."""
        now = self.state[name]
        fresh = recorded(_ANSWERS[name])
        text = json.dumps(fresh).replace("OURS", ours or _ours(name, now))
        self.state[name] = _SAYS[name](json.loads(text), outcome)

    def heard(self, name: str, *, n: int = 0, at: int = NOW, reference: str | None = None) -> bool:
        """A message of this provider arrives, rightly signed."""
        body = event(name, ours=_ours(name, self.state[name]), reference=reference, n=n)
        return self.visits.receive(name, signed(name, body, at=at), body, now=at)


def _ours(name: str, said: dict[str, Any]) -> str:
    if name == "persona":
        return str(said["data"]["attributes"]["reference-id"])
    return str(said["externalUserId" if name == "sumsub" else "client_reference_id"])


def _sumsub(said: dict[str, Any], outcome: str) -> dict[str, Any]:
    review = said["review"]
    red = {
        "reviewAnswer": "RED",
        "moderationComment": "We do not accept screenshots. Upload an original photo.",
        "clientComment": "Matches the blocklist entry of J. Doe.",
        "rejectLabels": ["SCREENSHOTS"],
    }
    if outcome in ("open", "checking"):
        review |= {"reviewStatus": "init" if outcome == "open" else "pending"}
        del review["reviewResult"]
    elif outcome in ("retry", "refused"):
        kind = "RETRY" if outcome == "retry" else "FINAL"
        review["reviewResult"] = red | {"reviewRejectType": kind}
    elif outcome == "gone":
        said["deleted"] = True
    return said


def _persona(said: dict[str, Any], outcome: str) -> dict[str, Any]:
    words = {
        "open": "pending",
        "checking": "needs_review",
        "passed": "approved",
        "refused": "declined",
        "gone": "failed",
        "expired": "expired",
    }
    said["data"]["attributes"]["status"] = words[outcome]
    return said


def _stripe(said: dict[str, Any], outcome: str) -> dict[str, Any]:
    words = {"checking": "processing", "passed": "verified", "gone": "canceled"}
    said["status"] = words.get(outcome, "requires_input")
    if said["status"] != "verified":
        said |= {"verified_outputs": None, "last_verification_report": None}
    if outcome in ("open", "retry", "refused"):
        said["url"] = _URLS["stripe"]
    codes = {"retry": "document_expired", "refused": "under_supported_age"}
    if outcome in codes:
        said["last_error"] = {"code": codes[outcome], "reason": "Matches the file of J. Doe."}
    return said


_SAYS = {"sumsub": _sumsub, "persona": _persona, "stripe": _stripe}


# -- the office ----------------------------------------------------------------------------------


@dataclass
class MemoryOffice:
    """`issuer.proven.Office` in lists: what was proven, what was taken back."""

    proven: list[tuple[Account, Proven]] = field(default_factory=list)
    withdrawn: list[tuple[str, str, Code]] = field(default_factory=list)
    needed: list[tuple[Account, str, str, str]] = field(default_factory=list)
    """(account, source, item, text)"""
    trouble: BaseException | None = None

    def prove(self, account: Account, proven: Proven, *, now: int) -> Case:
        if self.trouble is not None:
            raise self.trouble
        known = {(each.source, each.reference) for _, each in self.proven}
        if (proven.source, proven.reference) not in known:
            self.proven.append((account, copy.deepcopy(proven)))
        return Case("case", "subject", account.key, 1, "submitted", now, now)

    def need(
        self, account: Account, needs: Sequence[tuple[str, str]], *, source: str, now: int
    ) -> Case | None:
        self.needed += [(account, source, item, text) for item, text in needs]
        return None

    def withdraw(self, source: str, reference: str, *, code: Code, now: int) -> Case | None:
        if self.trouble is not None:
            raise self.trouble
        standing = [each for _, each in self.proven if each.source == source]
        if not any(each.reference == reference for each in standing):
            return None
        if (source, reference) not in [each[:2] for each in self.withdrawn]:
            self.withdrawn.append((source, reference, code))
        return Case("case", "subject", "account", 1, "review", now, now)
