"""Stops the running machines of an account whose clearance was taken away (DESIGN 4.4).

Revokes nobody: the issuer did, and left the order in the outbox. An order is done only when the
marketplace has said for every deployment that it is ended or that there is no such thing. The same
holds for schedulers (`gateway.hooks.ending`), whose orders are worked off here too.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from kycgate.core.assertion import HEADER
from kycgate.errors import KycgateError, Unavailable
from kycgate.gateway.adapters.base import Adapter, Ending
from kycgate.gateway.parts import Asserter
from kycgate.gateway.view import Headers, Identity
from kycgate.store.base import Store

KIND = "stop_jobs"
"""Outbox items: {"account": account key}."""

Send = Callable[[str, str, Headers, bytes], tuple[int, bytes]]
"""(method, target, headers, body) → status and body of the marketplace's answer.

Raises Unavailable without an answer.
"""

Step = Callable[[], int]
"""A part of an order: how many things it ended. Raises KycgateError if it must be tried again."""

_RETRY_S = 15
_RETRY_MOST_S = 600
_AT_ONCE = 20
_log = logging.getLogger("kycgate.stopping")


def work_off(
    store: Store, kind: str, steps: Callable[[dict[str, Any]], Iterable[Step]], *, now: int
) -> int:
    """Carry out the orders of this kind that are due; how many things ended.

    `steps` reads an order's payload. One step's trouble raises nothing and keeps no other waiting,
    of its order or of the next: the order is tried again, later each time.
    """
    ended = 0
    for item in store.due(kind, now=now, limit=_AT_ONCE):
        missed: list[KycgateError] = []
        for step in steps(item.payload):
            try:
                ended += step()
            except KycgateError as error:
                missed.append(error)
        if not missed:
            store.done(item.id)
            continue
        wait = min(_RETRY_S * 2 ** min(item.attempts, 8), _RETRY_MOST_S)
        told = (len(missed), missed[0].message)
        _log.error("%d things a revoked account runs could not be stopped, the first: %s", *told)
        store.retry(item.id, due_at=now + wait)
    return ended


class JobStopper:
    """Works off the orders of one marketplace. May be killed at any point and started again."""

    def __init__(
        self,
        store: Store,
        adapter: Adapter,
        *,
        send: Send,
        upstream_key: Callable[[str], str | None],
        shared_upstream_key: str | None,
        asserter: Asserter | None,
    ) -> None:
        self._store = store
        self._adapter = adapter
        self._send = send
        self._upstream_key = upstream_key
        self._shared = shared_upstream_key
        self._asserter = asserter

    def run(self, *, now: int) -> int:
        """Carry out what is due; how many deployments ended. One order's trouble raises nothing."""

        def steps(payload: dict[str, Any]) -> list[Step]:
            account = str(payload["account"])
            return [
                partial(self._end, account, deployment, now)
                for deployment in self._store.deployments_of(account)
            ]

        return work_off(self._store, KIND, steps, now=now)

    def _end(self, account: str, deployment: str, now: int) -> int:
        key = self._upstream_key(account) or self._shared
        if key is None:
            raise Unavailable("no upstream credential to stop this account's jobs with")
        answers = [
            self._send(ending.method, ending.target, self._headers(account, ending, key, now),
                       ending.body)
            for ending in self._adapter.stops(deployment)
        ]  # fmt: skip
        ended = any(self._adapter.accepted(status, answer) for status, answer in answers)
        gone = all(status in (404, 410) for status, _ in answers)
        if not ended and not gone:
            told = [status for status, _ in answers]
            raise Unavailable(f"the marketplace answered {told} to a stop")
        self._store.close_deployment(deployment, at=now)
        return 1

    def _headers(self, account: str, ending: Ending, key: str, now: int) -> Headers:
        """A marketplace that acts on asserted changes only must hear our own stops too."""
        stated: Headers = (("Content-Type", "application/json"),) if ending.body else ()
        headers = self._adapter.with_key(stated, key)
        if self._asserter is None:
            return headers
        whose = Identity(account, None, None, 0, None)
        target, digest = ending.target.encode("ascii"), hashlib.sha256(ending.body).digest()
        said = self._asserter.say(ending.method, target, digest, whose, now=now)
        return (*headers, (HEADER, said))
