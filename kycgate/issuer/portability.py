"""Everything the operator holds about a renter that came from them or was established about them.

Changes nothing. Left out is what would warn a suspect or betray how the operator decides: list
hits, reviewers' words, scores. Each piece that is opened stands in the decision log.
"""

from __future__ import annotations

import base64
from typing import Any, Final

from kycgate.core.claims import Account, Kind
from kycgate.errors import NotFound
from kycgate.issuer.casebook import DETAILS, CaseBook
from kycgate.issuer.imports import IMPORT
from kycgate.issuer.part import RENTER
from kycgate.issuer.proofbook import PROOF
from kycgate.issuer.vault import Vault
from kycgate.store.base import Store
from kycgate.store.records.cases import Case

MRZ: Final = "mrz"
"""The kind of evidence that holds the lines of a document as the renter typed them."""
DOCUMENT: Final = "document"
"""The kind of evidence that describes an image the renter uploaded."""
_THEIRS: Final = {
    DETAILS: "details",
    PROOF: "proofs",
    MRZ: "mrz",
    DOCUMENT: "documents",
    IMPORT: "records",
}
LEFT_OUT: Final = (
    "Not included: results of sanctions screening and the operator's own assessments, which"
    " anti-money-laundering law does not let an operator disclose."
)


class Portability:
    """Copies of a renter's data, for them."""

    def __init__(self, store: Store, *, vault: Vault, book: CaseBook) -> None:
        self._store = store
        self._vault = vault
        self._book = book

    def export(self, account: Account, *, now: int) -> dict[str, Any]:
        """JSON values, times Unix seconds UTC. Raises NotFound, Conflict while restricted."""
        subject = self._store.subject_of(account.key)
        if subject is None or not subject.wrapped_key:
            raise NotFound("nothing is kept of this account")
        accounts = self._store.accounts_of(subject.id)
        cases = self._book.of_subject(subject.id)
        return {
            "made_at": now,
            "accounts": accounts,
            "pseudonym": "0x" + subject.pseudonym.hex(),
            "known_since": subject.created_at,
            "cases": [self._case(case, now) for case in cases],
            "attestations": [found for key in accounts if (found := self._attested(key, now))],
            "presentations": [shown for key in accounts for shown in self._presented(key)],
            "left_out": LEFT_OUT,
        }

    def _presented(self, account: str) -> list[dict[str, Any]]:
        """What wallets were asked for the account; what they answered stands among the proofs."""
        return [
            {
                "id": each.id,
                "account": account,
                "mode": each.mode,
                "asked": list(each.kinds),
                "state": each.state,
                "created_at": each.created_at,
            }
            for each in self._store.presentations_of(account)
        ]

    def _case(self, case: Case, now: int) -> dict[str, Any]:
        said: dict[str, list[Any]] = {name: [] for name in _THEIRS.values()}
        for evidence in self._book.evidence(case):
            if evidence.kind in _THEIRS:
                document = self._book.open(evidence, reader=RENTER, now=now)
                said[_THEIRS[evidence.kind]].append(document)
        for document in said["documents"]:
            document["image"] = self._image(document["id"], now)
        countries = self._book.countries
        return {
            "id": case.id,
            "kind": Kind(case.kind).name.lower(),
            "state": case.state,
            "opened_at": case.opened_at,
            "updated_at": case.updated_at,
            "level": case.level,
            "country": countries.alpha2(case.country) if case.country else None,
            "verified_at": case.verified_at or None,
            "asked": [[need.item, need.text] for need in self._book.needs(case)],
            **said,
        }

    def _image(self, blob_id: str, now: int) -> str | None:
        """Base64 of the image as it is kept, or None where it is gone."""
        blob = self._store.blob(blob_id)
        if blob is None:
            return None
        return base64.b64encode(
            b"".join(self._vault.open_blob(blob, reader=RENTER, now=now))
        ).decode()

    def _attested(self, account: str, now: int) -> dict[str, Any] | None:
        found = self._store.current_attestation(account, now=now)
        if found is None:
            return None
        return {
            "account": account,
            "issued_at": found.issued_at,
            "expires_at": found.expires_at,
            "attestation": found.wire.decode(),
        }
