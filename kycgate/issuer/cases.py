"""What a case is: the steps a verification may take, and what a renter may be asked for.

Pure: reads no clock, disk, network or list; it neither screens nor stores, and approves nothing.

A case walks one way; a second try after a refusal is a new case of the same subject:

    draft ─submit→ submitted ─approve→ approved ─revoke→ revoked
                     │   └─flag→ review ─approve↗  │flag
                     └─refuse→ refused ←refuse─ review

From draft, submitted and review one may ask for more: the case is then in needs, until it is handed
in again. An approved case is verified again by a new proof.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kycgate.errors import Conflict, Malformed
from kycgate.issuer.form import parse_text


class State(StrEnum):
    """Where a case stands. The value is what the store and the API carry."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    NEEDS = "needs"
    REVIEW = "review"
    APPROVED = "approved"
    REFUSED = "refused"
    REVOKED = "revoked"
    CLOSED = "closed"
    """the renter asked to be erased, or the time to keep the data was over"""


class Action(StrEnum):
    """What may be done to a case. The value is what the history shows."""

    AMEND = "amend"
    SUBMIT = "submit"
    FLAG = "flag"
    APPROVE = "approve"
    REFUSE = "refuse"
    RENEW = "renew"
    REVOKE = "revoke"
    REOPEN = "reopen"
    ASK = "ask"
    VERIFY = "verify"
    CLOSE = "close"


TRANSITIONS: Final[Mapping[tuple[State, Action], State]] = {
    (State.DRAFT, Action.AMEND): State.DRAFT,
    (State.DRAFT, Action.SUBMIT): State.SUBMITTED,
    (State.DRAFT, Action.ASK): State.NEEDS,
    (State.NEEDS, Action.ASK): State.NEEDS,
    (State.NEEDS, Action.AMEND): State.NEEDS,
    (State.NEEDS, Action.SUBMIT): State.SUBMITTED,
    (State.NEEDS, Action.FLAG): State.REVIEW,
    (State.NEEDS, Action.REFUSE): State.REFUSED,
    (State.SUBMITTED, Action.ASK): State.NEEDS,
    (State.SUBMITTED, Action.FLAG): State.REVIEW,
    (State.SUBMITTED, Action.APPROVE): State.APPROVED,
    (State.SUBMITTED, Action.REFUSE): State.REFUSED,
    (State.REVIEW, Action.FLAG): State.REVIEW,
    (State.REVIEW, Action.APPROVE): State.APPROVED,
    (State.REVIEW, Action.REFUSE): State.REFUSED,
    (State.REVIEW, Action.ASK): State.NEEDS,
    # A case flagged at renewal still has living attestations until its reviewer has spoken,
    # whatever they ask for meanwhile.
    (State.REVIEW, Action.REVOKE): State.REVOKED,
    (State.NEEDS, Action.REVOKE): State.REVOKED,
    (State.SUBMITTED, Action.REVOKE): State.REVOKED,
    (State.APPROVED, Action.RENEW): State.APPROVED,
    (State.APPROVED, Action.VERIFY): State.APPROVED,
    (State.APPROVED, Action.FLAG): State.REVIEW,
    (State.APPROVED, Action.REVOKE): State.REVOKED,
    # Reopening leaves the old case as it is: the answer is the state of the new one.
    (State.REFUSED, Action.REOPEN): State.DRAFT,
    (State.REVOKED, Action.REOPEN): State.DRAFT,
    (State.CLOSED, Action.REOPEN): State.DRAFT,
    (State.DRAFT, Action.CLOSE): State.CLOSED,
    (State.SUBMITTED, Action.CLOSE): State.CLOSED,
    (State.NEEDS, Action.CLOSE): State.CLOSED,
    (State.REVIEW, Action.CLOSE): State.CLOSED,
    (State.APPROVED, Action.CLOSE): State.CLOSED,
}
"""Every step there is. What is not here is a Conflict."""


def transition(state: State, action: Action) -> State:
    """The state after the action. Raises Conflict naming both when there is no such step."""
    after = TRANSITIONS.get((state, action))
    if after is None:
        raise Conflict(f"cannot {action} a case that is {state}")
    return after


# -- what a renter is asked for -------------------------------------------------------------------

MAX_NEEDS: Final = 8
"""Things asked for at once. More is no help to anybody."""
MAX_ASKED: Final = 500
"""Characters of what the renter reads."""


@dataclass(frozen=True, slots=True)
class Need:
    """One thing a renter is asked for. `text` is written for them; `item` is for programs."""

    item: str
    text: str


def parse_needs(raw: Sequence[tuple[str, str]]) -> tuple[Need, ...]:
    """(item, text) pairs, 1 to MAX_NEEDS of them. Raises Malformed naming the culprit."""
    if not 1 <= len(raw) <= MAX_NEEDS:
        raise Malformed("nothing, or too much", field="item", remedy=f"1 to {MAX_NEEDS} of them")
    for item, _ in raw:
        if type(item) is not str or not re.fullmatch(r"[a-z][a-z_]{0,31}", item, re.ASCII):
            raise Malformed(
                "is not a word for what is needed",
                field="item",
                remedy="small letters and _, as in `proof`, `details` or `document`",
            )
    return tuple(
        Need(item, parse_text(text, field="text", longest=MAX_ASKED)) for item, text in raw
    )
