"""How long an answer without an end may flow: as long as proof, clearance and ownership stand.

Decides nothing anew and cuts nothing off itself: the door asks, and cuts.
"""

from __future__ import annotations

from collections.abc import Callable

from kycgate.errors import KycgateError, Unavailable
from kycgate.gateway.canonical import CleanRequest
from kycgate.gateway.knowing import Known
from kycgate.gateway.memory import Memory
from kycgate.gateway.proving import Caller, Proves


class Lasting:
    """What may go on for hours is for the cleared, and only for as long as they are."""

    def __init__(self, memory: Memory, prover: Proves, known: Known) -> None:
        self._memory = memory
        self._prover = prover
        self._known = known

    def until(self, request: CleanRequest, caller: Caller, now: int) -> int:
        """The last second + 1 for now. Raises Refused, Unauthenticated, Unavailable."""
        proven = self._prover.stands(request, caller, now=now)
        return min(proven, self._known.cleared_until(caller.account, now))

    def goes_on(
        self, request: CleanRequest, caller: Caller, *, still_owned: Callable[[], None]
    ) -> Callable[[int], int]:
        """Asked again while it flows: 0 where it must end. `still_owned` raises where it is not.
        Raises Unavailable."""

        def ask(now: int) -> int:
            self._memory.renew(fresh=False, wait=True)
            try:
                still_owned()
                return self.until(request, caller, now)
            except Unavailable:
                raise
            except KycgateError:
                return 0

        return ask
