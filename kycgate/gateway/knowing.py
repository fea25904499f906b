"""What is known of a renter when a job is decided: attestation, owners, rentals on record.

Decides nothing. What the store said is remembered by the gate's memory, as long as it stands.
"""

from __future__ import annotations

from kycgate.core import attestation as attestations
from kycgate.core.attestation import InvalidAttestation, ValidAttestation
from kycgate.core.claims import SCHEMA_UID, Account, Action, JobRequest
from kycgate.core.decision import Evidence
from kycgate.core.policy import Mode
from kycgate.errors import Code, Reason, Refused
from kycgate.gateway import records
from kycgate.gateway.memory import Memory
from kycgate.gateway.parts import GateParts, Ownership
from kycgate.gateway.revocation import StoreRevocations

_FAR = 2**53


class Known:
    """The evidence of one gate, from memory where it is. May wait: never asked in a hurry."""

    def __init__(self, parts: GateParts, memory: Memory) -> None:
        self._parts = parts
        self._memory = memory

    def evidence(
        self, account: Account, job: JobRequest, now: int, client_ip: str | None
    ) -> Evidence:
        """What is known of the renter; `client_ip` None where nobody is connected (a dry run)."""
        place = None if client_ip is None else self._parts.network.where(client_ip)
        # The attestation first: renewing it looks at the owners anew.
        attestation = self._attestation(account, now)
        owners = self._ownership(account, now)
        return Evidence(
            account=account,
            attestation=attestation,
            gpu=self._parts.classify(job.gpu_model or ""),
            network_country=None if place is None else place.country,
            wallet_proof_at=self._parts.store.wallet_proof_at(account.key),
            lists=self._parts.lists(),
            regions=owners.regions if place is None else owners.regions | place.regions,
            listed_share=owners.share,
            share_gap=owners.gap,
            owners=owners.digest,
        )

    def cleared_until(self, account: Account, now: int) -> int:
        """The end of the account's attestation. Raises Refused without one, Unavailable."""
        if self._parts.policy().mode is Mode.OBSERVE:
            return _FAR
        verdict = self._attestation(account, now)
        if isinstance(verdict, ValidAttestation):
            return verdict.expires_at
        text = "a long answer needs a clearance that stands"
        reason = Reason(Code.ATTESTATION_MISSING, text) if verdict is None else verdict.reason
        raise Refused(text, reasons=(reason,))

    def rental(self, account: str, deployment: str) -> tuple[bytes | None, JobRequest | None]:
        """The job that rented a deployment, and what the booking has grown to since."""
        booked = [
            (job.id, records.request_of(job))
            for job in self._parts.store.jobs_of(account, limit=records.JOBS_LOOKED_AT)
            if job.deployment == deployment and job.state == "answered"
        ]
        rental = next((number for number, asked in booked if asked.action is Action.RENT), None)
        if rental is None:
            return None, None
        return rental, max((asked for _, asked in booked), key=lambda asked: asked.hours or 0)

    def _ownership(self, account: Account, now: int) -> Ownership:
        """What the account's case says of its owners, from memory until the store moves."""

        def load() -> tuple[Ownership, int]:
            found = self._parts.ownership(account, now)
            # That nothing is recorded is told, never remembered.
            return found, now + (self._parts.limits.memory_s if found.digest else 0)

        found = self._memory.recall(("ownership", account), load, now=now, wait=True)
        assert found is not None
        return found

    def _attestation(
        self, account: Account, now: int
    ) -> ValidAttestation | InvalidAttestation | None:
        """The account's attestation as verified under today's trust list, from memory if there."""
        trust = self._parts.trust()

        def load() -> tuple[ValidAttestation | InvalidAttestation, int] | None:
            signed = self._parts.attestations.current(account, now)
            if signed is None:
                return None
            verdict = attestations.verify(
                signed,
                trust=trust,
                revocations=self._revocations(now),
                recipient=account.address,
                schema=SCHEMA_UID,
                now=now,
            )
            if isinstance(verdict, InvalidAttestation):
                return verdict, now  # told, never remembered
            ends = [key.not_after for key in trust.issuers if key.address == verdict.issuer]
            until = min((end for end in ends if end is not None), default=trust.expires_at)
            memory_ends = now + self._parts.limits.memory_s
            return verdict, min(memory_ends, verdict.expires_at, trust.expires_at, until)

        key = ("attestation", account, trust)  # all of it: two lists may bear one number
        return self._memory.recall(key, load, now=now, wait=True)

    def _revocations(self, now: int) -> StoreRevocations:
        def load() -> tuple[StoreRevocations, int]:
            view = StoreRevocations(self._parts.store.revocations(now=now))
            return view, now + self._parts.limits.memory_s

        view = self._memory.recall("revocations", load, now=now, wait=True)
        assert view is not None
        return view
