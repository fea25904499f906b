"""The rooms behind the control plane's ports, small enough to read: registrar, gate, permit desk.

They stand on the real store and the real rules of core; they leave out screening and sealing.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from kycgate.core.attestation import (
    Domain,
    SignedAttestation,
    UnsafeNoRevocations,
    compose,
    verify,
)
from kycgate.core.claims import (
    Account,
    Action,
    Address,
    Claims,
    Digest,
    JobRequest,
    Kind,
    Level,
)
from kycgate.core.decision import Allow, Decision, Deny, Evidence, Review, decide
from kycgate.core.permit import Permit, PermitDomain, SignedPermit, Terms, job_id
from kycgate.core.policy import Eccn, GpuClass, ListVersion, Policy
from kycgate.core.signature import Invalid, Undecided, Valid, Verdict
from kycgate.core.trust import TrustedIssuer, TrustList
from kycgate.core.typed import keccak
from kycgate.errors import Code, Conflict, Malformed, Reason, Unavailable
from kycgate.issuer.documenting import Typed, Uploaded
from kycgate.issuer.images import redraw
from kycgate.issuer.mrz import read_mrz
from kycgate.issuer.proven import Means
from kycgate.issuer.retention import Erasure
from kycgate.issuer.view import Standing
from kycgate.keys import LocalSigner
from kycgate.store import open_store
from kycgate.store.base import Store
from kycgate.store.records.cases import Case, CaseEvent, Subject
from kycgate.store.records.jobs import Job
from kycgate.store.records.signin import UserLink
from kycgate.web.parts import Ask, Scheduler, Way, WebParts, Words

T0 = 1_795_000_000
GATE = "http://gate.test"
OPERATOR_TOKEN = "kgo_" + "o" * 40
ISSUER = LocalSigner(keccak(b"issuer"))
PERMITS = LocalSigner(keccak(b"permits"))
EAS = Domain("1.3.0", 1, Address(b"\x0e" * 20))
ESCROW = PermitDomain(31337, Address(b"\x0c" * 20))
TRUST = TrustList.pinned(
    TrustedIssuer(ISSUER.address, EAS.version, EAS.chain_id, EAS.eas, T0 - 10**6, None)
)
H100 = GpuClass("H100", Eccn.A, True, 15_824, 19.5, "high", "")


WAYS = (
    Way("credential", Means.CREDENTIAL, Level.HIGH, 0, True, "Wallet credential"),
    Way("persona", Means.PROVIDER, Level.SUBSTANTIAL, 3, True, "Persona"),
    Way("documents", Means.DOCUMENT, Level.LOW, 5, False, "Documents"),
)


@dataclass
class Clock:
    """Time that moves only when told to."""

    at: int = T0

    def __call__(self) -> int:
        return self.at

    def advance(self, seconds: int) -> None:
        self.at += seconds


@dataclass
class Registrar:
    """Opens cases and attests what a test approved."""

    store: Store
    told: list[dict[str, Any]] = field(default_factory=list)
    attested: dict[str, SignedAttestation] = field(default_factory=dict)
    standings: dict[str, Standing] = field(default_factory=dict)
    pictures: dict[str, list[Uploaded]] = field(default_factory=dict)
    linked: dict[str, list[Account]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    erasures: dict[str, Erasure] = field(default_factory=dict)
    down: bool = False
    refuses: str | None = None
    """the field the next details are refused for"""

    def open_case(
        self,
        account: Account,
        kind: int,
        details: dict[str, Any],
        *,
        refusal_id: str | None,
        now: int,
    ) -> Case:
        if self.refuses is not None:
            raise Malformed("has no letter", field=self.refuses, remedy="type a name")
        if not isinstance(details.get("name"), str):
            raise Malformed("is missing", field="details.name", remedy="add this field")
        self.told.append(details)
        number = f"{len(self.told):02d}"
        subject = Subject("s" + number, bytes([len(self.told)]) * 32, kind, now, b"sealed")
        case = Case(
            "case_" + number,
            subject.id,
            account.key,
            kind,
            "submitted",
            now,
            now,
            refusal_id=refusal_id,
            reason_codes=("screening_hit_name",),
        )
        self.store.add_subject(subject)
        self.store.add_case(case, CaseEvent(case.id, now, "renter", "submit", "draft", "submitted"))
        return case

    def amend(self, case_id: str, kind: int, details: dict[str, Any], *, now: int) -> Case:
        self.told.append(details)
        self.decide_case(case_id, "submitted", now=now)
        case = self.store.case(case_id)
        assert case is not None
        return case

    def add_picture(self, account: Account, side: str, data: bytes, *, now: int) -> Uploaded:
        self.pictures.setdefault(account.key, [])
        kept = Uploaded("a1" * 16, side, "image/jpeg", len(redraw(data).data), now)
        self.pictures[account.key].append(kept)
        return kept

    def type_mrz(self, account: Account, lines: Sequence[str], *, now: int) -> Typed:
        return Typed(read_mrz(lines, today=date(2026, 7, 25)), None)

    def hand_in_documents(self, account: Account, *, now: int) -> Case:
        return self.store.cases(account=account.key)[0]

    def documents(self, account: Account) -> list[Uploaded]:
        return self.pictures.get(account.key, [])

    def link(self, first: Account, second: Account, *, now: int) -> None:
        if second.key in self.taken:
            raise Conflict("this account can't be linked: use another one")
        self.linked.setdefault(first.key, []).append(second)

    def accounts(self, account: Account) -> list[Account]:
        return [account, *self.linked.get(account.key, [])]

    def export(self, account: Account, *, now: int) -> dict[str, Any]:
        return {
            "made_at": now,
            "accounts": [account.key],
            "pseudonym": "0x" + "5c" * 32,
            "known_since": now,
            "cases": [],
            "attestations": [],
            "presentations": [],
            "left_out": "",
        }

    def erase(self, account: Account, *, now: int) -> Erasure:
        return self.erasures.get(account.key, Erasure(None))

    def standing(self, case: Case, *, now: int) -> Standing:
        return self.standings.get(case.id, Standing())

    def attestation(self, account: Account, *, now: int) -> SignedAttestation | None:
        if self.down:
            raise Unavailable("postgresql://secret@db is away")
        held = self.attested.get(account.key)
        return held if held and now < held.attestation.expiration_time else None

    def decide_case(self, case_id: str, state: str, *, now: int) -> None:
        case = self.store.case(case_id)
        assert case is not None
        moved = Case(**{n: getattr(case, n) for n in Case.__slots__} | {"state": state})
        event = CaseEvent(case_id, now, "reviewer", state, case.state, state, note="internal note")
        self.store.move_case(moved, from_state=case.state, event=event)
        if state == "approved":
            self.attest(Account.from_key(case.account), now=now)

    def attest(self, account: Account, *, now: int, level: Level = Level.SUBSTANTIAL) -> None:
        claims = Claims(
            Digest(hashlib.sha256(account.key.encode()).digest()),
            Kind.PERSON,
            level,
            702,
            702,
            now,
            now,
            0,
            Digest(b"\x01" * 32),
            Digest(b"\x02" * 32),
        )
        statement = compose(
            claims, recipient=account.address, time=now, life_s=86_400, salt=b"\x03" * 32
        )
        self.attested[account.key] = SignedAttestation.seal(
            statement, EAS, signer=ISSUER.address, sign=ISSUER.sign_digest
        )


@dataclass
class Deciding:
    """The gate's dry run, by the real decision function."""

    store: Store
    registrar: Registrar
    policy: Policy
    list_age_s: int = 3600

    def explain(self, account: Account, job: JobRequest, *, now: int) -> Decision:
        held = self.registrar.attestation(account, now=now)
        attestation = held and verify(
            held,
            trust=TRUST,
            revocations=UnsafeNoRevocations(),
            recipient=account.address,
            schema=held.attestation.schema,
            now=now,
        )
        lists = (ListVersion("csl", "today", now - self.list_age_s),)
        evidence = Evidence(
            account, attestation, H100, None, self.store.wallet_proof_at(account.key), lists
        )
        return decide(job, evidence, self.policy, now)


@dataclass
class Desk:
    """Signs permits out of the decisions of `Deciding`."""

    gate: Deciding
    kept: dict[bytes, SignedPermit] = field(default_factory=dict)

    def ask(self, account: Account, ask: Ask, *, now: int) -> SignedPermit | Deny | Review:
        decision = self.gate.explain(account, ask.job, now=now)
        if not isinstance(decision, Allow):
            return decision
        permit = Permit(
            attestation=decision.attestation.uid,
            epoch=0,
            renter=account.address,
            escrow=Address(b"\x0d" * 20),
            job=job_id(account.address, ask.n),
            terms=Terms(ask.provider, ask.token, ask.job.digest()),
            policy=decision.policy,
            max_value=ask.max_value,
            deadline=now + 600,
        )
        signed = SignedPermit.seal(permit, ESCROW, sign=PERMITS.sign_digest)
        self.kept[permit.job] = signed
        return signed

    def of_job(self, account: Account, job: Digest, *, now: int) -> SignedPermit | None:
        return self.kept.get(job)


@dataclass
class Lists:
    """Freshness of the lists, as a test sets it."""

    old: tuple[ListVersion, ...] = ()

    def stale(self, *, now: int) -> tuple[ListVersion, ...]:
        return self.old


@dataclass
class ContractWallets:
    """A chain on which the named accounts accept one digest each; None: it does not answer."""

    accepts: dict[str, bytes] | None = field(default_factory=dict)

    def __call__(self, account: Account, digest: bytes, signature: bytes) -> Verdict:
        if self.accepts is None:
            return Undecided("the chain")
        if self.accepts.get(account.key) == signature:
            return Valid(account.address)
        return Invalid(Reason(Code.SIGNATURE_INVALID, "the contract says no"))


@dataclass
class World:
    """Everything a test holds on to."""

    parts: WebParts
    store: Store
    clock: Clock
    registrar: Registrar
    desk: Desk
    lists: Lists
    chain: ContractWallets

    def link_user(self, account: str, *, user: str = "ann", code: str = "a code") -> UserLink:
        """As if a scheduler's user had shown a code of this account."""
        digest, now = hashlib.sha256(code.encode()).digest(), self.parts.now()
        made = UserLink(digest[:4].hex(), account, digest, now + 900, now)
        self.store.add_user_code(made)
        link = self.store.claim_user_code(
            digest, scheduler="main", user=user, expires_at=now + 86_400, now=now
        )
        assert link is not None
        return link


@cache
def _blank_database() -> bytes:
    """A migrated, empty database: migrating anew for each test would be most of the test."""
    with tempfile.TemporaryDirectory() as folder:
        open_store(f"sqlite:///{folder}/blank.db").close()
        return Path(folder, "blank.db").read_bytes()


def fresh_store(path: Path) -> Store:
    """A real, empty SQLite store at this path."""
    path.write_bytes(_blank_database())
    return open_store(f"sqlite:///{path}")


def build(store: Store, policy: Policy, **changes: Any) -> World:
    """A world over a real store; `changes` replace single parts."""
    clock, registrar, lists, chain = Clock(), Registrar(store), Lists(), ContractWallets()
    gate = Deciding(store, registrar, policy)
    desk = Desk(gate)
    words = Words(
        operator="Harbour GPU",
        contact="help@harbour.test",
        marketplace="harbour",
        commands=("export IOCLOUD_BASE_URL={marketplace}", "export IOCLOUD_API_KEY={key}"),
    )
    given: dict[str, Any] = {
        "store": store,
        "identity": registrar,
        "gate": gate,
        "permits": desk,
        "contract_wallet": chain,
        "lists": lists,
        "publishing": None,
        "public_url": GATE,
        "marketplace_url": "http://rent.test",
        "chain_ids": (1, 137),
        "ways": (lambda: WAYS,),
        "operator_tokens": frozenset({hashlib.sha256(OPERATOR_TOKEN.encode()).digest()}),
        "words": words,
        "now": clock,
        "me": registrar,
        "schedulers": (Scheduler("main", "dstack"), Scheduler("sky", "skypilot")),
    }
    return World(WebParts(**(given | changes)), store, clock, registrar, desk, lists, chain)


def a_job(account: Account, number: int = 1) -> Job:
    """A rental as the gate records it."""
    request = JobRequest("ionet", Action.RENT, "H100", 8, 24, None, None, None)
    return Job(
        id=number.to_bytes(32, "big"),
        account=account.key,
        fingerprint=number.to_bytes(32, "big"),
        idempotency_key=None,
        state="decided",
        decision_id="d1",
        request=request.canonical(),
        created_at=T0,
        updated_at=T0,
    )
