"""What is told and what is registered, in one picture: nobody is lost, nothing is believed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kycgate.core.policy import Regime
from kycgate.screening.ownership.headquarters import Parent
from kycgate.screening.ownership.listed import Listing, decisive, listed_share, regimes_of
from kycgate.screening.ownership.merged import PARTIES_MOST, Merged, merge
from kycgate.screening.ownership.parties import Gap, Party, Unknown
from kycgate.screening.ownership.register import MemoryRegister
from tests.screening.ownership.world import AT, COUNTRIES, company, controls, owns, person, share

LEI, OTHER = "213800FERQ5LE3H7WJ58", "001GPB6A9XPE8XJICC14"
NOBODY = Gap(Unknown("told_nobody", "nobody", "subject"), ultimate=True, means="nobody")
OFAC, EU = frozenset({Regime.OFAC}), frozenset({Regime.EU})


def subject(country: str = "SG", **more: Any) -> Party:
    return company("subject", country, name="Us Ltd", identifiers=(LEI,), **more)


def registered(country: str = "SG", name: str = "US LIMITED", **more: Any) -> Party:
    return company("r", country, name=name, identifiers=(LEI,), **more)


def told(*stakes: Any, parties: Any = (), gaps: Any = None) -> MemoryRegister:
    return MemoryRegister([subject(), *parties], stakes, {"subject": [NOBODY]} | (gaps or {}))


def together(stated: MemoryRegister, *register: MemoryRegister) -> Merged:
    sources = [(f"r{n}", each) for n, each in enumerate(register)]
    return merge(stated, "subject", sources, at=AT)


def abouts(merged: Merged) -> list[str]:
    return [each.about for each in merged.differences]


def test_nothing_registered_leaves_what_was_told() -> None:
    merged = together(told(), MemoryRegister([company("x")], []))
    top = merged.ultimate()
    assert isinstance(top, Parent)
    assert (top.id, merged.differences, dict(merged.registered)) == ("subject", (), {})


def test_a_registered_owner_joins_the_picture_under_its_own_id() -> None:
    register = MemoryRegister([registered(), company("them", "CN")], [owns("them", "r", 60)])
    merged = together(told(), register)
    assert set(merged.snapshot().closure("subject")) == {"subject", "r0:them"}
    assert merged.owned
    top = merged.ultimate()
    assert isinstance(top, Parent)
    assert top.country == COUNTRIES.numeric("CN")
    assert abouts(merged) == ["parent"]


def test_a_parent_that_was_told_is_found_in_the_register_by_name() -> None:
    stated = MemoryRegister(
        [subject(), company("parent", "DE", name="Mutter GmbH & Co. KG")],
        [controls("parent", "subject")],
        {"parent": [NOBODY]},
    )
    up = company("up", "DE", name="MUTTER GMBH & CO KG")
    register = MemoryRegister([registered(), up, company("top", "CN")],
                              [controls("up", "r"), controls("top", "up")])  # fmt: skip
    merged = together(stated, register)
    assert set(merged.snapshot().closure("subject")) == {"subject", "parent", "r0:top"}
    top = merged.ultimate()
    assert isinstance(top, Parent)
    assert (top.id, abouts(merged)) == ("r0:top", ["parent"])


def test_two_registers_are_joined_by_an_lei() -> None:
    one = MemoryRegister(
        [registered(), company("m", name="Mid", identifiers=(OTHER,))], [owns("m", "r", 100)]
    )
    two = MemoryRegister(
        [company("mm", name="Mid", identifiers=(OTHER,)), company("top", "CN")],
        [owns("top", "mm", 100)],
    )
    for order in ((one, two), (two, one)):
        top = together(told(), *order).ultimate()
        assert isinstance(top, Parent)
        assert top.name == "top"


@pytest.mark.parametrize(
    "party, about",
    [
        (registered(name="Them Ltd"), ["name"]),
        (registered("CN"), ["headquarters"]),
        (registered(until=AT), ["inactive"]),
        (registered(legal=COUNTRIES.numeric("KY")), ["country"]),
        (registered(), []),
    ],
)
def test_what_does_not_agree_is_said(party: Party, about: list[str]) -> None:
    stated = MemoryRegister([subject(legal=COUNTRIES.numeric("SG"))], [], {"subject": [NOBODY]})
    assert abouts(together(stated, MemoryRegister([party], []))) == about


def test_headquarters_that_do_not_agree_are_unknown() -> None:
    merged = together(told(), MemoryRegister([registered("CN")], []))
    top = merged.ultimate()
    assert isinstance(top, Parent)
    assert top.country == 0


def test_an_lei_and_a_number_of_two_companies_ask_who_it_is() -> None:
    number = (COUNTRIES.numeric("SG"), "42")
    stated = MemoryRegister([subject(numbers=(number,))], [], {"subject": [NOBODY]})
    other = company("o", name="Us Ltd", numbers=(number,))
    assert "identity" in abouts(together(stated, MemoryRegister([registered(), other], [])))


def test_parents_told_and_registered_in_two_countries_are_unknown() -> None:
    stated = MemoryRegister(
        [subject(), company("parent", "US")], [controls("parent", "subject")], {"parent": [NOBODY]}
    )
    register = MemoryRegister([registered(), company("p", "CN")], [controls("p", "r")])
    merged = together(stated, register)
    top = merged.ultimate()
    assert isinstance(top, Unknown)
    assert top.reason == "parents_differ"


def test_an_id_that_a_register_happens_to_use_is_somebody_else() -> None:
    register = MemoryRegister([company("subject", "CN", name="Else")], [owns("x", "subject", 90)])
    merged = together(told(), register)
    assert merged.snapshot().closure("subject") == ("subject",)


def test_more_parties_than_can_be_looked_at_are_unknown_and_soon_done() -> None:
    many = PARTIES_MOST + 50
    parties = [registered(), *(company(f"c{n}") for n in range(many))]
    chain = [owns("c0", "r", 100), *(owns(f"c{n + 1}", f"c{n}", 100) for n in range(many - 1))]
    merged = together(told(), MemoryRegister(parties, chain))
    assert merged.cut
    assert isinstance(merged.ultimate(), Unknown)


def test_a_circle_through_both_sides_ends() -> None:
    register = MemoryRegister(
        [registered(), company("a")], [owns("a", "r", 60), owns("r", "a", 60)]
    )
    assert set(together(told(), register).snapshot().closure("subject")) == {"subject", "r0:a"}


# -- listed shares ---------------------------------------------------------------------------------


def test_lists_count_under_the_rules_of_who_publishes_them() -> None:
    assert regimes_of("SDN") == OFAC
    assert regimes_of("EL") == regimes_of("MEU") == {Regime.BIS}
    assert regimes_of("UVL") == regimes_of("CMIC") == frozenset()
    assert regimes_of("never heard of") == frozenset(Regime)


def test_shares_are_told_apart_by_family_and_added_where_a_rule_adds() -> None:
    stated = told(
        owns("a", "subject", 30), owns("b", "subject", 30), parties=[company("a"), company("b")]
    )
    found = listed_share(together(stated), {"a": Listing(OFAC, True), "b": Listing(EU, True)})
    assert found.under(OFAC) == found.under(EU) == (30, 30)
    assert found.under(OFAC | EU) == (60, 60)
    assert found.under(frozenset({Regime.UK})) == (0, 0)


def test_half_of_half_counts_whole_and_less_than_half_counts_nothing() -> None:
    def cascade(upper: int) -> tuple[float, float] | None:
        stakes = owns("mid", "subject", 50), owns("top", "mid", upper)
        merged = together(told(*stakes, parties=[company("mid"), company("top")]))
        return listed_share(merged, {"top": Listing(OFAC, True)}).under(OFAC)

    assert (cascade(50), cascade(49)) == ((50, 50), (0, 0))


def test_what_a_reviewer_has_yet_to_look_at_counts_to_the_upper_end_only() -> None:
    merged = together(told(owns("a", "subject", 60), parties=[company("a")]))
    assert listed_share(merged, {"a": Listing(OFAC, False)}).under(OFAC) == (0, 60)
    assert listed_share(merged, {"a": Listing(OFAC, True)}).under(OFAC) == (60, 60)


def test_a_sure_hit_on_one_list_makes_none_sure_on_another() -> None:
    merged = together(told(owns("a", "subject", 60), parties=[company("a")]))
    both = Listing(frozenset(), sure=False).and_on(OFAC, sure=True).and_on(EU, sure=False)
    for listing in (both, Listing(EU, sure=False).and_on(OFAC, sure=True)):
        found = listed_share(merged, {"a": listing})
        assert (found.under(OFAC), found.under(EU)) == ((60, 60), (0, 60))


def test_an_open_end_lies_a_hair_inside() -> None:
    stake = owns("a", "subject", ownership=share(50, 75, low_open=True))
    low, high = listed_share(together(told(stake, parties=[company("a")])),
                             {"a": Listing(OFAC, True)}).under(OFAC) or (0, 0)  # fmt: skip
    assert 50 < low < 50.000001
    assert high == 75


def test_an_owner_whose_identity_is_withheld_may_be_listed_anywhere() -> None:
    hidden = Party("a", "(not named)", unknown=Unknown("x", "withheld", "a"))
    merged = together(told(owns("a", "subject", 60), parties=[hidden]))
    assert listed_share(merged, {}).under(OFAC) == (0, 60)


def test_who_alone_would_block_is_known_beforehand() -> None:
    stakes = owns("a", "subject", 50), owns("b", "subject", 49), owns("c", "a", 50)
    merged = together(told(*stakes, parties=[company("a"), company("b"), person("c")]))
    assert decisive(merged) == {"subject", "a", "c"}


def test_among_many_parties_half_on_all_of_one_way_decides() -> None:
    crowd = [owns(f"c{n}", "subject", 0.5) for n in range(50)]
    stakes = owns("a", "subject", 50), owns("c", "a", 50), owns("d", "c", 49)
    parties = [company(f"c{n}") for n in range(50)] + [company("a"), company("c"), company("d")]
    merged = together(told(*stakes, *crowd, parties=parties))
    assert decisive(merged) == {"subject", "a", "c"}


names = st.sampled_from(["a", "b", "c", "d"])


@given(
    told_stakes=st.lists(st.tuples(names, st.sampled_from(["subject", "a", "b"]),
                                   st.integers(0, 100)), max_size=5),
    found_stakes=st.lists(st.tuples(names, st.sampled_from(["r", "a", "b"]),
                                    st.integers(0, 100)), max_size=5),
    listed=st.dictionaries(names, st.tuples(st.sampled_from([OFAC, EU, OFAC | EU]), st.booleans())),
    more=names,
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_more_listed_owners_and_more_statements_never_lower_the_upper_end(
    told_stakes: Any, found_stakes: Any, listed: Any, more: str
) -> None:
    parties = [company(name) for name in "abcd"]
    stated = told(
        *(owns(h, s, n, record=f"{k}") for k, (h, s, n) in enumerate(told_stakes)), parties=parties
    )
    register = MemoryRegister(
        [registered(), *parties],
        [owns(h, s, n, record=f"r{k}") for k, (h, s, n) in enumerate(found_stakes)],
    )
    alone, both = together(stated), together(stated, register)
    listings = {id_: Listing(*each) for id_, each in listed.items()}
    with_more = {**listings, more: Listing(OFAC | EU, True)}
    for merged in (alone, both):
        before, after = listed_share(merged, listings), listed_share(merged, with_more)
        for family in (OFAC, EU):
            one, two = before.under(family) or (0, 0), after.under(family) or (0, 0)
            assert 0 <= one[0] <= one[1] <= 100
            assert two[1] >= one[1]
