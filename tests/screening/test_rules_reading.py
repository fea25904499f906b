"""Rule books, windows, regions, shares and switches in an operator's file: read strictly."""

from __future__ import annotations

import pytest

from kycgate.core.policy import (
    Basis,
    ListedShareReaches,
    Policy,
    Regime,
    RegionIn,
    Status,
)
from kycgate.errors import Misconfigured
from kycgate.screening.controls import RULE_BOOKS, load_countries, read_policy, rule_books
from tests.screening.rules_world import at

RULE = """
[[rule]]
id = "one"
effect = "deny"
countries = ["CN"]
says = "Not there"
basis = "operator-policy"
citation = "house rule"
"""
WINDOWS = """
[[rule.window]]
effective_from = 2025-01-01
effective_to = 2025-06-30
[[rule.window]]
effective_from = 2025-07-01
status = "stayed"
note = "until further notice"
citation = "another"
"""
GOOD = 'id = "good"\n' + RULE + WINDOWS
INCLUDING = 'id = "good"\ninclude = ["ownership"]\n'
SWITCH = """
[[switch]]
rule = "us-affiliates-50"
on = false
effective_from = 2026-11-10
because = "counsel"
"""


def read(text: str) -> Policy:
    return read_policy(text, source="p.toml")


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(Misconfigured) as caught:
        read(text)
    return caught.value.problems


def test_windows_read_as_they_say() -> None:
    (rule,) = read(GOOD).rules
    first, second = rule.windows
    assert (rule.starts, rule.ends) == (at("2025-01-01"), None)
    assert (first.ends, first.applies) == (at("2025-07-01"), True)
    assert (second.status, second.applies, second.citation) == (Status.STAYED, False, "another")
    assert second.remark() == "stayed since 2025-07-01; until further notice"


def test_a_shipped_book_is_sound_and_each_rule_has_its_own_id() -> None:
    include = ", ".join(f'"{name}"' for name in RULE_BOOKS)
    policy = read(f'id = "all"\ninclude = [{include}]\n')
    assert len({rule.id for rule in policy.rules}) == len(policy.rules) >= 20


def test_regions_and_shares_read_as_they_say() -> None:
    text = RULE.replace('countries = ["CN"]', 'regions = ["UA-43"]\nof = ["network"]')
    text += "effective_from = 2020-01-01\n"
    text += RULE.replace('"one"', '"two"').replace(
        'countries = ["CN"]', 'listed_share = { more_than = 25, by = ["uk", "eu"] }'
    )
    text += "effective_from = 2020-01-01\n"
    one, two = read('id = "good"\n' + text).rules
    (region,), (share,) = one.when, two.when
    assert isinstance(region, RegionIn)
    assert region.countries == {load_countries().numeric("UA")}
    assert share == ListedShareReaches(25, True, False, frozenset({Regime.UK, Regime.EU}))


@pytest.mark.parametrize(
    "change, words",
    [
        (('status = "stayed"', 'status = "paused"'), "status: `paused` is not known"),
        (("2025-07-01", "2025-06-30"), "windows overlap or stand out of order"),
        (("2025-06-30", "2024-06-30"), "before effective_from"),
        (("2025-01-01", '"soon"'), "is no day"),
        (('note = "until further notice"', "note = 3"), "note: not a line of text"),
        (('citation = "another"', 'cites = "another"'), "cites: unknown"),
        (("effective_from = 2025-01-01\n", ""), "effective_from: missing"),
        (('id = "one"', 'id = "one"\neffective_from = 2020-01-01'), "either or"),
        (('["CN"]', '["CN"]\nregions = ["UA-43"]'), "make two rules"),
        (('countries = ["CN"]', 'regions = ["UA43"]'), "`UA43` is no region"),
        (('countries = ["CN"]', 'regions = ["XQ-43"]'), "`XQ-43` is no region"),
        (('countries = ["CN"]', "regions = []"), "not a list of words"),
        (('countries = ["CN"]', "listed_share = 50"), "listed_share: not understood"),
        (('countries = ["CN"]', "listed_share = { at_least = 50 }"), "not complete"),
        (
            ('countries = ["CN"]', 'listed_share = { at_least = 50, more_than = 3, by = ["eu"] }'),
            "not complete",
        ),
        (
            ('countries = ["CN"]', 'listed_share = { at_least = 101, by = ["eu"] }'),
            "at_least: `101` is out of range",
        ),
        (
            ('countries = ["CN"]', 'listed_share = { at_least = 50, by = ["fr"] }'),
            "by: `fr` is not known",
        ),
        (('id = "good"', 'id = "good"\ninclude = ["sanctions"]'), "`sanctions` is not known"),
        (('id = "good"', 'id = "good"\ninclude = "embargoes"'), "not a list of words"),
        (
            ('id = "good"', 'id = "good"\ninclude = ["embargoes", "embargoes"]'),
            "name each once",
        ),
    ],
)
def test_a_fault_is_named_with_its_place(change: tuple[str, str], words: str) -> None:
    assert change[0] in GOOD
    found = [each for each in problems(GOOD.replace(*change, 1)) if words in each]
    assert found
    assert found[0].startswith("p.toml, line ")


@pytest.mark.parametrize("windows", ["[]", "3", "[1]", "{}"])
def test_windows_that_are_none_are_refused(windows: str) -> None:
    text = 'id = "good"\n' + RULE + f"window = {windows}\n"
    assert any("not a list of tables" in each for each in problems(text))


def test_a_fault_in_a_window_stands_on_its_line() -> None:
    text = GOOD.replace('status = "stayed"', 'status = "gone"')
    line = text.splitlines().index('status = "gone"') + 1
    (found,) = problems(text)
    assert found.startswith(f"p.toml, line {line}: rule.window 2: status: `gone`")


def test_an_own_rule_cannot_take_the_id_of_a_shipped_one() -> None:
    text = INCLUDING + RULE.replace('"one"', '"us-ofac-50"') + WINDOWS
    assert "`us-ofac-50` is taken" in problems(text)[0]


def test_without_books_nothing_can_be_included() -> None:
    with pytest.raises(Misconfigured):
        Policy.from_toml(INCLUDING, countries=load_countries())


@pytest.mark.parametrize(
    "change, words",
    [
        (("us-affiliates-50", "us-affiliate"), "no rule us-affiliate"),
        (("on = false", 'on = "no"'), "on: not a switch: true or false"),
        (("on = false\n", ""), "on: missing"),
        (('because = "counsel"\n', ""), "because: missing"),
        (("effective_from = 2026-11-10\n", ""), "effective_from: missing"),
        (("on = false", "off = true"), "off: unknown"),
    ],
)
def test_a_switch_is_complete_or_refused(change: tuple[str, str], words: str) -> None:
    assert change[0] in SWITCH
    found = [each for each in problems(INCLUDING + SWITCH.replace(*change, 1)) if words in each]
    assert found
    assert ": switch 1: " in found[0]


def test_a_switch_turns_a_rule_from_its_day_on_and_the_digest_tells() -> None:
    plain, turned = read(INCLUDING), read(INCLUDING + SWITCH)
    for day, before in (("2026-11-09", False), ("2026-11-10", True), ("2030-01-01", True)):
        one, other = (p.rule("us-affiliates-50") for p in (plain, turned))
        assert one is not None
        assert other is not None
        assert one.in_force(at(day)) is before
        assert not other.in_force(at(day))
    assert plain.digest != turned.digest
    assert read(INCLUDING + SWITCH.replace("counsel", "other counsel")).digest != turned.digest


def test_a_switch_between_two_days_leaves_both_sides_as_they_were() -> None:
    text = SWITCH.replace("because", "effective_to = 2026-11-30\nbecause")
    rule = read(INCLUDING + text).rule("us-affiliates-50")
    assert rule is not None
    assert rule.in_force(at("2026-12-01"))
    window = rule.window(at("2026-12-01"))
    assert window is not None
    assert window.remark().startswith("unverified since 2026-11-10")
    assert not rule.in_force(at("2026-11-30"))
    assert rule.in_force(at("2025-10-01"))


def test_a_stayed_rule_switched_on_is_operator_policy_and_adds_no_time() -> None:
    text = SWITCH.replace("on = false", "on = true").replace("2026-11-10", "2020-01-01")
    rule = read(INCLUDING + text).rule("us-affiliates-50")
    assert rule is not None
    assert rule.window(at("2025-09-28")) is None
    stayed, back = rule.window(at("2026-01-01")), rule.window(at("2026-11-10"))
    assert stayed is not None
    assert back is not None
    assert (stayed.applies, stayed.basis) == (True, Basis.OPERATOR_POLICY)
    assert back.basis is None


def test_a_switch_on_what_applies_anyway_changes_nothing() -> None:
    text = SWITCH.replace("on = false", "on = true").replace("us-affiliates-50", "us-ofac-50")
    rule = read(INCLUDING + text).rule("us-ofac-50")
    assert rule is not None
    assert all(window.note == "" and window.applies for window in rule.spans)


def test_every_book_is_data_with_a_head_that_dates_it() -> None:
    for text in rule_books().values():
        assert "As of 2026-11-23" in text.partition("id =")[0]
