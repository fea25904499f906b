"""A fresh chain gets everything the demonstration needs, quickly."""

from __future__ import annotations

import time

from kycgate.core.claims import SCHEMA_TEXT, SCHEMA_UID
from kycgate.settlement.compiled import artifact
from tests.chain_world import Anvil
from tests.settlement.conftest import KEYS, World, standing


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
