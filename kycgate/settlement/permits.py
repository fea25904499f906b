"""Makes permits: one decided job may open in one escrow, for ten minutes at most.

Decides nothing: it takes the allowance itself, and signs none while revocations wait too long.
"""

from __future__ import annotations

from kycgate.core.attestation import ValidAttestation
from kycgate.core.claims import Account, Address, Digest, JobRequest, checksum
from kycgate.core.decision import Allow
from kycgate.core.permit import DEADLINE_MOST_S, Permit, PermitDomain, SignedPermit, Terms
from kycgate.errors import Code, Malformed, Reason, Refused, Unavailable
from kycgate.keys import Signer
from kycgate.settlement.revocations import Outbox, waiting_s

_CLOCKS_S = 60
"""How far a chain's clock may run behind ours before a fresh permit looks too long-lived to it."""


class Permits:
    """The operator's permit key, and what it may sign for.

    `cap` (base units of `token`) bounds a job whose value is unknown; `margin_percent` is added to
    a known value; `publish_bound_s` is how long a revocation may wait for the chain.
    """

    def __init__(
        self,
        signer: Signer,
        domain: PermitDomain,
        *,
        provider: Address,
        token: Address,
        cap: int,
        margin_percent: int,
        publish_bound_s: int,
        outbox: Outbox,
    ) -> None:
        self._signer = signer
        self._domain = domain
        self._provider = provider
        self._token = token
        self._cap = cap
        self._margin_percent = margin_percent
        self._publish_bound_s = publish_bound_s
        self._outbox = outbox

    def issue(
        self,
        allow: Allow,
        *,
        job_id: Digest,
        now: int,
        deposited: int = 0,
        at_most: int | None = None,
    ) -> SignedPermit:
        """Sign a permit for the job that was allowed.

        `deposited` is what the job holds already, base units: a permit's cap is for its whole life.
        `at_most` lowers that cap where the renter wants less.
        Raises Refused when the attestation ends now or the account is of another chain, Unavailable
        while revocations wait for the chain longer than their bound.
        """
        self._require_published(now)
        self._require_chain(allow.account)
        most = deposited + self._value(allow.job)
        permit = Permit(
            attestation=allow.attestation.uid,
            epoch=allow.attestation.claims.epoch,
            renter=allow.attestation.account,
            escrow=self._domain.contract,
            job=job_id,
            terms=Terms(self._provider, self._token, allow.job.digest()),
            policy=allow.policy,
            max_value=most if at_most is None else min(most, at_most),
            deadline=_deadline(allow.attestation, now),
        )
        return SignedPermit.seal(permit, self._domain, sign=self._signer.sign_digest)

    def require_terms(self, *, provider: Address, token: Address) -> None:
        """Raises Malformed unless the terms are the ones this operator settles on."""
        if provider != self._provider:
            raise Malformed(
                "is not who is paid here", field="provider", remedy=checksum(self._provider)
            )
        if token != self._token:
            raise Malformed("is not what is paid in", field="token", remedy=checksum(self._token))

    def _value(self, job: JobRequest) -> int:
        if job.value is None:
            return self._cap
        return job.value + job.value * self._margin_percent // 100

    def _require_published(self, now: int) -> None:
        waited = waiting_s(self._outbox, now=now)
        if waited > self._publish_bound_s:
            raise Unavailable(f"a revocation has waited {waited} s for the chain: no new permits")

    def _require_chain(self, account: Account) -> None:
        if account.chain_id not in (None, self._domain.chain_id):
            text = "a contract account counts only on the chain where it was proven"
            raise Refused(text, reasons=(Reason(Code.PERMIT_RENTER, text),))


def _deadline(attestation: ValidAttestation, now: int) -> int:
    """The permit's last second: before the attestation's end, and short of the longest life."""
    deadline = min(now + DEADLINE_MOST_S - _CLOCKS_S, attestation.expires_at - 1)
    if deadline < now:
        text = "the attestation has expired"
        raise Refused(text, reasons=(Reason(Code.EXPIRED, text),))
    return deadline
