"""What the product remembers, and the promises every store keeps; the records stand in `records`.

Holds no rules: who may read or change a record is decided above. Personal data arrives sealed.

Promises of every method: a lost or broken database is `Unavailable` (never an empty answer); a
method that says "atomic" is one transaction; times are Unix seconds UTC given by the caller; a
write has reached the disk when the method returns. Adding what is there already is `Conflict`,
changing what is not there is `NotFound`, unless the method says otherwise. Many threads and several
processes may share one store; a process may fork while it holds one.

Accounts are strings (`claims.Account.key`): `0x…` lower case for a key-pair account, which counts
on every chain, and `eip155:<chain>:0x…` for a contract account, which counts only there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

from kycgate.store.records.attesting import IssuedAttestation, Revocations, Standing
from kycgate.store.records.cases import (
    Case,
    CaseEvent,
    Clearance,
    Hold,
    KeptProof,
    SealedBlob,
    SealedEvidence,
    Subject,
)
from kycgate.store.records.jobs import Begun, DecisionFacts, Job, Refusal
from kycgate.store.records.log import LogEntry
from kycgate.store.records.settling import OutboxItem, RentalState, SentTransaction
from kycgate.store.records.signin import Handoff, Key, Session, UserLink
from kycgate.store.records.visits import Presentation, ProviderEvent, Verification


class Store(Protocol):
    """Everything the product remembers. See the module's promises."""

    # -- life ------------------------------------------------------------------------------------
    def ping(self) -> None: ...
    def close(self) -> None: ...
    def version(self) -> int:
        """Rises with each revocation, key revocation, new attestation, case decision or change
        of an account's upstream key. Cheap."""

    @property
    def brief_reads(self) -> bool:
        """Whether a read of one row takes microseconds and waits for nobody, as in a local file:
        then it may be made on an event loop."""

    # -- nonces ----------------------------------------------------------------------------------
    def add_nonce(self, nonce: str, *, purpose: str, binding: bytes, expires_at: int) -> None: ...
    def spend_nonce(self, nonce: str, *, purpose: str, binding: bytes, now: int) -> bool:
        """Atomic. True exactly once, before expiry, for the purpose and binding it came with."""

    def claim_nonce(self, scope: str, nonce: str, *, expires_at: int, now: int) -> bool:
        """Atomic. True the first time this caller-chosen nonce is seen in the scope."""

    def sweep(self, *, now: int) -> int:
        """Forget nonces, claims, sessions, hand-offs, user codes and links an hour past their end,
        and presentations past theirs; returns how many.

        Strangers ask for nonces: without a sweep every few minutes they fill the disk.
        """

    # -- sessions --------------------------------------------------------------------------------
    def add_session(self, session: Session) -> None: ...
    def session(self, token_hash: bytes, *, now: int) -> Session | None:
        """None as well once it has expired."""

    def end_session(self, token_hash: bytes) -> None:
        """Ends it if it is there."""

    # -- hand-offs -------------------------------------------------------------------------------
    def add_handoff(self, handoff: Handoff) -> None:
        """Atomic. Takes the place of the account's hand-offs that nobody has claimed."""

    def handoff(self, handoff_id: str) -> Handoff | None: ...
    def open_handoff(self, code_hash: bytes, *, now: int) -> Handoff | None:
        """The hand-off whose code can still be claimed, noted as opened; None for any other."""

    def claim_handoff(self, code_hash: bytes, session: Session, *, now: int) -> Handoff | None:
        """Atomic. Claims the code and begins the phone's session, once and before expiry, and only
        for the account of the session; else None and nothing has changed.
        """

    def end_handoffs(self, account: str, *, only: str | None = None) -> int:
        """Atomic. Forget the account's hand-offs (or the one with this id) and end the sessions
        they began; returns how many.
        """

    # -- accounts --------------------------------------------------------------------------------
    def note_wallet_proof(self, account: str, *, at: int) -> None:
        """Remember that the account signed in person (not by key or session) at this moment.

        The latest moment stands, whatever the order of arrival.
        """

    def wallet_proof_at(self, account: str) -> int | None: ...
    def set_upstream_key(self, account: str, sealed: bytes | None) -> None: ...
    def upstream_key(self, account: str) -> bytes | None: ...
    def any_upstream_key(self) -> bool:
        """Whether any account has one."""

    # -- subjects, cases, evidence ---------------------------------------------------------------
    def add_subject(self, subject: Subject) -> None: ...
    def subject(self, subject_id: str) -> Subject | None: ...
    def subject_of(self, account: str) -> Subject | None: ...
    def link_account(self, account: str, subject_id: str, *, at: int) -> None:
        """Atomic. Conflict when the account belongs to another subject; again is no change."""

    def accounts_of(self, subject_id: str) -> list[str]: ...
    def rewrap_subject_key(self, subject_id: str, wrapped_key: bytes) -> None: ...
    def add_case(self, case: Case, event: CaseEvent) -> None:
        """Conflict as well while another case of the subject is open or approved."""

    def case(self, case_id: str) -> Case | None: ...
    def cases(
        self, *, account: str | None = None, state: str | None = None, limit: int = 100
    ) -> list[Case]:
        """Newest first."""

    def move_case(self, case: Case, *, from_state: str, event: CaseEvent) -> None:
        """Atomic. Writes the case and its event if it still is in from_state, else Conflict."""

    def cases_changed(
        self, *, since: int, after: tuple[int, str] = (-1, ""), limit: int = 1000
    ) -> list[Case]:
        """Those whose `updated_at` is `since` or later, above the (updated_at, id) `after`.

        In that order, so that the last one's pair continues the reading.
        """

    def case_events(self, case_id: str) -> list[CaseEvent]: ...
    def add_evidence(self, evidence: SealedEvidence) -> None: ...
    def evidence_of(self, case_id: str) -> list[SealedEvidence]: ...
    def add_clearance(self, clearance: Clearance) -> None:
        """Again is no change: the first decision stands."""

    def clearances_of(self, subject_id: str) -> frozenset[bytes]:
        """The keys of what reviewers have found to be somebody else."""

    # -- keeping and forgetting ------------------------------------------------------------------
    def subjects_after(self, after: str, *, limit: int) -> list[Subject]:
        """In the order of their ids, those above `after`."""

    def restrict_subject(self, subject_id: str, until: int) -> None:
        """NotFound when it is not there. A later moment takes the place of an earlier one."""

    def unlink_accounts(self, subject_id: str) -> None:
        """The accounts are nobody's again."""

    def add_blob(self, blob: SealedBlob) -> None: ...
    def blob(self, blob_id: str) -> SealedBlob | None: ...
    def blobs_of(self, case_id: str) -> list[SealedBlob]:
        """In the order they were added, without what is sealed."""

    def drop_blobs(self, subject_id: str) -> None: ...
    def add_hold(self, hold: Hold) -> None: ...
    def holds_of(self, subject_id: str) -> list[Hold]:
        """Released ones too, in the order they were placed."""

    def release_hold(self, hold_id: str, *, at: int) -> None:
        """NotFound when it is not there; again is no change."""

    # -- owners ----------------------------------------------------------------------------------
    def put_standing(self, standing: Standing) -> None:
        """Atomic. In the place of what was known of the case; another body raises the version."""

    def standing(self, case_id: str) -> Standing | None: ...
    def drop_standing(self, case_id: str) -> None:
        """Forget it, when the case's subject is erased; again is no change."""

    def add_facts(self, facts: DecisionFacts) -> None: ...
    def facts(self, decision_id: str) -> DecisionFacts | None: ...
    def drop_facts(self, *, before: int) -> int:
        """Forget those of decisions before that moment; returns how many."""

    # -- proofs of identity ----------------------------------------------------------------------
    def add_proof(self, proof: KeptProof) -> None: ...
    def proof(self, source: str, reference: str) -> KeptProof | None: ...
    def proofs_of(self, case_id: str) -> list[KeptProof]:
        """In the order they were kept."""

    def proofs_of_document(self, document: bytes) -> list[KeptProof]:
        """Whoever's, in the order they were kept."""

    def withdraw_proof(self, source: str, reference: str, *, at: int, code: str) -> None:
        """NotFound when it is not there; again is no change: the first moment and code stand."""

    def forget_documents(self, subject_id: str) -> None:
        """Drop the digests of the subject's documents."""

    # -- attestations and revocation -------------------------------------------------------------
    def add_attestation(self, attestation: IssuedAttestation) -> None: ...
    def current_attestation(self, account: str, *, now: int) -> IssuedAttestation | None:
        """The newest unexpired one, revoked or not: the caller checks the revocations."""

    def epoch(self, account: str) -> int:
        """0 until the account is first revoked."""

    def revoke_account(self, account: str, *, at: int, reason: str) -> int:
        """Atomic. Voids every attestation of this account up to now; returns the new epoch."""

    def revoke_attestation(
        self, issuer: str, domain: bytes, uid: bytes, *, at: int, reason: str
    ) -> None:
        """Whether we hold it or not. Again is no change: the first moment and reason stand."""

    def revoke_issuer(self, issuer: str, *, at: int, reason: str) -> None:
        """Again is no change."""

    def revocations(self, *, now: int) -> Revocations: ...

    # -- gate API keys ---------------------------------------------------------------------------
    def add_key(self, key: Key) -> None: ...
    def key_by_hash(self, secret_hash: bytes) -> Key | None:
        """Asked by every caller's first request: a file that went away may be noticed a tenth of
        a second later than elsewhere."""

    def keys_of(self, account: str) -> list[Key]: ...
    def revoke_key(self, account: str, key_id: str, *, at: int) -> bool:
        """True if it was this account's and not revoked before."""

    def touch_keys(self, used: Mapping[str, int]) -> None:
        """Remember when each key id was used, to the minute: people read it. One transaction."""

    # -- users of schedulers ---------------------------------------------------------------------
    def add_user_code(self, link: UserLink) -> None: ...
    def claim_user_code(
        self, code_hash: bytes, *, scheduler: str, user: str, expires_at: int, now: int
    ) -> UserLink | None:
        """Atomic. Links the user to the code's account, once, before the code expires; else None.

        Whatever the user was linked to before has ended: showing a code proves who the user is now.
        """

    def linked_user(self, scheduler: str, user: str, *, now: int) -> UserLink | None:
        """None as well once the link has expired."""

    def user_links_of(self, account: str) -> list[UserLink]:
        """Links and codes, ended or not, newest first: a link for 90 days after its end, so that
        what its user started is found. `sweep` forgets what is older."""

    def end_user_link(self, account: str, link_id: str, *, at: int) -> bool:
        """True if it was this account's and had not ended. A code nobody showed is gone at once."""

    def forget_user_links(self, account: str) -> int:
        """Delete every link and code of the account."""

    # -- jobs ------------------------------------------------------------------------------------
    def begin_job(self, job: Job, *, repeat_window_s: int) -> Begun:
        """Atomic. One decision starts at most one job.

        With an Idempotency-Key: the account's job of that key if there is one (whatever its state).
        Without: the account's job of the same fingerprint that has no final answer yet (state
        decided, forwarded or unknown) and is younger than the window. Else stores `job`, fresh.
        """

    def mark_forwarded(self, job_id: bytes, *, at: int) -> None:
        """Before the request leaves. Conflict when the job has its final answer."""

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
    ) -> None:
        """An unknown outcome may still become an answer. Conflict when there is one already.

        A deployment or permit recorded before stays unless given anew.
        """

    def reopen_unpaid(self, job_id: bytes, *, at: int) -> bool:
        """Atomic. True for the one caller that may forward again a job answered 402.

        Nothing was started for it: the marketplace asks to be paid first.
        """

    def job(self, job_id: bytes) -> Job | None: ...
    def jobs_of(self, account: str, *, limit: int = 100) -> list[Job]: ...
    def set_permit(self, job_id: bytes, permit: bytes) -> None: ...
    def own_deployment(self, deployment: str, account: str, job_id: bytes, *, at: int) -> None:
        """Atomic. Conflict when another account owns it; again is no change."""

    def deployment_owner(self, deployment: str) -> str | None:
        """Who rented it, closed or not."""

    def deployments_of(self, account: str) -> list[str]:
        """Those not closed, oldest first."""

    def close_deployment(self, deployment: str, *, at: int) -> None:
        """Closes it if it is known and open."""

    # -- refusals --------------------------------------------------------------------------------
    def add_refusal(self, refusal: Refusal) -> None: ...
    def refusal(self, refusal_id: str) -> Refusal | None: ...

    # -- decision log ----------------------------------------------------------------------------
    def append_log(self, build: Callable[[int, bytes], LogEntry]) -> LogEntry:
        """Atomic. Calls build(next seq, previous hash) under the log's lock and stores the result.

        `build` may read this store, in the same thread, and must not write to it. If it raises,
        nothing is stored.
        """

    def log_entries(self, *, after: int = 0, limit: int = 1000) -> list[LogEntry]:
        """In the order of seq, those above `after`."""

    def log_head(self) -> LogEntry | None: ...

    # -- settlement ------------------------------------------------------------------------------
    def add_sent(self, sent: SentTransaction) -> None:
        """Conflict when the number and attempt are taken: another process sends with this key."""

    def sent(self, chain_id: int, sender: str) -> list[SentTransaction]:
        """Those not forgotten, by nonce and attempt."""

    def forget_sent(self, chain_id: int, sender: str, nonce: int) -> None:
        """Every attempt with this number; again is no change."""

    def put_rentals(self, rentals: Sequence[RentalState]) -> None:
        """Atomic. Each takes the place of what was known of that job in that escrow."""

    def rental_state(self, job: bytes) -> RentalState | None:
        """What is known of a job's money; of several escrows, where it started last."""

    def rentals_after(self, chain_id: int, escrow: str, block: int) -> list[RentalState]:
        """Those of this escrow read above that block."""

    # -- presentations of credentials ------------------------------------------------------------
    def add_presentation(self, presentation: Presentation) -> None: ...
    def presentation(self, presentation_id: str) -> Presentation | None: ...
    def presentations_of(self, account: str, *, limit: int = 100) -> list[Presentation]:
        """Newest first."""

    def presentations_waiting(self, account: str, *, now: int) -> int:
        """How many of the account's wait for an answer and have not expired."""

    def move_presentation(self, presentation: Presentation, *, from_state: str) -> None:
        """Atomic. Writes it if it still is in from_state, else Conflict: an answer counts once."""

    def presentations_proving(self, *, before: int, limit: int = 100) -> list[Presentation]:
        """Those answered in full before this moment whose outcome is open, oldest first."""

    def presentations_to_check(self, *, before: int, limit: int = 100) -> list[Presentation]:
        """Accepted ones with a status last asked before this moment, longest unasked first."""

    def forget_presentations(self, account: str) -> int:
        """All of the account's, whatever their state; returns how many."""

    # -- hosted identity providers ---------------------------------------------------------------
    def begin_verification(
        self, verification: Verification, *, since: int, most: int, most_of_all: int
    ) -> Verification | None:
        """Atomic. The account's one that has not ended with this provider, else stores this one.

        None when the account has begun `most` since then with any provider, or all accounts
        together `most_of_all` with this one.
        """

    def verification(self, verification_id: str) -> Verification | None: ...
    def verification_by_reference(self, provider: str, reference: str) -> Verification | None: ...
    def due_verifications(self, *, now: int, limit: int = 100) -> list[Verification]:
        """Those whose `poll_at` has come and whom nobody works on, longest due first."""

    def claim_verification(self, verification_id: str, *, until: int, now: int) -> bool:
        """Atomic. True for the one caller that may work on it until then, or until it is put."""

    def put_verification(self, verification: Verification) -> None:
        """Takes the place of what was known of it. NotFound once it was forgotten, too."""

    def forget_verifications(self, account: str) -> int:
        """Forget whose they were, and which at the provider; returns how many.

        What is left is about nobody, has ended, and counts towards `most_of_all`.
        """

    def take_provider_event(
        self, event: ProviderEvent, *, kind: str, payload: dict[str, Any], due_at: int
    ) -> bool:
        """Atomic. Remembers the event and puts the work into the outbox.

        False, and no work, when this event with this digest was taken before.
        """

    def forget_provider_events(self, *, before: int) -> int:
        """Forget those received before; returns how many."""

    # -- outbox and settings ---------------------------------------------------------------------
    def enqueue(self, kind: str, payload: dict[str, Any], *, due_at: int) -> int: ...
    def due(self, kind: str, *, now: int, limit: int = 100) -> list[OutboxItem]:
        """Oldest first. Two workers may be handed the same item: the work is done at least once."""

    def done(self, item_id: int) -> None:
        """Forget the item; again is no change."""

    def retry(self, item_id: int, *, due_at: int) -> None:
        """Later, with one more attempt counted."""

    def setting(self, name: str) -> str | None: ...
    def set_setting(self, name: str, value: str) -> None: ...
    def keep_setting(self, name: str, value: str) -> str:
        """Atomic. Sets it unless it is there; returns what stands."""
