"""How a policy file is read: strictly, with every problem named, and digested by meaning alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kycgate.core.policy import ANY_GPU, Basis, Effect, Limits, Mode, MoreGpusThan, Policy, Rule
from kycgate.errors import Code, Misconfigured
from kycgate.screening.controls import load_countries, load_default_policy

RULE = """
[[rule]]
id = "one"
effect = "deny"
countries = ["D:5", "MO"]
of = ["ultimate"]
says = "Not there"
basis = "operator-policy"
citation = "house rule"
effective_from = 2024-01-01
"""
GOOD = 'id = "good"\n' + RULE


def read(text: str) -> Policy:
    return Policy.from_toml(text, countries=load_countries(), source="p.toml")


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(Misconfigured) as caught:
        read(text)
    return caught.value.problems


def test_a_good_file_reads_as_it_says() -> None:
    policy = read(GOOD)
    (rule,) = policy.rules
    assert (policy.id, policy.mode, rule.effect) == ("good", Mode.ENFORCE, Effect.DENY)
    assert rule.starts == 1_704_067_200
    assert rule.ends is None
    assert {rule.id: rule.citation for rule in policy.rules} == {"one": "house rule"}


def test_the_default_is_enforcing_with_seven_days_and_72_hours() -> None:
    policy = load_default_policy()
    assert policy.mode is Mode.ENFORCE
    assert policy.limits == Limits(7 * 86_400, 72 * 3_600)
    assert all(rule.basis is not Basis.LAW for rule in policy.rules)


@pytest.mark.parametrize(
    "change, place, words",
    [
        (("id = ", "idd = "), "line 1", "idd: unknown"),
        (('id = "good"', 'id = "Good Policy"'), "line 1", "not an id"),
        (('id = "good"', 'id = "good"\nmode = "obsrve"'), "line 2", "mode: `obsrve` is not known"),
        (('"deny"', '"allow"'), "line 5", "effect: `allow` is not known: one of deny, review"),
        (('"D:5"', '"D:9"'), "line 6", "`D:9` is no country group"),
        (('"MO"', '"XQ"'), "line 6", "`XQ` is no country code"),
        (('"MO"', '"mo"'), "line 6", "`mo` is no country group"),
        (('["D:5", "MO"]', "[]"), "line 6", "not a list of words"),
        (('["D:5", "MO"]', '"D:5"'), "line 6", "not a list of words"),
        (('["D:5", "MO"]', "[156]"), "line 6", "not a list of words"),
        (('["ultimate"]', '["parent"]'), "line 7", "one of subject, ultimate, network"),
        (("countries =", "country ="), "line 6", "country: unknown"),
        (("countries =", "country ="), "line 7", "of: no countries beside it"),
        (('"Not there"', '""'), "line 8", "says: not a line of text"),
        (('"Not there"', r'"two\nlines"'), "line 8", "says: not a line of text"),
        (('"Not there"', '"' + "x" * 401 + '"'), "line 8", "says: too long"),
        (('"operator-policy"', '"because"'), "line 9", "basis: `because` is not known"),
        (('citation = "house rule"', ""), "line 3", "citation: missing"),
        (("2024-01-01", '"2024-01-01"'), "line 11", "is no day: such as 2023-11-17, unquoted"),
        (("2024-01-01", "2024-01-01T10:00:00Z"), "line 11", "is no day"),
        (("2024-01-01", "0001-01-01"), "line 11", "is no day"),
        (("effective_from = 2024-01-01", ""), "line 3", "effective_from: missing"),
    ],
)
def test_a_fault_is_named_with_its_line_and_remedy(
    change: tuple[str, str], place: str, words: str
) -> None:
    assert change[0] in GOOD
    found = [each for each in problems(GOOD.replace(*change, 1)) if words in each]
    assert found
    assert place + ":" in found[0]
    assert found[0].startswith("p.toml, line ")


@pytest.mark.parametrize(
    "addition, words",
    [
        ("level_below = 1", "level_below: `1` is out of range: 2 to 3"),
        ("level_below = true", "out of range"),
        ("more_gpus_than = -1", "more_gpus_than: `-1` is out of range"),
        ("more_gpus_than = 10000001", "out of range"),
        ("more_hours_than = 1.5", "out of range"),
        ("more_hours_than = 90000", "out of range"),
        ('gpu = ["H100"]', "gpu: `H100` is not known: one of any, controlled, 3A090.a"),
        ('gpu = ["any", "none"]', "`any` beside others"),
        ("gpu = []", "not a list of words"),
        ('code = "expired"', "`expired` is not for rules"),
        ("effective_to = 2023-12-31", "before effective_from"),
        ("wat = 1", "wat: unknown: one of id, effect"),
    ],
)
def test_absurd_values_are_refused_on_their_line(addition: str, words: str) -> None:
    (found,) = problems(GOOD + addition + "\n")
    assert words in found
    assert found.startswith("p.toml, line 12: rule 1: ")


def test_every_problem_is_listed_at_once() -> None:
    second = RULE.replace('"one"', '"two"').replace('"deny"', '"maybe"').replace("D:5", "Z:1")
    text = (
        'id = "x y"\nmode = 3\n[limits]\nmax_list_age_hours = 0\nage = 1\n' + RULE + RULE + second
    )
    found = problems(text)
    assert len(found) == 7
    places = [each.split(":")[0] for each in found]
    assert places == [f"p.toml, line {n}" for n in (1, 2, 4, 5, 18, 29, 30)]


def test_a_rule_for_everybody_and_everything_is_refused() -> None:
    text = GOOD.replace('countries = ["D:5", "MO"]\n', "").replace('of = ["ultimate"]\n', "")
    assert "an empty rule" in problems(text)[0]
    with pytest.raises(ValueError, match="everybody"):
        Rule("r", Effect.DENY, frozenset({ANY_GPU}), (), "s", Basis.LAW, "c", 0)


def test_two_rules_cannot_share_an_id() -> None:
    (found,) = problems(GOOD + RULE)
    assert found == "p.toml, line 14: rule 2: id: `one` is taken: give each rule its own id"


@pytest.mark.parametrize(
    "text, words",
    [
        ("id = ", "not TOML"),
        ('id = "a"\nid = "b"', "not TOML"),
        ('id = "a"\nrule = 3', "not a list of tables"),
        ('id = "a"\nlimits = 3', "not a table"),
        ("#" * 300_000, "longer than"),
        ("x = " + "[" * 5_000, "not TOML"),
    ],
)
def test_what_is_no_policy_at_all_is_refused_without_a_traceback(text: str, words: str) -> None:
    assert any(words in each for each in problems(text))


def test_the_digest_covers_meaning_and_not_formatting() -> None:
    policy = read(GOOD)
    respaced = "# a comment\n" + GOOD.replace(" = ", "=").replace('["D:5", "MO"]', '["MO","D:5"]')
    assert read(respaced).digest == policy.digest
    spelled_out = ", ".join(
        f'"{load_countries().alpha2(n)}"' for n in load_countries().group("D:5") | {446}
    )
    assert read(GOOD.replace('"D:5", "MO"', spelled_out)).digest == policy.digest


@pytest.mark.parametrize(
    "change",
    [
        ('"good"', '"better"'),
        ('"deny"', '"review"'),
        ('"MO"', '"AE"'),
        ('"ultimate"', '"subject"'),
        ("Not there", "Not here"),
        ("operator-policy", "law"),
        ("house rule", "house rule 2"),
        ("2024-01-01", "2024-01-02"),
        ("effective_from", "effective_to = 2030-01-01\neffective_from"),
        ("effective_from", 'gpu = ["controlled"]\neffective_from'),
        ("effective_from", "more_gpus_than = 3\neffective_from"),
        ("effective_from", 'code = "operator_rule"\neffective_from'),
        ('id = "good"', 'id = "good"\nmode = "observe"'),
        ('id = "good"', 'id = "good"\n[limits]\nmax_list_age_hours = 71'),
        ('id = "good"', 'id = "good"\n[limits]\nmax_wallet_proof_age_hours = 1'),
    ],
)
def test_the_digest_changes_with_any_meaning(change: tuple[str, str]) -> None:
    assert read(GOOD.replace(*change, 1)).digest != read(GOOD).digest


def test_a_rule_is_in_force_from_its_first_day_to_the_end_of_its_last() -> None:
    policy = read(GOOD + "effective_to = 2024-01-31\n")
    (rule,) = policy.rules
    first, after = 1_704_067_200, 1_706_745_600
    assert [rule.in_force(t) for t in (first - 1, first, after - 1, after)] == [
        False,
        True,
        True,
        False,
    ]
    assert [policy.at(t).empty for t in (first - 1, first, after - 1, after)] == [
        True,
        False,
        False,
        True,
    ]


def test_a_rule_may_name_its_code() -> None:
    assert read(GOOD + 'code = "country_embargoed"\n').rules[0].code is Code.COUNTRY_EMBARGOED


def test_conditions_of_one_rule_must_all_hold() -> None:
    (rule,) = read(GOOD + "more_gpus_than = 3\n").rules
    assert len(rule.when) == 2
    assert MoreGpusThan(3) in rule.when


@given(text=st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_policy_or_misconfigured(text: str) -> None:
    for each in (text, GOOD + text, GOOD.replace("Not there", text)):
        try:
            policy = read(each)
        except Misconfigured:
            continue
        assert len(policy.digest) == 32
