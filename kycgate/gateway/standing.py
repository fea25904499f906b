"""What a door answered, for the same question put again: byte for byte the same, for a short while.

Decides nothing. The key is the whole question as it came over the wire, so nothing that was looked
at can differ; what it was decided on is covered by the gate's mark (store version, policy) and by
the end the gate gave the answer (keys, ownership, credentials, the assertion in it).
"""

from __future__ import annotations

from asyncio import Transport
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar, runtime_checkable

from kycgate.gateway.strict import StrictProtocol

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_ENTRIES = 8192
QUESTION_BYTES = 4096
"""A longer one is asked every time: this bounds what strangers' questions hold."""


class Standing(Generic[K, V]):
    """A bounded map of questions to answers that still stand. Belongs to one event loop."""

    def __init__(self, mark: Callable[[], object | None], clock: Callable[[], float]) -> None:
        """`mark` is the gate's."""
        self._mark = mark
        self._clock = clock
        self._held: OrderedDict[K, tuple[V, int, int, Callable[[], bool]]] = OrderedDict()
        self._under: object | None = None

    def get(self, question: K) -> V | None:
        """The answer, if nothing has changed since. Also asks whom it is charged to."""
        held = self._held.get(question)
        if held is None:
            return None
        answer, since, until, charge = held
        # A clock that went back makes an answer no younger.
        if since <= self._clock() < until and self._mark() is self._under and charge():
            return answer
        return None

    def keep(
        self,
        question: K,
        answer: V,
        *,
        since: int,
        until: int,
        mark: object | None,
        charge: Callable[[], bool],
    ) -> None:
        """`mark` as it was before the question was decided; `charge` takes one more from what its
        caller may ask, and says whether there was one left."""
        if mark is None or until <= since:
            return
        if mark is not self._under:
            if self._mark() is not mark:
                return  # decided under what no longer holds
            self._held.clear()
            self._under = mark
        self._held.pop(question, None)
        if len(self._held) >= _ENTRIES:
            self._held.popitem(last=False)
        self._held[question] = (answer, since, until, charge)


class StandingAnswers(Standing[bytes, bytes]):
    """What a listener heard and said, byte for byte."""

    def __init__(
        self,
        mark: Callable[[], object | None],
        clock: Callable[[], float],
        hears: Callable[[str], bool],
    ) -> None:
        """`hears` says whether an address may ask at all."""
        super().__init__(mark, clock)
        self.hears = hears


@runtime_checkable
class Answering(Protocol):
    """An application whose answers may stand: it finds the question in `scope[QUESTION]`."""

    answers: StandingAnswers


QUESTION = "kycgate.question"


class StandingProtocol(StrictProtocol):
    """A connection on which the same question is answered before it is read again.

    Only what the strict reader has read once, whole and alone in its piece of data, is ever known.
    """

    _answers: StandingAnswers | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        answers = self.config.answers
        if isinstance(answers, StandingAnswers) and self.client is not None:
            self._answers = answers if answers.hears(self.client[0]) else None
        self._answered_at = self.loop.time()

    def data_received(self, data: bytes) -> None:
        if self._answers is None or not self._at_rest():
            super().data_received(data)
            return
        answer = self._answers.get(data)
        if answer is not None:
            self._answer_again(answer)
            return
        before = self.cycle
        super().data_received(data)
        cycle = self.cycle
        whole = cycle is not before and not self._in_message and not self._closed_to_input
        if whole and cycle.keep_alive and len(data) <= QUESTION_BYTES:
            # The application has not run yet: it starts with the loop's next turn.
            cycle.scope[QUESTION] = data  # type: ignore[literal-required]

    def _at_rest(self) -> bool:
        """Between two messages, with the last answer out and taken."""
        return not (
            self._in_message
            or self._closed_to_input
            or (self.cycle is not None and not self._answered(self.cycle))
            or self.flow.write_paused
            or self.transport.is_closing()
        )

    def _answer_again(self, answer: bytes) -> None:
        self._answered_at = self.loop.time()
        if self._header_timer is not None:
            self._cancel_header_timer()
        if self.timeout_keep_alive_task is None:
            self._rest(self.timeout_keep_alive)
        self.transport.write(answer)

    def _rest(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    def timeout_keep_alive_handler(self) -> None:
        left = self._answered_at + self.timeout_keep_alive - self.loop.time()
        if left > 0 and not self.transport.is_closing():
            self._rest(left)
        else:
            super().timeout_keep_alive_handler()
