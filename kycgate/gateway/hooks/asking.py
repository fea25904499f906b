"""What a scheduler's question comes down to: who asks, for which GPUs, how many, how long.

Reads no scheduler's format and decides nothing. Where a question leaves a choice to the scheduler
("any of these"), the strictest reading counts: whichever machine it takes, it was allowed.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kycgate.core.policy import Eccn, GpuClass
from kycgate.errors import Malformed

Classify = Callable[[str], GpuClass]

NO_GPU = "(no GPU)"
"""The model of a job that can't get a GPU. No question can name it: names hold no brackets."""
_NO_GPU = GpuClass(NO_GPU, Eccn.NONE, False, 0, None, "high", "asks for no GPU")

COUNT_MOST = 1_000_000
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+/:-]{0,63}", re.ASCII)
_NAME = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,200}")
_STRICTNESS = (Eccn.NONE, Eccn.B, Eccn.A, Eccn.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Gpus:
    """What one machine, or all of them, may get. `model` None: any. `count` None: no bound."""

    model: str | None
    count: int | None

    def times(self, machines: int | None) -> Gpus:
        """The same on each of so many machines; None: no bound."""
        if self.model == NO_GPU:
            return self
        known = self.count is not None and machines is not None
        return Gpus(self.model, self.count * machines if known else None)  # type: ignore[operator]


NONE = Gpus(NO_GPU, 0)
ANY = Gpus(None, None)


@dataclass(frozen=True, slots=True)
class Asked:
    """One question, in our words."""

    what: str
    """Which of the scheduler's questions it is: run, fleet, task."""
    user: str
    """As the scheduler knows them; it authenticated them, not we."""
    place: str
    """The project or workspace."""
    name: str
    """What the user calls it; may be empty."""
    gpus: Gpus
    hours: int | None
    distinct: bytes
    """What tells this piece of work from another that asks for the same."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """A question about something that is not rented: it passes without a decision."""

    what: str


class Scheduler(Protocol):
    """One scheduler's questions and answers."""

    def read(self, path: str, body: bytes) -> Asked | Nothing:
        """Raises Malformed naming the field; NotFound for a question that is not known."""
        ...

    def allowed(self, body: bytes) -> tuple[int, str, bytes]:
        """Status, content type and body that let the work through, unchanged."""
        ...

    def refused(self, body: bytes, message: str) -> tuple[int, str, bytes]:
        """The same that keeps it out, in the words the scheduler shows to its user."""
        ...


def classify_with_none(classify: Classify) -> Classify:
    """`classify` for jobs that may ask for no GPU at all."""
    return lambda text: _NO_GPU if text == NO_GPU else classify(text)


def strictest(choices: Iterable[Gpus], classify: Classify) -> Gpus:
    """One reading that no choice is stricter than: the strictest model, the largest count."""
    every = list(choices)
    if not every:
        return NONE
    known = classify_with_none(classify)
    hardest = max(every, key=lambda gpus: _rank(known(gpus.model or "")))
    counts = [gpus.count for gpus in every]
    bound = None if None in counts else max(count for count in counts if count is not None)
    return Gpus(hardest.model, bound)


def together(parts: Sequence[Gpus], classify: Classify) -> Gpus:
    """Several groups of machines rented at once: the strictest model, all counts added."""
    with_gpus = [gpus for gpus in parts if gpus.model != NO_GPU]
    if not with_gpus:
        return NONE
    counts = [gpus.count for gpus in with_gpus]
    total = None if None in counts else sum(count for count in counts if count is not None)
    return Gpus(strictest(with_gpus, classify).model, total)


def _rank(gpu: GpuClass) -> tuple[bool, int, int]:
    return gpu.controlled, _STRICTNESS.index(gpu.eccn), gpu.tpp or 0


# -- readers ---------------------------------------------------------------------------------------


def model(value: Any, field: str) -> str:
    """A GPU's name as asked for. Raises Malformed."""
    if not isinstance(value, str) or _MODEL.fullmatch(value) is None:
        raise Malformed("not the name of a GPU", field=field, remedy="for instance H100")
    return value


def label(value: Any, field: str, *, empty: bool = False) -> str:
    """A user's, project's or job's name. Raises Malformed."""
    if empty and value in (None, ""):
        return ""
    if not isinstance(value, str) or _NAME.fullmatch(value) is None:
        raise Malformed("missing or not a name", field=field, remedy="1 to 200 characters")
    return value


def whole(value: Any, field: str) -> int:
    """A count: a whole number, or one written as text; a fraction counts as the next. Malformed."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,7}(\.[0-9]{1,6})?", value, re.ASCII):
        value = float(value)
    if isinstance(value, float) and math.isfinite(value):
        value = math.ceil(value)
    if type(value) is not int or not 0 <= value <= COUNT_MOST:
        raise Malformed("not a count", field=field, remedy=f"0 to {COUNT_MOST}")
    return value


def mapping(value: Any, field: str) -> dict[str, Any]:
    """Raises Malformed unless it is one."""
    if not isinstance(value, dict):
        raise Malformed("not an object", field=field)
    return value


def digest_text(value: Any) -> bytes:
    """One spelling of a parsed value, to be hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode()
