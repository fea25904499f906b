"""The verifier of wallet credentials from a configuration.

Decides nothing: it opens the roots, the certificate and the safe that the configuration names.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from cryptography import x509

from kycgate.assembly.ground import Ground
from kycgate.config import Config
from kycgate.core.claims import Level
from kycgate.errors import Misconfigured
from kycgate.issuer.credentials.asking import Client, read_client
from kycgate.issuer.credentials.chain import Trust, read_roots
from kycgate.issuer.credentials.judging import Settings
from kycgate.issuer.credentials.presentations import Presentations
from kycgate.issuer.credentials.query import CredentialType
from kycgate.issuer.credentials.safe import Safe
from kycgate.issuer.credentials.statuses import FetchedStatuses
from kycgate.issuer.credentials.verdict import Environment
from kycgate.issuer.proven import Means, Office
from kycgate.keys import load_pem, load_secret
from kycgate.web.parts import Way


def open_presentations(
    ground: Ground, office: Office, environment: Environment
) -> Presentations | None:
    """The verifier; None where no root is pinned, so that nothing can be presented.

    Raises Misconfigured, also for a test issuer's root in a live gate.
    """
    config = ground.config
    trusts = _trusts(config, environment)
    if not trusts:
        return None
    given = config.credentials
    settings = Settings(
        origin=config.gate.public_url,
        trusts=trusts,
        vct=given.pid_vct,
        client=_client(config),
        scheme=given.wallet_scheme,
    )
    statuses = FetchedStatuses(frozenset(given.status_hosts))
    also = tuple(load_secret(config.key(spec)) for spec in config.vault.also)
    safe = Safe(load_secret(config.key(config.keys.vault)), also=also)
    return Presentations(ground.store, office, statuses, settings, safe)


def credential_ways(
    presentations: Presentations | None, environment: Environment
) -> tuple[Way, ...]:
    """What renters may choose."""
    if presentations is None:
        return ()
    return (
        Way(
            id="credential",
            means=Means.CREDENTIAL,
            level=Level.HIGH,
            minutes=1,
            live=environment is Environment.LIVE,
            title="Show a credential from the wallet on your phone",
        ),
    )


def _trusts(config: Config, environment: Environment) -> dict[CredentialType, Trust]:
    given = config.credentials
    pid, mdl = (
        _roots(config, name, files, environment)
        for name, files in (("pid_roots", given.pid_roots), ("mdl_roots", given.mdl_roots))
    )
    pinned = {
        CredentialType.PID_SD_JWT: pid,
        CredentialType.PID_MDOC: pid,
        CredentialType.MDL: mdl,
    }
    wanted = (CredentialType(each) for each in given.types)
    return {kind: Trust(pinned[kind], environment) for kind in wanted if pinned[kind]}


def _roots(
    config: Config, name: str, files: tuple[str, ...], environment: Environment
) -> tuple[x509.Certificate, ...]:
    roots: list[x509.Certificate] = []
    for file in files:
        place = f"credentials.{name}: {file}"
        roots += read_roots(_contents(config, file, place), name=place, environment=environment)
    return tuple(roots)


def _client(config: Config) -> Client | None:
    given = config.credentials
    if given.certificate is None or given.certificate_key is None:
        return None
    place = f"credentials.certificate: {given.certificate}"
    return read_client(
        _contents(config, given.certificate, place),
        load_pem(config.key(given.certificate_key)),
        prefix=given.client_id,
        host=urlsplit(config.gate.public_url).hostname or "",
        name=place,
    )


def _contents(config: Config, file: str, place: str) -> bytes:
    try:
        return config.path(file).read_bytes()
    except OSError as e:
        raise Misconfigured((f"{place}: can't be read ({e.strerror})",)) from e
