"""`kycgate sidecar`: any tool on this machine rents through it, and it proves who is renting.

No key or token ever stands on the command line, where every process list shows it: keys come from
a file, the environment or a prompt, the local token from a file only the owner can read.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from kycgate.cli.output import Exit, complain
from kycgate.cli.renter import KEY_VARIABLE
from kycgate.client.control import ControlPlane
from kycgate.client.origin import gate_origin
from kycgate.client.sessions import state_file
from kycgate.client.signing import RequestSigner
from kycgate.core.claims import checksum
from kycgate.core.proof import Profile
from kycgate.errors import Malformed, Misconfigured
from kycgate.keys import Signer, load_signer, load_token

API_KEY_VARIABLE = "KYCGATE_API_KEY"
_PASSWORD_VARIABLE = "KYCGATE_RENTER_PASSWORD"  # noqa: S105  (the name of a variable)
_PROFILES = {"eip155": Profile.EIP155, "erc8128": Profile.ERC8128}


def add(group: argparse.ArgumentParser) -> None:
    """Declare the command."""
    # Else `--key SECRET` would be taken for `--key-file`, and shown as a file that is not there.
    group.allow_abbrev = False
    group.add_argument("--upstream", required=True, metavar="URL", help="the gated marketplace")
    group.add_argument("--gate", required=True, metavar="URL", help="the gate's control plane")
    group.add_argument("--listen", default="127.0.0.1:8484", metavar="HOST:PORT")
    group.add_argument(
        "--proof", choices=("signature", "key"), default="signature",
        help="sign each request with the wallet, or send a gate key",
    )  # fmt: skip
    add_wallet(group)
    group.add_argument(
        "--agent", metavar="SOCKET", help="ask `kycgate signer` at this socket for signatures"
    )
    group.add_argument(
        "--api-key-file", metavar="PATH", help=f"gate key, 0600 (else ${API_KEY_VARIABLE})"
    )
    group.add_argument(
        "--as", dest="key_field", default="x-api-key", metavar="FIELD",
        help="field the gate key travels in: x-api-key, bearer, or another",
    )  # fmt: skip
    group.add_argument("--chain", type=int, default=1, metavar="ID", help="chain id to name")
    group.add_argument("--profile", choices=tuple(_PROFILES), default="eip155")
    group.add_argument("--token-file", metavar="PATH", help="the local token (made if missing)")
    group.add_argument("--body-limit", type=int, default=4 * 2**20, metavar="BYTES")
    group.add_argument(
        "--keep-credentials", action="store_true",
        help="let the tool's own Authorization, X-Api-Key and Cookie travel on",
    )  # fmt: skip
    group.add_argument(
        "--unsafe-hear-every-local-process", action="store_true",
        help="ask for no token: every user and program of this machine rents in your name",
    )  # fmt: skip
    group.add_argument(
        "--unsafe-listen-beyond-loopback", action="store_true",
        help="let --listen be an address others reach: they too rent in your name",
    )  # fmt: skip
    group.set_defaults(run=run_sidecar)


def add_wallet(group: argparse.ArgumentParser) -> None:
    """The options that say where a wallet's key is."""
    group.add_argument(
        "--key-file", metavar="PATH", help=f"wallet: 0600 hex or keystore V3 (else ${KEY_VARIABLE})"
    )
    group.add_argument(
        "--password-file",
        metavar="PATH",
        help=f"of the keystore (else ${_PASSWORD_VARIABLE}, else asked for)",
    )


def run_sidecar(args: argparse.Namespace) -> int:
    """Run until interrupted."""
    try:
        from kycgate.client import sidecar
    except ImportError as error:
        raise Misconfigured(("the sidecar needs h11: pip install 'kycgate[sidecar]'",)) from error

    host, port = _bind(args.listen)
    if not args.unsafe_listen_beyond_loopback:
        sidecar.local.require_loopback(host)
    if not 1024 <= args.body_limit <= 2**30:
        raise Malformed("out of range", field="--body-limit", remedy="1024 to 1073741824 bytes")
    upstream = gate_origin(args.upstream)
    proof, standing = _who(args, upstream)
    token_file = _token_file(args, port)
    token = None if token_file is None else sidecar.read_token(token_file)
    settings = sidecar.Settings(
        upstream=upstream, body_limit=args.body_limit, keep_credentials=args.keep_credentials
    )
    relay = sidecar.Relay(settings, proof, standing, token=token)
    try:
        asyncio.run(_run(relay, host, port, token_file))
    except OSError as error:
        complain(f"--listen: {args.listen} can't be listened on ({error.strerror})")
        return Exit.USAGE
    return Exit.YES


async def _run(relay: Any, host: str, port: int, token_file: Path | None) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    bound = await relay.start(host, port)
    shown = f"[{host}]" if ":" in host else host
    print(f"sidecar on http://{shown}:{bound}", flush=True)
    if token_file is not None:
        print(f"give your tool as its API key what stands in {token_file}", flush=True)
    await stop.wait()
    await relay.stop()


def _who(args: argparse.Namespace, upstream: str) -> tuple[Any, Any]:
    """What proves the account, and what is known of it."""
    from kycgate.client import sidecar
    from kycgate.client.sidecar.agent import AgentSigner

    if args.proof == "key":
        spec = f"file:{args.api_key_file}" if args.api_key_file else f"env:{API_KEY_VARIABLE}"
        key = load_token(spec)
        control = ControlPlane(args.gate, token=key)
        proof = sidecar.KeyProof(key, sidecar.proof.key_field(args.key_field))
        return proof, sidecar.Standing(control, account=None, clock=time.time)
    signer = AgentSigner(Path(args.agent)) if args.agent else wallet(args)
    profile = _PROFILES[args.profile]
    scheme, _, authority = upstream.partition("://")
    signing = RequestSigner(signer, chain_id=args.chain, profile=profile, clock=time.time)
    control = ControlPlane(args.gate, signing=signing)
    account = checksum(signer.address)
    return (
        sidecar.WalletProof(signer, scheme, authority, args.chain, profile, time.time),
        sidecar.Standing(control, account=account, clock=time.time),
    )


def wallet(args: argparse.Namespace) -> Signer:
    """The signer that the options, or the environment, name. Raises Misconfigured."""
    spec = f"file:{args.key_file}" if args.key_file else f"env:{KEY_VARIABLE}"
    if args.password_file:
        return load_signer(spec, password=f"file:{args.password_file}")
    if os.environ.get(_PASSWORD_VARIABLE):
        return load_signer(spec, password=f"env:{_PASSWORD_VARIABLE}")
    if args.key_file and _is_keystore(Path(args.key_file)) and sys.stdin.isatty():
        # Through the environment of this process alone: the loader knows names, not secrets.
        os.environ[_PASSWORD_VARIABLE] = getpass.getpass("Password of the keystore: ")
        try:
            return load_signer(spec, password=f"env:{_PASSWORD_VARIABLE}")
        finally:
            del os.environ[_PASSWORD_VARIABLE]
    return load_signer(spec)


def _is_keystore(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(64).lstrip().startswith(b"{")
    except OSError:
        return False


def _bind(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise Malformed("not an address", field="--listen", remedy="127.0.0.1:8484")
    return host.strip("[]"), int(port)


def _token_file(args: argparse.Namespace, port: int) -> Path | None:
    if args.unsafe_hear_every_local_process:
        return None
    if args.token_file:
        return Path(args.token_file)
    return state_file(os.environ).parent / f"sidecar-{port}.token"
