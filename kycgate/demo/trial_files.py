"""The throw-away issuer and its wallet as files in a folder: for demonstrations from a shell.

Nothing in them proves anything to a live gate; the wallet's keys are as worthless as its claims.

    DIR/root.pem                    what a test gate pins as pid_roots and mdl_roots
    DIR/client.pem, DIR/client.key  under which wallets know that gate
    DIR/wallet.json                 the credentials, with their keys
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from kycgate.core import wire
from kycgate.demo.trial_issuer import Holder, Issued, Key, TrialIssuer, certificate, new_key
from kycgate.demo.trial_wallet import Wallet
from kycgate.errors import Malformed, Misconfigured
from kycgate.issuer.credentials.chain import READER
from kycgate.issuer.credentials.query import CredentialType

_WALLET_MOST: Final = 1 << 20
_CLIENT_DAYS: Final = 90
_CREDENTIAL: Final = frozenset({"kind", "key", "credential"})


def make(
    folder: Path, *, host: str, holder: Holder, at: int, status: Mapping[str, Any] | None = None
) -> TrialIssuer:
    """An issuer, a wallet of this holder's and a certificate for this host, in a new folder.

    Raises Misconfigured when a file of that name is there already.
    """
    issuer = TrialIssuer.new(at=at)
    wallet = Wallet.new(issuer, holder, at=at, status=status)
    key = new_key()
    client = certificate(
        key,
        issuer.root_key,
        subject="trial gate",
        issuer=issuer.root.subject,
        country=issuer.country,
        at=at,
        days=_CLIENT_DAYS,
        ca=False,
        extended=READER,
        alternative=host,
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "root.pem", issuer.root_pem())
    _write(folder / "client.pem", client.public_bytes(Encoding.PEM))
    _write(folder / "client.key", pem)
    _write(folder / "wallet.json", wallet_to_wire(wallet))
    return issuer


def wallet_to_wire(wallet: Wallet) -> bytes:
    """The wallet as JSON."""
    kept = [
        {
            "kind": str(issued.kind),
            "key": _b64(
                issued.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
            ),
            "credential": _b64(issued.credential),
        }
        for issued in wallet.credentials.values()
    ]
    return json.dumps({"credentials": kept}, indent=1).encode() + b"\n"


def wallet_from_wire(data: bytes) -> Wallet:
    """The inverse of `wallet_to_wire`. Raises Malformed."""
    document = wire.read_object(data, limit=_WALLET_MOST, field="wallet")
    kept = document.get("credentials")
    if not isinstance(kept, list):
        raise Malformed("no credentials", field="wallet", remedy="make one: kycgate trial issuer")
    found = (_issued(wire.members(each, _CREDENTIAL, field="wallet")) for each in kept)
    return Wallet({issued.kind: issued for issued in found})


def _issued(members: Mapping[str, Any]) -> Issued:
    try:
        kind = CredentialType(members["kind"])
        key = load_der_private_key(base64.b64decode(members["key"], validate=True), None)
        credential = base64.b64decode(members["credential"], validate=True)
    except (ValueError, TypeError) as e:
        raise Malformed("not a credential with its key", field="wallet.credentials") from e
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Malformed("not a key on P-256", field="wallet.credentials")
    held: Key = key
    return Issued(kind, held, credential)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _write(path: Path, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as e:
        raise Misconfigured((f"{path}: can't be created ({e.strerror})",)) from e
    with open(descriptor, "wb") as file:
        file.write(content)
