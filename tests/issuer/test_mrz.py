"""Machine-readable zones: ICAO's own specimens, and what no document says."""

from __future__ import annotations

import string
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kycgate.errors import Malformed
from kycgate.issuer.mrz import check_digit, read_mrz

TODAY = date(2026, 7, 25)

# The specimens printed in ICAO Doc 9303, eighth edition: part 4 appendix B, part 5 appendix B,
# part 6 appendix B, part 7 appendices A and B. Utopia (UTO) is ICAO's own country.
TD3 = (
    "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
    "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
)
TD1 = (
    "I<UTOD231458907<<<<<<<<<<<<<<<",
    "7408122F1204159UTO<<<<<<<<<<<6",
    "ERIKSSON<<ANNA<MARIA<<<<<<<<<<",
)
TD2 = (
    "I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<",
    "D231458907UTO7408122F1204159<<<<<<<6",
)
MRV_A = (
    "V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
    "L8988901C4XXX4009078F96121096ZE184226B<<<<<<",
)
MRV_B = (
    "V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<",
    "L8988901C4XXX4009078F9612109<<<<<<<<",
)
SPECIMENS = {"TD1": TD1, "TD2": TD2, "TD3": TD3, "MRV-A": MRV_A, "MRV-B": MRV_B}


@pytest.mark.parametrize("name", SPECIMENS)
def test_icaos_own_specimens_are_read(name: str) -> None:
    visa = name.startswith("MRV")
    found = read_mrz(SPECIMENS[name], today=TODAY)
    assert found.format == name
    assert (found.surname, found.given_names) == ("ERIKSSON", "ANNA MARIA")
    assert found.name == "ANNA MARIA ERIKSSON"
    assert found.issuing == "UTO"
    assert found.birth_date == ("1940-09-07" if visa else "1974-08-12")
    assert found.expires_on == ("1996-12-10" if visa else "2012-04-15")
    assert found.sex == "F"
    assert found.names_truncated is False
    numbers = {"TD3": "L898902C3", "MRV-A": "L8988901C", "MRV-B": "L8988901C"}
    assert found.number == numbers.get(name, "D23145890")


def test_the_examples_of_the_check_digit_section() -> None:
    # Doc 9303 part 3, section 4.9, examples 1 to 3
    assert check_digit("520727") == 3
    assert check_digit("AB2134<<<") == 5
    assert check_digit("HA672242<658022549601086<<<<<<<<<<<<<<0") == 8
    assert check_digit("D231458907<<<<<<<<<<<<<<<34071279507122<<<<<<<<<<") == 2
    assert check_digit("HA672242<658022549601086<<<<<<<0") == 8


@pytest.mark.parametrize("name", SPECIMENS)
def test_what_people_type_is_forgiven_its_case_and_spaces(name: str) -> None:
    typed = [
        " ".join(line.lower()[n : n + 11] for n in range(0, 44, 11)) for line in SPECIMENS[name]
    ]
    assert read_mrz(typed, today=TODAY) == read_mrz(SPECIMENS[name], today=TODAY)


CHECKED = {
    "TD1": ((0, range(5, 30)), (1, [*range(7), *range(8, 15), *range(18, 30)])),
    "TD2": ((1, [*range(10), *range(13, 20), *range(21, 36)]),),
    "TD3": ((1, [*range(10), *range(13, 20), *range(21, 44)]),),
    "MRV-A": ((1, [*range(10), *range(13, 20), *range(21, 28)]),),
    "MRV-B": ((1, [*range(10), *range(13, 20), *range(21, 28)]),),
}
PLACES = [
    (name, line, place) for name, lines in CHECKED.items() for line, at in lines for place in at
]


@given(st.sampled_from(PLACES), st.sampled_from("0123456789ABCDEFGHIJ"))
def test_a_slip_in_a_checked_field_is_noticed(place: tuple[str, int, int], other: str) -> None:
    name, line, at = place
    rows = list(SPECIMENS[name])
    now, then = ({"<": 0}.get(c, int(c, 36) if c != "<" else 0) for c in (rows[line][at], other))
    rows[line] = rows[line][:at] + other + rows[line][at + 1 :]
    if now % 10 == then % 10:
        return  # modulus 10 can't tell these two: 0 and A, 1 and B
    with pytest.raises(Malformed) as refused:
        read_mrz(rows, today=TODAY)
    assert refused.value.field in (f"mrz.line{line + 1}", "mrz")
    assert refused.value.remedy


def with_digits(number: str, birth: str, expiry: str, names: str = "DOE<<JO") -> tuple[str, str]:
    """A passport of Utopia with right check digits."""
    personal = "<" * 14
    body = number + str(check_digit(number)) + "UTO" + birth + str(check_digit(birth)) + "X"
    body += expiry + str(check_digit(expiry)) + personal + "<"
    whole = body[:10] + body[13:20] + body[21:43]
    return ("P<UTO" + names).ljust(44, "<")[:44], body + str(check_digit(whole))


@pytest.mark.parametrize(
    ("born", "expected"),
    [
        ("260725", "2026-07-25"),
        ("260726", "1926-07-26"),
        ("000229", "2000-02-29"),
        ("270101", "1927-01-01"),
        ("740812", "1974-08-12"),
        ("74<<<<", None),
        ("7408<<", None),
        ("<<<<<<", None),
    ],
)
def test_a_date_of_birth_is_never_in_the_future(born: str, expected: str | None) -> None:
    rows = with_digits("123456789", born, "300101")
    assert read_mrz(rows, today=TODAY).birth_date == expected


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ("260101", "2026-01-01"),
        ("360101", "2036-01-01"),
        ("760101", "2076-01-01"),
        ("961210", "1996-12-10"),
        ("770901", "1977-09-01"),
    ],
)
def test_an_end_lies_at_most_fifty_years_ahead(ends: str, expected: str) -> None:
    assert read_mrz(with_digits("123456789", "740812", ends), today=TODAY).expires_on == expected


@pytest.mark.parametrize(
    ("birth", "expiry"),
    [("741301", "300101"), ("740230", "300101"), ("7<0812", "300101"), ("740812", "300199")],
)
def test_what_is_no_date_is_refused(birth: str, expiry: str) -> None:
    with pytest.raises(Malformed):
        read_mrz(with_digits("123456789", birth, expiry), today=TODAY)


def test_a_number_longer_than_nine_characters_goes_on_in_the_next_field() -> None:
    # Doc 9303 part 5, 4.2.2: the filler in place of the digit says so
    long = "D231458901234"
    rest = long[9:] + str(check_digit(long))
    first = "I<UTO" + long[:9] + "<" + rest.ljust(15, "<")
    second = "7408122F1204159UTO<<<<<<<<<<<"
    whole = first[5:30] + second[0:7] + second[8:15] + second[18:29]
    rows = (first, second + str(check_digit(whole)), TD1[2])
    assert read_mrz(rows, today=TODAY).number == long
    spoilt = (first[:16] + "9" + first[17:], rows[1], TD1[2])
    with pytest.raises(Malformed):
        read_mrz(spoilt, today=TODAY)


@pytest.mark.parametrize(
    ("names", "surname", "given", "truncated"),
    [
        ("ERIKSSON<<ANNA<MARIA", "ERIKSSON", "ANNA MARIA", False),
        ("ARKFREITH", "ARKFREITH", "", False),
        ("VAN<DER<MUELLEN<<MARIANNE<LOUISE", "VAN DER MUELLEN", "MARIANNE LOUISE", False),
        ("NILAVADHANANANDA<<CHAYAPA<DEJTHAMRONG<KRASUANG", "NILAVADHANANANDA",
         "CHAYAPA DEJTHAMRONG K", True),
    ],
)  # fmt: skip
def test_names_are_parted_as_the_document_parts_them(
    names: str, surname: str, given: str, truncated: bool
) -> None:
    found = read_mrz(with_digits("123456789", "740812", "300101", names), today=TODAY)
    assert (found.surname, found.given_names, found.names_truncated) == (surname, given, truncated)


@pytest.mark.parametrize(
    "rows",
    [
        (),
        (TD3[0],),
        (*TD3, TD3[0], TD3[1]),
        (TD3[0][:-1], TD3[1][:-1]),
        (TD3[0], TD2[1]),
        TD1[:2],
        (TD3[0].replace("<", "«"), TD3[1]),
        (TD3[0], TD3[1] + " " * 60),
        ("x" * 10_000_000, TD3[1]),
        (7, 8),
        (TD3[0].replace("UTO", "U7O"), TD3[1]),
        ("P<UTO" + "<" * 39, TD3[1]),
        ("P<UTOERIK550N<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", TD3[1]),
        (TD3[0], TD3[1][:20] + "Q" + TD3[1][21:]),
        (TD3[0], TD3[1].replace("L898902C3", "L٨98902C3")),
    ],
)
def test_what_is_no_zone_is_refused(rows: tuple[str, ...]) -> None:
    with pytest.raises(Malformed) as refused:
        read_mrz(rows, today=TODAY)
    assert refused.value.field.startswith("mrz")


def test_no_message_repeats_what_was_typed() -> None:
    rows = (TD3[0], TD3[1].replace("L898902C36", "L898902C37"))
    with pytest.raises(Malformed) as refused:
        read_mrz(rows, today=TODAY)
    assert "L898902" not in str(vars(refused.value))


ZONE = string.ascii_uppercase + string.digits + "<"


@given(
    st.sampled_from([(3, 30), (2, 36), (2, 44)]).flatmap(
        lambda size: st.lists(
            st.text(ZONE, min_size=size[1], max_size=size[1]), min_size=size[0], max_size=size[0]
        )
    )
)
def test_whatever_is_typed_is_read_or_refused(rows: list[str]) -> None:
    try:
        found = read_mrz(rows, today=TODAY)
    except Malformed:
        return
    assert found.surname
    assert found.birth_date is None or found.birth_date <= TODAY.isoformat()
