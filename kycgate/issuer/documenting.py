"""Documents a renter uploads for a person to look at: pictures, and the zone they typed.

Believes none of it: right check digits and a matching name only spare the reviewer work.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from kycgate.core.claims import Account, Level
from kycgate.errors import Code, Conflict, Malformed
from kycgate.issuer.alpha3 import in_zone
from kycgate.issuer.cases import State
from kycgate.issuer.details import Details, Person
from kycgate.issuer.images import MEDIA, redraw
from kycgate.issuer.mrz import Mrz, read_mrz
from kycgate.issuer.part import RENTER, check_reviewer
from kycgate.issuer.portability import DOCUMENT, MRZ
from kycgate.issuer.proven import Means, Proven, numbered
from kycgate.issuer.proving import Proving
from kycgate.issuer.rules import NOTICE_S
from kycgate.issuer.weighing import weigh
from kycgate.store.records.cases import Case, SealedBlob

SOURCE: Final = "documents"
SIDES: Final = ("front", "back", "page", "selfie", "other")
MOST: Final = 12
"""Pictures one verification may hold."""


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A picture as its renter sees it listed: never the picture."""

    id: str
    side: str
    media: str
    size: int
    at: int


@dataclass(frozen=True, slots=True)
class Typed:
    """What a zone said, and how it compares with the details; None without details."""

    mrz: Mrz
    compared: dict[str, Any] | None


class Documenting(Proving):
    """The third way to prove identity: level 1, and always a person's decision."""

    def add_picture(self, account: Account, side: str, data: bytes, *, now: int) -> Uploaded:
        """Keep a picture for the account's case, drawn anew and sealed.

        Raises Malformed, TooLarge, Conflict without a case that takes documents.
        """
        if side not in SIDES:
            raise Malformed("is no side", field="side", remedy="one of " + ", ".join(SIDES))
        case = self._documented(account, now)
        since = [b for b in self._book.pictures(case) if b.created_at >= case.verified_at]
        if len(since) >= MOST:
            raise Conflict(f"this case holds {MOST} pictures already: hand it in")
        picture = redraw(data)
        blob = self._book.keep_picture(case, side, MEDIA, picture.data, now)
        said = {
            "id": blob.id,
            "side": side,
            "sent_as": picture.sent_as,
            "width": picture.width,
            "height": picture.height,
            "sha256": hashlib.sha256(picture.data).hexdigest(),
        }
        evidence = self._book.keep(case, DOCUMENT, said, now)
        self._book.note("document_kept", case, now, evidence=evidence.commitment.hex())
        return _listed(blob)

    def type_mrz(self, account: Account, lines: Sequence[str], *, now: int) -> Typed:
        """Keep the zone a renter typed. Raises Malformed naming the line that can't be right."""
        case = self._documented(account, now)
        zone = read_mrz(lines, today=datetime.fromtimestamp(now, UTC).date())
        self._book.keep(case, MRZ, zone.document(), now)
        if not self._book.has_details(case):
            return Typed(zone, None)
        told = self._book.details(case, reader=RENTER, now=now)
        return Typed(zone, weigh(told, self._proven(case, told, zone, now)).document())

    def hand_in_documents(self, account: Account, *, now: int) -> Case:
        """Give the documents to a person. Raises Conflict without a picture, Refused when the
        document has expired."""
        case = self._documented(account, now)
        pictures = [b for b in self._book.pictures(case) if b.created_at >= case.verified_at]
        if not pictures:
            raise Conflict("no picture of a document has been sent yet")
        told = self._book.details(case, reader=RENTER, now=now)
        case = self.prove(account, self._proven(case, told, self._zone(case, now), now), now=now)
        if case.state == State.APPROVED:
            return self._book.flag(case, (Code.VERIFICATION_DUE,), RENTER, now)
        return case

    def documents(self, account: Account) -> list[Uploaded]:
        """What was uploaded for the account's case, oldest first."""
        case = self._open_case(account)
        return [] if case is None else [_listed(blob) for blob in self._book.pictures(case)]

    # -- the reviewer ----------------------------------------------------------------------------

    def pictures(self, case_id: str) -> list[Uploaded]:
        """What was uploaded for a case, oldest first."""
        return [_listed(blob) for blob in self._book.pictures(self._book.case(case_id))]

    def picture(
        self, case_id: str, picture_id: str, *, reader: str, now: int, hold: str | None = None
    ) -> Iterator[bytes]:
        """One picture in pieces, its reading logged. Raises NotFound."""
        check_reviewer(reader)
        case = self._book.case(case_id)
        return self._book.open_picture(case, picture_id, reader=reader, now=now, hold=hold)

    # -- what is made of it ----------------------------------------------------------------------

    def _documented(self, account: Account, now: int) -> Case:
        case = self._open_case(account)
        if case is None:
            raise Conflict("say who you are first: documents belong to a case")
        due = self.verify_by(case)
        if case.state == State.APPROVED and (due is None or now < due - NOTICE_S):
            raise Conflict("this account is approved: no document is needed now")
        return case

    def _zone(self, case: Case, now: int) -> Mrz | None:
        """The zone typed last, since the case was last approved."""
        found = [
            each
            for each in self._book.evidence(case)
            if each.kind == MRZ and each.created_at >= case.verified_at
        ]
        if not found:
            return None
        return Mrz(**self._book.open(found[-1], reader=RENTER, now=now))

    def _proven(self, case: Case, told: Details, zone: Mrz | None, now: int) -> Proven:
        """What a document would establish; a person must still look at it."""
        own = told.name if isinstance(told, Person) else told.representative
        born = told.birth_date if isinstance(told, Person) else None
        return Proven(
            means=Means.DOCUMENT,
            source=SOURCE,
            reference=f"{case.id}-{len(self._proofs.of(case))}",
            level=Level.LOW,
            live=self.rules.live,
            name=zone.name if zone else own,
            birth_date=zone.birth_date if zone else born,
            country=in_zone(zone.nationality) if zone else 0,
            proven_at=now,
            valid_until=_end_of(zone.expires_on) if zone else None,
            document_number=numbered(in_zone(zone.issuing), zone.number) if zone else None,
            document={"mrz": zone.document()} if zone else {},
        )


def _end_of(day: str) -> int:
    after = date.fromisoformat(day) + timedelta(days=1)
    return int(datetime(after.year, after.month, after.day, tzinfo=UTC).timestamp())


def _listed(blob: SealedBlob) -> Uploaded:
    return Uploaded(blob.id, blob.kind, blob.media, blob.size, blob.created_at)
