"""What an oracle on a chain says of a wallet: heard, written down, and never the last word."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kycgate.chain import Chain
from kycgate.core.claims import Account, Address, checksum
from kycgate.core.typed import keccak
from kycgate.errors import Code, Conflict, Refused, Unavailable
from kycgate.issuer.identity import Identity
from kycgate.screening.oracle import Oracle
from kycgate.store.base import Store
from tests.chain_world import CHAIN_ID, Anvil, anvil, free_port, key, shared_anvil
from tests.issuer.conftest import (
    NOW,
    FewCountries,
    Lines,
    Lists,
    Office,
    account,
    an_office,
    approve,
    open_person,
)

__all__ = ["anvil", "shared_anvil"]

ADA, BEN = account(0xADA), account(0xBE4)
SOMEWHERE = Address(b"\x40" * 20)
YES, NO = (1).to_bytes(32, "big"), bytes(32)

Call = Callable[[Address, bytes], bytes]


def contract(listed: Address) -> bytes:
    """Creation code of an oracle that knows one address.

    `isSanctioned(address)` reads the storage slot of that number: 1 is set at creation.
    """
    runtime = bytes.fromhex("6004355460005260206000f3")
    store = bytes.fromhex("600173") + listed + bytes.fromhex("55")
    copy = bytes.fromhex(f"60{len(runtime):02x}60{len(store) + 12:02x}600039")
    give = bytes.fromhex(f"60{len(runtime):02x}6000f3")
    return store + copy + give + runtime


def office(store: Store, log: Lines, call: Call) -> Office:
    found = an_office(store, log, Lists(), FewCountries())
    oracle = Oracle(call, SOMEWHERE)
    identity = Identity(
        store,
        vault=found.vault,
        issuer=found.issuer,
        screener=found.lists,
        countries=FewCountries(),
        log=log,
        oracle=oracle,
    )
    return Office(store, log, found.lists, found.vault, found.issuer, identity, found.signer)


def notes(office: Office, case_id: str) -> list[str]:
    view = office.identity.case_view(case_id, reader="mara", now=NOW)
    found: list[str] = view["screenings"][-1]["notes"]
    return found


def test_the_question_is_the_oracles_own(store: Store, log: Lines) -> None:
    asked: list[tuple[Address, bytes]] = []

    def call(to: Address, data: bytes) -> bytes:
        asked.append((to, data))
        return NO

    open_person(office(store, log, call), ADA)
    selector = keccak(b"isSanctioned(address)")[:4]
    assert asked == [(SOMEWHERE, selector + bytes(12) + ADA.address)]


def test_a_yes_alone_asks_a_reviewer_who_may_find_otherwise(store: Store, log: Lines) -> None:
    here = office(store, log, lambda to, data: YES)
    case = open_person(here, ADA)
    assert (case.state, case.reason_codes) == ("review", ("screening_second_opinion",))
    with pytest.raises(Refused) as refused:
        approve(here, case)
    assert refused.value.reasons[0].code is Code.SCREENING_SECOND_OPINION
    assert approve(here, case, despite_hit="delisted in March")
    assert notes(here, case.id) == [f"oracle: {checksum(ADA.address)} is sanctioned"]


def test_a_no_does_not_clear_a_listed_wallet(store: Store, log: Lines) -> None:
    here = office(store, log, lambda to, data: NO)
    here.lists.wallets.add(ADA.address)
    case = open_person(here, ADA)
    assert case.reason_codes == ("screening_hit_wallet",)
    with pytest.raises(Refused):
        approve(here, case, despite_hit="the oracle says no")


def unavailable(to: Address, data: bytes) -> bytes:
    raise Unavailable("no node answers")


def reverted(to: Address, data: bytes) -> bytes:
    raise Conflict("the contract says no")


@pytest.mark.parametrize(
    ("call", "note"),
    [
        (unavailable, "no answer"),
        (reverted, "no answer"),
        (lambda to, data: b"", "is no oracle"),
        (lambda to, data: (2).to_bytes(32, "big"), "is no oracle"),
        (lambda to, data: YES + YES, "is no oracle"),
        (lambda to, data: NO, "is not sanctioned"),
    ],
)
def test_its_absence_blocks_nobody_and_is_written_down(
    store: Store, log: Lines, call: Call, note: str
) -> None:
    here = office(store, log, call)
    case = open_person(here, ADA)
    assert case.state == "submitted"
    assert approve(here, case)
    (found,) = notes(here, case.id)
    assert note in found


def test_without_an_oracle_nothing_is_noted(store: Store, log: Lines) -> None:
    here = an_office(store, log, Lists(), FewCountries())
    case = open_person(here, ADA)
    assert notes(here, case.id) == []


def test_an_oracle_on_a_real_chain_is_heard(store: Store, log: Lines, anvil: Anvil) -> None:
    anvil.fund(key("deployer").address)
    deployed = anvil.chain.deploy(key("deployer"), contract(ADA.address))
    oracle = Oracle(anvil.chain.call, deployed)
    assert oracle(ADA.address).hit is not None
    assert oracle(BEN.address).hit is None
    assert "is not sanctioned" in oracle(BEN.address).note
    assert "is no oracle" in Oracle(anvil.chain.call, SOMEWHERE)(ADA.address).note


def test_a_node_that_is_not_there_is_a_note_within_seconds() -> None:
    chain = Chain([f"http://127.0.0.1:{free_port()}"], CHAIN_ID, timeout_s=1.0)
    opinion = Oracle(chain.call, SOMEWHERE)(Account(ADA.address).address)
    chain.close()
    assert opinion.hit is None
    assert "no answer" in opinion.note
