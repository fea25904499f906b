"""What the gate is built from: every port it needs, and what each promises.

Holds no behaviour. All ports are thread-safe; what can't answer raises Unavailable, never guesses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

from kycgate.core.attestation import SignedAttestation
from kycgate.core.claims import Account
from kycgate.core.decision import Allow
from kycgate.core.policy import GpuClass, ListedShare, ListVersion, Policy, Region
from kycgate.core.signature import Verdict
from kycgate.core.trust import TrustList
from kycgate.gateway.adapters.base import Adapter
from kycgate.gateway.limits import Rates
from kycgate.gateway.view import Identity
from kycgate.screening.network import Network
from kycgate.store.records.attesting import Revocations
from kycgate.store.records.jobs import Begun, DecisionFacts, Job, Refusal
from kycgate.store.records.signin import Key


class GateStore(Protocol):
    """The part of `store.base.Store` the gate uses, with the same promises."""

    @property
    def brief_reads(self) -> bool: ...
    def version(self) -> int: ...
    def claim_nonce(self, scope: str, nonce: str, *, expires_at: int, now: int) -> bool: ...
    def note_wallet_proof(self, account: str, *, at: int) -> None: ...
    def wallet_proof_at(self, account: str) -> int | None: ...
    def key_by_hash(self, secret_hash: bytes) -> Key | None: ...
    def touch_keys(self, used: Mapping[str, int]) -> None: ...
    def revocations(self, *, now: int) -> Revocations: ...
    def begin_job(self, job: Job, *, repeat_window_s: int) -> Begun: ...
    def mark_forwarded(self, job_id: bytes, *, at: int) -> None: ...
    def finish_job(
        self,
        job_id: bytes,
        *,
        state: Literal["answered", "unknown"],
        at: int,
        status: int | None = None,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        deployment: str | None = None,
        permit: bytes | None = None,
    ) -> None: ...
    def reopen_unpaid(self, job_id: bytes, *, at: int) -> bool: ...
    def job(self, job_id: bytes) -> Job | None: ...
    def jobs_of(self, account: str, *, limit: int = 100) -> list[Job]: ...
    def own_deployment(self, deployment: str, account: str, job_id: bytes, *, at: int) -> None: ...
    def deployment_owner(self, deployment: str) -> str | None: ...
    def deployments_of(self, account: str) -> list[str]: ...
    def close_deployment(self, deployment: str, *, at: int) -> None: ...
    def add_refusal(self, refusal: Refusal) -> None: ...
    def add_facts(self, facts: DecisionFacts) -> None: ...


class Log(Protocol):
    """The decision log. An entry is durable when `append` returns; else it raises."""

    def append(self, kind: str, body: dict[str, Any], *, now: int) -> object: ...


class Attestations(Protocol):
    """Where the account's attestation comes from."""

    def current(self, account: Account, now: int) -> SignedAttestation | None:
        """Today's attestation, renewed silently if it may be; None when there is none."""


@dataclass(frozen=True, slots=True)
class Ownership:
    """What is known of an account's owners and places. `digest`: SHA-256 hex of the record."""

    share: ListedShare | None
    gap: str
    regions: frozenset[Region]
    digest: str | None


NOT_FOLLOWED: Final = Ownership(None, "owners are not followed here", frozenset(), None)
"""Where there is no database of cases, as in middleware that decides on its own."""

ContractWallet = Callable[[Account, bytes, bytes], Verdict]
"""(contract account, digest, signature) → whether the contract accepts it, asked on its chain."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one gate, in the unit each name states."""

    body_bytes: int = 256 * 1024
    """Body of a decided or signed request."""
    answer_bytes: int = 256 * 1024
    """Answer to a decided request, stored whole for repeats."""
    list_bytes: int = 4 * 1024 * 1024
    """Answer to a listing that is filtered."""
    poll_s: float = 1.0
    """A revocation is noticed after this at most (DESIGN 8 asks for 5)."""
    memory_s: int = 60
    """How long something once read is remembered at most."""
    memory_entries: int = 10_000
    reuse_s: int = 20
    """How long a read that was let through is let through again unasked, and how old an assertion
    about it may be: well below the assertion's life."""
    proof_age_s: int = 60
    """Oldest signed request."""
    repeat_window_s: int = 600
    """An identical request without Idempotency-Key joins an unfinished one this long."""
    join_wait_s: float = 10.0
    """How long a repeat waits for the first one's answer."""
    joiners: int = 8
    """Repeats waiting at the same time; one more is told to come back."""
    upstream_s: int = 120
    """After this a forwarded job without an answer counts as unknown: its process died."""


class Asserter(Protocol):
    """Tells the upstream, signed, what passed the gate and whose it is. Touches only memory."""

    def say(
        self, method: str, target: bytes, body: bytes | None, identity: Identity, *, now: int
    ) -> str:
        """The value of `Kycgate-Assertion`; `body` is the digest, None where it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateParts:
    """Everything a gate is made of. Nothing has a default that would lessen a check."""

    adapter: Adapter
    store: GateStore
    log: Log
    attestations: Attestations
    trust: Callable[[], TrustList]
    """Today's trust list; raises Unavailable when there is none in force."""
    policy: Callable[[], Policy]
    lists: Callable[[], tuple[ListVersion, ...]]
    """Versions and ages of the screening lists behind today's attestations."""
    classify: Callable[[str], GpuClass]
    """GPU model → control class; "" and unknown names are unknown, hence controlled."""
    ownership: Callable[[Account, int], Ownership]
    """(account, now) → what its case says of owners and regions; NOT_FOLLOWED without cases."""
    network: Network
    """Where a caller's address is, by the operator's own database; NoNetwork without one."""
    permit_for: Callable[[Allow, bytes, int], bytes | None]
    """(allow, job id, now) → permit on the wire; None where no settlement is configured."""
    upstream_key: Callable[[str], str | None]
    """Account key → that account's own upstream credential, or None."""
    own_keys: Callable[[], bool]
    """Whether any account has one: where nobody does, nobody's needs to be looked for."""
    shared_upstream_key: str | None
    """For accounts without their own; ownership of deployments is then ours to enforce."""
    asserter: Asserter | None
    """None: what the upstream is told is not signed."""
    jwks: bytes
    """`/.well-known/kycgate/jwks.json`: the asserter's public keys."""
    contract_wallet: ContractWallet | None
    """None: contract wallets can't prove themselves here (their proof stays undecided)."""
    authorities: frozenset[str]
    """host[:port] texts this gate answers to, lower case: what a signed request may name."""
    public_url: str
    """Origin of the control plane, no trailing slash: where refusals point."""
    configuration: dict[str, Any]
    """`/.well-known/kycgate/configuration`: public url, issuer, chain, escrow, version."""
    clock: Callable[[], int]
    """Unix seconds UTC, for what happens after a request was read (upstream's answer)."""
    monotonic: Callable[[], float]
    pause: Callable[[float], None]
    draw: Callable[[int], bytes]
    """n bytes of cryptographic randomness."""
    limits: Limits = field(default_factory=Limits)
    rates: Rates = field(default_factory=Rates)
