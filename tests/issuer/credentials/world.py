"""A trial issuer, a wallet and an office in memory, for every test of credentials.

`remade` takes a DeviceResponse apart and puts it together with one thing changed, signed again or
not: what an attacker with a wallet in hand can do.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cbor2
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from kycgate.core.claims import Account, Address
from kycgate.core.signature import Invalid
from kycgate.demo.trial_issuer import (
    Holder,
    Issued,
    TrialIssuer,
    certificate,
    new_key,
    sign1,
)
from kycgate.demo.trial_wallet import Session, Wallet, device_response
from kycgate.errors import Code, Unavailable
from kycgate.issuer.credentials import mdoc, sdjwt, transcript
from kycgate.issuer.credentials.asking import Client, read_client
from kycgate.issuer.credentials.chain import READER, Trust, read_roots
from kycgate.issuer.credentials.judging import Settings
from kycgate.issuer.credentials.presentations import Presentations
from kycgate.issuer.credentials.query import MDL_DOCTYPE, PID_VCT, CredentialType
from kycgate.issuer.credentials.safe import Safe
from kycgate.issuer.credentials.statuslist import Status
from kycgate.issuer.credentials.verdict import Environment, Presented, StatusAt
from kycgate.issuer.proven import Proven
from kycgate.store.base import Store
from kycgate.store.records.cases import Case

NOW = 1_795_000_000
DAY = 86_400
ORIGIN = "https://gate.example"
AUDIENCE = f"origin:{ORIGIN}"
NONCE = "exc7gBkxjx1rdc9udRrveKvSsJIq80avlXeLHhGwqtA"
THUMBPRINT = bytes(range(32))
VECTORS = Path(__file__).parent / "vectors"
ALICE = Account(Address(b"\xa1" * 20))
BOB = Account(Address(b"\xb0" * 20))
SESSION = b"s" * 32
OTHER_SESSION = b"o" * 32
MDL, PID, PID_SD = CredentialType.MDL, CredentialType.PID_MDOC, CredentialType.PID_SD_JWT

ISSUER = TrialIssuer.new(at=NOW - 10 * DAY)
WALLET = Wallet.new(ISSUER, Holder(), at=NOW - DAY)
TRANSCRIPT = transcript.of_dc_api(ORIGIN, NONCE, THUMBPRINT)
BOUND = Session(AUDIENCE, NONCE, TRANSCRIPT, NOW)


def vector(name: str) -> bytes:
    return bytes.fromhex((VECTORS / f"{name}.hex").read_text().strip())


def json_vector(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text())
    return document


def trust_in(issuer: TrialIssuer, environment: Environment = Environment.TEST) -> Trust:
    pem = issuer.root_pem()
    return Trust(read_roots(pem, name="roots", environment=Environment.TEST), environment)


TRUST = trust_in(ISSUER)


def checked(response: bytes, **changes: Any) -> Presented | Invalid:
    """`mdoc.verify` of an mDL for our session; `changes` replace arguments."""
    given: dict[str, Any] = {
        "doctype": MDL_DOCTYPE,
        "trust": TRUST,
        "transcript": TRANSCRIPT,
        "now": NOW,
    }
    return mdoc.verify(response, **(given | changes))


def checked_sd(presentation: str, **changes: Any) -> Presented | Invalid:
    """`sdjwt.verify` of a PID for our session; `changes` replace arguments."""
    given: dict[str, Any] = {
        "types": frozenset({PID_VCT}),
        "trust": TRUST,
        "audience": AUDIENCE,
        "nonce": NONCE,
        "now": NOW,
    }
    return sdjwt.verify(presentation, **(given | changes))


def code_of(verdict: Presented | Invalid) -> Code:
    assert isinstance(verdict, Invalid), verdict
    return verdict.reason.code


def licence(
    elements: Mapping[str, Any] | None = None, issuer: TrialIssuer = ISSUER, **mso: Any
) -> Issued:
    """An mDL with these elements; `mso` replaces members of its security object."""
    key = WALLET.credentials[MDL].key
    values = {"family_name": "Lovelace"} if elements is None else elements
    signed = issuer.mdoc(MDL_DOCTYPE, {"org.iso.18013.5.1": values}, key, NOW - DAY, **mso)
    return Issued(MDL, key, signed)


def shown(issued: Issued | None = None) -> bytes:
    """The DeviceResponse an honest wallet gives for our session."""
    return device_response(issued or WALLET.credentials[MDL], BOUND)


def remade(change: Callable[[dict[str, Any]], object], response: bytes | None = None) -> bytes:
    """A DeviceResponse with its outer map changed in place by `change`."""
    outer = cbor2.loads(response or shown())
    change(outer)
    return cbor2.dumps(outer)


def resigned(
    change: Callable[[dict[str, Any]], object],
    issuer: TrialIssuer = ISSUER,
    *,
    key: Any = None,
    chain: Any = None,
    protected: Mapping[int, Any] | None = None,
) -> Issued:
    """An mDL whose security object was changed and signed anew, by this issuer or another key."""
    issued = WALLET.credentials[MDL]
    signed = cbor2.loads(issued.credential)
    mso = cbor2.loads(cbor2.loads(signed["issuerAuth"][2]).value)
    change(mso)
    payload = cbor2.dumps(cbor2.CBORTag(24, cbor2.dumps(mso)))
    headers = {33: issuer.chain[0] if chain is None else chain}
    signed["issuerAuth"] = sign1(key or issuer.key, payload, headers, protected=protected)
    return replace(issued, credential=cbor2.dumps(signed))


# -- the service -----------------------------------------------------------------------------------


@dataclass
class MemoryOffice:
    """`proven.Office` in a list: every proof of a known account is accepted."""

    live: bool = False
    down: bool = False
    state: str = "approved"
    proofs: list[tuple[Account, Proven]] = field(default_factory=list)
    withdrawn: list[tuple[str, str, Code]] = field(default_factory=list)

    def prove(self, account: Account, proven: Proven, *, now: int) -> Case:
        if self.down:
            raise Unavailable("the office is closed")
        if (account, proven) not in self.proofs:
            self.proofs.append((account, proven))
        state = "review" if proven.doubts else self.state
        case = Case("case-1", "subject-1", account.key, 1, state, now, now)
        return replace(case, proof_source=proven.source, proof_reference=proven.reference)

    def withdraw(self, source: str, reference: str, *, code: Code, now: int) -> Case | None:
        if self.down:
            raise Unavailable("the office is closed")
        self.withdrawn.append((source, reference, code))
        return None


@dataclass
class MemoryStatuses:
    """`statuses.Statuses` as a test sets them."""

    answers: Status = Status.VALID
    asked: list[StatusAt] = field(default_factory=list)

    def look(self, at: StatusAt, trust: Trust, *, now: int) -> Status:
        self.asked.append(at)
        return self.answers


@dataclass
class World:
    """A verifier with everything behind it."""

    service: Presentations
    store: Store
    office: MemoryOffice
    statuses: MemoryStatuses
    settings: Settings


def client(host: str = "gate.example", prefix: str = "x509_hash") -> Client:
    """A certificate for the operator, by the trial issuer's root."""
    key = new_key()
    signed = certificate(
        key,
        ISSUER.root_key,
        subject="operator",
        issuer=ISSUER.root.subject,
        country="FR",
        at=NOW - DAY,
        days=90,
        ca=False,
        extended=READER,
        alternative=host,
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return read_client(
        signed.public_bytes(Encoding.PEM), pem, prefix=prefix, host=host, name="client"
    )


def build(store: Store, **changes: Any) -> World:
    """A verifier over this store; `changes` replace members of its settings."""
    given: dict[str, Any] = {
        "origin": ORIGIN,
        "trusts": dict.fromkeys(CredentialType, TRUST),
        "vct": (PID_VCT,),
        "client": client(),
    }
    settings = Settings(**(given | changes))
    office, statuses = MemoryOffice(), MemoryStatuses()
    service = Presentations(store, office, statuses, settings, Safe(b"k" * 32))
    return World(service, store, office, statuses, settings)
