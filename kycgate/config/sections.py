"""The sections about renting: where the gate stands, what is behind it, what holds the money.

Values only: what one setting means for another is asked in `checks`.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

from kycgate.config import readers as read
from kycgate.config.readers import HOUR, Network, setting
from kycgate.core.claims import Address, parse_address

CHAINALYSIS = parse_address("0x40C57923924B5c5c5455c48D93317139ADDaC8fb")
"""Its sanctions oracle on Ethereum mainnet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Where the two listeners stand, and what renters see."""

    public_url: str = setting(read.origin)
    """origin of the control plane as browsers reach it: SIWE domain and URI, links in refusals"""
    gateway_url: str = setting(read.origin)
    """origin of the marketplace listener as clients reach it: ERC-8128 authority"""
    listen: tuple[str, int] = setting(read.listen, ("127.0.0.1", 8080))
    control_listen: tuple[str, int] = setting(read.listen, ("127.0.0.1", 8081))
    trusted_fronts: tuple[Network, ...] = setting(read.many(read.peer), ())
    """addresses or networks of fronts before `listen`: their X-Forwarded-For is believed"""
    forward_auth: str | None = setting(read.one_of("nginx", "caddy", "traefik", "envoy"), None)
    """the contract of the front that asks before it forwards; none: no such listener"""
    forward_auth_listen: tuple[str, int] | Path = setting(
        read.listen_or_socket, ("127.0.0.1", 8082)
    )
    """an address, or "unix:PATH": whoever the file system lets connect there is believed"""
    forward_auth_peers: tuple[Network, ...] = setting(
        read.many(read.peer), (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    )
    """addresses or networks of the fronts: whoever asks from there is believed; no say over a
    socket"""
    forward_auth_routes: tuple[str, ...] = setting(
        read.many(read.one_of("read", "stop", "rent")), ("read", "stop")
    )
    """what the front may forward itself; everything else goes through `listen`"""
    database: str = setting(read.text, "sqlite:///kycgate.sqlite3")
    body_limit: int = setting(read.number(1024, 64 * 2**20), 2**20)
    """bytes of a renting request's body"""
    operators: tuple[tuple[str, str], ...] = setting(read.many(read.operator), ())
    """(name, SHA-256 hex of bearer token) of those who may see operator views"""
    contact: str | None = setting(read.text, None)
    """where renters ask and appeal, as the pages print it; without one, `public_url`"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marketplace:
    """What stands behind the gate."""

    adapter: str = setting(read.adapter, "ionet")
    """one of `kycgate adapter list`, or "file:PATH" of a marketplace described in TOML"""
    name: str = setting(read.text, "this marketplace")
    """as renters read it"""
    upstream: str = setting(read.origin)
    upstream_key: str | None = setting(read.key, None)
    """the operator's own key: fetches the catalogue; also forwards rents where shared_key is on"""
    shared_key: bool = setting(read.switch, True)
    """renters without a key of their own go upstream under upstream_key, ownership enforced here"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Where each key is kept. One key, one use (DESIGN 4.5)."""

    issuer: str = setting(read.key)
    permit: str = setting(read.key)
    log: str = setting(read.key)
    vault: str = setting(read.key)
    assertion: str | None = setting(read.key, None)
    """signs `Kycgate-Assertion`, by which the marketplace knows what passed the gate"""
    password: str | None = setting(read.key, None)
    """for keystore V3 files"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """The EAS domain attestations are signed in, and how long they live."""

    chain_id: int = setting(read.number(1, 2**53))
    eas: Address = setting(read.address)
    eas_version: str = setting(read.text, "1.4.0")
    life_s: int = setting(read.number(300, 24 * HOUR), 24 * HOUR)
    trust_list: str | None = setting(read.text, None)
    """trust list signed by the offline root; without one, only this gate's issuer key counts"""
    root: Address | None = setting(read.address, None)
    """the root's address; needed with trust_list"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """Whether a contract holds the money, and where it stands. `none` needs no chain."""

    mode: str = setting(read.one_of("none", "escrow"), "none")
    rpc: tuple[str, ...] = setting(read.many(read.text), ())
    chain_id: int = setting(read.number(1, 2**53), 1)
    escrow: Address | None = setting(read.address, None)
    revoker: Address | None = setting(read.address, None)
    revoker_key: str | None = setting(read.key, None)
    token: Address | None = setting(read.address, None)
    token_decimals: int = setting(read.number(0, 36), 6)
    provider: Address | None = setting(read.address, None)
    """who is paid: the marketplace's own account"""
    max_value: int = setting(read.number(1, 2**63 - 1), 10**12)
    """cap on a permit where the job's price is unknown, base units of the token"""
    margin_percent: int = setting(read.number(0, 1000), 25)
    """how far above the catalogue's price the permit's maxValue reaches"""
    confirmations: int = setting(read.number(0, 1000), 3)
    """blocks that must follow before something on chain counts as standing"""
    replace_after_s: int = setting(read.number(5, 86_400), 60)
    """a transaction out of a block for longer is sent again with higher fees"""
    fee_most_gwei: int = setting(read.number(1, 10**6), 500)
    start_block: int = setting(read.number(0, 2**53), 0)
    """the block the escrow was deployed in: its events are followed from there"""
    publish_bound_s: int = setting(read.number(1, 7 * 24 * HOUR), 300)
    """a revocation unpublished for longer stops new permits"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """A further chain revocations are published on, one `[[chain]]` table each."""

    id: int = setting(read.number(1, 2**53))
    rpc: tuple[str, ...] = setting(read.many(read.text))
    eas: Address = setting(read.address)
    revoker: Address = setting(read.address)
    revoker_key: str = setting(read.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Screening:
    """Which lists and which engine, and how old a list may be for controlled GPUs."""

    network: str | None = setting(read.text, None)
    """the operator's own MaxMind DB file; without one nobody knows where callers are"""
    lists_dir: str | None = setting(read.text, None)
    """where `kycgate lists` keeps the versions; without it `kycgate-lists` beside the database"""
    backend: str = setting(read.one_of("embedded", "yente"), "embedded")
    yente_url: str | None = setting(read.origin, None)
    """origin of the yente service; needed with backend = "yente\""""
    yente_dataset: str = setting(read.text, "sanctions")
    """which of its collections is matched against"""
    yente_key: str | None = setting(read.key, None)
    """its API key, where it wants one"""
    oracle_rpc: tuple[str, ...] = setting(read.many(read.text), ())
    """nodes that are asked for a second opinion on wallets; without one nobody is"""
    oracle_chain_id: int = setting(read.number(1, 2**53), 1)
    oracle: Address = setting(read.address, CHAINALYSIS)
    """the contract: `isSanctioned(address) returns (bool)`"""
    max_age_s: int = setting(read.number(HOUR, 10 * 365 * 24 * HOUR), 72 * HOUR)
    """seconds from which a list is too old to clear anybody for a controlled GPU"""
    alarm_age_s: int = setting(read.number(HOUR, 10 * 365 * 24 * HOUR), 24 * HOUR)
    """seconds from which its age is shown and logged"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """The registers in which a renter's owners are looked up; without one there is what it says."""

    gleif: str | None = setting(read.text, None)
    """directory with GLEIF's files: level 1, level 2, reporting exceptions, deltas"""
    bods: tuple[str, ...] = setting(read.many(read.text), ())
    """files of beneficial ownership statements (BODS 0.4)"""
    kept: str | None = setting(read.text, None)
    """where registers once read are kept; without it `kycgate-ownership` beside the database"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFile:
    """Which rental rules apply: a file of the operator's, or one of the shipped policies."""

    rules: str = setting(read.one_of("default", "standard"), "default")
    """without a file: the short default, or every dated rule book (see the operating notes)"""
    file: str | None = setting(read.text, None)
    wallet_proof_s: int = setting(read.number(HOUR, 30 * 24 * HOUR), 7 * 24 * HOUR)
    """how old the wallet's own signature may be for controlled GPUs"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Schedulers that ask before they place work. Without one named, nothing listens."""

    listen: tuple[str, int] = setting(read.listen, ("127.0.0.1", 8083))
    peers: tuple[Network, ...] = setting(
        read.many(read.peer), (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    )
    """addresses or networks the schedulers ask from"""
    dstack: tuple[tuple[str, str], ...] = setting(read.many(read.scheduler), ())
    """(name, SHA-256 hex of its secret) of each dstack server"""
    skypilot: tuple[tuple[str, str], ...] = setting(read.many(read.scheduler), ())
    """the same of each SkyPilot API server"""
    stop: tuple[tuple[str, str, str], ...] = setting(read.many(read.scheduler_api), ())
    """(name, origin of its API, administrator's token) of each dstack server that is told to stop
    what a revoked account runs there"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one account and one address (IPv6: one /64) may ask, over time and at once."""

    address_per_second: int = setting(read.number(1, 10**6), 100)
    address_burst: int = setting(read.number(1, 10**6), 400)
    account_per_second: int = setting(read.number(1, 10**6), 50)
    account_burst: int = setting(read.number(1, 10**6), 200)
    unproven_per_second: int = setting(read.number(1, 10**6), 5)
    """failed proofs from one address, and changes on the control plane"""
    unproven_burst: int = setting(read.number(1, 10**6), 40)
    stops_per_second: int = setting(read.number(1, 10**6), 20)
    """ends and halts of deployments, apart from everything else"""
    stops_burst: int = setting(read.number(1, 10**6), 200)
    requests_per_account: int = setting(read.number(1, 10**6), 64)
    """under way at once"""
    requests: int = setting(read.number(1, 10**6), 1024)
    streams_per_account: int = setting(read.number(1, 10**6), 8)
    """long answers (logs, events) at once"""
    streams: int = setting(read.number(1, 10**6), 256)
    connections_per_address: int = setting(read.number(1, 10**6), 256)
    connections: int = setting(read.number(16, 10**6), 4096)
    header_seconds: int = setting(read.number(1, 300), 10)
    """from the connection or the first byte to the end of a request's header"""
    body_seconds: int = setting(read.number(1, 3600), 30)
    """longest silence inside a request's body"""
    body_bytes_per_second: int = setting(read.number(0, 10**9), 256)
    """slowest request body, on average over body_seconds"""
    write_seconds: int = setting(read.number(1, 3600), 60)
    """longest an answer may lie unread"""
