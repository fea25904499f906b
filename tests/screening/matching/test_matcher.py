"""Who is found, who is not, and what no name alone may do."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kycgate.core.claims import Kind
from kycgate.errors import Malformed, TooLarge, Unavailable
from kycgate.screening.entries import Identifier, ListData
from kycgate.screening.matching.bands import Band
from kycgate.screening.matching.matcher import ENGINE, Matcher, Query, Screening
from tests.screening.matching.conftest import AS_OF, WALLET

PERSON = "Timofei Zhavoronkov"


def ids(screening: Screening) -> set[str]:
    return {hit.entry_id for hit in screening.hits}


@pytest.mark.parametrize(
    "asked",
    [
        "ZHAVORONKOV, Timofei Arkadyevich",
        "Timofei Arkadyevich Zhavoronkov",
        "Timofey Zhavoronkov",
        "Timofei Zhavoronkof",
        "TimofeiZhavoronkov",
        "Mr. Timofei A. Zhavoronkov",
        "Тимофей Жаворонков",
        "Timo\u200bfei\u202e Zhavoronkov",
        "T I M O F E I Zhavoronkov",
    ],
)
def test_a_person_is_found_however_the_name_is_written(small: Matcher, asked: str) -> None:
    assert "person" in ids(small.screen(Query(asked, Kind.PERSON)))


@pytest.mark.parametrize(
    "asked",
    [
        "Quandong Semiconductor Equipment Co., Ltd.",
        "QUANDONG SEMICONDUCTOR EQUIPMENT LIMITED",
        "Quandong Semi-conductor Equipment",
        "Quandong Semiconductors Equipment Pte Ltd",
        "Quandonk Semiconductor Equipment",
        "QuandongSemiconductor Equipment",
        "Quandong Semiconductor Equipment (Singapore) Pte. Ltd.",
    ],
)
def test_a_company_is_found_whatever_its_legal_form(small: Matcher, asked: str) -> None:
    assert "company" in ids(small.screen(Query(asked, Kind.ORGANISATION)))


@pytest.mark.parametrize(
    "asked",
    ["Ivan Zhavoronkov", "Timofei Petrov", "Emma Thompson", "David Smith", "Anna Lee", "Kwok Wai"],
)
def test_half_a_name_is_nobody(small: Matcher, asked: str) -> None:
    assert small.screen(Query(asked, Kind.PERSON)).band is Band.CLEAR


def test_a_single_listed_word_answers_to_that_word_only(small: Matcher) -> None:
    assert ids(small.screen(Query("Emma", Kind.PERSON))) == {"single"}


def test_a_weak_alias_never_alerts_alone(small: Matcher) -> None:
    assert small.screen(Query("Falcon Grey", Kind.PERSON)).hits == ()


def test_a_weak_alias_with_the_birth_date_is_looked_at(small: Matcher) -> None:
    answer = small.screen(Query("Falcon Grey", Kind.PERSON, birth_date="1971-03-09"))
    assert answer.band is Band.REVIEW


@pytest.mark.parametrize("extra", [{}, {"country": "RU"}, {"birth_date": "1971"}])
def test_a_persons_name_alone_is_never_blocked(small: Matcher, extra: dict[str, str]) -> None:
    query = Query("Timofei Arkadyevich Zhavoronkov", Kind.PERSON, **extra)  # type: ignore[arg-type]
    assert small.screen(query).band is Band.REVIEW


@pytest.mark.parametrize(
    "extra", [{"birth_date": "1971-03-09"}, {"birth_date": "1971", "country": "RU"}]
)
def test_a_persons_name_with_the_birth_date_blocks(small: Matcher, extra: dict[str, str]) -> None:
    query = Query("Timofei Arkadyevich Zhavoronkov", Kind.PERSON, **extra)  # type: ignore[arg-type]
    assert small.screen(query).band is Band.BLOCK


def test_another_birth_year_lowers_the_score(small: Matcher) -> None:
    alone = small.screen(Query(PERSON, Kind.PERSON)).hits[0].score
    other = small.screen(Query(PERSON, Kind.PERSON, birth_date="1999-01-01"))
    assert other.band is Band.CLEAR or other.hits[0].score < alone


def test_a_bare_common_name_is_never_blocked_even_with_the_country(small: Matcher) -> None:
    answer = small.screen(Query("David Lee", Kind.PERSON, country="KR"))
    assert answer.band is Band.REVIEW


def test_the_whole_telling_name_of_a_company_blocks(small: Matcher) -> None:
    answer = small.screen(Query("Quandong Semiconductor Equipment Co Ltd", Kind.ORGANISATION))
    assert answer.band is Band.BLOCK


def test_a_company_of_common_words_is_looked_at(small: Matcher) -> None:
    answer = small.screen(Query("Global Trading Company Limited", Kind.ORGANISATION))
    assert answer.band is Band.REVIEW


def test_a_company_of_another_country_is_looked_at(small: Matcher) -> None:
    name = "Quandong Semiconductor Equipment Co., Ltd."
    answer = small.screen(Query(name, Kind.ORGANISATION, country="BR"))
    assert answer.band is Band.REVIEW


def test_a_misspelt_company_blocks_only_with_its_country(small: Matcher) -> None:
    name = "Quandongg Semiconductor Equipment Co., Ltd."
    assert small.screen(Query(name, Kind.ORGANISATION)).band is Band.REVIEW
    assert small.screen(Query(name, Kind.ORGANISATION, country="CN")).band is Band.BLOCK


def test_what_list_keepers_write_beside_a_name_does_not_hide_it(small: Matcher) -> None:
    assert ids(small.screen(Query("Vostrukhin Pribor"))) == {"unstated"}


@pytest.mark.parametrize(
    "identifier",
    [
        Identifier("lei", "5493001kjtiigc8y1r12"),
        Identifier("uscc", "91310000-X"),
        Identifier("tax", "91310000X"),
        Identifier("imo", "9187629"),
    ],
)
def test_an_identifier_blocks_whatever_the_name(small: Matcher, identifier: Identifier) -> None:
    answer = small.screen(Query("Something Else", identifiers=(identifier,)))
    assert answer.band is Band.BLOCK
    assert ids(answer) == {"company"}


def test_a_passport_counts_in_its_own_country_only(small: Matcher) -> None:
    def asked(country: str) -> Query:
        return Query("Nemo Nobody", identifiers=(Identifier("passport", "721234567", country),))

    assert small.screen(asked("RU")).band is Band.BLOCK
    assert small.screen(asked("")).band is Band.BLOCK
    assert small.screen(asked("FR")).band is Band.CLEAR


def test_a_short_number_is_nobodys(small_list: ListData) -> None:
    entry = replace(small_list.entries[0], identifiers=(Identifier("tax", "12"),))
    matcher = Matcher([replace(small_list, entries=(entry,))])
    answer = matcher.screen(Query("Nemo", identifiers=(Identifier("tax", "1-2"),)))
    assert answer.band is Band.CLEAR


@pytest.mark.parametrize(
    "address", [WALLET, WALLET.upper().replace("0X", "0x"), "1BoatSLRHtKNngkdXEeobR76b53LETtpyT"]
)
def test_a_wallet_blocks(small: Matcher, address: str) -> None:
    assert small.wallet(address).band is Band.BLOCK


def test_a_wallet_of_another_chain_is_told_by_its_case(small: Matcher) -> None:
    assert small.wallet("1boatslrhtknngkdxeeobr76b53lettpyt").band is Band.CLEAR


def test_a_wallet_entry_answers_to_no_name(small: Matcher) -> None:
    assert small.screen(Query("Nobody By Name")).hits == ()


def test_the_name_of_a_listed_address_answers_to_nothing(small: Matcher) -> None:
    assert small.screen(Query("Address 01", Kind.ORGANISATION)).hits == ()


def test_a_listed_address_is_found_by_the_address(small: Matcher) -> None:
    place = "Room 1207, 12th Floor, Kapok Commercial Centre, 88 Sing Wo Street, Hong Kong"
    answer = small.screen(Query("Honest Shop Ltd", Kind.ORGANISATION, address=place))
    assert ids(answer) == {"place"}
    assert answer.hits[0].by == "address"
    assert answer.band is Band.REVIEW


def test_another_house_in_the_street_is_not_the_listed_address(small: Matcher) -> None:
    place = "Unit 3, 5/F, Lotus Building, 17 Sing Wo Street, Hong Kong"
    assert small.screen(Query("Honest Shop", address=place)).hits == ()


def test_a_hit_explains_itself_word_by_word(small: Matcher) -> None:
    answer = small.screen(Query("Zhavoronkof Timofei", Kind.PERSON, country="RU"))
    hit = answer.hits[0]
    assert {pairing.how for pairing in hit.explanation} == {"equal", "spelling", "missing"}
    assert [(each.name, each.agreement) for each in hit.attributes] == [("country", "agrees")]
    assert hit.list_version == answer.lists[0].version
    assert answer.engine == ENGINE
    assert answer.lists[0].as_of == AS_OF
    assert answer.thresholds.review < answer.thresholds.block


def test_the_answer_does_not_depend_on_the_order_of_lists(small_list: ListData) -> None:
    turned = replace(small_list, entries=tuple(reversed(small_list.entries)))
    query = Query("Timofei Zhavoronkof", Kind.PERSON)
    one, other = Matcher([small_list]).screen(query), Matcher([turned]).screen(query)
    assert one.hits == other.hits


def test_a_matcher_over_an_empty_list_is_refused(small_list: ListData) -> None:
    with pytest.raises(Unavailable):
        Matcher([])
    with pytest.raises(Unavailable):
        Matcher([small_list, replace(small_list, entries=())])


@pytest.mark.parametrize("name", ["", "   ", "...", "\u202e\u200b"])
def test_a_name_without_letters_is_refused(small: Matcher, name: str) -> None:
    with pytest.raises(Malformed):
        small.screen(Query(name))


def test_a_name_of_a_megabyte_is_refused(small: Matcher) -> None:
    with pytest.raises(TooLarge):
        small.screen(Query("a" * 1_000_000))


@pytest.mark.parametrize("date", ["1971-13-01", "yesterday", "71", "1971-00"])
def test_a_birth_date_that_is_none_is_refused(small: Matcher, date: str) -> None:
    with pytest.raises(Malformed):
        small.screen(Query(PERSON, birth_date=date))


@settings(max_examples=300, deadline=None)
@given(st.text(min_size=1, max_size=80), st.sampled_from([None, Kind.PERSON, Kind.ORGANISATION]))
def test_no_name_breaks_the_matcher(small: Matcher, name: str, kind: Kind | None) -> None:
    try:
        answer = small.screen(Query(name, kind))
    except Malformed:
        return
    assert all(0.0 <= hit.score <= 1.0 for hit in answer.hits)
    assert (answer.band is Band.CLEAR) == (not answer.hits)


def test_many_threads_get_one_answer(us: Matcher) -> None:
    query = Query("Huawei Technologes", Kind.ORGANISATION)
    answers = list[Screening]()
    threads = [threading.Thread(target=lambda: answers.append(us.screen(query))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert all(each == answers[0] for each in answers)


@pytest.mark.parametrize(
    ("han", "listed"),
    [
        ("华为技术有限公司", "HUAWEI TECHNOLOGIES"),
        ("華為技術有限公司", "HUAWEI TECHNOLOGIES"),
        ("浪潮集团有限公司", "INSPUR"),
        ("昆仑银行股份有限公司", "BANK OF KUNLUN"),
        ("中国电子科技集团公司第十四研究所", "14TH RESEARCH INSTITUTE"),
    ],
)
def test_a_chinese_company_is_found_among_english_names(us: Matcher, han: str, listed: str) -> None:
    hits = us.screen(Query(han, Kind.ORGANISATION)).hits
    assert any(listed in hit.name.upper() for hit in hits)
    assert all(hit.band is Band.REVIEW for hit in hits)
