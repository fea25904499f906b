"""One frozen, typed configuration, read once at start: a TOML file, KYCGATE_* variables over it.

Opens nothing it names: keys, lists and databases are opened by the assembly. Every problem is
reported together, with file, line and remedy: a list is mended faster than a riddle.

    section.field in the file     KYCGATE_SECTION_FIELD in the environment, which wins
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kycgate.core import wire
from kycgate.core.claims import Address, Digest, parse_address
from kycgate.errors import Malformed, Misconfigured

_HOUR = 3600
CHAINALYSIS = parse_address("0x40C57923924B5c5c5455c48D93317139ADDaC8fb")
"""Its sanctions oracle on Ethereum mainnet."""
Network = IPv4Network | IPv6Network
ADAPTERS = ("ionet", "vast", "runpod", "lium", "prime", "clore")
"""The marketplaces that can be named without a description of one's own."""


class _Wrong(Exception):
    """A value that does not fit. The text says what would."""


# -- readers: a raw TOML value (or an environment string) in, the typed value out ------------------


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _Wrong("needs a non-empty string")
    return value


def _origin(value: Any) -> str:
    parts = urlsplit(_text(value))
    plain = not (parts.path.strip("/") or parts.query or parts.fragment or parts.username)
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain:
        raise _Wrong('needs an origin such as "https://gate.example" (no path, no user)')
    return f"{parts.scheme}://{parts.netloc}".lower()


def _listen(value: Any) -> tuple[str, int]:
    host, separator, port = _text(value).rpartition(":")
    if not separator or not host or not port.isdigit() or int(port) > 65535:
        raise _Wrong('needs "host:port", for instance "127.0.0.1:8080"')
    return host.strip("[]"), int(port)


def _number(least: int, most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise _Wrong(f"needs a whole number from {least} to {most}")
        return value

    return read


def _one_of(*choices: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in choices:
            raise _Wrong("needs one of " + ", ".join(f'"{choice}"' for choice in choices))
        return str(value)

    return read


def _switch(value: Any) -> bool:
    if value in (True, "true", "1"):
        return True
    if value in (False, "false", "0"):
        return False
    raise _Wrong("needs true or false")


def _address(value: Any) -> Address:
    try:
        return parse_address(_text(value))
    except Malformed as error:
        raise _Wrong(f"needs an address, 0x and 40 hex digits: {error.message}") from error


def _key(value: Any) -> str:
    text = _text(value)
    if not re.fullmatch(r"(file:.+|env:[A-Za-z_][A-Za-z0-9_]*)", text):
        raise _Wrong('needs "file:PATH" or "env:NAME"; secrets never stand in this file')
    return text


def _country(value: Any) -> str:
    text = _text(value)
    if not re.fullmatch(r"[A-Z]{2}", text, re.ASCII):
        raise _Wrong('needs a country of two capital letters, as in "DE"')
    return text


def _adapter(value: Any) -> str:
    text = _text(value)
    if text not in ADAPTERS and not re.fullmatch(r"file:.+\.toml", text):
        named = ", ".join(f'"{name}"' for name in ADAPTERS)
        raise _Wrong(f'needs one of {named}, or "file:PATH.toml"')
    return text


def _peer(value: Any) -> Network:
    try:
        network = ip_network(_text(value))
    except ValueError as error:
        raise _Wrong('needs an address or a network such as "10.0.0.0/24"') from error
    if network.prefixlen == 0:
        raise _Wrong("would believe everybody")
    return network


def _host(value: Any) -> str:
    text = _text(value).lower()
    if not re.fullmatch(r"[a-z0-9.-]{1,253}(:[0-9]{1,5})?", text):
        raise _Wrong('needs a host name such as "status.example", or "host:port"')
    return text


def _scheme(value: Any) -> str:
    text = _text(value)
    if not re.fullmatch(r"[a-z][a-z0-9+.-]{1,40}", text):
        raise _Wrong('needs the scheme of a link, such as "openid4vp"')
    return text


def _many(read: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    def read_all(value: Any) -> tuple[Any, ...]:
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list):
            raise _Wrong("needs a list")
        return tuple(read(item) for item in items)

    return read_all


def _operator(value: Any) -> tuple[str, str]:
    match = re.fullmatch(r"([a-z0-9_.-]{1,40}):([0-9a-f]{64})", _text(value))
    if not match:
        raise _Wrong('needs "name:SHA-256 of the token in hex"; kycgate keys token makes one')
    return match[1], match[2]


def _stand_in(value: Any) -> str:
    parts = urlsplit(_text(value))
    if parts.scheme != "http" or parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise _Wrong('needs a stand-in on this machine such as "http://127.0.0.1:9000"')
    return f"http://{parts.netloc}"


def _words(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict) or not all(
        isinstance(each, str) and each for each in value.values()
    ):
        raise _Wrong('needs a table of texts, as in { account = "x" }')
    return tuple(value.items())


def _keys(value: Any) -> tuple[tuple[str, str], ...]:
    return tuple((name, _key(spec)) for name, spec in _words(value))


def _digest(value: Any) -> Digest:
    try:
        return wire.digest(_text(value), field="schema")
    except Malformed as error:
        raise _Wrong("needs a schema's uid, 0x and 64 hex digits") from error


def _scheduler(value: Any) -> tuple[str, str]:
    match = re.fullmatch(r"([a-z0-9][a-z0-9.-]{0,39}):([0-9a-f]{64})", _text(value))
    if not match:
        raise _Wrong('needs "name:SHA-256 of the secret in hex"; kycgate keys hook makes one')
    return match[1], match[2]


def _setting(read: Callable[[Any], Any], default: Any = MISSING) -> Any:
    """A field and its reader; without a default it must be given."""
    if default is MISSING:
        return field(metadata={"read": read})
    return field(default=default, metadata={"read": read})


# -- the sections ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Where the two listeners stand, and what renters see."""

    public_url: str = _setting(_origin)
    """origin of the control plane as browsers reach it: SIWE domain and URI, links in refusals"""
    gateway_url: str = _setting(_origin)
    """origin of the marketplace listener as clients reach it: ERC-8128 authority"""
    listen: tuple[str, int] = _setting(_listen, ("127.0.0.1", 8080))
    control_listen: tuple[str, int] = _setting(_listen, ("127.0.0.1", 8081))
    trusted_fronts: tuple[Network, ...] = _setting(_many(_peer), ())
    """addresses or networks of fronts before `listen`: their X-Forwarded-For is believed"""
    forward_auth: str | None = _setting(_one_of("nginx", "caddy", "traefik", "envoy"), None)
    """the contract of the front that asks before it forwards; none: no such listener"""
    forward_auth_listen: tuple[str, int] = _setting(_listen, ("127.0.0.1", 8082))
    forward_auth_peers: tuple[Network, ...] = _setting(
        _many(_peer), (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    )
    """addresses or networks of the fronts: whoever asks from there is believed"""
    forward_auth_routes: tuple[str, ...] = _setting(
        _many(_one_of("read", "stop", "rent")), ("read", "stop")
    )
    """what the front may forward itself; everything else goes through `listen`"""
    database: str = _setting(_text, "sqlite:///kycgate.sqlite3")
    body_limit: int = _setting(_number(1024, 64 * 2**20), 2**20)
    """bytes of a renting request's body"""
    operators: tuple[tuple[str, str], ...] = _setting(_many(_operator), ())
    """(name, SHA-256 hex of bearer token) of those who may see operator views"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marketplace:
    """What stands behind the gate."""

    adapter: str = _setting(_adapter, "ionet")
    """one of `kycgate adapter list`, or "file:PATH" of a marketplace described in TOML"""
    name: str = _setting(_text, "this marketplace")
    """as renters read it"""
    upstream: str = _setting(_origin)
    upstream_key: str | None = _setting(_key, None)
    """the operator's own key: fetches the catalogue; also forwards rents where shared_key is on"""
    shared_key: bool = _setting(_switch, True)
    """renters without a key of their own go upstream under upstream_key, ownership enforced here"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Where each key is kept. One key, one use (DESIGN 4.5)."""

    issuer: str = _setting(_key)
    permit: str = _setting(_key)
    log: str = _setting(_key)
    vault: str = _setting(_key)
    assertion: str | None = _setting(_key, None)
    """signs `Kycgate-Assertion`, by which the marketplace knows what passed the gate"""
    password: str | None = _setting(_key, None)
    """for keystore V3 files"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """The EAS domain attestations are signed in, and how long they live."""

    chain_id: int = _setting(_number(1, 2**53))
    eas: Address = _setting(_address)
    eas_version: str = _setting(_text, "1.4.0")
    life_s: int = _setting(_number(300, 24 * _HOUR), 24 * _HOUR)
    trust_list: str | None = _setting(_text, None)
    """trust list signed by the offline root; without one, only this gate's issuer key counts"""
    root: Address | None = _setting(_address, None)
    """the root's address; needed with trust_list"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """Whether a contract holds the money, and where it stands. `none` needs no chain."""

    mode: str = _setting(_one_of("none", "escrow"), "none")
    rpc: tuple[str, ...] = _setting(_many(_text), ())
    chain_id: int = _setting(_number(1, 2**53), 1)
    escrow: Address | None = _setting(_address, None)
    revoker: Address | None = _setting(_address, None)
    revoker_key: str | None = _setting(_key, None)
    token: Address | None = _setting(_address, None)
    token_decimals: int = _setting(_number(0, 36), 6)
    provider: Address | None = _setting(_address, None)
    """who is paid: the marketplace's own account"""
    max_value: int = _setting(_number(1, 2**63 - 1), 10**12)
    """cap on a permit where the job's price is unknown, base units of the token"""
    margin_percent: int = _setting(_number(0, 1000), 25)
    """how far above the catalogue's price the permit's maxValue reaches"""
    confirmations: int = _setting(_number(0, 1000), 3)
    """blocks that must follow before something on chain counts as standing"""
    replace_after_s: int = _setting(_number(5, 86_400), 60)
    """a transaction out of a block for longer is sent again with higher fees"""
    fee_most_gwei: int = _setting(_number(1, 10**6), 500)
    start_block: int = _setting(_number(0, 2**53), 0)
    """the block the escrow was deployed in: its events are followed from there"""
    publish_bound_s: int = _setting(_number(1, 7 * 24 * _HOUR), 300)
    """a revocation unpublished for longer stops new permits"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """A further chain revocations are published on, one `[[chain]]` table each."""

    id: int = _setting(_number(1, 2**53))
    rpc: tuple[str, ...] = _setting(_many(_text))
    eas: Address = _setting(_address)
    revoker: Address = _setting(_address)
    revoker_key: str = _setting(_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Screening:
    """Which lists and which engine, and how old a list may be for controlled GPUs."""

    network: str | None = _setting(_text, None)
    """the operator's own MaxMind DB file; without one nobody knows where callers are"""
    lists_dir: str | None = _setting(_text, None)
    """where `kycgate lists` keeps the versions; without it `kycgate-lists` beside the database"""
    backend: str = _setting(_one_of("embedded", "yente"), "embedded")
    yente_url: str | None = _setting(_origin, None)
    """origin of the yente service; needed with backend = "yente\""""
    yente_dataset: str = _setting(_text, "sanctions")
    """which of its collections is matched against"""
    yente_key: str | None = _setting(_key, None)
    """its API key, where it wants one"""
    oracle_rpc: tuple[str, ...] = _setting(_many(_text), ())
    """nodes that are asked for a second opinion on wallets; without one nobody is"""
    oracle_chain_id: int = _setting(_number(1, 2**53), 1)
    oracle: Address = _setting(_address, CHAINALYSIS)
    """the contract: `isSanctioned(address) returns (bool)`"""
    max_age_s: int = _setting(_number(_HOUR, 10 * 365 * 24 * _HOUR), 72 * _HOUR)
    """seconds from which a list is too old to clear anybody for a controlled GPU"""
    alarm_age_s: int = _setting(_number(_HOUR, 10 * 365 * 24 * _HOUR), 24 * _HOUR)
    """seconds from which its age is shown and logged"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """The registers in which a renter's owners are looked up; without one there is what it says."""

    gleif: str | None = _setting(_text, None)
    """directory with GLEIF's files: level 1, level 2, reporting exceptions, deltas"""
    bods: tuple[str, ...] = _setting(_many(_text), ())
    """files of beneficial ownership statements (BODS 0.4)"""
    kept: str | None = _setting(_text, None)
    """where registers once read are kept; without it `kycgate-ownership` beside the database"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFile:
    """Which rental rules apply: a file of the operator's, or one of the shipped policies."""

    rules: str = _setting(_one_of("default", "standard"), "default")
    """without a file: the short default, or every dated rule book (see the operating notes)"""
    file: str | None = _setting(_text, None)
    wallet_proof_s: int = _setting(_number(_HOUR, 30 * 24 * _HOUR), 7 * 24 * _HOUR)
    """how old the wallet's own signature may be for controlled GPUs"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Which credentials in renters' wallets prove who they are. No root pinned: none."""

    pid_roots: tuple[str, ...] = _setting(_many(_text), ())
    """PEM files: who may issue EUDI person identification data, as SD-JWT VC or mdoc"""
    mdl_roots: tuple[str, ...] = _setting(_many(_text), ())
    """PEM files: who may issue ISO/IEC 18013-5 driving licences (IACA roots)"""
    types: tuple[str, ...] = _setting(
        _many(_one_of("pid-sd-jwt", "pid-mdoc", "mdl")), ("pid-sd-jwt", "pid-mdoc", "mdl")
    )
    """which of them are accepted, the preferred first"""
    pid_vct: tuple[str, ...] = _setting(_many(_text), ("urn:eudi:pid:1",))
    """the `vct` values of SD-JWT VCs that count"""
    status_hosts: tuple[str, ...] = _setting(_many(_host), ())
    """hosts whose status lists may be asked; elsewhere "could not tell", hence a review"""
    certificate: str | None = _setting(_text, None)
    """PEM file: the certificate path under which wallets know this gate; needed for links"""
    certificate_key: str | None = _setting(_key, None)
    """its private key, unencrypted PEM"""
    client_id: str = _setting(_one_of("x509_hash", "x509_san_dns"), "x509_hash")
    """how wallets are told who asks"""
    wallet_scheme: str = _setting(_scheme, "openid4vp")
    """the links that open a wallet on a phone begin with it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Schedulers that ask before they place work. Without one named, nothing listens."""

    listen: tuple[str, int] = _setting(_listen, ("127.0.0.1", 8083))
    peers: tuple[Network, ...] = _setting(
        _many(_peer), (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    )
    """addresses or networks the schedulers ask from"""
    dstack: tuple[tuple[str, str], ...] = _setting(_many(_scheduler), ())
    """(name, SHA-256 hex of its secret) of each dstack server"""
    skypilot: tuple[tuple[str, str], ...] = _setting(_many(_scheduler), ())
    """the same of each SkyPilot API server"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one account and one address (IPv6: one /64) may ask, over time and at once."""

    address_per_second: int = _setting(_number(1, 10**6), 100)
    address_burst: int = _setting(_number(1, 10**6), 400)
    account_per_second: int = _setting(_number(1, 10**6), 50)
    account_burst: int = _setting(_number(1, 10**6), 200)
    unproven_per_second: int = _setting(_number(1, 10**6), 5)
    """failed proofs from one address, and changes on the control plane"""
    unproven_burst: int = _setting(_number(1, 10**6), 40)
    stops_per_second: int = _setting(_number(1, 10**6), 20)
    """ends and halts of deployments, apart from everything else"""
    stops_burst: int = _setting(_number(1, 10**6), 200)
    requests_per_account: int = _setting(_number(1, 10**6), 64)
    """under way at once"""
    requests: int = _setting(_number(1, 10**6), 1024)
    streams_per_account: int = _setting(_number(1, 10**6), 8)
    """long answers (logs, events) at once"""
    streams: int = _setting(_number(1, 10**6), 256)
    connections_per_address: int = _setting(_number(1, 10**6), 256)
    connections: int = _setting(_number(16, 10**6), 4096)
    header_seconds: int = _setting(_number(1, 300), 10)
    """from the connection or the first byte to the end of a request's header"""
    body_seconds: int = _setting(_number(1, 3600), 30)
    """longest silence inside a request's body"""
    body_bytes_per_second: int = _setting(_number(0, 10**9), 256)
    """slowest request body, on average over body_seconds"""
    write_seconds: int = _setting(_number(1, 3600), 60)
    """longest an answer may lie unread"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What counts as a proof of identity, and for how long."""

    environment: str = _setting(_one_of("live", "test"), "live")
    """test: proofs of test issuers and sandboxes only; an issuer key serves one of the two"""
    require_proof: bool = _setting(_switch, False)
    """a case can be handed in only with a proof of identity, or with documents to look at"""
    auto_organisations: bool = _setting(_switch, False)
    """approve an organisation whose representative is proven without a person looking"""
    level_1_days: int = _setting(_number(1, 3650), 180)
    """days after which identity must be proven again, as the two below"""
    level_2_days: int = _setting(_number(1, 3650), 365)
    level_3_days: int = _setting(_number(1, 3650), 730)


_ENVIRONMENT = _one_of("live", "test")
_PROVIDER_LEVEL = _number(1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sumsub:
    """Sumsub as an identity provider; without the section it is not offered."""

    environment: str = _setting(_ENVIRONMENT, "live")
    """of the token below; the same as [identity] environment"""
    app_token: str = _setting(_key)
    secret: str = _setting(_key)
    webhook_secrets: tuple[str, ...] = _setting(_many(_key))
    """as the webhook manager shows it; a second one while it is changed"""
    level_name: str = _setting(_text)
    """the verification level made in Sumsub's console"""
    level: int = _setting(_PROVIDER_LEVEL, 2)
    """what a pass is worth here"""
    url: str | None = _setting(_stand_in, None)
    """a stand-in for trying things out, in a test gate only"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """Persona as an identity provider; without the section it is not offered."""

    environment: str = _setting(_ENVIRONMENT, "live")
    api_key: str = _setting(_key)
    webhook_secrets: tuple[str, ...] = _setting(_many(_key))
    template: str = _setting(_text)
    """the inquiry template, `itmpl_…`"""
    completed_passes: bool = _setting(_switch, False)
    """no workflow decides inquiries afterwards: "completed" is Persona's last word"""
    level: int = _setting(_PROVIDER_LEVEL, 2)
    url: str | None = _setting(_stand_in, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stripe:
    """Stripe Identity as an identity provider; without the section it is not offered."""

    environment: str = _setting(_ENVIRONMENT, "live")
    api_key: str = _setting(_key)
    """a restricted key that may write verification sessions and read their results"""
    webhook_secrets: tuple[str, ...] = _setting(_many(_key))
    flow: str | None = _setting(_text, None)
    """a verification flow, `vf_…`; without one: document, live capture, matching selfie"""
    level: int = _setting(_PROVIDER_LEVEL, 2)
    url: str | None = _setting(_stand_in, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class FurtherProvider:
    """A provider of an installed package, one `[[provider]]` table each."""

    name: str = _setting(_text)
    environment: str = _setting(_ENVIRONMENT, "live")
    level: int = _setting(_PROVIDER_LEVEL, 2)
    settings: tuple[tuple[str, str], ...] = _setting(_words, ())
    secrets: tuple[tuple[str, str], ...] = _setting(_keys, ())
    """names and `file:PATH` or `env:NAME`"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifications:
    """How many checks with hosted providers may begin in a day: each costs the operator money."""

    per_account: int = _setting(_number(1, 100), 3)
    """with all providers together"""
    per_provider: int = _setting(_number(1, 10**6), 500)
    """by all accounts together: wallets are cheap to make"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """An issuer whose EAS records are evidence in a case, one `[[import]]` table each."""

    name: str = _setting(_text)
    """as reviewers read it"""
    chain_id: int = _setting(_number(1, 2**53))
    rpc: tuple[str, ...] = _setting(_many(_text))
    eas: Address = _setting(_address)
    issuers: tuple[Address, ...] = _setting(_many(_address))
    """who attests; nobody else counts"""
    schemas: tuple[Digest, ...] = _setting(_many(_digest))
    indexer: Address | None = _setting(_address, None)
    """finds records by account, as Coinbase's AttestationIndexer does"""
    eas_version: str | None = _setting(_text, None)
    """of the EAS contract; set: signed (off-chain) records are taken as well"""


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultSettings:
    """Who wraps the subjects' keys, and how long people's data is kept."""

    keys: str = _setting(_text, "file")
    """`file`: the key that keys.vault names; else a plug-in of the group kycgate.vault_keys"""
    address: str = _setting(_text, "none")
    """what the plug-in is given: for `command`, the absolute path of a program"""
    also: tuple[str, ...] = _setting(_many(_key), ())
    """keys that only open what was sealed under them, while a rotation is under way"""
    retention_years: int = _setting(_number(0, 100), 10)
    """after a renter's last transaction"""
    draft_days: int = _setting(_number(1, 3650), 90)
    """after which a case that was never handed in is forgotten"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionElsewhere:
    """How long records of renters in one country are kept, one `[[retention]]` table each."""

    country: str = _setting(_country)
    years: int = _setting(_number(0, 100))
    reason: str = _setting(_text)
    """the law or rule that says so, as an auditor reads it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything the operator decides. `directory` is where relative paths start."""

    directory: Path
    gate: Gate
    marketplace: Marketplace
    keys: Keys
    issuer: Issuer
    settlement: Settlement
    chains: tuple[Elsewhere, ...]
    screening: Screening
    ownership: Ownership
    policy: PolicyFile
    hooks: Hooks
    limits: Limits
    identity: Identity
    credentials: Credentials
    verifications: Verifications
    sumsub: Sumsub | None
    persona: Persona | None
    stripe: Stripe | None
    providers: tuple[FurtherProvider, ...]
    imports: tuple[Import, ...]
    vault: VaultSettings
    retention: tuple[RetentionElsewhere, ...]

    def path(self, text: str) -> Path:
        return self.directory / text

    def key(self, spec: str) -> str:
        """A key spec with its path made absolute."""
        scheme, _, rest = spec.partition(":")
        return f"file:{self.path(rest)}" if scheme == "file" else spec

    @property
    def lists_dir(self) -> Path:
        """Where the versions of the screening lists are kept."""
        if self.screening.lists_dir is not None:
            return self.path(self.screening.lists_dir)
        return self._beside_store / "kycgate-lists"

    @property
    def ownership_dir(self) -> Path:
        """Where registers of owners are kept once they are read."""
        if self.ownership.kept is not None:
            return self.path(self.ownership.kept)
        return self._beside_store / "kycgate-ownership"

    @property
    def _beside_store(self) -> Path:
        scheme, _, file = self.store_url.partition(":///")
        return Path(file).parent if scheme == "sqlite" else self.directory

    @property
    def store_url(self) -> str:
        """The database URL, a relative SQLite path starting at the configuration's folder."""
        scheme, _, rest = self.gate.database.partition(":///")
        if scheme == "sqlite" and rest and not rest.startswith("/"):
            return f"sqlite:///{self.path(rest)}"
        return self.gate.database


_SECTIONS: dict[str, type] = {
    "gate": Gate,
    "marketplace": Marketplace,
    "keys": Keys,
    "issuer": Issuer,
    "settlement": Settlement,
    "screening": Screening,
    "ownership": Ownership,
    "policy": PolicyFile,
    "hooks": Hooks,
    "limits": Limits,
    "identity": Identity,
    "credentials": Credentials,
    "verifications": Verifications,
    "vault": VaultSettings,
}
_CHAINS = "chain"
_OFFERED: dict[str, type] = {"sumsub": Sumsub, "persona": Persona, "stripe": Stripe}
"""Sections that are there or not."""
_REPEATED: dict[str, type] = {
    _CHAINS: Elsewhere,
    "provider": FurtherProvider,
    "import": Import,
    "retention": RetentionElsewhere,
}
"""Tables in double brackets."""


# -- reading ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Report:
    """Collects problems and knows at which line a setting stands."""

    name: str
    lines: list[str]
    problems: list[str] = field(default_factory=list)

    def add(self, section: str, key: str | None, what: str) -> None:
        place = section if key is None else f"{section}.{key}"
        self.problems.append(f"{self.name}:{self._line(section, key)}: {place}: {what}")

    def _line(self, section: str, key: str | None) -> int:
        inside = 0
        for number, line in enumerate(self.lines, 1):
            header = re.match(r"\s*\[{1,2}\s*([A-Za-z0-9_.-]+)\s*\]", line)
            if header:
                inside = number if header[1] == section else 0
                if inside and key is None:
                    return number
            elif inside and re.match(rf'\s*"?{re.escape(key or "")}"?\s*=', line):
                return number
        return max(inside, 1)


def load_config(path: str | Path, *, environ: Mapping[str, str] | None = None) -> Config:
    """Read a configuration.

    Raises Misconfigured with every problem found: `file:line: section.field: what to do`.
    """
    source = Path(path)
    try:
        text = source.read_text(encoding="utf-8")
    except OSError as error:
        raise Misconfigured(
            (f"{source}: can't be read ({error.strerror}); --config FILE",)
        ) from error
    except UnicodeDecodeError as error:
        raise Misconfigured((f"{source}: is not UTF-8 text",)) from error
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured((f"{source}: is not TOML: {error}",)) from error
    return _build(raw, _Report(str(source), text.splitlines()), source, environ or os.environ)


def _build(
    raw: dict[str, Any], report: _Report, source: Path, environ: Mapping[str, str]
) -> Config:
    for name in raw:
        if name not in (*_SECTIONS, *_OFFERED, *_REPEATED):
            known = ", ".join((*_SECTIONS, *_OFFERED))
            report.add(name, None, f"unknown section; there are {known}")
    repeated = {
        name: tuple(_section(name, kind, table, report, {}) for table in _tables(name, raw, report))
        for name, kind in _REPEATED.items()
    }
    sections = {
        name: _section(name, kind, raw.get(name, {}), report, environ)
        for name, kind in _SECTIONS.items()
    }
    for name, kind in _OFFERED.items():
        there = name in raw
        sections[name] = _section(name, kind, raw[name], report, environ) if there else None
    if not report.problems:
        _cross_check(sections, repeated[_CHAINS], report)
        _check_providers(sections, repeated["provider"], report)
        _check_imports(repeated["import"], report)
        _check_retention(repeated["retention"], report)
    if report.problems:
        raise Misconfigured(tuple(report.problems))
    return Config(
        directory=source.parent.resolve(),
        chains=repeated[_CHAINS],
        providers=repeated["provider"],
        imports=repeated["import"],
        retention=repeated["retention"],
        **sections,
    )


def _tables(name: str, raw: dict[str, Any], report: _Report) -> list[Any]:
    tables = raw.get(name, [])
    if not isinstance(tables, list):
        report.add(name, None, f"needs double brackets: [[{name}]]")
        return []
    return tables


def _check_retention(retention: tuple[RetentionElsewhere, ...], report: _Report) -> None:
    countries = [each.country for each in retention]
    if len(set(countries)) != len(countries):
        report.add("retention", "country", "names a country twice")


def _section(name: str, kind: type, table: Any, report: _Report, environ: Mapping[str, str]) -> Any:
    if not isinstance(table, dict):
        report.add(name, None, f"needs to be a section: [{name}]")
        return None
    known: dict[str, Field[Any]] = {each.name: each for each in fields(kind)}
    for key in table:
        if key not in known:
            report.add(name, key, f"unknown setting; [{name}] knows {', '.join(known)}")
    values = {}
    for key, setting in known.items():
        given: Any = environ.get(f"KYCGATE_{name}_{key}".upper(), table.get(key, MISSING))
        if given is MISSING:
            if setting.default is MISSING:
                report.add(name, key, "is missing and has no default")
            continue
        try:
            values[key] = setting.metadata["read"](given)
        except _Wrong as wrong:
            report.add(name, key, str(wrong))
    complete = all(each.default is not MISSING or each.name in values for each in known.values())
    return kind(**values) if complete else None


def _cross_check(sections: dict[str, Any], chains: tuple[Elsewhere, ...], report: _Report) -> None:
    settlement, keys = sections["settlement"], sections["keys"]
    if settlement.mode == "escrow":
        for key in ("escrow", "revoker", "token", "provider"):
            if getattr(settlement, key) is None:
                report.add("settlement", key, 'is needed when mode = "escrow"')
        if not settlement.rpc:
            report.add("settlement", "rpc", 'is needed when mode = "escrow"')
    if sections["gate"].forward_auth and "rent" in sections["gate"].forward_auth_routes:
        report.add(
            "gate",
            "forward_auth_routes",
            f"{sections['gate'].forward_auth} shows the gate neither the body nor the answer of a"
            ' renting request: take "rent" out, and send these routes to gate.listen',
        )
    _check_hooks(sections["hooks"], report)
    _check_listeners(sections, report)
    ids = [settlement.chain_id, *(chain.id for chain in chains)]
    if len(set(ids)) != len(ids):
        report.add(_CHAINS, "id", "names a chain twice, or the settlement's own")
    if chains and settlement.mode != "escrow":
        report.add(_CHAINS, None, 'needs [settlement] mode = "escrow"')
    if sections["issuer"].trust_list and sections["issuer"].root is None:
        report.add("issuer", "root", "is needed with trust_list: the address of the offline root")
    if sections["screening"].alarm_age_s > sections["screening"].max_age_s:
        report.add("screening", "alarm_age_s", "must not exceed max_age_s")
    if sections["screening"].backend == "yente" and sections["screening"].yente_url is None:
        report.add("screening", "yente_url", 'is needed when backend = "yente"')
    credentials = sections["credentials"]
    if (credentials.certificate is None) != (credentials.certificate_key is None):
        text = "needs certificate and certificate_key, both or neither"
        report.add("credentials", "certificate", text)
    if sections["vault"].keys != "file" and sections["vault"].address == "none":
        report.add("vault", "address", f'is needed with keys = "{sections["vault"].keys}"')
    used: dict[str, str] = {}
    for key in ("issuer", "permit", "log", "vault", "assertion"):
        spec = getattr(keys, key)
        if spec is None:
            continue
        if spec in used:
            report.add("keys", key, f"is the same key as {used[spec]}; one key, one use")
        used.setdefault(spec, key)


def _check_providers(
    sections: dict[str, Any], further: tuple[FurtherProvider, ...], report: _Report
) -> None:
    """A sandbox in a live gate could mint a live attestation."""
    environment = sections["identity"].environment
    for name in _OFFERED:
        offered = sections[name]
        if offered is None:
            continue
        if offered.environment != environment:
            report.add(name, "environment", f'is not that of [identity], "{environment}"')
        if offered.url is not None and environment != "test":
            report.add(name, "url", 'only with [identity] environment = "test"')
        if not offered.webhook_secrets:
            report.add(name, "webhook_secrets", "needs at least one: unsigned messages are refused")
    names = [*_OFFERED, "credential", "documents"]
    for each in further:
        if each.environment != environment:
            report.add("provider", "environment", f'is not that of [identity], "{environment}"')
        if each.name in names or not re.fullmatch(r"[a-z][a-z0-9_-]{0,31}", each.name):
            report.add("provider", "name", "is taken, or not small letters, digits, - and _")
        names.append(each.name)


def _check_imports(imports: tuple[Import, ...], report: _Report) -> None:
    names = [each.name for each in imports]
    if len(set(names)) != len(names):
        report.add("import", "name", "stands twice")
    for each in imports:
        for key in ("rpc", "issuers", "schemas"):
            if not getattr(each, key):
                report.add("import", key, "is empty: nobody's records would count")


def _check_hooks(hooks: Hooks, report: _Report) -> None:
    names = [name for name, _ in (*hooks.dstack, *hooks.skypilot)]
    secrets = [digest for _, digest in (*hooks.dstack, *hooks.skypilot)]
    if len(set(names)) != len(names):
        report.add("hooks", None, "names a scheduler twice: users are told apart by its name")
    if len(set(secrets)) != len(secrets):
        report.add("hooks", None, "gives two schedulers one secret: each needs its own")


def _check_listeners(sections: dict[str, Any], report: _Report) -> None:
    """Two doors at one address: the second would fail at start, or answer for the first."""
    gate, hooks = sections["gate"], sections["hooks"]
    taken = {gate.listen: "gate.listen"}
    doors = [("gate", "control_listen", gate.control_listen)]
    if gate.forward_auth is not None:
        doors.append(("gate", "forward_auth_listen", gate.forward_auth_listen))
    if hooks.dstack or hooks.skypilot:
        doors.append(("hooks", "listen", hooks.listen))
    for section, key, bind in doors:
        if bind in taken and bind[1] != 0:
            report.add(section, key, f"is {taken[bind]} already: each door needs its own")
        taken.setdefault(bind, f"{section}.{key}")
