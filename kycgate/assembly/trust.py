"""Whom the gate believes today: the root's signed list, or this gate's own key.

Issues nothing, and never goes back to an older list than it has seen.
"""

from __future__ import annotations

import time

from kycgate.assembly.rules import open_signer
from kycgate.config import Config
from kycgate.core.trust import TrustedIssuer, TrustList
from kycgate.errors import Unavailable
from kycgate.store import Store

_TRUST_SEQUENCE = "trust_sequence"


class Trust:
    """Today's trust list: the root's signed file, or this gate's own keys where there is none."""

    def __init__(self, config: Config, store: Store) -> None:
        self._config = config
        self._store = store
        self._pinned = None if config.issuer.trust_list else self._own()
        self._read_at: tuple[float, TrustList] | None = None
        self()

    def __call__(self) -> TrustList:
        if self._pinned is not None:
            return self._pinned
        now = int(time.time())
        path = self._config.path(str(self._config.issuer.trust_list))
        try:
            changed = path.stat().st_mtime
            if self._read_at is None or self._read_at[0] != changed:
                self._read_at = (changed, self._load(path.read_bytes(), now))
        except OSError as error:
            raise Unavailable(f"the trust list {path} can't be read") from error
        trust = self._read_at[1]
        if not trust.issued_at <= now < trust.expires_at:
            raise Unavailable("the trust list has expired: renting is refused until it is renewed")
        return trust

    def _load(self, data: bytes, now: int) -> TrustList:
        root = self._config.issuer.root
        assert root is not None
        lowest = int(self._store.setting(_TRUST_SEQUENCE) or 0)
        trust = TrustList.from_wire(data, root=root, now=now, lowest_sequence=lowest)
        if trust.sequence > lowest:
            self._store.set_setting(_TRUST_SEQUENCE, str(trust.sequence))
        return trust

    def _own(self) -> TrustList:
        issuer = self._config.issuer
        signer = open_signer(self._config, self._config.keys.issuer)
        return TrustList.pinned(
            TrustedIssuer(
                address=signer.address,
                domain_version=issuer.eas_version,
                chain_id=issuer.chain_id,
                eas=issuer.eas,
                not_before=0,
                not_after=None,
            )
        )
