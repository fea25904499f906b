"""How a request that may go on is sent on, and what becomes of the marketplace's answer.

Decides nothing: whoever asks for a `Forward` has decided. Opens no connection (doors do).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from kycgate.core.assertion import HEADER
from kycgate.errors import KycgateError
from kycgate.gateway import refusing
from kycgate.gateway.adapters.base import READS, Route
from kycgate.gateway.canonical import CleanRequest, answer_fields
from kycgate.gateway.limits import charging
from kycgate.gateway.onward import (
    body_digest,
    has_body,
    identity_fields,
    readable,
    with_origin,
)
from kycgate.gateway.parts import GateParts
from kycgate.gateway.passage import Passage
from kycgate.gateway.records import Records
from kycgate.gateway.view import Forward, Headers, Identity, Reply
from kycgate.store.records.jobs import Job

_READS = frozenset({"GET", "HEAD"})


class Forwards:
    """The ways on of one gate: as it is, as a stop, as a listing to be filtered, as a job."""

    def __init__(self, parts: GateParts, kept: Records) -> None:
        self._parts = parts
        self._records = kept

    def fields(self, request: CleanRequest, key: str, identity: Identity) -> Headers:
        """Our fields come last, after everything a caller could have removed or spelled alike."""
        credentials = self._parts.adapter.with_key(request.onward, key)
        said = (*credentials, *identity_fields(identity))
        asserter = self._parts.asserter
        if asserter is None:
            return said
        token = asserter.say(
            request.method,
            request.target,
            body_digest(request),
            identity,
            now=request.view.now,
        )
        return (*said, (HEADER, token))

    def plain(
        self,
        passage: Passage,
        route: Route | None,
        headers: Headers,
        identity: Identity | None = None,
        *,
        lane: Literal["usual", "stop", "long"] = "usual",
        goes_on: Callable[[int], int] | None = None,
    ) -> Forward:
        request = passage.clean()
        return Forward(
            method=request.method,
            target=request.target,
            headers=with_origin(headers, request),
            body=request.view.body,
            failed=lambda sent: self._no_answer(),
            identity=identity,
            lane=lane,
            goes_on=goes_on,
            charge=charging(passage.charged),
            until=self._until(passage, request, route),
        )

    def stop(
        self, request: CleanRequest, route: Route, headers: Headers, identity: Identity
    ) -> Forward:
        """What ends a deployment: once it is accepted, that is recorded."""

        def finish(status: int, fields: Headers, body: bytes) -> Reply:
            ended = self._parts.adapter.accepted(status, body)
            if ended and route.resource is not None:
                self._records.stopped(route.resource)
            return Reply(status, answer_fields(fields), body)

        return Forward(
            method=request.method,
            target=request.target,
            headers=with_origin(readable(headers), request),
            body=request.view.body,
            failed=lambda sent: self._no_answer(),
            finish=finish,
            answer_limit=self._parts.limits.answer_bytes,
            identity=identity,
            lane="stop",
        )

    def filtered(self, request: CleanRequest, headers: Headers, identity: Identity) -> Forward:
        """A listing under the shared key: of its answer the caller sees what is the caller's."""

        def finish(status: int, fields: Headers, body: bytes) -> Reply:
            if status != 200:
                # What it says may be about the operator's account, not the caller's.
                return self._no_answer()
            try:
                owned = frozenset(self._parts.store.deployments_of(identity.account))
                kept = self._parts.adapter.filter_list(body, owned)
            except KycgateError:
                return self._no_answer()
            return Reply(200, (("Content-Type", "application/json"), refusing.NO_STORE), kept)

        return Forward(
            method=request.method,
            target=request.target,
            headers=with_origin(readable(headers), request),
            body=request.view.body,
            failed=lambda sent: self._no_answer(),
            finish=finish,
            answer_limit=self._parts.limits.list_bytes,
            identity=identity,
        )

    def started(self, passage: Passage, job: Job, key: str, identity: Identity) -> Forward:
        """A decided job: whatever becomes of it is recorded."""
        request = passage.clean()
        headers = readable(self.fields(request, key, identity))
        return Forward(
            method=request.method,
            target=request.target,
            headers=with_origin(headers, request),
            body=passage.view.body,
            failed=lambda sent: self._records.no_answer(passage, job, sent=sent),
            finish=lambda status, fields, body: self._records.answered(
                passage, job, status, fields, body
            ),
            answer_limit=self._parts.limits.answer_bytes,
            identity=identity,
        )

    def _until(self, passage: Passage, request: CleanRequest, route: Route | None) -> int:
        """How long the answer stands: only a read's, and only while all it was made from does."""
        if route is None or route.kind not in READS or route.long_lived:
            return 0
        if request.method not in _READS or has_body(request):
            return 0
        return min(passage.lease.until, request.view.now + self._parts.limits.reuse_s)

    def _no_answer(self) -> Reply:
        """For what may be asked again safely: here a 502 costs nobody a second machine."""
        headers, body = self._parts.adapter.refusal(
            "The marketplace gave no usable answer.", "dependency"
        )
        return Reply(502, (*headers, refusing.NO_STORE), body)
