"""What a decision must hold: vectors for every language, properties over generated policies."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kycgate.core.attestation import InvalidAttestation, ValidAttestation
from kycgate.core.claims import Account, Action, Address, Claims, Digest, JobRequest, Kind, Level
from kycgate.core.decision import Allow, Decision, Deny, Evidence, Review, decide, explain, outward
from kycgate.core.policy import (
    GPU_SCOPES,
    Basis,
    CountryIn,
    Eccn,
    Effect,
    GpuClass,
    LevelBelow,
    Limits,
    ListVersion,
    Mode,
    MoreGpusThan,
    MoreHoursThan,
    Place,
    Policy,
    Rule,
)
from kycgate.errors import Code, Reason
from kycgate.screening.controls import load_countries, load_default_policy, load_gpus
from tests.vectors import load

VECTORS = load("decisions.json")
NOW = 1_795_435_200
ADDRESS = Address(b"\x11" * 20)
H100 = load_gpus().classify("H100 SXM5")
T4 = load_gpus().classify("T4")
UNKNOWN = load_gpus().classify("no such thing")
SEVERITY = {Allow: 0, Review: 1, Deny: 2}


def job(gpu_count: int | None = 8, hours: int | None = 24) -> JobRequest:
    return JobRequest("ionet", Action.RENT, "H100", gpu_count, hours, None, None, None)


def claims(country: int = 702, ultimate: int = 702, level: int = 2, kind: int = 2) -> Claims:
    zero = Digest(bytes(32))
    return Claims(
        zero, Kind(kind), Level(level), country, ultimate, NOW - 9, NOW - 9, 0, zero, zero
    )


def valid(said: Claims, *, account: Address = ADDRESS, time: int, expires: int) -> ValidAttestation:
    zero = Digest(bytes(32))
    return ValidAttestation(zero, ADDRESS, account, said, time, expires, bytes(32))


def evidence(gpu: GpuClass = H100, said: Claims | None = None, **changes: Any) -> Evidence:
    attestation = valid(said or claims(), time=NOW - 60, expires=NOW + 3600)
    lists = (ListVersion("us-csl", "v1", NOW - 3600),)
    base = Evidence(Account(ADDRESS), attestation, gpu, None, NOW - 3600, lists)
    return dataclasses.replace(base, **changes)


def _policy(name: str) -> Policy:
    given_policy = VECTORS["policies"][name]
    if "toml" not in given_policy:
        return load_default_policy()
    return Policy.from_toml(given_policy["toml"], countries=load_countries())


def _toml(name: str) -> str:
    return str(VECTORS["policies"][name]["toml"])


def _evidence(said: dict[str, Any], now: int) -> Evidence:
    gpu = GpuClass(
        said["gpu"]["model"],
        Eccn(said["gpu"]["eccn"]),
        said["gpu"]["controlled"],
        None,
        None,
        "",
        "",
    )
    account = said["account"] and Account(Address(bytes.fromhex(said["account"][2:])))
    lists = tuple(ListVersion(**each) for each in said["lists"])
    return Evidence(
        account or None,
        _attestation(said["attestation"], now),
        gpu,
        said["network_country"],
        said["wallet_proof_at"],
        lists,
    )


def _attestation(
    said: dict[str, Any] | None, now: int
) -> ValidAttestation | InvalidAttestation | None:
    if said is None:
        return None
    if "invalid" in said:
        return InvalidAttestation(Reason(Code(said["invalid"]), "as the verifier says"), None)
    return valid(
        claims(said["country"], said["ultimate_country"], said["level"], said["kind"]),
        account=Address(bytes.fromhex(said["account"][2:])),
        time=said["time"],
        expires=said["expires_at"],
    )


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_vector(case: dict[str, Any]) -> None:
    made = decide(
        job(**case["job"]),
        _evidence(case["evidence"], case["now"]),
        _policy(case["policy"]),
        case["now"],
    )
    told = explain(made)
    assert told["verdict"] == case["expect"]["verdict"]
    got = [{key: reason[key] for key in ("effect", "code", "rule")} for reason in told["reasons"]]
    assert got == case["expect"]["reasons"]
    assert outward(made) == {"verdict": told["verdict"], "codes": case["expect"]["outward"]}


@pytest.mark.parametrize("name", VECTORS["policies"])
def test_a_policy_means_what_the_vectors_say_it_means(name: str) -> None:
    policy, said = _policy(name), VECTORS["policies"][name]
    assert json.loads(policy.canonical()) == said["canonical"]
    assert "0x" + policy.digest.hex() == said["digest"]


def test_a_singapore_subsidiary_of_a_chinese_parent_is_denied_with_the_chain() -> None:
    made = decide(job(), evidence(said=claims(702, 156)), load_default_policy(), NOW)
    assert isinstance(made, Deny)
    (reason,) = explain(made)["reasons"]
    assert "subject in SG -> ultimate parent in CN" in reason["text"]
    assert "8 x H100 SXM5 (3A090.a, controlled), 24 h" in reason["text"]
    assert reason["basis"] == "operator-policy"
    assert "744.23(a)(3)" in reason["citation"]


def test_the_renter_learns_no_rule_country_list_or_threshold() -> None:
    made = decide(job(), evidence(said=claims(702, 408), lists=()), load_default_policy(), NOW)
    told = json.dumps(outward(made))
    assert len(made.reasons) == 3
    for secret in ("KP", "SG", "embargo", "controlled", "country", "E:1", "list", "72", "csl"):
        assert secret not in told


def test_an_allow_comes_only_from_decide() -> None:
    made = decide(job(), evidence(), load_default_policy(), NOW)
    assert isinstance(made, Allow)
    fields = {f.name: getattr(made, f.name) for f in dataclasses.fields(made)}
    with pytest.raises(TypeError):
        Allow(**fields)
    with pytest.raises(TypeError):
        Allow(**fields, made_by=None)
    with pytest.raises((TypeError, ValueError)):
        dataclasses.replace(made, job=job(gpu_count=9_999))


def test_an_allow_carries_what_a_permit_needs() -> None:
    asked = job()
    made = decide(asked, evidence(), load_default_policy(), NOW)
    assert isinstance(made, Allow)
    assert (made.job, made.account, made.at) == (asked, Account(ADDRESS), NOW)
    assert made.attestation.account == ADDRESS
    assert made.policy == load_default_policy().digest
    assert not made.observed


def test_under_observation_every_verdict_says_so() -> None:
    observing = dataclasses.replace(load_default_policy(), mode=Mode.OBSERVE)
    for country in (702, 156, 0):
        made = decide(job(), evidence(said=claims(702, country)), observing, NOW)
        assert made.observed
        assert explain(made)["observed"] is True


def test_only_stale_lists_in_the_way_is_unavailable_and_not_a_refusal_of_the_person() -> None:
    old = (ListVersion("us-csl", "v1", NOW - 100 * 3600),)
    made = decide(job(), evidence(lists=old), load_default_policy(), NOW)
    assert isinstance(made, Deny)
    assert made.unavailable
    made = decide(job(), evidence(lists=old, said=claims(level=1)), load_default_policy(), NOW)
    assert isinstance(made, Deny)
    assert not made.unavailable


def test_limits_can_be_widened_and_the_digest_tells() -> None:
    old = (ListVersion("us-csl", "v1", NOW - 100 * 24 * 3600),)
    policy = load_default_policy()
    wide = policy.with_limits(Limits(policy.limits.max_wallet_proof_age_s, 365 * 24 * 3600))
    assert isinstance(decide(job(), evidence(lists=old), wide, NOW), Allow)
    assert wide.digest != policy.digest


def test_limits_a_policy_states_are_not_widened_by_the_configuration() -> None:
    text = _toml("quantities") + "[limits]\nmax_list_age_hours = 24\n"
    policy = Policy.from_toml(text, countries=load_countries())
    assert policy.with_limits(Limits(3_600, 10**9)).limits == Limits(3_600, 24 * 3_600)
    assert policy.with_limits(Limits(3_600, 60)).limits == Limits(3_600, 60)


def test_explain_is_json_with_countries_for_people() -> None:
    seen = evidence(said=claims(702, 0), network_country=784)
    told = json.loads(json.dumps(explain(decide(job(), seen, load_default_policy(), NOW))))
    assert told["attestation"]["country"] == "SG"
    assert told["attestation"]["ultimate_country"] is None
    assert told["network_country"] == "AE"
    assert told["lists"] == [{"name": "us-csl", "version": "v1", "as_of": NOW - 3600}]
    assert told["job"]["digest"] == "0x" + job().digest().hex()


def test_a_gpu_that_is_controlled_by_class_cannot_be_called_uncontrolled() -> None:
    for eccn in (Eccn.A, Eccn.B, Eccn.UNKNOWN):
        with pytest.raises(ValueError, match="controlled"):
            GpuClass("x", eccn, False, None, None, "", "")


# -- properties --------------------------------------------------------------------------------

COUNTRIES = [0, 156, 344, 364, 446, 643, 702, 784, 840]
country = st.sampled_from(COUNTRIES)
conditions = st.one_of(
    st.builds(
        CountryIn,
        st.lists(st.sampled_from(Place), min_size=1, unique=True).map(tuple),
        st.frozensets(country, min_size=1),
    ),
    st.builds(MoreGpusThan, st.integers(0, 100)),
    st.builds(MoreHoursThan, st.integers(0, 1000)),
    st.builds(LevelBelow, st.sampled_from([Level.SUBSTANTIAL, Level.HIGH])),
)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    starts = draw(st.sampled_from([0, NOW - 1, NOW, NOW + 1]))
    return Rule(
        id=draw(st.uuids()).hex,
        effect=draw(st.sampled_from(Effect)),
        gpu=draw(st.frozensets(st.sampled_from(GPU_SCOPES), min_size=1)),
        when=tuple(draw(st.lists(conditions, min_size=1, max_size=3))),
        says="a generated rule",
        basis=Basis.OPERATOR_POLICY,
        citation="none",
        starts=starts,
        ends=draw(st.sampled_from([None, starts + 1, starts + 2])),
    )


gpus = st.sampled_from(
    [H100, T4, UNKNOWN, load_gpus().classify("H20"), load_gpus().classify("L40")]
)
jobs = st.builds(job, st.none() | st.integers(0, 200), st.none() | st.integers(0, 2000))
saids = st.builds(claims, country, country, st.sampled_from([1, 2, 3]), st.sampled_from([1, 2]))
evidences = st.builds(
    lambda gpu, said, network, fresh: evidence(
        gpu, said, network_country=network, wallet_proof_at=NOW - 1 if fresh else None
    ),
    gpus,
    saids,
    st.none() | st.sampled_from(COUNTRIES[1:]),
    st.booleans(),
)
few = st.lists(rules(), max_size=5)


def policy_of(some: list[Rule]) -> Policy:
    return Policy("generated", Mode.ENFORCE, tuple(some))


def severity(decision: Decision) -> int:
    return SEVERITY[type(decision)]


@given(some=few, more=rules(), place=st.integers(0, 5), asked=jobs, seen=evidences)
@settings(max_examples=300, deadline=None)
def test_adding_a_rule_never_makes_a_verdict_milder(
    some: list[Rule], more: Rule, place: int, asked: JobRequest, seen: Evidence
) -> None:
    before = decide(asked, seen, policy_of(some), NOW)
    after = decide(asked, seen, policy_of([*some[:place], more, *some[place:]]), NOW)
    # The one exception is the first rule of all: without any, everything is denied.
    if all(reason.code is not Code.POLICY_EMPTY for reason in before.reasons):
        assert severity(after) >= severity(before)
        grounds = set() if isinstance(before, Allow) else set(before.reasons)
        assert grounds <= set(after.reasons)


@given(some=few, asked=jobs, seen=evidences)
@settings(max_examples=200, deadline=None)
def test_an_unknown_gpu_is_never_decided_more_mildly_than_a_known_one(
    some: list[Rule], asked: JobRequest, seen: Evidence
) -> None:
    known = decide(asked, seen, policy_of(some), NOW)
    unknown = decide(asked, dataclasses.replace(seen, gpu=UNKNOWN), policy_of(some), NOW)
    assert severity(unknown) >= severity(known)


@given(some=few, asked=jobs, seen=evidences)
@settings(max_examples=200, deadline=None)
def test_an_unknown_quantity_is_never_decided_more_mildly_than_a_known_one(
    some: list[Rule], asked: JobRequest, seen: Evidence
) -> None:
    known = decide(asked, seen, policy_of(some), NOW)
    unknown = decide(
        dataclasses.replace(asked, gpu_count=None, hours=None), seen, policy_of(some), NOW
    )
    assert severity(unknown) >= severity(known)


@given(asked=jobs, seen=evidences)
@settings(max_examples=200, deadline=None)
def test_by_default_a_controlled_gpu_is_never_allowed_on_an_unknown_country(
    asked: JobRequest, seen: Evidence
) -> None:
    made = decide(asked, seen, load_default_policy(), NOW)
    attestation = seen.attestation
    assert isinstance(attestation, ValidAttestation)
    if isinstance(made, Allow) and seen.gpu.controlled:
        assert 0 not in (attestation.claims.country, attestation.claims.ultimate_country)
        assert attestation.claims.ultimate_country not in load_countries().group("D:5") | {446}
        assert attestation.claims.level >= 2


@given(some=few, asked=jobs, seen=evidences, age=st.integers(-100, 100))
@settings(max_examples=200, deadline=None)
def test_nothing_without_a_live_attestation_of_the_account_is_allowed(
    some: list[Rule], asked: JobRequest, seen: Evidence, age: int
) -> None:
    spoilt = [
        dataclasses.replace(seen, account=None),
        dataclasses.replace(seen, attestation=None),
        dataclasses.replace(seen, account=Account(Address(b"\x33" * 20))),
    ]
    for each in spoilt:
        assert isinstance(decide(asked, each, policy_of(some), NOW + age), Deny)


@given(some=few, asked=jobs, seen=evidences)
@settings(max_examples=100, deadline=None)
def test_the_order_of_rules_changes_neither_verdict_nor_digest(
    some: list[Rule], asked: JobRequest, seen: Evidence
) -> None:
    one, other = policy_of(some), policy_of(some[::-1])
    assert one.digest == other.digest
    first, second = decide(asked, seen, one, NOW), decide(asked, seen, other, NOW)
    assert type(first) is type(second)
    assert set(first.reasons) == set(second.reasons)
