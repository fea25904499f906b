"""A renter's own identity cases: open one, list them, read one.

Reviews nothing, and shows neither notes, hits nor the identity data given: only where the case
stands.
"""

from __future__ import annotations

from typing import Any

from kycgate.core.claims import Account, Kind
from kycgate.errors import Malformed, NotFound
from kycgate.issuer.cases import Need
from kycgate.store.records.cases import Case
from kycgate.web.access import renter
from kycgate.web.parts import WebParts
from kycgate.web.wire import Answer, Call, argument, read_fields, read_query
from kycgate.web.words import in_words, renter_state, state_in_words

KINDS = {"person": Kind.PERSON, "organisation": Kind.ORGANISATION}
_NAMES = {int(kind): name for name, kind in KINDS.items()}
_OUTWARD = {
    "checking": ("under_review",),
    "refused": ("declined",),
    "revoked": ("declined",),
}
REFUSAL_ID = r"[A-Za-z0-9_-]{16,64}"
_AGAIN = (Need("proof", "The last proof of identity is too old by now: prove who you are again."),)
_CASE_ID = r"[A-Za-z0-9_-]{1,64}"


def open_case(parts: WebParts, call: Call) -> Answer:
    """POST /v1/cases. The identity room checks `details` field by field and names the culprit."""
    who = renter(parts, call)
    fields = read_fields(call, ("kind", "details", "refusal_id"))
    kind = KINDS[fields.choice("kind", tuple(KINDS))]
    details = fields.mapping("details")
    refusal_id = fields.text("refusal_id", most=64, default=None)
    if refusal_id is not None and parts.store.refusal(refusal_id) is None:
        raise Malformed(
            "no such refusal", field="refusal_id", remedy="copy it from the link, or leave it out"
        )
    case = parts.identity.open_case(
        who.account, int(kind), details, refusal_id=refusal_id, now=call.now
    )
    return Answer(
        201, shown(parts, case, call.now), headers=(("Location", f"/v1/cases/{case.id}"),)
    )


def list_cases(parts: WebParts, call: Call) -> Answer:
    """GET /v1/cases: the account's own, newest first."""
    who = renter(parts, call)
    read_query(call, ())
    own = of_renter(parts, who.account)
    return Answer(200, {"cases": [shown(parts, case, call.now) for case in own]})


def one_case(parts: WebParts, call: Call) -> Answer:
    """GET /v1/cases/{id}. Another account's case and no case look the same."""
    case = own_case(parts, call)
    return Answer(200, shown(parts, case, call.now))


def amend_case(parts: WebParts, call: Call) -> Answer:
    """PUT /v1/cases/{id}: other details while it is the renter's turn; the case is handed in."""
    case = own_case(parts, call)
    fields = read_fields(call, ("kind", "details"))
    kind = KINDS[fields.choice("kind", tuple(KINDS), default=_NAMES[case.kind])]
    amended = parts.identity.amend(case.id, int(kind), fields.mapping("details"), now=call.now)
    return Answer(200, shown(parts, amended, call.now))


def own_case(parts: WebParts, call: Call) -> Case:
    """The case the path names, if it is the caller's."""
    who = renter(parts, call)
    case = parts.store.case(argument(call, "id", _CASE_ID))
    if case is None or not _theirs(parts, who.account, case):
        raise NotFound("no such case of this account")
    return case


def of_renter(parts: WebParts, account: Account) -> list[Case]:
    """The cases of the account and of every other account of its subject, newest first."""
    linked = parts.identity.accounts(account)
    found = [case for each in linked for case in parts.store.cases(account=each.key)]
    theirs = [case for case in found if _theirs(parts, account, case)]
    return sorted(theirs, key=lambda case: -case.opened_at)


def _theirs(parts: WebParts, account: Account, case: Case) -> bool:
    if case.account == account.key:
        return True
    subject = parts.store.subject_of(account.key)
    return subject is not None and subject.id == case.subject_id


def shown(parts: WebParts, case: Case, now: int) -> dict[str, Any]:
    """What a renter sees of a case.

    The reasons follow from the state alone: the recorded codes could tell a listed party of a hit.
    """
    standing = parts.identity.standing(case, now=now)
    again = standing.due and case.state == "approved"
    state = "more_needed" if again else renter_state(case.state)
    codes = _OUTWARD.get(state, ())
    needs = _AGAIN if again else standing.needs
    return {
        "id": case.id,
        "kind": _NAMES[case.kind],
        "state": state,
        "state_text": state_in_words(state),
        "level": case.level,
        "opened_at": case.opened_at,
        "updated_at": case.updated_at,
        "refusal_id": case.refusal_id,
        "reasons": [{"code": code, "text": in_words(code)} for code in codes],
        "needs": [{"item": need.item, "text": need.text} for need in needs],
        "proofs": [
            {
                "means": proof.means,
                "source": proof.source,
                "at": proof.at,
                "level": proof.level,
                "outcome": proof.outcome,
            }
            for proof in standing.proofs
        ],
        "valid_until": standing.valid_until,
        "re_verify_at": standing.re_verify_at,
        "owner_check": standing.owner_check,
    }
