"""One plain record of each kind; a test changes what it is about."""

from __future__ import annotations

from kycgate.store import (
    Case,
    CaseEvent,
    Hold,
    IssuedAttestation,
    Job,
    KeptProof,
    Key,
    LogEntry,
    Refusal,
    RentalState,
    SealedBlob,
    SealedEvidence,
    SentTransaction,
    Session,
    Subject,
)
from kycgate.store.records.signin import UserLink

NOW = 1_800_000_000
ALICE = "0x" + "a1" * 20
BOB = "0x" + "b0" * 20
ISSUER = "0x" + "15" * 20

SESSION = Session(
    token_hash=b"t" * 32, account=ALICE, scope="renter", created_at=NOW, expires_at=NOW + 60
)
KEY = Key(
    id="key-1",
    secret_hash=b"k" * 32,
    account=ALICE,
    label="my cluster — ключ",
    scope=("rent", "read"),
    prefix="kg_ab",
    created_at=NOW,
    expires_at=NOW + 3600,
)
SUBJECT = Subject(
    id="subject-1", pseudonym=b"\x00\xff" * 16, kind=1, created_at=NOW, wrapped_key=b"wrapped"
)
CASE = Case(
    id="case-1",
    subject_id="subject-1",
    account=ALICE,
    kind=1,
    state="submitted",
    opened_at=NOW,
    updated_at=NOW,
    reason_codes=("under_review", "country_unknown"),
)
OPENED = CaseEvent(
    case_id="case-1", at=NOW, actor=ALICE, action="open", from_state="", to_state="submitted"
)
EVIDENCE = SealedEvidence(
    id="evidence-1",
    case_id="case-1",
    subject_id="subject-1",
    kind="declaration",
    sealed=bytes(range(256)),
    commitment=b"c" * 32,
    created_at=NOW,
)
BLOB = SealedBlob(
    id="blob-1",
    case_id="case-1",
    subject_id="subject-1",
    kind="front",
    media="image/jpeg",
    size=5,
    sealed=bytes(range(256)) * 9,
    created_at=NOW,
)
HOLD = Hold(
    id="hold-1",
    subject_id="subject-1",
    until=NOW + 100,
    reason=b"sealed",
    placed_by="mara",
    placed_at=NOW,
)
PROOF = KeptProof(
    source="openid4vp",
    reference="presentation-1",
    case_id="case-1",
    subject_id="subject-1",
    account=ALICE,
    means="credential",
    level=3,
    kept_at=NOW,
    proven_at=NOW - 5,
    valid_until=None,
    document=b"\x00\xff" * 16,
    evidence_id="evidence-1",
)
ATTESTATION = IssuedAttestation(
    issuer=ISSUER,
    domain=b"d" * 32,
    uid=b"u" * 32,
    account=ALICE,
    subject_id="subject-1",
    case_id="case-1",
    epoch=0,
    issued_at=NOW,
    expires_at=NOW + 86400,
    wire=b'{"sig":{}}\n',
)
JOB = Job(
    id=b"j" * 32,
    account=ALICE,
    fingerprint=b"f" * 32,
    idempotency_key=None,
    state="decided",
    decision_id="decision-1",
    request=b'{"gpu":"H100"}',
    created_at=NOW,
    updated_at=NOW,
)
USER_CODE = UserLink("l1", ALICE, b"c" * 32, NOW + 900, NOW)
REFUSAL = Refusal(
    id="refusal-1",
    created_at=NOW,
    asked={"gpu_model": "H100", "gpu_count": 8, "hours": None},
    codes=("missing:attestation",),
    host="gate.example",
)

SENT = SentTransaction(
    chain_id=10,
    sender=ALICE,
    nonce=7,
    attempt=0,
    hash=b"h" * 32,
    raw=b"\x02raw",
    to=b"\x0e" * 20,
    data=b"\x00data",
    gas=2_600_000,
    max_fee=30 * 10**9,
    tip=10**9,
    items=(3, 4),
    sent_at=NOW,
)
RENTAL = RentalState(
    chain_id=10,
    escrow=ISSUER,
    job=b"j" * 32,
    state="open",
    renter=ALICE,
    provider=BOB,
    token="0x" + "00" * 20,
    epoch=0,
    start=NOW,
    end=NOW + 3600,
    held_at=0,
    total=2**128 - 1,
    settled=0,
    returned=0,
    event="Opened",
    block=100,
    seen_at=NOW + 20,
)


def entry(seq: int, prev_hash: bytes) -> LogEntry:
    """An entry for tests of keeping, not of chaining: its hash only tells it from others."""
    return LogEntry(
        seq=seq, at=NOW, kind="test", body=b"{}", prev_hash=prev_hash, hash=seq.to_bytes(32)
    )
