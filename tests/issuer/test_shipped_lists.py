"""The issuer with the lists and the country table that ship inside the package."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from kycgate.core.attestation import ValidAttestation
from kycgate.core.claims import Account, parse_address
from kycgate.errors import Code, Refused, Unavailable
from kycgate.issuer.issuing import IssuingRules
from kycgate.screening.backend import Screening
from kycgate.screening.controls import load_countries
from kycgate.screening.embedded import Embedded
from kycgate.screening.lists import load_demo_lists
from kycgate.store.base import Store
from tests.issuer.conftest import (
    DAY,
    POLICY,
    Lines,
    Office,
    account,
    an_office,
    approve,
    organisation,
    person,
)

ADA = account(0xADA)


@cache
def shipped() -> Screening:
    """The product's own engine over the lists in the package."""
    return Screening(Embedded(load_demo_lists().data))


OLD_LISTS = IssuingRules(policy=POLICY, list_max_age_s=10 * 365 * DAY)
"""As the demonstration allows explicitly; the product's default refuses lists this old."""


@pytest.fixture
def office(store: Store, log: Lines) -> Office:
    return an_office(store, log, shipped(), load_countries(), rules=OLD_LISTS)


@pytest.fixture
def now() -> int:
    return shipped().versions[0].as_of + DAY


def open_organisation(office: Office, now: int, **changes: Any) -> Any:
    return office.identity.open_case(ADA, 2, organisation(**changes), refusal_id=None, now=now)


@pytest.mark.parametrize(
    "wallet",
    [
        "0x8576acc5c05d6ce88f4e49bf65bdf0c62f91353c",
        "0xd882cfc20f52f2599d84b8e8d58c7fb62cfe344b",
    ],
)
def test_a_wallet_on_the_ofac_list_is_never_approved(office: Office, now: int, wallet: str) -> None:
    listed = Account(parse_address(wallet))
    case = office.identity.open_case(listed, 1, person(), refusal_id=None, now=now)
    assert (case.state, case.reason_codes) == ("review", ("screening_hit_wallet",))
    with pytest.raises(Refused) as refused:
        approve(office, case, now=now, despite_hit="says it is a mistake")
    assert refused.value.code is Code.SCREENING_HIT_WALLET
    assert office.identity.attestation(listed, now=now) is None


@pytest.mark.parametrize(
    "name",
    ["Huawei Technologies Co., Ltd.", "HUAWEI TECHNOLOGIES CO LTD", "Huawei Technologies Company"],
)
def test_an_entity_list_company_is_a_hit_under_every_spelling_of_its_form(
    office: Office, now: int, name: str
) -> None:
    case = open_organisation(office, now, name=name, country="CN", headquarters_country="CN")
    assert case.state == "review"
    assert "screening_hit_name" in case.reason_codes
    with pytest.raises(Refused):
        approve(office, case, now=now)
    view = office.identity.case_view(case.id, reader="mara", now=now)
    lists = {finding["list"] for each in view["screenings"] for finding in each["findings"]}
    assert "EL" in lists


def test_an_entity_list_company_is_found_as_the_parent_of_a_parent(
    office: Office, now: int
) -> None:
    top = {"name": "Huawei Technologies Co., Ltd.", "country": "CN", "parent": None}
    parent = {"name": "Quiet Holdings Pte. Ltd.", "country": "SG", "parent": top}
    case = open_organisation(office, now, parent=parent)
    assert case.reason_codes == ("screening_hit_name",)
    (screening,) = office.identity.case_view(case.id, reader="mara", now=now)["screenings"]
    assert {finding["role"] for finding in screening["findings"]} == {"parent.parent"}


def test_a_clear_singapore_subsidiary_of_a_chinese_parent_is_attested_as_ultimately_chinese(
    office: Office, now: int
) -> None:
    parent = {"name": "Shenzhen Lantern River Computing", "country": "CN", "parent": None}
    case = open_organisation(office, now, parent=parent)
    assert (case.state, case.reason_codes) == ("submitted", ())
    valid = office.verify(approve(office, case, now=now), ADA, now)
    assert isinstance(valid, ValidAttestation)
    assert (valid.claims.country, valid.claims.ultimate_country) == (702, 156)


def test_the_default_rules_approve_nobody_with_the_shipped_lists(
    store: Store, log: Lines, now: int
) -> None:
    strict = an_office(store, log, shipped(), load_countries())
    case = strict.identity.open_case(ADA, 1, person(), refusal_id=None, now=now)
    assert case.reason_codes == ("screening_stale",)
    with pytest.raises(Unavailable):
        approve(strict, case, now=now)
