"""Takes a renter from "who are you" to an attestation, and back when it must be taken away.

Decides nothing about a rental. Each part stands in a file of its own: `opening` (the renter),
`proving` (proofs of identity), `documenting` (uploads), `linking` (more wallets), `deciding`
(rules), `judging` (reviewers), `owned` (owners), `renewing` (time).

The order of effects is always the same, so that a crash or a race can lose an answer but never let
somebody through: first the decision is in the log, then the case has moved, then something is
signed or voided.
"""

from __future__ import annotations

import secrets
from typing import Any

from kycgate.issuer import view
from kycgate.issuer.casebook import CaseBook
from kycgate.issuer.checks import Oracle, Screener
from kycgate.issuer.form import Countries
from kycgate.issuer.issuing import Issuer
from kycgate.issuer.judging import Judging
from kycgate.issuer.linking import Linking
from kycgate.issuer.owned import Owned
from kycgate.issuer.part import RENEWAL, RENTER, RESCREENING, RULES, attested, check_reviewer
from kycgate.issuer.proofbook import ProofBook
from kycgate.issuer.renewing import Renewing
from kycgate.issuer.rules import VerificationRules
from kycgate.issuer.vault import Entropy, Log, Vault
from kycgate.store.base import Store
from kycgate.store.records.cases import Case

__all__ = ["RENEWAL", "RENTER", "RESCREENING", "RULES", "Identity", "attested"]


class Identity(Linking, Judging, Renewing, Owned):
    """This operator's cases and attestations. Every method may also raise Unavailable."""

    def __init__(
        self,
        store: Store,
        *,
        vault: Vault,
        issuer: Issuer,
        screener: Screener,
        countries: Countries,
        log: Log,
        entropy: Entropy = secrets.token_bytes,
        oracle: Oracle | None = None,
        rules: VerificationRules | None = None,
    ) -> None:
        book = CaseBook(store, vault=vault, countries=countries, log=log, entropy=entropy)
        super().__init__(
            book=book,
            proofs=ProofBook(store, vault=vault, book=book),
            issuer=issuer,
            screener=screener,
            oracle=oracle,
            rules=rules or VerificationRules(),
        )

    @property
    def book(self) -> CaseBook:
        """The cases, for whoever must find all of them again."""
        return self._book

    @property
    def proofs(self) -> ProofBook:
        """The proofs that were taken."""
        return self._proofs

    # -- looking ---------------------------------------------------------------------------------

    def pending(self, *, limit: int = 100) -> list[Case]:
        """Cases that wait for a reviewer, the longest waiting first."""
        return self._book.pending(limit)

    def case(self, case_id: str) -> Case:
        """The case without what is sealed. Raises NotFound."""
        return self._book.case(case_id)

    def summary(self, case: Case) -> dict[str, Any]:
        """The case as it is listed: no personal data."""
        return view.summary(self._book, case)

    def case_view(
        self, case_id: str, *, reader: str, now: int, hold: str | None = None
    ) -> dict[str, Any]:
        """Everything about a case, evidence opened and each reading logged: see view.case_view."""
        check_reviewer(reader)
        return view.case_view(
            self._book, self._issuer, self._proofs, case_id, reader=reader, now=now, hold=hold
        )

    def standing(self, case: Case, *, now: int) -> view.Standing:
        """What the renter may know of their own case, beside its state."""
        return view.standing(self._book, self._proofs, case, self.verify_by(case), now)
