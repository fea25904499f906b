"""One operator's issuer over a real SQLite store, with the shipped lists and a readable log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

from kycgate.audit.entry import canonical_body
from kycgate.core.attestation import (
    Domain,
    InvalidAttestation,
    SignedAttestation,
    ValidAttestation,
    verify,
)
from kycgate.core.claims import SCHEMA_UID, Account, Address, Digest, Kind
from kycgate.core.trust import TrustedIssuer, TrustList
from kycgate.errors import Code, Malformed
from kycgate.issuer.identity import Identity
from kycgate.issuer.issuing import Issuer, IssuingRules
from kycgate.issuer.rules import VerificationRules
from kycgate.issuer.vault import Vault
from kycgate.keys import LocalSigner
from kycgate.store import open_store
from kycgate.store.base import Store
from kycgate.store.records.attesting import Revocations
from kycgate.store.records.cases import Case

KEK = bytes(range(32))


@dataclass
class Lines:
    """The decision log, as a list that can be read back. Takes only what the real one takes."""

    entries: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def append(self, kind: str, body: dict[str, Any], *, now: int) -> None:
        canonical_body(kind, body)
        self.entries.append((kind, body | {"at": now}))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [body for name, body in self.entries if name == kind]


@pytest.fixture
def log() -> Lines:
    return Lines()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "kycgate.db"


@pytest.fixture
def store(database: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{database}")
    yield opened
    opened.close()


# -- the operator ------------------------------------------------------------------------------

NOW = 1_785_000_000
"""2026-07-25T17:20:00Z"""
DAY = 24 * 60 * 60
DOMAIN = Domain("1.3.0", 31337, Address(bytes.fromhex("ea" * 20)))
POLICY = Digest(b"\x77" * 32)


@dataclass(frozen=True)
class ListedName:
    """A list entry, as the screening reports it."""

    list: str
    list_version: str
    entry_id: str
    name: str
    matched: str
    score: int = 100
    band: str = "exact"
    digest: str = ""
    by: str = "name"
    entity: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Edition:
    name: str = "TEST"
    version: str = "1"
    as_of: int = NOW


@dataclass
class Lists:
    """A screener whose lists a test writes: names and wallets, exact."""

    names: dict[str, str] = field(default_factory=dict)
    """name → entry id"""
    wallets: set[bytes] = field(default_factory=set)
    edition: Edition = Edition()

    @property
    def versions(self) -> tuple[Edition, ...]:
        return (self.edition,)

    def name(self, name: str, *, kind: Kind, **told: object) -> tuple[ListedName, ...]:
        entry = self.names.get(name)
        return () if entry is None else (self._hit(entry, name),)

    def wallet(self, address: Address) -> tuple[ListedName, ...]:
        return (self._hit("w1", "0x" + address.hex()),) if address in self.wallets else ()

    def stale(self, now: int, max_age_s: int) -> tuple[Edition, ...]:
        return (self.edition,) if now - self.edition.as_of > max_age_s else ()

    def _hit(self, entry: str, name: str) -> ListedName:
        return ListedName(self.edition.name, self.edition.version, entry, name.upper(), name)


class FewCountries:
    """Five countries behind the port."""

    codes: ClassVar = {"SG": 702, "CN": 156, "US": 840, "FR": 250, "AE": 784}

    def numeric(self, alpha2: str) -> int:
        if alpha2 not in self.codes:
            raise Malformed("unknown country", field="country")
        return int(self.codes[alpha2])

    def regions(self, country: int) -> frozenset[str]:
        return frozenset()

    def alpha2(self, numeric: int) -> str:
        return next(code for code, number in self.codes.items() if number == numeric)


@dataclass
class Office:
    """An operator's identity office with everything a test wants to turn or look at."""

    store: Store
    log: Any
    lists: Any
    vault: Vault
    issuer: Issuer
    identity: Identity
    signer: LocalSigner

    def verify(
        self, signed: SignedAttestation, account: Account, now: int
    ) -> ValidAttestation | InvalidAttestation:
        """As a gate would: over the wire, with today's revocations."""
        trusted = TrustedIssuer(
            self.signer.address, DOMAIN.version, DOMAIN.chain_id, DOMAIN.eas, 0, None
        )
        return verify(
            SignedAttestation.from_wire(signed.to_wire()),
            trust=TrustList.pinned(trusted),
            revocations=Snapshot(self.store.revocations(now=now)),
            recipient=account.address,
            schema=SCHEMA_UID,
            now=now,
        )


@dataclass
class Snapshot:
    """The store's revocations as the verifier asks for them."""

    revoked_now: Revocations

    def revoked(
        self, *, issuer: Address, domain: bytes, uid: bytes, account: Address, epoch: int
    ) -> Code | None:
        now = self.revoked_now
        if ("0x" + issuer.hex(), domain, uid) in now.attestations:
            return Code.REVOKED_ATTESTATION
        lowest = now.epochs.get("0x" + account.hex(), 0)
        return Code.REVOKED_EPOCH if epoch < lowest else None


def an_office(
    store: Store,
    log: Any,
    screener: Any,
    countries: Any,
    *,
    key: bytes = b"\x11" * 32,
    rules: IssuingRules = IssuingRules(policy=POLICY),  # noqa: B008 - a frozen value
    verification: VerificationRules | None = None,
) -> Office:
    vault = Vault(store, KEK, log=log)
    signer = LocalSigner(key)
    issuer = Issuer(store, signer, DOMAIN, vault=vault, log=log, rules=rules)
    identity = Identity(
        store,
        vault=vault,
        issuer=issuer,
        screener=screener,
        countries=countries,
        log=log,
        rules=verification,
    )
    return Office(store, log, screener, vault, issuer, identity, signer)


@pytest.fixture
def office(store: Store, log: Lines) -> Office:
    return an_office(store, log, Lists(), FewCountries())


def account(number: int) -> Account:
    return Account(Address(number.to_bytes(20, "big")))


def person(name: str = "Ada Okafor", country: str = "FR") -> dict[str, Any]:
    return {"name": name, "country": country, "birth_date": "1990-02-28"}


def organisation(**changes: Any) -> dict[str, Any]:
    """A form without a fault."""
    form: dict[str, Any] = {
        "name": "Merlion Compute Pte. Ltd.",
        "registration_number": "201912345K",
        "country": "SG",
        "headquarters_country": "SG",
        "parent": None,
        "representative": {"name": "Tan Wei Ling"},
    }
    return form | changes


def open_person(office: Office, who: Account, *, now: int = NOW, name: str = "Ada Okafor") -> Case:
    office.store.note_wallet_proof(who.key, at=now)
    return office.identity.open_case(who, 1, person(name), refusal_id=None, now=now)


def approve(office: Office, case: Case, *, now: int = NOW, **more: Any) -> SignedAttestation:
    """The first attestation that comes of it."""
    words = {"reviewer": "mara", "reason": "passport and utility bill seen"} | more
    return office.identity.approve(case.id, now=now, **words)[1][0]
