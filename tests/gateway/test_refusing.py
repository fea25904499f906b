"""The table of answers: each kind of no, as our clients and as the marketplace's see it."""

from __future__ import annotations

import pytest

from kycgate.errors import Code, Reason
from kycgate.gateway.refusing import Budget, Tally, native_status, outward_codes, status_of


@pytest.mark.parametrize(
    ("codes", "status", "native"),
    [
        ((Code.MALFORMED,), 400, 400),
        ((Code.AMBIGUOUS_REQUEST,), 400, 400),
        ((Code.TOO_LARGE,), 413, 413),
        ((Code.PROOF_MISSING,), 401, 403),
        ((Code.KEY_UNKNOWN,), 401, 403),
        ((Code.PROOF_REPLAYED,), 401, 403),
        ((Code.WALLET_PROOF_STALE,), 401, 403),
        ((Code.WALLET_PROOF_STALE, Code.LEVEL_TOO_LOW), 403, 403),
        ((Code.KEY_SCOPE,), 403, 403),
        ((Code.ATTESTATION_MISSING,), 403, 403),
        ((Code.ULTIMATE_COUNTRY_RESTRICTED,), 403, 403),
        ((Code.ROUTE_UNKNOWN,), 403, 403),
        ((Code.NOT_OWNER,), 404, 404),
        ((Code.IN_PROGRESS,), 409, 403),
        ((Code.OUTCOME_UNKNOWN,), 409, 403),
        ((Code.IDEMPOTENCY_MISMATCH,), 422, 403),
        ((Code.DEPENDENCY,), 503, 403),
        ((Code.SCREENING_STALE,), 503, 403),
        ((Code.SCREENING_STALE, Code.LEVEL_TOO_LOW), 403, 403),
    ],
)
def test_every_no_has_its_status(codes: tuple[Code, ...], status: int, native: int) -> None:
    assert status_of(codes) == status
    assert native_status(status) == native


@pytest.mark.parametrize("code", list(Code))
def test_no_code_makes_a_marketplace_client_send_again_or_lose_the_message(code: Code) -> None:
    assert native_status(status_of((code,))) in (400, 403, 404, 413)


def test_denial_never_promises_a_review() -> None:
    reasons = (Reason(Code.COUNTRY_EMBARGOED, ""), Reason(Code.GPU_UNKNOWN, ""))
    assert outward_codes(reasons, denied=True) == ("declined",)
    assert outward_codes(reasons, denied=False) == ("declined", "under_review")


def test_budget_refills_with_time_and_never_above_its_burst() -> None:
    budget = Budget(burst=2, every_s=10)
    assert [budget.take("a", 0) for _ in range(3)] == [True, True, False]
    assert budget.take("b", 0)
    assert [budget.take("a", 10), budget.take("a", 10)] == [True, False]
    assert [budget.take("a", 10_000) for _ in range(3)] == [True, True, False]
    assert not budget.take("a", 0)  # a clock set back gives nothing


def test_budget_remembers_a_bounded_number_of_callers() -> None:
    budget = Budget(burst=1, every_s=10, keys=3)
    for number in range(10):
        budget.take(str(number), 0)
    assert not budget.take("9", 0)
    assert budget.take("0", 0)


def test_tally_is_due_once_its_time_has_come() -> None:
    tally = Tally(every_s=60)
    assert tally.add(Code.PROOF_MISSING, 0) is None
    assert tally.add(Code.KEY_UNKNOWN, 59) is None
    due = tally.add(Code.PROOF_MISSING, 60)
    assert due == {"since": 0, "counts": {"proof_missing": 2, "key_unknown": 1}}
    assert tally.add(Code.PROOF_MISSING, 61) is None
