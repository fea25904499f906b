"""Which spellings of a name are one, and which are not."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kycgate.errors import TooLarge
from kycgate.screening.match import (
    MAX_NAME_LENGTH,
    legal_key,
    normalise,
    unordered_key,
    without_asides,
)


@pytest.mark.parametrize(
    "written, normal",
    [
        ("HUAWEI TECHNOLOGIES CO., LTD.", "huawei technologies co ltd"),
        ("Huawei  Technologies\tCo.,Ltd", "huawei technologies co ltd"),
        ("Ｈｕａｗｅｉ", "huawei"),
        ("A.B.C. Trading L.L.C.", "abc trading llc"),
        ("Société Générale S.A.", "societe generale sa"),
        ("Łódź Ørsted Straße", "lodz orsted strasse"),
        ("İstanbul IŞIK", "istanbul isik"),
        ("O’Brien", "obrien"),
        ("O'Brien", "obrien"),
        ("Al-Qa‘ida", "al qaida"),
        ("Vla\u200bdi\u00admir \u202eNitup\u202c", "vladimir nitup"),
        ("line\nbreak\x00null", "line break null"),
        ("Smith & Sons", "smith and sons"),
        ("Smith \uff06 Söhne", "smith and sohne"),
        ("华为技术有限公司", "华为技术有限公司"),
        (" 华为 技术 ", "华为 技术"),
        ("삼성전자", "삼성전자"),
        ("№ 5 ﬁnance", "no 5 finance"),
        ("…—!", ""),
        ("", ""),
    ],
)
def test_spellings_become_one(written: str, normal: str) -> None:
    assert normalise(written) == normal


@pytest.mark.parametrize(
    "one, other",
    [
        ("Foo Bar Company Limited", "FOO BAR CO., LTD"),
        ("Foo Bar (Private) Limited", "Foo Bar Pvt. Ltd."),
        ("Foo Bar Limited Liability Company", "Foo Bar L.L.C."),
        ("Foo Bar Sdn. Berhad", "Foo Bar Sdn Bhd"),
        ("JSC Foo Bar", "Foo Bar Joint Stock Company"),
        ("OOO Foo Bar", "Obshchestvo s ogranichennoi otvetstvennostyu Foo Bar"),
        ("Foo Bar and Company", "Foo Bar & Co."),
        ("Foo Bar Incorporated", "Foo Bar"),
        ("11420 Corporation", "11420 Corp."),
    ],
)
def test_legal_forms_do_not_part_a_company_from_itself(one: str, other: str) -> None:
    assert legal_key(normalise(one)) == legal_key(normalise(other))


@pytest.mark.parametrize(
    "one, other",
    [
        ("11420 Corp.", "11420"),
        ("11420 Corp.", "11420 Ltd."),
        ("Foo Bar Trading Co", "Foo Bar Shipping Co"),
        ("AS Roma", "Roma"),
        ("华为技术有限公司", "华为终端有限公司"),
    ],
)
def test_different_companies_stay_different(one: str, other: str) -> None:
    assert legal_key(normalise(one)) != legal_key(normalise(other))


def test_a_persons_name_in_any_order_is_one() -> None:
    assert unordered_key(normalise("PUTIN, Vladimir Vladimirovich")) == unordered_key(
        normalise("Vladimir Vladimirovich Putin")
    )


def test_what_list_keepers_add_is_taken_off() -> None:
    assert normalise(without_asides("Foo (HK) Ltd [aka Bar]")) == "foo ltd"
    assert normalise(without_asides("Foo Co; and any successor, sub-unit thereof")) == "foo co"


def test_a_megabyte_of_name_is_refused_at_once() -> None:
    began = time.perf_counter()
    for name in ("x" * 1_000_000, "\u0301" * 1_000_000, "a b " * 250_000):
        with pytest.raises(TooLarge):
            normalise(name)
    assert time.perf_counter() - began < 0.1


@pytest.mark.parametrize("unit", ["a ", "co ltd ", "\u0301", "(", "[a", "\ufdfa", "' "])
def test_the_longest_name_allowed_is_quick(unit: str) -> None:
    name = (unit * MAX_NAME_LENGTH)[:MAX_NAME_LENGTH]
    began = time.perf_counter()
    key = normalise(name)
    legal_key(key)
    without_asides(name + " and any successor")
    assert time.perf_counter() - began < 0.25


@given(st.text(max_size=60))
def test_a_normal_form_is_clean_and_final(name: str) -> None:
    normal = normalise(name)
    assert normal == normal.strip()
    assert "  " not in normal
    assert all(unicodedata.category(c)[0] in "LN" or c == " " for c in normal)


@given(st.text(alphabet=st.characters(codec="ascii"), max_size=60))
def test_ascii_and_full_forms_take_the_same_way(name: str) -> None:
    assert normalise(name) == normalise("\u200b" + name)


@given(st.text(max_size=60), st.sampled_from("\u200b\u202e\u2066\ufeff\u00ad"))
def test_invisible_characters_hide_nothing(name: str, invisible: str) -> None:
    assert normalise(name) == normalise(invisible.join(name))
