"""What every part of the identity office has: the cases, the proofs, the lists, who signs.

Decides nothing by itself; a part each opens, proves, judges and renews.
"""

from __future__ import annotations

import re
from typing import Any, Final

from kycgate.errors import Code, Malformed, Unavailable
from kycgate.issuer.casebook import CaseBook
from kycgate.issuer.cases import State
from kycgate.issuer.checks import Oracle, Screener, Screening, screen
from kycgate.issuer.details import Details, NamedParty
from kycgate.issuer.form import parse_text
from kycgate.issuer.issuing import Issuer
from kycgate.issuer.proofbook import ProofBook
from kycgate.issuer.renewals import Renewals
from kycgate.issuer.rules import VerificationRules
from kycgate.store.records.cases import Case, KeptProof

RENTER: Final = "renter"
RENEWAL: Final = "renewal"
RESCREENING: Final = "rescreening"
RULES: Final = "rules"
"""Who approved, where no person did."""
_OURS: Final = (RENTER, RENEWAL, RESCREENING, RULES)
MAX_REASON: Final = 2000
"""Characters of a reviewer's reason."""

_REVIEWER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}", re.ASCII)


class Part:
    """One part of the office. Parts are put together in `Identity` and share these."""

    def __init__(
        self,
        *,
        book: CaseBook,
        proofs: ProofBook,
        issuer: Issuer,
        screener: Screener,
        rules: VerificationRules,
        oracle: Oracle | None,
    ) -> None:
        self._book = book
        self._proofs = proofs
        self._issuer = issuer
        self._screener = screener
        self._oracle = oracle
        self.rules = rules
        self.renewals = Renewals()

    # -- screening -------------------------------------------------------------------------------

    def _screen(
        self, case: Case, told: Details, also: tuple[NamedParty, ...], now: int
    ) -> Screening:
        """Everybody in the case, and every name that was proven in it."""
        book = self._book
        screening = screen(
            told,
            book.accounts(case),
            self._screener,
            countries=book.countries,
            now=now,
            oracle=self._oracle,
            also=(*also, *book.also(told, now=now)),
        )
        return book.uncleared(case, screening)

    def _stale_code(self, now: int) -> tuple[Code, ...]:
        stale = self._screener.stale(now, self._issuer.rules.list_max_age_s)
        return (Code.SCREENING_STALE,) if stale else ()

    def _require_lists(self, now: int) -> None:
        if self._stale_code(now):
            raise Unavailable(
                "the screening lists are older than allowed: nothing can be cleared with them",
                code=Code.SCREENING_STALE,
            )

    def _stop(self, case: Case, screening: Screening, actor: str, now: int) -> None:
        """Found after approval: a reviewer must look, and what is final can't wait for one."""
        codes = screening.codes()
        self._book.keep_screening(case, screening, now)
        self._book.flag(case, codes, actor, now)
        if screening.final:
            self._book.void(case.subject_id, codes[0], now)

    # -- how long ----------------------------------------------------------------------------------

    def verify_by(self, case: Case) -> int | None:
        """From when on the case is renewed only after identity was proven again; None: no approval.

        Cases approved before there were such dates have theirs from the day of their approval.
        """
        if not attested(case):
            return None
        if case.re_verify_at is not None:
            return case.re_verify_at
        return self.rules.until(case.level, proven_at=case.verified_at, valid_until=None)

    def _until(self, level: int, proof: KeptProof | None, now: int) -> int:
        if proof is None:
            return self.rules.until(level, proven_at=now, valid_until=None)
        # A reviewer's level may be lower than the proof's: it is the level that ages.
        return self.rules.until(level, proven_at=proof.proven_at, valid_until=proof.valid_until)

    def _alive(self, case: Case, now: int) -> bool:
        accounts = self._book.accounts(case)
        return any(self._issuer.live(each, now=now) is not None for each in accounts)


def attested(case: Case) -> bool:
    """Whether attestations may be alive that stand on this case."""
    open_still = (State.SUBMITTED, State.NEEDS, State.REVIEW)
    return case.state == State.APPROVED or (case.state in open_still and case.level > 0)


def verdict(action: str, reviewer: str, reason: str) -> dict[str, Any]:
    """A reviewer's words, checked. Raises Malformed."""
    check_reviewer(reviewer)
    return {"action": action, "reviewer": reviewer, "reason": parse_reason(reason, "reason")}


def parse_reason(text: str, field: str) -> str:
    """A reason as it may be sealed. Raises Malformed."""
    return parse_text(text, field=field, longest=MAX_REASON)


def check_reviewer(reviewer: str) -> None:
    """Raises Malformed unless a person's name, none of those the office uses for itself."""
    if type(reviewer) is not str or reviewer in _OURS or not _REVIEWER.fullmatch(reviewer):
        raise Malformed(
            "is not a reviewer's name",
            field="reviewer",
            remedy="1 to 64 letters, digits and . _ @ + -, as in `mara` or `mara@example.org`",
        )
