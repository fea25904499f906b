"""A fresh chain gets everything the demonstration needs, quickly."""

from __future__ import annotations

import json
import time

import pytest

from kycgate.chain import Reverted
from kycgate.core.claims import SCHEMA_TEXT, SCHEMA_UID, Address
from kycgate.errors import Misconfigured
from kycgate.settlement.compiled import artifact
from kycgate.settlement.deploy import ensure_steps
from kycgate.settlement.escrow import Escrow, Means, Payment
from tests import tools
from tests.chain_world import Anvil
from tests.settlement.conftest import KEYS, World, standing

ARTIFACTS = tools.REPO / "kycgate" / "settlement" / "artifacts"


def test_everything_stands_within_five_seconds() -> None:
    anvil = Anvil()
    try:
        began = time.monotonic()
        world = standing(anvil)
        assert time.monotonic() - began < 5
        for address in (world.at.eas, world.at.revoker, world.at.escrow, world.at.token):
            assert anvil.chain.code(address) != b""
    finally:
        anvil.close()


def test_the_registry_knows_our_schema_by_the_uid_we_sign(world: World) -> None:
    compiled = artifact("SchemaRegistry")
    asked = compiled.encode("getSchema", SCHEMA_UID)
    [record] = compiled.decode("getSchema", world.chain.call(world.at.schema_registry, asked))
    assert record == (SCHEMA_UID, "0x" + "00" * 20, True, SCHEMA_TEXT)


def test_the_escrow_reads_this_eas_and_this_revoker(world: World) -> None:
    compiled = artifact("GPURentalEscrow")
    expected = {
        "eas": world.at.eas,
        "revoker": world.at.revoker,
        "root": KEYS["root"].address,
        "compliance": KEYS["compliance"].address,
        "licensor": KEYS["licensor"].address,
    }
    for name, address in expected.items():
        answer = world.chain.call(world.at.escrow, compiled.encode(name))
        assert compiled.decode(name, answer) == ("0x" + address.hex(),)
    assert world.at.eas_version == "1.4.0"


def test_the_second_half_stands_where_its_bytes_say_and_is_put_there_once(world: World) -> None:
    place = ensure_steps(world.chain, KEYS["deployer"])
    before = world.chain.block().number
    assert ensure_steps(world.chain, KEYS["stranger"]) == place
    assert world.chain.block().number == before
    compiled = json.loads((ARTIFACTS / "RentalSteps.json").read_text("utf-8"))
    assert world.chain.code(place).hex() == compiled["deployedBytecode"].removeprefix("0x")
    escrow = json.loads((ARTIFACTS / "GPURentalEscrow.json").read_text("utf-8"))
    assert place.hex() in escrow["deployedBytecode"]


def test_the_second_half_alone_takes_no_money_and_obeys_nobody(world: World) -> None:
    place = ensure_steps(world.chain, KEYS["deployer"])
    alone, renter = Escrow(world.chain, place), KEYS["renter"]
    signed, own = world.signed(), Payment(Means.OWN)
    with pytest.raises(Reverted):
        alone.open_with(renter, signed, own, amount=10, duration_s=10)
    with pytest.raises(Reverted):
        alone.top_up(renter, signed, amount=10)
    kill = artifact("RentalSteps").encode("killKey", renter.address)
    with pytest.raises(Reverted):
        world.chain.send(KEYS["root"], place, kill)
    with pytest.raises(Reverted):
        alone.mark_sanctioned(KEYS["compliance"], signed.permit.job)


def test_no_escrow_stands_without_its_second_half() -> None:
    anvil = Anvil()
    try:
        anvil.fund(KEYS["deployer"].address)
        roles = tuple(KEYS[n].address for n in ("root", "compliance", "licensor", "publisher"))
        compiled = artifact("GPURentalEscrow")
        creation = compiled.creation(KEYS["root"].address, roles, 1, 1, [])
        with pytest.raises(Reverted):
            anvil.chain.deploy(KEYS["deployer"], creation)
        anvil.set_code(Address(bytes.fromhex("4e59b44847b379578588920ca78fbf26c0b4956c")), b"")
        with pytest.raises(Misconfigured):
            ensure_steps(anvil.chain, KEYS["deployer"])
    finally:
        anvil.close()
