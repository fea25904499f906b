"""A scheduler's question as one request to the gate: read like any other, decided by the same line.

Decides nothing. The request is written here, from what was read, so that plan and apply of one
piece of work are the same request, and nothing a user wrote stands in it unread.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Set
from dataclasses import dataclass, replace
from typing import Final

from kycgate.core.claims import Account, Action, JobRequest
from kycgate.core.permit import job_id
from kycgate.core.policy import Mode
from kycgate.errors import Code, Malformed, Unauthenticated, Unavailable
from kycgate.gateway.adapters.base import (
    Ending,
    Entry,
    Kind,
    Route,
    decode_object,
    succeeded,
)
from kycgate.gateway.canonical import CleanRequest
from kycgate.gateway.gate import Gate
from kycgate.gateway.hooks.asking import Asked, classify_with_none
from kycgate.gateway.memory import Lease
from kycgate.gateway.parts import GateParts
from kycgate.gateway.proving import Caller
from kycgate.gateway.repeats import job_number
from kycgate.gateway.view import Forward, Headers, Reply, RequestView
from kycgate.screening.network import NoNetwork
from kycgate.store.base import Store
from kycgate.store.records.jobs import Job

WINDOW_S: Final = 600
"""How long the same work asked for again is the same decision's: plan, then apply."""
_JOIN_WAIT_S: Final = 3.0
"""dstack gives us 8 s."""
_LOST_S: Final = 10
"""An admission without an end after this never told anybody yes: another may begin."""
_TRIES: Final = 16
_PATH: Final = "/admit/"


class Admissions:
    """Puts questions to a gate of its own, made of the marketplace's parts."""

    def __init__(self, parts: GateParts, store: Store, scheduler: str, kind: str) -> None:
        """`scheduler` is the caller's name in the configuration, `kind` its software."""
        limits = replace(parts.limits, join_wait_s=_JOIN_WAIT_S)
        own = replace(
            parts,
            adapter=_Questions(kind),
            classify=classify_with_none(parts.classify),
            # The scheduler's address says nothing of where its user is.
            network=NoNetwork(),
            # Nothing is forwarded, so nothing is carried along or paid for.
            upstream_key=lambda account: None,
            shared_upstream_key="",
            asserter=None,
            permit_for=lambda allow, job, now: None,
            limits=limits,
        )
        self._gate = Gate(own, prover=_LinkedUsers(own, store, scheduler))
        self._store = store
        self._scheduler = scheduler

    def ask(self, asked: Asked, *, now: int) -> Reply | None:
        """None: it may go ahead. Else the refusal, its message as plain text."""
        verdict = self._gate.check(self._view(asked, now))
        if isinstance(verdict, Forward):
            if verdict.finish is not None:
                verdict.finish(200, (), b"")
            return None
        return None if 200 <= verdict.status < 300 else verdict

    def _view(self, asked: Asked, now: int) -> RequestView:
        body = json.dumps(
            {
                "user": asked.user,
                "place": asked.place,
                "name": asked.name,
                "gpu_model": asked.gpus.model,
                "gpu_count": asked.gpus.count,
                "hours": asked.hours,
                "distinct": hashlib.sha256(asked.distinct).hexdigest(),
            }
        ).encode()
        target = f"{_PATH}{asked.what}".encode()
        key = self._key(asked, body, now)
        headers: Headers = (
            ("Host", self._scheduler),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            *((("Idempotency-Key", key),) if key is not None else ()),
        )
        return RequestView(
            method="POST",
            target=target,
            authority=self._scheduler,
            scheme="https",
            headers=headers,
            body=body,
            client_ip="",
            now=now,
            door=f"hook/{self._scheduler}",
        )

    # -- plan and apply are one ------------------------------------------------------------------

    def _key(self, asked: Asked, body: bytes, now: int) -> str | None:
        """The key of the admission this question joins, or of a new one.

        The gate decides anew each time; the key only says whether a yes is a further job. The time
        is cut into windows, and the one before is looked at too, so that no border parts a pair.
        """
        link = self._store.linked_user(self._scheduler, asked.user, now=now)
        if link is None:
            return None
        address = Account.from_key(link.account).address
        said = hashlib.sha256(f"{self._scheduler}\n{asked.what}\n".encode() + body).hexdigest()
        slot = now // WINDOW_S
        for window in (slot - 1, slot):
            for turn in range(_TRIES):
                key = f"{said}.{window}.{turn}"
                job = self._store.job(job_id(address, job_number(key, b"")))
                if job is None and window == slot:
                    return key
                if job is None:
                    break
                if _stands(job, now):
                    return key
        raise Unavailable("This was asked for too often without an end.")


def _stands(job: Job, now: int) -> bool:
    """Whether a question may join this admission: a yes that is young, or one being given."""
    if now - job.created_at >= WINDOW_S:
        return False
    if job.state == "answered":
        return job.answer_status is not None and job.answer_status < 300
    return now - job.updated_at < _LOST_S


@dataclass(frozen=True, slots=True)
class _Questions:
    """Implements `adapters.base.Adapter` for requests written by `Admissions`."""

    name: str

    @property
    def heeds_429(self) -> bool:
        """Schedulers take any refusal for an answer, and show its text."""
        return False

    def table(self) -> tuple[Entry, ...]:
        return (Entry("POST", f"{_PATH}{{what}}", Kind.ADMIT.value, "admission"),)

    def match(self, method: str, path: str) -> Route | None:
        known = method == "POST" and path.startswith(_PATH)
        return Route(Kind.ADMIT, path.removeprefix(_PATH)) if known else None

    def narrowed(self, route: Route, body: bytes) -> Route:
        return route

    def job(
        self, route: Route, body: bytes, *, recorded: JobRequest | None, now: int
    ) -> JobRequest:
        said = decode_object(body)
        return JobRequest(
            marketplace=self.name,
            action=Action.RENT,
            gpu_model=said["gpu_model"],
            gpu_count=said["gpu_count"],
            hours=said["hours"],
            value=None,
            resource=None,
            end_user=None,
        )

    def credential(self, fields: dict[str, str]) -> str | None:
        return None

    def with_key(self, headers: Headers, key: str | None) -> Headers:
        return headers

    def refusal(self, message: str, code: str) -> tuple[Headers, bytes]:
        return (("Content-Type", "text/plain; charset=utf-8"),), message.encode()

    def accepted(self, status: int, answer: bytes) -> bool:
        return succeeded(status)

    def deployment(self, answer: bytes) -> str | None:
        return None

    def stops(self, deployment: str) -> tuple[Ending, ...]:
        return ()

    def filter_list(self, answer: bytes, owned: Set[str]) -> bytes:
        raise Malformed("a scheduler lists nothing here", field="answer")


class _LinkedUsers:
    """Implements `proving.Proves`: the scheduler vouches for its user, a link for the account."""

    def __init__(self, parts: GateParts, store: Store, scheduler: str) -> None:
        self._parts = parts
        self._store = store
        self._scheduler = scheduler

    def shows_proof(self, request: CleanRequest) -> bool:
        """Observing, who never heard of the gate goes on as before."""
        if self._parts.policy().mode is not Mode.OBSERVE:
            return True
        return self._linked(request) is not None

    def prove(
        self, request: CleanRequest, *, wait: bool, lease: Lease, first: Callable[[], None]
    ) -> Caller:
        """Asks the store each time: a link that was ended counts no more from that moment on."""
        lease.ends(0)
        caller = self._linked(request)
        if caller is None:
            raise Unauthenticated(
                "This user is linked to no wallet here.", code=Code.USER_NOT_LINKED
            )
        return caller

    def stands(self, request: CleanRequest, caller: Caller, *, now: int) -> int:
        """Nothing a scheduler asks goes on for longer than its question."""
        return caller.expires_at

    def note_uses(self) -> None:
        """A link has no count of its uses."""

    def _linked(self, request: CleanRequest) -> Caller | None:
        user = decode_object(request.view.body or b"")["user"]
        link = self._store.linked_user(self._scheduler, user, now=request.view.now)
        if link is None:
            return None
        return Caller(Account.from_key(link.account), frozenset({"rent"}), link.expires_at)
