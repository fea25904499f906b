"""Signs what a case has established: an attestation for one account, alive for a day at most.

Judges no case: it is handed an approved one and says exactly what stands in it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import Any, Final

import rfc8785

from kycgate.core.attestation import LIFE_MOST_S, Domain, SignedAttestation, compose
from kycgate.core.claims import Account, Address, Claims, Digest, Kind, Level, parse_address
from kycgate.core.typed import keccak
from kycgate.errors import Misconfigured, NotFound
from kycgate.issuer.vault import Entropy, Log, Vault
from kycgate.keys import Signer
from kycgate.store.base import Store
from kycgate.store.records.attesting import IssuedAttestation
from kycgate.store.records.cases import Case

DAY_S: Final = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class IssuingRules:
    """How long things last, in seconds. `policy` names the verification rules cases stand on."""

    policy: Digest
    life_s: int = LIFE_MOST_S
    renew_below: int = 2
    """An attestation is renewed once less than 1/renew_below of its life is left: that long before
    anybody is cut off, an operator hears that renewals fail."""
    wallet_proof_max_age_s: int = 30 * DAY_S
    list_max_age_s: int = 3 * DAY_S

    def __post_init__(self) -> None:
        if not 0 < self.life_s <= LIFE_MOST_S:
            raise Misconfigured((f"an attestation lives 1 to {LIFE_MOST_S} seconds",))


class Issuer:
    """Signs, stores and finds attestations. `domain` is the EAS deployment pinned for the key."""

    def __init__(
        self,
        store: Store,
        signer: Signer,
        domain: Domain,
        *,
        vault: Vault,
        log: Log,
        rules: IssuingRules,
        entropy: Entropy = secrets.token_bytes,
    ) -> None:
        self._store = store
        self._signer = signer
        self._domain = domain
        self._vault = vault
        self._log = log
        self._entropy = entropy
        self.rules = rules

    def issue(self, case: Case, account: Account, *, epoch: int, now: int) -> SignedAttestation:
        """A fresh attestation, in the log before it is signed and stored before it is handed out.

        `epoch` must have been read before the case was last found approved: a revocation that
        comes between then voids what is signed here.
        """
        attestation = compose(
            self._claims(case, epoch, salt := self._entropy(32), now),
            recipient=account.address,
            time=now,
            life_s=self.rules.life_s,
            salt=salt,
        )
        self._log.append(
            "attestation_issued",
            {
                "case": case.id,
                "account": account.key,
                "attestation": attestation.uid().hex(),
                "issuer": _text(self._signer.address),
                "epoch": epoch,
                "policy": self.rules.policy.hex(),
            },
            now=now,
        )
        signed = SignedAttestation.seal(
            attestation, self._domain, signer=self._signer.address, sign=self._signer.sign_digest
        )
        self._store.add_attestation(
            IssuedAttestation(
                issuer=_text(self._signer.address),
                domain=self._domain.separator,
                uid=signed.uid,
                account=account.key,
                subject_id=case.subject_id,
                case_id=case.id,
                epoch=epoch,
                issued_at=now,
                expires_at=attestation.expiration_time,
                wire=signed.to_wire(),
            )
        )
        return signed

    def read(self, issued: IssuedAttestation) -> SignedAttestation:
        """What was issued, as `issue` returned it: the wire form has no place for the signer."""
        signed = SignedAttestation.from_wire(issued.wire)
        return replace(signed, signer=parse_address(issued.issuer))

    def live(self, account: Account, *, now: int) -> IssuedAttestation | None:
        """The account's newest attestation if it is neither expired nor void."""
        found = self._store.current_attestation(account.key, now=now)
        if found is None or found.revoked_at is not None:
            return None
        if found.epoch < self._store.epoch(account.key):
            return None
        return found

    def fresh(self, issued: IssuedAttestation, *, now: int) -> bool:
        """Whether it is ours as we sign today, and has enough life left not to be renewed."""
        ours = (_text(self._signer.address), self._domain.separator)
        left = issued.expires_at - now
        return (issued.issuer, issued.domain) == ours and left * self.rules.renew_below >= (
            issued.expires_at - issued.issued_at
        )

    def commitment(self, case: Case, salt: bytes, *, at: int) -> Digest:
        """What an attestation with this salt, signed at that moment, commits to.

        keccak256 over a salt that only the subject's vault key gives, and the canonical record:
        case, and the commitment of every piece of evidence there was. An auditor with the vault can
        compute it again; once the subject is shredded nobody can.
        """
        record: dict[str, Any] = {
            "case": case.id,
            "evidence": sorted(
                evidence.commitment.hex()
                for evidence in self._store.evidence_of(case.id)
                if evidence.created_at <= at
            ),
        }
        secret = self._vault.attestation_salt(case.subject_id, salt)
        return Digest(keccak(secret + rfc8785.dumps(record)))

    def _claims(self, case: Case, epoch: int, salt: bytes, now: int) -> Claims:
        subject = self._store.subject(case.subject_id)
        if subject is None:
            raise NotFound("no such subject")
        return Claims(
            subject=Digest(subject.pseudonym),
            kind=Kind(case.kind),
            level=Level(case.level),
            country=case.country,
            ultimate_country=case.ultimate_country,
            verified_at=case.verified_at,
            screened_at=case.screened_at,
            epoch=epoch,
            policy=self.rules.policy,
            evidence=self.commitment(case, salt, at=now),
        )


def _text(address: Address) -> str:
    return "0x" + address.hex()
