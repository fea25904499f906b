"""A small list whose parties show one trap each, and the shipped lists."""

from __future__ import annotations

import pytest

from kycgate.screening.entries import (
    Entry,
    EntryType,
    Identifier,
    ListData,
    Name,
    Wallet,
    list_data,
)
from kycgate.screening.matching.matcher import Matcher
from kycgate.screening.sources.shipped import shipped

AS_OF = 1_785_500_000
WALLET = "0x098b716b8aaf21512996dc57eb0615e2383e2f96"

ENTRIES = (
    Entry(
        "T", "person", EntryType.PERSON,
        (Name("ZHAVORONKOV, Timofei Arkadyevich"), Name("Falcon Grey", "weak")),
        countries=("RU",), birth_dates=("1971-03-09",),
        identifiers=(Identifier("passport", "72 1234567", "RU"),),
    ),
    Entry("T", "common", EntryType.PERSON, (Name("LEE, David"),), countries=("KR",)),
    Entry("T", "single", EntryType.PERSON, (Name("EMMA"),)),
    Entry(
        "T", "company", EntryType.ORGANISATION,
        (Name("Quandong Semiconductor Equipment Co., Ltd."), Name("QSE Holdings", "former")),
        countries=("CN",),
        identifiers=(
            Identifier("lei", "5493001KJTIIGC8Y1R12"), Identifier("uscc", "91310000X"),
            Identifier("imo", "IMO 9187629"),
        ),
    ),
    Entry("T", "generic", EntryType.ORGANISATION, (Name("Global Trading Company Limited"),)),
    Entry("T", "unstated", EntryType.UNSTATED, (Name("Vostrukhin Pribor (f.k.a. Zavod 9)"),)),
    Entry(
        "T", "place", EntryType.ADDRESS, (Name("Address 01"),),
        addresses=("Unit 1207, 12/F, Kapok Commercial Centre, 88 Sing Wo Street, Hong Kong",),
    ),
    Entry(
        "T", "wallet", EntryType.WALLET, (Name("Nobody By Name"),),
        wallets=(Wallet("ETH", WALLET), Wallet("XBT", "1BoatSLRHtKNngkdXEeobR76b53LETtpyT")),
    ),
)  # fmt: skip


@pytest.fixture(scope="session")
def small_list() -> ListData:
    return list_data("test", ENTRIES, as_of=AS_OF, source="test")


@pytest.fixture(scope="session")
def small(small_list: ListData) -> Matcher:
    return Matcher([small_list])


@pytest.fixture(scope="session")
def us() -> Matcher:
    return Matcher(shipped())
