"""Everything a reviewer may see of a case, in one document.

Changes nothing. Whatever sealed piece it opens stands in the decision log, with its reader.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kycgate.core.claims import Account, Kind
from kycgate.errors import Conflict
from kycgate.issuer.casebook import DECISION, DETAILS, SCREENING, CaseBook
from kycgate.issuer.cases import Need
from kycgate.issuer.details import Organisation
from kycgate.issuer.issuing import Issuer
from kycgate.issuer.ownership import OwnershipDesk
from kycgate.issuer.proofbook import ProofBook
from kycgate.issuer.rules import NOTICE_S
from kycgate.issuer.telling import parse_details
from kycgate.screening.ownership.svg import draw
from kycgate.store.records.cases import Case, CaseEvent, KeptProof


@dataclass(frozen=True, slots=True)
class ShownProof:
    """A proof as its renter may see it. `outcome` is taken, accepted, withdrawn or expired."""

    means: str
    source: str
    at: int
    level: int
    outcome: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What a renter may know of their own case, beside its state. Times are Unix seconds UTC."""

    needs: tuple[Need, ...] = ()
    proofs: tuple[ShownProof, ...] = ()
    valid_until: int | None = None
    """until when an approval lasts without a new proof"""
    re_verify_at: int | None = None
    """the same, once it is near enough to do something about it"""
    due: bool = False
    """whether that moment has passed: nothing is renewed"""
    owner_check: str | None = None
    """of an organisation: known, not_told or under_review; None: not looked at, or a person"""


def standing(
    book: CaseBook, proofs: ProofBook, case: Case, verify_by: int | None, now: int
) -> Standing:
    """A renter's view: no name, no hit, no reason of a reviewer."""
    near = verify_by is not None and now >= verify_by - NOTICE_S
    return Standing(
        needs=book.needs(case),
        proofs=tuple(_shown_proof(case, each, now) for each in proofs.of(case)),
        valid_until=verify_by,
        re_verify_at=verify_by if near else None,
        due=verify_by is not None and now >= verify_by,
        owner_check=None if book.owners is None else book.owners.check(case),
    )


def _shown_proof(case: Case, kept: KeptProof, now: int) -> ShownProof:
    return ShownProof(kept.means, kept.source, kept.kept_at, kept.level, _outcome(case, kept, now))


def _outcome(case: Case, kept: KeptProof, now: int) -> str:
    if kept.withdrawn_at is not None:
        return "withdrawn"
    if kept.valid_until is not None and now >= kept.valid_until:
        return "expired"
    rests = (case.proof_source, case.proof_reference) == (kept.source, kept.reference)
    return "accepted" if rests and case.level else "taken"


def case_view(
    book: CaseBook,
    issuer: Issuer,
    proofs: ProofBook,
    case_id: str,
    *,
    reader: str,
    now: int,
    hold: str | None = None,
) -> dict[str, Any]:
    """The case with its evidence opened, as JSON values.

    Countries are two-letter codes or None for unknown, times Unix seconds UTC. Of an erased subject
    nothing is opened, and `erased` is true; of one who asked to be erased, only under the name of
    the hold that keeps their data. `evidence` holds what is of any other kind, by kind.
    Raises NotFound.
    """
    case = book.case(case_id)
    erased = book.erased(case)
    opened: dict[str, list[dict[str, Any]]] = {}
    for evidence in [] if erased else book.evidence(case):
        document = book.open(evidence, reader=reader, now=now, hold=hold)
        opened.setdefault(evidence.kind, []).append(document)
    told = opened.pop(DETAILS, [None])
    owners = None
    if book.owners is not None and told[-1] is not None:
        kind = Kind(case.kind)
        details = parse_details(kind, told[-1], countries=book.countries, now=now)
        owners = book.owners.view(case, details, now=now)
    return summary(book, case) | {
        "erased": erased,
        "details": told[-1],
        "screenings": opened.pop(SCREENING, []),
        "decisions": opened.pop(DECISION, []),
        "evidence": opened,
        "needs": [[need.item, need.text] for need in book.needs(case)],
        "proofs": [_proof(case, proofs, each, now) for each in proofs.of(case)],
        "attestations": [_attested(book, issuer, each, now) for each in book.accounts(case)],
        "ownership": owners,
        "history": [_step(event) for event in book.history(case)],
    }


def owners(book: CaseBook, case_id: str, *, reader: str, now: int) -> dict[str, Any]:
    """What was told of owners beside what registers say. Raises NotFound, Conflict."""
    case, desk = book.case(case_id), _desk(book)
    found = desk.view(case, book.details(case, reader=reader, now=now), now=now)
    if found is None:
        raise Conflict("a person has no owners")
    return found


def owners_svg(book: CaseBook, case_id: str, *, reader: str, now: int) -> str:
    """The same as a picture. Raises NotFound, Conflict."""
    case, desk = book.case(case_id), _desk(book)
    told = book.details(case, reader=reader, now=now)
    if not isinstance(told, Organisation):
        raise Conflict("a person has no owners")
    return draw(desk.explain(case, told, now=now), country_name=book.countries.alpha2)


def _desk(book: CaseBook) -> OwnershipDesk:
    if book.owners is None:
        raise Conflict("owners are not followed here")
    return book.owners


def summary(book: CaseBook, case: Case) -> dict[str, Any]:
    """The case as it is listed: no personal data."""
    return {
        "case": case.id,
        "subject": case.subject_id,
        "account": case.account,
        "kind": Kind(case.kind).name.lower(),
        "state": case.state,
        "opened_at": case.opened_at,
        "updated_at": case.updated_at,
        "level": case.level,
        "country": _alpha2(book, case.country),
        "ultimate_country": _alpha2(book, case.ultimate_country),
        "verified_at": case.verified_at or None,
        "screened_at": case.screened_at or None,
        "reason_codes": list(case.reason_codes),
        "refusal": case.refusal_id,
        "re_verify_at": case.re_verify_at,
    }


def _proof(case: Case, proofs: ProofBook, kept: KeptProof, now: int) -> dict[str, Any]:
    """A proof for a reviewer, with the cases of others that the same document has turned up in."""
    return {
        "source": kept.source,
        "reference": kept.reference,
        "means": kept.means,
        "level": kept.level,
        "at": kept.kept_at,
        "valid_until": kept.valid_until,
        "outcome": _outcome(case, kept, now),
        "same_document": sorted({each.case_id for each in proofs.elsewhere(kept)}),
    }


def _attested(book: CaseBook, issuer: Issuer, account: Account, now: int) -> dict[str, Any]:
    live = issuer.live(account, now=now)
    return {
        "account": account.key,
        "epoch": book.epoch(account),
        "uid": None if live is None else "0x" + live.uid.hex(),
        "expires_at": None if live is None else live.expires_at,
    }


def _step(event: CaseEvent) -> dict[str, Any]:
    return {
        "at": event.at,
        "actor": event.actor,
        "action": event.action,
        "from": event.from_state,
        "to": event.to_state,
    }


def _alpha2(book: CaseBook, numeric: int) -> str | None:
    return book.countries.alpha2(numeric) if numeric else None
