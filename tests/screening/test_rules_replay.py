"""One decision at several dates: the facts stay, the rules in force change, nothing is started."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kycgate.core.attestation import InvalidAttestation
from kycgate.core.claims import Account, Address, Level
from kycgate.core.decision import Allow, decide, explain
from kycgate.core.policy import ListedShare, Place, Regime
from kycgate.errors import Code, Malformed, Reason
from kycgate.screening.controls import read_policy
from kycgate.screening.controls.findings import Result, outcome
from kycgate.screening.controls.replay import Replay, replay, replay_evidence
from tests.screening.rules_world import (
    A40,
    CN,
    COUNTRIES,
    H20,
    H100,
    JOB,
    NOW,
    POLICY,
    SG,
    T4,
    UA,
    at,
    claims,
    evidence,
)

HELD = ListedShare(55, 55, frozenset({Regime.BIS}))


def record(now: int, **more: Any) -> dict[str, Any]:
    """A decision as it lies in a file: explained, and through JSON."""
    said = more.pop("said", None)
    told = explain(decide(JOB, evidence(now, said, **more), POLICY, now))
    return dict(json.loads(json.dumps(told)))


def again(told: dict[str, Any], day: str) -> Replay:
    return replay(told, at(day), policy=POLICY, countries=COUNTRIES)


def status(replayed: Replay, rule: str) -> tuple[str, str] | None:
    found = [each for each in replayed.rules if each.id == rule]
    return (str(found[0].result), found[0].status) if found else None


def test_one_job_around_the_stay_of_the_affiliates_rule() -> None:
    told = record(at("2025-10-20"), share=HELD)
    verdicts = {
        day: (again(told, day).verdict, status(again(told, day), "us-affiliates-50"))
        for day in ("2025-09-28", "2025-11-09", "2025-11-10", "2026-11-09", "2026-11-10")
    }
    assert verdicts == {
        "2025-09-28": ("allow", None),
        "2025-11-09": ("deny", ("deny", "in force")),
        "2025-11-10": ("allow", ("inactive", "stayed")),
        "2026-11-09": ("allow", ("inactive", "stayed")),
        "2026-11-10": ("deny", ("deny", "unverified")),
    }
    back = again(told, "2026-11-10")
    (finding,) = [each for each in back.rules if each.result is Result.DENY]
    assert finding.note.startswith("unverified since 2026-11-10")
    assert finding.basis == "licence-risk"


def test_the_operators_dated_switch_is_replayed_with_its_reason() -> None:
    text = """
id = "ours"
include = ["ownership"]
[[switch]]
rule = "us-affiliates-50"
on = true
effective_from = 2025-11-10
effective_to = 2026-11-09
because = "we kept to it through the stay"
[[switch]]
rule = "us-affiliates-50"
on = false
effective_from = 2026-11-15
because = "counsel saw the extension"
"""
    policy = read_policy(text, source="ours.toml")
    told = record(at("2025-10-20"), share=HELD)

    def on(day: str) -> tuple[str, str, str]:
        replayed = replay(told, at(day), policy=policy, countries=COUNTRIES)
        (rule,) = [each for each in replayed.rules if each.id == "us-affiliates-50"]
        return replayed.verdict, rule.basis, rule.note

    assert on("2025-11-09") == ("deny", "licence-risk", "")
    during = on("2026-01-01")
    assert during[:2] == ("deny", "operator-policy")
    assert during[2] == "stayed since 2025-11-10; switched on: we kept to it through the stay"
    assert on("2026-11-14")[:2] == ("deny", "licence-risk")
    after = on("2026-11-15")
    assert after[0] == "allow"
    assert after[2] == "unverified since 2026-11-10; switched off: counsel saw the extension"


def test_ages_stay_so_that_only_the_rules_differ() -> None:
    told = record(NOW)
    assert again(told, "2031-01-01").verdict == "allow"
    stale = replace(evidence(NOW), wallet_proof_at=NOW - 30 * 86_400)
    replayed = replay_evidence(JOB, stale, NOW, at("2027-01-01"), policy=POLICY)
    assert replayed.verdict == "deny"
    assert [reason["code"] for reason in replayed.told["reasons"]] == ["wallet_proof_stale"]


def test_a_replay_is_no_permission() -> None:
    replayed = again(record(NOW), "2026-11-23")
    assert replayed.verdict == "allow"
    assert not any(isinstance(getattr(replayed, name), Allow) for name in Replay.__slots__)
    assert replayed.decided_at == NOW


def test_a_replay_says_whether_the_rules_are_the_recorded_ones() -> None:
    told = record(NOW)
    assert again(told, "2026-11-23").same_policy
    other = replace(POLICY, id="another")
    assert not replay(told, NOW, policy=other, countries=COUNTRIES).same_policy


spoilt = st.sampled_from(["no account", "no attestation", "invalid", "not its own", "none"])


@given(
    gpu=st.sampled_from([H100, H20, A40, T4]),
    said=st.builds(
        claims,
        st.sampled_from([0, SG, CN, UA]),
        st.sampled_from([0, SG, CN]),
        st.sampled_from(Level),
    ),
    network=st.sampled_from([None, SG, CN]),
    share=st.sampled_from([None, HELD, ListedShare(10, 90)]),
    regions=st.sampled_from([frozenset(), frozenset({(Place.NETWORK, "UA-43")})]),
    spoil=spoilt,
    day=st.sampled_from(["2024-01-01", "2025-10-20", "2026-01-01", "2026-11-23"]),
)
@settings(max_examples=100, deadline=None)
def test_a_record_replayed_at_its_own_moment_says_the_same(
    gpu: Any, said: Any, network: Any, share: Any, regions: Any, spoil: str, day: str
) -> None:
    now = at(day)
    seen = evidence(now, said, gpu=gpu, network=network, share=share, regions=regions)
    spoils: dict[str, dict[str, Any]] = {
        "no account": {"account": None},
        "no attestation": {"attestation": None},
        "invalid": {"attestation": InvalidAttestation(Reason(Code.REVOKED_EPOCH, "x"), None)},
        "not its own": {"account": Account(Address(b"\x22" * 20))},
        "none": {},
    }
    seen = replace(seen, **spoils[spoil])
    told = json.loads(json.dumps(explain(decide(JOB, seen, POLICY, now))))
    replayed = replay(told, now, policy=POLICY, countries=COUNTRIES)
    assert replayed.verdict == told["verdict"]
    codes = [(reason["code"], reason["rule"]) for reason in told["reasons"]]
    assert [(reason["code"], reason["rule"]) for reason in replayed.told["reasons"]] == codes
    assert replayed.told["notes"] == told["notes"]


@given(
    said=st.builds(claims, st.sampled_from([0, SG, CN, UA]), st.sampled_from([0, SG, CN])),
    share=st.sampled_from([None, HELD, ListedShare(10, 90)]),
    day=st.sampled_from(["2024-01-01", "2025-10-20", "2026-01-01", "2026-11-23"]),
)
@settings(max_examples=60, deadline=None)
def test_the_rules_told_agree_with_the_verdict(said: Any, share: Any, day: str) -> None:
    replayed = replay_evidence(
        JOB, evidence(at(day), said, share=share), at(day), at(day), policy=POLICY
    )
    assert outcome(replayed.rules) == replayed.verdict
    fired = {each.id for each in replayed.rules if each.result in (Result.DENY, Result.REVIEW)}
    assert fired == {reason["rule"] for reason in replayed.told["reasons"]}


@pytest.mark.parametrize("key", ["job", "gpu", "attestation", "policy", "at", "lists", "regions"])
def test_a_record_that_lacks_something_is_malformed(key: str) -> None:
    told = record(NOW)
    del told[key]
    with pytest.raises(Malformed):
        again(told, "2026-11-10")


@pytest.mark.parametrize(
    "key, value",
    [("gpu", {}), ("lists", [{}]), ("at", "soon"), ("regions", {"moon": "UA-43"}), ("job", None)],
)
def test_a_record_that_says_nonsense_is_malformed(key: str, value: Any) -> None:
    with pytest.raises(Malformed):
        again(record(NOW) | {key: value}, "2026-11-10")
