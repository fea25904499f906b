"""Keeps a renter's sign-ins between commands, in one file only its owner can read.

Holds session tokens and nothing else: no key, no identity data.
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kycgate.client.control import SignedIn
from kycgate.errors import Misconfigured


def state_file(environment: Mapping[str, str]) -> Path:
    """`$XDG_STATE_HOME/kycgate/sessions.json`, by default under `~/.local/state`."""
    home = environment.get("XDG_STATE_HOME")
    root = Path(home) if home and Path(home).is_absolute() else Path.home() / ".local" / "state"
    return root / "kycgate" / "sessions.json"


class SessionFile:
    """Sign-ins by gate origin. A file others may read is refused, not repaired: its tokens may be
    known.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self, gate: str, *, now: int) -> SignedIn | None:
        """The living session at this gate, if there is one."""
        kept = self._read().get(gate)
        if not isinstance(kept, dict):
            return None
        try:
            session = SignedIn(**kept)
        except TypeError:
            return None
        return session if now < session.expires_at else None

    def save(self, gate: str, session: SignedIn) -> None:
        kept = {name: getattr(session, name) for name in SignedIn.__slots__}
        self._write(self._read() | {gate: kept})

    def forget(self, gate: str) -> None:
        self._write({name: kept for name, kept in self._read().items() if name != gate})

    def _read(self) -> dict[str, Any]:
        try:
            with self._path.open("rb") as file:
                if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                    raise Misconfigured(
                        (f"{self._path}: others can read it; delete it, sign in again",)
                    )
                document = json.loads(file.read())
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise Misconfigured(
                (f"{self._path}: not JSON; delete it and sign in again",)
            ) from error
        return document if isinstance(document, dict) else {}

    def _write(self, document: dict[str, Any]) -> None:
        """All or nothing, and 0600 from the first byte."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=".sessions-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(document, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self._path)
        except BaseException:
            os.unlink(name)
            raise
