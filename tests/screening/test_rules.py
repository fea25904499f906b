"""The dated rules that ship: when each applies, what it claims; no rule loosens, at any date."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kycgate.core.attestation import ValidAttestation
from kycgate.core.claims import Level
from kycgate.core.decision import Allow, Deny, Evidence, Review, decide, explain, outward
from kycgate.core.policy import (
    ANY_GPU,
    BY_LETTER_GPU,
    CONTROLLED_GPU,
    UNKNOWN_COUNTRY,
    Basis,
    CountryIn,
    Eccn,
    Effect,
    Facts,
    GpuClass,
    LevelBelow,
    ListedShare,
    ListedShareReaches,
    Mode,
    Place,
    Policy,
    Regime,
    RegionIn,
    Rule,
    Status,
    Window,
    day,
)
from kycgate.errors import Code
from kycgate.screening.controls import (
    load_default_policy,
    load_gpus,
    load_standard_policy,
    read_policy,
    rule_books,
)
from tests.screening.rules_world import (
    A40,
    AE,
    CN,
    COUNTRIES,
    DE,
    GPUS,
    H20,
    H100,
    JOB,
    NOW,
    POLICY,
    SEVERITY,
    SG,
    T4,
    UA,
    at,
    claims,
    decided,
    evidence,
    rules_of,
)

# -- each rule at its edges ------------------------------------------------------------------------


def gpu_for(rule: Rule) -> GpuClass:
    by_scope = {
        ANY_GPU: T4,
        CONTROLLED_GPU: H100,
        BY_LETTER_GPU: H20,
        Eccn.A: H100,
        Eccn.B: A40,
        Eccn.NONE: T4,
        Eccn.UNKNOWN: GPUS.classify("no such thing"),
    }
    return by_scope[sorted(rule.gpu)[0]]


def firing(rule: Rule, now: int) -> Evidence:
    """Evidence on which the rule fires whenever it applies."""
    seen = evidence(now, gpu=gpu_for(rule))
    for condition in rule.when:
        match condition:
            case CountryIn(places=(place, *_), countries=countries):
                seen = located(seen, place, sorted(countries)[0])
            case RegionIn(places=(place, *_), regions=regions):
                seen = replace(seen, regions=frozenset({(place, sorted(regions)[0])}))
            case ListedShareReaches(maybe=False, regimes=regimes):
                seen = replace(seen, listed_share=ListedShare(60, 60, regimes))
            case ListedShareReaches(maybe=True, regimes=regimes):
                seen = replace(seen, listed_share=ListedShare(40, 60, regimes))
            case LevelBelow():
                assert isinstance(seen.attestation, ValidAttestation)
                low = replace(seen.attestation.claims, level=Level.LOW)
                seen = replace(seen, attestation=replace(seen.attestation, claims=low))
            case _:
                raise AssertionError(f"{condition} is new: say here what fires it")
    return seen


def located(seen: Evidence, place: Place, country: int) -> Evidence:
    attestation = seen.attestation
    assert isinstance(attestation, ValidAttestation)
    if place is Place.NETWORK:
        return replace(seen, network_country=country)
    said = attestation.claims
    if place is Place.SUBJECT:
        said = replace(said, country=country)
    else:
        said = replace(said, ultimate_country=country)
    return replace(seen, attestation=replace(attestation, claims=said))


def edges() -> Iterator[tuple[Rule, int, bool]]:
    """Each rule at the last second before and the first second of each of its windows."""
    for rule in POLICY.rules:
        for window in rule.spans:
            yield rule, window.starts, window.applies
            before = rule.window(window.starts - 1)
            yield rule, window.starts - 1, before is not None and before.applies
            if window.ends is not None:
                yield rule, window.ends - 1, window.applies
                behind = rule.window(window.ends)
                yield rule, window.ends, behind is not None and behind.applies


@pytest.mark.parametrize(
    "rule, now, applies", list(edges()), ids=lambda value: getattr(value, "id", str(value))
)
def test_each_rule_fires_in_its_windows_and_not_a_second_beyond(
    rule: Rule, now: int, applies: bool
) -> None:
    made = decide(JOB, firing(rule, now), POLICY, now)
    assert (rule.id in rules_of(made)) is applies
    if applies:
        assert SEVERITY[type(made)] >= (2 if rule.effect is Effect.DENY else 1)


@pytest.mark.parametrize(
    "day, says",
    [
        ("2025-09-28", None),
        ("2025-09-29", "in force"),
        ("2025-11-09", "in force"),
        ("2025-11-10", None),
        ("2026-11-09", None),
        ("2026-11-10", "unverified"),
    ],
)
def test_the_affiliates_rule_comes_goes_and_comes_back_unverified(
    day: str, says: str | None
) -> None:
    now = at(day)
    held = ListedShare(50, 50, frozenset({Regime.BIS}))
    made = decided(now, gpu=T4, share=held)
    if says is None:
        assert isinstance(made, Allow)
        return
    assert isinstance(made, Deny)
    (reason,) = explain(made)["reasons"]
    assert (reason["rule"], reason["status"]) == ("us-affiliates-50", says)
    assert ("unverified since 2026-11-10" in reason["text"]) is (says == "unverified")
    assert reason["basis"] == "licence-risk"


def test_syria_left_ofacs_embargo_and_stayed_in_e1() -> None:
    syria = claims(COUNTRIES.numeric("SY"))
    last, first = decided(at("2025-06-30"), syria, gpu=T4), decided(at("2025-07-01"), syria, gpu=T4)
    assert rules_of(last) == {"embargo-syria-ofac", "embargo-syria-ear"}
    assert rules_of(first) == {"embargo-syria-ear"}
    assert [reason["basis"] for reason in explain(first)["reasons"]] == ["licence-risk"]


# -- what the rules claim --------------------------------------------------------------------------


def test_every_rule_cites_and_says_no_more_than_its_basis() -> None:
    bases = {rule.id: rule.basis for rule in POLICY.rules}
    assert bases["us-headquarters"] is Basis.OPERATOR_POLICY
    assert bases["us-h20-letter"] is Basis.LICENCE_RISK
    exports = [rule_id for rule_id in bases if rule_id in rule_books()["export-controls"]]
    assert len(exports) >= 5
    assert all(bases[rule_id] is not Basis.LAW for rule_id in exports)
    for rule in POLICY.rules:
        assert all(window.citation or rule.citation for window in rule.spans)


def test_headquarters_in_a_d5_country_is_refused_as_operator_policy() -> None:
    made = decided(NOW, claims(SG, CN))
    assert isinstance(made, Deny)
    (reason,) = explain(made)["reasons"]
    assert (reason["rule"], reason["basis"]) == ("us-headquarters", "operator-policy")
    assert decided(NOW, claims(SG, COUNTRIES.numeric("MO"))).reasons


def test_the_emirates_are_named_for_3a090b_though_in_a5_and_out_of_d4() -> None:
    assert not COUNTRIES.member(AE, "D:4")
    assert rules_of(decided(NOW, claims(AE, AE), gpu=A40)) == {"us-3a090b-destination"}
    assert rules_of(decided(NOW, gpu=A40, network=AE)) == {"us-3a090b-destination"}
    assert isinstance(decided(NOW, claims(SG, AE), gpu=A40), Allow)


def test_the_h20_is_refused_to_d5_since_the_letter_as_a_licence_risk() -> None:
    chinese_parent = claims(SG, CN)
    before = decided(at("2025-04-08"), chinese_parent, gpu=H20)
    after = decided(at("2025-04-09"), chinese_parent, gpu=H20)
    assert isinstance(before, Allow)
    assert rules_of(after) == {"us-h20-letter"}
    assert isinstance(decided(NOW, gpu=H20), Allow)
    assert "us-h20-letter" not in rules_of(decided(NOW, chinese_parent, gpu=T4))


@pytest.mark.parametrize("place", list(Place))
@pytest.mark.parametrize("gpu", [T4, H100, H20, GPUS.classify("")], ids=lambda gpu: gpu.model)
def test_embargoes_hold_for_every_gpu_and_every_place(place: Place, gpu: GpuClass) -> None:
    for group in ("E:1", "E:2"):
        for country in COUNTRIES.group(group):
            made = decide(JOB, located(evidence(NOW, gpu=gpu), place, country), POLICY, NOW)
            assert isinstance(made, Deny)
            embargoes = [r for r in made.reasons if (r.rule or "").startswith("embargo-")]
            assert embargoes
            assert {reason.code for reason in embargoes} == {Code.COUNTRY_EMBARGOED}


@pytest.mark.parametrize("region", ["UA-43", "UA-40", "UA-14", "UA-09"])
@pytest.mark.parametrize("place", list(Place))
def test_embargoed_regions_are_refused_for_every_gpu(region: str, place: Place) -> None:
    made = decided(NOW, gpu=T4, regions=frozenset({(place, region)}))
    assert isinstance(made, Deny)
    assert made.reasons[0].code is Code.COUNTRY_EMBARGOED
    assert region in made.reasons[0].text


def test_the_rest_of_ukraine_is_no_embargoed_region() -> None:
    kyiv = frozenset({(Place.SUBJECT, "UA-30")})
    made = decided(NOW, claims(UA, DE), gpu=T4, regions=kyiv)
    assert isinstance(made, Allow)
    assert made.notes == ()


# -- what is not known -----------------------------------------------------------------------------


def test_what_nobody_knew_is_on_record_and_changes_nothing() -> None:
    made = decided(NOW, claims(UA, DE), gpu=T4, network=None, share=None)
    assert isinstance(made, Allow)
    texts = [note["text"] for note in explain(made)["notes"]]
    assert [note.code for note in made.notes] == [Code.NOT_CHECKED] * 3
    assert texts[0].startswith("the network country was not looked up")
    assert "us-affiliates-50" in texts[1]
    assert "embargo-crimea" in texts[2]
    assert outward(made) == {"verdict": "allow", "codes": []}


def test_notes_stand_beside_denials_and_reviews_too() -> None:
    for said in (claims(CN, CN), claims(UNKNOWN_COUNTRY, SG)):
        made = decided(NOW, said, network=None, share=None)
        assert not isinstance(made, Allow)
        assert len(made.notes) == 2


def test_a_share_that_may_reach_half_asks_a_person() -> None:
    held = frozenset({Regime.OFAC})
    assert isinstance(decided(NOW, share=ListedShare(49.9, 49.9, held)), Allow)
    made = decided(NOW, share=ListedShare(40, 60, held))
    assert isinstance(made, Review)
    assert {reason.code for reason in made.reasons} == {Code.OWNERSHIP_UNKNOWN}
    made = decided(NOW, share=ListedShare(50, 100, held))
    assert isinstance(made, Deny)
    assert "us-ofac-50" in rules_of(made)


def test_a_share_counts_under_the_regimes_its_owners_are_listed_by() -> None:
    def grounds(*regimes: Regime) -> set[str]:
        return rules_of(decided(NOW, share=ListedShare(60, 60, frozenset(regimes))))

    assert grounds(Regime.EU) == {"eu-50"}
    assert grounds(Regime.BIS) == {"us-affiliates-50"}
    assert grounds(Regime.OFAC) == {"us-affiliates-50", "us-ofac-50"}
    assert grounds(Regime.UK) == {"uk-50"}
    assert grounds() == {"us-affiliates-50", "us-ofac-50", "eu-50", "uk-50"}


def test_in_the_uk_exactly_half_is_not_more_than_half() -> None:
    held = frozenset({Regime.UK})
    assert isinstance(decided(NOW, share=ListedShare(50, 50, held)), Allow)
    assert rules_of(decided(NOW, share=ListedShare(50, 50.1, held))) == {"uk-50-undecided"}
    assert rules_of(decided(NOW, share=ListedShare(50.1, 50.1, held))) == {"uk-50"}


@pytest.mark.parametrize(
    "ends", [(-1, 50), (0, 101), (60, 40), (float("nan"), 50), (0, float("nan"))]
)
def test_an_absurd_share_is_refused(ends: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="no share"):
        ListedShare(*ends)


# -- confidence ------------------------------------------------------------------------------------


def test_confidence_is_shown_everywhere_and_changes_no_result() -> None:
    sure = replace(A40, confidence="high", note="")
    for said in (claims(), claims(AE, AE)):
        one, other = decided(NOW, said, gpu=A40), decided(NOW, said, gpu=sure)
        assert (type(one), rules_of(one)) == (type(other), rules_of(other))
        gpu = explain(one)["gpu"]
        assert gpu["confidence"] == "medium"
        assert "datasheet" in gpu["note"]
    assert "medium confidence" in decided(NOW, claims(AE, AE), gpu=A40).reasons[0].text


# -- properties ------------------------------------------------------------------------------------

country = st.sampled_from([0, SG, CN, UA, AE, DE, *sorted(COUNTRIES.group("E:1"))])
moments = st.sampled_from(
    sorted({now for _, now, _ in edges()} | {NOW, at("2024-06-01"), at("2025-10-15")})
)
shares = st.none() | st.tuples(
    st.integers(0, 100), st.integers(0, 100), st.frozensets(st.sampled_from(Regime))
).map(lambda each: ListedShare(min(each[:2]), max(each[:2]), each[2]))
told_regions = st.frozensets(
    st.tuples(st.sampled_from(Place), st.sampled_from(["UA-43", "UA-09", "UA-65", "UA-30"])),
    max_size=2,
)
gpus = st.sampled_from([T4, H100, H20, A40, GPUS.classify("")])


@st.composite
def cases(draw: st.DrawFn) -> tuple[int, Evidence]:
    now = draw(moments)
    said = claims(draw(country), draw(country), draw(st.sampled_from(Level)))
    seen = evidence(
        now,
        said,
        gpu=draw(gpus),
        network=draw(st.none() | country),
        share=draw(shares),
        regions=draw(told_regions),
    )
    return now, seen


@st.composite
def more_rules(draw: st.DrawFn) -> Rule:
    starts = draw(moments)
    windows = (
        Window(starts, starts + 10, Status.IN_FORCE),
        Window(starts + 10, None, draw(st.sampled_from(Status)), draw(st.booleans())),
    )
    condition = draw(
        st.one_of(
            st.builds(
                CountryIn,
                st.lists(st.sampled_from(Place), min_size=1, unique=True).map(tuple),
                st.frozensets(country, min_size=1),
            ),
            st.builds(
                RegionIn,
                st.lists(st.sampled_from(Place), min_size=1, unique=True).map(tuple),
                st.frozensets(st.sampled_from(["UA-43", "UA-30"]), min_size=1),
                st.just(frozenset({UA})),
            ),
            st.builds(
                ListedShareReaches,
                st.integers(1, 100),
                st.booleans(),
                st.booleans(),
                st.frozensets(st.sampled_from(Regime), min_size=1),
            ),
        )
    )
    return Rule(
        "one-more",
        draw(st.sampled_from(Effect)),
        frozenset({draw(st.sampled_from([ANY_GPU, CONTROLLED_GPU, BY_LETTER_GPU]))}),
        (condition,),
        "a generated rule",
        Basis.OPERATOR_POLICY,
        "none",
        starts,
        windows=windows,
    )


@given(case=cases(), more=more_rules(), place=st.integers(0, 30))
@settings(max_examples=100, deadline=None)
def test_at_no_date_does_a_further_rule_make_a_verdict_milder(
    case: tuple[int, Evidence], more: Rule, place: int
) -> None:
    now, seen = case
    rules = [*POLICY.rules[:place], more, *POLICY.rules[place:]]
    before = decide(JOB, seen, POLICY, now)
    after = decide(JOB, seen, Policy("more", Mode.ENFORCE, tuple(rules)), now)
    if all(reason.code is not Code.POLICY_EMPTY for reason in before.reasons):
        assert SEVERITY[type(after)] >= SEVERITY[type(before)]
        assert rules_of(before) <= rules_of(after)


@given(case=cases())
@settings(max_examples=150, deadline=None)
def test_the_quick_way_leaves_out_no_rule_that_would_fire(case: tuple[int, Evidence]) -> None:
    now, seen = case
    attestation = seen.attestation
    assert isinstance(attestation, ValidAttestation)
    facts = Facts(
        JOB,
        seen.gpu,
        attestation.claims,
        seen.network_country,
        seen.listed_share,
        seen.regions,
    )
    slow = {
        rule.id
        for rule in POLICY.rules
        if rule.in_force(now)
        and rule.covers(seen.gpu.eccn, seen.gpu.controlled)
        and rule.test()(facts)
    }
    assert rules_of(decide(JOB, seen, POLICY, now)) == slow


@given(case=cases())
@settings(max_examples=100, deadline=None)
def test_an_unknown_gpu_is_at_no_date_decided_more_mildly(case: tuple[int, Evidence]) -> None:
    now, seen = case
    unknown = replace(seen, gpu=GPUS.classify(""))
    known, other = decide(JOB, seen, POLICY, now), decide(JOB, unknown, POLICY, now)
    assert SEVERITY[type(other)] >= SEVERITY[type(known)]


def test_the_operators_own_rules_stand_in_the_same_file() -> None:
    text = """
id = "ours"
include = ["embargoes"]
[[rule]]
id = "no-emirates"
effect = "review"
countries = ["AE"]
says = "We look at these"
basis = "operator-policy"
citation = "house rule 7"
[[rule.window]]
effective_from = 2026-01-01
effective_to = 2026-06-30
[[rule.window]]
effective_from = 2026-11-01
note = "again"
"""
    policy = read_policy(text, source="ours.toml")
    seen = evidence(NOW, claims(AE, AE), gpu=T4)
    assert isinstance(decide(JOB, seen, policy, NOW), Review)
    summer = at("2026-08-01")
    assert isinstance(decide(JOB, evidence(summer, claims(AE), gpu=T4), policy, summer), Allow)
    iran = evidence(NOW, claims(COUNTRIES.numeric("IR")), gpu=T4)
    assert rules_of(decide(JOB, iran, policy, NOW)) == {"embargo-iran"}


@given(case=cases())
@settings(max_examples=150, deadline=None)
def test_the_standard_policy_is_never_milder_than_the_default(case: tuple[int, Evidence]) -> None:
    now, seen = case
    if now >= at("2025-04-09"):
        plain = decide(JOB, seen, load_default_policy(), now)
        dated = decide(JOB, seen, POLICY, now)
        assert SEVERITY[type(dated)] >= SEVERITY[type(plain)]


def test_every_shipped_rule_says_how_it_was_checked_and_the_page_repeats_it() -> None:
    page = (Path(__file__).parents[2] / "docs" / "RULES.md").read_text("utf-8")
    for rule in (*load_standard_policy().rules, *load_default_policy().rules):
        assert rule.checked, rule.id
    for rule in load_standard_policy().rules:
        line = f"| `{rule.id}` | {day(rule.starts)} | {rule.basis} | {rule.checked} |"
        assert line in page, rule.id
    for row in load_gpus().rows:
        assert not row.doubts or f"| {row.vendor} {row.gpu.model} |" in page


def test_how_a_rule_was_checked_is_no_part_of_the_rule() -> None:
    text = """id = "ours"
[[rule]]
id = "a"
effect = "deny"
countries = ["CN"]
says = "no"
basis = "operator-policy"
citation = "ours"
effective_from = 2020-01-01
"""
    plain = read_policy(text, source="a")
    told = read_policy(text + 'checked = "by counsel"\n', source="b")
    assert (plain.digest, plain.rules[0].checked) == (told.digest, "")
    assert told.rules[0].checked == "by counsel"


def test_owners_of_one_family_never_add_to_anothers() -> None:
    ofac, eu = frozenset({Regime.OFAC}), frozenset({Regime.EU})
    nothing = frozenset[Regime]()
    apart = ((nothing, 0.0, 0.0), (eu, 30.0, 30.0), (ofac, 30.0, 30.0), (ofac | eu, 60.0, 60.0))
    share = ListedShare(60, 60, ofac | eu, apart)
    decision = decided(NOW, share=share)
    assert isinstance(decision, Allow)
    affiliates = ListedShareReaches(50, False, False, frozenset({Regime.OFAC, Regime.EU}))
    facts = Facts(JOB, H100, claims(), SG, share)
    assert affiliates.test()(facts)
    uk = ListedShareReaches(0, True, False, frozenset({Regime.UK}))
    assert not uk.test()(facts)


def test_a_listed_share_can_not_be_less_than_nothing_in_any_part() -> None:
    with pytest.raises(ValueError, match="is no share"):
        ListedShare(0, 0, frozenset(), ((frozenset(), 5.0, 1.0),))
