"""Carries a presentation from the request to the outcome: asked, answered, proven, watched.

Judges no person: what a credential proves goes to the identity office. What binds an answer:

* to the account: the nonce commits to it, so a wallet's answer for one account fits no other;
* to the request: a key pair of its own, sealed, to which the answer is encrypted; it counts once
  and for ten minutes;
* to the browser: the session that began it must finish it. By the browser's own API the answer
  comes in that session; by link the wallet sends the person back with a code, so that somebody who
  has another person open his link gains nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from cryptography.hazmat.primitives.asymmetric import ec

from kycgate.core.claims import Account
from kycgate.errors import (
    Code,
    Conflict,
    KycgateError,
    Malformed,
    NotFound,
    Reason,
    Refused,
)
from kycgate.issuer.credentials import asking, jose
from kycgate.issuer.credentials.judging import Kept, Settings, commitment, judged
from kycgate.issuer.credentials.outcome import SOURCE, as_proven
from kycgate.issuer.credentials.query import CredentialType, dcql
from kycgate.issuer.credentials.safe import Safe
from kycgate.issuer.credentials.statuses import Statuses
from kycgate.issuer.credentials.statuslist import Status
from kycgate.issuer.credentials.verdict import Presented, StatusAt, Untrue
from kycgate.issuer.proven import Office
from kycgate.store.base import Store
from kycgate.store.records.visits import Presentation

LIFE_S: Final = 600
WAITING_MOST: Final = 10
"""Requests one account may have open: each is a record on disk."""
RECHECK_S: Final = 3600
_RETRY_S: Final = 300
_RETRY_AFTER_S: Final = 30
"""Younger ones are still in the hands of the request that brought them."""
_SHOWN_S: Final = 24 * 3600
"""How long an outcome can be looked up."""
_DAY_S: Final = 86_400
_WALLET_NONCE_MOST: Final = 512
Mode = Literal["dc", "redirect"]
_log = logging.getLogger("kycgate.credentials")


@dataclass(frozen=True, slots=True)
class Begun:
    """A request as the renter's page gets it: `request` for the browser, or the two links."""

    presentation: Presentation
    request: dict[str, Any] | None = None
    request_uri: str | None = None
    link: str | None = None


class Presentations:
    """The verifier. Thread-safe; several processes may share its store."""

    def __init__(
        self,
        store: Store,
        office: Office,
        statuses: Statuses,
        settings: Settings,
        safe: Safe,
        *,
        entropy: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._store = store
        self._office = office
        self._statuses = statuses
        self._settings = settings
        self._safe = safe
        self._entropy = entropy

    @property
    def modes(self) -> tuple[Mode, ...]:
        """The ways on offer."""
        return ("dc",) if self._settings.client is None else ("dc", "redirect")

    # -- asking ----------------------------------------------------------------------------------

    def begin(
        self, account: Account, *, mode: Mode, family: str | None, session: bytes, now: int
    ) -> Begun:
        """Ask the renter's wallet. `family`: `pid` or `mdl` only; None: whatever is accepted.

        Raises Malformed for a way or family that is not on offer, Conflict when too many are open.
        """
        if mode not in self.modes:
            text = "this gate has no certificate for wallets, so it can't ask by link"
            raise Malformed(text, field="mode", remedy="use dc, in a browser that has it")
        kinds = tuple(str(each) for each in self._settings.trusts if _of_family(each, family))
        if not kinds:
            raise Malformed("not accepted here", field="kind_of", remedy="leave it out")
        if self._store.presentations_waiting(account.key, now=now) >= WAITING_MOST:
            text = "too many requests to wallets are open: answer one, or wait ten minutes"
            raise Conflict(text)
        kept = Kept(ec.generate_private_key(ec.SECP256R1()), self._entropy(32))
        asked = Presentation(
            id=self._entropy(16).hex(),
            account=account.key,
            session=session,
            mode=mode,
            kinds=kinds,
            state="waiting",
            sealed=b"",
            created_at=now,
            expires_at=now + LIFE_S,
            keep_until=now + LIFE_S + _SHOWN_S,
        )
        asked = replace(asked, sealed=self._seal(asked, kept.document()))
        self._store.add_presentation(asked)
        client, origin = self._settings.client, self._settings.origin
        if mode == "dc" or client is None:
            request = asking.for_browser(self._request(asked, kept), client, origin=origin)
            return Begun(asked, request=request)
        uri = f"{self._settings.address(asked)}/request"
        link = asking.link(client, uri, scheme=self._settings.scheme)
        return Begun(asked, request_uri=uri, link=link)

    def request_object(self, presentation_id: str, *, wallet_nonce: str | None, now: int) -> str:
        """What a wallet fetches from `request_uri`. Raises NotFound, Conflict, Malformed."""
        asked = self._of_wallet(presentation_id, now)
        if wallet_nonce is not None and not 1 <= len(wallet_nonce) <= _WALLET_NONCE_MOST:
            raise Malformed("not a nonce", field="wallet_nonce", remedy="1 to 512 characters")
        return asking.for_link(
            self._request(asked, self._open(asked)),
            self._settings.named(),
            state=asked.id,
            response_uri=self._settings.response_uri(asked),
            wallet_nonce=wallet_nonce,
        )

    def _request(self, asked: Presentation, kept: Kept) -> asking.Request:
        kinds = [CredentialType(kind) for kind in asked.kinds]
        query = dcql(kinds, vct=self._settings.vct)
        return asking.Request(commitment(asked, kept.random), query, kept.jwk | {"kid": kept.kid})

    # -- answers ---------------------------------------------------------------------------------

    def direct(self, presentation_id: str, response: str, *, now: int) -> str:
        """A wallet's answer by link. Returns where it sends the person's browser.

        Nothing is proven yet: that browser must return in the session that began.
        Raises Malformed for what can't be read, Refused for a credential that does not hold.
        """
        asked = self._of_wallet(presentation_id, now)
        kept = replace(self._open(asked), answer=response, received_at=now)
        try:
            judged(asked, kept, self._settings)
        except Untrue as untrue:
            self._refuse(asked, untrue.reason, now)
            raise _refused(untrue.reason) from untrue
        code = jose.b64(self._entropy(32))
        received = replace(
            asked,
            state="received",
            sealed=self._seal(asked, kept.document()),
            code_hash=hashlib.sha256(code.encode()).digest(),
        )
        self._store.move_presentation(received, from_state="waiting")
        return f"{self._settings.origin}/back#presentation={asked.id}&response_code={code}"

    def declined(self, presentation_id: str, *, now: int) -> str:
        """The wallet reports an error, or its holder said no. Returns where to send the browser."""
        asked = self._of_wallet(presentation_id, now)
        text = "the wallet showed no credential"
        self._refuse(asked, Reason(Code.PRESENTATION_DECLINED, text), now)
        return f"{self._settings.origin}/back#presentation={asked.id}"

    def respond(
        self, account: Account, presentation_id: str, response: str, *, session: bytes, now: int
    ) -> Presentation:
        """A wallet's answer by the browser's API, in the session that asked.

        Raises NotFound, Conflict, Malformed for what can't be read (nothing has changed then),
        Unavailable (it is tried again); a credential that does not hold is an outcome.
        """
        asked = self._of_renter(account, presentation_id, session)
        self._require_waiting(asked, "dc", now)
        kept = replace(self._open(asked), answer=response, received_at=now)
        try:
            judged(asked, kept, self._settings)
        except Untrue as untrue:
            return self._refuse(asked, untrue.reason, now)
        sealed = self._seal(asked, kept.document())
        proving = replace(asked, state="proving", sealed=sealed, checked_at=now)
        self._store.move_presentation(proving, from_state="waiting")
        return self._settle(proving, now)

    def finish(
        self, account: Account, presentation_id: str, code: str, *, session: bytes, now: int
    ) -> Presentation:
        """The browser is back from the wallet, with the code the wallet was told.

        Raises as `respond`, and Refused for another code.
        """
        asked = self._of_renter(account, presentation_id, session)
        if asked.mode != "redirect" or asked.state != "received" or now >= asked.expires_at:
            raise Conflict("there is no answer to finish: begin again")
        given = hashlib.sha256(code.encode("utf-8", "surrogatepass")).digest()
        if not hmac.compare_digest(given, asked.code_hash):
            text = "this is not the code the wallet was given"
            raise Refused(text, reasons=(Reason(Code.PRESENTATION_SESSION, text),))
        proving = replace(asked, state="proving", code_hash=b"", checked_at=now)
        self._store.move_presentation(proving, from_state="received")
        return self._settle(proving, now)

    def look(self, account: Account, presentation_id: str) -> Presentation:
        """The account's own. Another's and none look the same: NotFound."""
        asked = self._store.presentation(presentation_id)
        if asked is None or asked.account != account.key:
            raise NotFound("no such presentation of this account")
        return asked

    # -- afterwards ------------------------------------------------------------------------------

    def run(self, *, now: int) -> None:
        """Complete what an outage left undone, and ask again after those that were accepted."""
        for proving in self._store.presentations_proving(before=now - _RETRY_AFTER_S):
            try:
                self._settle(proving, now)
            except KycgateError as error:
                _log.warning("a presentation waits: %s", error.message)
        self.recheck(now=now)

    def recheck(self, *, now: int) -> int:
        """Ask again whether accepted credentials still count. Returns how many were withdrawn.

        "Could not tell" withdraws nothing: it is asked again soon.
        """
        withdrawn = 0
        for held in self._store.presentations_to_check(before=now - RECHECK_S):
            try:
                withdrawn += self._still_counts(held, now)
            except KycgateError as error:
                _log.warning("presentation %s can't be checked again: %s", held.id, error.message)
        return withdrawn

    def _still_counts(self, held: Presentation, now: int) -> bool:
        """Ask again after one; true when it was withdrawn."""
        told = self._safe.open(held.sealed, presentation=held.id, account=held.account)
        trust = self._settings.trusts.get(CredentialType(told["kind"]))
        status = Status.UNKNOWN
        if trust is not None:
            at = StatusAt(told["uri"], told["index"])
            status = self._statuses.look(at, trust, now=now)
        if status in _WITHDRAWN:
            code = _WITHDRAWN[status]
            self._office.withdraw(SOURCE, held.id, code=code, now=now)
            gone = replace(held, state="refused", sealed=b"", reason=str(code), checked_at=0)
            self._store.move_presentation(gone, from_state="accepted")
            return True
        asked_at = now if status is Status.VALID else now - RECHECK_S + _RETRY_S
        # Sealed anew each time: after a change of keys the old one is soon not needed.
        kept = replace(held, checked_at=asked_at, sealed=self._seal(held, told))
        self._store.move_presentation(kept, from_state="accepted")
        return False

    def _settle(self, proving: Presentation, now: int) -> Presentation:
        """From a whole answer to the outcome. May be repeated until it went through."""
        try:
            return self._outcome(proving, now)
        except Conflict:
            # Another process was quicker; its outcome stands.
            settled = self._store.presentation(proving.id)
            if settled is None or settled.state == "proving":
                raise
            return settled

    def _outcome(self, proving: Presentation, now: int) -> Presentation:
        kept = self._open(proving)
        try:
            kind, presented, told = judged(proving, kept, self._settings)
        except Untrue as untrue:
            return self._refuse(proving, untrue.reason, now)
        status = Status.VALID
        if presented.status is not None:
            status = self._statuses.look(presented.status, self._settings.trust(kind), now=now)
        if status in _WITHDRAWN:
            text = "its issuer has withdrawn the credential"
            return self._refuse(proving, Reason(_WITHDRAWN[status], text), now)
        doubts = (Code.CREDENTIAL_STATUS_UNKNOWN,) if status is Status.UNKNOWN else ()
        proven = as_proven(
            kind, presented, told, reference=proving.id, proven_at=kept.received_at, doubts=doubts
        )
        account = Account.from_key(proving.account)
        try:
            case = self._office.prove(account, proven, now=now)
        except (Refused, Malformed, Conflict) as no:
            return self._refuse(proving, Reason(no.code, no.message), now)
        rests = (case.proof_source, case.proof_reference) == (SOURCE, proving.id)
        if doubts and case.state == "approved" and rests:
            # An office that decides over a doubt by rules alone is corrected, not believed.
            self._office.withdraw(SOURCE, proving.id, code=doubts[0], now=now)
            text = "the office approved over a doubt; the proof was taken back"
            return self._refuse(proving, Reason(doubts[0], text), now)
        return self._accept(proving, kind, presented, status, now)

    def _accept(
        self,
        proving: Presentation,
        kind: CredentialType,
        presented: Presented,
        status: Status,
        now: int,
    ) -> Presentation:
        accepted = replace(proving, state="accepted", sealed=b"", reason="", checked_at=0)
        at = presented.status
        if at is not None:
            told = {"kind": str(kind), "uri": at.uri, "index": at.index}
            accepted = replace(
                accepted,
                sealed=self._seal(proving, told),
                checked_at=now if status is Status.VALID else now - RECHECK_S + _RETRY_S,
                keep_until=max(proving.keep_until, presented.valid_until + _DAY_S),
            )
        self._store.move_presentation(accepted, from_state="proving")
        return accepted

    def _refuse(self, asked: Presentation, reason: Reason, now: int) -> Presentation:
        _log.info("presentation %s refused: %s", asked.id, reason.text)
        refused = replace(
            asked, state="refused", sealed=b"", code_hash=b"", reason=str(reason.code)
        )
        self._store.move_presentation(refused, from_state=asked.state)
        return refused

    # -- keeping ---------------------------------------------------------------------------------

    def _of_wallet(self, presentation_id: str, now: int) -> Presentation:
        asked = self._store.presentation(presentation_id)
        if asked is None or asked.mode != "redirect":
            raise NotFound("no such presentation")
        self._require_waiting(asked, "redirect", now)
        return asked

    def _of_renter(self, account: Account, presentation_id: str, session: bytes) -> Presentation:
        asked = self.look(account, presentation_id)
        if not hmac.compare_digest(asked.session, session):
            text = "another session of this account began this: finish it there, or begin again"
            raise Refused(text, reasons=(Reason(Code.PRESENTATION_SESSION, text),))
        return asked

    def _require_waiting(self, asked: Presentation, mode: Mode, now: int) -> None:
        if asked.state != "waiting" or asked.mode != mode:
            raise Conflict("this request was answered before: begin again")
        if now >= asked.expires_at:
            text = "this request has expired: begin again"
            raise Conflict(text, code=Code.PRESENTATION_EXPIRED)

    def _open(self, asked: Presentation) -> Kept:
        return Kept.of(self._safe.open(asked.sealed, presentation=asked.id, account=asked.account))

    def _seal(self, asked: Presentation, document: dict[str, Any]) -> bytes:
        return self._safe.seal(document, presentation=asked.id, account=asked.account)


_WITHDRAWN: Final = {
    Status.REVOKED: Code.CREDENTIAL_REVOKED,
    Status.SUSPENDED: Code.CREDENTIAL_SUSPENDED,
}


def _of_family(kind: CredentialType, family: str | None) -> bool:
    return family is None or (family == "mdl") == (kind is CredentialType.MDL)


def _refused(reason: Reason) -> Refused:
    return Refused("the credential does not hold: " + str(reason.code), reasons=(reason,))
