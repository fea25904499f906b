"""Several wallets of one person or organisation: each proven by its own signature, all attested.

Checks no signature itself: the door does, for a text that names both accounts.
"""

from __future__ import annotations

from typing import Final

from kycgate.core.claims import Account
from kycgate.errors import Conflict, NotFound
from kycgate.issuer.checks import Hit
from kycgate.issuer.documenting import Documenting

MOST: Final = 20
"""Accounts of one subject."""


class Linking(Documenting):
    """Who else the subject is."""

    def link(self, first: Account, second: Account, *, now: int) -> None:
        """Add `second` to the subject of `first`; both have signed. Again is no change.

        Raises NotFound when nothing is known of the first, Conflict when the second is listed, is
        somebody already, or one too many. The message never tells which: lists stay inside.
        """
        book = self._book
        subject_id = book.subject_id(first)
        if subject_id is None:
            raise NotFound("open a case for this account first")
        cases = book.of_subject(subject_id)
        if not cases:
            raise NotFound("open a case for this account first")
        known = book.accounts(cases[0])
        if second in known:
            return
        if len(known) >= MOST or book.subject_id(second) is not None or self._listed(second):
            raise Conflict("this account can't be linked: use another one")
        book.note("account_linked", cases[0], now, subject=subject_id)
        book.link(second, subject_id, now)

    def accounts(self, account: Account) -> list[Account]:
        """Every account of the subject behind this one, itself alone where there is none."""
        subject_id = self._book.subject_id(account)
        cases = self._book.of_subject(subject_id) if subject_id else []
        return self._book.accounts(cases[0]) if cases else [account]

    def _listed(self, account: Account) -> bool:
        hits: list[Hit] = list(self._screener.wallet(account.address))
        doubted = self._oracle is not None and self._oracle(account.address).hit is not None
        return bool(hits) or doubted
