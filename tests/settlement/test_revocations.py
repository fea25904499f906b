"""From the outbox onto EAS, once each, through whatever goes wrong on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from kycgate.chain import Chain, Reverted
from kycgate.core.claims import Account, Address
from kycgate.core.typed import keccak
from kycgate.errors import Malformed, Unavailable
from kycgate.settlement.compiled import artifact
from kycgate.settlement.escrow import State
from kycgate.settlement.revocations import KIND, Revocations, revocation_key, waiting_s
from kycgate.store import open_store
from tests.chain_world import free_port
from tests.settlement.conftest import COIN, KEYS, World
from tests.settlement.outbox import MemoryOutbox

RENTER = KEYS["renter"].address
RENTER_KEY = Account(RENTER).key


def revocations(
    world: World, outbox: MemoryOutbox, *, chain: Chain | None = None, publisher: str = "publisher"
) -> Revocations:
    return Revocations(
        chain or world.chain,
        eas=world.at.eas,
        revoker=world.at.revoker,
        publisher=KEYS[publisher],
        outbox=outbox,
    )


def revoked_on_eas(world: World) -> int:
    """How many entries EAS logged in all."""
    compiled = artifact("EAS")
    topics = ["0x" + compiled.topic("RevokedOffchain").hex()]
    return len(world.chain.logs(world.at.eas, from_block=0, topics=topics))


def test_the_key_is_what_the_contract_asks_for(world: World) -> None:
    expected = keccak(bytes(12) + RENTER + (7).to_bytes(32, "big"))
    assert revocation_key(RENTER, 7) == expected
    world.publish(revocation_key(RENTER, 7))
    compiled = artifact("GPURentalEscrow")
    asked = compiled.encode("revokedAt", RENTER, 7)
    assert compiled.decode("revokedAt", world.chain.call(world.at.escrow, asked)) == (
        world.anvil.now,
    )


def test_what_waits_is_published_and_holds_the_job_in_the_next_block(world: World) -> None:
    job, _ = world.opened()
    outbox = MemoryOutbox()
    outbox.add(RENTER_KEY, 0, at=100)
    publisher = revocations(world, outbox)
    assert publisher.published_at(RENTER, 0) is None
    assert publisher.publish(now=160) == 1
    assert publisher.published_at(RENTER, 0) == world.anvil.now
    assert outbox.items == []
    world.escrow.settle(KEYS["provider"], job)
    assert world.escrow.rental(job).state is State.HELD
    assert world.escrow.balance(KEYS["provider"].address, COIN) == 0


def test_a_batch_goes_in_one_transaction_without_the_keys_that_stand(world: World) -> None:
    world.revoke(RENTER, 0)
    outbox, before = MemoryOutbox(), world.chain.block().number
    outbox.add(RENTER_KEY, 0, at=100)
    for n in range(5):
        outbox.add(Account(Address(bytes([n + 1]) * 20)).key, n, at=100)
    outbox.add(Account(Address(b"\x01" * 20)).key, 0, at=101)
    assert revocations(world, outbox).publish(now=200) == 5
    assert world.chain.block().number == before + 1
    assert outbox.items == []


def test_a_run_killed_before_it_could_note_its_success_publishes_nothing_twice(
    world: World,
) -> None:
    outbox = MemoryOutbox()
    outbox.add(RENTER_KEY, 0, at=100)
    left = list(outbox.items)
    assert revocations(world, outbox).publish(now=200) == 1
    outbox.items = left
    sent = revoked_on_eas(world)
    assert revocations(world, outbox).publish(now=300) == 0
    assert revoked_on_eas(world) == sent
    assert outbox.items == []


def test_two_publishers_at_once_leave_one_entry(world: World) -> None:
    """The second transaction finds the key set and passes over it instead of failing the batch."""
    keys = [revocation_key(RENTER, 0), revocation_key(RENTER, 1)]
    world.publish(keys[0])
    world.publish(*keys)
    world.publish(*keys, *keys)
    assert revoked_on_eas(world) == 2


def test_the_stores_own_outbox_drains_and_tells_its_age(world: World, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/kycgate.sqlite3")
    try:
        for epoch, at in ((0, 100), (1, 150), (2, 900)):
            store.enqueue(KIND, {"account": RENTER_KEY, "epoch": epoch}, due_at=at)
        assert waiting_s(store, now=200) == 100
        publisher = Revocations(
            world.chain,
            eas=world.at.eas,
            revoker=world.at.revoker,
            publisher=KEYS["publisher"],
            outbox=store,
        )
        assert publisher.publish(now=200) == 2
        assert waiting_s(store, now=200) == 0
        assert [publisher.published_at(RENTER, e) is None for e in range(3)] == [False, False, True]
    finally:
        store.close()


def test_a_silent_chain_leaves_everything_waiting_and_the_wait_is_told(world: World) -> None:
    nowhere = Chain([f"http://127.0.0.1:{free_port()}"], 31337, timeout_s=1)
    outbox = MemoryOutbox()
    outbox.add(RENTER_KEY, 0, at=100)
    assert waiting_s(outbox, now=100) == 0
    with pytest.raises(Unavailable):
        revocations(world, outbox, chain=nowhere).publish(now=200)
    nowhere.close()
    assert waiting_s(outbox, now=500) == 400
    assert revocations(world, outbox).publish(now=500) == 1
    assert waiting_s(outbox, now=501) == 0


def test_a_key_that_may_not_publish_leaves_everything_waiting(world: World) -> None:
    outbox = MemoryOutbox()
    outbox.add(RENTER_KEY, 0, at=100)
    with pytest.raises(Reverted) as refused:
        revocations(world, outbox, publisher="stranger").publish(now=200)
    assert artifact("Revoker").error(refused.value.data) == "NotPublisher"
    assert len(outbox.items) == 1


def test_a_publishers_key_rotates_under_the_same_revoker(world: World) -> None:
    job, _ = world.opened()
    compiled, old, new = artifact("Revoker"), KEYS["publisher"], KEYS["stranger"]
    begin = world.anvil.now + 3 * 86400
    for function, *arguments in (
        ("addKey", new.address, begin, 2**48 - 1),
        ("killKey", old.address),
    ):
        data = compiled.encode(function, *arguments)
        world.chain.send(KEYS["root"], world.at.revoker, data)
    with pytest.raises(Reverted):
        world.publish(revocation_key(RENTER, 0), by=old)
    world.anvil.mine_at(begin)
    world.publish(revocation_key(RENTER, 0), by=new)
    world.escrow.settle(KEYS["provider"], job)
    assert world.escrow.rental(job).state is State.HELD


def test_a_contract_account_is_revoked_on_its_own_chain_only(world: World) -> None:
    outbox = MemoryOutbox()
    wallet = Address(b"\x42" * 20)
    outbox.add(Account(wallet, 10).key, 0, at=100)
    publisher = revocations(world, outbox)
    assert publisher.publish(now=200) == 0
    assert publisher.published_at(wallet, 0) is None
    outbox.add(Account(wallet, 31337).key, 0, at=100)
    assert publisher.publish(now=200) == 1


def test_an_item_that_names_no_account_is_loud(world: World) -> None:
    outbox = MemoryOutbox()
    outbox.add("not an account", 0, at=100)
    with pytest.raises(Malformed):
        revocations(world, outbox).publish(now=200)
    assert len(outbox.items) == 1
