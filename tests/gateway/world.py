"""One marketplace, its gate and its renters, in memory: every port the gate has, and a clock.

world = World()
alice = world.renter(level=2, country="SG")
reply = world.send(alice.rents(gpus=8))        # through the gate and, if let through, upstream
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kycgate.core.assertion import AssertionKeys
from kycgate.core.attestation import Attestation, Domain, SignedAttestation, compose
from kycgate.core.claims import Account, Address, Claims, Digest, Kind, Level
from kycgate.core.decision import Allow
from kycgate.core.policy import ListVersion
from kycgate.core.proof import HttpRequest, Profile, sign_request
from kycgate.core.trust import TrustedIssuer, TrustList
from kycgate.errors import Unavailable
from kycgate.gateway.adapters.ionet import IoNet
from kycgate.gateway.gate import Gate
from kycgate.gateway.limits import Rate, Rates
from kycgate.gateway.onward import SignedAsserter
from kycgate.gateway.parts import NOT_FOLLOWED, GateParts, Limits, Ownership
from kycgate.gateway.view import Forward, Headers, Reply, RequestView
from kycgate.keys import AssertionSigner, LocalSigner
from kycgate.screening.controls import load_countries, load_default_policy, load_gpus
from kycgate.screening.network import NoNetwork
from kycgate.store.base import Store
from kycgate.store.records.signin import Key
from tests.fakes import MemoryLog, MemoryStore

NOW = 1_800_000_000
HOST = "market.example"
CAAS = "/enterprise/v1/io-cloud/caas"
VMAAS = "/enterprise/v1/io-cloud/vmaas"
SHARED_KEY = "operator-upstream-key"
PUBLIC_URL = "https://kyc.example"
UPSTREAM = "https://upstream.internal"
ASSERTER = AssertionSigner(
    Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"assertion").digest())
)
UNBOUNDED = Rates(*[Rate(10.0**6, 10**6)] * 4)
"""For worlds whose clock stands still: their callers would never get anything back."""
COUNTRIES = load_countries()
GPUS = load_gpus()
EAS_DOMAIN = Domain("1.3.0", 1, Address(b"\xea" * 20))


@dataclass(frozen=True)
class Wallet:
    """A key pair with an address."""

    signer: LocalSigner

    @classmethod
    def of(cls, seed: str) -> Wallet:
        return cls(LocalSigner(hashlib.sha256(seed.encode()).digest()))

    @property
    def address(self) -> Address:
        return self.signer.address

    @property
    def account(self) -> Account:
        return Account(self.address)


ISSUER = Wallet.of("issuer")


@dataclass
class Marketplace:
    """The upstream: answers what it was told to, remembers what reached it."""

    received: list[Forward] = field(default_factory=list)
    hardware: list[dict[str, Any]] = field(
        default_factory=lambda: [
            {"hardware_id": 203, "hardware_name": "H100 PCIe", "price": 2.19},
            {"hardware_id": 7, "hardware_name": "RTX 3090", "price": 0.4},
        ]
    )
    answer: Callable[[Forward], tuple[int, Headers, bytes] | None] | None = None
    """None from it: no answer at all. Unset: a fresh deployment for every rental."""
    down: bool = False

    def fetch(self, path: str) -> bytes:
        if self.down:
            raise Unavailable("the marketplace does not answer")
        return json.dumps({"data": self.hardware}).encode()

    def handle(self, forward: Forward) -> tuple[int, Headers, bytes] | None:
        self.received.append(forward)
        if self.answer is not None:
            return self.answer(forward)
        body = {"status": "success", "deployment_id": f"dep-{len(self.received)}"}
        return 200, (("Content-Type", "application/json"),), json.dumps(body).encode()


@dataclass(frozen=True)
class Renter:
    """Somebody with a wallet and a gate key."""

    world: World
    wallet: Wallet
    secret: str

    @property
    def account(self) -> str:
        return self.wallet.account.key

    def asks(
        self, method: str, path: str, body: Any = None, *headers: tuple[str, str]
    ) -> RequestView:
        return self.world.view(method, path, body, ("x-api-key", self.secret), *headers)

    def rents(self, *headers: tuple[str, str], gpus: int = 8, hardware: int = 203) -> RequestView:
        return self.asks("POST", f"{CAAS}/deploy", deploy(gpus=gpus, hardware=hardware), *headers)

    def signs(self, view: RequestView, *, nonce: str, **changes: Any) -> RequestView:
        """The request with an ERC-8128 signature in place of the key."""
        bare = tuple(f for f in view.headers if f[0].lower() != "x-api-key")
        path, _, query = view.target.decode().partition("?")
        signed = sign_request(
            HttpRequest(view.method, view.scheme, view.authority, path, query or None, bare,
                        view.body or b""),
            **{
                "signer_address": self.wallet.address,
                "chain_id": 1,
                "sign": self.wallet.signer.sign_digest,
                "nonce": nonce,
                "created": view.now,
                "expires": view.now + 60,
                "profile": Profile.ERC8128,
            }
            | changes,
        )  # fmt: skip
        return replace(view, headers=(*bare, *signed))


def deploy(*, gpus: int = 8, hardware: int = 203, hours: int = 24) -> dict[str, Any]:
    return {
        "resource_private_name": "k",
        "hardware_id": hardware,
        "duration_hours": hours,
        "gpus_per_container": gpus,
        "container_config": {"replica_count": 1, "traffic_port": 8000},
        "registry_config": {"image_url": "nginx:latest"},
    }


class World:
    """Everything the gate asks, and a hand on each of it."""

    def __init__(self, *, limits: Limits | None = None, store: Store | None = None) -> None:
        self.now = NOW
        self.ticks = 0.0
        self.memory = MemoryStore()
        self.store: Store = self.memory if store is None else store
        self.log = MemoryLog()
        self.upstream = Marketplace()
        self.policy = load_default_policy()
        self.lists = (ListVersion("us-csl", "1", NOW - 3600),)
        self.trust: TrustList | None = TrustList.pinned(
            TrustedIssuer(ISSUER.address, "1.3.0", 1, EAS_DOMAIN.eas, NOW - 10**6, None)
        )
        self.issued: dict[Account, SignedAttestation] = {}
        self.upstream_keys: dict[str, str] = {}
        self.owners: dict[Account, Ownership] = {}
        self.permits: list[tuple[Allow, bytes]] = []
        self.drawn = 0
        self.parts = self._parts(limits or Limits(join_wait_s=0.3))
        self.gate = Gate(self.parts)

    def _parts(self, limits: Limits) -> GateParts:
        return GateParts(
            network=NoNetwork(),
            ownership=lambda account, now: self.owners.get(account, NOT_FOLLOWED),
            adapter=IoNet(fetch=self.upstream.fetch, token_decimals=6),
            store=self.store,
            log=self.log,
            attestations=self,
            trust=self._trust,
            policy=lambda: self.policy,
            lists=lambda: self.lists,
            classify=GPUS.classify,
            permit_for=self._permit,
            upstream_key=self.upstream_keys.get,
            own_keys=lambda: True,
            shared_upstream_key=SHARED_KEY,
            asserter=SignedAsserter(
                f"https://{HOST}", UPSTREAM, ASSERTER.public, ASSERTER.sign, self._draw
            ),
            jwks=AssertionKeys((ASSERTER.public,)).to_jwks(),
            contract_wallet=None,
            authorities=frozenset({HOST}),
            public_url=PUBLIC_URL,
            configuration={"public_url": PUBLIC_URL},
            clock=lambda: self.now,
            monotonic=lambda: self.ticks,
            pause=self.pause,
            draw=self._draw,
            limits=limits,
            rates=UNBOUNDED,
        )

    # -- ports -----------------------------------------------------------------------------------

    def current(self, account: Account, now: int) -> SignedAttestation | None:
        self.store.ping()
        return self.issued.get(account)

    def _trust(self) -> TrustList:
        if self.trust is None:
            raise Unavailable("no trust list in force")
        return self.trust

    def _permit(self, allow: Allow, job: bytes, now: int) -> bytes | None:
        self.permits.append((allow, job))
        return b'{"permit":1}'

    def _draw(self, count: int) -> bytes:
        self.drawn += 1
        return hashlib.sha256(self.drawn.to_bytes(8, "big")).digest()[:count]

    def pause(self, seconds: float) -> None:
        self.ticks += seconds

    def pass_time(self, seconds: int) -> None:
        self.now += seconds
        self.ticks += seconds

    # -- people ----------------------------------------------------------------------------------

    def stranger(self, name: str) -> Renter:
        """Signed in, has a key, is verified by nobody."""
        wallet, secret = Wallet.of(name), f"kg_{hashlib.sha256(name.encode()).hexdigest()}"
        self.add_key(secret, wallet.account.key)
        self.store.note_wallet_proof(wallet.account.key, at=self.now)
        return Renter(self, wallet, secret)

    def renter(self, name: str = "alice", *, level: int = 2, country: str = "SG",
               ultimate: str | None = None) -> Renter:  # fmt: skip
        renter = self.stranger(name)
        self.attest(renter, level=level, country=country, ultimate=ultimate)
        return renter

    def add_key(self, secret: str, account: str, **changes: Any) -> Key:
        key = Key(
            id=secret[-12:],
            secret_hash=hashlib.sha256(secret.encode()).digest(),
            account=account,
            label="",
            scope=("read", "stop", "rent"),
            prefix=secret[:8],
            created_at=self.now,
            expires_at=self.now + 30 * 86400,
        )
        key = replace(key, **changes)
        self.store.add_key(key)
        return key

    def attest(self, renter: Renter, *, level: int = 2, country: str = "SG",
               ultimate: str | None = None, life_s: int = 86400) -> SignedAttestation:  # fmt: skip
        claims = Claims(
            subject=Digest(b"\x01" * 32),
            kind=Kind.PERSON,
            level=Level(level),
            country=COUNTRIES.numeric(country),
            ultimate_country=COUNTRIES.numeric(ultimate or country),
            verified_at=self.now // 86400 * 86400,
            screened_at=self.now,
            epoch=self.store.epoch(renter.account),
            policy=Digest(bytes(32)),
            evidence=Digest(b"\x02" * 32),
        )
        said = compose(
            claims, recipient=renter.wallet.address, time=self.now, life_s=life_s, salt=b"\x03" * 32
        )
        self.issued[renter.wallet.account] = signed = self.seal(said)
        return signed

    def seal(self, said: Attestation, *, by: Wallet = ISSUER) -> SignedAttestation:
        return SignedAttestation.seal(
            said, EAS_DOMAIN, signer=by.address, sign=by.signer.sign_digest
        )

    # -- requests --------------------------------------------------------------------------------

    def view(
        self, method: str, path: str, body: Any = None, *headers: tuple[str, str]
    ) -> RequestView:
        data = (
            None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        )
        fields: Headers = (("Host", HOST), ("Accept", "application/json"), *headers)
        if data is not None:
            fields = (*fields, ("Content-Length", str(len(data))))
            if "content-type" not in {name.lower() for name, _ in headers}:
                fields = (*fields, ("Content-Type", "application/json"))
        return RequestView(
            method, path.encode(), HOST, "https", fields, data, "192.0.2.7", self.now, "test"
        )

    def send(self, view: RequestView) -> Reply:
        """What a caller of a door would get: the gate's own reply, or the upstream's through it."""
        verdict = self.gate.check(view)
        if isinstance(verdict, Reply):
            return verdict
        answer = self.upstream.handle(verdict)
        if answer is None:
            return verdict.failed(True)
        if verdict.finish is None:
            return Reply(*answer)
        return verdict.finish(*answer)

    def forwarded(self, view: RequestView) -> Forward:
        verdict = self.gate.check(view)
        assert isinstance(verdict, Forward), verdict
        return verdict

    def decisions(self) -> list[dict[str, Any]]:
        return [body for kind, body in self.log.lines if kind == "decision"]


def error(reply: Reply) -> str:
    """The message the io.net client would show."""
    said = json.loads(reply.body)
    assert said["status"] == "failed"
    return str(said["error"])


def field_of(headers: Headers, name: str) -> str | None:
    values = [value for key, value in headers if key.lower() == name.lower()]
    assert len(values) <= 1, values
    return values[0] if values else None
