"""The sections about proving who rents: credentials, providers, imports, and what is kept of it.

Values only: what one setting means for another is asked in `checks`.
"""

from __future__ import annotations

from dataclasses import dataclass

from kycgate.config import readers as read
from kycgate.config.readers import setting
from kycgate.core.claims import Address, Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What counts as a proof of identity, and for how long."""

    environment: str = setting(read.one_of("live", "test"), "live")
    """test: proofs of test issuers and sandboxes only; an issuer key serves one of the two"""
    require_proof: bool = setting(read.switch, False)
    """a case can be handed in only with a proof of identity, or with documents to look at"""
    auto_organisations: bool = setting(read.switch, False)
    """approve an organisation whose representative is proven without a person looking"""
    level_1_days: int = setting(read.number(1, 3650), 180)
    """days after which identity must be proven again, as the two below"""
    level_2_days: int = setting(read.number(1, 3650), 365)
    level_3_days: int = setting(read.number(1, 3650), 730)


_ENVIRONMENT = read.one_of("live", "test")
_PROVIDER_LEVEL = read.number(1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Which credentials in renters' wallets prove who they are. No root pinned: none."""

    pid_roots: tuple[str, ...] = setting(read.many(read.text), ())
    """PEM files: who may issue EUDI person identification data, as SD-JWT VC or mdoc"""
    mdl_roots: tuple[str, ...] = setting(read.many(read.text), ())
    """PEM files: who may issue ISO/IEC 18013-5 driving licences (IACA roots)"""
    types: tuple[str, ...] = setting(
        read.many(read.one_of("pid-sd-jwt", "pid-mdoc", "mdl")), ("pid-sd-jwt", "pid-mdoc", "mdl")
    )
    """which of them are accepted, the preferred first"""
    pid_vct: tuple[str, ...] = setting(read.many(read.text), ("urn:eudi:pid:1",))
    """the `vct` values of SD-JWT VCs that count"""
    status_hosts: tuple[str, ...] = setting(read.many(read.host), ())
    """hosts whose status lists may be asked; elsewhere "could not tell", hence a review"""
    certificate: str | None = setting(read.text, None)
    """PEM file: the certificate path under which wallets know this gate; needed for links"""
    certificate_key: str | None = setting(read.key, None)
    """its private key, unencrypted PEM"""
    client_id: str = setting(read.one_of("x509_hash", "x509_san_dns"), "x509_hash")
    """how wallets are told who asks"""
    wallet_scheme: str = setting(read.scheme, "openid4vp")
    """the links that open a wallet on a phone begin with it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sumsub:
    """Sumsub as an identity provider; without the section it is not offered."""

    environment: str = setting(_ENVIRONMENT, "live")
    """of the token below; the same as [identity] environment"""
    app_token: str = setting(read.key)
    secret: str = setting(read.key)
    webhook_secrets: tuple[str, ...] = setting(read.many(read.key))
    """as the webhook manager shows it; a second one while it is changed"""
    level_name: str = setting(read.text)
    """the verification level made in Sumsub's console"""
    level: int = setting(_PROVIDER_LEVEL, 2)
    """what a pass is worth here"""
    url: str | None = setting(read.stand_in, None)
    """a stand-in for trying things out, in a test gate only"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """Persona as an identity provider; without the section it is not offered."""

    environment: str = setting(_ENVIRONMENT, "live")
    api_key: str = setting(read.key)
    webhook_secrets: tuple[str, ...] = setting(read.many(read.key))
    template: str = setting(read.text)
    """the inquiry template, `itmpl_…`"""
    completed_passes: bool = setting(read.switch, False)
    """no workflow decides inquiries afterwards: "completed" is Persona's last word"""
    level: int = setting(_PROVIDER_LEVEL, 2)
    url: str | None = setting(read.stand_in, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stripe:
    """Stripe Identity as an identity provider; without the section it is not offered."""

    environment: str = setting(_ENVIRONMENT, "live")
    api_key: str = setting(read.key)
    """a restricted key that may write verification sessions and read their results"""
    webhook_secrets: tuple[str, ...] = setting(read.many(read.key))
    flow: str | None = setting(read.text, None)
    """a verification flow, `vf_…`; without one: document, live capture, matching selfie"""
    level: int = setting(_PROVIDER_LEVEL, 2)
    url: str | None = setting(read.stand_in, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class FurtherProvider:
    """A provider of an installed package, one `[[provider]]` table each."""

    name: str = setting(read.text)
    environment: str = setting(_ENVIRONMENT, "live")
    level: int = setting(_PROVIDER_LEVEL, 2)
    settings: tuple[tuple[str, str], ...] = setting(read.words, ())
    secrets: tuple[tuple[str, str], ...] = setting(read.keys, ())
    """names and `file:PATH` or `env:NAME`"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifications:
    """How many checks with hosted providers may begin in a day: each costs the operator money."""

    per_account: int = setting(read.number(1, 100), 3)
    """with all providers together"""
    per_provider: int = setting(read.number(1, 10**6), 500)
    """by all accounts together: wallets are cheap to make"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """An issuer whose EAS records are evidence in a case, one `[[import]]` table each."""

    name: str = setting(read.text)
    """as reviewers read it"""
    chain_id: int = setting(read.number(1, 2**53))
    rpc: tuple[str, ...] = setting(read.many(read.text))
    eas: Address = setting(read.address)
    issuers: tuple[Address, ...] = setting(read.many(read.address))
    """who attests; nobody else counts"""
    schemas: tuple[Digest, ...] = setting(read.many(read.digest))
    indexer: Address | None = setting(read.address, None)
    """finds records by account, as Coinbase's AttestationIndexer does"""
    eas_version: str | None = setting(read.text, None)
    """of the EAS contract; set: signed (off-chain) records are taken as well"""


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultSettings:
    """Who wraps the subjects' keys, and how long people's data is kept."""

    keys: str = setting(read.text, "file")
    """`file`: the key that keys.vault names; else a plug-in of the group kycgate.vault_keys"""
    address: str = setting(read.text, "none")
    """what the plug-in is given: for `command`, the absolute path of a program"""
    also: tuple[str, ...] = setting(read.many(read.key), ())
    """keys that only open what was sealed under them, while a rotation is under way"""
    retention_years: int = setting(read.number(0, 100), 10)
    """after a renter's last transaction"""
    draft_days: int = setting(read.number(1, 3650), 90)
    """after which a case that was never handed in is forgotten"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionElsewhere:
    """How long records of renters in one country are kept, one `[[retention]]` table each."""

    country: str = setting(read.country)
    years: int = setting(read.number(0, 100))
    reason: str = setting(read.text)
    """the law or rule that says so, as an auditor reads it"""
