"""The reviewer's part where it is about owners: look at the picture, name a listed one.

Decides no case: what an owner's share means is the rules' business, at the gate, by their dates.
"""

from __future__ import annotations

from typing import Any

from kycgate.errors import Conflict
from kycgate.issuer import view
from kycgate.issuer.part import Part, check_reviewer, verdict
from kycgate.store.records.cases import Case


class Owned(Part):
    """What a person sees and says of owners."""

    def owners(self, case_id: str, *, reader: str, now: int) -> dict[str, Any]:
        """What was told of owners beside what registers say; the reading is logged."""
        check_reviewer(reader)
        return view.owners(self._book, case_id, reader=reader, now=now)

    def owners_svg(self, case_id: str, *, reader: str, now: int) -> str:
        """The same, drawn."""
        check_reviewer(reader)
        return view.owners_svg(self._book, case_id, reader=reader, now=now)

    def owner_is_listed(
        self, case_id: str, role: str, *, reviewer: str, reason: str, now: int
    ) -> Case:
        """A reviewer has found that an owner is the listed party of that name.

        The hit then stops nobody by itself: rules weigh the share. Raises NotFound, Conflict.
        """
        book = self._book
        case = book.case(case_id)
        words = verdict("owner is listed", reviewer, reason) | {"role": role}
        if book.owners is None:
            raise Conflict("owners are not followed here")
        told = book.details(case, reader=reviewer, now=now)
        book.acknowledge(case, book.owners.hits_of(case, told, role, now=now), words, now)
        return book.case(case_id)
