"""Keeps approved renters attested, a day at a time, for as long as everything still holds.

Approves nobody: it screens again, and stops what no longer holds.
"""

from __future__ import annotations

from kycgate.core.attestation import SignedAttestation
from kycgate.core.claims import Account
from kycgate.errors import Conflict, Malformed, NotFound, Unavailable
from kycgate.issuer.cases import Action, State
from kycgate.issuer.checks import Screener, Screening, screen
from kycgate.issuer.part import RENEWAL, RESCREENING, Part, attested
from kycgate.store.records.cases import Case


class Renewing(Part):
    """The attestation as time passes."""

    def attestation(self, account: Account, *, now: int) -> SignedAttestation | None:
        """The account's attestation, renewed on the way where the rules let it; None without one.

        Raises Unavailable when only something that did not answer stands between the account and a
        renewal, and no attestation is alive meanwhile.
        """
        case = self._book.approved(account)
        if case is None:
            return None
        live = self._issuer.live(account, now=now)
        if live is not None and self._issuer.fresh(live, now=now):
            return self._issuer.read(live)
        try:
            renewed = self._renew(case, account, now)
            self.renewals.done(account.key)
        except (Unavailable, Malformed) as e:
            if live is None:
                if isinstance(e, Unavailable):
                    raise
                raise Unavailable("what is stored of this case can't be read") from e
            self.renewals.failed(account.key, ends_at=live.expires_at, why=e.message, now=now)
            renewed = None
        except NotFound:
            renewed = None  # the subject was erased: nothing is left to screen
        if renewed is None and live is not None and self._book.approved(account) is not None:
            return self._issuer.read(live)
        return renewed

    def _renew(self, case: Case, account: Account, now: int) -> SignedAttestation | None:
        book = self._book
        due = self.verify_by(case)
        if due is not None and now >= due:
            return None  # identity must be proven again first
        proof = book.wallet_proof_at(account)
        if proof is None or now - proof >= self._issuer.rules.wallet_proof_max_age_s:
            return None
        self._require_lists(now)
        epoch = book.epoch(account)
        told = book.details(case, reader=RENEWAL, now=now)
        also = self._proofs.parties(case, told, reader=RENEWAL, now=now)
        screening = self._screen(case, told, also, now)
        try:
            if screening.findings:
                self._stop(case, screening, RENEWAL, now)
                return None
            if doubts := book.new_doubts(case, told, now=now):
                book.flag(case, doubts, RENEWAL, now)
                return None
            case = book.move(case, Action.RENEW, RENEWAL, now, screened_at=now)
        except Conflict:
            return None  # decided by somebody else meanwhile: theirs stands
        return self._issuer.issue(case, account, epoch=epoch, now=now)

    # -- a list has changed ----------------------------------------------------------------------

    def rescreen(self, case_id: str, screener: Screener, *, now: int) -> Screening | None:
        """Screen an approved case again, against what is new on the lists.

        A hit hands it to a reviewer; a listed wallet, or a name in the block band, voids every
        attestation of the subject at once. May be repeated: what was found before is left alone.
        Returns the screening that stopped it, else None. Raises Unavailable.
        """
        book = self._book
        case = book.case(case_id)
        if not attested(case):
            return None
        try:
            told = book.details(case, reader=RESCREENING, now=now)
            also = self._proofs.parties(case, told, reader=RESCREENING, now=now)
        except NotFound:
            return None  # the subject was erased: nothing is left to screen
        accounts = book.accounts(case)
        also = (*also, *book.also(told, now=now))
        screening = screen(told, accounts, screener, countries=book.countries, now=now, also=also)
        screening = book.uncleared(case, screening)
        known = case.state == State.REVIEW and {*screening.codes()} <= {*case.reason_codes}
        alive = any(self._issuer.live(each, now=now) for each in accounts)
        if not screening.findings or (known and not (screening.final and alive)):
            return None
        try:
            self._stop(case, screening, RESCREENING, now)
        except Conflict:
            return None  # decided by somebody else meanwhile: theirs stands
        return screening
