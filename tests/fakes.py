"""A whole world in memory behind the product's own ports, for tests and for learning the product.

`MemoryStore` implements `kycgate.store.base.Store` with the same promises as the real ones, and
forgets everything when it goes. What the product would ask a database, it asks this:

    store = MemoryStore()
    store.add_key(Key(id="k1", secret_hash=sha256(b"kg_...").digest(), account="0xab...", ...))
    store.key_by_hash(sha256(b"kg_...").digest()).account         # "0xab..."

    begun = store.begin_job(job, repeat_window_s=600)             # begun.fresh: you may forward
    store.begin_job(job, repeat_window_s=600).fresh               # False: somebody else already may

A database that is lost is one line, and every method then raises `Unavailable`, as it would:

    store.lose()
    store.restore()

Nothing here is patched in: a test hands these to the code under test where the assembly would hand
it the real thing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from kycgate.audit.entry import canonical_body
from kycgate.errors import Code, Conflict, NotFound, Unavailable
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
from kycgate.store.records.signin import LINK_KEPT_S, Handoff, Key, Session, UserLink
from kycgate.store.records.visits import Presentation, ProviderEvent, Verification

_NONCE_GRACE_S = 3600
_LOG_GENESIS = bytes(32)
_OPEN = ("draft", "submitted", "needs", "review", "approved")


class MemoryStore:
    """`kycgate.store.base.Store` in dictionaries. One lock makes every method atomic."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._lost = False
        self._version = 1
        self._nonces: dict[tuple[str, str, bytes], int] = {}
        self._claims: dict[tuple[str, str], int] = {}
        self._sessions: dict[bytes, Session] = {}
        self._user_links: dict[str, UserLink] = {}
        self._handoffs: dict[str, Handoff] = {}
        self._proofs: dict[str, int] = {}
        self._upstream: dict[str, bytes] = {}
        self._subjects: dict[str, Subject] = {}
        self._links: dict[str, tuple[str, int]] = {}
        self._cases: dict[str, Case] = {}
        self._events: list[CaseEvent] = []
        self._evidence: dict[str, SealedEvidence] = {}
        self._clearances: dict[tuple[str, bytes], Clearance] = {}
        self._standings: dict[str, Standing] = {}
        self._facts: dict[str, DecisionFacts] = {}
        self._identity_proofs: dict[tuple[str, str], KeptProof] = {}
        self._blobs: dict[str, SealedBlob] = {}
        self._holds: dict[str, Hold] = {}
        self._attestations: list[IssuedAttestation] = []
        self._revoked_issuers: set[str] = set()
        self._revoked: set[tuple[str, bytes, bytes]] = set()
        self._epochs: dict[str, int] = {}
        self._keys: dict[str, Key] = {}
        self._jobs: dict[bytes, Job] = {}
        self._deployments: dict[str, tuple[str, bytes, int, int | None]] = {}
        self._refusals: dict[str, Refusal] = {}
        self._sent: dict[tuple[int, str, int, int], SentTransaction] = {}
        self._rentals: dict[tuple[int, str, bytes], RentalState] = {}
        self._log: list[LogEntry] = []
        self._outbox: dict[int, OutboxItem] = {}
        self._outbox_count = 0
        self._settings: dict[str, str] = {}
        self._presentations: dict[str, Presentation] = {}
        self._verifications: dict[str, Verification] = {}
        self._provider_events: dict[tuple[str, str], ProviderEvent] = {}

    # -- the world may break ---------------------------------------------------------------------

    def lose(self) -> None:
        """From now on the database does not answer."""
        self._lost = True

    def restore(self) -> None:
        """The database is back, with everything it held."""
        self._lost = False

    def _open(self) -> threading.RLock:
        if self._lost:
            raise Unavailable("the database does not answer")
        return self._lock

    # -- life ------------------------------------------------------------------------------------

    def ping(self) -> None:
        with self._open():
            pass

    brief_reads = False
    """As a database across the network: whatever must not wait, must not ask."""

    def close(self) -> None:
        self._lost = True

    def version(self) -> int:
        with self._open():
            return self._version

    # -- nonces ----------------------------------------------------------------------------------

    def add_nonce(self, nonce: str, *, purpose: str, binding: bytes, expires_at: int) -> None:
        with self._open():
            if any(known == nonce for known, _, _ in self._nonces):
                raise Conflict("that nonce was drawn before")
            self._nonces[nonce, purpose, binding] = expires_at

    def spend_nonce(self, nonce: str, *, purpose: str, binding: bytes, now: int) -> bool:
        with self._open():
            expires_at = self._nonces.get((nonce, purpose, binding))
            if expires_at is None or expires_at <= now:
                return False
            del self._nonces[nonce, purpose, binding]
            return True

    def claim_nonce(self, scope: str, nonce: str, *, expires_at: int, now: int) -> bool:
        with self._open():
            if (scope, nonce) in self._claims:
                return False
            self._claims[scope, nonce] = expires_at
            return True

    def sweep(self, *, now: int) -> int:
        with self._open():
            kept = (self._nonces, self._claims, self._sessions, self._handoffs)
            before = sum(len(each) for each in kept) + len(self._user_links)
            old = now - _NONCE_GRACE_S
            self._user_links = {
                key: link
                for key, link in self._user_links.items()
                if (
                    link.code_expires_at >= old
                    if link.linked_at is None
                    else link.expires_at >= now - LINK_KEPT_S
                )
            }
            self._nonces = {key: end for key, end in self._nonces.items() if end >= old}
            self._claims = {key: end for key, end in self._claims.items() if end >= old}
            self._sessions = {k: s for k, s in self._sessions.items() if s.expires_at >= old}
            before -= len(self._user_links)
            self._handoffs = {k: h for k, h in self._handoffs.items() if h.expires_at >= old}
            asked = self._presentations
            self._presentations = {k: p for k, p in asked.items() if p.keep_until >= now}
            kept = (self._nonces, self._claims, self._sessions, self._handoffs)
            left = sum(len(each) for each in kept)
            return before - left + len(asked) - len(self._presentations)

    # -- sessions --------------------------------------------------------------------------------

    def add_session(self, session: Session) -> None:
        with self._open():
            if session.token_hash in self._sessions:
                raise Conflict("that session exists")
            self._sessions[session.token_hash] = session

    def session(self, token_hash: bytes, *, now: int) -> Session | None:
        with self._open():
            session = self._sessions.get(token_hash)
            return session if session is not None and session.expires_at > now else None

    def end_session(self, token_hash: bytes) -> None:
        with self._open():
            self._sessions.pop(token_hash, None)

    # -- hand-offs -------------------------------------------------------------------------------

    def add_handoff(self, handoff: Handoff) -> None:
        with self._open():
            others = {
                each.id: each
                for each in self._handoffs.values()
                if each.account != handoff.account or each.claimed_at is not None
            }
            if any(
                each.id == handoff.id or each.code_hash == handoff.code_hash
                for each in others.values()
            ):
                raise Conflict("that hand-off exists")
            self._handoffs = others | {handoff.id: handoff}

    def handoff(self, handoff_id: str) -> Handoff | None:
        with self._open():
            return self._handoffs.get(handoff_id)

    def open_handoff(self, code_hash: bytes, *, now: int) -> Handoff | None:
        with self._open():
            found = self._claimable(code_hash, now)
            if found is not None and found.opened_at is None:
                found = self._handoffs[found.id] = replace(found, opened_at=now)
            return found

    def claim_handoff(self, code_hash: bytes, session: Session, *, now: int) -> Handoff | None:
        with self._open():
            found = self._claimable(code_hash, now)
            if found is None or found.account != session.account:
                return None
            self.add_session(session)
            found = self._handoffs[found.id] = replace(
                found,
                claimed_at=now,
                session_hash=session.token_hash,
                expires_at=session.expires_at,
            )
            return found

    def _claimable(self, code_hash: bytes, now: int) -> Handoff | None:
        found = (each for each in self._handoffs.values() if each.code_hash == code_hash)
        return next((h for h in found if h.claimed_at is None and h.expires_at > now), None)

    def end_handoffs(self, account: str, *, only: str | None = None) -> int:
        with self._open():
            mine = [
                each
                for each in self._handoffs.values()
                if each.account == account and only in (None, each.id)
            ]
            for each in mine:
                del self._handoffs[each.id]
                if each.session_hash is not None:
                    self._sessions.pop(each.session_hash, None)
            return len(mine)

    # -- accounts --------------------------------------------------------------------------------

    def note_wallet_proof(self, account: str, *, at: int) -> None:
        with self._open():
            self._proofs[account] = max(at, self._proofs.get(account, at))

    def wallet_proof_at(self, account: str) -> int | None:
        with self._open():
            return self._proofs.get(account)

    def set_upstream_key(self, account: str, sealed: bytes | None) -> None:
        with self._open():
            self._version += 1
            if sealed is None:
                self._upstream.pop(account, None)
            else:
                self._upstream[account] = sealed

    def any_upstream_key(self) -> bool:
        with self._open():
            return bool(self._upstream)

    def upstream_key(self, account: str) -> bytes | None:
        with self._open():
            return self._upstream.get(account)

    # -- subjects, cases, evidence ---------------------------------------------------------------

    def add_subject(self, subject: Subject) -> None:
        with self._open():
            held = self._subjects.values()
            if any(subject.id == s.id or subject.pseudonym == s.pseudonym for s in held):
                raise Conflict("that subject exists")
            self._subjects[subject.id] = subject

    def subject(self, subject_id: str) -> Subject | None:
        with self._open():
            return self._subjects.get(subject_id)

    def subject_of(self, account: str) -> Subject | None:
        with self._open():
            link = self._links.get(account)
            return None if link is None else self._subjects.get(link[0])

    def link_account(self, account: str, subject_id: str, *, at: int) -> None:
        with self._open():
            if subject_id not in self._subjects:
                raise Conflict("there is no such subject")
            if self._links.setdefault(account, (subject_id, at))[0] != subject_id:
                raise Conflict("the account belongs to another subject")

    def accounts_of(self, subject_id: str) -> list[str]:
        with self._open():
            linked = [
                (at, account) for account, (held, at) in self._links.items() if held == subject_id
            ]
            return [account for _, account in sorted(linked)]

    def rewrap_subject_key(self, subject_id: str, wrapped_key: bytes) -> None:
        with self._open():
            if subject_id not in self._subjects:
                raise NotFound("no such subject")
            self._subjects[subject_id] = replace(
                self._subjects[subject_id], wrapped_key=wrapped_key
            )

    def add_case(self, case: Case, event: CaseEvent) -> None:
        with self._open():
            if case.id in self._cases or case.subject_id not in self._subjects:
                raise Conflict("that case exists, or is about nobody")
            open_cases = [c for c in self._cases.values() if c.state in _OPEN]
            if case.state in _OPEN and case.subject_id in {c.subject_id for c in open_cases}:
                raise Conflict("the subject has an open case")
            self._cases[case.id] = case
            self._events.append(event)

    def case(self, case_id: str) -> Case | None:
        with self._open():
            return self._cases.get(case_id)

    def cases(
        self, *, account: str | None = None, state: str | None = None, limit: int = 100
    ) -> list[Case]:
        with self._open():
            found = [
                case
                for case in self._cases.values()
                if account in (None, case.account) and state in (None, case.state)
            ]
            return sorted(found, key=lambda case: (-case.opened_at, case.id))[:limit]

    def cases_changed(
        self, *, since: int, after: tuple[int, str] = (-1, ""), limit: int = 1000
    ) -> list[Case]:
        with self._open():
            found = [
                case
                for case in self._cases.values()
                if case.updated_at >= since and (case.updated_at, case.id) > after
            ]
            return sorted(found, key=lambda case: (case.updated_at, case.id))[:limit]

    def move_case(self, case: Case, *, from_state: str, event: CaseEvent) -> None:
        with self._open():
            held = self._cases.get(case.id)
            if held is None or held.state != from_state:
                raise Conflict(f"the case is no longer in state {from_state}")
            self._cases[case.id] = case
            self._events.append(event)
            self._version += 1

    def case_events(self, case_id: str) -> list[CaseEvent]:
        with self._open():
            return [event for event in self._events if event.case_id == case_id]

    def add_evidence(self, evidence: SealedEvidence) -> None:
        with self._open():
            if evidence.id in self._evidence:
                raise Conflict("that evidence exists")
            self._evidence[evidence.id] = evidence

    def evidence_of(self, case_id: str) -> list[SealedEvidence]:
        with self._open():
            found = [held for held in self._evidence.values() if held.case_id == case_id]
            return sorted(found, key=lambda held: (held.created_at, held.id))

    def add_clearance(self, clearance: Clearance) -> None:
        with self._open():
            if clearance.subject_id not in self._subjects:
                raise Conflict("no such subject")
            self._clearances.setdefault((clearance.subject_id, clearance.key), clearance)

    def clearances_of(self, subject_id: str) -> frozenset[bytes]:
        with self._open():
            return frozenset(key for subject, key in self._clearances if subject == subject_id)

    # -- keeping and forgetting ------------------------------------------------------------------

    def subjects_after(self, after: str, *, limit: int) -> list[Subject]:
        with self._open():
            return [self._subjects[key] for key in sorted(self._subjects) if key > after][:limit]

    def restrict_subject(self, subject_id: str, until: int) -> None:
        with self._open():
            if subject_id not in self._subjects:
                raise NotFound("no such subject")
            held = self._subjects[subject_id]
            self._subjects[subject_id] = replace(held, restricted_until=until)

    def unlink_accounts(self, subject_id: str) -> None:
        with self._open():
            self._links = {key: each for key, each in self._links.items() if each[0] != subject_id}

    def add_blob(self, blob: SealedBlob) -> None:
        with self._open():
            if blob.id in self._blobs or blob.case_id not in self._cases:
                raise Conflict("that image exists, or is of no case")
            self._blobs[blob.id] = blob

    def blob(self, blob_id: str) -> SealedBlob | None:
        with self._open():
            return self._blobs.get(blob_id)

    def blobs_of(self, case_id: str) -> list[SealedBlob]:
        with self._open():
            found = [replace(b, sealed=b"") for b in self._blobs.values() if b.case_id == case_id]
            return sorted(found, key=lambda blob: (blob.created_at, blob.id))

    def drop_blobs(self, subject_id: str) -> None:
        with self._open():
            kept = {key: b for key, b in self._blobs.items() if b.subject_id != subject_id}
            self._blobs = kept

    def add_hold(self, hold: Hold) -> None:
        with self._open():
            if hold.id in self._holds or hold.subject_id not in self._subjects:
                raise Conflict("that hold exists, or is of nobody")
            self._holds[hold.id] = hold

    def holds_of(self, subject_id: str) -> list[Hold]:
        with self._open():
            found = [hold for hold in self._holds.values() if hold.subject_id == subject_id]
            return sorted(found, key=lambda hold: (hold.placed_at, hold.id))

    def release_hold(self, hold_id: str, *, at: int) -> None:
        with self._open():
            if hold_id not in self._holds:
                raise NotFound("no such hold")
            if self._holds[hold_id].released_at is None:
                self._holds[hold_id] = replace(self._holds[hold_id], released_at=at)

    # -- owners ----------------------------------------------------------------------------------

    def put_standing(self, standing: Standing) -> None:
        with self._open():
            if standing.case_id not in self._cases:
                raise Conflict("no such case")
            before = self._standings.get(standing.case_id)
            self._standings[standing.case_id] = standing
            if before is None or before.body != standing.body:
                self._version += 1

    def standing(self, case_id: str) -> Standing | None:
        with self._open():
            return self._standings.get(case_id)

    def drop_standing(self, case_id: str) -> None:
        with self._open():
            if self._standings.pop(case_id, None) is not None:
                self._version += 1

    def add_facts(self, facts: DecisionFacts) -> None:
        with self._open():
            if facts.decision_id in self._facts:
                raise Conflict("the decision is there")
            self._facts[facts.decision_id] = facts

    def facts(self, decision_id: str) -> DecisionFacts | None:
        with self._open():
            return self._facts.get(decision_id)

    def drop_facts(self, *, before: int) -> int:
        with self._open():
            gone = [each.decision_id for each in self._facts.values() if each.at < before]
            for decision_id in gone:
                del self._facts[decision_id]
            return len(gone)

    # -- proofs of identity ----------------------------------------------------------------------

    def add_proof(self, proof: KeptProof) -> None:
        with self._open():
            if (proof.source, proof.reference) in self._identity_proofs:
                raise Conflict("that proof was taken before")
            self._identity_proofs[proof.source, proof.reference] = proof

    def proof(self, source: str, reference: str) -> KeptProof | None:
        with self._open():
            return self._identity_proofs.get((source, reference))

    def proofs_of(self, case_id: str) -> list[KeptProof]:
        return self._proofs_where(lambda proof: proof.case_id == case_id)

    def proofs_of_document(self, document: bytes) -> list[KeptProof]:
        return self._proofs_where(lambda proof: proof.document == document)

    def _proofs_where(self, wanted: Callable[[KeptProof], bool]) -> list[KeptProof]:
        with self._open():
            found = [proof for proof in self._identity_proofs.values() if wanted(proof)]
            return sorted(found, key=lambda each: (each.kept_at, each.source, each.reference))

    def withdraw_proof(self, source: str, reference: str, *, at: int, code: str) -> None:
        with self._open():
            proof = self._identity_proofs.get((source, reference))
            if proof is None:
                raise NotFound("no such proof of identity")
            if proof.withdrawn_at is None:
                proof = replace(proof, withdrawn_at=at, withdrawn_code=code)
                self._identity_proofs[source, reference] = proof

    def forget_documents(self, subject_id: str) -> None:
        with self._open():
            self._identity_proofs = {
                key: replace(proof, document=None) if proof.subject_id == subject_id else proof
                for key, proof in self._identity_proofs.items()
            }

    # -- attestations and revocation -------------------------------------------------------------

    def add_attestation(self, attestation: IssuedAttestation) -> None:
        with self._open():
            named = (attestation.issuer, attestation.domain, attestation.uid)
            if named in {(held.issuer, held.domain, held.uid) for held in self._attestations}:
                raise Conflict("that attestation exists")
            self._attestations.append(attestation)
            self._version += 1

    def current_attestation(self, account: str, *, now: int) -> IssuedAttestation | None:
        with self._open():
            alive = [
                (held.issued_at, number, held)
                for number, held in enumerate(self._attestations)
                if held.account == account and held.expires_at > now
            ]
            return max(alive)[2] if alive else None

    def epoch(self, account: str) -> int:
        with self._open():
            return self._epochs.get(_address(account), 0)

    def revoke_account(self, account: str, *, at: int, reason: str) -> int:
        with self._open():
            address = _address(account)
            self._epochs[address] = self._epochs.get(address, 0) + 1
            self._version += 1
            return self._epochs[address]

    def revoke_attestation(
        self, issuer: str, domain: bytes, uid: bytes, *, at: int, reason: str
    ) -> None:
        with self._open():
            self._revoked.add((issuer, domain, uid))
            self._attestations = [
                replace(held, revoked_at=at)
                if (held.issuer, held.domain, held.uid) == (issuer, domain, uid)
                and held.revoked_at is None
                else held
                for held in self._attestations
            ]
            self._version += 1

    def revoke_issuer(self, issuer: str, *, at: int, reason: str) -> None:
        with self._open():
            self._revoked_issuers.add(issuer)
            self._version += 1

    def revocations(self, *, now: int) -> Revocations:
        with self._open():
            return Revocations(
                version=self._version,
                as_of=now,
                issuers=frozenset(self._revoked_issuers),
                attestations=frozenset(self._revoked),
                epochs=dict(self._epochs),
            )

    # -- gate API keys ---------------------------------------------------------------------------

    def add_key(self, key: Key) -> None:
        with self._open():
            if key.id in self._keys or self.key_by_hash(key.secret_hash) is not None:
                raise Conflict("that key exists")
            self._keys[key.id] = key

    def key_by_hash(self, secret_hash: bytes) -> Key | None:
        with self._open():
            found = (key for key in self._keys.values() if key.secret_hash == secret_hash)
            return next(found, None)

    def keys_of(self, account: str) -> list[Key]:
        with self._open():
            found = [key for key in self._keys.values() if key.account == account]
            return sorted(found, key=lambda key: (-key.created_at, key.id))

    def revoke_key(self, account: str, key_id: str, *, at: int) -> bool:
        with self._open():
            key = self._keys.get(key_id)
            if key is None or key.account != account or key.revoked_at is not None:
                return False
            self._keys[key_id] = replace(key, revoked_at=at)
            self._version += 1
            return True

    def touch_keys(self, used: Mapping[str, int]) -> None:
        with self._open():
            for key_id, at in used.items():
                key = self._keys.get(key_id)
                if key is not None and key.use_is_news(at):
                    self._keys[key_id] = replace(key, last_used_at=at)

    # -- users of schedulers ---------------------------------------------------------------------

    def add_user_code(self, link: UserLink) -> None:
        with self._open():
            held = self._user_links.values()
            if link.id in self._user_links or any(e.code_hash == link.code_hash for e in held):
                raise Conflict("that code exists")
            self._user_links[link.id] = link

    def claim_user_code(
        self, code_hash: bytes, *, scheduler: str, user: str, expires_at: int, now: int
    ) -> UserLink | None:
        with self._open():
            for link in self._user_links.values():
                if link.code_hash != code_hash or link.linked_at is not None:
                    continue
                if link.code_expires_at <= now:
                    return None
                linked = replace(
                    link, scheduler=scheduler, user=user, linked_at=now, expires_at=expires_at
                )
                for earlier in list(self._user_links.values()):
                    same = (earlier.scheduler, earlier.user) == (scheduler, user)
                    if same and earlier.expires_at > now:
                        self._user_links[earlier.id] = replace(earlier, expires_at=now)
                self._user_links[link.id] = linked
                return linked
            return None

    def linked_user(self, scheduler: str, user: str, *, now: int) -> UserLink | None:
        with self._open():
            for link in self._user_links.values():
                same = link.linked_at is not None and (link.scheduler, link.user) == (
                    scheduler,
                    user,
                )
                if same and link.expires_at > now:
                    return link
            return None

    def user_links_of(self, account: str) -> list[UserLink]:
        with self._open():
            found = [link for link in self._user_links.values() if link.account == account]
            return sorted(found, key=lambda link: (-link.created_at, link.id))

    def end_user_link(self, account: str, link_id: str, *, at: int) -> bool:
        with self._open():
            link = self._user_links.get(link_id)
            if link is None or link.account != account:
                return False
            if link.linked_at is None:
                del self._user_links[link_id]
                return True
            if link.expires_at <= at:
                return False
            self._user_links[link_id] = replace(link, expires_at=at)
            return True

    def forget_user_links(self, account: str) -> int:
        with self._open():
            mine = [link.id for link in self._user_links.values() if link.account == account]
            for link_id in mine:
                del self._user_links[link_id]
            return len(mine)

    # -- jobs ------------------------------------------------------------------------------------

    def begin_job(self, job: Job, *, repeat_window_s: int) -> Begun:
        with self._open():
            earlier = self._earlier(job, repeat_window_s)
            if earlier is not None:
                return Begun(earlier, fresh=False)
            if job.id in self._jobs:
                raise Conflict("that job exists")
            self._jobs[job.id] = job
            return Begun(job, fresh=True)

    def _earlier(self, job: Job, repeat_window_s: int) -> Job | None:
        for held in self._jobs.values():
            if held.account != job.account:
                continue
            if job.idempotency_key is not None:
                if held.idempotency_key == job.idempotency_key:
                    return held
            elif (
                held.fingerprint == job.fingerprint
                and held.state != "answered"
                and held.created_at > job.created_at - repeat_window_s
            ):
                return held
        return None

    def mark_forwarded(self, job_id: bytes, *, at: int) -> None:
        with self._open():
            self._jobs[job_id] = replace(self._unanswered(job_id), state="forwarded", updated_at=at)

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
        with self._open():
            job = self._unanswered(job_id)
            self._jobs[job_id] = replace(
                job,
                state=state,
                updated_at=at,
                answer_status=status,
                answer_headers=tuple(headers),
                answer_body=body,
                deployment=job.deployment if deployment is None else deployment,
                permit=job.permit if permit is None else permit,
            )

    def _unanswered(self, job_id: bytes) -> Job:
        job = self._jobs.get(job_id)
        if job is None:
            raise NotFound("no such job")
        if job.state == "answered":
            raise Conflict("the job has its final answer already")
        return job

    def reopen_unpaid(self, job_id: bytes, *, at: int) -> bool:
        with self._open():
            job = self._jobs.get(job_id)
            if job is None or (job.state, job.answer_status) != ("answered", 402):
                return False
            self._jobs[job_id] = replace(job, state="decided", updated_at=at)
            return True

    def job(self, job_id: bytes) -> Job | None:
        with self._open():
            return self._jobs.get(job_id)

    def jobs_of(self, account: str, *, limit: int = 100) -> list[Job]:
        with self._open():
            found = [job for job in self._jobs.values() if job.account == account]
            return sorted(found, key=lambda job: (-job.created_at, job.id))[:limit]

    def set_permit(self, job_id: bytes, permit: bytes) -> None:
        with self._open():
            if job_id not in self._jobs:
                raise NotFound("no such job")
            self._jobs[job_id] = replace(self._jobs[job_id], permit=permit)

    def own_deployment(self, deployment: str, account: str, job_id: bytes, *, at: int) -> None:
        with self._open():
            held = self._deployments.setdefault(deployment, (account, job_id, at, None))
            if held[0] != account:
                raise Conflict("the deployment belongs to another account", code=Code.NOT_OWNER)

    def deployment_owner(self, deployment: str) -> str | None:
        with self._open():
            held = self._deployments.get(deployment)
            return None if held is None else held[0]

    def deployments_of(self, account: str) -> list[str]:
        with self._open():
            found = [
                (held[2], deployment)
                for deployment, held in self._deployments.items()
                if held[0] == account and held[3] is None
            ]
            return [deployment for _, deployment in sorted(found)]

    def close_deployment(self, deployment: str, *, at: int) -> None:
        with self._open():
            held = self._deployments.get(deployment)
            if held is not None and held[3] is None:
                self._deployments[deployment] = (*held[:3], at)

    # -- refusals --------------------------------------------------------------------------------

    def add_refusal(self, refusal: Refusal) -> None:
        with self._open():
            if refusal.id in self._refusals:
                raise Conflict("that refusal exists")
            self._refusals[refusal.id] = refusal

    def refusal(self, refusal_id: str) -> Refusal | None:
        with self._open():
            return self._refusals.get(refusal_id)

    # -- decision log ----------------------------------------------------------------------------

    def append_log(self, build: Callable[[int, bytes], LogEntry]) -> LogEntry:
        with self._open():
            last = self._log[-1] if self._log else None
            seq, previous = (last.seq + 1, last.hash) if last else (1, _LOG_GENESIS)
            entry = build(seq, previous)
            if (entry.seq, entry.prev_hash) != (seq, previous):
                raise ValueError("the entry built does not continue the log")
            self._log.append(entry)
            return entry

    def log_entries(self, *, after: int = 0, limit: int = 1000) -> list[LogEntry]:
        with self._open():
            return [entry for entry in self._log if entry.seq > after][:limit]

    def log_head(self) -> LogEntry | None:
        with self._open():
            return self._log[-1] if self._log else None

    # -- settlement ------------------------------------------------------------------------------

    def add_sent(self, sent: SentTransaction) -> None:
        with self._open():
            key = (sent.chain_id, sent.sender, sent.nonce, sent.attempt)
            if key in self._sent:
                raise Conflict("the number is taken")
            self._sent[key] = sent

    def sent(self, chain_id: int, sender: str) -> list[SentTransaction]:
        with self._open():
            return [one for key, one in sorted(self._sent.items()) if key[:2] == (chain_id, sender)]

    def forget_sent(self, chain_id: int, sender: str, nonce: int) -> None:
        with self._open():
            for key in [key for key in self._sent if key[:3] == (chain_id, sender, nonce)]:
                del self._sent[key]

    def put_rentals(self, rentals: Sequence[RentalState]) -> None:
        with self._open():
            for one in rentals:
                self._rentals[(one.chain_id, one.escrow, one.job)] = one

    def rental_state(self, job: bytes) -> RentalState | None:
        with self._open():
            found = [one for one in self._rentals.values() if one.job == job]
            return min(found, key=lambda one: (-one.start, one.chain_id), default=None)

    def rentals_after(self, chain_id: int, escrow: str, block: int) -> list[RentalState]:
        with self._open():
            mine = [one for key, one in self._rentals.items() if key[:2] == (chain_id, escrow)]
            return sorted((one for one in mine if one.block > block), key=lambda one: one.job)

    # -- outbox and settings ---------------------------------------------------------------------

    def enqueue(self, kind: str, payload: dict[str, Any], *, due_at: int) -> int:
        with self._open():
            self._outbox_count += 1
            item = OutboxItem(self._outbox_count, kind, dict(payload), due_at)
            self._outbox[item.id] = item
            return item.id

    def due(self, kind: str, *, now: int, limit: int = 100) -> list[OutboxItem]:
        with self._open():
            found = [i for i in self._outbox.values() if i.kind == kind and i.due_at <= now]
            return sorted(found, key=lambda item: (item.due_at, item.id))[:limit]

    def done(self, item_id: int) -> None:
        with self._open():
            self._outbox.pop(item_id, None)

    def retry(self, item_id: int, *, due_at: int) -> None:
        with self._open():
            item = self._outbox.get(item_id)
            if item is not None:
                self._outbox[item_id] = replace(item, due_at=due_at, attempts=item.attempts + 1)

    # -- presentations ---------------------------------------------------------------------------

    def add_presentation(self, presentation: Presentation) -> None:
        with self._open():
            if presentation.id in self._presentations:
                raise Conflict("that presentation exists")
            self._presentations[presentation.id] = presentation

    def presentation(self, presentation_id: str) -> Presentation | None:
        with self._open():
            return self._presentations.get(presentation_id)

    def presentations_of(self, account: str, *, limit: int = 100) -> list[Presentation]:
        with self._open():
            mine = [p for p in self._presentations.values() if p.account == account]
            return sorted(mine, key=lambda p: (-p.created_at, p.id))[:limit]

    def presentations_waiting(self, account: str, *, now: int) -> int:
        with self._open():
            mine = [p for p in self._presentations.values() if p.account == account]
            return len([p for p in mine if p.state == "waiting" and p.expires_at > now])

    def move_presentation(self, presentation: Presentation, *, from_state: str) -> None:
        with self._open():
            held = self._presentations.get(presentation.id)
            if held is None or held.state != from_state:
                raise Conflict("the presentation is in another state, or gone")
            self._presentations[presentation.id] = presentation

    def presentations_proving(self, *, before: int, limit: int = 100) -> list[Presentation]:
        with self._open():
            held = self._presentations.values()
            found = [p for p in held if p.state == "proving" and p.checked_at < before]
            return sorted(found, key=lambda p: (p.created_at, p.id))[:limit]

    def presentations_to_check(self, *, before: int, limit: int = 100) -> list[Presentation]:
        with self._open():
            found = [
                p
                for p in self._presentations.values()
                if p.state == "accepted" and 0 < p.checked_at < before
            ]
            return sorted(found, key=lambda p: (p.checked_at, p.id))[:limit]

    def forget_presentations(self, account: str) -> int:
        with self._open():
            mine = [p.id for p in self._presentations.values() if p.account == account]
            for each in mine:
                del self._presentations[each]
            return len(mine)

    def setting(self, name: str) -> str | None:
        with self._open():
            return self._settings.get(name)

    def set_setting(self, name: str, value: str) -> None:
        with self._open():
            self._settings[name] = value

    def keep_setting(self, name: str, value: str) -> str:
        with self._open():
            return self._settings.setdefault(name, value)

    # -- hosted identity providers ---------------------------------------------------------------

    def begin_verification(
        self, verification: Verification, *, since: int, most: int, most_of_all: int
    ) -> Verification | None:
        with self._open():
            whose = (verification.account, verification.provider)
            known = list(self._verifications.values())
            for each in known:
                if (each.account, each.provider) == whose and each.ended_at is None:
                    return each
            lately = [each for each in known if each.started_at > since]
            own = [each for each in lately if each.account == verification.account]
            there = [each for each in lately if each.provider == verification.provider]
            if len(own) >= most or len(there) >= most_of_all:
                return None
            self._verifications[verification.id] = verification
            return verification

    def verification(self, verification_id: str) -> Verification | None:
        with self._open():
            return self._verifications.get(verification_id)

    def verification_by_reference(self, provider: str, reference: str) -> Verification | None:
        with self._open():
            for each in self._verifications.values():
                if (each.provider, each.reference) == (provider, reference):
                    return each
            return None

    def due_verifications(self, *, now: int, limit: int = 100) -> list[Verification]:
        with self._open():
            due = [
                (each.poll_at, each.id, each)
                for each in self._verifications.values()
                if each.poll_at is not None and each.poll_at <= now and each.busy_until <= now
            ]
            return [each for _, _, each in sorted(due, key=lambda one: one[:2])][:limit]

    def claim_verification(self, verification_id: str, *, until: int, now: int) -> bool:
        with self._open():
            found = self._verifications.get(verification_id)
            if found is None or found.busy_until > now:
                return False
            self._verifications[verification_id] = replace(found, busy_until=until)
            return True

    def put_verification(self, verification: Verification) -> None:
        with self._open():
            found = self._verifications.get(verification.id)
            if found is None or found.account != verification.account:
                raise NotFound("no such verification")
            self._verifications[verification.id] = verification

    def forget_verifications(self, account: str) -> int:
        with self._open():
            theirs = [each for each in self._verifications.values() if each.account == account]
            for each in theirs:
                ended = each.started_at if each.ended_at is None else each.ended_at
                self._verifications[each.id] = replace(
                    each, account="", reference="", note="", poll_at=None, ended_at=ended
                )
            return len(theirs)

    def take_provider_event(
        self, event: ProviderEvent, *, kind: str, payload: dict[str, Any], due_at: int
    ) -> bool:
        with self._open():
            name = (event.provider, event.event_id)
            known = self._provider_events.setdefault(name, event)
            if known is not event and known.digest == event.digest:
                return False
            self.enqueue(kind, payload, due_at=due_at)
            return True

    def forget_provider_events(self, *, before: int) -> int:
        with self._open():
            old = [k for k, each in self._provider_events.items() if each.received_at < before]
            for name in old:
                del self._provider_events[name]
            return len(old)


class MemoryLog:
    """The decision log's `append`, without the chain: lines as (kind, body)."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []
        self._lost = False

    def lose(self) -> None:
        """From now on nothing can be written."""
        self._lost = True

    def append(self, kind: str, body: dict[str, Any], *, now: int) -> None:
        if self._lost:
            raise Unavailable("the decision log can't be written")
        # What the real log would not take is not taken here either.
        canonical_body(kind, body)
        self.lines.append((kind, {"at": now, **body}))


def _address(account: str) -> str:
    """The address of an account key: revoking it voids attestations on every chain."""
    return account.rpartition(":")[2]
