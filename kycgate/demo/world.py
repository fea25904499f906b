"""The demonstration's world: a chain with EAS and the escrow, a marketplace, and the gate between.

Everything in it is the real part, started here and stopped on leaving. Holds no story.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kycgate import assembly
from kycgate.config import Config, load_config
from kycgate.core.claims import Address, checksum
from kycgate.demo.anvil import Anvil
from kycgate.demo.marketplace import Marketplace
from kycgate.demo.trial_files import make, wallet_to_wire
from kycgate.demo.trial_issuer import Holder
from kycgate.demo.trial_wallet import Wallet
from kycgate.errors import Misconfigured
from kycgate.gateway.server import start_in_thread
from kycgate.keys import LocalSigner, generate_key, generate_secret, load_signer
from kycgate.settlement.deploy import Deployment, Roles, deploy_all
from kycgate.settlement.escrow import Escrow

PROVIDER = Address(bytes.fromhex("00000000000000000000000000000000000ca5e0"))
"""Who the demonstration's escrow pays. Nobody holds its key."""
HOLD_S = 3600
_COMMAND_S = 120
WALLETS = "wallets"
"""The folder of the throw-away credential issuer and of the wallets it filled."""
MINA = Holder(
    given_name="Mina",
    family_name="Example",
    birth_date="1990-04-01",
    document_number="TEST-0010",
)
VISITOR = Holder(
    given_name="Vera",
    family_name="Visitor",
    birth_date="1992-06-15",
    document_number="TEST-0011",
)
"""For whoever clicks through the pages afterwards. One document under two subjects goes to a
reviewer, so each has a number of their own."""


Command = Callable[[Sequence[str]], int]
"""`kycgate` with these words; returns the exit code."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a command said. `document` is its JSON, if it printed any."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def last(self) -> str:
        """The last thing it said: an error whole, though a terminal wraps it."""
        lines = [line.strip() for line in (self.out + self.err).strip().splitlines()]
        begun = [number for number, line in enumerate(lines) if line.startswith("Error:")]
        return " ".join(lines[begun[-1] :] if begun else lines[-1:])


@dataclass(frozen=True, slots=True)
class World:
    """The running world and the hands to act in it. `operator_token` opens operator views."""

    directory: Path
    config: Config
    services: assembly.Services
    anvil: Anvil
    deployment: Deployment
    market: Marketplace
    gate_url: str
    control_url: str
    operator_token: str
    command: Command

    @property
    def escrow(self) -> Escrow:
        return Escrow(self.anvil.chain, self.deployment.escrow)

    def renter(self, name: str) -> Renter:
        """A renter with a new wallet and some coins."""
        path = self.directory / "renters" / f"{name}.key"
        path.parent.mkdir(exist_ok=True)
        generate_key(path)
        signer = load_signer(f"file:{path}")
        self.anvil.fund(signer.address)
        return Renter(self, name, path, signer)

    def operator(self, *words: str) -> Told:
        """Run `kycgate …` as the operator: the command itself, in this process.

        In a process of its own each would spend seconds on loading product and lists again.
        """
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            try:
                code = self.command(words)
            except SystemExit as ended:  # how argparse and a usage error end
                code = ended.code if isinstance(ended.code, int) else 1
        return Told(code, out.getvalue(), err.getvalue())

    def iocloud(self, key: str, *words: str) -> Told:
        """Run the real, unmodified marketplace client against the gate."""
        environment = {
            "IOCLOUD_BASE_URL": self.gate_url,
            "IOCLOUD_API_KEY": key,
            "HOME": str(self.directory),
            "NO_COLOR": "1",
            "COLUMNS": "400",
        }
        return self._run([str(find_iocloud()), *words], environment)

    def _run(self, command: list[str], environment: dict[str, str]) -> Told:
        done = subprocess.run(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_COMMAND_S,
            check=False,
        )
        return Told(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True, slots=True)
class Renter:
    """Somebody with a wallet in front of a terminal."""

    world: World
    name: str
    key_file: Path
    signer: Any

    def __call__(self, *words: str) -> Told:
        """Run `kycgate renter …` as this renter."""
        environment = {
            "KYCGATE_RENTER_KEY": self.key_file.read_text().strip(),
            "XDG_STATE_HOME": str(self.world.directory / "renters" / self.name),
        }
        command = [*_kycgate(), "renter", *words, "--gate", self.world.control_url]
        return self.world._run(command, environment)

    def details(self, document: dict[str, Any]) -> str:
        """A file with what the renter tells about itself."""
        path = self.world.directory / "renters" / f"{self.name}.json"
        path.write_text(json.dumps(document))
        return str(path)


def find_iocloud() -> Path:
    """The io.net client. Raises Misconfigured when it is not installed."""
    source = Path(__file__).parents[2]
    clients = Path(os.environ.get("KYCGATE_CLIENTS", source / ".clients"))
    found = clients / "bin" / "iocloud"
    if found.exists():
        return found
    on_path = shutil.which("iocloud")
    if on_path:
        return Path(on_path)
    raise Misconfigured(("the io.net client is not installed: `make setup`, or KYCGATE_CLIENTS",))


@contextmanager
def running_world(
    directory: Path, command: Command, *, gate_port: int = 0, control_port: int = 0
) -> Iterator[World]:
    """Start everything in an empty folder; stop it on leaving. Port 0: a free one."""
    find_iocloud()
    with ExitStack() as stack:
        anvil = stack.enter_context(Anvil())
        keys = _Keys(directory / "keys")
        deployment = _deploy(anvil, keys)
        upstream_key = secrets.token_hex(16)
        market = stack.enter_context(Marketplace(api_key=upstream_key))
        (directory / "keys" / "upstream.key").write_text(upstream_key)
        (directory / "keys" / "upstream.key").chmod(0o600)
        token = "kgo_" + secrets.token_urlsafe(24)
        ports = (gate_port or _free_port(), control_port or _free_port())
        _fill_wallets(directory / WALLETS)
        config = _configure(directory, anvil, deployment, market, token, ports)
        services = stack.enter_context(assembly.open_services(config))
        # A gate builds this once in its life; no step is to wait for it.
        services.screener.wallet(PROVIDER)
        stack.enter_context(assembly.background(services))
        stack.enter_context(
            start_in_thread(
                assembly.gateway_app(services),
                assembly.control_app(services),
                gateway_at=config.gate.listen,
                control_at=config.gate.control_listen,
            )
        )
        yield World(
            directory=directory,
            config=config,
            services=services,
            anvil=anvil,
            deployment=deployment,
            market=market,
            gate_url=config.gate.gateway_url,
            control_url=config.gate.public_url,
            operator_token=token,
            command=command,
        )


class _Keys:
    """The operator's keys, made afresh, each for one use."""

    _SIGNERS = ("issuer", "permit", "log", "revoker", "root", "compliance", "licensor", "deployer")

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        self.folder = folder
        for name in self._SIGNERS:
            generate_key(folder / f"{name}.key")
        generate_secret(folder / "vault.key")
        generate_secret(folder / "assertion.key")

    def signer(self, name: str) -> LocalSigner:
        found = load_signer(f"file:{self.folder / name}.key")
        assert isinstance(found, LocalSigner)
        return found


def _deploy(anvil: Anvil, keys: _Keys) -> Deployment:
    for name in ("deployer", "revoker"):
        anvil.fund(keys.signer(name).address)
    roles = Roles(
        root=keys.signer("root").address,
        permit_signer=keys.signer("permit").address,
        publisher=keys.signer("revoker").address,
        compliance=keys.signer("compliance").address,
        licensor=keys.signer("licensor").address,
    )
    return deploy_all(
        anvil.chain, keys.signer("deployer"), roles, hold_s=HOLD_S, addition_delay_s=86_400
    )


def _fill_wallets(folder: Path) -> None:
    """One issuer, pinned by this gate alone, and a wallet for each who shows one."""
    began = int(time.time()) - 60
    issuer = make(folder, host="127.0.0.1", holder=VISITOR, at=began)
    mina = folder / "mina.json"
    mina.touch(mode=0o600)
    mina.write_bytes(wallet_to_wire(Wallet.new(issuer, MINA, at=began)))


def _configure(
    directory: Path,
    anvil: Anvil,
    deployment: Deployment,
    market: Marketplace,
    token: str,
    ports: tuple[int, int],
) -> Config:
    path = directory / "kycgate.toml"
    path.write_text(
        f"""\
[gate]
public_url = "http://127.0.0.1:{ports[1]}"
gateway_url = "http://127.0.0.1:{ports[0]}"
listen = "127.0.0.1:{ports[0]}"
control_listen = "127.0.0.1:{ports[1]}"
operators = ["demo:{hashlib.sha256(token.encode()).hexdigest()}"]

[marketplace]
name = "Demonstration Market"
upstream = "{market.url}"
upstream_key = "file:keys/upstream.key"

[keys]
issuer = "file:keys/issuer.key"
permit = "file:keys/permit.key"
log = "file:keys/log.key"
vault = "file:keys/vault.key"
assertion = "file:keys/assertion.key"

[issuer]
chain_id = {deployment.chain_id}
eas = "{checksum(deployment.eas)}"
eas_version = "{deployment.eas_version}"

[identity]
# Credentials of the throw-away issuer count in a test gate, and nowhere else.
environment = "test"

[credentials]
pid_roots = ["{WALLETS}/root.pem"]
mdl_roots = ["{WALLETS}/root.pem"]
certificate = "{WALLETS}/client.pem"
certificate_key = "file:{WALLETS}/client.key"

[settlement]
mode = "escrow"
rpc = ["{anvil.url}"]
chain_id = {deployment.chain_id}
escrow = "{checksum(deployment.escrow)}"
revoker = "{checksum(deployment.revoker)}"
revoker_key = "file:keys/revoker.key"
confirmations = 0
token = "{checksum(deployment.token)}"
provider = "{checksum(PROVIDER)}"

[screening]
# The lists inside the package are dated. The product refuses controlled rentals on lists older than
# 72 hours; this demonstration allows their age.
max_age_s = {3 * 365 * 86_400}
"""
    )
    return load_config(path, environ={})


def _kycgate() -> list[str]:
    return [sys.executable, "-m", "kycgate"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
