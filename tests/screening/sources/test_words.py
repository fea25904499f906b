"""Dates, countries and kinds of numbers in the words that lists use for them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kycgate.errors import Malformed
from kycgate.screening.sources.dates import birth_date, moment
from kycgate.screening.sources.labels import kind_of, wallet_ticker
from kycgate.screening.sources.places import country
from kycgate.screening.sources.reading import clean


@pytest.mark.parametrize(
    "written, read",
    [
        ("03 May 1938", "1938-05-03"),
        ("Sep 1938", "1938-09"),
        ("1936", "1936"),
        ("circa 07 Jul 1966", "~1966-07-07"),
        ("1960 to 1962", "1960/1962"),
        ("01 Jan 1960 to 31 Dec 1960", "1960"),
        ("dd/mm/1945", "1945"),
        ("dd/03/1945", "1945-03"),
        ("01/03/1958", "1958-03-01"),
        ("1978-12-05", "1978-12-05"),
        ("1962-03-17T00:00:00", "1962-03-17"),
        ("13/13/1958", "1958"),
        ("unknown", ""),
        ("1960 to unknown", ""),
        ("0001-01-01", ""),
        ("٣ May 1938", "1938-05-03"),
    ],
)
def test_birth_dates(written: str, read: str) -> None:
    assert birth_date(written) == read


@given(st.text(max_size=60))
def test_no_text_breaks_the_reading_of_words(text: str) -> None:
    day = birth_date(text)
    assert day == "" or day.lstrip("~")[:4].isdecimal()
    kind_of(text)
    wallet_ticker(text)
    assert isinstance(country(text), str)
    assert clean(clean(text)) == clean(text)
    clean(text).encode()


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "9" * 30])
def test_a_date_of_a_list_that_is_none_is_malformed(text: str) -> None:
    with pytest.raises(Malformed, match="not a date"):
        moment(text, field="as-of")


@pytest.mark.parametrize(
    "words, code",
    [
        ("Iran (Islamic Republic of)", "IR"),
        ("Korea, North", "KP"),
        ("Democratic People's Republic of Korea", "KP"),
        ("Democratic People’s Republic of Korea", "KP"),
        ("Congo, Democratic Republic of the", "CD"),
        ("Russia", "RU"),
        ("Türkiye", "TR"),
        ("Cote d Ivoire", "CI"),
        ("Macau", "MO"),
        ("ru", "RU"),
        ("00", ""),
        ("undetermined", ""),
        ("former Soviet Union", "former Soviet Union"),
    ],
)
def test_countries(words: str, code: str) -> None:
    assert country(words) == code


@pytest.mark.parametrize(
    "label, kind",
    [
        ("Passport", "passport"),
        ("Diplomatic Passport", "passport"),
        ("Numéro de passeport", "passport"),
        ("Unified Social Credit Code (USCC)", "uscc"),
        ("Vessel Registration Identification", "imo"),
        ("R.F.C.", "tax"),
        ("V.A.T. Number", "tax"),
        ("Cedula No.", "national"),
        ("National Identification Number", "national"),
        ("C.R. No.", "registration"),
        ("Business Registration Document #", "registration"),
        ("SWIFT/BIC", "other"),
        ("Website", None),
        ("Phone Number", None),
        ("Listing Date (CMIC)", None),
        ("Secondary sanctions risk:", None),
        ("Organization Established Date", None),
    ],
)
def test_kinds_of_numbers(label: str, kind: str | None) -> None:
    assert kind_of(label) == kind


def test_any_ticker_is_read() -> None:
    assert wallet_ticker("Digital Currency Address - ETH") == "ETH"
    assert wallet_ticker("Digital Currency Address - NEW9") == "NEW9"
    assert wallet_ticker("Email Address") is None
