"""The gas figures that the design promises."""

from __future__ import annotations

from tests.bench.gas import rows


def test_the_checks_cost_no_more_gas_than_promised() -> None:
    figures = {row["name"]: row for row in rows()}
    assert figures["gas added to open by the permit check"]["ours"] <= 14_000
    assert figures["gas added to settle by the revocation read"]["ours"] <= 7_000
    assert [row["name"] for row in figures.values() if row["met"] is False] == []
