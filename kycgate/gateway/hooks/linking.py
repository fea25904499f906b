"""How a scheduler's user comes to stand for a wallet: the wallet draws a code, the user shows it.

Decides nothing about rentals. Two proofs meet in the code: whoever drew it had signed in with the
wallet, and whoever shows it, as the name of a run, is who the scheduler says they are. The run
itself is refused: nothing starts, and its name stands in no list.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from kycgate.core.claims import Account
from kycgate.gateway.hooks.asking import Asked
from kycgate.store.records.signin import UserLink

CODE_LIFE_S: Final = 15 * 60
LINK_LIFE_S: Final = 30 * 86_400
"""As long as a gate key: then the user shows a new code. A name may have changed hands."""
_CODE_BYTES: Final = 15
_PREFIX: Final = "kycgate-"
_CODE = re.compile(_PREFIX + r"[a-z2-7]{24}", re.ASCII)


class LinkStore(Protocol):
    """The part of the store that linking uses."""

    def claim_user_code(
        self, code_hash: bytes, *, scheduler: str, user: str, expires_at: int, now: int
    ) -> UserLink | None: ...
    def end_user_link(self, account: str, link_id: str, *, at: int) -> bool: ...


class Log(Protocol):
    """The decision log: durable when `append` returns."""

    def append(self, kind: str, body: dict[str, Any], *, now: int) -> object: ...


def draw_code(draw: Callable[[int], bytes]) -> str:
    """A fresh code: a name every scheduler takes, with 120 random bits in it."""
    return _PREFIX + base64.b32encode(draw(_CODE_BYTES)).decode("ascii").lower()


def code_hash(code: str) -> bytes:
    """What is stored of a code."""
    return hashlib.sha256(code.encode("utf-8")).digest()


def shows_code(asked: Asked) -> bool:
    """Whether this is no work but the showing of a code."""
    return _CODE.fullmatch(asked.name) is not None


@dataclass(frozen=True, slots=True)
class Linking:
    """Takes the codes that one scheduler's users show."""

    store: LinkStore
    log: Log
    scheduler: str
    public_url: str

    def claim(self, asked: Asked, *, now: int) -> str:
        """What the user is told. Raises Unavailable."""
        link = self.store.claim_user_code(
            code_hash(asked.name),
            scheduler=self.scheduler,
            user=asked.user,
            expires_at=now + LINK_LIFE_S,
            now=now,
        )
        if link is None:
            return (
                "This code is not known, was used, or is older than"
                f" {CODE_LIFE_S // 60} minutes: get a new one at {self.public_url}/"
            )
        # No user name: the log outlives what a person may ask to have forgotten.
        said = {"scheduler": self.scheduler, "account": link.account, "link": link.id}
        try:
            self.log.append("user_link", said, now=now)
        except Exception:
            # Whatever kept it out of the log: nobody rents by a link that is not on record.
            self.store.end_user_link(link.account, link.id, at=now)
            raise
        account = Account.from_key(link.account)
        shown = account.caip10(1).rpartition(":")[2]
        return (
            f"Linked: this user now rents as {shown} for {LINK_LIFE_S // 86_400} days. Nothing was"
            " started: apply what you want to run."
        )
